/**
 * What the user has changed, per form and field, and its place in storage. Pure but for the storage it is
 * handed.
 *
 * Memory is the truth: storage may be full, blocked or cleared, and nothing is lost by that until the page
 * goes.
 *
 * @module
 */

import { MAX_SAID, dealtOf, dealtWith, fieldKey, parseDealt, parseForm, withDealt } from "./entry.js";
import { digest, same } from "./merge.js";

/** @typedef {import("./entry.js").Dealt} Dealt */
/** @typedef {import("./entry.js").Entry} Entry */
/** @typedef {import("./entry.js").Mark} Mark */
/** @typedef {import("./merge.js").Value} Value */

/**
 * @typedef {object} Shelf
 * @property {(key: string) => unknown} get the value, `null` if there is none
 * @property {(key: string, value: unknown) => boolean} set whether it was kept
 * @property {(key: string) => void} remove
 * @property {boolean} [persistent] whether it outlives the page; it does, unless said
 */
/**
 * @typedef {object} Places
 * @property {() => string} place names where the page is: each visit has a place of its own
 * @property {(place: string) => Shelf} at
 * @property {(form: string) => void} dealt removes what is kept of a form that the server has dealt with, wherever it is
 */
/** @typedef {Shelf & Partial<Places>} Storage one identity's; without places it is for one visit */

/** @typedef {[entry: Entry, value: Value][]} Taken what a server has taken, from which fields */

const INDEX = "forms";
/** @param {string} name */
const keyOf = (name) => `form:${name}`;

export class Records {
  /** @type {Map<string, Map<string, Entry>>} */
  #forms = new Map();
  /** @type {Set<string>} forms whose stored copy is behind */
  #behind = new Set();
  /** Forms that have been submitted, with the messages that are not dealt with yet. @type {Map<string, Mark[]>} */
  #submitted = new Map();
  /** What of an entry went up last. @type {WeakMap<Entry, Value>} */
  #said = new WeakMap();
  /** What the browser may put back of each form, though it is the user's no more. @type {Map<string, Dealt>} */
  #dealt = new Map();
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
  /** The fields of each form that storage had no room for. @type {Map<string, Set<string>>} */
  #unstored = new Map();

  /**
   * @param {object} world
   * @param {Storage} world.storage
   * @param {() => number} world.now milliseconds
   * @param {number} world.maxAge milliseconds
   * @param {(error: unknown, form: string) => void} world.report
   * @param {(form: string, field: string) => void} [world.oversize] there is no room for this field
   */
  constructor({ storage, now, maxAge, report, oversize = () => {} }) {
    this.storage = storage;
    this.#place = storage.place?.() ?? "";
    this.now = now;
    this.maxAge = maxAge;
    this.report = report;
    this.oversize = oversize;
  }

