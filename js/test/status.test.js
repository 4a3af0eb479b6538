import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { JSDOM } from "jsdom";

const { window } = new JSDOM("<!doctype html>");
const { document } = window;
for (const name of ["document", "customElements", "HTMLElement", "MutationObserver"]) {
  Object.defineProperty(globalThis, name, { value: window[name], configurable: true });
}
const { defineStatus, report } = await import("../src/status.js");
defineStatus();
defineStatus();

const a = {};
const b = {};
const stage = () => /** @type {[Element, Element]} */ ([...document.body.children]);
let [plain, own] = stage();
/** @type {MutationObserver} */
let observer;
const state = () => document.documentElement.getAttribute("data-stash-state");
const changes = () => observer.takeRecords().length;
/** Loses the connection, and has it again for so long. */
const lose = (/** @type {number} */ held) => {
  report(a, "reconnecting");
  report(a, "connected");
  mock.timers.tick(held);
};

mock.timers.enable({ apis: ["setTimeout"] });
beforeEach(() => {
  report(a, null);
  report(b, null);
  document.body.innerHTML =
    "<stash-status></stash-status><stash-status reconnecting='Un instant…' connected='De nouveau en ligne.'></stash-status>";
  [plain, own] = stage();
  observer = new MutationObserver(() => {});
  observer.observe(plain, { childList: true, characterData: true, subtree: true });
});

test("the status element is a live region, and is not touched while all is well", () => {
  for (const status of /** @type {const} */ (["connected", "handover", "connected"])) report(a, status);
  mock.timers.tick(60_000);
  assert.equal(plain.getAttribute("role"), "status");
  assert.deepEqual([plain.textContent, changes()], ["", 0]);
});

test("it says that the connection is gone, and that it is back once it has held for a second, and then is empty again", () => {
  report(a, "reconnecting");
  assert.equal(plain.textContent, "Reconnecting…");
  report(a, "connected");
  mock.timers.tick(999);
  assert.equal(plain.textContent, "Reconnecting…");
  mock.timers.tick(1);
  assert.equal(plain.textContent, "Connected again.");
  mock.timers.tick(5_000);
  assert.equal(plain.textContent, "");
});

test("nothing is said twice, whatever else happens to the sockets", () => {
  report(a, "reconnecting");
  report(b, "reconnecting");
  report(a, "reconnecting");
  report(a, "connected");
  report(b, "connected");
  mock.timers.tick(1_000);
  const before = changes();
  for (const status of /** @type {const} */ (["handover", "connected", "connected"])) report(a, status);
  assert.deepEqual([before, changes(), plain.textContent], [2, 0, "Connected again."]);
});

test("a connection that comes and goes is not told of each time", () => {
  for (let flap = 0; flap < 5; flap += 1) lose(999);
  assert.deepEqual([changes(), plain.textContent], [1, "Reconnecting…"]);
  lose(1_000);
  assert.deepEqual([changes(), plain.textContent], [1, "Connected again."]);
});

test("good news that is overtaken by bad does not take it away", () => {
  lose(1_000);
  mock.timers.tick(4_999);
  report(a, "reconnecting");
  mock.timers.tick(60_000);
  assert.equal(plain.textContent, "Reconnecting…");
});

test("of a socket that has ended there is nothing to say, least of all that it is connected", () => {
  report(a, "reconnecting");
  report(a, null);
  mock.timers.tick(60_000);
  assert.equal(plain.textContent, "");
});

test("it speaks the page's own words, and its own are marked as English", () => {
  report(a, "reconnecting");
  assert.equal(own.textContent, "Un instant…");
  report(a, "connected");
  mock.timers.tick(1_000);
  assert.equal(own.textContent, "De nouveau en ligne.");
  assert.deepEqual([plain.getAttribute("lang"), own.getAttribute("lang")], ["en", null]);
});

test("the root element shows the worst of all sockets", () => {
  report(a, "connected");
  report(b, "reconnecting");
  assert.equal(state(), "reconnecting");
  report(b, "handover");
  assert.equal(state(), "handover");
  report(b, null);
  assert.equal(state(), "connected");
  report(a, null);
  assert.equal(state(), null);
});

test("an element that has left the page is left alone, and knows where things stand when it is back", () => {
  plain.remove();
  report(a, "reconnecting");
  assert.equal(plain.textContent, "");
  document.body.append(plain);
  assert.equal(plain.textContent, "Reconnecting…");
});

test("nothing is styled inline, so that a strict content security policy holds", () => {
  lose(1_000);
  assert.ok(!document.documentElement.outerHTML.includes("style"));
});
