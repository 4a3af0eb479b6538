/**
 * What the user has changed, per form and field, and its place in storage. Pure but for the storage it is
 * handed.
 *
 * Memory is the truth: storage may be full, blocked or cleared, and nothing is lost by that until the page
 * goes.
 *
 * @module
 */

import { digest, same } from "./merge.js";

/** @typedef {import("./merge.js").Value} Value */

/**
 * @typedef {object} Storage bound to one slot and one identity
 * @property {(key: string) => unknown} get the value, `null` if there is none
 * @property {(key: string, value: unknown) => boolean} set whether it was kept
 * @property {(key: string) => void} remove
 * @property {() => void} [follow] moves what is kept to where the page is now, if that has moved
 */

/**
 * @typedef {object} Entry one field that the user has touched
 * @property {string} name
 * @property {string} row the `data-stash-key` of the row that it is in; empty if there is none
 * @property {number} index which of the fields of this name
 * @property {Value} base what was rendered when the user began
 * @property {Value} mine
 * @property {Value[]} [sent] what stood here when the form was submitted, for each submit that is not dealt with yet
 * @property {number[]} [said] digests of what went up from here: a server that renders one of these has heard it from here
 * @property {boolean} [gone] its row has been taken out of its list; it may come back
 * @property {boolean} [html] whether the values are HTML
 * @property {boolean} [held] nothing was changed: it only is to stand there until the user has left it
 * @property {boolean} file a file had been chosen; what it was is not kept
 * @property {object | null} control the control of this page that shows it; `null`: it is only a memory so
 *   far
 * @property {string} reported the last outcome that was told, so that each is told once
 * @property {number} writes how often it was put into the page since the user's last edit, or the last write to storage
 */

const INDEX = "forms";
/** How many values of a field are recognised when a server renders them. */
const MAX_SAID = 32;

/** @param {string} name */
const keyOf = (name) => `form:${name}`;

/**
 * @param {Pick<Entry, "name" | "index" | "row">} place
 * @returns {string}
 */
export const fieldKey = ({ name, index, row }) => `${index}:${row.length}:${row}${name}`;

/**
 * @param {Pick<Entry, "name" | "index" | "base" | "mine"> & Partial<Entry>} facts
 * @returns {Entry}
 */
export function entryOf(facts) {
  return { row: "", file: false, control: null, reported: "", writes: 0, ...facts };
}

export class Records {
  /** @type {Map<string, Map<string, Entry>>} */
  #forms = new Map();
  /** @type {Set<string>} forms whose stored copy is behind */
  #behind = new Set();
  /** Forms that have been submitted. @type {Set<string>} */
  #submitted = new Set();
  /** What of an entry went up last. @type {WeakMap<Entry, Value>} */
  #said = new WeakMap();
  /** The digest of what was submitted from a control and has been dealt with. @type {WeakMap<object, number>} */
  #dealt = new WeakMap();
  #indexed = true;

  /**
   * @param {object} world
   * @param {Storage} world.storage
   * @param {() => number} world.now milliseconds
   * @param {number} world.maxAge milliseconds
   * @param {(error: unknown, form: string) => void} world.report
   */
  constructor({ storage, now, maxAge, report }) {
    this.storage = storage;
    this.now = now;
    this.maxAge = maxAge;
    this.report = report;
  }

