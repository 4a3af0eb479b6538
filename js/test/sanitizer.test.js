import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import createDOMPurify from "dompurify";
import { JSDOM } from "jsdom";

const { window } = new JSDOM("<!doctype html><p>");
const { document, DOMParser, Node, Element } = window;
/** @type {Map<string, () => void>} */
const heard = new Map();
const addEventListener = (/** @type {string} */ type, /** @type {() => void} */ listener) => void heard.set(type, listener);
Object.assign(globalThis, { document, DOMParser, Node, addEventListener });
Object.defineProperty(document, "readyState", { value: "interactive" });
const { onSanitizer, setSanitizer, writeSafely } = await import("../src/sanitizer.js");
const DOMPurify = createDOMPurify(window);

const HTML = "<p>a<br>b</p><script>1</script><iframe></iframe><object></object><b onclick=1>c</b>";
const { prototype } = /** @type {any} */ (Element);
/** @returns {HTMLElement} */
const part = () => document.createElement("div");
afterEach(() => {
  setSanitizer(null);
  delete prototype.setHTML;
});

test("what the page hands in is used, also where the browser has a sanitizer", () => {
  prototype.setHTML = () => assert.fail("the browser's");
  setSanitizer((html) => DOMPurify.sanitize(html));
  const element = part();
  assert.equal(writeSafely(element, HTML), "");
  assert.equal(element.innerHTML, "<p>a<br>b</p><b>c</b>");
});

test("else the browser's own is used, and as it is set up by itself", () => {
  /** @type {unknown[][]} */
  const calls = [];
  prototype.setHTML = (/** @type {unknown[]} */ ...given) => calls.push(given);
  assert.equal(writeSafely(part(), HTML), "");
  assert.deepEqual(calls, [[HTML]]);
});

test("with neither, it waits until the page's scripts have run, and is text then", () => {
  const element = part();
  let told = 0;
  const stop = onSanitizer(() => (told += 1));
  assert.equal(writeSafely(element, HTML), "no sanitizer yet");
  assert.equal(element.childNodes.length, 0);
  setSanitizer((html) => DOMPurify.sanitize(html));
  assert.equal(told, 1);
  setSanitizer(null);
  assert.equal(told, 1, "nothing waits any more");
  writeSafely(element, HTML);
  stop();
  heard.get("DOMContentLoaded")?.();
  assert.equal(told, 1);
  assert.equal(writeSafely(element, "<p>a<br>b</p><p>c</p>"), "");
  // What jsdom knows of this property is that it can be set.
  assert.equal(element.innerText, "a\nb\nc");
  assert.equal(element.childElementCount, 0);
});
