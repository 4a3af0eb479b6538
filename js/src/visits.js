/**
 * Which visit of a page this is. It names the place in the tab's storage where forms and views are kept.
 *
 * A visit is a history entry that was come to with a path and a query of its own, by a link or by `pushState`. A hash makes
 * no other visit, nor does a query that is replaced. Whoever comes to an address again within one document, by *Back* or by
 * a link, is on the same visit again. Browsers give an entry another key after their error page, and in a frame whose parent
 * is loaded anew: by what is noted of each entry it is found again.
 */

import { hash } from "./binding.js";
import { isPrerendered } from "./lifecycle.js";
import { granted } from "./storage.js";

/** @typedef {import("./storage.js").Area} Area */
/**
 * @typedef {object} Mark what is noted of a history entry
 * @property {string} place
 * @property {string} path hashed, as the next: there may be a ticket in it
 * @property {string} address path and query
 * @property {string} spot where in the tab's history it was
 * @property {string} [page] the history entry of the tab's page, of which this may be a frame
 * @property {boolean} left whether its page has gone
 * @property {boolean} [gone] whether another page has its place in the history
 */

/** What the keys of all marks begin with. They also say whose each entry was. */
export const MARK = "identity@";
const TAG = "quart-stash";
const ENTRY = "quart-stash-entry";
/** How many entries browsers keep. Once there are so many, their number tells nothing any more. */
const FULL = new Set([50, 100]);

export class Visits {
  #area;
  #home;
  #entry = "";
  #path = "";
  #address = "";
  #place = "";
  /** @type {string | undefined} */
  #href;
  /** The length of the history when its entry was last looked at. */
  #length = -1;
  /** The history entry that was loaded anew, until it is known whether the browser still knows it. */
  #reloaded = reloaded();
  /** Places of history entries that are gone, and of which nothing was found again. @type {string[]} */
  orphans = [];

  /** @param {Area} area the tab's */
  constructor(area) {
    this.#area = area;
    const entry = this.entry();
    /** Whether this history entry was another user's before. */
    this.foreign = area.foreign(MARK + entry);
    const [path, address] = here();
    const mark = this.#mark(entry);
    const known = mark?.path === path ? mark : this.#found(entry, address);
    /** Whether the page was here before, and noted that. */
    this.known = known !== undefined;
    if (mark && known !== mark) area.write(MARK + random(), { ...mark, left: true, gone: true });
    this.#home = known?.place.replace(/\/.*/, "") ?? entry;
    this.#arrive(entry, path, address, known?.place ?? `${this.#home}/${address}`);
  }

