import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { digest } from "../src/forms/merge.js";
import { claim } from "../src/lifecycle.js";
import { Network, Tab, pass, record, rest, stage } from "./world.js";

/** @type {Tab} */
let tab;
/** @type {ReturnType<Tab["load"]>} */
let page;
/** @type {Network} */
let network;

const open = stage((made) => ({ tab, page, network } = made));
const unload = () => page.fire("pagehide", { persisted: false });
const keys = () => [...tab.session.items.keys()].filter((key) => key.startsWith("quart-stash:"));

test("a reload takes the view up where it was: token, messages and their numbers", async () => {
  const first = open();
  await rest();
  first.send("a");
  network.last.server.settle();
  first.send("b");
  first.send(new Uint8Array([255, 0]));
  unload();
  page = tab.load();
  const second = open();
  await rest();
  assert.equal(network.last.said[0].sent, 3);
  assert.deepEqual(network.last.said.slice(1), [{ message: "b" }, { message: new Uint8Array([255, 0]) }]);
  assert.equal(second.stats.status, "restored");
});

test("trace 2: a tab that dies without a word has everything in storage already, and no number is used twice", async () => {
  const first = open();
  await rest();
  for (let number = 1; number <= 7; number += 1) first.send(String(number));
  network.last.server.settle();
  first.send("8");
  first.send("9");
  // The server has processed them; its token is not here yet.
  network.last.server.take();
  network.last.server.take();
  tab.locks.held.clear();
  page = tab.load();
  const second = open();
  assert.equal(second.stats.sent, 9);
  await rest();
  network.last.server.numbered = true;
  second.send("10");
  network.last.server.settle();
  assert.deepEqual(network.last.server.view.list, ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]);
});

test("trace 23: each history entry has its own view", async () => {
  open().send("a");
  unload();
  const entry = tab.state;
  tab.state = null;
  page = tab.load();
  assert.equal(open().stats.sent, 0);
  unload();
  tab.state = entry;
  page = tab.load();
  assert.equal(open().stats.sent, 1);
});

test("a history entry is named beside what the page keeps there", () => {
  tab.state = { scroll: 7 };
  page = tab.load();
  assert.equal(page.page.visits.entry(), tab.state["quart-stash"]);
  assert.equal(tab.state.scroll, 7);
  assert.equal(tab.load().page.visits.entry(), tab.state["quart-stash"]);
});

test("a reload that loses the state of its history entry keeps the view; a move to another entry does not", async () => {
  const socket = open();
  await rest();
  socket.send("a");
  unload();
  tab.state = null;
  const navigations = mock.method(performance, "getEntriesByType", () => [{ type: "reload" }]);
  page = tab.load();
  assert.equal(open().stats.sent, 1);
  unload();
  tab.state = null;
  navigations.mock.mockImplementation(() => [{ type: "navigate" }]);
  page = tab.load();
  navigations.mock.restore();
  assert.equal(open().stats.sent, 0);
});

/** The page is loaded in a browser that tells of its history. */
function listed({ identity = "alice" } = {}) {
  unload();
  tab.entries = [{ key: "k1", url: tab.href }];
  page = tab.load({ identity });
}

/** The page is loaded anew under another key of its history entry, as after a browser's error page. */
function replaced({ key = "k2", href = tab.href, length = tab.length } = {}) {
  unload();
  tab.entries = [{ key, url: href }];
  Object.assign(tab, { length, href });
  page = tab.load();
}

for (const [what, how, sent] of /** @type {const} */ ([
  ["where the old entry was, and at its address, is the same visit", {}, 1],
  ["where there are more entries is another one", { length: 2 }, 0],
  ["at another address is another one", { href: "https://shop.example/checkout/2" }, 0],
])) {
  test(`an entry that the browser has put ${what}`, async () => {
    listed();
    open({ name: "checkout" }).send("a");
    replaced(how);
    assert.equal(open({ name: "checkout" }).stats.sent, sent);
  });
}

test("of messages that were left in an entry which is gone, and at another address, the page hears that they are lost", async () => {
  listed();
  open({ name: "checkout" }).send("a");
  await rest();
  replaced({ href: "https://shop.example/login" });
  const heard = record(open({ name: "checkout" }));
  await rest();
  assert.deepEqual(heard.find(({ type }) => type === "lost")?.messages, ["a"]);
  assert.ok(!keys().some((key) => key.includes("@k1/")));
});

