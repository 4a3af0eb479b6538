/** What all sockets of one page share: the server's words in its markup, storage, the claim on its tab, its forms. */

import { complain } from "./events.js";
import { settleStored } from "./forms/records.js";
import { claim, isPrerendered, watch } from "./lifecycle.js";
import { DEALT } from "./forms/watch.js";
import { Area, PREFIX, Slot, VIEW, disown, granted } from "./storage.js";
import { MARK, Visits, frame, random } from "./visits.js";

/** @typedef {import("./frames.js").Pairs} Pairs */
/** @typedef {import("./frames.js").Limits} Limits */
/** @typedef {import("./storage.js").StorageLike} StorageLike */
/**
 * @typedef {object} Forms stashed forms, as `forms/index.js` makes them
 * @property {(options?: { foreign?: boolean, kept?: boolean }) => void} start
 * @property {(within?: any) => Pairs} pairs
 * @property {(within?: any) => import("./frames.js").Names} empty
 * @property {(form: string, within?: any) => boolean} holds
 * @property {() => void} restore
 * @property {(name: string, message: import("./forms/entry.js").Mark) => void} submit
 * @property {(form: string, name: string) => boolean} isSecret
 * @property {(name: string, upto?: import("./forms/entry.js").Mark) => void} clear
 * @property {(socket: string) => void} renumber
 * @property {() => void} revive
 * @property {() => void} flush
 * @property {(within?: any) => boolean} isUnsaved
 * @property {(within?: any) => boolean} isExposed
 * @property {() => void} note
 * @property {() => void} forget
 * @property {() => void} stop
 * @property {(type: "restored" | "conflict" | "oversize" | "changed", listener: (event: any) => void, options?: { signal?: AbortSignal }) => void}
 *   addEventListener
 */
/** @typedef {{ root: any, storage: import("./forms/records.js").Storage, now: () => number }} FormsOptions */
/** @typedef {(options: FormsOptions) => Forms} CreateForms */

export class Page {
  /** @type {Page | undefined} */
  static #current;
  /** By where they are looked for. @type {Map<object, Forms>} */
  #forms = new Map();
  /** @type {Set<string>} */
  #names = new Set();
  /** @type {(() => void) | null} */
  #release = null;
  /** Counts the times that the claim was begun or given up. */
  #round = 0;
  #createForms;
  /** Whether it is somebody else's by now, and is being loaded anew. */
  abandoned = false;