  /**
   * Takes up what an earlier page left. A form whose stash cannot be read is dropped, and holds up no other.
   */
  load() {
    const shelf = this.#at(this.#place);
    for (const name of this.#storedNames(this.#place)) {
      if (this.#forms.has(name) || this.#standing.has(name)) continue;
      try {
        const { entries, dealt, submitted, posted, refused } = parseForm(shelf.get(keyOf(name)), this.now(), this.maxAge);
        if (submitted) this.#submitted.set(name, []);
        if (posted) this.#posted.add(name);
        if (dealt.size > 0) this.#dealt.set(name, dealt);
        if (refused) this.refused.add(name);
        if (entries.size > 0) this.#forms.set(name, entries);
        else if (dealt.size === 0) shelf.remove(keyOf(name));
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
    for (const known of [this.#forms, this.#behind, this.#posted, this.#standing, this.#dealt]) known.delete(form);
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
    const there = /** @type {any} */ (this.#at(this.#place).get(keyOf(form)));
    if (place === undefined || (there !== null && there?.fields?.length !== 0)) return;
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
   * @param {Mark} mark the message that it goes up as
   */
  submit(form, mark) {
    for (const entry of this.of(form)) {
      entry.sent = [...(entry.sent ?? []), entry.mine].slice(-MAX_SAID);
      entry.marks = [...(entry.marks ?? []), mark].slice(-MAX_SAID);
    }
    this.#submitted.set(form, [...(this.#submitted.get(form) ?? []), mark].slice(-MAX_SAID));
    this.#behind.add(form);
  }

  /**
   * A socket's messages are counted anew, as of another view. Those before come before all that it will say.
   *
   * @param {string} socket
   */
  renumber(socket) {
    const anew = (/** @type {Mark[]} */ marks) => marks.map((mark) => /** @type {Mark} */ (mark[0] === socket ? [socket, 0] : mark));
    for (const [form, marks] of this.#submitted) {
      this.#submitted.set(form, anew(marks));
      for (const entry of this.of(form)) if (entry.marks) entry.marks = anew(entry.marks);
      this.#behind.add(form);
    }
  }

  /**
   * A form has been dealt with: of one that was submitted, what was typed or submitted since then stays. It may be dealt
   * with twice, by a process that died and by the next one.
   *
   * @param {string} form
   * @param {Mark} [upto] the message that this answers, with all before; a server of an older release names none, and
   *   answers one at a time
   * @returns {{ all: boolean, over: boolean, taken: Taken }} `all`: the form was never submitted, so that all of it is
   *   dealt with; `over`: no submit is left
   */
  settle(form, upto = this.#oldest(form)) {
    const marks = this.#submitted.get(form);
    const owed = this.#owed.get(form);
    if (!marks && owed !== undefined) {
      this.#owed.delete(form);
      this.#attempt(form, () => settleStored(this.#at(owed), keyOf(form)));
      return { all: false, over: true, taken: [] };
    }
    const isTaken = (/** @type {Mark} */ [socket, number]) => !upto || socket !== upto[0] || number <= upto[1];
    const counted = (/** @type {Mark[]} */ all) => all.findLastIndex(isTaken) + 1;
    const taken = /** @type {Taken} */ ([]);
    for (const entry of this.of(form)) {
      const count = counted(entry.marks ?? []);
      const value = marks ? entry.sent?.[count - 1] : entry.mine;
      if (!value) continue;
      taken.push([entry, value]);
      this.#take(form, entry, value, count);
    }
    const left = marks?.slice(counted(marks)) ?? [];
    if (marks) this.#submitted.set(form, left);
    else this.#posted.delete(form);
    this.#behind.add(form);
    this.save();
    return { all: !marks, over: left.length === 0, taken };
  }

  /**
   * What has been dealt with elsewhere, while this page rested in the browser's cache, is the user's no more.
   *
   * @param {string} form
   * @returns {Taken}
   */
  revive(form) {
    const taken = /** @type {Taken} */ ([]);
    for (const [key, digests] of parseDealt(this.#at(this.#placeOf(form)).get(keyOf(form)))) {
      const entry = this.get(form, key);
      if (entry && digest(entry.mine) === digests[0]) taken.push([entry, entry.mine]);
    }
    for (const [entry, value] of taken) this.#take(form, entry, value, Infinity);
    return taken;
  }

  /**
   * @param {string} form
   * @param {string} key of a field
   * @returns {number[]} digests: of what was dealt with there, and of what was rendered before
   */
  known(form, key) {
    return this.#dealt.get(form)?.get(key) ?? [];
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
   * @returns {Taken}
   */
  dealt(form) {
    this.save();
    this.#attempt(form, () => this.storage.dealt?.(form));
    const taken = this.revive(form);
    if (this.#at(this.#placeOf(form)).get(keyOf(form)) === null) this.clear(form);
    return taken;
  }

  /** Forgets every form, also those that only storage knows. */
  forget() {
    for (const place of new Set([this.#place, ...this.#standing.values()])) {
      const shelf = this.#at(place);
      const names = new Set([...this.#storedNames(place), ...this.#kept(), ...this.#behind]);
      for (const name of names) this.#attempt(name, () => shelf.remove(keyOf(name)));
      this.#attempt("", () => shelf.remove(INDEX));
    }
    const all = [this.#forms, this.#submitted, this.#behind, this.#standing, this.#owed, this.#posted, this.#dealt];
    for (const known of all) known.clear();
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
    const mine = this.#kept().filter((name) => this.#placeOf(name) === place);
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
    const fields = this.of(name).map(({ control: _, reported: __, writes: ___, shown: ____, unsettled: _____, ...kept }) => kept);
    const dealt = this.#dealt.get(name);
    if (fields.length === 0 && !dealt) {
      shelf.remove(keyOf(name));
      return true;
    }
    const submitted = { ...(this.#submitted.has(name) && { submitted: true }), ...(this.#posted.has(name) && { posted: true }) };
    const done = dealt && { dealt: Object.fromEntries(dealt) };
    const write = (/** @type {object[]} */ kept) =>
      shelf.set(keyOf(name), {
        at: this.now(),
        ...(kept.length > 0 && submitted),
        fields: kept,
        ...(kept.length < fields.length && { refused: true }),
        ...done,
      });
    const stored = write(fields);
    // Where nothing outlives the page, there is nothing to make room for.
    if (stored || shelf.persistent === false) this.#unstored.delete(name);
    else if (fields.length > 0) this.#makeDo(name, fields, write);
    else shelf.remove(keyOf(name)); // what has been dealt with must not stay for want of room
    return stored || fields.length === 0;
  }

  /**
   * Stores what there is room for: without the largest field, or the largest two, or four, and so on; at least that there
   * was no room.
   *
   * @template {Pick<Entry, "name" | "index" | "row">} T
   * @param {string} form
   * @param {T[]} fields
   * @param {(fields: T[]) => boolean} write
   */
  #makeDo(form, fields, write) {
    const sized = fields.map((field) => ({ field, size: JSON.stringify(field).length })).sort((a, b) => b.size - a.size);
    const left = new Set(fields);
    let stored = false;
    for (let count = 1; !stored && left.size > 0; count *= 2) {
      for (const { field } of sized.splice(0, count)) left.delete(field);
      stored = write([...left]);
    }
    const before = this.#unstored.get(form);
    const out = fields.filter((field) => !left.has(field));
    this.#unstored.set(form, new Set(out.map(fieldKey)));
    for (const field of out) if (!before?.has(fieldKey(field))) this.oversize(form, field.name);
  }

  /** @returns {string[]} the forms that there is something to store of */
  #kept() {
    return [...new Set([...this.#forms.keys(), ...this.#dealt.keys()])];
  }

  /**
   * @param {string} form
   * @returns {Mark | undefined} the oldest submit that is not dealt with
   */
  #oldest(form) {
    return this.of(form).flatMap(({ marks = [] }) => marks).sort((a, b) => a[1] - b[1])[0];
  }

  /**
   * A server has taken what stood in a field.
   *
   * @param {string} form
   * @param {Entry} entry
   * @param {Value} value
   * @param {number} count of the submits that are dealt with by that
   */
  #take(form, entry, value, count) {
    if (!entry.held && !entry.file) {
      const dealt = this.#dealt.get(form) ?? new Map();
      this.#dealt.set(form, dealt);
      withDealt(dealt, fieldKey(entry), dealtOf(entry, value));
    }
    // A server that has not heard of it yet may still render what was the base.
    entry.said = [...(entry.said ?? []), digest(entry.base)].slice(-MAX_SAID);
    entry.base = value;
    entry.sent = entry.sent?.slice(count);
    entry.marks = entry.marks?.slice(count);
    if (!entry.sent?.length && same(value, entry.mine)) this.drop(form, entry);
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
 * A form that only storage knows has been dealt with: of what it held, digests stay.
 *
 * @param {Shelf} shelf
 * @param {string} key
 */
export function settleStored(shelf, key) {
  const left = dealtWith(shelf.get(key));
  if (!left || !shelf.set(key, left)) shelf.remove(key);
}