test("a copy of a tab keeps what is noted of the entries that it has, and of no others", async () => {
  listed();
  await rest();
  const copy = tab.duplicate();
  copy.entries = [{ key: "k9", url: tab.href }];
  page = copy.load();
  await pass(600);
  assert.deepEqual([...copy.session.items.keys()].filter((key) => key.includes("identity@")).map((key) => key.replace(/.*@/, "")), ["k9"]);
});

test("an entry that has become another page is gone, and who comes to its address again is on the same visit", async () => {
  const { href } = tab;
  listed();
  open({ name: "checkout" }).send("a");
  replaced({ key: "k1", href: "https://shop.example/login" });
  unload();
  tab.entries = [{ key: "k1", url: tab.href }, { key: "k2", url: href }];
  Object.assign(tab, { href, index: 1, length: 2 });
  page = tab.load();
  assert.equal(open({ name: "checkout" }).stats.sent, 1);
});

test("an entry that is not listed may be beyond a page of another origin, and is left alone", async () => {
  listed();
  open({ name: "checkout" }).send("a");
  replaced({ length: 3 });
  const heard = record(open({ name: "checkout" }));
  await rest();
  assert.ok(!heard.some(({ type }) => type === "lost"));
  replaced({ key: "k1", length: 3 });
  assert.equal(open({ name: "checkout" }).stats.sent, 1);
});

test("an entry of somebody else's that is gone is not found again", async () => {
  listed({ identity: "bob" });
  open({ name: "checkout" }).send("a");
  replaced();
  assert.equal(open({ name: "checkout" }).stats.sent, 0);
});

test("a query that is replaced makes no other visit, and one that is pushed does, until it is come back to", () => {
  const at = (/** @type {string} */ key, /** @type {string} */ href) => {
    tab.entries = [{ key, url: href }];
    Object.assign(page.location, { href });
    return page.page.visits.place;
  };
  listed();
  const first = page.page.visits.place;
  assert.equal(at("k1", "https://shop.example/checkout/1?step=2"), first);
  assert.equal(at("k2", "https://shop.example/checkout/1?step=2#total"), first);
  assert.notEqual(at("k3", "https://shop.example/checkout/1?step=3"), first);
  assert.notEqual(at("k4", "https://shop.example/checkout/2"), first);
  assert.equal(at("k1", "https://shop.example/checkout/1?step=2"), first);
  assert.equal(at("k5", "https://shop.example/checkout/1?step=1"), first);
});

test("a browser that is slow to grant a lock makes no copy of a page", async () => {
  open().send("a");
  await rest();
  unload();
  tab.locks.delay = 5_000;
  page = tab.load();
  const socket = open();
  await pass(5_000);
  assert.equal(page.page.owner, true);
  assert.equal(socket.stats.sent, 1);
});

test("the slot follows a page that moves to another history entry", async () => {
  const socket = open();
  await rest();
  socket.send("a");
  tab.state = null;
  socket.send("b");
  assert.equal(keys().filter((key) => key.includes("|view:")).length, 1);
  unload();
  page = tab.load();
  assert.equal(open().stats.sent, 2);
});

test("a page in the back/forward cache has no socket and no lock, and mounts again when it is shown", async () => {
  const socket = open();
  const heard = record(socket);
  await rest();
  socket.send("a");
  page.fire("pagehide", { persisted: true });
  await rest();
  assert.equal(network.last.readyState, 3);
  assert.equal(tab.locks.held.size, 0);
  socket.send("typed while hidden");
  await pass(60_000);
  assert.equal(network.sockets.length, 1);
  page.fire("pageshow", { persisted: true });
  await rest();
  network.last.server.settle();
  assert.deepEqual(network.last.server.view.list, ["a", "typed while hidden"]);
  assert.ok(!heard.some(({ type }) => type === "disconnected" || type === "close"));
  assert.equal(tab.locks.held.size, 1);
});

test("a page that was told of a loss before it went into the cache still says so when it is back, until it is connected", async () => {
  const heard = record(open());
  await rest();
  network.mood = "refuse";
  network.last.end(1006);
  await pass(1_000);
  page.fire("pagehide", { persisted: true });
  assert.equal(page.root.get("data-stash-state"), undefined);
  page.fire("pageshow", { persisted: true });
  assert.equal(page.root.get("data-stash-state"), "reconnecting");
  network.mood = "accept";
  await pass(10_000);
  assert.equal(page.root.get("data-stash-state"), "connected");
  const told = heard.map(({ type }) => type).filter((type) => /connected$/.test(type));
  assert.deepEqual(told, ["disconnected", "reconnected"]);
});

