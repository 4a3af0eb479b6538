/**
 * The kinds of fields: how each is read, what of it was rendered, how it is written. One row per kind.
 *
 * Of native controls the browser itself remembers what was rendered, in `defaultValue`, `defaultChecked` and
 * `defaultSelected`; it restores `value` and `checked` over a reload without a word to the page. Of the others,
 * what they showed when they came into the page is remembered here.
 *
 * @module
 */

import { attribute, isCustom, isEditable, isFilledIn, nativeValue, setNatively } from "./dom.js";
import { write, writeSafely } from "../sanitizer.js";
import { same } from "./merge.js";

/** @typedef {import("./dom.js").Control} Control */
/** @typedef {import("./merge.js").Value} Value */
/** @typedef {keyof typeof KINDS} Kind */
/**
 * @typedef {object} Row
 * @property {(controls: Control[]) => Value | null} read what stands there; `null` if the browser does not tell, as
 *   for a number that is not one yet
 * @property {(controls: Control[]) => Value} rendered
 * @property {(controls: Control[], value: Value) => string} write as a whole or not at all; returns why not
 */

/** @type {WeakMap<Control, Value>} */
const remembered = new WeakMap();
/** Stands between a value and which of several items of that value it is. No form holds it. */
const NTH = "\0#";
/** HTML that was read from this page. @type {WeakSet<Value>} */
const own = new WeakSet();

/** @satisfies {Record<string, Row>} */
export const KINDS = {
  text: { read: readText, rendered: renderedText, write: writeText },
  select: { read: readSelect, rendered: renderedSelect, write: writeSelect },
  radio: choice(1),
  checkbox: choice(Infinity),
  file: { read: () => null, rendered: () => [], write: () => "" },
  custom: memory(readCustom, writeCustom),
  hidden: memory((input) => readText([input]), (input, value) => writeText([input], value)),
  html: memory(readHtml, writeHtml),
  details: memory((part) => (attribute(part, "open") === null ? [] : ["open"]), writeDetails),
  dialog: memory(readDialog, writeDialog),
  scroll: memory(readScroll, writeScroll),
};

const BUTTONS = new Set(["submit", "reset", "button", "image", "hidden"]);

/**
 * @param {Control} control
 * @returns {Kind | null} `null` for what holds nothing that a user enters
 */
export function kindOf(control) {
  if (control instanceof HTMLSelectElement) return "select";
  if (control instanceof HTMLTextAreaElement) return "text";
  if (control instanceof HTMLInputElement) {
    const { type } = control;
    if (type === "radio" || type === "checkbox" || type === "file") return type;
    if (isFilledIn(control)) return "hidden";
    return BUTTONS.has(type) ? null : "text";
  }
  if (isEditable(control)) return "html";
  if (control instanceof HTMLDetailsElement) return "details";
  if (control instanceof HTMLDialogElement) return "dialog";
  return isCustom(control) ? "custom" : "scroll";
}

/**
 * @param {Kind} kind
 * @returns {boolean} whether all controls of one name are one field
 */
export function isGroup(kind) {
  return kind === "radio" || kind === "checkbox";
}

/**
 * Notes that this is what the page renders into a control, other than what stands there.
 *
 * @param {Control} control
 * @param {Value | null} value `null`: what stands there is
 */
export function remember(control, value) {
  const kind = kindOf(control);
  const rendered = value ?? (kind && KINDS[kind].read([control]));
  if (rendered) remembered.set(control, rendered);
}

/**
 * @param {Control} control
 * @returns {boolean}
 */
export function isRemembered(control) {
  return remembered.has(control);
}

/**
 * A select of one that marks none of its options shows one of them, but by that the page says nothing.
 *
 * @param {Control[]} controls
 * @returns {boolean} whether what is rendered is meant
 */
export function isMeant([first]) {
  if (!(first instanceof HTMLSelectElement) || first.multiple) return true;
  return Array.from(first.options).some((option) => option.defaultSelected);
}

/**
 * @param {Control} control
 * @returns {boolean} whether it shows something else than what was rendered
 */
export function isChanged(control) {
  const kind = kindOf(control);
  const now = kind && KINDS[kind].read([control]);
  return now ? !same(now, KINDS[/** @type {Kind} */ (kind)].rendered([control])) : false;
}

// Text.

/** @type {Row["read"]} */
function readText([first]) {
  const input = /** @type {HTMLInputElement} */ (first);
  return input.validity.badInput ? null : [nativeValue(input)];
}

