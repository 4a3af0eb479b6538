/**
 * Reads forms: which fields they have, what stands in them, and what the server had rendered.
 *
 * What was rendered is read from `defaultValue`, `defaultChecked` and `defaultSelected`: browsers restore
 * `value` and `checked` by themselves over a reload, without a word to the page.
 *
 * @module
 */

import { attribute, controlsOf, isDisabled } from "./dom.js";
import { isSecret, isSwitchedOff } from "./exclude.js";
import { fieldKey } from "./records.js";

/** @typedef {import("./dom.js").Control} Control */
/** @typedef {import("./merge.js").Value} Value */
/** @typedef {"text" | "select" | "radio" | "checkbox" | "file"} Kind */

/**
 * @typedef {object} Field one control, or all radios or all checkboxes of one name
 * @property {string} form
 * @property {string} name
 * @property {number} index counts the fields of one name, so that rows are told apart
 * @property {string} key
 * @property {Kind} kind
 * @property {Control[]} controls the enabled ones
 * @property {boolean} secret never to be stashed
 * @property {string | null} was the name it had in an older version of the page
 * @property {Value | null} base what was rendered when the user began
 */

const BUTTONS = new Set(["submit", "reset", "button", "image", "hidden"]);

/**
 * The fields of a form by key, in tree order. Secret and switched-off fields are listed as secret, so that
 * what was stashed before they became so can be dropped; nameless, hidden and button-like controls are not
 * listed.
 *
 * @param {HTMLFormElement} form
 * @param {string} formName
 * @param {{ has(name: string): boolean, add(name: string): unknown }} secretNames remembered for the form: a
 *   name that was a password once stays one
 * @returns {Map<string, Field>}
 */
export function scan(form, formName, secretNames) {
  const fields = /** @type {Map<string, Field>} */ (new Map());
  const counts = /** @type {Map<string, number>} */ (new Map());
  const groups = /** @type {Map<string, Field>} */ (new Map());
  const off = /** @type {Set<Field>} */ (new Set());
  for (const control of controlsOf(form)) {
    const { name } = control;
    const kind = kindOf(control);
    if (name === "" || kind === null) continue;
    if (isSecret(control)) secretNames.add(name);
    const group = isGroup(kind) ? `${kind}:${name}` : null;
    let field = group === null ? undefined : groups.get(group);
    if (!field) {
      const index = counts.get(name) ?? 0;
      counts.set(name, index + 1);
      const key = fieldKey(name, index);
      field = { form: formName, name, index, key, kind, controls: [], secret: false, was: null, base: null };
      fields.set(key, field);
      if (group !== null) groups.set(group, field);
    }
    field.was ??= attribute(control, "data-stash-was");
    if (isSwitchedOff(control)) off.add(field);
    else if (!isDisabled(control)) field.controls.push(control);
  }
  for (const field of fields.values()) {
    field.secret = secretNames.has(field.name) || (off.has(field) && field.controls.length === 0);
  }
  return fields;
}

/**
 * @param {Control} control
 * @returns {Kind | null} `null` for what holds nothing that a user enters
 */
export function kindOf(control) {
  if (control instanceof HTMLSelectElement) return "select";
  if (control instanceof HTMLTextAreaElement) return "text";
  const { type } = control;
  if (type === "radio" || type === "checkbox" || type === "file") return type;
  return BUTTONS.has(type) ? null : "text";
}

/**
 * @param {Kind} kind
 * @returns {boolean} whether all controls of one name are one field
 */
export function isGroup(kind) {
  return kind === "radio" || kind === "checkbox";
}

/**
 * What stands in a field now.
 *
 * @param {Field} field
 * @returns {Value | null} `null` if the browser does not tell, as for a number that is not one yet
 */
export function read({ kind, controls }) {
  const [first] = controls;
  if (!first) return null;
  if (first instanceof HTMLSelectElement) return Array.from(first.selectedOptions, (option) => option.value);
  if (isGroup(kind)) return checkedValues(controls, (input) => input.checked);
  if (kind === "file") return null;
  return first.validity.badInput ? null : [first.value];
}

/**
 * What the server rendered into a field.
 *
 * @param {Field} field
 * @returns {Value}
 */
export function rendered({ kind, controls }) {
  const [first] = controls;
  if (!first || kind === "file") return [];
  if (first instanceof HTMLSelectElement) return renderedOptions(first);
  if (isGroup(kind)) return checkedValues(controls, (input) => input.defaultChecked);
  if (first instanceof HTMLTextAreaElement) return [first.defaultValue.replace(/\r\n?/g, "\n")];
  return [sanitised(first)];
}

/**
 * @param {Control[]} controls
 * @param {(input: HTMLInputElement) => boolean} isChecked
 * @returns {string[]}
 */
function checkedValues(controls, isChecked) {
  const inputs = /** @type {HTMLInputElement[]} */ (controls);
  return inputs.filter(isChecked).map((input) => input.value);
}

/**
 * A select shows its first usable option when the page marks none.
 *
 * @param {HTMLSelectElement} select
 * @returns {string[]}
 */
function renderedOptions(select) {
  const options = Array.from(select.options);
  const marked = options.filter((option) => option.defaultSelected);
  if (select.multiple) return marked.map((option) => option.value);
  const shown = marked.at(-1) ?? (select.size <= 1 ? options.find(isUsable) : undefined);
  return shown ? [shown.value] : [];
}

/**
 * @param {HTMLOptionElement} option
 * @returns {boolean}
 */
export function isUsable(option) {
  const group = option.parentElement;
  return !option.disabled && !(group instanceof HTMLOptGroupElement && group.disabled);
}

/**
 * The default as the control itself would show it: a range without a value stands in the middle, a colour is
 * black. Most often it is shown already, and nothing has to be made.
 *
 * @param {HTMLInputElement} input
 * @returns {string}
 */
function sanitised(input) {
  if (input.value === input.defaultValue) return input.value;
  const probe = input.ownerDocument.createElement("input");
  for (const name of ["type", "min", "max", "step", "multiple", "value"]) {
    const value = attribute(input, name);
    if (value !== null) probe.setAttribute(name, value);
  }
  return probe.value;
}
