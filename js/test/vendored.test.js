import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const read = (/** @type {string} */ path) => readFileSync(new URL(path, import.meta.url));

for (const [copy, original] of Object.entries({
  "htmx.min.js": "htmx.org/dist/htmx.min.js",
  "htmx-ws.min.js": "htmx-ext-ws/dist/ws.min.js",
  "purify.min.js": "dompurify/dist/purify.min.js",
})) {
  test(`the wizard's ${copy} is the published file`, () => {
    assert.ok(read(`../../examples/wizard/static/${copy}`).equals(read(`../node_modules/${original}`)));
  });
}