test("forms are written when the page or the tab is hidden", () => {
  page.turn("hidden");
  unload();
  assert.equal(page.forms.calls.filter((call) => call === "flush").length, 2);
});

test("trace 3: a duplicated tab forks: it mounts under the token, without the copied messages", async () => {
  const original = open();
  await rest();
  original.send("a");
  network.last.server.settle();
  original.send("b");
  const copy = tab.duplicate();
  page = copy.load();
  const socket = open();
  socket.send("c");
  await rest();
  assert.equal(network.sockets.length, 2);
  assert.equal(network.last.said.length, 0, "not before it is known whose the slot is");
  await pass(500);
  assert.equal(network.last.said[0].fork, true);
  assert.deepEqual(page.forms.renumbered, [socket.name], "what was submitted in the original is not its own");
  network.last.server.settle();
  assert.deepEqual(network.last.server.view.list, ["a", "c"]);
  page.fire("pagehide");
  page = copy.load();
  open();
  await rest();
  assert.equal(network.last.said[0].fork, undefined, "the copy has a name of its own from now on");
});

test("a copy that is reloaded before it could be mounted is still a copy", async () => {
  const original = open();
  await rest();
  original.send("a");
  network.last.server.settle();
  original.send("b");
  const copy = tab.duplicate();
  page = copy.load();
  network.mood = "refuse";
  open().send("c");
  await pass(500);
  page.fire("pagehide");
  page = copy.load();
  network.mood = "accept";
  open();
  await rest();
  assert.equal(network.last.said[0].fork, true);
  network.last.server.settle();
  assert.deepEqual(network.last.server.view.list, ["a", "c"]);
});

test("a duplicated tab has copies of the views of its other history entries too", async () => {
  const original = open();
  await rest();
  original.send("a");
  network.last.server.settle();
  original.send("b");
  page.fire("pagehide");
  const entry = tab.state;
  tab.state = null;
  page = tab.load();
  await rest();
  const copy = tab.duplicate();
  page = copy.load();
  await pass(500);
  page.fire("pagehide");
  copy.state = entry;
  page = copy.load();
  open();
  await rest();
  assert.deepEqual([network.last.said.length, network.last.said[0].fork], [1, true]);
});

test("a socket that a duplicated tab makes anew goes on with what is its own", async () => {
  const original = open();
  await rest();
  original.send("a");
  network.last.server.settle();
  page = tab.duplicate().load();
  const first = open();
  await pass(500);
  first.send("mine");
  first.close();
  await rest();
  open();
  await rest();
  assert.deepEqual(network.last.said.slice(1), [{ message: "mine" }]);
  assert.equal(network.last.said[0].fork, undefined);
});

test("a copy that can't store a name of its own is a copy all the same", async () => {
  const original = open();
  await rest();
  original.send("a");
  network.last.server.settle();
  original.send("b");
  const copy = tab.duplicate();
  copy.session.quota = 10;
  page = copy.load();
  open();
  await pass(500);
  assert.equal(network.last.said[0].fork, true);
  assert.equal(network.last.said.length, 1);
});

test("a page that goes away before it is known whose the slot is leaves no socket open, nor does one that is closed", async () => {
  const original = open();
  await rest();
  original.send("a");
  page = tab.duplicate().load();
  const socket = open();
  await rest();
  assert.deepEqual([network.sockets.length, network.last.readyState], [2, 1]);
  page.fire("pagehide", { persisted: true });
  assert.equal(network.last.readyState, 3);
  page.fire("pageshow", { persisted: true });
  await rest();
  assert.deepEqual([network.sockets.length, network.last.readyState], [3, 1]);
  socket.close();
  await rest();
  assert.equal(network.last.readyState, 3);
  await pass(1000);
  assert.deepEqual(network.sockets.slice(1).flatMap(({ said }) => said), []);
});

