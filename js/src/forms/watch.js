/**
 * Notices the changes of the page that concern a form, and passes over the others.
 *
 * @module
 */

import { CONTROLS, PARTS, closest, isEditable, isFilledIn, matches } from "./dom.js";
import { markSecret } from "./exclude.js";

/** @typedef {import("./dom.js").Control} Control */

/** The name of what a page says with it that the server has dealt with a form. */
export const DEALT = "quart-stash-clear";
const META = `meta[name="${DEALT}"]`;
const ATTRIBUTES = ["action", "value", "checked", "selected", "disabled", "type", "name", "form", "id", "autocomplete"];
const OWN_ATTRIBUTES = ["data-stash", "data-stash-was", "data-stash-conflict", "data-stash-key", "contenteditable"];

export class Watcher {
  #observer;

  /**
   * @param {Node} root
   * @param {object} told
   * @param {() => void} told.changed once for a batch of changes
   * @param {(part: Control) => void} told.part for each part that was opened or closed, or edited in itself, or filled in by a widget
   * @param {() => boolean} told.growth whether whatever comes into the page matters
   * @param {() => boolean} told.moved whether the page may be rendering another visit's forms
   * @param {(form: Element) => void} told.rendered then, for each that is still there and has been rendered into
   * @param {(form: string) => void} told.dealt for each form that the page says the server has dealt with
   */
  constructor(root, told) {
    this.root = root;
    this.told = told;
    this.#observer = /** @type {MutationObserver | null} */ (null);
  }

  start() {
    this.#observer = new MutationObserver((mutations) => {
      if (this.#concerns(mutations)) this.told.changed();
    });
    this.#observer.observe(this.root, {
      subtree: true,
      childList: true,
      characterData: true,
      attributeFilter: [...ATTRIBUTES, ...OWN_ATTRIBUTES, "open"],
      attributeOldValue: true,
    });
  }

  stop() {
    this.#observer?.disconnect();
    this.#observer = null;
  }

  /**
   * @param {(part: Control) => void} [part] told in place of the one that is told otherwise
   * @returns {boolean} whether there are changes that the observer has not been called for yet
   */
  pending(part) {
    return this.#concerns(this.#observer?.takeRecords() ?? [], part);
  }

  /**
   * @param {MutationRecord[]} mutations
   * @param {(part: Control) => void} [tell]
   * @returns {boolean} whether a form is to be looked at anew
   */
  #concerns(mutations, tell = this.told.part) {
    let concerned = false;
    const moved = mutations.length > 0 && this.told.moved();
    const parts = /** @type {Set<Element>} */ (new Set());
    for (const { type, target, attributeName, oldValue, addedNodes, removedNodes } of mutations) {
      const element = target instanceof Element ? target : target.parentElement;
      if (!element) continue;
      const part = /** @type {Control | null} */ (closest(element, PARTS));
      if (attributeName === "open") {
        if (part === element) parts.add(part);
      } else if (attributeName === "value" && isFilledIn(element)) {
        parts.add(element);
      } else if (type === "attributes") {
        if (attributeName === "type" && oldValue?.toLowerCase() === "password") markSecret(element);
        const own = OWN_ATTRIBUTES.includes(attributeName ?? "");
        concerned ||= own || (attributeName === "action" ? moved : matches(element, CONTROLS));
        if (moved) this.#rendered(element);
      } else if (part && isEditable(part)) {
        parts.add(part);
      } else {
        concerned ||= matches(element, "textarea, select, optgroup, option") || (addedNodes.length > 0 && this.told.growth());
        if (type !== "childList") continue;
        for (const node of addedNodes) this.#dealt(node);
        const controls = (!concerned || moved) && [...addedNodes, ...removedNodes].some(holdsControls);
        concerned ||= controls;
        if (controls && moved) this.#rendered(element);
      }
    }
    for (const part of parts) tell(/** @type {Control} */ (part));
    return concerned;
  }

  /** @param {Element} element */
  #rendered(element) {
    const isWithin = !(element instanceof HTMLFormElement) && matches(element, CONTROLS);
    const form = isWithin ? /** @type {HTMLInputElement} */ (element).form : null;
    const around = form ?? closest(element, "form");
    if (around) this.told.rendered(around);
  }

  /** @param {Node} node */
  #dealt(node) {
    if (!(node instanceof Element)) return;
    const metas = matches(node, META) ? [node] : Element.prototype.querySelectorAll.call(node, META);
    for (const meta of metas) this.told.dealt(meta.getAttribute("content") ?? "");
  }
}

/**
 * @param {Node} node
 * @returns {boolean}
 */
function holdsControls(node) {
  return node instanceof Element && (matches(node, CONTROLS) || node.querySelector(CONTROLS) !== null);
}
