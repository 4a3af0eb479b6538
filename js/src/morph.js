/**
 * Renders HTML over what is in the page, and leaves alone what a user is doing there.
 *
 * An entry point of its own: it brings idiomorph along, and who renders otherwise need not load it.
 *
 * @module
 */

import { Idiomorph } from "idiomorph";

import { attribute, closest, formName, isCustom, isEditable, isFilledIn, nameOf, nativeValue, setNatively } from "./forms/dom.js";
import { going, stay, staySized } from "./opened.js";

/** @typedef {import("./forms/dom.js").Control} Control */
/**
 * @typedef {object} Keeper stashed forms, as far as a rendering concerns them
 * @property {() => void} settle
 * @property {(control: Control) => boolean} keeps
 * @property {(control: Control, rendered: readonly string[]) => void} theirs
 * @property {() => void} update
 */
/**
 * @typedef {object} MorphOptions
 * @property {"outerHTML" | "innerHTML"} [style] whether the HTML takes the place of the target or of what is in it;
 *   `outerHTML`, unless given
 * @property {{ morph: Render }} [idiomorph] in place of the one that comes along
 */
/** @typedef {(target: Element, html: Node[], config: any) => unknown} Render as idiomorph does it; its own types need it installed */

/** Where the main script keeps what its copies share. */
const SHARED = Symbol.for("quart-stash");
const IDENTIFIED = "input, select, textarea, [data-stash], [data-stash-key]";
const PREFIX = "quart-stash:";
/** Where the page's own ids are meanwhile. */
const OWN = "data-quart-stash-id";
const RADIO = "input[type=radio]";

/**
 * Morph an element to HTML that a view has sent. What the user has typed, chosen, opened, sized or scrolled stays, with
 * focus, caret, selection and composition; what the HTML says of these fields counts as the page's side of the three-way merge.
 *
 * @param {Element} target
 * @param {string | Node | Node[]} html as for idiomorph, trusted as the page itself is
 * @param {MorphOptions} [options]
 */
export function morph(target, html, { style = "outerHTML", idiomorph = Idiomorph } = {}) {
  const { keepers } = /** @type {any} */ (globalThis)[SHARED] ?? {};
  const forms = /** @type {Keeper[]} */ (keepers?.() ?? []);
  for (const form of forms) form.settle();
  const scope = style === "innerHTML" ? target : /** @type {ParentNode} */ (target.parentNode ?? target);
  const fresh = parse(html);
  // Controls are told apart by their names, not by where they stand.
  const around = style === "innerHTML" ? target : target.parentElement;
  identify(style === "innerHTML" ? target.childNodes : [target], around);
  identify(fresh, around);
  /** @type {WeakMap<Node, Element>} what is kept, and what it would have become */
  const kept = new WeakMap();
  /** @type {Map<HTMLSelectElement, string[]>} */
  const chosen = new Map();
  const sizes = /** @type {Map<Element, () => void>} */ (new Map());
  const arrived = going(scope);
  const others = /** @type {Set<Element>} */ (new Set(scope.querySelectorAll(RADIO)));
  try {
    /** @type {typeof Idiomorph} */ (idiomorph).morph(target, fresh, {
      morphStyle: style,
      callbacks: {
        beforeNodeMorphed: (old, next) => {
          if (old instanceof HTMLElement && next instanceof HTMLElement && keeps(forms, old)) {
            keep(forms, kept, old, next);
            if (old instanceof HTMLSelectElement) chosen.set(old, Array.from(old.selectedOptions, ({ value }) => value));
          } else if (old instanceof Element && next instanceof Element) {
            stay(old, next);
          }
          const size = old instanceof Element && next instanceof Element && staySized(old, next);
          if (size) sizes.set(old, size);
          return true;
        },
        beforeAttributeUpdated: (name, element) => !kept.has(ownerOf(element)) || !isLive(element, name),
        afterNodeMorphed: (old, next) => {
          if (!(old instanceof Element && next instanceof Element)) return;
          if (kept.has(ownerOf(old))) renderDefaults(old, next);
          else others.delete(old);
          sizes.get(old)?.();
        },
      },
    });
  } finally {
    for (const [select, values] of chosen) choose(select, values);
    // One that was checked takes the choice from the others when it comes to its new place.
    for (const radio of scope.querySelectorAll(RADIO)) if (!others.has(radio)) check(/** @type {HTMLInputElement} */ (radio));
    for (const named of scope.querySelectorAll(`[id^="${PREFIX}"]`)) giveBackId(named);
    arrived();
    for (const form of forms) form.update();
  }
}

/**
 * What nobody has chosen yet follows what is rendered, also in a list that is open; and one option has become another.
 *
 * @param {HTMLSelectElement} select
 * @param {string[]} values that were chosen
 */
function choose(select, values) {
  const options = Array.from(select.options);
  const isThere = values.every((value) => options.some((option) => option.value === value));
  for (const option of options) {
    const selected = isThere ? values.includes(option.value) : option.defaultSelected;
    if (option.selected !== selected) option.selected = selected;
  }
}