test("a reload that overtakes its predecessor's unlocking is no duplicate", async () => {
  const first = open();
  await rest();
  first.send("a");
  const [release] = [...tab.locks.held.keys()];
  const before = page;
  page = tab.load();
  open();
  await pass(100);
  assert.equal(network.last.said.length, 0);
  before.fire("pagehide");
  await pass(0);
  assert.equal(network.last.said[0].fork, undefined);
  assert.equal(network.last.said[0].sent, 1);
  assert.ok(release);
});

test("a page that is hidden while it claims its tab holds no claim", async () => {
  open().send("a");
  await rest();
  const before = page;
  page = tab.load();
  page.fire("pagehide", { persisted: true });
  before.fire("pagehide");
  await rest();
  assert.equal(tab.locks.held.size, 0);
});

/** @param {number} [delay] milliseconds until a message arrives */
function channels(delay = 0) {
  /** @type {Set<any>} */
  const all = new Set();
  class Channel {
    /** @type {((event: any) => void) | null} */
    onmessage = null;
    constructor() {
      all.add(this);
    }
    /** @param {any} data */
    postMessage(data) {
      const deliver = () => all.forEach((other) => other !== this && other.onmessage?.({ data }));
      if (delay > 0) setTimeout(deliver, delay);
      else queueMicrotask(deliver);
    }
    close() {
      all.delete(this);
    }
  }
  return /** @type {any} */ (Channel);
}

test("without locks, pages ask each other, and one of two that ask at once wins", async () => {
  const Channel = channels();
  const both = Promise.all([claim("tab", { Channel }), claim("tab", { Channel })]);
  await pass(250);
  const [one, two] = await both;
  assert.equal([one, two].filter((release) => release === null).length, 1);
  const late = claim("tab", { Channel });
  await pass(250);
  assert.equal(await late, null);
  (one ?? two)?.();
  const free = claim("tab", { Channel });
  await pass(250);
  assert.ok(await free);
});

test("without locks, a page that is too busy to answer is waited for, and what was given up is free at once", async () => {
  const Channel = channels(1000);
  const held = page.page.areas.browser.shelf("tab:");
  const original = claim("tab", { Channel, held });
  await pass(250);
  const release = await original;
  const copy = claim("tab", { Channel, held });
  await pass(1000);
  await pass(1000);
  assert.equal(await copy, null);
  release?.();
  const next = claim("tab", { Channel, held });
  await pass(250);
  assert.ok(await next);
});

test("without locks, what a page held whose browser died is free after a while", async () => {
  const held = page.page.areas.browser.shelf("tab:");
  const dead = claim("tab", { Channel: channels(), held });
  await pass(250);
  assert.ok(await dead);
  const next = claim("tab", { Channel: channels(), held });
  await pass(3000);
  assert.ok(await next);
});

test("nothing stored under another identity is read or kept, neither views nor forms nor secrets", async () => {
  const socket = open();
  await rest();
  socket.send("alice's");
  network.last.server.send({ type: "keep", key: "k", token: "alice's", area: "browser", max_age: 3600 });
  page.page.areas.tab.shelf("form:").set("profile", "alice's");
  unload();
  page = tab.load({ identity: "bob" });
  assert.ok(!JSON.stringify([...tab.session.items, ...tab.local.items]).includes("alice's"));
  open();
  await rest();
  assert.equal(network.last.said[0].sent, 0);
});

test("two applications of one origin leave each other's views, secrets and pages alone", async () => {
  unload();
  const [shop, desk] = [{ identity: "alice", under: "/shop" }, { identity: "1", under: "/desk" }];
  const visited = /** @type {any[]} */ ([]);
  for (const app of [shop, desk]) {
    tab.state = null;
    const left = (page = tab.load(app));
    const socket = open();
    await rest();
    socket.send(app.under);
    network.last.server.send({ type: "keep", key: "k", token: `secret of ${app.under}`, area: "browser", max_age: 3600 });
    unload();
    await rest();
    visited.push({ app, left, state: tab.state });
  }
  for (const { app, left, state } of visited) {
    tab.state = state;
    left.fire("pageshow", { persisted: true });
    assert.equal(tab.reloads, 0);
    await rest();
    left.fire("pagehide");
    await rest();
    page = tab.load({ ...app, build: "b2" });
    const socket = open();
    assert.equal(socket.stats.sent, 1);
    await rest();
    network.last.server.send({ type: "restore", key: "k", area: "browser" });
    assert.equal(network.last.said.at(-1).token, `secret of ${app.under}`);
    unload();
  }
});

