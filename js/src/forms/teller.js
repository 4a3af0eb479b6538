/**
 * Tells the page what was put back: by events, and by outcomes; and looks at what it makes of them.
 *
 * @module
 */

import { read } from "./capture.js";
import { isSetAnew } from "./controls.js";
import { same } from "./merge.js";
import { fieldKey } from "./entry.js";
import { announce, checks, isUnheard, write } from "./restore.js";

/** @typedef {import("./capture.js").Field} Field */
/** @typedef {import("./controls.js").Outcome} Outcome */
/** @typedef {import("./entry.js").Entry} Entry */
/** @typedef {import("./merge.js").Value} Value */
/**
 * @typedef {object} Look
 * @property {string} form
 * @property {boolean} again whether the page may be told once more
 * @property {Value} put what stood in the field when it was told
 */

/**
 * How often the page is told, between two writes to storage, that a field was put back: one that renders a form anew for
 * every `input` event would otherwise go round for ever.
 */
const MAX_WRITES = 10;

export class Teller {
  /** What the page was told of, and is to be looked at again. @type {Map<Entry, Look>} */
  #unsettled = new Map();
  /** Whether a field was not compared, since the page was being told of it. */
  passedOver = false;
  /** What was put back in this page, and in which form. @type {Map<Entry, string>} */
  #told = new Map();

  /** @param {{ page: import("./controls.js").Controls, guard: import("./guard.js").Guard }} world */
  constructor({ page, guard }) {
    this.page = page;
    this.records = page.records;
    this.guard = guard;
  }

  /**
   * @param {string} form
   * @param {Field} field
   * @param {Entry} entry
   * @param {boolean[] | null} before
   */
  announce(form, field, entry, before) {
    if (entry.acts === "left" && !isReload()) this.records.put(form, Object.assign(entry, { acts: true }));
    if (entry.acts === true || ++entry.writes > MAX_WRITES) return;
    // What was decided against the user is the page's own from here on.
    if (this.records.get(form, field.key) === entry) {
      // Of HTML, a sanitizer may have left less.
      const put = (field.kind === "html" && read(field)) || entry.mine;
      this.#unsettled.set(entry, { form, again: !entry.unsettled, put });
    }
    entry.unsettled = true;
    if (this.#unsettled.size === 1) setTimeout(() => this.#lookAgain());
    this.#told.set(entry, form);
    announce(field, before);
  }

  /** React may take hold of what the server has rendered only after it was restored, and has not heard of it then. */
  tellReact() {
    for (const [entry, form] of this.#told) {
      const field = this.page.forms.get(form)?.fields.get(fieldKey(entry));
      if (!field || this.records.get(form, field.key) !== entry || entry.control !== field.controls[0]) this.#told.delete(entry);
      else if (!entry.unsettled && isUnheard(field)) this.announce(form, field, entry, null);
    }
  }

  /**
   * Once the page has handled the events of what was put back: it may have written something else into the field, as a mask
   * does that takes in one key at a time, or a list that depends on another one. Told once more, it may have got over it. If
   * not, the user's value stands there, though the page does not know.
   */
  #lookAgain() {
    const all = [...this.#unsettled];
    this.#unsettled.clear();
    let anew = this.passedOver;
    this.passedOver = false;
    for (const [entry, { form, again, put }] of all) {
      const field = this.page.forms.get(form)?.fields.get(fieldKey(entry));
      const isOurs = field && !this.page.resetting.has(form) && this.records.get(form, field.key) === entry && entry.control === field.controls[0];
      const now = isOurs && !this.guard.protects(field.controls) ? read(field) : null;
      if (!field || !now || same(now, put)) {
        entry.unsettled = false;
        if (now) entry.shown &&= now;
        continue;
      }
      if (!this.page.active && isSetAnew(field, entry)) {
        entry.unsettled = false;
        anew = true;
        continue;
      }
      const before = checks(field);
      const why = write(field, entry.mine);
      if (why !== "") {
        entry.control = null;
        this.tellOnce(form, entry, "skipped", why);
      } else if (again) {
        this.announce(form, field, entry, before);
        entry.shown = read(field);
        continue;
      } else {
        this.tellOnce(form, entry, "restored", "the page had changed it");
      }
      entry.unsettled = false;
      entry.shown = read(field);
    }
    if (anew) this.page.changed();
  }

  /**
   * @param {string} form
   * @param {Entry} entry
   * @param {Outcome} outcome
   * @param {string} why
   */
  tell(form, entry, outcome, why) {
    entry.reported = `${outcome} ${why}`;
    this.page.tell(form, entry.name, outcome, why);
  }

  /**
   * @param {string} form
   * @param {Entry} entry
   * @param {Outcome} outcome
   * @param {string} why
   */
  tellOnce(form, entry, outcome, why) {
    if (entry.reported !== `${outcome} ${why}`) this.tell(form, entry, outcome, why);
  }
}

/** @returns {boolean} */
function isReload() {
  const [navigation] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType?.("navigation") ?? []);
  return navigation?.type === "reload";
}