/** @param {HTMLInputElement} radio */
function check(radio) {
  radio.checked = radio.defaultChecked;
}

/**
 * @param {string | Node | Node[]} html
 * @returns {Node[]}
 */
function parse(html) {
  if (typeof html !== "string") return [html].flat();
  const template = document.createElement("template");
  template.innerHTML = html;
  return [...template.content.childNodes];
}

/**
 * Gives every control an id of ours: its form, row, name, kind, and which one of these it is. An id of the page's own says
 * less: one that counts the rows is another row's as soon as one is taken out.
 *
 * @param {Iterable<Node>} nodes
 * @param {Element | null} around where they are, or come to be
 */
function identify(nodes, around) {
  const holder = (/** @type {Element} */ element, /** @type {string} */ selector) =>
    closest(element, selector) ?? (around && closest(around, selector));
  const counts = /** @type {Map<string, number>} */ (new Map());
  for (const node of nodes) {
    if (!(node instanceof Element)) continue;
    for (const element of [node, ...node.querySelectorAll(IDENTIFIED)]) {
      const own = attribute(element, "id");
      const name = nameOf(/** @type {Control} */ (element));
      const form = holder(element, "form");
      const row = holder(element, "[data-stash-key]");
      if (!element.matches(IDENTIFIED) || (own !== null && name === "" && element !== row)) continue;
      const place = [form && formName(form), row && attribute(row, "data-stash-key"), element === row];
      const kind = /^(radio|checkbox|password)$/.exec(attribute(element, "type") ?? "")?.[0] ?? element.localName;
      const choice = /^(radio|checkbox)$/.test(kind) ? attribute(element, "value") : "";
      const id = JSON.stringify([...place, name, kind, choice]);
      const count = counts.get(id) ?? 0;
      counts.set(id, count + 1);
      if (own !== null) element.setAttribute(OWN, own);
      element.id = `${PREFIX}${count}${id}`;
    }
  }
}

/** @param {Element} element */
function giveBackId(element) {
  const own = attribute(element, OWN);
  if (own === null) element.removeAttribute("id");
  else element.id = own;
  element.removeAttribute(OWN);
}

/**
 * @param {Keeper[]} forms
 * @param {HTMLElement} control
 * @returns {boolean}
 */
function keeps(forms, control) {
  return forms.some((form) => form.keeps(control));
}

/**
 * @param {Keeper[]} forms
 * @param {WeakMap<Node, Element>} kept
 * @param {HTMLElement} old
 * @param {HTMLElement} next
 */
function keep(forms, kept, old, next) {
  kept.set(old, next);
  const theirs = (/** @type {readonly string[]} */ value) => forms.forEach((form) => form.theirs(old, value));
  if (isEditable(old)) {
    theirs([next.innerHTML]);
    next.replaceChildren(...Array.from(old.childNodes, (node) => node.cloneNode(true)));
  } else if (old.matches("details, dialog")) {
    theirs(attribute(next, "open") === null ? [] : ["open"]);
  } else if (isFilledIn(old)) {
    theirs([attribute(next, "value") ?? ""]);
  } else if (isCustom(old)) {
    const { checked } = /** @type {{ checked?: unknown }} */ (old);
    const value = attribute(next, "value");
    if (typeof checked === "boolean") theirs(attribute(next, "checked") === null ? [] : [value ?? "on"]);
    else theirs(value === null ? [] : [value]);
  }
}

/**
 * @param {Element} element
 * @returns {Element} the control that it is a part of
 */
function ownerOf(element) {
  return (element instanceof HTMLOptionElement && element.closest("select")) || element;
}

/**
 * @param {Element} element
 * @param {string} name
 * @returns {boolean} whether the attribute would change what the user sees in the control
 */
function isLive(element, name) {
  if (element.matches("details, dialog")) return name === "open";
  if (element instanceof HTMLOptionElement) return name === "selected";
  if (element instanceof HTMLInputElement && /^(radio|checkbox)$/.test(element.type)) return name === "checked";
  return name === "value" || (name === "checked" && isCustom(element));
}

/**
 * What a native control shows by default is the page's, and is to change nothing of what it shows: as it would if the
 * control has been worked in, but not changed yet.
 *
 * @param {Element} old
 * @param {Element} next
 */
function renderDefaults(old, next) {
  if (old.matches("details, dialog") || isCustom(old) || isFilledIn(old)) return;
  const { checked } = /** @type {HTMLInputElement} */ (old);
  const text = old instanceof HTMLInputElement ? nativeValue(old) : "";
  for (const name of ["value", "checked", "selected"]) {
    const value = attribute(next, name);
    if (!isLive(old, name) || value === attribute(old, name)) continue;
    if (value === null) old.removeAttribute(name);
    else old.setAttribute(name, value);
  }
  if (!(old instanceof HTMLInputElement)) return;
  if (nativeValue(old) !== text) setNatively(old, "value", text);
  if (old.checked !== checked) old.checked = checked;
}
