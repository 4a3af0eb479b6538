/**
 * What the browser keeps: items in a storage area, each bound to the identity that wrote it, some with an end.
 *
 * Storage may be full, blocked or absent; nothing here throws. A write that fails removes the item, so that what is stored
 * is never older than what the page believes.
 */

/** @typedef {import("./binding.js").Binding} Binding */
/** @typedef {import("./machine.js").Snapshot} Snapshot */
/** @typedef {{ i: string, x: number, v: any }} Item identity, when it ends, value */
/** @typedef {Pick<Storage, "getItem" | "setItem" | "removeItem" | "key" | "length">} StorageLike */
/**
 * @typedef {{ get: (key: string) => any, set: (key: string, value: any) => boolean, remove: (key: string) => void,
 *   persistent: boolean }} Shelf
 */

/** What the keys of all items begin with. */
export const PREFIX = "quart-stash:";
/** What the keys of all slots begin with. */
export const VIEW = "view:";
const never = () => false;

/** Stands in where the browser grants no storage. @implements {StorageLike} */
class Memory {
  /** @type {Map<string, string>} */
  #items = new Map();

  get length() {
    return this.#items.size;
  }

  /** @param {number} index */
  key(index) {
    return [...this.#items.keys()][index] ?? null;
  }

  /** @param {string} key */
  getItem(key) {
    return this.#items.get(key) ?? null;
  }

  /** @type {(key: string, value: string) => void} */
  setItem(key, value) {
    this.#items.set(key, value);
  }

  /** @param {string} key */
  removeItem(key) {
    this.#items.delete(key);
  }
}

/**
 * @param {"sessionStorage" | "localStorage"} name
 * @returns {StorageLike | null} the browser's storage area, if it grants it
 */
export function granted(name) {
  try {
    const area = globalThis[name] ?? null;
    // Some say no by what they do, not by what they are.
    area?.getItem("");
    return area;
  } catch {
    return null;
  }
}

export class Area {
  #storage;

  /**
   * @param {StorageLike | null} storage `null`: in memory only
   * @param {{ prefix?: string, identity?: string, now?: () => number, maxAge?: number }} [options] `prefix`: what the keys
   *   of one application begin with; unless given, it sees those of all. Milliseconds
   */
  constructor(storage, { prefix = PREFIX, identity = "", now = Date.now, maxAge = 86_400_000 } = {}) {
    /** Whether items outlive the page. */
    this.persistent = storage !== null;
    this.#storage = storage ?? new Memory();
    this.prefix = prefix;
    this.identity = identity;
    this.now = now;
    this.maxAge = maxAge;
  }

  /**
   * @param {string} key
   * @param {{ late?: boolean }} [options] `late`: also if it has ended; for what a server judges by its own clock
   * @returns {any} `null` if there is nothing that this identity may read
   */
  read(key, { late = false } = {}) {
    const item = this.peek(key);
    if (item === null) return null;
    if (item.i === this.identity && (late || item.x > this.now())) return item.v;
    this.remove(key);
    return null;
  }

  /**
   * @param {string} key
   * @param {any} value plain JSON
   * @param {number} [maxAge] milliseconds
   * @returns {boolean} whether it is stored now; if not, nothing is stored under this key
   */
  write(key, value, maxAge = this.maxAge) {
    /** @type {Item} */
    const item = { i: this.identity, x: this.now() + maxAge, v: value };
    try {
      this.#storage.setItem(this.prefix + key, JSON.stringify(item));
      return true;
    } catch {
      this.remove(key);
      return false;
    }
  }

  /**
   * @param {string} key
   * @returns {boolean} whether another identity wrote it
   */
  foreign(key) {
    const item = this.peek(key);
    return item !== null && item.i !== this.identity;
  }

  /** @param {string} key */
  remove(key) {
    try {
      this.#storage.removeItem(this.prefix + key);
    } catch {
      // Storage that can't be written holds nothing of ours.
    }
  }

  /**
   * Remove what has ended, and what another identity left behind.
   *
   * @param {{ late?: (key: string) => boolean, foreign?: (key: string) => boolean }} [spare] items to leave alone even if
   *   they have ended, and even if another identity left them behind
   */
  sweep({ late = never, foreign = never } = {}) {
    for (const key of this.keys()) {
      const item = this.peek(key);
      if (!item) continue;
      const ended = item.x <= this.now() && !late(key);
      if (ended || (item.i !== this.identity && !foreign(key))) this.remove(key);
    }
  }

