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
 * @typedef {object} Shelf
 * @property {(key: string) => unknown} get the value, `null` if there is none
 * @property {(key: string, value: unknown) => boolean} set whether it was kept
 * @property {(key: string) => void} remove
 */
/**
 * @typedef {object} Places
 * @property {() => string} place names where the page is: each visit has a place of its own
 * @property {(place: string) => Shelf} at
 * @property {(form: string) => void} dealt removes what is kept of a form that the server has dealt with, wherever it is
 */
/** @typedef {Shelf & Partial<Places>} Storage one identity's; without places it is for one visit */

/**
 * @typedef {object} Entry one field that the user has touched
 * @property {string} name
 * @property {string} row the `data-stash-key` of the row that it is in; empty if there is none
 * @property {number} index which of the fields of this name
 * @property {Value} base what was rendered when the user began
 * @property {Value} [bare] what the HTML said then, where a script had set the base
 * @property {Value} mine
 * @property {Value[]} [sent] what stood here when the form was submitted, for each submit that is not dealt with yet
 * @property {number[]} [said] digests of what went up from here: a server that renders one of these has heard it from here
 * @property {boolean} [gone] its row has been taken out of its list; it may come back
 * @property {number} [place] of a field in a row: which of the form's fields it was
 * @property {boolean} [html] whether the values are HTML
 * @property {boolean} [held] nothing was changed: it only is to stand there until the user has left it
 * @property {boolean} file a file had been chosen; what it was is not kept
 * @property {object | null} control the control of this page that shows it; `null`: it is only a memory so
 *   far
 * @property {string} reported the last outcome that was told, so that each is told once
 * @property {Value | null} shown what the control showed when this was put back there; `null`: the user has worked on since
 * @property {true | "left"} [acts] a change to this value has submitted the form, and putting it back must not; `left`: the
 *   form was read, and the page was left, which a submission does as well as a reload
 * @property {boolean} [unsettled] the page is being told that it was put back, and may write over it
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
  return { row: "", file: false, control: null, reported: "", shown: null, writes: 0, ...facts };
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
  /** Forms that storage had no room for when the page was last there. @type {Set<string>} */
  refused = new Set();
  #indexed = true;
  #place;
  /** Forms that the page left standing as it moved on, and where they were. @type {Map<string, string>} */
  #standing = new Map();
  /** Forms that were submitted, and were not dealt with when the page moved on, and where. @type {Map<string, string>} */
  #owed = new Map();
  /** Forms whose fields were collected, as for a post. @type {Set<string>} */
  #posted = new Set();

  /**
   * @param {object} world
   * @param {Storage} world.storage
   * @param {() => number} world.now milliseconds
   * @param {number} world.maxAge milliseconds
   * @param {(error: unknown, form: string) => void} world.report
   */
  constructor({ storage, now, maxAge, report }) {
    this.storage = storage;
    this.#place = storage.place?.() ?? "";
    this.now = now;
    this.maxAge = maxAge;
    this.report = report;
  }

  /**
   * Takes up what an earlier page left. A form whose stash cannot be read is dropped, and holds up no other.
   */
  load() {
    const shelf = this.#at(this.#place);
    for (const name of this.#storedNames(this.#place)) {
      if (this.#forms.has(name) || this.#standing.has(name)) continue;
      try {
        const stored = shelf.get(keyOf(name));
        const entries = parseForm(stored, this.now(), this.maxAge);
        const { submitted, posted, refused } = /** @type {Record<string, unknown>} */ (stored ?? {});
        if (submitted === true) this.#submitted.add(name);
        if (posted === true) this.#posted.add(name);
        if (refused === true) this.refused.add(name);
        if (entries.size > 0) this.#forms.set(name, entries);
        else shelf.remove(keyOf(name));
      } catch (error) {
        this.report(error, name);
        this.#attempt(name, () => shelf.remove(keyOf(name)));
      }
    }
  }

  /** Names the forms that the page left standing as it moved on. */
  get standing() {
    return [...this.#standing.keys()];
  }

  /**
   * The page may be on another visit by now. Its forms are still those of the one before, until it renders them anew, or
   * somebody goes on typing in them.
   *
   * @param {Iterable<string>} names those that are in the page
   * @returns {boolean} whether it is
   */
  moved(names) {
    const place = this.storage.place?.() ?? "";
    if (place === this.#place) return false;
    for (const name of [...names, ...this.names()]) {
      if (!this.#standing.has(name)) this.#standing.set(name, this.#place);
    }
    this.#place = place;
    this.load();
    return true;
  }

  /**
   * A form that was left standing is rendered anew, or gone: what was typed in it stays where it was typed.
   *
   * @param {string} form
   */
  leave(form) {
    const place = this.#placeOf(form);
    if (this.#behind.has(form)) this.#attempt(form, () => this.#write(form));
    if (this.#submitted.delete(form)) this.#owed.set(form, place);
    for (const known of [this.#forms, this.#behind, this.#posted, this.#standing]) known.delete(form);
    this.#attempt("", () => this.#list(place, form));
    this.load();
  }

  /**
   * Somebody types in a form that was left standing: it is one of this visit, unless that has one of the name already.
   *
   * @param {string} form
   */
  claim(form) {
    const place = this.#standing.get(form);
    if (place === undefined || this.#at(this.#place).get(keyOf(form)) !== null) return;
    this.#standing.delete(form);
    this.#behind.add(form);
    this.#attempt(form, () => this.#at(place).remove(keyOf(form)));
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
      const owed = this.#owed.get(form);
      if (owed === undefined) this.clear(form);
      else this.#attempt(form, () => this.#at(owed).remove(keyOf(form)));
      return this.#owed.delete(form);
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
    this.#posted.delete(form);
    this.#behind.add(form);
    this.save();
  }

  /**
   * Notes that a form's fields are collected, as the browser does for a post, or a script for a request.
   *
   * @param {string} form
   */
  post(form) {
    if (!this.#forms.has(form) || this.#posted.has(form)) return;
    this.#posted.add(form);
    this.#behind.add(form);
  }

  /**
   * The server says, in a page that it has rendered, that it has dealt with a form.
   *
   * @param {string} form
   */
  dealt(form) {
    this.save();
    this.#attempt(form, () => this.storage.dealt?.(form));
    if (this.#at(this.#placeOf(form)).get(keyOf(form)) === null) this.clear(form);
  }

  /** Forgets every form, also those that only storage knows. */
  forget() {
    for (const place of new Set([this.#place, ...this.#standing.values()])) {
      const shelf = this.#at(place);
      const names = new Set([...this.#storedNames(place), ...this.names(), ...this.#behind]);
      for (const name of names) this.#attempt(name, () => shelf.remove(keyOf(name)));
      this.#attempt("", () => shelf.remove(INDEX));
    }
    for (const known of [this.#forms, this.#submitted, this.#behind, this.#standing, this.#owed, this.#posted]) known.clear();
  }

  /**
   * Writes the forms that changed since the last time. One that storage refuses is tried again at the next
   * save.
   */
  save() {
    if (this.#behind.size === 0 && this.#indexed) return;
    const places = new Set([this.#place]);
    for (const name of [...this.#behind]) {
      places.add(this.#placeOf(name));
      this.#attempt(name, () => {
        if (this.#write(name)) this.#behind.delete(name);
      });
    }
    this.#indexed = false;
    this.#attempt("", () => (this.#indexed = [...places].map((place) => this.#list(place)).every(Boolean)));
  }

  /**
   * @param {string} place
   * @returns {Shelf}
   */
  #at(place) {
    return this.storage.at?.(place) ?? this.storage;
  }

  /** @param {string} form */
  #placeOf(form) {
    return this.#standing.get(form) ?? this.#place;
  }

  /**
   * Lists the forms that are kept in a place.
   *
   * @param {string} place
   * @param {string} [left] one that has just been left there
   * @returns {boolean} whether there was room
   */
  #list(place, left) {
    const shelf = this.#at(place);
    const mine = this.names().filter((name) => this.#placeOf(name) === place);
    // A socket's part of the document has records of its own in the same place.
    const others = [...this.#storedNames(place), ...(left === undefined ? [] : [left])];
    const kept = others.filter((name) => !mine.includes(name) && shelf.get(keyOf(name)) !== null);
    const names = [...new Set([...kept, ...mine])];
    if (names.length > 0) return shelf.set(INDEX, names);
    shelf.remove(INDEX);
    return true;
  }

  /**
   * @param {string} name
   * @returns {boolean}
   */
  #write(name) {
    const shelf = this.#at(this.#placeOf(name));
    const entries = this.of(name);
    if (entries.length === 0) {
      shelf.remove(keyOf(name));
      return true;
    }
    const fields = entries.map(({ control: _, reported: __, writes: ___, shown: ____, unsettled: _____, ...kept }) => kept);
    const submitted = { ...(this.#submitted.has(name) && { submitted: true }), ...(this.#posted.has(name) && { posted: true }) };
    const at = this.now();
    if (shelf.set(keyOf(name), { at, ...submitted, fields })) return true;
    shelf.set(keyOf(name), { at, refused: true, fields: [] });
    return false;
  }

  /**
   * @param {string} place
   * @returns {string[]}
   */
  #storedNames(place) {
    let stored = /** @type {unknown} */ (null);
    this.#attempt("", () => (stored = this.#at(place).get(INDEX)));
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
  const { name, row = "", index, place, base, bare, mine, sent, said, gone, html, file, acts } = /** @type {Record<string, unknown>} */ (stored ?? {});
  const placed = typeof name === "string" && name !== "" && typeof row === "string" && Number.isInteger(index);
  if (!placed || !isValue(base) || !isValue(mine) || !(sent === undefined || (Array.isArray(sent) && sent.every(isValue)))) {
    throw new TypeError("a stashed field is malformed");
  }
  const entry = entryOf({ name, row, index: /** @type {number} */ (index), base, mine, file: file === true });
  const heard = Array.isArray(said) && said.every(Number.isInteger) ? { said: said.slice(-MAX_SAID) } : {};
  const more = /** @type {Partial<Entry>} */ ({ ...(sent && { sent }), ...(isValue(bare) && { bare }), ...(Number.isInteger(place) && { place }) });
  return { ...entry, ...heard, ...more, ...(gone === true && { gone }), ...(html === true && { html }), ...((acts === true || acts === "left") && { acts }) };
}

/**
 * @param {unknown} value
 * @returns {value is string[]}
 */
function isValue(value) {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
