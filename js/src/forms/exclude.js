/**
 * What is never stashed: passwords, one-time codes, card data, files, CSRF fields and whatever is switched
 * off.
 *
 * @module
 */

import { attribute, closest, controlsOf, isDisabled, isNative, nameOf } from "./dom.js";

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
 * Whether a form holds a filled control that must never be stored. What is submitted from such a form is to
 * be kept in memory only.
 *
 * @param {HTMLFormElement} form
 * @returns {boolean}
 */
export function hasExcluded(form) {
  const formIsOff = isSwitchedOff(form);
  return controlsOf(form).some((control) => {
    if (nameOf(control) === "" || isDisabled(control) || !isFilled(control)) return false;
    return formIsOff || isFile(control) || isSecret(control) || isSwitchedOff(control);
  });
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