/** @type {Row["rendered"]} */
function renderedText([first]) {
  if (first instanceof HTMLTextAreaElement) return [first.defaultValue.replace(/\r\n?/g, "\n")];
  return [sanitised(/** @type {HTMLInputElement} */ (first))];
}

/**
 * The default as the control itself would show it: a range without a value stands in the middle, a colour is
 * black. Most often it is shown already, and nothing has to be made.
 *
 * @param {HTMLInputElement} input
 * @returns {string}
 */
function sanitised(input) {
  if (nativeValue(input) === input.defaultValue) return input.defaultValue;
  const probe = input.ownerDocument.createElement("input");
  for (const name of ["type", "min", "max", "step", "multiple", "value"]) {
    const value = attribute(input, name);
    if (value !== null) probe.setAttribute(name, value);
  }
  return probe.value;
}

/** @type {Row["write"]} */
function writeText([first], [text, ...more]) {
  if (text === undefined || more.length > 0) return "not accepted";
  const control = /** @type {HTMLInputElement} */ (first);
  const before = nativeValue(control);
  setNatively(control, "value", text);
  if (nativeValue(control) === text) return "";
  setNatively(control, "value", before);
  return "not accepted";
}

// Choices.

/** @type {Row["read"]} */
function readSelect([first]) {
  return chosenOf(/** @type {HTMLSelectElement} */ (first).options, (option) => option.selected);
}

/**
 * A select shows its first usable option when the page marks none.
 *
 * @type {Row["rendered"]}
 */
function renderedSelect([first]) {
  const select = /** @type {HTMLSelectElement} */ (first);
  const options = Array.from(select.options);
  const marked = options.filter((option) => option.defaultSelected);
  const one = marked.at(-1) ?? (select.size <= 1 ? options.find(isUsable) : undefined);
  return chosenOf(options, (option) => (select.multiple ? option.defaultSelected : option === one));
}

/** @type {Row["write"]} */
function writeSelect([first], value) {
  const select = /** @type {HTMLSelectElement} */ (first);
  if (!select.multiple && value.length > 1) return "not accepted";
  const options = Array.from(select.options);
  const chosen = pick(options, value, isUsable);
  if (!chosen) return "no such option";
  if (select.multiple) for (const option of options) option.selected = chosen.has(option);
  else select.selectedIndex = options.findIndex((option) => chosen.has(option));
  return "";
}

/**
 * @param {HTMLOptionElement} option
 * @returns {boolean}
 */
function isUsable(option) {
  const group = option.parentElement;
  return !option.disabled && !(group instanceof HTMLOptGroupElement && group.disabled);
}

/**
 * @param {{ kind: Kind, controls: Control[] }} field
 * @param {Value} value
 * @returns {boolean} whether it is there to be chosen; of what is not chosen but written, anything is
 */
export function isOffered({ kind, controls }, value) {
  if (kind === "select") return pick(Array.from(/** @type {HTMLSelectElement} */ (controls[0])?.options ?? []), value, isUsable) !== null;
  return !isGroup(kind) || pick(/** @type {HTMLInputElement[]} */ (controls), value) !== null;
}

/**
 * @param {number} most how many may be checked
 * @returns {Row}
 */
function choice(most) {
  const values = (/** @type {Control[]} */ controls, /** @type {"checked" | "defaultChecked"} */ property) =>
    chosenOf(/** @type {HTMLInputElement[]} */ (controls), (input) => input[property]);
  return {
    read: (controls) => values(controls, "checked"),
    rendered: (controls) => values(controls, "defaultChecked"),
    write: (controls, value) => {
      if (value.length > most) return "not accepted";
      const inputs = /** @type {HTMLInputElement[]} */ (controls);
      const chosen = pick(inputs, value);
      if (!chosen) return "no such option";
      for (const input of inputs) setNatively(input, "checked", chosen.has(input));
      return "";
    },
  };
}

/**
 * What is chosen. Several items of one value are told apart by which of them each is.
 *
 * @template {{ value: string }} T
 * @param {Iterable<T>} items
 * @param {(item: T) => boolean} isChosen
 * @returns {string[]}
 */
function chosenOf(items, isChosen) {
  return [...labelled(items)].flatMap(([item, label]) => (isChosen(item) ? [label] : []));
}

/**
 * @template {{ value: string }} T
 * @param {Iterable<T>} items
 * @returns {Map<T, string>} the value of each, with a number if others before it have the same one
 */
function labelled(items) {
  const counts = /** @type {Map<string, number>} */ (new Map());
  const labels = new Map();
  for (const item of items) {
    const count = counts.get(item.value) ?? 0;
    counts.set(item.value, count + 1);
    labels.set(item, count > 0 ? item.value + NTH + count : item.value);
  }
  return labels;
}

