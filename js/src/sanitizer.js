/**
 * What lets stashed HTML into the page: what the page has handed in, else the browser. A list of our own would be out of date
 * some day; without either, HTML comes back as its text.
 */

/** @typedef {(html: string) => string | Node} Sanitizer such as `DOMPurify.sanitize` */

/** @type {Sanitizer | null} */
let handed = null;
/** Whether the page's scripts have not all run yet. */
let early = globalThis.document !== undefined && document.readyState !== "complete";
/** Whether something could not be written yet. */
let wanted = false;
/** @type {Set<() => void>} */
const listeners = new Set();

function settle() {
  const told = wanted ? [...listeners] : [];
  wanted = false;
  for (const listener of told) listener();
}

// Whoever is too late for the first of them is in time for the second.
const over = () => ((early = false), settle());
if (early) for (const type of ["DOMContentLoaded", "load"]) globalThis.addEventListener?.(type, over, { once: true });

/**
 * @param {() => void} listener called once what could not be written yet may be tried again
 * @returns {() => void} stops that
 */
export function onSanitizer(listener) {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** @returns {Sanitizer | null} */
export const sanitizer = () => handed;

/** @param {Sanitizer | null} made */
export function setSanitizer(made) {
  if (made !== null && typeof made !== "function") throw new TypeError("a sanitizer is a function of HTML, or null");
  handed = made;
  settle();
}

/**
 * Write HTML that may hold anything into an element.
 *
 * @param {HTMLElement} element
 * @param {string} html
 * @returns {string} why it was not written; empty if it was
 */
export function writeSafely(element, html) {
  const browser = /** @type {{ setHTML?: (html: string) => void }} */ (element);
  if (handed) write(element, handed(html));
  else if (browser.setHTML) browser.setHTML(html);
  else if (early) {
    wanted = true;
    return "no sanitizer yet";
  } else element.innerText = textOf(html);
  return "";
}

/**
 * @param {Element} element
 * @param {string | Node} clean
 */
export function write(element, clean) {
  if (!(clean instanceof Node)) {
    const template = document.createElement("template");
    template.innerHTML = clean;
    clean = template.content;
  }
  element.replaceChildren(clean);
}

/**
 * @param {string} html
 * @returns {string} its text, with the lines that it has
 */
function textOf(html) {
  const { body } = new DOMParser().parseFromString(html, "text/html");
  for (const element of body.querySelectorAll("br, p, div, li, tr, pre")) element.after("\n");
  return String(body.textContent).replace(/\n$/, "");
}
