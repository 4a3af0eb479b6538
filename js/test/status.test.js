import assert from "node:assert/strict";
import { test } from "node:test";
import { JSDOM } from "jsdom";

const { window } = new JSDOM("<!doctype html><stash-status></stash-status><stash-status id=own reconnecting='Un instant…'></stash-status>");
for (const name of ["document", "customElements", "HTMLElement"]) {
  Object.defineProperty(globalThis, name, { value: window[name], configurable: true });
}
const { defineStatus, report } = await import("../src/status.js");
defineStatus();
defineStatus();

const [plain, own] = window.document.querySelectorAll("stash-status");
const a = {};
const b = {};
const state = () => window.document.documentElement.getAttribute("data-stash-state");

test("the status element is a live region, and empty while all is well", () => {
  report(a, "connected");
  report(a, "handover");
  report(a, "connected");
  assert.equal(plain?.getAttribute("role"), "status");
  assert.equal(plain?.textContent, "");
});

test("it says that the connection is gone, and that it is back, in the page's own words", () => {
  report(a, "reconnecting");
  assert.deepEqual([plain?.textContent, own?.textContent], ["Reconnecting…", "Un instant…"]);
  report(a, "connected");
  assert.equal(plain?.textContent, "Connected again.");
});

test("the root element shows the worst of all sockets", () => {
  report(b, "reconnecting");
  assert.equal(state(), "reconnecting");
  report(b, "handover");
  assert.equal(state(), "handover");
  report(b, null);
  assert.equal(state(), "connected");
  report(a, null);
  assert.equal(state(), null);
});

test("an element that has left the page is left alone", () => {
  plain?.remove();
  report(a, "reconnecting");
  assert.equal(plain?.textContent, "Connected again.");
  report(a, null);
});

test("nothing is styled inline, so that a strict content security policy holds", () => {
  assert.ok(!window.document.documentElement.outerHTML.includes("style"));
});
