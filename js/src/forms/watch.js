/**
 * Notices the changes of the page that concern a form, and passes over the others.
 *
 * @module
 */

import { CONTROLS } from "./dom.js";
import { markSecret } from "./exclude.js";

const ATTRIBUTES = ["value", "checked", "selected", "disabled", "type", "name", "form", "id", "autocomplete"];
const OWN_ATTRIBUTES = ["data-stash", "data-stash-was", "data-stash-conflict"];

export class Watcher {
  #observer;

  /**
   * @param {Node} root
   * @param {() => void} changed called once for a batch of changes
   */
  constructor(root, changed) {
    this.root = root;
    this.changed = changed;
    this.#observer = /** @type {MutationObserver | null} */ (null);
  }

  start() {
    this.#observer = new MutationObserver((mutations) => {
      if (concernsForms(mutations)) this.changed();
    });
    this.#observer.observe(this.root, {
      subtree: true,
      childList: true,
      characterData: true,
      attributeFilter: [...ATTRIBUTES, ...OWN_ATTRIBUTES],
      attributeOldValue: true,
    });
  }

  stop() {
    this.#observer?.disconnect();
    this.#observer = null;
  }

  /** @returns {boolean} whether there are changes that the observer has not been called for yet */
  pending() {
    return concernsForms(this.#observer?.takeRecords() ?? []);
  }
}

/**
 * @param {MutationRecord[]} mutations
 * @returns {boolean}
 */
function concernsForms(mutations) {
  let concerned = false;
  for (const { type, target, attributeName, oldValue, addedNodes, removedNodes } of mutations) {
    const element = target instanceof Element ? target : target.parentElement;
    if (!element) continue;
    if (type === "attributes") {
      if (attributeName === "type" && oldValue?.toLowerCase() === "password") markSecret(element);
      concerned ||= OWN_ATTRIBUTES.includes(attributeName ?? "") || element.matches(CONTROLS);
    } else if (!concerned) {
      concerned = element.matches("textarea, select, optgroup, option");
      if (type === "childList") concerned ||= [...addedNodes, ...removedNodes].some(holdsControls);
    }
  }
  return concerned;
}

/**
 * @param {Node} node
 * @returns {boolean}
 */
function holdsControls(node) {
  return node instanceof Element && (node.matches(CONTROLS) || node.querySelector(CONTROLS) !== null);
}
