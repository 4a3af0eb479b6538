/**
 * The few questions that are asked of a form or a control, in a way that the page's field names cannot spoil:
 * `<input name="elements">` hides `form.elements`, so what belongs to a form is read from the prototypes.
 *
 * @module
 */

import { wellFormed } from "../frames.js";

/** @typedef {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} NativeControl */
/**
 * What holds a value: a native control, a form-associated custom element, or a part of the page that is marked
 * with `data-stash`.
 *
 * @typedef {HTMLElement} Control
 */

/** The longest form name that a frame may carry. */
export const MAX_NAME = 256;

/** What may hold, or change, a value: used to tell whether a change of the page concerns a form at all. */
export const CONTROLS = "input, textarea, select, option, optgroup, fieldset, form, [data-stash]";

/** Parts of the page that are stashed although they are no controls of a form. */
export const PARTS = '[data-stash]:not(form, input, textarea, select, [data-stash="off"])';

/**
 * @param {Element} element
 * @param {string} name
 * @returns {string | null}
 */
export function attribute(element, name) {
  return Element.prototype.getAttribute.call(element, name);
}

/**
 * @param {Element} element
 * @param {string} selector
 * @returns {Element | null}
 */
export function closest(element, selector) {
  return Element.prototype.closest.call(element, selector);
}

/**
 * @param {Element} element
 * @param {string} selector
 * @returns {boolean}
 */
export function matches(element, selector) {
  return Element.prototype.matches.call(element, selector);
}

/**
 * The form's controls in tree order, those that point at it with `form=` among them, then the editable parts
 * in it.
 *
 * @param {HTMLFormElement} form
 * @returns {Control[]}
 */
export function controlsOf(form) {
  const getter = Object.getOwnPropertyDescriptor(HTMLFormElement.prototype, "elements")?.get;
  const listed = Array.from(/** @type {HTMLFormControlsCollection} */ (getter?.call(form))).filter(isControl);
  const parts = Element.prototype.querySelectorAll.call(form, PARTS);
  return [...listed, ...Array.from(parts, (part) => /** @type {Control} */ (part)).filter(isEditable)];
}

/**
 * @param {unknown} node
 * @returns {node is NativeControl}
 */
export function isNative(node) {
  return [HTMLInputElement, HTMLTextAreaElement, HTMLSelectElement].some((kind) => node instanceof kind);
}

/**
 * Of all custom elements, a form lists only those that are associated with forms.
 *
 * @param {unknown} node
 * @returns {node is HTMLElement}
 */
export function isCustom(node) {
  return node instanceof HTMLElement && node.localName.includes("-");
}

/**
 * @param {unknown} node
 * @returns {node is Control}
 */
export function isControl(node) {
  return isNative(node) || isCustom(node);
}

/**
 * @param {Element} element
 * @returns {boolean}
 */
export function isEditable(element) {
  const editable = attribute(element, "contenteditable");
  return editable !== null && editable.toLowerCase() !== "false";
}

/**
 * @param {Element} element
 * @returns {boolean} whether it is a hidden input that a widget keeps its value in
 */
export function isFilledIn(element) {
  return element.matches('input[type="hidden"][data-stash]:not([data-stash="off"])');
}

/**
 * The name of a control in its form, or of a part of the page, as it leaves the page.
 *
 * @param {Control} control
 * @returns {string}
 */
export function nameOf(control) {
  const part = isNative(control) || isCustom(control) ? null : attribute(control, "data-stash");
  if (part === null) return wellFormed(attribute(control, "name") ?? "");
  return wellFormed(part || attribute(control, "id") || (control === control.ownerDocument.documentElement ? "page" : ""));
}

/**
 * The name under which a form is stashed: `data-stash`, or its `id` where that is empty. `null`: not to be
 * stashed.
 *
 * @param {Element} form
 * @returns {string | null}
 */
export function formName(form) {
  const marked = attribute(form, "data-stash");
  if (marked === null || closest(form, '[data-stash="off"]')) return null;
  const name = wellFormed(marked || attribute(form, "id") || "");
  return name !== "" && name.length <= MAX_NAME ? name : null;
}

/**
 * Whether the browser would leave the control out of a submission, as it does inside a disabled fieldset.
 *
 * @param {Control} control
 * @returns {boolean}
 */
export function isDisabled(control) {
  return control.matches(":disabled");
}

/**
 * What the browser itself has, and would submit. Mask libraries put an accessor on the element that tells something else.
 *
 * @param {NativeControl} control
 * @returns {string}
 */
export function nativeValue(control) {
  const getter = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(control), "value")?.get;
  return getter ? getter.call(control) : control.value;
}

/**
 * Sets a property as the browser does. Frameworks put their own accessor on the element to learn who wrote
 * last, and would take a write through it for their own and ignore the events that follow.
 *
 * @param {NativeControl} control
 * @param {"value" | "checked"} property
 * @param {string | boolean} value
 */
export function setNatively(control, property, value) {
  const setter = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(control), property)?.set;
  if (setter) setter.call(control, value);
  else Reflect.set(control, property, value);
}