  /**
   * @param {string} [prefix]
   * @returns {string[]} the keys of our items
   */
  keys(prefix = "") {
    try {
      const all = Array.from({ length: this.#storage.length }, (_, index) => this.#storage.key(index) ?? "");
      return all.filter((key) => key.startsWith(this.prefix + prefix)).map((key) => key.slice(this.prefix.length));
    } catch {
      return [];
    }
  }

  /**
   * @param {string} prefix
   * @returns {Shelf} the items under it
   */
  shelf(prefix) {
    return {
      persistent: this.persistent,
      get: (key) => this.read(prefix + key, { late: true }),
      set: (key, value) => this.write(prefix + key, value) && this.persistent,
      remove: (key) => this.remove(prefix + key),
    };
  }

  /**
   * @param {string} key
   * @returns {Item | null} whoever wrote it
   */
  peek(key) {
    try {
      const item = JSON.parse(this.#storage.getItem(this.prefix + key) ?? "null");
      return typeof item?.i === "string" && typeof item.x === "number" ? item : null;
    } catch {
      return null;
    }
  }
}

/**
 * Where one view's token and outbox rest, as one item. The slot is the page's visit: it follows the page when that moves on
 * to another one without being loaded anew.
 */
export class Slot {
  #area;
  #name;
  #key;
  #binding;

  /** @type {string[]} */
  #orphans;

  /**
   * @param {Area} area
   * @param {() => string} name the slot's name on the current visit
   * @param {Binding} binding what its token is bound to
   * @param {string[]} [orphans] its names on visits that nobody can come back to
   */
  constructor(area, name, binding, orphans = []) {
    this.#area = area;
    this.#name = name;
    this.#key = name();
    this.#binding = binding;
    this.#orphans = orphans;
  }

  /**
   * @returns {{ snapshot: Snapshot | null, strays: Snapshot[] }} what is stored for this view; and what was stored for
   *   another one under the same name, or where nobody can come back to, which is taken out
   */
  read() {
    const { snapshot, stray } = this.#own();
    const strays = stray ? [stray] : [];
    for (const key of this.#orphans) {
      const orphan = unpack(this.#area.read(key, { late: true }));
      // A token may still be found, by a page that comes to its address.
      if (!orphan?.outbox.length) continue;
      strays.push(orphan);
      this.#area.remove(key);
    }
    return { snapshot, strays };
  }

  /** @returns {{ snapshot: Snapshot | null, stray?: Snapshot }} */
  #own() {
    const item = this.#area.read(this.#key, { late: true });
    const snapshot = unpack(item);
    const { address, page } = this.#binding;
    // The server judges a token, and tells page params apart better. Messages alone it would take.
    const fits = item?.to?.address === address && (snapshot?.token != null || item.to.page === page);
    if (snapshot === null || fits) return { snapshot };
    this.remove();
    return { snapshot: null, stray: snapshot };
  }

  /**
   * @param {Snapshot | null} snapshot `null`: there is nothing to keep
   * @returns {boolean} whether it is stored now; if not, nothing is
   */
  write(snapshot) {
    const key = this.#name();
    if (key !== this.#key || snapshot === null) this.remove();
    this.#key = key;
    return snapshot === null || this.#area.write(key, { ...pack(snapshot), to: this.#binding });
  }

  remove() {
    this.#area.remove(this.#key);
  }
}

/**
 * Turn all views of a tab into copies of somebody else's: the messages are their owner's to send. Of other applications
 * nothing is copied.
 *
 * @param {Area} area
 * @param {Area} all what all applications keep
 */
export function disown(area, all) {
  for (const key of all.keys()) {
    if (key.includes(`|${VIEW}`) && !(PREFIX + key).startsWith(area.prefix)) all.remove(key);
  }
  for (const key of area.keys(VIEW)) {
    const item = area.read(key, { late: true });
    const snapshot = unpack(item);
    if (snapshot?.token) area.write(key, { ...item, ...pack({ ...snapshot, outbox: [], fork: true }) });
    else area.remove(key);
  }
}

/**
 * Binary messages as they are stored: a queue is written whole with each message.
 *
 * @type {WeakMap<Uint8Array, { b: string }>}
 */
const coded = new WeakMap();

/** @param {Uint8Array} bytes */
function encode(bytes) {
  let code = coded.get(bytes);
  if (!code) {
    let text = "";
    for (const byte of bytes) text += String.fromCharCode(byte);
    coded.set(bytes, (code = { b: btoa(text) }));
  }
  return code;
}

/** @param {Snapshot} snapshot */
function pack({ token, received, outbox, fork }) {
  const packed = outbox.map((data) => (data instanceof Uint8Array ? encode(data) : data));
  return { token, received, sent: received + outbox.length, outbox: packed, fork };
}

/**
 * @param {any} item
 * @returns {Snapshot | null} `null` unless it is whole
 */
function unpack(item) {
  if (!Array.isArray(item?.outbox) || item.sent !== item.received + item.outbox.length) return null;
  if (!Number.isSafeInteger(item.received) || item.received < 0) return null;
  if (!(item.token === null || typeof item.token === "string")) return null;
  try {
    const outbox = item.outbox.map((/** @type {any} */ data) =>
      data === null || typeof data === "string" ? data : Uint8Array.from(atob(data.b), (byte) => byte.charCodeAt(0)),
    );
    return { token: item.token, received: item.received, outbox, fork: item.fork === true };
  } catch {
    return null;
  }
}