/**
 * The items that hold the values, one item for each value.
 *
 * @template {{ value: string }} T
 * @param {T[]} items
 * @param {Value} values
 * @param {(item: T) => boolean} [isUsable]
 * @returns {Set<T> | null} `null` if one of the values is not there
 */
function pick(items, values, isUsable = () => true) {
  const wanted = new Set(values);
  const chosen = [...labelled(items)].flatMap(([item, label]) => (wanted.has(label) && isUsable(item) ? [item] : []));
  return chosen.length === values.length ? new Set(chosen) : null;
}

/**
 * @param {Value} values as they are told apart here
 * @returns {string[]} as a form submits them
 */
export function plainly(values) {
  return values.map((value) => value.replace(/\0#\d+$/, ""));
}

// What the browser does not remember.

/**
 * @param {(control: Control) => Value | null} read
 * @param {(control: Control, value: Value) => string | void} write
 * @returns {Row}
 */
function memory(read, write) {
  return {
    read: ([first]) => read(/** @type {Control} */ (first)),
    rendered: ([first]) => remembered.get(/** @type {Control} */ (first)) ?? [],
    write: ([first], value) => write(/** @type {Control} */ (first), value) ?? "",
  };
}

/**
 * By the custom of component libraries: `checked` where there is one, `value` otherwise.
 *
 * @param {Control} control
 * @returns {Value | null}
 */
function readCustom(control) {
  const { value, checked } = /** @type {any} */ (control);
  const all = Array.isArray(value) ? value : value == null ? [] : [value];
  if (!all.every((item) => typeof item === "string" || typeof item === "number")) return null;
  if (typeof checked !== "boolean") return all.map(String);
  return checked ? [String(value ?? "on")] : [];
}

/**
 * @param {Control} control
 * @param {Value} value
 * @returns {string | void}
 */
function writeCustom(control, value) {
  const element = /** @type {any} */ (control);
  const before = { value: element.value, checked: element.checked };
  if (typeof before.checked === "boolean") element.checked = value.length > 0;
  else element.value = Array.isArray(before.value) ? [...value] : (value[0] ?? "");
  const now = readCustom(control);
  if (now && same(now, value)) return;
  if (typeof before.checked === "boolean") element.checked = before.checked;
  else element.value = before.value;
  return "not accepted";
}

/** @param {Control} part @returns {Value} */
function readHtml({ innerHTML }) {
  // Where nothing is left, browsers leave a line break.
  const value = [innerHTML === "<br>" ? "" : innerHTML];
  own.add(value);
  return value;
}

/**
 * What stood in this page, rendered or written there, is put back as it was. What comes from storage may be anything.
 *
 * @param {Control} part
 * @param {Value} value
 * @returns {string | void}
 */
function writeHtml(part, value) {
  const [html = ""] = value;
  if (own.has(value) || html === (remembered.get(part)?.[0] ?? "")) write(part, html);
  else return writeSafely(part, html);
}

/** @param {Control} part @param {Value} value */
function writeDetails(part, value) {
  /** @type {HTMLDetailsElement} */ (part).open = value.length > 0;
}

/** @param {Control} part @returns {Value} */
function readDialog(part) {
  if (!(/** @type {HTMLDialogElement} */ (part).open)) return [];
  return [part.matches(":modal") ? "modal" : "open"];
}

/** @param {Control} part @param {Value} value */
function writeDialog(part, [how]) {
  const dialog = /** @type {HTMLDialogElement} */ (part);
  if (dialog.open) dialog.close();
  if (how === "modal") dialog.showModal();
  else if (how) dialog.show();
}

/** @param {Control} part @returns {Value} */
function readScroll({ scrollLeft, scrollTop }) {
  return [`${Math.round(scrollLeft)} ${Math.round(scrollTop)}`];
}

/** @param {Control} part @param {Value} value @returns {string | void} */
function writeScroll(part, [at = ""]) {
  const [left, top] = at.split(" ").map(Number);
  part.scrollTo({ left, top, behavior: "instant" });
  if (!same(readScroll(part), [at])) return "too short";
}

/**
 * @param {Control} part
 * @param {Value} value
 * @returns {boolean} whether it has become too short to be scrolled that far
 */
export function isCut({ scrollTop, clientHeight, scrollHeight }, [at = ""]) {
  return scrollTop < Number(at.split(" ")[1]) && scrollTop + clientHeight >= scrollHeight - 1;
}
