/**
 * What is never stashed: passwords, one-time codes, card data, files, CSRF fields and whatever is switched
 * off.
 *
 * @module
 */

import { attribute, closest, controlsOf, isControl, isDisabled, isNative, nameOf } from "./dom.js";

/** @typedef {import("./dom.js").Control} Control */

/**
 * `autocomplete` holds several words ("section-a billing cc-number"); any of these makes the field a secret.
 */
const SECRET_AUTOCOMPLETE = /^(one-time-code|current-password|new-password|cc-.*)$/i;

/**
 * Names that frameworks give their request-forgery tokens, with the prefixes that form libraries put before
 * them.
 */
const CSRF_NAME = /csrf|xsrf|authenticity_token$|requestverificationtoken$|^_token$|^_wpnonce$/i;

/** Controls that are shown in clear for the moment ("show password") but were a password before. */
const onceSecret = /** @type {WeakSet<Element>} */ (new WeakSet());

/**
 * Whether these facts make a field a secret. Pure.
 *
 * @param {{ type: string, name: string, autocomplete: string }} facts
 * @returns {boolean}
 */
export function isSecretField({ type, name, autocomplete }) {
  if (type.toLowerCase() === "password" || CSRF_NAME.test(name)) return true;
  return autocomplete.split(/\s+/).some((word) => SECRET_AUTOCOMPLETE.test(word));
}

/**
 * Remembers that a control has been a password, for as long as it lives.
 *
 * @param {Element} control
 */
export function markSecret(control) {
  onceSecret.add(control);
}

/**
 * @param {Control} control
 * @returns {boolean}
 */
export function isSecret(control) {
  const autocomplete = attribute(control, "autocomplete") ?? "";
  const { type = "" } = /** @type {{ type?: unknown }} */ (control);
  if (isSecretField({ type: String(type), name: nameOf(control), autocomplete })) onceSecret.add(control);
  return onceSecret.has(control);
}

/**
 * @param {Element} control
 * @returns {boolean}
 */
export function isSwitchedOff(control) {
  return closest(control, '[data-stash="off"]') !== null;
}

/**
 * A field that only proves where a form comes from. Over a socket, whose origin is checked, nobody needs it.
 *
 * @param {string} name
 * @returns {boolean}
 */
export const isCsrf = (name) => CSRF_NAME.test(name);

/**
 * The names of filled controls whose values must never be stored: what is sent under such a name is to be kept in
 * memory only. Request-forgery tokens are not among them, since they are not sent at all.
 *
 * @param {Document | HTMLFormElement} root a form stands for the controls that belong to it
 * @returns {Set<string>}
 */
export function excludedNames(root) {
  const controls =
    root instanceof HTMLFormElement ? controlsOf(root) : [...root.querySelectorAll("*")].filter(isControl);
  const excluded = controls.filter((control) => {
    const name = nameOf(control);
    if (name === "" || isCsrf(name) || isDisabled(control) || !isFilled(control)) return false;
    return isOff(control) || isFile(control) || isSecret(control);
  });
  return new Set(excluded.map(nameOf));
}

/**
 * @param {Control} control
 * @returns {boolean} whether it, or the form that it belongs to, is switched off
 */
function isOff(control) {
  const { form } = /** @type {{ form?: unknown }} */ (control);
  return isSwitchedOff(control) || (form instanceof HTMLFormElement && isSwitchedOff(form));
}

/**
 * @param {Control} control
 * @returns {boolean}
 */
function isFile(control) {
  return control instanceof HTMLInputElement && control.type === "file";
}

/**
 * @param {Control} control
 * @returns {boolean}
 */
function isFilled(control) {
  if (control instanceof HTMLInputElement) {
    if (control.type === "checkbox" || control.type === "radio") return control.checked;
    if (["submit", "reset", "button", "image"].includes(control.type)) return false;
  }
  const { value, checked } = /** @type {{ value?: unknown, checked?: unknown }} */ (control);
  return Boolean(value) && (isNative(control) || checked !== false);
}