/** @returns what the newest connection has sent up but its mount */
const messages = () => network.last.said.slice(1).map(({ message }) => message);

test("each address has a view of its own, query and host included, and finds it again; no query lies in storage", async () => {
  const addresses = ["/room?ticket=hush", "/room?ticket=pssst", "/room", "wss://other.example/room"];
  for (const address of addresses) {
    network.mood = "refuse";
    const socket = open({}, address);
    await rest();
    socket.send(`to ${address}`);
    socket.close();
    await rest();
  }
  assert.doesNotMatch(keys().join(), /hush|pssst/);
  unload();
  page = tab.load();
  network.mood = "accept";
  for (const address of addresses.reverse()) {
    open({}, address);
    await rest();
    assert.deepEqual(messages(), [`to ${address}`]);
  }
});

test("what was queued under the same name for another address is lost, and its token stays here", async () => {
  for (const address of ["/room?r=2", "wss://other.example/room?r=1"]) {
    network.mood = "accept";
    const first = open({ name: "room" }, "/room?r=1");
    await rest();
    first.send("a");
    network.last.server.settle();
    first.send("b");
    first.send("shh", { secret: true });
    first.close();
    await rest();
    unload();
    page = tab.load();
    const second = open({ name: "room" }, address);
    const heard = record(second);
    second.send("n");
    await rest();
    assert.deepEqual(heard.filter(({ type }) => type === "lost"), [{ type: "lost", numbers: [2], messages: ["b"] }]);
    assert.equal(network.last.said[0].token, undefined);
    assert.deepEqual(messages(), ["n"]);
    second.close();
    await rest();
    tab.session.items.clear();
  }
});

test("a copy of a tab loses nothing that was queued for another address: it is still its owner's", async () => {
  open({ name: "room" }, "/room?r=1").send("a");
  await rest();
  page = tab.duplicate().load();
  const heard = record(open({ name: "room" }, "/room?r=2"));
  await pass(500);
  assert.deepEqual(messages(), []);
  assert.ok(!heard.some(({ type }) => type === "lost"));
});

test("messages that no token covers are for the page params they were sent with; of a token the server judges that", async () => {
  for (const [signed, kept] of /** @type {const} */ ([["order 17.resigned", true], ["order 18.signed", false]])) {
    unload();
    tab.session.items.clear();
    network.mood = "refuse";
    page = tab.load({ signed: "order 17.signed" });
    open().send("a");
    await rest();
    unload();
    page = tab.load({ signed });
    network.mood = "accept";
    const heard = record(open());
    await rest();
    assert.deepEqual(messages(), kept ? ["a"] : []);
    assert.equal(heard.some(({ type }) => type === "lost"), !kept);
    network.last.server.settle();
    unload();
    page = tab.load({ signed: "order 19.signed" });
    open();
    await rest();
    assert.ok(network.last.said[0].token);
  }
});

test("a duplicated tab takes no view of another application along", async () => {
  unload();
  page = tab.load({ under: "/shop" });
  open().send("the owner's");
  unload();
  const entry = tab.state;
  tab.state = null;
  page = tab.load({ under: "/desk" });
  await rest();
  const copy = tab.duplicate();
  page = copy.load({ under: "/desk" });
  await pass(500);
  unload();
  copy.state = entry;
  page = copy.load({ under: "/shop" });
  assert.equal(open().stats.sent, 0);
});

test("a page without the script tag neither reads what a known identity stored, nor sweeps it away", async () => {
  const warn = mock.method(console, "warn", () => {});
  open().send("a");
  unload();
  const before = keys().length;
  page = tab.load({ identity: null });
  assert.equal(keys().length, before);
  open();
  await rest();
  assert.equal(network.last.said[0].sent, 0);
  warn.mock.restore();
});

