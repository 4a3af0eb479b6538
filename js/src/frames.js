/**
 * The frames of `quart-stash.v1`: parse what a peer says, serialise what this side says. Pure.
 *
 * An application message is its payload behind one byte, `=`; everything else is one JSON object with a `type`.
 */

/** The WebSocket subprotocol that both sides speak. */
export const SUBPROTOCOL = "quart-stash.v1";

/** @typedef {string | Uint8Array} Data what an application message carries */
/** @typedef {{ message: number, mount: number }} Limits what the server takes, in bytes */
/** @typedef {{ [form: string]: [string, string][] }} Pairs the stashed forms */
/** @typedef {{ [form: string]: string[] }} Names the fields of them that were touched and hold nothing */
/** @typedef {{ [name: string]: string }} Reasons why params or forms were not taken; an empty name stands for all of them */
/** @typedef {"tab" | "browser"} Area where a named secret is kept */

/**
 * @typedef {{ type?: undefined, message: Data }
 *   | { type: "mount", sent: number, params?: object, forms?: Pairs, empty?: Names, token?: string, page?: string, build?: string,
 *       identity?: string, fork?: boolean, anyway?: boolean, invalid?: Reasons, dropped?: Reasons }
 *   | { type: "flushed", sent: number }
 *   | { type: "synced", received: number }
 *   | { type: "void", number: number }
 *   | { type: "stored", key: string }
 *   | { type: "kept", key: string, token?: string }
 *   | { type: "ping" }} UpFrame what the client says
 */
/**
 * @typedef {{ type: "mounted", status: "fresh" | "restored" | "rejected", received: number, build: string,
 *   limits: Limits, reason?: string, token?: string, invalid?: Reasons, dropped?: Reasons }} MountedFrame
 * @typedef {{ type: "token", received: number, token: string, final?: boolean }} TokenFrame
 * @typedef {{ type: "drain", drain: string, deadline: number, delay: number }} DrainFrame
 * @typedef {{ type: "keep", key: string, token: string, area: Area, max_age: number }} KeepFrame
 * @typedef {{ type: "restore", key: string, area: Area } | { type: "forget", key: string, area: Area }} KeyFrame
 * @typedef {{ type?: undefined, message: Data } | MountedFrame | TokenFrame | DrainFrame | KeepFrame | KeyFrame
 *   | { type: "taken", number: number }
 *   | { type: "failed", number: number }
 *   | { type: "finished", received: number }
 *   | { type: "clear", form: string, number?: number }
 *   | { type: "url", params: { [name: string]: string | null } }
 *   | { type: "reload", reason: string }
 *   | { type: "pong" }} DownFrame what the server says
 */

/**
 * @param {string} text
 * @returns {string} with U+FFFD in place of half a surrogate pair, as browsers send it: a page may cut an emoji in two
 */
export const wellFormed = (text) => text.replace(/\p{Surrogate}/gu, "\ufffd");

/**
 * @param {unknown} value
 * @returns {string} JSON, well-formed: what `JSON.stringify` leaves as an escape is no character
 */
export const stringify = (value) =>
  JSON.stringify(value).replace(/\\(ud[89a-f]..|.)/g, (escape, { length }) => (length > 1 ? "\ufffd" : escape));

/** @typedef {(value: unknown) => boolean} Check */
/** @typedef {{ [field: string]: Check }} Fields */

/** @type {Check} */
const number = (value) => Number.isSafeInteger(value) && /** @type {number} */ (value) >= 0;
/** @type {Check} */
const string = (value) => typeof value === "string";
/** @type {Check} */
const boolean = (value) => typeof value === "boolean";
/**
 * @param {unknown} value
 * @returns {value is { [key: string]: unknown }}
 */
