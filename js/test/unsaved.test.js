import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { StashSocket } from "../src/socket.js";
import { FakeStorage, Network, Tab, pass, rest, stage } from "./world.js";

/** @type {Tab} */
let tab;
/** @type {ReturnType<Tab["load"]>} */
let page;
/** @type {Network} */
let network;
/** @type {unknown[]} */
let complaints = [];

const open = stage((made) => {
  ({ tab, page, network } = made);
  globalThis.reportError = (error) => complaints.push(error);
});
afterEach(() => assert.deepEqual(complaints.splice(0), []));

/** What a socket says of its user's work, each time with what its property says then. @param {StashSocket} socket */
function told(socket) {
  /** @type {[string, boolean][]} */
  const heard = [];
  const hear = (/** @type {Event} */ { type }) => heard.push([type, socket.unsaved]);
  for (const type of ["unsaved", "saved"]) socket.addEventListener(type, hear);
  return heard;
}

/** @returns {boolean} whether the browser would ask before it leaves the page */
const asks = () => !page.fire("beforeunload", { returnValue: "" });

test("work is unsaved from the moment that a message is sent until a token covers it, and each is told once", async () => {
  const socket = open();
  const heard = told(socket);
  await rest();
  assert.deepEqual([socket.unsaved, heard], [false, []]);
  socket.send("one");
  socket.send("two");
  assert.deepEqual(heard, [["unsaved", true]]);
  await rest();
  assert.equal(socket.unsaved, true, "what is on the wire is not saved yet");
  network.last.server.settle();
  assert.deepEqual(heard, [["unsaved", true], ["saved", false]]);
  socket.send("three");
  network.last.server.settle();
  assert.deepEqual(heard.length, 4);
});

test("every event has a handler, and one can see to what was lost as a listener can", async () => {
  const socket = open();
  const heard = told(socket);
  const handled = /** @type {string[]} */ ([]);
  socket.onunsaved = socket.onsaved = ({ type }) => handled.push(type);
  socket.onlost = (event) => {
    handled.push(`${event.type} ${event.detail.numbers}`);
    event.preventDefault();
  };
  await rest();
  socket.send("one");
  network.last.hear('{"type":"finished","received":0}');
  assert.deepEqual(handled, ["unsaved", "lost 1", "saved"]);
  assert.deepEqual(heard.map(([type]) => type), ["unsaved", "saved"]);
});

test("a token that covers some of the messages saves nothing yet", async () => {
  const socket = open();
  const heard = told(socket);
  await rest();
  socket.send("one");
  socket.send("two");
  const { server } = network.last;
  server.take();
  server.take();
  server.seal();
  assert.deepEqual([socket.stats.received, socket.unsaved, heard], [1, true, [["unsaved", true]]]);
});

test("work is unsaved over a lost connection, a deploy and a reload, until the next process has seen to it", async () => {
  const socket = open();
  await rest();
  network.mood = "refuse";
  network.last.end(1006);
  socket.send("one");
  page.fire("pagehide");
  assert.equal(socket.unsaved, true);
  page = tab.load();
  network.mood = "accept";
  const next = open();
  const heard = told(next);
  await rest();
  assert.deepEqual(heard, [["unsaved", true]]);
  const { server } = network.last;
  server.drain();
  await pass(1_000);
  assert.deepEqual([server.state, heard.length], ["flushed", 1]);
  server.settle();
  assert.deepEqual(heard, [["unsaved", true], ["saved", false]]);
});

test("what stands in stashed forms is unsaved until it is dealt with, whatever the tokens cover and the mounts take along", async () => {
  const socket = open();
  const heard = told(socket);
  await rest();
  page.forms.change(true);
  assert.deepEqual(heard, [["unsaved", true]]);
  socket.send("validate this");
  network.last.server.settle();
  network.last.end(1006);
  await pass(1_000);
  network.last.server.settle();
  assert.deepEqual([socket.unsaved, heard.length], [true, 1]);
  page.forms.change(false);
  assert.deepEqual(heard, [["unsaved", true], ["saved", false]]);
});

test("a form that is cleared before a token covers its submit is saved with the token", async () => {
  const socket = open();
  const heard = told(socket);
  await rest();
  page.forms.change(true);
  socket.send("submit");
  page.forms.change(false);
  assert.deepEqual([socket.unsaved, heard.length], [true, 1]);
  network.last.server.settle();
  assert.deepEqual(heard, [["unsaved", true], ["saved", false]]);
});

test("a draft that an earlier page has left is unsaved from the start, and the page can hear it", async () => {
  page.forms.changed = true;
  const socket = open();
  const heard = told(socket);
  assert.equal(socket.unsaved, true);
  await rest();
  assert.deepEqual(heard, [["unsaved", true]]);
});

test("a socket without forms knows of messages only", async () => {
  page.forms.changed = true;
  const socket = open({ forms: false });
  const heard = told(socket);
  await rest();
  page.forms.change(true);
  assert.deepEqual([socket.unsaved, heard], [false, []]);
});

