/**
 * What is never stashed: passwords, one-time codes, card data, files, CSRF fields and whatever is switched
 * off.
 *
 * @module
 */

import { attribute, closest, controlsOf, formName, isControl, isDisabled, isNative, nameOf } from "./dom.js";

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
 * @param {object} [options]
 * @param {string[]} [options.names] in a document: the only ones that are asked for
 * @param {(form: string, name: string) => boolean} [options.wasSecret] whether a field of a stashed form was a secret
 *   once, in whichever element
 * @returns {Set<string>}
 */
export function excludedNames(root, { names, wasSecret } = {}) {
  const excluded = (root instanceof HTMLFormElement ? controlsOf(root) : named(root, names)).filter((control) => {
    const name = nameOf(control);
    if (name === "" || isCsrf(name) || isDisabled(control) || !isFilled(control)) return false;
    const form = formOf(control);
    if (isSwitchedOff(control) || (form && isSwitchedOff(form)) || isFile(control) || isSecret(control)) return true;
    const stashed = form && formName(form);
    return stashed !== null && wasSecret?.(stashed, name);
  });
  return new Set(excluded.map(nameOf));
}

/**
 * @param {Document} document
 * @param {string[]} [names] whatever the size of the page, only what is called so is looked at
 * @returns {Control[]}
 */
function named(document, names) {
  // As it stands in the page, a name may hold half a character.
  const asked = names?.every((name) => !name.includes("\ufffd"));
  const found = asked ? names?.flatMap((name) => [...document.getElementsByName(name)]) : document.querySelectorAll("[name]");
  return [...(found ?? [])].filter(isControl).filter((control) => names?.includes(nameOf(control)) ?? true);
}

/**
 * @param {Control} control
 * @returns {HTMLFormElement | null} what a custom element belongs to need not be told by it
 */
function formOf(control) {
  const { form = closest(control, "form") } = /** @type {{ form?: unknown }} */ (control);
  return form instanceof HTMLFormElement ? form : null;
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
