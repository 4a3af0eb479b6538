/**
 * Reads forms: which fields they have, and what stands in them.
 *
 * @module
 */

import { attribute, closest, controlsOf, isDisabled, nameOf } from "./dom.js";
import { isSecret, isSwitchedOff } from "./exclude.js";
import { KINDS, isGroup, isMeant, isRemembered, kindOf, remember } from "./kinds.js";
import { fieldKey } from "./entry.js";
import { same } from "./merge.js";

/** @typedef {import("./dom.js").Control} Control */
/** @typedef {import("./merge.js").Value} Value */
/** @typedef {import("./kinds.js").Kind} Kind */

/**
 * @typedef {object} Field one control, or all radios or all checkboxes of one name
 * @property {string} form empty: a part of the page that belongs to no form
 * @property {string} name
 * @property {string} row the `data-stash-key` of the row that it is in; empty if there is none
 * @property {number} index counts the fields of one name in a row
 * @property {string} key
 * @property {Kind} kind
 * @property {Control[]} controls the enabled ones
 * @property {Element | null} list what holds its row and the others
 * @property {boolean} secret never to be stashed
 * @property {string | null} was the name it had in an older version of the page
 * @property {Value | null} base what a server had when the user began
 * @property {Value | null} page what it had rendered then
 */

/**
 * The fields of a form by key, in tree order. Secret and switched-off fields are listed as secret, so that
 * what was stashed before they became so can be dropped; nameless, hidden and button-like controls are not
 * listed.
 *
 * @param {Control[]} controls
 * @param {string} form
 * @param {{ has(name: string): boolean, add(name: string): unknown }} secretNames remembered for the form: a
 *   name that was a password once stays one
 * @returns {Map<string, Field>}
 */
export function scan(controls, form, secretNames) {
  const fields = /** @type {Map<string, Field>} */ (new Map());
  const counts = /** @type {Map<string, number>} */ (new Map());
  const groups = /** @type {Map<string, Field>} */ (new Map());
  const off = /** @type {Set<Field>} */ (new Set());
  for (const control of controls) {
    const name = nameOf(control);
    const kind = kindOf(control);
    if (name === "" || kind === null) continue;
    if (isSecret(control)) secretNames.add(name);
    const holder = closest(control, "[data-stash-key]");
    const row = (holder && attribute(holder, "data-stash-key")) || "";
    const one = fieldKey({ name, row, index: 0 });
    const group = isGroup(kind) ? kind + one : null;
    let field = group === null ? undefined : groups.get(group);
    if (!field) {
      const index = counts.get(one) ?? 0;
      counts.set(one, index + 1);
      const key = fieldKey({ name, index, row });
      const list = holder?.parentElement ?? null;
      field = { form, name, row, index, key, kind, controls: [], list, secret: false, was: null, base: null, page: null };
      fields.set(key, field);
      if (group !== null) groups.set(group, field);
    }
    field.was ??= attribute(control, "data-stash-was");
    if (isSwitchedOff(control)) off.add(field);
    else if (!isDisabled(control) && isReady(control)) field.controls.push(control);
  }
  for (const field of fields.values()) {
    field.secret = secretNames.has(field.name) || (off.has(field) && field.controls.length === 0);
  }
  return fields;
}

/**
 * A custom element is one only once its script has run.
 *
 * @param {Control} control
 * @returns {boolean}
 */
function isReady(control) {
  if (!control.matches(":defined")) return false;
  if (!isRemembered(control)) remember(control, null);
  return true;
}

/**
 * What stands in a field now.
 *
 * @param {Field} field
 * @returns {Value | null} `null` if the browser does not tell
 */
export function read({ kind, controls }) {
  return controls.length > 0 ? KINDS[kind].read(controls) : null;
}

/**
 * What the HTML says of a field.
 *
 * @param {Field} field
 * @returns {Value}
 */
export function rendered({ kind, controls }) {
  return controls.length > 0 ? KINDS[kind].rendered(controls) : [];
}

/** What stands for the HTML's value in a control, and what the HTML said then. @type {WeakMap<Control, [Value, Value]>} */
const taken = new WeakMap();

/**
 * What the page has in a field: what a server has taken or a script has set there, or else what the HTML says. The newest counts.
 *
 * @param {Field} field
 * @returns {Value}
 */
export function theirs(field) {
  return takenFrom(field)?.[0] ?? rendered(field);
}

/**
 * From now on this is what the page has in a field, until the HTML says something else.
 *
 * @param {Field} field
 * @param {Value} value
 */
export function take(field, value) {
  const [control] = field.controls;
  if (control && field.kind !== "file") taken.set(control, [value, bare(field)]);
}

/**
 * What the page has in a field is what its HTML says.
 *
 * @param {Field} field
 */
export function takeBack({ controls: [control] }) {
  if (control) taken.delete(control);
}

/**
 * @param {Field} field
 * @returns {boolean} whether a server has taken something of it
 */
export const isTaken = (field) => takenFrom(field) !== undefined;

/**
 * Takes what stands in a field for the page's, since it is nobody else's.
 *
 * @param {Field} field
 */
export function takeAsIs(field) {
  const now = FILLED.has(field.kind) ? read(field) : null;
  if (now === null) return;
  if (same(now, rendered(field))) takeBack(field);
  else take(field, now);
}

/** Kinds that a script sets without a word; of the others each change is seen. */
const FILLED = new Set(["text", "select", "radio", "checkbox", "custom"]);

/**
 * @param {Field} field
 * @returns {boolean} whether the page says anything about the field
 */
export function says(field) {
  return takenFrom(field) !== undefined || isMeant(field.controls);
}

/**
 * @param {Field} field
 * @returns {Value | undefined} what the HTML says where a script has set something else
 */
export function bareOf(field) {
  return takenFrom(field)?.[1];
}

/**
 * @param {Field} field
 * @param {Value | undefined} before what the HTML said where a script had set something else
 * @returns {boolean} whether the HTML says that again, and no script has set anything yet
 */
export function isUnsaid(field, before) {
  return before !== undefined && !takenFrom(field) && same(before, bare(field));
}

/**
 * @param {Field} field
 * @returns {[Value, Value] | undefined}
 */
function takenFrom(field) {
  const [control] = field.controls;
  const found = control && taken.get(control);
  return found && same(found[1], bare(field)) ? found : undefined;
}

/** @param {Field} field @returns {Value} */
function bare(field) {
  return isMeant(field.controls) ? rendered(field) : [];
}