/** @type {{ [how: string]: (socket: StashSocket) => void }} */
const LOSSES = {
  lost: () => network.last.hear('{"type":"finished","received":0}'),
  failed: () => {
    const { server } = network.last;
    server.send({ type: "failed", number: 1 });
    server.view.n = 1;
    server.seal();
  },
};
for (const [event, lose] of Object.entries(LOSSES)) {
  test(`what was ${event} is never called saved, unless the page has seen to it`, async () => {
    const socket = open();
    const heard = told(socket);
    await rest();
    socket.send("one");
    lose(socket);
    assert.deepEqual([socket.stats.sent - socket.stats.received, socket.unsaved, heard], [0, true, [["unsaved", true]]]);
  });

  test(`a page that sees to what was ${event} says so by preventing the default`, async () => {
    const socket = open();
    const heard = told(socket);
    await rest();
    socket.addEventListener(event, (event) => event.preventDefault());
    socket.send("one");
    lose(socket);
    assert.deepEqual([socket.unsaved, heard], [false, [["unsaved", true], ["saved", false]]]);
  });
}

test("messages that a copied tab leaves to its original are not its own to save", async () => {
  const socket = open();
  await rest();
  network.mood = "hang";
  network.last.end(1006);
  socket.send("the original's");
  page.fire("pagehide");
  const copy = tab.duplicate();
  page = tab.load();
  open();
  await pass(1_000);
  page = copy.load();
  network.mood = "accept";
  const other = open();
  const heard = told(other);
  await pass(1_000);
  assert.deepEqual([other.unsaved, heard.at(-1)?.[0] !== "unsaved"], [false, true]);
});

test("a view that finishes with its last message has saved it", async () => {
  const socket = open();
  const heard = told(socket);
  await rest();
  socket.send("order");
  network.last.hear('{"type":"finished","received":1}');
  await rest();
  assert.deepEqual([socket.readyState, heard], [StashSocket.CLOSED, [["unsaved", true], ["saved", false]]]);
});

test("closed, it still holds what a reload will send; what is forgotten is neither unsaved nor saved", async () => {
  for (const how of /** @type {const} */ (["close", "forget"])) {
    network.mood = "hang";
    const socket = open();
    const heard = told(socket);
    await rest();
    socket.send("one");
    socket[how]();
    await pass(3_000);
    assert.deepEqual([socket.unsaved, heard], [how === "close", [["unsaved", true]]]);
  }
});

test("destroyed, it says nothing, not even what it has found", async () => {
  page.forms.changed = true;
  const socket = open();
  const heard = told(socket);
  socket.destroy();
  await rest();
  page.forms.change(false);
  assert.deepEqual(heard, []);
});

test("nobody is asked before the page is left, unless the socket was told to guard it", async () => {
  const socket = open();
  await rest();
  network.last.end(1006);
  socket.send("password", { secret: true });
  page.forms.exposed = true;
  assert.equal(asks(), false);
});

test("the guard does not ask for what storage holds, nor for what has gone up", async () => {
  const socket = open({ guard: true });
  await rest();
  assert.equal(asks(), false);
  page.forms.change(true);
  socket.send("password", { secret: true });
  assert.equal(asks(), false, "a view that answers by leading to the next page has the message");
  network.mood = "hang";
  network.last.end(1006);
  socket.send("after");
  network.last.server.settle();
  assert.equal(asks(), true, "of a lost connection nobody knows what got through");
});

test("the guard asks for secrets, and for blobs that are being read, as long as no connection has them", async () => {
  network.mood = "hang";
  const socket = open({ guard: true });
  socket.send("stored");
  assert.equal(asks(), false);
  socket.send("password", { secret: true });
  assert.equal(asks(), true);
  socket.destroy();
  assert.equal(asks(), false, "who is gone guards nothing");
  const other = open({ guard: true }, "/other");
  other.send(new Blob(["picture"]));
  assert.equal(asks(), true);
  await pass(10);
});

test("the guard asks for what is still in the browser's own buffer", async () => {
  const socket = open({ guard: true });
  await rest();
  socket.send("password", { secret: true });
  network.last.bufferedAmount = 1;
  assert.equal(asks(), true);
});

test("where storage is blocked, full or memory, the guard asks for every message that waits", async () => {
  network.mood = "hang";
  const full = new FakeStorage();
  full.quota = 0;
  for (const [index, storage] of [null, full].entries()) {
    const socket = open({ guard: true, storage }, `/view/${index}`);
    assert.equal(asks(), false);
    socket.send("one");
    assert.equal(asks(), true);
    socket.destroy();
  }
  tab.blocked = true;
  page = tab.load();
  open({ guard: true }).send("one");
  assert.equal(asks(), true);
});

test("the guard asks for forms that storage does not hold", async () => {
  open({ guard: true });
  await rest();
  page.forms.exposed = true;
  assert.equal(asks(), true);
});

test("the guard goes on for the forms of a view that has ended, which may be loaded anew, until the page closes the socket", async () => {
  const socket = open({ guard: true });
  await rest();
  socket.send("a secret that nobody sends any more", { secret: true });
  network.last.hear("no frame");
  await pass(3_000);
  assert.deepEqual([socket.readyState, asks()], [StashSocket.CLOSED, false]);
  page.forms.exposed = true;
  assert.equal(asks(), true);
  socket.close();
  assert.equal(asks(), false);
});

test("the guard does not hold up a page that is loaded anew since somebody else has logged in", async () => {
  const socket = open({ guard: true });
  await rest();
  network.mood = "hang";
  network.last.end(1006);
  socket.send("password", { secret: true });
  page.fire("pagehide");
  tab.local.items.forEach((value, key) => key.endsWith("identity") && tab.local.items.set(key, value.replace("alice", "bob")));
  page.fire("pageshow", { persisted: true });
  assert.equal(asks(), false);
});