  /** @param {{ createForms?: CreateForms | null }} [options] */
  constructor({ createForms = null } = {}) {
    this.#createForms = createForms;
    this.document = /** @type {{ document?: Document }} */ (globalThis).document;
    const script = /** @type {HTMLScriptElement | null | undefined} */ (
      this.document?.querySelector("script[data-quart-stash]")
    );
    const { identity: named = "", build, limits } = script?.dataset ?? {};
    // Without cookies nobody is anybody: the server would take each connection for somebody else's.
    const identity = this.document && isCookieless(this.document) ? "" : named;
    this.build = build;
    this.identity = identity;
    this.limits = parse(limits);
    // Other applications of this origin have a user, and a script, of their own.
    this.script = script?.src;
    const options = { identity, prefix: `${PREFIX}${script?.src.replace(/[^/]*$/, "") ?? ""}|` };
    /** Whether the server said whose page this is. If not, the next user might get what outlives the page. */
    this.marked = Boolean(named);
    const area = (/** @type {"sessionStorage" | "localStorage"} */ name) => new Area(this.marked ? granted(name) : null, options);
    this.areas = { tab: area("sessionStorage"), browser: area("localStorage") };
    if (this.document && !this.marked) console.warn(UNMARKED);
    this.visits = new Visits(this.areas.tab);
    /** Whether this history entry was another user's before: the browser may put back what they typed. */
    this.foreign = this.marked && this.visits.foreign;
    /** Whether what was typed on this visit before is in storage, as far as that had room. */
    this.kept = this.marked && this.areas.tab.persistent && this.visits.known;
    if (this.marked) {
      // What has ended still goes up once, from its own visit: the server judges it, and says so.
      this.areas.tab.sweep({ late: (key) => key.endsWith(`@${this.visits.place}`), foreign: (key) => key.startsWith(MARK) });
      this.areas.browser.sweep();
      for (const area of Object.values(this.areas)) area.write("identity", identity);
      this.#clear();
    }
    /** Whether this page is the tab's only one, or a copy. Settled by then, `owner` says so at once. */
    this.owner = /** @type {boolean | undefined} */ (undefined);
    // What a prerendered page stores is thrown away, and what it claims is still its predecessor's.
    this.claimed = isPrerendered() ? new Promise(() => {}) : this.#claim();
    watch({ hide: () => this.#hide(), show: () => this.#show() });
  }

  /** The page that this script runs in. */
  static get current() {
    return (Page.#current ??= new Page());
  }

  static set current(page) {
    Page.#current = page;
  }

  /** @returns {string | undefined} the page params that the server signed into the markup */
  get params() {
    return this.document?.querySelector('meta[name="quart-stash-page"]')?.getAttribute("content") ?? undefined;
  }

  /** The key in the browser's storage that each page of this application writes as it is loaded. */
  get signal() {
    return `${this.areas.browser.prefix}identity`;
  }

  /**
   * Ask the server whether it takes connections.
   *
   * @param {string} url of a socket
   * @returns {Promise<boolean>} `false` if it can't be asked, too
   */
  async ready(url) {
    try {
      const address = new URL("ready", this.script);
      if (address.host !== new URL(url).host) return false;
      const answer = await fetch(address, { cache: "no-store", redirect: "error", signal: AbortSignal.timeout(PATIENCE) });
      // A proxy may say that all is well with a page of its own.
      return answer.ok && (await answer.text()) === "ready\n";
    } catch {
      return false;
    }
  }

  /**
   * Take a socket's name: the second socket of one name gets another one, the same after each reload.
   *
   * @param {string} name
   * @returns {string}
   */
  take(name) {
    let free = name;
    for (let count = 2; this.#names.has(free); count += 1) free = `${name}#${count}`;
    this.#names.add(free);
    return free;
  }

  /** @param {string} name */
  give(name) {
    this.#names.delete(name);
  }

  /**
   * @param {string} name the socket's
   * @param {import("./binding.js").Binding} binding
   * @param {Area} [area]
   */
  slot(name, binding, area = this.areas.tab) {
    const at = (/** @type {string} */ place) => `${VIEW}${name}@${place}`;
    return new Slot(area, () => at(this.visits.place), binding, this.visits.orphans.map(at));
  }

  /**
   * @param {any} [root] where the forms are
   * @returns {Forms | null} the forms in it, one object for all sockets
   */
  forms(root = this.document) {
    if (!root || !this.#createForms) return null;
    // All forms of a document are kept together, whoever asks: two that kept one form would not know of each other.
    const tree = root.getRootNode?.() ?? root;
    if (tree === this.document || tree.host) root = tree;
    const known = this.#forms.get(root);
    if (known) return known;
    const at = (/** @type {string} */ place) => this.areas.tab.shelf(`form@${place}:`);
    const storage = { ...at(""), at, place: () => this.visits.place, dealt: (/** @type {string} */ form) => this.#dealt(form) };
    try {
      const forms = this.#createForms({ root, storage, now: this.areas.tab.now });
      this.#forms.set(root, forms);
      forms.start({ foreign: this.foreign, kept: this.kept });
      forms.restore();
      const flush = () => forms.flush();
      watch({ leaving: flush, hide: flush, hidden: flush, show: () => forms.revive() });
      return forms;
    } catch (error) {
      // No form may keep a view from being mounted.
      complain(error);
      return null;
    }
  }

  /** All forms that are kept, wherever they are. */
  get allForms() {
    return [...this.#forms.values()];
  }

  /** Drop the forms that the server says it has dealt with. */
  #clear() {
    for (const meta of this.document?.querySelectorAll(`meta[name="${DEALT}"]`) ?? []) this.#dealt(meta.getAttribute("content"));
  }

  /**
   * Drop a form on whichever visit it was posted from: those that were only typed in are other ones of the name. One that
   * was sent in a way of the page's own can't be told from them.
   *
   * @param {string | null} form
   */
  #dealt(form) {
    const { tab } = this.areas;
    const keys = tab.keys("form@").filter((key) => key.endsWith(`:form:${form}`));
    const posted = keys.filter((key) => tab.read(key)?.posted);
    for (const key of posted.length > 0 ? posted : keys) settleStored(tab.shelf(""), key);
  }

  /** @returns {Promise<boolean>} whether this page is not a copy */
  async #claim() {
    const round = (this.#round += 1);
    const tab = granted("sessionStorage");
    if (!this.document || !tab || !this.marked) return (this.owner = true);
    const held = this.areas.browser.shelf("tab:");
    const how = { locks: navigator.locks, Channel: globalThis.BroadcastChannel, held };
    const key = NAME + frame();
    const name = tab.getItem(key);
    const release = name === null ? null : await claim(name, how);
    if (round !== this.#round) {
      // The page was hidden meanwhile; what it claimed may be another page's by now.
      release?.();
      return true;
    }
    this.#release = release;
    this.owner = name === null || release !== null;
    if (release) return true;
    // Nothing is waited for from here on: a copy with a name of its own must not pass for the owner of what it holds.
    // With its page the whole tab is copied, all its history entries; of a frame that is not so sure.
    if (!this.owner && key === NAME) {
      disown(this.areas.tab, new Area(tab));
      this.visits.disown();
    }
    const renamed = random();
    try {
      tab.setItem(key, renamed);
    } catch {
      // Without a name of its own in storage, a copy finds out anew at the next load.
    }
    // Nobody else can have this name: it is held before anybody can copy it.
    void claim(renamed, { ...how, patience: 0 }).then((mine) => (round === this.#round ? (this.#release = mine) : mine?.()));
    return this.owner;
  }

  #hide() {
    this.visits.note({ left: true });
    // A page that holds a lock or a channel can't rest in the back/forward cache.
    this.#round += 1;
    this.#release?.();
    this.#release = null;
    this.owner = undefined;
  }

  #show() {
    // Somebody else has logged in since, here or in another tab: nothing of this page may reach them.
    if (this.marked && Object.values(this.areas).some((area) => area.foreign("identity"))) {
      this.abandoned = true;
      this.claimed = new Promise(() => {});
      if (this.document) conceal(this.document.documentElement);
      location.reload();
    } else {
      this.visits.note();
      this.claimed = this.#claim();
    }
  }
}

const UNMARKED =
  "quart_stash: this page does not say whose it is, so nothing is kept beyond it. Put in the tag of stash_script(), or of StashPage.";
const TAG = "quart-stash";
const NAME = "quart-stash-tab";
/** Milliseconds that a page has to come anew after its user was asked; later they are taken to have stayed. */
const PATIENCE = 3000;

/**
 * @param {Document} document
 * @returns {boolean} whether the browser keeps no cookies; then it grants no storage either, but may say of both that they are on
 */
function isCookieless(document) {
  if (granted("sessionStorage")) return false;
  try {
    document.cookie = `${TAG}=1; SameSite=Lax`;
    const kept = document.cookie.includes(`${TAG}=1`);
    document.cookie = `${TAG}=; Max-Age=0`;
    return !kept;
  } catch {
    return true;
  }
}

/**
 * Hide what somebody else may not see, until the page is loaded anew, however long that takes. By script, an inline style
 * is allowed under any content security policy; and it counts more than the page's style sheets, which `hidden` does not.
 *
 * @param {HTMLElement} root
 */
function conceal({ style }) {
  const before = /** @type {const} */ ([style.getPropertyValue("display"), style.getPropertyPriority("display")]);
  style.setProperty("display", "none", "important");
  const unload = (/** @type {BeforeUnloadEvent} */ event) => {
    // Then the user is asked, and may stay.
    if (event.defaultPrevented || event.returnValue) setTimeout(() => style.setProperty("display", ...before), PATIENCE);
  };
  addEventListener("beforeunload", unload, { once: true });
}

/**
 * @param {string | undefined} limits
 * @returns {Limits | undefined}
 */
function parse(limits) {
  try {
    return limits && JSON.parse(limits);
  } catch {
    return undefined;
  }
}
