/** One field that the user has touched, and what is stored of it; what is stored may be anything. Pure. */

import { digest } from "./merge.js";

/** @typedef {import("./merge.js").Value} Value */

/**
 * @typedef {object} Entry one field that the user has touched
 * @property {string} name
 * @property {string} row the `data-stash-key` of the row that it is in; empty if there is none
 * @property {number} index which of the fields of this name
 * @property {Value} base what the server had there when the user began: what it rendered, or has taken since
 * @property {Value} [bare] what the HTML said then, where the base is something else
 * @property {Value} mine
 * @property {Value[]} [sent] what stood here when the form was submitted, for each submit that is not dealt with yet
 * @property {Mark[]} [marks] the message that each of these went up as
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

/** @typedef {[socket: string, number: number]} Mark a message: the name of its socket, its number there */
/**
 * Fields that have been dealt with, each with digests: first of what it held, then of what a server may render that has not
 * heard of that.
 *
 * @typedef {Map<string, number[]>} Dealt
 */
/** How many values of a field are recognised when a server renders them. */
export const MAX_SAID = 32;
/** How many fields of a form are known to have been dealt with. */
const MAX_DEALT = 1000;

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

/**
 * @param {Entry} entry
 * @param {Value} value what a server has taken of it
 * @returns {number[]}
 */
export const dealtOf = ({ base, said = [] }, value) => [value, base].map(digest).concat(said).slice(0, MAX_SAID);

/**
 * @param {Dealt} dealt
 * @param {string} key of the field that has been dealt with just now
 * @param {number[]} digests
 */
export function withDealt(dealt, key, digests) {
  dealt.delete(key);
  dealt.set(key, digests);
  for (const oldest of dealt.keys()) if (dealt.size > MAX_DEALT) dealt.delete(oldest);
}

/**
 * @param {unknown} stored
 * @param {number} now
 * @param {number} maxAge
 * @returns {{ entries: Map<string, Entry>, dealt: Dealt, submitted: boolean, posted: boolean, refused: boolean }}
 * @throws {TypeError} if it is not what `Records` writes
 */
export function parseForm(stored, now, maxAge) {
  const nothing = { entries: new Map(), dealt: new Map(), submitted: false, posted: false, refused: false };
  if (stored === null || stored === undefined) return nothing;
  const { at, fields, submitted, posted, refused } = /** @type {Record<string, unknown>} */ (stored);
  if (typeof at !== "number" || !Array.isArray(fields)) throw new TypeError("a stashed form is malformed");
  if (now - at > maxAge) return nothing;
  const changed = fields.filter((field) => field?.held !== true).map(parseEntry);
  const entries = new Map(changed.map((entry) => [fieldKey(entry), entry]));
  const known = { submitted: submitted === true, posted: posted === true, refused: refused === true };
  return { entries, dealt: parseDealt(stored), ...known };
}

/**
 * @param {unknown} stored
 * @returns {Dealt}
 */
export function parseDealt(stored) {
  const { dealt } = /** @type {{ dealt?: unknown }} */ (stored ?? {});
  const known = typeof dealt === "object" && dealt !== null ? Object.entries(dealt) : [];
  return new Map(known.filter(([, digests]) => areNumbers(digests)));
}

/**
 * What is left in storage of a form that has been dealt with as a whole, by another page.
 *
 * @param {any} stored
 * @returns {object | null}
 */
export function dealtWith(stored) {
  try {
    const { entries, dealt } = parseForm(stored, 0, Infinity);
    for (const [key, entry] of entries) if (!entry.file) withDealt(dealt, key, dealtOf(entry, entry.mine));
    return dealt.size > 0 ? { at: stored.at, fields: [], dealt: Object.fromEntries(dealt) } : null;
  } catch {
    return null;
  }
}

/**
 * @param {unknown} stored
 * @returns {Entry}
 */
function parseEntry(stored) {
  const { name, row = "", index, place, base, bare, mine, sent, marks, said, gone, html, file, acts } =
    /** @type {Record<string, unknown>} */ (stored ?? {});
  const placed = typeof name === "string" && name !== "" && typeof row === "string" && Number.isInteger(index);
  if (!placed || !isValue(base) || !isValue(mine) || !(sent === undefined || (Array.isArray(sent) && sent.every(isValue)))) {
    throw new TypeError("a stashed field is malformed");
  }
  const entry = entryOf({ name, row, index: /** @type {number} */ (index), base, mine, file: file === true });
  const heard = areNumbers(said) ? { said: said.slice(-MAX_SAID) } : {};
  // A script of an older release knows of no marks.
  const went = sent && { sent, marks: areMarks(marks, sent.length) ? marks : sent.map(() => /** @type {Mark} */ (["", 0])) };
  const more = /** @type {Partial<Entry>} */ ({
    ...(isValue(bare) && { bare }),
    ...(Number.isInteger(place) && { place }),
    ...(gone === true && { gone }),
    ...(html === true && { html }),
    ...((acts === true || acts === "left") && { acts }),
  });
  return { ...entry, ...heard, ...went, ...more };
}

/**
 * @param {unknown} value
 * @returns {value is string[]}
 */
function isValue(value) {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

/**
 * @param {unknown} value
 * @returns {value is number[]}
 */
function areNumbers(value) {
  return Array.isArray(value) && value.every(Number.isInteger);
}

/**
 * @param {unknown} value
 * @param {number} length
 * @returns {value is Mark[]}
 */
function areMarks(value, length) {
  if (!Array.isArray(value) || value.length !== length) return false;
  return value.every((mark) => Array.isArray(mark) && typeof mark[0] === "string" && Number.isInteger(mark[1]));
}
