/**
 * Tells whoever writes a page of markup that stashes nothing: each kind of mistake once, however often it is rendered.
 *
 * @module
 */

import { CONTROLS, MAX_NAME, attribute, closest, isCustom, isEditable, isNative, matches } from "./dom.js";

const WORDS = {
  nameless: 'data-stash has no value, and there is no id, so nothing is stashed: write data-stash="profile"',
  long: `a name has ${MAX_NAME} characters at most, so this form is not stashed: write a shorter data-stash="…"`,
  field: 'data-stash does nothing on a single field: write it on the form, as in <form data-stash="profile">',
  around: 'here data-stash keeps how far this is scrolled, and no fields: write it on the form, as in <form data-stash="profile">',
  shadow:
    "a form in a shadow root is stashed only if a socket is given it, or the element that it is in: " +
    "new StashSocket(url, { forms: element })",
};

/** @type {Set<keyof typeof WORDS>} */
const told = new Set();
/** @type {WeakSet<Element>} */
const judged = new WeakSet();
/** Where forms are looked for. @type {WeakSet<Node>} */
const kept = new WeakSet();

/** Milliseconds that the page has to make a socket for a form that somebody types into already. */
const LATER = 1000;

/** @param {Document | Element} root in which forms are looked for from now on */
export function keep(root) {
  kept.add(root);
}

/** @param {Document | Element} root */
export function look(root) {
  for (const element of root.querySelectorAll("[data-stash]")) {
    if (judged.has(element)) continue;
    judged.add(element);
    const kind = mistake(element);
    if (kind) tell(kind, element);
  }
}

/**
 * Looks whether somebody types into a form that nobody keeps: of what is in a shadow root the document does not know.
 *
 * @param {Event} event
 */
export function stray(event) {
  const [origin] = event.composedPath();
  if (origin === event.target || !(origin instanceof Element) || told.has("shadow")) return;
  const form = closest(origin, "form[data-stash]");
  const root = origin.getRootNode();
  if (form && !kept.has(root)) setTimeout(() => kept.has(root) || tell("shadow", form), LATER);
}

/**
 * @param {Element} element
 * @returns {keyof typeof WORDS | null}
 */
function mistake(element) {
  const name = attribute(element, "data-stash") || attribute(element, "id");
  if (closest(element, '[data-stash="off"]') || matches(element, ":root")) return null;
  if (isNative(element) || matches(element, "button, option")) return "field";
  if (!name) return "nameless";
  if (matches(element, "form")) return name.length > MAX_NAME ? "long" : null;
  if (isEditable(element) || isCustom(element) || matches(element, "details, dialog")) return null;
  return element.querySelector(CONTROLS) && !isScrollable(element) ? "around" : null;
}

/** @param {Element} element */
function isScrollable(element) {
  const { overflowX, overflowY } = getComputedStyle(element);
  return [overflowX, overflowY].some((overflow) => overflow !== "visible" && overflow !== "clip");
}

/**
 * @param {keyof typeof WORDS} kind
 * @param {Element} element
 */
function tell(kind, element) {
  if (told.has(kind)) return;
  told.add(kind);
  console.warn(`quart_stash: ${WORDS[kind]}`, element);
}
