/**
 * The forms that are in the page, which control belongs to which field, and which fields have been touched
 * since they were last read. A keystroke costs two look-ups, however large the form is.
 *
 * @module
 */

import { read, rendered, scan } from "./capture.js";
import { controlsOf, formName } from "./dom.js";
import { same } from "./merge.js";
import { entryOf, fieldKey } from "./records.js";

/** @typedef {import("./dom.js").Control} Control */
/** @typedef {import("./capture.js").Field} Field */
/** @typedef {import("./records.js").Entry} Entry */
/** @typedef {import("./records.js").Records} Records */
/** @typedef {{ form: HTMLFormElement, fields: Map<string, Field> }} Bound */
/** @typedef {"restored" | "conflict" | "skipped" | "pending"} Outcome */
/** @typedef {(form: string, field: string | null, outcome: Outcome, why: string) => void} Tell */
/** @typedef {(error: unknown, form: string, field?: string) => void} Report */

export class Controls {
  /** @type {Map<string, Bound>} */
  forms = new Map();
  /** @type {WeakMap<Control, Field | null>} `null`: nothing to stash in it */
  #fields = new WeakMap();
  /** @type {Set<Field>} */
  #dirty = new Set();
  /** @type {Map<string, Set<string>>} */
  #secrets = new Map();
  /** @type {WeakSet<HTMLFormElement>} */
  #doubles = new WeakSet();

  /**
   * @param {object} world
   * @param {Document | Element} world.root
   * @param {Records} world.records
   * @param {(name: string) => boolean} world.wanted
   * @param {Tell} world.tell
   * @param {Report} world.report
   */
  constructor({ root, records, wanted, tell, report }) {
    this.root = root;
    this.records = records;
    this.wanted = wanted;
    this.tell = tell;
    this.report = report;
  }

  /** Looks at every form anew, after the page has changed. Touched fields are to be settled before. */
  bind() {
    this.forms.clear();
    this.#fields = new WeakMap();
    const found = /** @type {HTMLFormElement[]} */ ([...this.root.querySelectorAll("form[data-stash]")]);
    if (this.root instanceof HTMLFormElement) found.unshift(this.root);
    for (const form of found) {
      const name = formName(form);
      if (name === null || !this.wanted(name)) continue;
      try {
        if (this.forms.has(name)) this.#refuseDouble(form, name);
        else this.#bindForm(form, name);
      } catch (error) {
        this.report(error, name);
      }
    }
  }

  /**
   * @param {Control} control
   * @returns {Field | null}
   */
  fieldOf(control) {
    return this.#fields.get(control) ?? null;
  }

  /**
   * Notes that a control has been edited: the only thing that is done for a keystroke.
   *
   * @param {Control} control
   * @returns {boolean} whether there is something to stash
   */
  touch(control) {
    if (!this.#fields.has(control)) this.#bindAround(control);
    const field = this.#fields.get(control);
    if (!field || field.secret) return false;
    if (!this.#dirty.has(field)) this.begin(field);
    return true;
  }

  /** @param {Field} field */
  begin(field) {
    const entry = this.records.get(field.form, field.key);
    if (entry) entry.writes = 0;
    if (!entry?.control) field.base = rendered(field);
    this.#dirty.add(field);
  }

  /** Reads the touched fields, also those that have been taken out of the page since. */
  settle() {
    const dirty = [...this.#dirty];
    this.#dirty.clear();
    for (const field of dirty) this.settleField(field);
  }

  /**
   * Reads again what the page itself may have changed without an event, such as a field emptied after
   * sending.
   */
  reread() {
    for (const [name, { fields }] of this.forms) {
      for (const entry of this.records.of(name)) {
        const field = fields.get(fieldKey(entry.name, entry.index));
        if (field?.controls[0] && entry.control === field.controls[0]) this.#dirty.add(field);
      }
    }
    this.settle();
  }

  /** @param {Field} field */
  settleField(field) {
    this.#dirty.delete(field);
    try {
      if (!field.secret && !this.#secrets.get(field.form)?.has(field.name)) this.#record(field);
    } catch (error) {
      this.report(error, field.form, field.name);
    }
  }

  /** @param {string} [form] */
  forgetTouched(form) {
    for (const field of this.#dirty) if (form === undefined || field.form === form) this.#dirty.delete(field);
  }

  /** @param {Field} field */
  #record(field) {
    const { form, name, index, key, controls } = field;
    const known = this.records.get(form, key);
    const file = field.kind === "file";
    const mine = file ? [] : read(field);
    const control = controls[0] ?? null;
    if (mine === null || control === null) return;
    if (file && !(/** @type {HTMLInputElement} */ (control).files?.length)) {
      if (known) this.records.drop(form, known);
      return;
    }
    if (known && !known.control) {
      if (!file && same(known.mine, mine)) return; // the browser has put it back: it still is to be compared
      if (!file) this.tell(form, name, "skipped", "typed before it was restored");
    }
    const base = known?.control ? known.base : (field.base ?? rendered(field));
    if (!file && same(mine, base) && same(mine, rendered(field))) {
      if (known) this.records.drop(form, known);
    } else if (!known?.control || !same(known.mine, mine)) {
      const { reported = "" } = known ?? {};
      this.records.put(form, entryOf({ name, index, base, mine, file, control, reported }));
    } else {
      known.control = control;
    }
  }

  /**
   * @param {HTMLFormElement} form
   * @param {string} name
   */
  #bindForm(form, name) {
    let secrets = this.#secrets.get(name);
    if (!secrets) this.#secrets.set(name, (secrets = new Set()));
    const fields = scan(form, name, secrets);
    this.forms.set(name, { form, fields });
    for (const control of controlsOf(form)) this.#fields.set(control, null);
    for (const field of fields.values()) {
      for (const control of field.controls) this.#fields.set(control, field);
    }
    for (const entry of this.records.of(name)) {
      if (!secrets.has(entry.name) && !fields.get(fieldKey(entry.name, entry.index))?.secret) continue;
      this.records.drop(name, entry);
      this.tell(name, entry.name, "skipped", "excluded");
    }
  }

  /**
   * A control that came into the page in this very moment.
   *
   * @param {Control} control
   */
  #bindAround(control) {
    this.#fields.set(control, null);
    const { form } = control;
    const name = form && this.root.contains(form) ? formName(form) : null;
    if (!form || name === null || !this.wanted(name)) return;
    if ((this.forms.get(name)?.form ?? form) === form) this.#bindForm(form, name);
  }

  /**
   * @param {HTMLFormElement} form
   * @param {string} name
   */
  #refuseDouble(form, name) {
    for (const control of controlsOf(form)) this.#fields.set(control, null);
    if (this.#doubles.has(form)) return;
    this.#doubles.add(form);
    this.report(new Error("a second form of the same data-stash name is not stashed"), name);
  }
}
