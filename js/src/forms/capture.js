/**
 * Reads forms: which fields they have, and what stands in them.
 *
 * @module
 */

import { attribute, closest, controlsOf, isDisabled, nameOf } from "./dom.js";
import { isSecret, isSwitchedOff } from "./exclude.js";
import { KINDS, isGroup, isRemembered, kindOf, remember } from "./kinds.js";
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
 * What the server rendered into a field.
 *
 * @param {Field} field
 * @returns {Value}
 */
export function rendered({ kind, controls }) {
  return controls.length > 0 ? KINDS[kind].rendered(controls) : [];
}

/** What a server has taken since it rendered a control, and what it had rendered there. @type {WeakMap<Control, [Value, Value]>} */
const taken = new WeakMap();

/**
 * What a server has in a field, as far as the page knows: what it rendered, or has taken since.
 *
 * @param {Field} field
 * @returns {Value}
 */
export function theirs(field) {
  const page = rendered(field);
  const [value, over] = takenFrom(field) ?? [page, page];
  return same(over, page) ? value : page;
}

/**
 * A server has taken this. Until it renders the field anew, that is what it has.
 *
 * @param {Field} field
 * @param {Value} value
 */
export function take(field, value) {
  const [control] = field.controls;
  if (control && field.kind !== "file") taken.set(control, [value, rendered(field)]);
}

/**
 * The page begins anew with a field.
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
 * @param {Field} field
 * @returns {[Value, Value] | undefined}
 */
const takenFrom = ({ controls: [control] }) => control && taken.get(control);
