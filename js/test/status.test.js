import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { JSDOM } from "jsdom";

const { window } = new JSDOM("<!doctype html>");
const { document } = window;
for (const name of ["document", "customElements", "HTMLElement", "MutationObserver"]) {
  Object.defineProperty(globalThis, name, { value: window[name], configurable: true });
}
const { defineStatus, report, reportWork } = await import("../src/status.js");
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
  for (const socket of [a, b]) reportWork(socket, null);
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

test("it says that the page is to be loaded anew where a view is dead, whatever the others do, until there is another one", () => {
  report(a, "connected");
  report(b, "closed");
  report(a, "reconnecting");
  report(a, "connected");
  mock.timers.tick(60_000);
  assert.equal(plain.textContent, "This page is no longer connected. Please reload it.");
  assert.deepEqual([state(), changes()], ["closed", 1]);
  report(b, "connected");
  mock.timers.tick(1_000);
  assert.equal(plain.textContent, "Connected again.");
});

test("words that the page has not given are read in their own language, and the others in the page's", () => {
  assert.deepEqual([plain.getAttribute("lang"), own.getAttribute("lang")], ["en", null]);
  report(a, "closed");
  assert.equal(own.getAttribute("lang"), "en");
  report(a, "reconnecting");
  assert.deepEqual([own.textContent, own.getAttribute("lang")], ["Un instant…", null]);
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

test("it says that the server refuses, in its own words or the page's, and that it is connected again", () => {
  own.setAttribute("refused", "Veuillez vous reconnecter.");
  report(a, "reconnecting");
  report(b, "connected");
  report(a, "refused");
  assert.deepEqual([state(), own.textContent], ["refused", "Veuillez vous reconnecter."]);
  assert.match(plain.textContent ?? "", /log in again/);
  report(a, "connected");
  mock.timers.tick(1_000);
  assert.equal(plain.textContent, "Connected again.");
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

const WORDS = { unsaved: "Unsaved changes", saved: "All changes saved" };
/** Puts an element into the page that speaks of the user's work. */
function speaking(words = WORDS) {
  document.body.innerHTML = "<stash-status></stash-status>";
  [plain] = stage();
  for (const [name, text] of Object.entries(words)) plain.setAttribute(name, text);
  observer.observe(plain, { childList: true, characterData: true, subtree: true });
}

test("without words for it, an element says nothing of the user's work", () => {
  reportWork(a, true);
  mock.timers.tick(60_000);
  reportWork(a, false);
  mock.timers.tick(60_000);
  assert.equal(changes(), 0);
});

test("unsaved work is told of once it has been that for a second, and that it is saved after another one, for five seconds", () => {
  speaking();
  reportWork(a, true);
  mock.timers.tick(999);
  assert.equal(plain.textContent, "");
  mock.timers.tick(1);
  assert.equal(plain.textContent, "Unsaved changes");
  mock.timers.tick(60_000);
  reportWork(a, false);
  mock.timers.tick(1_000);
  assert.equal(plain.textContent, "All changes saved");
  mock.timers.tick(5_000);
  assert.equal(plain.textContent, "");
  assert.equal(changes(), 3);
});

test("work that is saved at once is told of as saved only, and only once while more of it is done", () => {
  speaking();
  for (let message = 0; message < 20; message += 1) {
    reportWork(a, true);
    mock.timers.tick(200);
    reportWork(a, false);
    mock.timers.tick(message % 2 ? 300 : 2_000);
  }
  assert.deepEqual([changes(), plain.textContent], [1, "All changes saved"]);
});

test("with words for one of them only, the other one is silence", () => {
  speaking({ .../** @type {any} */ ({}), saved: WORDS.saved });
  reportWork(a, true);
  mock.timers.tick(60_000);
  assert.equal(plain.textContent, "");
  reportWork(a, false);
  mock.timers.tick(1_000);
  assert.equal(plain.textContent, "All changes saved");
  mock.timers.tick(1_000);
  reportWork(a, true);
  mock.timers.tick(1_000);
  assert.equal(plain.textContent, "", "it is not true any more");
});

test("all is saved once it is for every socket", () => {
  speaking();
  reportWork(a, true);
  reportWork(b, true);
  reportWork(a, false);
  mock.timers.tick(1_000);
  assert.equal(plain.textContent, "Unsaved changes");
  reportWork(b, false);
  mock.timers.tick(1_000);
  assert.equal(plain.textContent, "All changes saved");
});

test("of a socket that is closed over unsaved work nothing more is said, least of all that it is saved", () => {
  speaking();
  reportWork(a, true);
  mock.timers.tick(1_000);
  reportWork(a, null);
  mock.timers.tick(1_000);
  assert.deepEqual([changes(), plain.textContent], [2, ""]);
  reportWork(b, true);
  reportWork(b, false);
  reportWork(b, null);
  mock.timers.tick(1_000);
  assert.equal(plain.textContent, "All changes saved", "a view that ends with its last message has saved it");
});

test("the connection comes first: what is to be said of the work waits until that has been told", () => {
  speaking();
  reportWork(a, true);
  mock.timers.tick(1_000);
  report(a, "reconnecting");
  assert.equal(plain.textContent, "Reconnecting…");
  mock.timers.tick(60_000);
  report(a, "connected");
  mock.timers.tick(1_000);
  assert.equal(plain.textContent, "Connected again.");
  mock.timers.tick(5_000);
  assert.equal(plain.textContent, "Unsaved changes", "as it still is");
  report(a, "reconnecting");
  report(a, "connected");
  reportWork(a, false);
  mock.timers.tick(1_000);
  assert.equal(plain.textContent, "Connected again.");
  mock.timers.tick(5_000);
  assert.equal(plain.textContent, "All changes saved");
  mock.timers.tick(5_000);
  assert.equal(plain.textContent, "");
  lose(1_000);
  mock.timers.tick(5_000);
  assert.equal(plain.textContent, "", "what has been said is not said again");
});

test("an element that comes into the page over unsaved work says so, and one that has left says nothing", () => {
  reportWork(a, true);
  speaking();
  const element = plain;
  mock.timers.tick(1_000);
  assert.equal(element.textContent, "Unsaved changes");
  element.remove();
  reportWork(a, false);
  mock.timers.tick(60_000);
  assert.equal(element.textContent, "");
  document.body.append(element);
  mock.timers.tick(60_000);
  assert.equal(element.textContent, "", "that is no news any more");
});

test("words for the work are in the page's language, so the element is not marked as English", () => {
  document.body.innerHTML = '<stash-status saved="Alles gespeichert"></stash-status>';
  assert.equal(stage()[0].getAttribute("lang"), null);
});
