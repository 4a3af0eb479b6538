import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { brotliCompressSync } from "node:zlib";

import { StashSocket, install } from "../src/index.js";
import { FakeSocket } from "./world.js";

/** A real socket that never opens. */
const hang = /** @type {any} */ (FakeSocket);
const bundle = new URL("../../quart_stash/static/quart-stash.js", import.meta.url);

test("trace 22: evaluated under two URLs, as source and as bundle, it is one instance", async () => {
  const twice = await import(`${bundle}?again`);
  assert.equal(twice.StashSocket, StashSocket);
  assert.equal(twice.install, install);
});

test("its type is that of a WebSocket", () => {
  const socket = new StashSocket("wss://shop.example/typed", { WebSocket: hang });
  /** @type {WebSocket} */
  const same = socket;
  assert.equal(same.readyState, same.CONNECTING);
  socket.destroy();
});

test("htmx makes its sockets through it", () => {
  const htmx = /** @type {{ createWebSocket?: (url: string) => any }} */ ({});
  install(htmx, { WebSocket: hang });
  const socket = htmx.createWebSocket?.("wss://shop.example/chat");
  assert.ok(socket instanceof StashSocket);
  socket.destroy();
});

test("a sanitizer is a function, or none, and one for the page", async () => {
  const made = (/** @type {string} */ html) => html;
  assert.equal(StashSocket.sanitizer, null);
  StashSocket.sanitizer = made;
  assert.equal((await import(`${bundle}?sanitizer`)).StashSocket.sanitizer, made);
  StashSocket.sanitizer = null;
  assert.throws(() => (StashSocket.sanitizer = /** @type {any} */ ("DOMPurify")), TypeError);
});

test("the bundle exports what the source exports, and keeps to its size", async () => {
  assert.deepEqual(Object.keys(await import(`${bundle}?names`)).sort(), ["StashSocket", "install"]);
  const size = brotliCompressSync(readFileSync(bundle)).length;
  assert.ok(size < 30 * 1024, `${size} bytes with brotli`);
});

test("the bundle breaks no content security policy and names no other host", () => {
  const text = readFileSync(bundle, "utf8");
  for (const word of ["eval(", "new Function", "https://", "http://"]) assert.ok(!text.includes(word), word);
  // Of styles, a policy forbids the attribute and the element; what a script sets through the CSSOM it allows.
  assert.doesNotMatch(text, /["'`]style["'`]|<style|\sstyle\s*=\s*\\?["'`]/);
  // Into a template, where it does nothing yet: what the page has rendered, or a sanitizer has made safe.
  assert.equal(text.match(/(inner|outer)HTML=[^=]|insertAdjacentHTML/g)?.length, 1);
});