  /** @returns {string} names the current history entry; it survives reloads, and a fresh visit has another one */
  entry() {
    const { navigation, history } = /** @type {any} */ (globalThis);
    const key = navigation?.currentEntry?.key ?? history?.state?.[TAG];
    const reloaded = this.#reloaded;
    this.#reloaded = null;
    if (!key && history) {
      const { state, length } = history;
      // WebKit loses the state of an entry whose address was changed while the page was on its way out. Otherwise an entry
      // without our state is a new one, unless there are no more entries than before: then the page has replaced its state.
      // In a history that is full it is a new one at another address, since the page may as well have replaced that.
      const isReplaced = length === this.#length && (!FULL.has(length) || globalThis.location?.href === this.#href);
      const name = reloaded ?? (isReplaced ? this.#entry : random());
      try {
        if (typeof state === "object") history.replaceState({ ...state, [TAG]: name }, "");
      } catch {
        // Some browsers allow only so many changes in a minute.
      }
    }
    this.#length = history?.length;
    return key ?? history?.state?.[TAG] ?? "";
  }

  /** Names the place of what is kept on this visit. */
  get place() {
    const entry = this.entry();
    const { href } = /** @type {{ location?: Location }} */ (globalThis).location ?? {};
    if (entry === this.#entry && href === this.#href) return this.#place;
    const [path, address] = here();
    const stays = address === this.#address || (entry === this.#entry && path === this.#path);
    const mark = stays ? null : this.#mark(entry);
    const place = mark?.path === path ? mark.place : `${this.#home}/${address}`;
    if (entry !== this.#entry) this.#write(true);
    this.#arrive(entry, path, address, stays ? this.#place : place);
    return this.#place;
  }

  /**
   * Notes where the page is.
   *
   * @param {{ left?: boolean }} [how] `left`: it goes away
   */
  note({ left = false } = {}) {
    void this.place;
    this.#write(left);
    if (!left || !this.#area.persistent) return;
    try {
      granted("sessionStorage")?.setItem(ENTRY + frame(), this.#entry);
    } catch {
      // Then the browser alone knows.
    }
  }

  /** @param {boolean} left */
  #write(left) {
    /** @type {Mark} */
    const mark = { place: this.#place, path: this.#path, address: this.#address, spot: spot(), left };
    mark.page = tab()?.currentEntry?.key;
    this.#area.write(MARK + this.#entry, mark);
  }

  /** @param {string} entry @param {string} path @param {string} address @param {string} place */
  #arrive(entry, path, address, place) {
    this.#href = /** @type {{ location?: Location }} */ (globalThis).location?.href;
    [this.#entry, this.#path, this.#address, this.#place] = [entry, path, address, place];
    this.#write(false);
  }

  /**
   * @param {string} entry
   * @returns {Mark | null}
   */
  #mark(entry) {
    const mark = this.#area.read(MARK + entry, { late: true });
    return typeof mark?.place === "string" ? mark : null;
  }

  /**
   * Finds what was left at this address, in an entry that the history has no more.
   *
   * @param {string} entry
   * @param {string} address
   * @returns {Mark | undefined}
   */
  #found(entry, address) {
    const { navigation, history, opener } = /** @type {any} */ (globalThis);
    /** @type {Map<string, string>} */
    const listed = new Map(navigation?.entries?.().map((/** @type {any} */ { key, url }) => [key, url]));
    // Without such a list, only a frame is known to lose its entry where it stands. A new window has a copy of its opener's.
    const replaces = navigation ? !(opener && history.length === 1) && !isPrerendered() : frame() !== "" && !isLedTo();
    // Of a page that is loaded anew the number of entries does not tell: the browser's own page may have been one.
    const same = wayOfLoading() === "reload" ? part(spot()) : spot();
    // A history that is full does not grow: but a page that can be come back to still has its frames.
    const others = new Set(tab()?.entries().map((/** @type {any} */ { key }) => key));
    others.delete(tab()?.currentEntry?.key);
    /** @type {{ key: string, mark: Mark, until: number }[]} */
    const gone = [];
    for (const key of this.#area.keys(MARK)) {
      const name = key.slice(MARK.length);
      const { i, x = 0 } = this.#area.peek(key) ?? {};
      const mark = i === this.#area.identity ? this.#mark(name) : null;
      if (!mark) continue;
      const url = listed.get(name);
      // What is listed may have become another page; what is not may be beyond a page of another origin.
      const isHere = (mark.spot === same || part(mark.spot) === same) && !others.has(mark.page);
      const isGone = url ? hash(new URL(url).pathname) !== mark.path : replaces && isHere;
      // A page on its way to the browser's own may not get to say that it leaves; but a frame may be another one's place.
      const isLeft = mark.left || frame() === "";
      if (name === entry || (isLeft && (mark.gone || isGone))) gone.push({ key, mark, until: x });
    }
    gone.sort((a, b) => b.until - a.until);
    const found = gone.find(({ mark }) => mark.address === address);
    if (found) this.#area.remove(found.key);
    this.orphans = gone.flatMap(({ mark }) => (mark.address === address ? [] : [mark.place]));
    return found?.mark;
  }

  /** This tab is a copy: what is noted of entries that it does not have is its original's. */
  disown() {
    const { navigation } = /** @type {any} */ (globalThis);
    if (!navigation) return;
    const listed = new Set(navigation.entries().map((/** @type {any} */ { key }) => MARK + key));
    for (const key of this.#area.keys(MARK)) if (!listed.has(key)) this.#area.remove(key);
  }
}

/** @returns {string} */
export const random = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("");

/** @returns {[path: string, address: string]} hashed */
function here() {
  const { location } = /** @type {{ location?: Location }} */ (globalThis);
  if (!location) return ["", ""];
  const { pathname, search } = new URL(location.href);
  return [hash(pathname), hash(pathname + search)];
}

/** @returns {string} where this page stands in the tab's history, and its frame in the tab */
function spot() {
  const { navigation, history } = /** @type {any} */ (globalThis);
  return `${history?.length ?? ""} ${navigation?.currentEntry?.index ?? ""} ${frame()}`;
}

/** @returns {any} the history of the tab's page, where the browser tells it, and it is of this origin */
function tab() {
  try {
    return /** @type {any} */ (globalThis).top.navigation;
  } catch {
    return undefined;
  }
}

/** @param {string} spot @returns {string} without the number of entries */
const part = (spot) => spot.replace(/^\d* /, "");

/** @returns {string | undefined} how the tab's page was loaded; of one of another origin it can't be told */
function wayOfLoading() {
  try {
    const { performance } = /** @type {any} */ (globalThis).top ?? globalThis;
    return performance.getEntriesByType("navigation")[0]?.type;
  } catch {
    return undefined;
  }
}

/** @returns {boolean} whether a link may have led to the tab's page, in a history that is full and does not say so */
function isLedTo() {
  return FULL.has(globalThis.history?.length) && wayOfLoading() === "navigate";
}

/** @returns {string | null} the history entry that this page was in before it was loaded anew */
function reloaded() {
  const { performance } = globalThis;
  const [navigation] = /** @type {any[]} */ (performance.getEntriesByType?.("navigation") ?? []);
  return navigation?.type === "reload" ? (granted("sessionStorage")?.getItem(ENTRY + frame()) ?? null) : null;
}

/** @returns {string} where this frame is in its tab: frames of one origin share the tab's storage */
export function frame() {
  let path = "";
  const { window } = /** @type {{ window?: Window }} */ (globalThis);
  for (let here = window; here && here !== here.parent; here = here.parent) {
    const { parent } = here;
    path += `.${Array.from({ length: parent.length }, (_, index) => parent[index]).indexOf(here)}`;
  }
  return path;
}
