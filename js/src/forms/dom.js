/**
 * The few questions that are asked of a form or a control, in a way that the page's field names cannot spoil:
 * `<input name="elements">` hides `form.elements`, so what belongs to a form is read from the prototypes.
 *
 * @module
 */

/** @typedef {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} Control */

/** The longest form name that a frame may carry. */
const MAX_NAME = 256;

/** What may hold, or change, a value: used to tell whether a change of the page concerns a form at all. */
export const CONTROLS = "input, textarea, select, option, optgroup, fieldset, form";

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
 * The form's controls in tree order, those that point at it with `form=` among them.
 *
 * @param {HTMLFormElement} form
 * @returns {Control[]}
 */
export function controlsOf(form) {
  const getter = Object.getOwnPropertyDescriptor(HTMLFormElement.prototype, "elements")?.get;
  return Array.from(/** @type {HTMLFormControlsCollection} */ (getter?.call(form))).filter(isControl);
}

/**
 * @param {unknown} node
 * @returns {node is Control}
 */
export function isControl(node) {
  return [HTMLInputElement, HTMLTextAreaElement, HTMLSelectElement].some((kind) => node instanceof kind);
}

/**
 * The name under which a form is stashed: `data-stash`, or its `id` where that is empty. `null`: not to be
 * stashed.
 *
 * @param {HTMLFormElement} form
 * @returns {string | null}
 */
export function formName(form) {
  const marked = attribute(form, "data-stash");
  if (marked === null || closest(form, '[data-stash="off"]')) return null;
  const name = marked || attribute(form, "id") || "";
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
 * Sets a property as the browser does. Frameworks put their own accessor on the element to learn who wrote
 * last, and would take a write through it for their own and ignore the events that follow.
 *
 * @param {Control} control
 * @param {"value" | "checked"} property
 * @param {string | boolean} value
 */
export function setNatively(control, property, value) {
  const setter = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(control), property)?.set;
  if (setter) setter.call(control, value);
  else Reflect.set(control, property, value);
}
