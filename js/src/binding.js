/** What the server binds a view's token to, as far as the page knows it. A slot is bound to the same. Pure. */

/** @typedef {{ address: string, page: string }} Binding */

/**
 * @param {string} url the socket's
 * @param {string | undefined} page signed page params
 * @returns {Binding}
 */
export function bindingOf(url, page = "") {
  const { host, pathname, search } = new URL(url);
  // A query may hold a ticket, which must not lie in storage.
  const address = `${host}${pathname}${search && `?${hash(search)}`}`;
  // The server leaves the signature out too: it changes with the key.
  return { address, page: page && hash(page.replace(/\..*/, "")) };
}

/**
 * @param {string} text
 * @returns {string} a 64-bit hash (FNV-1a)
 */
export function hash(text) {
  let bits = 0xcbf29ce484222325n;
  for (const character of text) {
    bits = BigInt.asUintN(64, (bits ^ BigInt(/** @type {number} */ (character.codePointAt(0)))) * 0x100000001b3n);
  }
  return bits.toString(36);
}
