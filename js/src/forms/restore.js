/**
 * Puts values back into fields, and tells the page so.
 *
 * @module
 */

import { read, rendered } from "./capture.js";
import { closest, setNatively } from "./dom.js";
import { KINDS, isGroup } from "./kinds.js";
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
export function write({ kind, controls }, value) {
  return controls.length > 0 ? KINDS[kind].write(controls, value) : "disabled";
}

/**
 * @param {Field} field
 * @returns {boolean[]} which of its controls are checked, to be told from what they are after a write
 */
export function checks({ controls }) {
  return controls.map((control) => /** @type {HTMLInputElement} */ (control).checked === true);
}

/**
 * Fires `input` and `change` as the browser would have, marked with `event.detail.stash`. What opens or scrolls
 * says so by itself.
 *
 * Of a group each control is told by itself, and shows what it is to show only then: a framework renders the group anew
 * for each, from what it has heard so far.
 *
 * @param {Field} field
 * @param {boolean[] | null} before what was checked before it was written; `null`: only what React has not heard of
 */
export function announce({ form, kind, controls }, before) {
  if (form === "") return;
  if (!isGroup(kind)) return fire(controls[0], false);
  const inputs = /** @type {HTMLInputElement[]} */ (controls);
  const wanted = inputs.map((input) => ({ input, checked: input.checked }));
  const written = wanted.filter(({ input, checked }, index) => (before ? checked !== before[index] : unheard.has(input)));
  const differ = written.length > 0 ? written : wanted.filter(({ input, checked }) => checked !== input.defaultChecked);
  const chosen = kind === "radio" ? differ.filter(({ checked }) => checked) : [];
  const queue = chosen.length > 0 ? chosen : differ;
  const next = () => {
    const told = queue.shift();
    if (!told) return;
    if (told.input.isConnected) {
      setNatively(told.input, "checked", told.checked);
      fire(told.input, true);
    }
    queueMicrotask(next);
  };
  next();
}

/** Controls that were told of before React had them: it hears no event until then. @type {WeakSet<Control>} */
const unheard = new WeakSet();

/** @param {Control} control */
const isHeld = (control) => Object.keys(control).some((key) => key.startsWith("__react"));

/**
 * @param {Field} field
 * @returns {boolean} whether React has one of its controls by now, and has not heard of it
 */
export function isUnheard({ controls }) {
  return controls.some((control) => unheard.has(control) && isHeld(control));
}

/**
 * Frameworks listen to different events. React ignores one unless the value differs from the one that it has seen last,
 * which it may have taken over from the page; and of what can be checked, it listens for the click only. An event that is
 * no `MouseEvent` checks nothing. Of a `CustomEvent`, Alpine would take the detail for the value.
 *
 * @param {Control | undefined} control
 * @param {boolean} checkable
 */
function fire(control, checkable) {
  if (!control) return;
  if (isHeld(control)) unheard.delete(control);
  else unheard.add(control);
  const tracker = /** @type {any} */ (control)._valueTracker;
  const { checked } = /** @type {HTMLInputElement} */ (control);
  if (tracker) tracker.setValue(checkable ? String(!checked) : `${tracker.getValue()} `);
  const types = tracker && checkable ? ["click", "input", "change"] : ["input", "change"];
  if (control.getAttributeNames().some((name) => /^x-model.*\.blur/.test(name))) types.push("blur");
  const within = firing;
  firing = true;
  for (const type of types) {
    const event = new Event(type, { bubbles: type !== "blur", composed: true });
    control.dispatchEvent(Object.defineProperty(event, "detail", { value: { stash: true } }));
  }
  firing = within;
}

let firing = false;

/** @returns {boolean} whether the page is handling an event that `announce` fires: what it fires then is not the user's */
export const isFiring = () => firing;

/**
 * @param {Event} event
 * @returns {boolean} whether the event is one that `announce` fired
 */
export function isAnnounced(event) {
  return /** @type {CustomEvent} */ (event).detail?.stash === true;
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
  const before = checks(field);
  if (write(field, value) === "") announce(field, before);
}
