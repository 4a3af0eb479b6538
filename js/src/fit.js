/** What a mount leaves out, so that the server takes the rest. Pure. */

import { MAX_VALUES, serialise, size, stringify, values } from "./frames.js";
import { isFilled } from "./view.js";

/** @typedef {import("./machine.js").Connect} Connect */
/** @typedef {{ what: "forms" | "params", form?: string, field?: string, size: number, limit: number }} Oversize */

/** How deep params may be nested: the mount that carries them counts as well. */
const MAX_DEPTH = 31;

/**
 * @param {unknown} params
 * @returns {object | undefined} as they go up
 * @throws {TypeError} if the server would not take them
 */
export function plain(params) {
  if (!params) return undefined;
  const text = JSON.stringify(params);
  const value = text && JSON.parse(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new TypeError("connect params are an object");
  let depth = 0;
  for (const [mark] of text.replace(/"(?:[^"\\]|\\.)*"/g, "").matchAll(/[[\]{}]/g)) {
    depth += mark === "[" || mark === "{" ? 1 : -1;
    if (depth > MAX_DEPTH) throw new TypeError(`connect params may be nested ${MAX_DEPTH} deep`);
  }
  return value;
}

/**
 * Leave out what the server would not take: fields, the largest first, and the params where they alone are too much.
 *
 * @param {Connect} connect is changed
 * @param {(connect: Connect) => import("./frames.js").UpFrame} mount
 * @param {number} limit bytes
 * @returns {Oversize[]} what was left out
 */
export function fit(connect, mount, limit) {
  /** @type {Oversize[]} */
  const out = [];
  for (;;) {
    const frame = /** @type {string} */ (serialise(mount(connect)));
    const bytes = size(frame);
    const count = bytes > limit ? 0 : values(frame);
    if (bytes <= limit && count <= MAX_VALUES) return out;
    connect.forms = { ...connect.forms };
    connect.empty = { ...connect.empty };
    const over = count ? { size: count, limit: MAX_VALUES } : { size: bytes, limit };
    const bare = /** @type {string} */ (serialise(mount({ ...connect, forms: undefined, empty: undefined })));
    const left = (count ? values(bare) <= MAX_VALUES : size(bare) <= limit) && leaveOut(connect, count ? 0 : bytes - limit);
    if (left) out.push(...left.map((each) => ({ what: /** @type {const} */ ("forms"), ...each, ...over })));
    else if (connect.params) {
      delete connect.params;
      out.push({ what: "params", ...over });
    } else if (isFilled(connect.forms) || isFilled(connect.empty)) {
      connect.forms = connect.empty = undefined;
      out.push({ what: "forms", ...over });
    } else return out;
  }
}

/**
 * @param {Connect} connect is changed
 * @param {number} excess bytes to be left out, in fields; 0: a form is, since it has too many
 * @returns {{ form: string, field?: string }[] | null} `null` if there is nothing to leave out
 */
function leaveOut({ forms = {}, empty = {} }, excess) {
  const sized = Object.entries(forms).flatMap(([form, pairs]) => {
    const names = new Map();
    for (const pair of pairs) {
      // What stands under one name goes up together: only the order tells which is which.
      const name = excess ? pair[0] : undefined;
      names.set(name, (names.get(name) ?? 0) + size(stringify(pair)) + 1);
    }
    return [...names].map(([field, bytes]) => ({ form, field, bytes }));
  });
  sized.sort((a, b) => b.bytes - a.bytes);
  /** @type {{ form: string, field?: string }[]} */
  const left = [];
  for (const { form, field, bytes } of sized) {
    const rest = field === undefined ? [] : (forms[form] ?? []).filter(([name]) => name !== field);
    if (rest.length > 0) forms[form] = rest;
    else delete forms[form];
    if (field === undefined) delete empty[form];
    left.push(field === undefined ? { form } : { form, field });
    excess -= bytes;
    if (excess <= 0) return left;
  }
  const [form] = Object.keys(empty);
  if (left.length > 0 || form === undefined) return left.length > 0 ? left : null;
  delete empty[form];
  return [{ form }];
}
