/**
 * What the page's scripts make of what the user does: they reset other fields, set one for the user without an event, or
 * submit the form.
 *
 * @module
 */

import { read } from "./capture.js";
import { isOffered } from "./kinds.js";
import { same } from "./merge.js";
import { isFiring } from "./restore.js";

/** @typedef {import("./capture.js").Field} Field */
/** @typedef {import("./dom.js").Control} Control */
/** @typedef {import("./merge.js").Value} Value */

/** Keys by which a widget takes a value. */
const COMMITS = new Set(["Enter", "Tab"]);
/** Kinds that scripts set without an event, and without a change of the page that could be seen. */
const UNTOLD = new Set(["text", "select", "radio", "checkbox"]);
/** Milliseconds in which a change is submitted, if it is submitted by itself. */
const PROMPT = 1000;

export class Handling {
  #going = false;
  /** What stood in the fields that nothing was known of before. @type {Map<Control, Value | null>} */
  #before = new Map();
  /** What was changed last, unless the user has done anything else since. @type {{ field: Field, at: number, sent: boolean } | null} */
  #changed = null;
  /** Whether the last key was one that may submit a form. */
  #entered = false;

  /**
   * @param {object} world
   * @param {import("./controls.js").Controls} world.page
   * @param {() => void} world.catchUp takes note of it if the page has moved on to another visit
   * @param {() => void} world.changed
   */
  constructor({ page, catchUp, changed }) {
    this.page = page;
    this.catchUp = catchUp;
    this.changed = changed;
  }

  /**
   * The user has pressed something. Whatever is submitted from now on, they may have submitted.
   *
   * @param {Event} event
   */
  pressed(event) {
    const { key } = /** @type {KeyboardEvent} */ (event);
    if (event.isTrusted) {
      // The end of a press may be told when the form is on its way already.
      if (!this.#changed?.sent || event.timeStamp - this.#changed.at > PROMPT) this.#changed = null;
      if (event.type !== "click") this.#entered = key === "Enter";
    }
    if (event.type !== "keydown" || COMMITS.has(key)) this.#begin(event);
  }

  /**
   * A control has changed, by the user or by us.
   *
   * @param {Event} event
   * @param {Field} field
   */
  changedIn(event, field) {
    this.#changed = this.#entered && field.kind === "text" ? null : { field, at: event.timeStamp, sent: false };
    this.#begin(event);
  }

  /**
   * A form is submitted. As soon as a control of it has changed, by no button and no key, that change does it. Without a
   * `submit` event it may only be looked at; then it was submitted if the page is left.
   *
   * @param {Event} event
   */
  submitted({ type, target, timeStamp }) {
    const changed = this.#changed;
    if (!changed || timeStamp - changed.at > PROMPT || this.page.forms.get(changed.field.form)?.form !== target) return;
    changed.sent = true;
    if (type === "submit") this.left(true);
  }

  /**
   * The page is left, for all that is known because of the form.
   *
   * @param {true | "left"} acts
   */
  left(acts = "left") {
    if (!this.#changed?.sent) return;
    const { form, key } = this.#changed.field;
    const entry = this.page.records.get(form, key);
    if (!entry) return;
    this.page.records.put(form, Object.assign(entry, { acts: entry.acts === true || acts }));
    this.page.records.save();
  }

  /** @param {Event} event */
  #begin(event) {
    if (this.#going || isFiring() || !(event.isTrusted || this.page.active)) return;
    this.page.settle();
    this.#going = true;
    if (event.type !== "change") this.#expect();
    setTimeout(() => {
      this.catchUp();
      this.reread();
      this.#going = false;
      this.#before.clear();
      this.changed();
    });
  }

  #expect() {
    this.page.each((field) => {
      const [control] = field.controls;
      if (control && this.#isUntold(field)) this.#before.set(control, read(field));
    });
  }

  /**
   * @param {Field} field
   * @returns {Value | null | undefined} what stood in it before the page began to handle what it is handling, if that is known
   */
  before(field) {
    const [control] = field.controls;
    return control && this.#before.get(control);
  }

  /** The page has moved on: what its scripts have set since is the page's, and what was changed before is no matter of it. */
  movedOn() {
    this.#before.clear();
    this.#changed = null;
  }

  /** Reads what scripts have set so far, if the page is handling something. */
  reread() {
    if (!this.#going) return;
    this.page.settle();
    this.page.each((field) => {
      if (!this.#isUntold(field)) return this.#reset(field);
      const before = this.before(field);
      const now = before ? read(field) : null;
      if (!before || !now || same(now, before)) return;
      this.page.begin(field);
      field.base = before;
      this.page.settleField(field);
    });
  }

  /**
   * What the user had entered, and scripts have reset, is meant: also where it can't be chosen any more.
   *
   * @param {Field} field
   */
  #reset(field) {
    const { records } = this.page;
    const entry = records.get(field.form, field.key);
    if (!field.controls[0] || !entry?.control || entry.unsettled || entry.file || field.kind === "scroll") return;
    if (!isOffered(field, entry.mine)) records.drop(field.form, entry);
    else if (entry.control === field.controls[0]) this.page.settleField(field);
  }

  /**
   * @param {Field} field
   * @returns {boolean} whether nothing is known of it, and a script may set it without a word
   */
  #isUntold(field) {
    return UNTOLD.has(field.kind) && !field.secret && !this.page.records.get(field.form, field.key);
  }
}
