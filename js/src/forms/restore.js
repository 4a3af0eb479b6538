/**
 * Puts values back into fields, and tells the page so.
 *
 * @module
 */

import { isGroup, isUsable, read, rendered } from "./capture.js";
import { closest, setNatively } from "./dom.js";
import { same } from "./merge.js";

/** @typedef {import("./dom.js").Control} Control */
/** @typedef {import("./merge.js").Value} Value */
/** @typedef {import("./capture.js").Field} Field */

/**
 * Writes a value as a whole, or not at all: a field only takes what is among its options, and what its type
 * lets stand.
 *
 * @param {Field} field
 * @param {Value} value
 * @returns {string} why it was not taken; empty if it was
 */
export function write(field, value) {
  const [first] = field.controls;
  if (!first) return "disabled";
  if (first instanceof HTMLSelectElement) return writeSelect(first, value);
  if (isGroup(field.kind)) return writeChecked(field, value);
  return writeText(first, value);
}

/**
 * @param {HTMLSelectElement} select
 * @param {Value} value
 * @returns {string}
 */
function writeSelect(select, value) {
  if (!select.multiple && value.length > 1) return "not accepted";
  const options = Array.from(select.options);
  const chosen = pick(options.filter(isUsable), value);
  if (!chosen) return "no such option";
  if (select.multiple) for (const option of options) option.selected = chosen.has(option);
  else select.selectedIndex = options.findIndex((option) => chosen.has(option));
  return "";
}

/**
 * @param {Field} field
 * @param {Value} value
 * @returns {string}
 */
function writeChecked({ kind, controls }, value) {
  if (kind === "radio" && value.length > 1) return "not accepted";
  const inputs = /** @type {HTMLInputElement[]} */ (controls);
  const chosen = pick(inputs, value);
  if (!chosen) return "no such option";
  for (const input of inputs) setNatively(input, "checked", chosen.has(input));
  return "";
}

/**
 * @param {HTMLInputElement | HTMLTextAreaElement} control
 * @param {Value} value
 * @returns {string}
 */
function writeText(control, value) {
  const [text] = value;
  if (text === undefined || value.length > 1) return "not accepted";
  const before = control.value;
  setNatively(control, "value", text);
  if (control.value === text) return "";
  setNatively(control, "value", before);
  return "not accepted";
}

/**
 * The items that hold the values, one item for each value.
 *
 * @template {{ value: string }} T
 * @param {T[]} items
 * @param {Value} values
 * @returns {Set<T> | null} `null` if one of the values is not there
 */
function pick(items, values) {
  const chosen = /** @type {Set<T>} */ (new Set());
  for (const value of values) {
    const item = items.find((candidate) => candidate.value === value && !chosen.has(candidate));
    if (!item) return null;
    chosen.add(item);
  }
  return chosen;
}

/**
 * Fires `input` and `change` as the browser would have, marked with `event.detail.stash`.
 *
 * @param {Field} field
 */
export function announce({ kind, controls }) {
  const inputs = /** @type {HTMLInputElement[]} */ (controls);
  const untouched = (/** @type {HTMLInputElement} */ input) => kind === "checkbox" && input.defaultChecked;
  const differ = inputs.filter((input) => input.checked !== untouched(input));
  for (const control of isGroup(kind) && differ.length > 0 ? differ : controls) {
    for (const type of ["input", "change"]) {
      const detail = { stash: true };
      control.dispatchEvent(new CustomEvent(type, { bubbles: true, composed: true, detail }));
    }
  }
}

/**
 * @param {Event} event
 * @returns {boolean} whether the event is one that `announce` fired
 */
export function isAnnounced(event) {
  return event instanceof CustomEvent && event.detail?.stash === true;
}

/**
 * Who wins a conflict in this field, by the nearest `data-stash-conflict` at the control, around it or at its
 * form.
 *
 * @param {Field} field
 * @param {HTMLFormElement} form
 * @returns {"mine" | "theirs"}
 */
export function policyOf({ controls }, form) {
  const marked = '[data-stash-conflict="mine"], [data-stash-conflict="theirs"]';
  const [first] = controls;
  const element = (first && closest(first, marked)) ?? closest(form, marked);
  return element?.getAttribute("data-stash-conflict") === "theirs" ? "theirs" : "mine";
}

/**
 * Takes back what the browser itself has put into a field.
 *
 * @param {Field} field
 */
export function revert(field) {
  const value = rendered(field);
  const now = read(field);
  if (field.kind === "file" || (now !== null && same(now, value))) return;
  if (write(field, value) === "") announce(field);
}