for (const identity of [null, ""]) {
  test(`a page that does not say whose it is (${JSON.stringify(identity)}) keeps all in memory, and says so once`, async () => {
    tab = new Tab();
    const warn = mock.method(console, "warn", () => {});
    page = tab.load({ identity });
    const socket = open();
    await rest();
    socket.send("a");
    network.last.server.settle();
    socket.send("b");
    network.last.server.send({ type: "keep", key: "k", token: "sealed", area: "browser", max_age: 3600 });
    assert.equal(page.page.areas.tab.shelf("form:").set("profile", "typed"), false);
    network.last.server.send({ type: "reload", reason: "stale" });
    await rest();
    page.fire("pagehide", { persisted: true });
    page.fire("pageshow", { persisted: true });
    await rest();
    assert.deepEqual(network.last.said.slice(1), [{ message: "b" }], "within the page it goes on");
    network.last.server.send({ type: "restore", key: "k", area: "browser" });
    assert.equal(network.last.said.at(-1).token, "sealed");
    assert.deepEqual([...tab.session.items.keys(), ...tab.local.items.keys(), ...tab.locks.held.keys()], []);
    assert.equal(tab.reloads, 0);
    open({ name: "another" });
    assert.deepEqual(warn.mock.calls.map(({ arguments: [text] }) => /stash_script\(\)/.test(text)), [true]);
    warn.mock.restore();
  });
}

test("a cached page of somebody who has logged out is loaded anew instead of mounted", async () => {
  open();
  await rest();
  page.fire("pagehide", { persisted: true });
  const cached = page;
  tab.state = null;
  page = tab.load({ identity: "bob" });
  unload();
  cached.fire("pageshow", { persisted: true });
  await pass(60_000);
  assert.equal(tab.reloads, 1);
  assert.ok(network.sockets.every(({ said }) => said.length <= 1), "nothing was mounted again");
});

/** Somebody else logs in, in another tab, and the page comes back from the cache. @returns what says how it is displayed */
async function comeBack() {
  open();
  await rest();
  page.fire("pagehide", { persisted: true });
  const [cached, { document, addEventListener }] = [page, globalThis];
  const other = new Tab();
  other.local = tab.local;
  other.load({ identity: "bob" });
  Object.assign(globalThis, { document, location: cached.location, addEventListener });
  const { style } = document.documentElement;
  const display = () => [style.getPropertyValue("display"), style.getPropertyPriority("display")];
  return { cached, style, display };
}

test("a cached page is loaded anew, and hidden until then, when somebody else has logged in in another tab", async () => {
  const { cached, display } = await comeBack();
  cached.fire("pageshow", { persisted: true });
  assert.deepEqual(display(), ["none", "important"], "whatever the page's style sheets say");
  cached.fire("beforeunload", { returnValue: "" });
  await pass(60_000);
  assert.equal(tab.reloads, 1);
  assert.deepEqual(display(), ["none", "important"], "however long the server takes");
  assert.deepEqual(network.sockets.flatMap(({ said }) => said).length, 1, "nothing was mounted again");
});

const ASKING = {
  preventDefault: { defaultPrevented: true, returnValue: "" },
  returnValue: { defaultPrevented: false, returnValue: "Leave?" },
};
for (const [how, asked] of Object.entries(ASKING)) {
  test(`a page that asks before it is left (${how}) is shown again, as it was, if it is not`, async () => {
    const { cached, style, display } = await comeBack();
    style.setProperty("display", "grid");
    cached.fire("pageshow", { persisted: true });
    assert.deepEqual(display(), ["none", "important"]);
    cached.fire("beforeunload", asked);
    await pass(60_000);
    assert.deepEqual(display(), ["grid", ""]);
    assert.deepEqual(network.sockets.flatMap(({ said }) => said).length, 1, "nothing was mounted again");
  });
}

test("without cookies no page is anybody's, so that the server does not take its connections for somebody else's", async () => {
  for (const [cookie, identity] of /** @type {const} */ ([[null, undefined], ["", "alice"]])) {
    Object.assign(tab, { blocked: true, cookie });
    page = tab.load();
    open();
    await rest();
    assert.equal(network.last.said[0].identity, identity);
  }
});

test("slots that have ended are swept at the start, but this page's own is left to the server's judgement", async () => {
  open().send("old");
  unload();
  tab.state = null;
  page = tab.load();
  open().send("mine");
  unload();
  mock.timers.tick(86_400_001);
  page = tab.load();
  assert.equal(open().stats.sent, 1);
  assert.equal(keys().filter((key) => key.includes("|view:")).length, 1);
});

test("storage that is damaged, blocked or absent is as good as empty", async () => {
  open().send("a");
  unload();
  for (const [key] of tab.session.items) if (key.includes("|view:")) tab.session.items.set(key, "{broken");
  page = tab.load();
  assert.equal(open().stats.sent, 0);
  Object.defineProperty(globalThis, "sessionStorage", {
    configurable: true,
    get() {
      throw new DOMException("blocked", "SecurityError");
    },
  });
  const socket = open();
  socket.send("b");
  await rest();
  assert.equal(socket.readyState, 1);
});

