/**
 * What a user opens, sizes and starts without any form: details, dialogs, popovers, what can be dragged larger, media. A
 * rendering changes it where the HTML says something else than it said before, and leaves it alone otherwise.
 *
 * @module
 */

/** @typedef {{ width: string, height: string }} Size */

const OPENING = "details, dialog";
/** Whether the HTML said that it is open. @type {WeakMap<Element, boolean>} */
const opened = new WeakMap();
/** How large the HTML said that it is. @type {WeakMap<Element, Size>} */
const sized = new WeakMap();
/** What has been scrolled. @type {Set<Element>} */
const scrolled = new Set();

const CAPTURE = { capture: true, passive: true };
if (globalThis.document) note(document);
// Before somebody drags an element larger, it is as large as the HTML says.
globalThis.addEventListener?.("pointerdown", ({ target }) => target instanceof HTMLElement && noteSize(target), CAPTURE);
globalThis.addEventListener?.("scroll", ({ target }) => target instanceof Element && scrolled.add(target), CAPTURE);

/**
 * Notes what is rendered, of elements that are not known yet.
 *
 * @param {ParentNode} scope
 */
export function note(scope) {
  for (const element of scope.querySelectorAll(OPENING)) {
    if (!opened.has(element)) opened.set(element, element.hasAttribute("open") && !element.matches(":modal"));
  }
}

/** @param {HTMLElement} element */
function noteSize(element) {
  if (!sized.has(element) && isResizable(element)) sized.set(element, sizeOf(element));
}

/**
 * Before an element is changed to another one: makes that say what is to stay.
 *
 * @param {Element} old
 * @param {Element} next
 */
export function stay(old, next) {
  if (!old.matches(OPENING) || old.localName !== next.localName) return;
  const theirs = next.hasAttribute("open");
  const isNew = theirs !== (opened.get(old) ?? false);
  opened.set(old, theirs);
  // Without its attribute a modal dialog is not to be seen, and still lets nobody at the rest of the page.
  if (isNew && !theirs && old instanceof HTMLDialogElement) old.close();
  else if (!isNew) next.toggleAttribute("open", old.hasAttribute("open"));
}

/**
 * @param {Element} old about to be changed
 * @param {Element} next
 * @returns {(() => void) | null} to be called when it has been changed, if it is to stay as large as it is
 */
export function staySized(old, next) {
  if (!(old instanceof HTMLElement && next instanceof HTMLElement) || !isResizable(old)) return null;
  const [now, theirs] = [sizeOf(old), sizeOf(next)];
  const before = sized.get(old) ?? { width: "", height: "" };
  sized.set(old, theirs);
  const isNew = theirs.width !== before.width || theirs.height !== before.height;
  // By its properties, a style is allowed under any content security policy.
  return isNew ? null : () => Object.assign(old.style, now);
}

/**
 * To be called before elements are moved.
 *
 * @param {ParentNode} scope
 * @returns {() => void} to be called afterwards: takes up again what moving them has broken off
 */
export function going(scope) {
  const all = (/** @type {string} */ selector) => [.../** @type {NodeListOf<any>} */ (scope.querySelectorAll(selector))];
  const modal = all("dialog:modal");
  const popovers = all("[popover]:popover-open");
  const playing = all("audio, video").filter(({ paused }) => !paused);
  for (const part of scrolled) if (!part.isConnected) scrolled.delete(part);
  const places = [...scrolled].map((part) => ({ part, left: part.scrollLeft, top: part.scrollTop }));
  const focused = /** @type {HTMLElement | null} */ (document.activeElement);
  return () => {
    for (const dialog of modal) {
      if (!dialog.isConnected || !dialog.open || dialog.matches(":modal")) continue;
      dialog.removeAttribute("open");
      dialog.showModal();
    }
    for (const popover of popovers) if (popover.isConnected && !popover.matches(":popover-open")) popover.showPopover();
    for (const media of playing) if (media.isConnected && media.paused) media.play().catch(() => {});
    for (const { part, left, top } of places) {
      const isBack = part.isConnected && part.scrollTop === 0 && part.scrollLeft === 0;
      if (isBack && top + left !== 0) part.scrollTo({ left, top, behavior: "instant" });
    }
    if (focused?.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true });
    note(scope);
  };
}

/** @param {HTMLElement} element @returns {Size} */
function sizeOf({ style: { width, height } }) {
  return { width, height };
}

/** @param {HTMLElement} element @returns {boolean} */
function isResizable(element) {
  // Most elements have no size of their own, and need not be looked at any closer.
  return element.localName === "textarea" || (element.style.height + element.style.width !== "" && getComputedStyle(element).resize !== "none");
}