function object(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
/** Counts characters as the server does, by code points. @type {(most: number) => Check} */
const name = (most) => (value) => typeof value === "string" && value !== "" && [...value].length <= most;
/** @type {(...values: string[]) => Check} */
const one = (...values) => (value) => values.includes(/** @type {string} */ (value));
/** @type {(check: Check) => Check} */
const map = (check) => (value) => object(value) && Object.values(value).every(check);
/** @type {(check: Check) => Check} */
const optional = (check) => (value) => value === undefined || check(value);
/** @type {Check} */
const pairs = (value) =>
  Array.isArray(value) && value.every((pair) => Array.isArray(pair) && pair.length === 2 && pair.every(string));
/** @type {Check} */
const limits = (value) => object(value) && number(value.message) && number(value.mount);
/** @type {Check} */
const strings = (value) => Array.isArray(value) && value.every(string);
/** A check of every form. @type {(check: Check) => Check} */
const forms = (check) => (value) => map(check)(value) && Object.keys(/** @type {object} */ (value)).every(form);
/** @type {Check} */
const nullable = (value) => value === null || string(value);

const key = name(128);
const form = name(256);
const area = one("tab", "browser");

/** A function, so that a client's bundle leaves it out. @type {() => { [type: string]: Fields }} */
const up = () => ({
  mount: {
    sent: number,
    params: optional(object),
    forms: optional(forms(pairs)),
    empty: optional(forms(strings)),
    token: optional(string),
    page: optional(string),
    build: optional(string),
    identity: optional(string),
    fork: optional(boolean),
    anyway: optional(boolean),
    invalid: optional(map(string)),
    dropped: optional(map(string)),
  },
  flushed: { sent: number },
  synced: { received: number },
  void: { number },
  stored: { key },
  kept: { key, token: optional(string) },
  ping: {},
});

/** @type {{ [type: string]: Fields }} */
const DOWN = {
  mounted: {
    status: one("fresh", "restored", "rejected"),
    received: number,
    build: string,
    limits,
    reason: optional(string),
    token: optional(string),
    invalid: optional(map(string)),
    dropped: optional(map(string)),
  },
  token: { received: number, token: string, final: optional(boolean) },
  drain: { drain: string, deadline: number, delay: number },
  keep: { key, token: string, area, max_age: number },
  restore: { key, area },
  forget: { key, area },
  taken: { number },
  failed: { number },
  finished: { received: number },
  clear: { form, number: optional(number) },
  url: { params: map(nullable) },
  reload: { reason: string },
  pong: {},
};

/**
 * What can be read of the params and forms of a mount. Nothing that they hold is a breach of the protocol.
 *
 * @param {{ [field: string]: any }} frame
 * @returns {{ [field: string]: any }}
 */
function salvage(frame) {
  const { invalid: _, dropped: __, ...mount } = frame.type === "mount" ? JSON.parse(stringify(frame)) : frame;
  /** @type {{ [field: string]: Reasons }} */
  const why = { invalid: {}, dropped: {} };
  for (const part of ["params", "forms", "empty"]) {
    if (!Object.hasOwn(mount, part)) continue;
    const reasons = /** @type {Reasons} */ (part === "params" ? why.invalid : why.dropped);
    if (!object(mount[part])) reasons[""] = "not an object";
    const members = object(mount[part]) ? Object.entries(mount[part]) : [];
    if (part !== "params") {
      for (const [name, fields] of members) {
        if (!form(name)) reasons[[...name].slice(0, 256).join("")] = "a name of 1 to 256 characters is needed";
        else if (!(part === "forms" ? pairs : strings)(fields)) reasons[name] = "not a list of pairs of text";
      }
    }
    mount[part] = Object.fromEntries(members);
  }
  for (const part of ["forms", "empty"]) {
    const entries = Object.entries(mount[part] ?? {}).filter(([name]) => form(name) && !Object.hasOwn(why.dropped ?? {}, name));
    if (mount[part]) mount[part] = Object.fromEntries(entries);
  }
  const told = Object.entries(why).filter(([, reasons]) => Object.keys(reasons).length > 0);
  return { ...mount, ...Object.fromEntries(told) };
}

/**
 * @param {{ [type: string]: Fields }} table
 * @param {string | ArrayBuffer} data
 * @param {(value: { [field: string]: any }) => { [field: string]: any }} [mend]
 * @returns {any}
 */
function parse(table, data, mend = (value) => value) {
  if (typeof data !== "string") {
    const bytes = new Uint8Array(data);
    return bytes[0] === 0x3d ? { message: bytes.slice(1) } : null;
  }
  if (data.startsWith("=")) return { message: data.slice(1) };
  let value;
  try {
    value = JSON.parse(data);
  } catch {
    return null;
  }
  if (!object(value) || typeof value.type !== "string" || !Object.hasOwn(table, value.type)) return null;
  const { type, ...rest } = /** @type {{ type: string, [field: string]: unknown }} */ (mend(value));
  /** @type {{ [field: string]: unknown }} */
  const frame = { type };
  for (const [field, check] of Object.entries(table[type] ?? {})) {
    if (!check(rest[field])) return null;
    if (rest[field] !== undefined) frame[field] = rest[field];
  }
  return frame;
}

/**
 * Parse a frame of the server.
 *
 * @param {string | ArrayBuffer} data what one WebSocket message carried
 * @returns {DownFrame | null} `null` if it is a breach of the protocol; it never throws
 */
export const parseDown = (data) => parse(DOWN, data);

/**
 * Parse a frame of a client: for servers in tests. Params and forms that can't be read are dropped from a mount.
 *
 * @param {string | ArrayBuffer} data what one WebSocket message carried
 * @returns {UpFrame | null} `null` if it is a breach of the protocol; it never throws
 */
export const parseUp = (data) => parse(up(), data, salvage);

/**
 * Serialise a frame.
 *
 * @param {UpFrame | DownFrame} frame
 * @returns {string | Uint8Array<ArrayBuffer>} what one WebSocket message carries
 */
export function serialise(frame) {
  if (frame.type !== undefined) return stringify(frame);
  if (typeof frame.message === "string") return `=${frame.message}`;
  const bytes = new Uint8Array(frame.message.length + 1);
  bytes[0] = 0x3d;
  bytes.set(frame.message, 1);
  return bytes;
}

/**
 * @param {Data | Blob} data
 * @returns {number} its length on the wire, in bytes of UTF-8, without the leading byte
 */
export const size = (data) =>
  typeof data === "string" ? new TextEncoder().encode(data).length : data instanceof Blob ? data.size : data.length;

/** Values of one control frame, at most: the server's `MAX_VALUES`. */
export const MAX_VALUES = 20_000;

/**
 * @param {string} frame a control frame
 * @returns {number} its values as the server counts them: what stands in a text is none
 */
export const values = (frame) => frame.replace(/"(?:[^"\\]|\\.)*"/g, "").match(/[[{,]/g)?.length ?? 0;