test("storage that is there and refuses everything is as good as none, also for a page that comes back", async () => {
  const refuse = () => {
    throw new DOMException("blocked", "SecurityError");
  };
  Object.assign(tab.session, { getItem: refuse, setItem: refuse, removeItem: refuse, key: refuse });
  page = tab.load();
  const socket = open();
  socket.send("a");
  await rest();
  page.fire("pagehide", { persisted: true });
  page.fire("pageshow", { persisted: true });
  await rest();
  assert.equal(network.last.said[0].type, "mount");
  assert.equal(socket.stats.mounts, 2);
});

test("where locks are denied a page is nobody's copy", async () => {
  const locks = /** @type {any} */ ({ request: () => Promise.reject(new DOMException("denied", "SecurityError")) });
  assert.ok(await claim("tab", { locks }));
});

test("a stored item that does not add up is discarded", () => {
  for (const damage of [{ sent: 7 }, { received: -1.5 }, { token: 7 }, { outbox: "a" }, { outbox: [{ b: "%" }] }, { outbox: [7] }, { received: -1, sent: 0 }]) {
    open().send("a");
    unload();
    const key = keys().find((name) => name.includes("|view:")) ?? "";
    const item = JSON.parse(tab.session.getItem(key) ?? "");
    Object.assign(item.v, damage);
    tab.session.setItem(key, JSON.stringify(item));
    page = tab.load();
    assert.equal(open().stats.sent, 0, JSON.stringify(damage));
    unload();
    page = tab.load();
  }
});

test("a form that the server has dealt with is dropped, whichever history entry it was posted from", () => {
  const write = (/** @type {string} */ key) => page.page.areas.tab.write(key, {});
  ["form@one:form:profile", "form@two:form:profile", "form@one:form:other"].forEach(write);
  page = tab.load({ dealt: ["profile"] });
  assert.deepEqual(keys().filter((key) => key.includes("|form@")), ["quart-stash:https://shop.example/_stash/|form@one:form:other"]);
});

test("a form that the server has dealt with is dropped where it was posted from; of others of its name nothing is known", () => {
  const write = (/** @type {string} */ place, posted = false) => page.page.areas.tab.write(`form@${place}:form:profile`, { posted });
  write("one", true);
  write("two");
  page = tab.load({ dealt: ["profile"] });
  assert.deepEqual(keys().filter((key) => key.includes("|form@")).map((key) => key.replace(/.*form@/, "")), ["two:form:profile"]);
});

test("of a form that the server has dealt with, digests are left, by which the browser's copy is known", () => {
  const { tab: area } = page.page.areas;
  area.write("form@one:form:profile", { at: 1, fields: [{ name: "a", index: 0, base: [""], mine: ["typed"] }] });
  page = tab.load({ dealt: ["profile"] });
  assert.deepEqual(area.read("form@one:form:profile"), { at: 1, fields: [], dealt: { "0:0:a": [digest(["typed"]), digest([""])] } });
});

test("forms are stored as soon as a link is clicked, and not at other clicks", () => {
  const click = (/** @type {string} */ selector) => {
    const event = new Event("click");
    Object.defineProperty(event, "target", { value: { closest: (/** @type {string} */ wanted) => wanted.includes(selector) || null } });
    /** @type {any} */ (globalThis).document.dispatchEvent(event);
  };
  const before = page.forms.calls.length;
  click("button");
  assert.deepEqual(page.forms.calls.slice(before), []);
  click("a[href]");
  assert.deepEqual(page.forms.calls.slice(before), ["flush"]);
});

test("forms hear that their page is back from the browser's cache", () => {
  page.fire("pageshow", { persisted: true });
  assert.equal(page.forms.calls.at(-1), "revive");
});

test("forms are told when the tab was another user's before, and whether all that was typed here is kept", () => {
  assert.deepEqual(page.forms.options, { foreign: false, kept: false });
  assert.deepEqual(tab.load({ identity: "alice" }).forms.options, { foreign: false, kept: true });
  assert.deepEqual(tab.load({ identity: "bob" }).forms.options, { foreign: true, kept: false });
});