  /**
   * Takes up what an earlier page left. A form whose stash cannot be read is dropped, and holds up no other.
   */
  load() {
    for (const name of this.#storedNames()) {
      if (this.#forms.has(name)) continue;
      try {
        const stored = this.storage.get(keyOf(name));
        const entries = parseForm(stored, this.now(), this.maxAge);
        if (/** @type {{ submitted?: unknown } | null} */ (stored)?.submitted === true) this.#submitted.add(name);
        if (entries.size > 0) this.#forms.set(name, entries);
        else this.storage.remove(keyOf(name));
      } catch (error) {
        this.report(error, name);
        this.#attempt(name, () => this.storage.remove(keyOf(name)));
      }
    }
  }

  /** @returns {string[]} */
  names() {
    return [...this.#forms.keys()];
  }

  /**
   * @param {string} form
   * @returns {Entry[]}
   */
  of(form) {
    return [...(this.#forms.get(form)?.values() ?? [])];
  }

  /**
   * @param {string} form
   * @param {string} key
   * @returns {Entry | undefined}
   */
  get(form, key) {
    return this.#forms.get(form)?.get(key);
  }

  /**
   * @param {string} form
   * @param {Entry} entry
   */
  put(form, entry) {
    let entries = this.#forms.get(form);
    if (!entries) this.#forms.set(form, (entries = new Map()));
    entries.set(fieldKey(entry), entry);
    this.#behind.add(form);
  }

  /**
   * @param {string} form
   * @param {Entry} entry
   */
  drop(form, entry) {
    const entries = this.#forms.get(form);
    if (!entries?.delete(fieldKey(entry))) return;
    if (entries.size === 0) this.#forms.delete(form);
    this.#behind.add(form);
  }

  /** Notes that everything goes up as it stands. */
  say() {
    for (const [form, entries] of this.#forms) {
      for (const entry of entries.values()) {
        if (entry.mine === this.#said.get(entry)) continue;
        this.#said.set(entry, entry.mine);
        entry.said = [...(entry.said ?? []), digest(entry.mine)].slice(-MAX_SAID);
        this.#behind.add(form);
      }
    }
  }

  /**
   * Notes that a form is submitted as it stands.
   *
   * @param {string} form
   */
  submit(form) {
    for (const entry of this.of(form)) entry.sent = [...(entry.sent ?? []), entry.mine].slice(-MAX_SAID);
    this.#submitted.add(form);
    this.#behind.add(form);
  }

  /**
   * @param {object} control
   * @param {Entry | undefined} known what is known of it
   * @returns {Pick<Entry, "said" | "sent">} what went up from it before
   */
  before(control, known) {
    const dealt = this.#dealt.get(control);
    if (known) return { said: known.said, sent: known.sent };
    return dealt === undefined ? {} : { said: [dealt] };
  }

  /**
   * A form has been dealt with: of one that was submitted, what was typed since then stays. It may be dealt with twice,
   * by a process that died and by the next one.
   *
   * @param {string} form
   * @returns {boolean} whether it was submitted
   */
  settle(form) {
    if (!this.#submitted.has(form)) {
      this.clear(form);
      return false;
    }
    for (const entry of this.of(form)) {
      const [sent, ...later] = entry.sent ?? [];
      if (!sent) continue;
      if (later.length > 0) entry.sent = later;
      else if (same(sent, entry.mine)) {
        if (entry.control) this.#dealt.set(entry.control, digest(sent));
        this.drop(form, entry);
      }
    }
    this.#behind.add(form);
    this.save();
    return true;
  }

  /**
   * @param {string} form
   * @returns {boolean} whether storage does not hold what is known of it
   */
  isBehind(form) {
    return this.#behind.has(form);
  }

  /** @param {string} form */
  clear(form) {
    this.#forms.delete(form);
    this.#behind.add(form);
    this.save();
  }

  /** Forgets every form, also those that only storage knows. */
  forget() {
    this.#attempt("", () => this.storage.follow?.());
    const names = new Set([...this.#storedNames(), ...this.names(), ...this.#behind]);
    this.#forms.clear();
    this.#submitted.clear();
    this.#behind.clear();
    for (const name of names) this.#attempt(name, () => this.storage.remove(keyOf(name)));
    this.#attempt("", () => this.storage.remove(INDEX));
  }

  /**
   * Writes the forms that changed since the last time. One that storage refuses is tried again at the next
   * save.
   */
  save() {
    this.#attempt("", () => this.storage.follow?.());
    if (this.#behind.size === 0 && this.#indexed) return;
    for (const name of [...this.#behind]) {
      this.#attempt(name, () => {
        if (this.#write(name)) this.#behind.delete(name);
      });
    }
    this.#attempt("", () => {
      // A socket's part of the document has records of its own in the same place.
      const others = this.#storedNames().filter((name) => !this.#forms.has(name) && this.storage.get(keyOf(name)) !== null);
      const names = [...others, ...this.names()];
      this.#indexed = names.length === 0 || this.storage.set(INDEX, names);
      if (names.length === 0) this.storage.remove(INDEX);
    });
  }

  /**
   * @param {string} name
   * @returns {boolean}
   */
  #write(name) {
    const entries = this.of(name);
    if (entries.length === 0) {
      this.storage.remove(keyOf(name));
      return true;
    }
    const fields = entries.map(({ control: _, reported: __, writes: ___, ...kept }) => kept);
    const submitted = this.#submitted.has(name) && { submitted: true };
    return this.storage.set(keyOf(name), { at: this.now(), ...submitted, fields });
  }

  /** @returns {string[]} */
  #storedNames() {
    let stored = /** @type {unknown} */ (null);
    this.#attempt("", () => (stored = this.storage.get(INDEX)));
    return Array.isArray(stored) ? stored.filter((name) => typeof name === "string") : [];
  }

  /**
   * @param {string} form
   * @param {() => unknown} action
   */
  #attempt(form, action) {
    try {
      action();
    } catch (error) {
      this.report(error, form);
    }
  }
}

/**
 * @param {unknown} stored
 * @param {number} now
 * @param {number} maxAge
 * @returns {Map<string, Entry>}
 * @throws {TypeError} if it is not what `save` writes
 */
export function parseForm(stored, now, maxAge) {
  if (stored === null || stored === undefined) return new Map();
  const { at, fields } = /** @type {Record<string, unknown>} */ (stored);
  if (typeof at !== "number" || !Array.isArray(fields)) throw new TypeError("a stashed form is malformed");
  if (now - at > maxAge) return new Map();
  const changed = fields.filter((field) => field?.held !== true);
  return new Map(changed.map(parseEntry).map((entry) => [fieldKey(entry), entry]));
}

/**
 * @param {unknown} stored
 * @returns {Entry}
 */
function parseEntry(stored) {
  const { name, row = "", index, base, mine, sent, said, gone, html, file } = /** @type {Record<string, unknown>} */ (stored ?? {});
  const placed = typeof name === "string" && name !== "" && typeof row === "string" && Number.isInteger(index);
  if (!placed || !isValue(base) || !isValue(mine) || !(sent === undefined || (Array.isArray(sent) && sent.every(isValue)))) {
    throw new TypeError("a stashed field is malformed");
  }
  const entry = entryOf({ name, row, index: /** @type {number} */ (index), base, mine, file: file === true });
  const heard = Array.isArray(said) && said.every(Number.isInteger) ? { said: said.slice(-MAX_SAID) } : {};
  return { ...entry, ...heard, ...(sent && { sent }), ...(gone === true && { gone }), ...(html === true && { html }) };
}

/**
 * @param {unknown} value
 * @returns {value is string[]}
 */
function isValue(value) {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
