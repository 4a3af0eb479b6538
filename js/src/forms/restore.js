/**
 * Puts values back into fields, and tells the page so.
 *
 * @module
 */

import { read, rendered } from "./capture.js";
import { closest } from "./dom.js";
import { KINDS, isGroup } from "./kinds.js";
import { same } from "./merge.js";

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
export function write({ kind, controls }, value) {
  return controls.length > 0 ? KINDS[kind].write(controls, value) : "disabled";
}

/**
 * Fires `input` and `change` as the browser would have, marked with `event.detail.stash`. What opens or scrolls
 * says so by itself.
 *
 * @param {Field} field
 */
export function announce({ form, kind, controls }) {
  if (form === "") return;
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
 * @param {Element} form
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
