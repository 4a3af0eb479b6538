/**
 * Takes up what stands in a field without an event that told it: typed before the script ran, or put back by
 * the browser.
 *
 * @module
 */

import { read, rendered, take } from "./capture.js";
import { hasFocus } from "./guard.js";
import { digest, same } from "./merge.js";
import { revert, write } from "./restore.js";

/** @typedef {import("./capture.js").Field} Field */
/** @typedef {import("./merge.js").Value} Value */

export class Adopter {
  #foreign = false;
  /** @type {Map<Field, Value | null> | null} */
  #before = null;

  /**
   * @param {object} world
   * @param {import("./controls.js").Controls} world.page
   * @param {import("./guard.js").Guard} world.guard
   * @param {import("./reconcile.js").Reconciler} world.reconciler
   */
  constructor({ page, guard, reconciler }) {
    this.page = page;
    this.guard = guard;
    this.reconciler = reconciler;
  }

  /**
   * Takes what stands in the fields, other than rendered, for the user's.
   *
   * @param {{ foreign: boolean }} options `foreign`: take it out instead, it is another user's
   */
  adopt({ foreign }) {
    this.#foreign = foreign;
    this.#each((field) => {
      const now = read(field);
      if (now !== null && !same(now, rendered(field))) this.#adopt(field);
    });
    this.page.settle();
  }

  /**
   * Chromium puts its own copy of the fields back between `load` and `pageshow`, over what scripts wrote (not
   * what the user typed), and tells nobody. To be called at `load`.
   */
  beforeBrowser() {
    this.page.settle();
    const before = (this.#before = /** @type {Map<Field, Value | null>} */ (new Map()));
    this.#each((field) => before.set(field, read(field)));
  }

  /** Undoes what the browser did to the fields that are the user's or decided about; adopts the others. */
  afterBrowser() {
    const before = this.#before;
    this.#before = null;
    if (!before) return;
    this.#each((field) => {
      const [then, now] = [before.get(field) ?? null, read(field)];
      if (now === null || (then !== null && same(now, then))) return;
      const expected = this.reconciler.expected(field);
      if (expected) write(field, expected);
      else this.#adopt(field);
    });
    this.page.settle();
  }

  /** @param {Field} field */
  #adopt(field) {
    if (this.#foreign) return revert(field);
    if (this.#isDealtWith(field)) return;
    for (const control of field.controls) if (hasFocus(control)) this.guard.edited(control);
    this.page.begin(field);
  }

  /**
   * What has been dealt with is the user's no more, whatever the browser remembers. It stays where it stands if the page
   * is no newer, and goes if a server has rendered something else since.
   *
   * @param {Field} field
   * @returns {boolean}
   */
  #isDealtWith(field) {
    const [dealt, ...known] = this.page.records.known(field.form, field.key);
    const now = read(field);
    if (dealt === undefined || !now || digest(now) !== dealt || this.page.records.get(field.form, field.key)) return false;
    if (known.includes(digest(rendered(field)))) take(field, now);
    else revert(field);
    return true;
  }

  /** @param {(field: Field) => void} action */
  #each(action) {
    for (const { fields } of this.page.forms.values()) {
      for (const field of fields.values()) {
        try {
          if (!field.secret) action(field);
        } catch (error) {
          this.page.report(error, field.form, field.name);
        }
      }
    }
  }
}
