/**
 * Notices the changes of the page that concern a form, and passes over the others.
 *
 * @module
 */

import { CONTROLS, PARTS, isEditable } from "./dom.js";
import { markSecret } from "./exclude.js";

/** @typedef {import("./dom.js").Control} Control */

const ATTRIBUTES = ["value", "checked", "selected", "disabled", "type", "name", "form", "id", "autocomplete"];
const OWN_ATTRIBUTES = ["data-stash", "data-stash-was", "data-stash-conflict", "data-stash-key", "contenteditable"];

export class Watcher {
  #observer;

  /**
   * @param {Node} root
   * @param {object} told
   * @param {() => void} told.changed once for a batch of changes
   * @param {(part: Control) => void} told.part for each part that was opened or closed, or edited in itself
   * @param {() => boolean} told.growth whether whatever comes into the page matters
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
    const parts = /** @type {Set<Element>} */ (new Set());
    for (const { type, target, attributeName, oldValue, addedNodes, removedNodes } of mutations) {
      const element = target instanceof Element ? target : target.parentElement;
      const part = element?.closest(PARTS);
      if (!element) continue;
      if (attributeName === "open") {
        if (part === element) parts.add(part);
      } else if (type === "attributes") {
        if (attributeName === "type" && oldValue?.toLowerCase() === "password") markSecret(element);
        concerned ||= OWN_ATTRIBUTES.includes(attributeName ?? "") || element.matches(CONTROLS);
      } else if (part && isEditable(part)) {
        parts.add(part);
      } else if (!concerned) {
        concerned = element.matches("textarea, select, optgroup, option");
        concerned ||= addedNodes.length > 0 && this.told.growth();
        if (type === "childList") concerned ||= [...addedNodes, ...removedNodes].some(holdsControls);
      }
    }
    for (const part of parts) tell(/** @type {Control} */ (part));
    return concerned;
  }
}

/**
 * @param {Node} node
 * @returns {boolean}
 */
function holdsControls(node) {
  return node instanceof Element && (node.matches(CONTROLS) || node.querySelector(CONTROLS) !== null);
}
