/**
 * Three-way merge of one field. Pure: values in, a decision out.
 *
 * Every value is a list of strings: one for a text or a select, none or one for a radio group, any number for
 * a group of checkboxes or a multiple select. A group is compared as a whole, whatever the order.
 *
 * @module
 */

import { stringify, wellFormed } from "../frames.js";

/** @typedef {readonly string[]} Value */

/**
 * @typedef {object} Decision
 * @property {"mine" | "agreed" | "conflict"} outcome
 * @property {Value} value what the field is to show
 * @property {boolean} dirty whether the field is still the user's afterwards
 */

/**
 * @param {Value} a
 * @param {Value} b
 * @returns {boolean}
 */
export function same(a, b) {
  if (a.length !== b.length) return false;
  if (a.every((item, index) => item === b[index])) return true;
  const [left, right] = [[...a].sort(), [...b].sort()];
  return left.every((item, index) => isSame(item, right[index]));
}

/**
 * @param {string} a
 * @param {string | undefined} b
 * @returns {boolean} whether both are one text for a server: it never hears of half a character
 */
function isSame(a, b) {
  return a === b || (a.length === b?.length && wellFormed(a) === wellFormed(b));
}

/**
 * @param {Value} value
 * @returns {number} what a value is recognised by, whatever its order: a 32-bit hash (djb2)
 */
export function digest(value) {
  let hash = 5381;
  for (const character of stringify([...value].sort())) hash = (hash * 33) ^ character.charCodeAt(0);
  return hash;
}

/**
 * Decides between what was rendered when the user began, what they typed, and what is rendered now.
 *
 * @param {{ base: Value, mine: Value, theirs: Value, sent?: Value, held?: boolean, pending?: boolean }} field `sent`: what they
 *   had sent and went on from: the server may come to render that, and nobody else has changed anything then; `held`: they
 *   have changed nothing; `pending`: they have changed something, for a submit that is not dealt with, and maybe taken it back
 * @param {"mine" | "theirs"} [policy] who wins a conflict
 * @returns {Decision}
 */
export function merge({ base, mine, theirs, sent = base, held = false, pending = false }, policy = "mine") {
  if (held) return { outcome: "agreed", value: theirs, dirty: false };
  if (same(theirs, base)) return { outcome: "mine", value: mine, dirty: true };
  if (same(theirs, mine)) return { outcome: "agreed", value: mine, dirty: true };
  if (same(theirs, sent)) return { outcome: "mine", value: mine, dirty: true };
  if (pending && same(mine, base)) return { outcome: "agreed", value: theirs, dirty: false };
  if (policy === "theirs") return { outcome: "conflict", value: theirs, dirty: false };
  return { outcome: "conflict", value: mine, dirty: true };
}
