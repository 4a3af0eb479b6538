import assert from "node:assert/strict";
import { afterEach, mock, test } from "node:test";

import { Backoff } from "../src/backoff.js";
import { serialise } from "../src/frames.js";
import { StashSocket } from "../src/socket.js";
import { LIMITS } from "./model.js";
import { FakeSocket, FakeStorage, Network, Tab, pass, record, rest, stage } from "./world.js";

/** @type {Tab} */
let tab;
/** @type {ReturnType<Tab["load"]>} */
let page;
/** @type {Network} */
let network;
/** Errors in the page's own code, or in the server's. @type {unknown[]} */
let complaints = [];

const open = stage((made) => {
  ({ tab, page, network } = made);
  globalThis.reportError = (error) => complaints.push(error);
});
afterEach(() => assert.deepEqual(complaints.splice(0), []));

/** @param {{ type: string }[]} heard */
const types = (heard) => heard.map(({ type }) => type);
const stored = () => [...tab.session.items].filter(([key]) => key.includes("|view:")).map(([, value]) => JSON.parse(value).v);

test("it has the interface of a WebSocket, and resolves its address as the page does", async () => {
  const socket = open();
  assert.equal(socket.url, "wss://shop.example/checkout/1");
  assert.deepEqual([socket.readyState, socket.protocol, socket.extensions], [0, "", ""]);
  assert.deepEqual([socket.CONNECTING, socket.OPEN, socket.CLOSING, socket.CLOSED], [0, 1, 2, 3]);
  assert.deepEqual([StashSocket.CONNECTING, StashSocket.CLOSED], [0, 3]);
  await rest();
  assert.deepEqual([socket.readyState, socket.protocol], [1, "quart-stash.v1"]);
  assert.throws(() => new StashSocket("ftp://shop.example/"), { name: "SyntaxError" });
  assert.throws(() => new StashSocket("/", /** @type {any} */ ("chat")), TypeError);
});

test("it opens at the first mount, in handlers and listeners alike", async () => {
  const socket = open({ params: () => ({ drawer: true }) });
  const heard = record(socket);
  const seen = /** @type {string[]} */ ([]);
  socket.onopen = () => seen.push(`open ${socket.readyState}`);
  await rest();
  assert.deepEqual(types(heard), ["open", "mounted"]);
  assert.deepEqual(seen, ["open 1"]);
  assert.deepEqual(network.last.said, [
    { type: "mount", sent: 0, params: { drawer: true }, page: "signed-page", build: "b1", identity: "alice" },
  ]);
});

test("messages sent while connecting wait, and go out in order", async () => {
  const socket = open();
  socket.send("a");
  socket.send(new Uint8Array([98]));
  assert.equal(socket.bufferedAmount, 2);
  await rest();
  network.last.server.settle();
  assert.equal(network.last.said.length, 3);
  assert.equal(socket.bufferedAmount, 0);
  assert.deepEqual(socket.stats, { sent: 2, received: 2, mounts: 1, status: "fresh", state: "live" });
});

test("what a listener sends while older messages are put on the wire comes after them", async () => {
  const socket = open();
  socket.send("first");
  socket.addEventListener("mounted", () => socket.send("second"));
  await rest();
  network.last.server.settle();
  assert.deepEqual(network.last.server.view.list, ["first", "second"]);
});

test("a message is in storage before it is on the wire", async () => {
  const socket = open();
  await rest();
  const send = network.last.send.bind(network.last);
  network.last.send = (data) => {
    assert.deepEqual(stored()[0].outbox, ["a"]);
    send(data);
  };
  socket.send("a");
  assert.equal(network.last.said.length, 2);
});

test("where storage is full, the item goes away rather than stale, the view works on in memory, and the page hears it once", async () => {
  const socket = open();
  const heard = record(socket);
  await rest();
  tab.session.quota = 10;
  socket.send("a");
  socket.send("b");
  assert.deepEqual(stored(), []);
  const told = () => heard.filter(({ type }) => type === "oversize");
  assert.deepEqual(told(), [{ type: "oversize", what: "storage" }]);
  network.last.end(1006);
  await pass(200);
  network.last.server.settle();
  assert.deepEqual(network.last.server.view.list, ["a", "b"]);
  assert.equal(told().length, 1);
  tab.session.quota = Infinity;
  socket.send("c");
  assert.deepEqual(stored()[0].outbox, ["c"]);
  tab.session.quota = 10;
  socket.send("d");
  assert.equal(told().length, 2);
});

test("typed arrays, buffers and blobs arrive as bytes, in the order of their sends", async () => {
  const socket = open();
  await rest();
  const bytes = new Uint8Array([1, 2, 3]);
  socket.send(bytes.subarray(1));
  bytes.fill(0);
  socket.send(new Blob(["blob"]));
  socket.send("after");
  socket.send(new Uint8Array([9]).buffer);
  await mock.timers.tick(0);
  await new Promise((done) => setImmediate(done));
  await rest();
  const messages = network.last.said.slice(1).map(({ message }) => message);
  assert.deepEqual(messages, [new Uint8Array([2, 3]), new TextEncoder().encode("blob"), "after", new Uint8Array([9])]);
});

test("binary messages come as the page asks for them", async () => {
  const socket = open();
  const heard = record(socket);
  await rest();
  network.last.server.send({ message: new Uint8Array([7]) });
  socket.binaryType = "arraybuffer";
  network.last.server.send({ message: new Uint8Array([8]) });
  const [blob, buffer] = heard.filter(({ type }) => type === "message").map(({ data }) => data);
  assert.ok(blob instanceof Blob);
  assert.deepEqual(buffer, new Uint8Array([8]).buffer);
});

test("a message over the server's limit is refused at the page", async () => {
  const socket = open();
  await rest();
  assert.throws(() => socket.send("x".repeat(LIMITS.message + 1)), RangeError);
  assert.throws(() => socket.send("ü".repeat(LIMITS.message / 2 + 1)), RangeError);
  socket.send("x".repeat(LIMITS.message));
  assert.equal(socket.stats.sent, 1);
});

test("the limits of the markup hold before the first mount", () => {
  tab.load({ limits: { message: 3, mount: 5000 } });
  assert.throws(() => open().send("four"), RangeError);
});

test("trace 19: a field that would make the mount too large is left out, and the page hears it", async () => {
  const { forms } = tab.load({ limits: LIMITS });
  forms.typed = { profile: [["bio", "x".repeat(LIMITS.mount)]] };
  forms.unticked = { profile: ["newsletter"] };
  const socket = open();
  const heard = record(socket);
  await rest();
  assert.equal(network.last.said[0].forms, undefined);
  assert.deepEqual(network.last.said[0].empty, { profile: ["newsletter"] });
  const told = { type: "oversize", what: "forms", form: "profile", field: "bio", size: 0, limit: LIMITS.mount };
  assert.deepEqual({ ...heard[0], size: 0 }, told);
});

test("a form of more fields than a mount may hold is left out, whatever its bytes, and the page hears it", async () => {
  const { forms } = tab.load({ limits: { ...LIMITS, mount: 1_000_000 } });
  /** @type {[string, string][]} */
  const many = Array.from({ length: 7000 }, (_, index) => [`f${index}`, "a, [b]"]);
  forms.typed = { table: many, profile: many.slice(0, 6000) };
  const heard = record(open());
  await rest();
  assert.deepEqual(Object.keys(network.last.said[0].forms), ["profile"]);
  const counted = heard[0]?.size;
  assert.deepEqual(heard[0], { type: "oversize", what: "forms", form: "table", size: counted, limit: 20_000 });
  assert.ok(counted > 39_000 && counted < 39_020, "three of each field");
});

test("a form that is too large for the mount holds up no other", async () => {
  const { forms } = tab.load({ limits: LIMITS });
  forms.typed = { letter: [["text", "x".repeat(LIMITS.mount)]], profile: [["name", "Ada"]] };
  forms.unticked = { letter: ["copy"], profile: ["newsletter"] };
  open();
  await rest();
  assert.deepEqual(network.last.said[0].forms, { profile: [["name", "Ada"]] });
  assert.deepEqual(network.last.said[0].empty, { letter: ["copy"], profile: ["newsletter"] });
});

test("one huge field leaves the others of its form in the mount, and so do huge params", async () => {
  const { forms } = tab.load({ limits: LIMITS });
  const huge = "x".repeat(LIMITS.mount);
  forms.typed = { profile: [["name", "Ada"], ["pictures", huge], ["pictures", "small"], ["bio", "y".repeat(200)]], other: [["a", "1"]] };
  const heard = record(open({ params: { open: true } }));
  const heavy = record(open({ params: { huge }, name: "heavy" }));
  await rest();
  const [light, other] = network.sockets.map(({ said }) => said[0]);
  const kept = { profile: [["name", "Ada"], ["bio", "y".repeat(200)]], other: [["a", "1"]] };
  assert.deepEqual([light?.forms, light?.params], [kept, { open: true }]);
  assert.deepEqual([other?.forms, other?.params], [kept, undefined]);
  const told = (/** @type {any[]} */ events) => events.filter(({ type }) => type === "oversize").map(({ what, form, field }) => [what, form, field]);
  assert.deepEqual(told(heard), [["forms", "profile", "pictures"]]);
  assert.deepEqual(told(heavy), [["params", undefined, undefined], ["forms", "profile", "pictures"]]);
});

test("of a form of many fields only as many are left out as need be", async () => {
  const { forms } = tab.load({ limits: LIMITS });
  /** @type {[string, string][]} */
  const many = Array.from({ length: 10 }, (_, index) => [`f${index}`, "x".repeat(600 + index * 50)]);
  forms.typed = { table: many };
  const heard = record(open());
  await rest();
  const { forms: sent } = network.last.said[0];
  const out = heard.filter(({ type }) => type === "oversize").map(({ field }) => field);
  assert.ok(out.length > 0 && out.length < 10);
  assert.deepEqual(out, many.map(([name]) => name).reverse().slice(0, out.length), "the largest");
  assert.deepEqual(sent.table, many.slice(0, 10 - out.length));
});

test("half an emoji leaves the page as U+FFFD, in whatever it says", async () => {
  const half = "half \ud83d";
  page.forms.typed = { profile: [["name", half]] };
  open({ params: { [half]: [half] } });
  await rest();
  const { params, forms } = network.last.said[0];
  assert.deepEqual([params, forms], [{ "half \ufffd": ["half \ufffd"] }, { profile: [["name", "half \ufffd"]] }]);
});

test("params that are nested too deep are left out, and the page hears of the mistake", async () => {
  const nested = (/** @type {number} */ depth) => JSON.parse('{"a":'.repeat(depth) + '"[[{"' + "}".repeat(depth));
  for (const [depth, sent] of /** @type {[number, object | undefined][]} */ ([[31, nested(31)], [32, undefined], [5000, undefined]])) {
    const socket = open({ params: nested(depth) });
    await rest();
    assert.deepEqual(network.last.said[0].params, sent);
    socket.forget();
  }
  assert.equal(complaints.splice(0).length, 2);
});

test("forms are started before the socket, go up with the mount and are restored after it", async () => {
  page.forms.typed = { profile: [["name", "Ada"]] };
  page.forms.unticked = { profile: ["newsletter"] };
  open();
  await rest();
  assert.deepEqual(network.last.said[0].forms, { profile: [["name", "Ada"]] });
  assert.deepEqual(network.last.said[0].empty, { profile: ["newsletter"] });
  assert.deepEqual(page.forms.calls, ["start", "restore", "restore"]);
});

test("params that can't be had do not keep the view from being mounted", async () => {
  open({
    params: () => {
      throw new Error("the page's");
    },
  });
  await rest();
  assert.equal(network.last.said[0].type, "mount");
  assert.equal(complaints.splice(0).length, 1);
});

test("params that can't be had, or are no object, leave the forms and the view alone", async () => {
  page.forms.typed = { profile: [["name", "Ada"]] };
  const fail = () => {
    throw new Error("the page's");
  };
  for (const params of [fail, () => [1], () => "text", () => undefined, () => null]) {
    const socket = open({ params: /** @type {any} */ (params) });
    await rest();
    const [{ params: sent, forms }] = network.last.said;
    assert.deepEqual([sent, forms], [undefined, page.forms.typed]);
    socket.forget();
  }
  assert.equal(complaints.splice(0).length, 3);
});

test("storage that the page brings is bound to an identity too", async () => {
  const storage = new FakeStorage();
  open({ storage }).send("alice's");
  page.fire("pagehide");
  page = tab.load({ identity: "bob" });
  assert.equal(open({ storage }).stats.sent, 0);
});

test("a drain: the next socket opens at once, and is mounted once the final token is stored", async () => {
  const socket = open();
  const heard = record(socket);
  await rest();
  socket.send("a");
  const [old] = network.sockets;
  old?.server.drain();
  assert.deepEqual(old?.said.at(-1), { message: "a" }, "handed over once the next socket is open");
  await rest();
  assert.deepEqual(old?.said.at(-1), { type: "flushed", sent: 1 });
  assert.equal(network.sockets.length, 2);
  assert.equal(network.last.said.length, 0, "open, not mounted");
  socket.send("b");
  assert.equal(page.root.get("data-stash-state"), "handover");
  old?.server.settle();
  assert.equal(network.last.said[0].sent, 2);
  network.last.server.settle();
  assert.deepEqual(network.last.server.view.list, ["a", "b"]);
  assert.deepEqual(types(heard), ["open", "mounted", "drain", "synced", "mounted"]);
  assert.equal(socket.readyState, 1);
  assert.equal(page.root.get("data-stash-state"), "connected");
  await pass(5000);
  assert.equal(network.sockets.length, 2);
});

for (const { taken, more } of [
  { taken: 0, more: 0 },
  { taken: 300, more: 300 },
  { taken: 2000, more: 500 },
]) {
  test(`a hand-over whose server took ${taken} ms to answer has ${more} ms more before the page is told`, async () => {
    const socket = open({ now: Date.now });
    const heard = record(socket);
    await rest();
    const old = network.last;
    old.server.drain();
    await rest();
    assert.deepEqual(old.said.at(-1), { type: "flushed", sent: 0 });
    await pass(taken);
    network.mood = "hang";
    network.last.end(1006);
    old.server.settle();
    await pass(500 + more - 1);
    assert.ok(!types(heard).includes("disconnected"));
    await pass(1);
    assert.equal(types(heard).at(-1), "disconnected");
  });
}

test("a drain waits for what the page waits for, and what it sends meanwhile still goes out", async () => {
  const socket = open();
  await rest();
  /** @type {(value?: unknown) => void} */
  let saved = () => {};
  socket.addEventListener("drain", (event) => {
    const { waitUntil } = /** @type {import("../src/events.js").DrainEvent} */ (event);
    waitUntil.call(event, new Promise((done) => (saved = done)));
  });
  const [old] = network.sockets;
  old?.server.drain();
  await rest();
  socket.send("late");
  assert.deepEqual(old?.said.at(-1), { message: "late" });
  saved();
  await rest();
  assert.deepEqual(old?.said.at(-1), { type: "flushed", sent: 1 });
});

test("a page that waits for ever is not waited for beyond the deadline", async () => {
  const socket = open();
  await rest();
  socket.addEventListener("drain", (event) => /** @type {any} */ (event).waitUntil(new Promise(() => {})));
  const [old] = network.sockets;
  old?.server.drain();
  await pass(8000);
  assert.deepEqual(old?.said.at(-1), { type: "flushed", sent: 0 });
});

test("a handler that never finishes: at the deadline the next connection is mounted, and the rest is replayed", async () => {
  const socket = open();
  const heard = record(socket);
  await rest();
  socket.send("a");
  network.sockets[0]?.server.drain();
  await pass(9000);
  assert.deepEqual(network.last.said.map((frame) => frame.type ?? frame.message), ["mount", "a"]);
  network.sockets[0]?.server.send({ message: "from the past" });
  assert.ok(!types(heard).includes("message"), "an older connection's frames are void");
  await pass(2000);
  assert.equal(network.sockets[0]?.readyState, 3, "and it is closed after a while");
});

test("refused during a drain, it tries again within the server's delay", async () => {
  open();
  await rest();
  network.mood = "refuse";
  network.sockets[0]?.server.drain();
  await rest();
  assert.equal(network.sockets.length, 2);
  await pass(199);
  assert.equal(network.sockets.length, 2);
  network.mood = "accept";
  await pass(1);
  assert.equal(network.sockets.length, 3);
  network.sockets[0]?.server.settle();
  assert.equal(network.last.said[0].type, "mount");
});

test("let in during a drain and put out again, it does not wait for the server's delay", async () => {
  const socket = open();
  await rest();
  const { server } = network.last;
  server.drain();
  await rest();
  network.last.end(1012);
  await pass(99);
  assert.equal(network.sockets.length, 2);
  await pass(1);
  assert.equal(network.sockets.length, 3);
  server.settle();
  await rest();
  assert.equal(network.last.said[0].type, "mount");
  assert.equal(socket.stats.mounts, 2);
});

for (const down of [0, 200, 1_000, 5_000, 30_000]) {
  for (const mood of /** @type {const} */ (["refuse", "hang"])) {
    for (const code of [1006, 1012]) {
      test(`after a restart of ${down} ms (${mood}, ${code}) it is back within the longest wait, with what was sent`, async () => {
        const socket = open();
        await rest();
        socket.send("before");
        const before = network.last;
        before.server.settle();
        network.mood = mood;
        if (code === 1012) before.server.drain();
        await rest();
        if (code === 1012) before.server.settle();
        before.end(code);
        socket.send("meanwhile");
        for (let passed = 0; passed < down; passed += 100) await pass(100);
        network.mood = "accept";
        if (mood === "hang") network.last.accept();
        // A wait of 5 s, with all the jitter that there may be.
        for (let passed = 0; passed < 5_000 && network.last.readyState !== 1; passed += 100) await pass(100);
        assert.equal(network.last.said[0].type, "mount");
        assert.equal(typeof network.last.said[0].token, "string");
        assert.deepEqual(network.last.said.slice(1).map((frame) => frame.message), ["meanwhile"]);
      });
    }
  }
}

test("trace 21: a second drain right after the hand-over loses nothing", async () => {
  const socket = open();
  await rest();
  socket.send("a");
  network.sockets[0]?.server.drain();
  await rest();
  network.sockets[0]?.server.settle();
  const second = network.last;
  second.server.drain();
  socket.send("b");
  await rest();
  second.server.settle();
  assert.equal(network.sockets.length, 3);
  network.last.server.settle();
  assert.deepEqual(network.last.server.view.list, ["a", "b"]);
});

test("an end without a word is followed by back-off with jitter, which progress resets", async () => {
  const socket = open();
  await rest();
  network.mood = "refuse";
  network.last.end(1006);
  for (const wait of [100, 200, 400, 800]) {
    const before = network.sockets.length;
    await pass(wait - 1);
    assert.equal(network.sockets.length, before, `not before ${wait} ms`);
    await pass(1);
    assert.equal(network.sockets.length, before + 1);
  }
  network.mood = "accept";
  await pass(1600);
  socket.send("a");
  network.last.server.settle();
  network.last.end(1006);
  const before = network.sockets.length;
  await pass(100);
  assert.equal(network.sockets.length, before + 1);
});

test("who is cut off just after a mount comes back soon, however often it was refused before", async () => {
  open();
  await rest();
  network.mood = "refuse";
  network.last.end(1006);
  await pass(10_000);
  network.mood = "accept";
  await pass(5_000);
  network.last.end(1006);
  const before = network.sockets.length;
  await pass(200);
  assert.equal(network.sockets.length, before + 1);
});

for (const [what, sends] of /** @type {const} */ ([["commits and raises", false], ["raises on what the page sends", true]])) {
  test(`a handler that ${what} at each mount is mounted ever more seldom`, async () => {
    const socket = open();
    if (sends) socket.addEventListener("mounted", () => socket.send("subscribe"));
    for (const wait of [100, 200, 400, 800]) {
      await rest();
      const { server } = network.last;
      if (sends) server.send({ type: "failed", number: (server.view.n += 1) });
      server.seal();
      network.last.end(1011);
      await pass(wait - 1);
      assert.equal(network.last.readyState, 3, `not before ${wait} ms`);
      await pass(1);
    }
    assert.equal(socket.stats.mounts, 5);
  });
}

test("the page is told of a gap only when it lasts, and then of its end", async () => {
  const socket = open();
  const heard = record(socket);
  await rest();
  network.last.end(1006);
  await pass(100);
  assert.deepEqual(types(heard), ["open", "mounted", "mounted"]);
  network.mood = "hang";
  network.last.end(1006);
  await pass(499);
  assert.ok(!types(heard).includes("disconnected"));
  await pass(1);
  assert.equal(types(heard).at(-1), "disconnected");
  assert.equal(page.root.get("data-stash-state"), "reconnecting");
  network.last.accept();
  await rest();
  assert.deepEqual(types(heard).slice(-2), ["mounted", "reconnected"]);
  assert.equal(page.root.get("data-stash-state"), "connected");
  assert.equal(socket.readyState, 1);
});

test("a socket that hangs while connecting is given up after four seconds", async () => {
  network.mood = "hang";
  open();
  await pass(4000);
  network.mood = "accept";
  await pass(100);
  assert.deepEqual(network.sockets.map(({ readyState }) => readyState), [3, 1]);
});

test("a hand-over waits for the attempt after one that hung, and the page sees no gap", async () => {
  open();
  await rest();
  const [old] = network.sockets;
  network.mood = "hang";
  old?.server.drain();
  await rest();
  network.mood = "accept";
  await pass(499);
  assert.notEqual(old?.said.at(-1)?.type, "flushed");
  await pass(1);
  await pass(100);
  assert.deepEqual(old?.said.at(-1), { type: "flushed", sent: 0 });
  assert.equal(network.last.readyState, 1);
});

test("hooks that settle after an attempt has hung wait for the next one", async () => {
  const socket = open();
  await rest();
  const [old] = network.sockets;
  let saved = () => {};
  socket.addEventListener("drain", (/** @type {any} */ event) => event.waitUntil(new Promise((done) => (saved = () => done(null)))));
  network.mood = "hang";
  old?.server.drain();
  await pass(500);
  await pass(50);
  network.mood = "accept";
  saved();
  await rest();
  assert.notEqual(old?.said.at(-1)?.type, "flushed");
  await pass(50);
  assert.deepEqual(old?.said.at(-1), { type: "flushed", sent: 0 });
  assert.equal(network.last.readyState, 1);
});

test("an attempt that is under way when the old connection no longer serves the page has all its time", async () => {
  open();
  await rest();
  const [old] = network.sockets;
  network.mood = "hang";
  old?.server.drain();
  await pass(500);
  await pass(100);
  assert.equal(network.sockets.length, 3);
  await pass(400);
  assert.deepEqual(old?.said.at(-1), { type: "flushed", sent: 0 });
  old?.server.settle();
  await pass(3599);
  assert.deepEqual(network.sockets.map(({ readyState }) => readyState), [3, 3, 0]);
  await pass(1);
  assert.equal(network.last.readyState, 3);
});

test("a slow network gets more time at each attempt", async () => {
  network.mood = "hang";
  open();
  for (const timeout of [4000, 8000, 16_000]) {
    await pass(timeout - 1);
    assert.equal(network.last.readyState, 0, String(timeout));
    await pass(1);
    assert.equal(network.last.readyState, 3);
    await pass(1000);
  }
});

test("a connection that is busy sending is not taken for dead", async () => {
  open();
  await rest();
  network.last.deaf = true;
  network.last.bufferedAmount = 1000;
  await pass(25_000);
  network.last.bufferedAmount = 500;
  await pass(5000);
  assert.equal(network.last.readyState, 1);
  await pass(25_000);
  await pass(5000);
  assert.equal(network.last.closedWith, 1005, "but one that does not move is");
});

test("what a listener sends when the connection is back is sent once", async () => {
  const socket = open();
  socket.addEventListener("reconnected", () => socket.send("back"));
  await rest();
  network.mood = "hang";
  network.last.end(1012);
  await pass(600);
  network.last.accept();
  await rest();
  assert.equal(socket.stats.sent, 1);
});

test("a socket that is destroyed says nothing, and leaves its name to the next", async () => {
  const socket = open();
  const heard = record(socket);
  socket.destroy();
  await pass(5000);
  assert.deepEqual(heard, []);
  assert.equal(socket.readyState, 3);
  assert.equal(open().name, socket.name);
});

test("where no view answers, nothing is sent, the console says why, once, and it is tried again ever more seldom", async () => {
  const error = mock.method(console, "error", () => {});
  network.mood = "hang";
  const socket = open({}, "/room?ticket=hush");
  socket.send("a");
  const waits = [];
  for (let count = 1; count <= 7; count += 1) {
    await rest();
    assert.equal(network.sockets.length, count);
    network.last.accept("");
    await rest();
    let waited = 0;
    for (; network.sockets.length === count; waited += 1000) await pass(1000);
    waits.push(waited / 1000);
  }
  assert.deepEqual(waits, [1, 8, 16, 32, 60, 60, 60]);
  assert.deepEqual(network.sockets.flatMap(({ said }) => said), []);
  const texts = error.mock.calls.map((call) => call.arguments.join(" "));
  assert.equal(texts.length, 1);
  assert.match(/** @type {string} */ (texts[0]), /@stash\.view\(\).* wss:\/\/shop\.example\/room$/);
  error.mock.restore();
});

test("a server that says that it has no view here is taken at its word, and no message is sent", async () => {
  const error = mock.method(console, "error", () => {});
  network.mood = "hang";
  const socket = open({}, "/room");
  socket.send("a");
  const waits = [];
  for (let count = 1; count <= 4; count += 1) {
    await rest();
    network.last.deaf = true;
    network.last.accept();
    network.last.end(4404);
    await rest();
    let waited = 0;
    for (; network.sockets.length === count; waited += 1000) await pass(1000);
    waits.push(waited / 1000);
  }
  assert.deepEqual(waits.slice(1), [8, 16, 32]);
  const said = network.sockets.flatMap((each) => each.said.map(({ type }) => type));
  assert.deepEqual(new Set(said), new Set(["mount"]));
  assert.equal(error.mock.callCount(), 1);
  error.mock.restore();
});

test("a view that comes with the deploy is mounted as ever, and then there is no more waiting", async () => {
  const error = mock.method(console, "error", () => {});
  network.mood = "hang";
  const socket = open();
  await rest();
  network.last.accept("");
  await pass(1000);
  network.last.accept("");
  await pass(8000);
  network.last.end(1006);
  await pass(400);
  assert.equal(network.sockets.length, 4, "a server that is not there is looked for as soon as any");
  network.last.accept("");
  await pass(4000);
  network.last.accept();
  await rest();
  assert.equal(socket.readyState, 1);
  network.last.end(1012);
  await pass(100);
  assert.equal(network.sockets.length, 6);
  error.mock.restore();
});

/** Lets every attempt fail at once, for so many seconds. */
async function refuse(seconds = 0) {
  network.mood = "refuse";
  if (network.last.readyState < 2) network.last.end(1006);
  for (let count = 0; count < seconds; count += 1) await pass(1000);
}

test("the page hears that it is refused once a server that is up has refused three attempts, and attempts slow down", async () => {
  const socket = open();
  const heard = record(socket);
  await rest();
  tab.readiness = new Response("ready\n");
  const before = network.sockets.length;
  await refuse();
  for (let tries = 0; !types(heard).includes("refused"); tries += 1) await pass(50 * 2 ** tries);
  // The first two go for a loss, the next finds the server up, and three more are refused.
  assert.equal(network.sockets.length - before, 5);
  assert.deepEqual(types(heard).slice(-2), ["disconnected", "refused"]);
  assert.equal(page.root.get("data-stash-state"), "refused");
  assert.deepEqual(new Set(tab.fetched), new Set(["https://shop.example/_stash/ready"]));
  const waits = [];
  for (let count = network.sockets.length; waits.length < 4; count += 1) {
    let waited = 0;
    for (; network.sockets.length === count; waited += 1000) await pass(1000);
    waits.push(waited / 1000);
  }
  assert.deepEqual(waits.slice(1), [16, 32, 60]);
  assert.equal(types(heard).filter((type) => type === "refused").length, 1);
  network.mood = "accept";
  socket.retry();
  await rest();
  assert.equal(types(heard).at(-1), "reconnected");
  assert.equal(page.root.get("data-stash-state"), "connected");
});

for (const [what, readiness] of /** @type {const} */ ([
  ["is down", null],
  ["is draining", ["draining\n", 503]],
  ["is behind a proxy that has a page of its own for that", ["<h1>We will be back soon</h1>", 200]],
  ["can't be asked", ["", 404]],
])) {
  test(`nobody hears of a refusal by a server that ${what}`, async () => {
    const heard = record(open());
    await rest();
    tab.readiness = readiness && new Response(readiness[0], { status: readiness[1] });
    await refuse(60);
    assert.ok(tab.fetched.length > 0);
    assert.deepEqual(types(heard).slice(-1), ["disconnected"]);
    assert.equal(page.root.get("data-stash-state"), "reconnecting");
  });
}

test("a server that asked its clients to come within some time refuses because of the crowd until then", async () => {
  const heard = record(open());
  await rest();
  network.mood = "refuse";
  const { server } = network.last;
  server.state = "draining";
  server.send({ type: "drain", drain: "d1", deadline: 9_000, delay: 30_000 });
  await rest();
  tab.readiness = new Response("ready\n");
  server.settle();
  await rest();
  network.sockets[0]?.end(1012);
  await refuse(29);
  assert.ok(!types(heard).includes("refused"));
  await refuse(300);
  assert.ok(types(heard).includes("refused"));
});

test("a server that comes up between two attempts has refused none", async () => {
  const heard = record(open());
  await rest();
  await refuse(10);
  tab.readiness = new Response("ready\n");
  network.mood = "accept";
  await pass(10_000);
  assert.deepEqual(types(heard).slice(-2), ["mounted", "reconnected"]);
  assert.ok(!types(heard).includes("refused"));
});

test("a server of another host is not asked, since it says nothing of this one", async () => {
  open({}, "wss://chat.example/room");
  await rest();
  tab.readiness = new Response("ready\n");
  await refuse(30);
  assert.deepEqual(tab.fetched, []);
});

test("a server that knows no view here, three times in a row, refuses as well", async () => {
  const error = mock.method(console, "error", () => {});
  network.mood = "hang";
  const heard = record(open({}, "/gone"));
  for (let count = 0; count < 3; count += 1) {
    await rest();
    network.last.accept("");
    await pass(16_000);
  }
  assert.deepEqual(types(heard), ["disconnected", "refused"]);
  error.mock.restore();
});

test("a page that is refused tries at once when another page of the application is loaded, as after a log-in", async () => {
  const socket = open();
  await rest();
  const load = () => page.fire("storage", { key: page.page.signal });
  tab.readiness = new Response("ready\n");
  await refuse(30);
  assert.equal(page.root.get("data-stash-state"), "refused");
  network.mood = "accept";
  page.fire("storage", { key: "another" });
  await rest();
  assert.equal(page.root.get("data-stash-state"), "refused");
  load();
  await rest();
  assert.equal(socket.stats.mounts, 2);
});

test("nothing is said of a first connection that is slow, until it has failed, or nothing has come for seconds", async () => {
  network.mood = "hang";
  const heard = record(open());
  await pass(3_900);
  assert.deepEqual([types(heard), page.root.get("data-stash-state")], [[], undefined]);
  network.last.accept();
  await pass(60_000);
  assert.deepEqual(types(heard), ["open", "mounted"]);
  const other = record(open({}, "/other"));
  network.last.end(1006);
  await pass(499);
  assert.deepEqual(types(other), []);
  await pass(1);
  assert.deepEqual(types(other), ["disconnected"]);
});

test("a page that is prerendered opens nothing, and says nothing, before somebody sees it", async () => {
  tab.prerendered = true;
  page = tab.load();
  const heard = record(open());
  await pass(60_000);
  assert.deepEqual([network.sockets.length, types(heard), page.root.get("data-stash-state")], [0, [], undefined]);
  assert.equal(page.page.owner, undefined, "nor does it claim the tab");
  page.activate();
  await pass(1_000);
  assert.deepEqual(types(heard), ["open", "mounted"]);
});

test("silence is followed by a ping, and a ping that nobody answers by another connection", async () => {
  open();
  await pass(25_000);
  assert.deepEqual(network.last.said.at(-1), { type: "ping" });
  await pass(5000);
  assert.equal(network.sockets.length, 1, "the pong was heard");
  network.last.deaf = true;
  await pass(25_000);
  await pass(5000);
  await pass(100);
  assert.equal(network.sockets.length, 2);
});

test("a page that is told all the time, and says nothing itself, pings all the same", async () => {
  open();
  await rest();
  for (let round = 0; round < 3; round += 1) {
    network.last.said.length = 0;
    for (let seconds = 0; seconds < 30; seconds += 5) {
      await pass(5000);
      network.last.hear(serialise({ type: "clear", form: "none" }));
    }
    assert.deepEqual(network.last.said, [{ type: "ping" }]);
  }
  assert.equal(network.sockets.length, 1);
});

test("a page that says something all the time, and hears nothing, pings all the same", async () => {
  const socket = open();
  await rest();
  network.last.deaf = true;
  for (let seconds = 0; seconds < 25; seconds += 5) {
    socket.send("x");
    await pass(5000);
  }
  assert.deepEqual(network.last.said.at(-1), { type: "ping" });
  await pass(5000);
  assert.equal(network.last.readyState, 3);
});

test("it tries at once when the network is back, the tab is looked at, or the page is thawed", async () => {
  for (const wake of [() => page.fire("online"), () => page.turn("visible")]) {
    const socket = open({ backoff: new Backoff({ base: 10_000, random: () => 1 }) });
    await rest();
    network.last.end(1006);
    const before = network.sockets.length;
    wake();
    await rest();
    assert.equal(network.sockets.length, before + 1);
    socket.destroy();
  }
});

test("a drain in a hidden tab is answered without a timer", async () => {
  open();
  await rest();
  page.turn("hidden");
  network.last.server.drain();
  assert.equal(network.sockets[0]?.said.at(-1).type, "flushed");
});

/** Takes what goes to the console meanwhile. @param {"error" | "warn"} level @param {() => Promise<void>} act */
async function said(level, act) {
  const kept = mock.method(console, level, () => {});
  await act();
  kept.mock.restore();
  return kept.mock.calls.map(({ arguments: words }) => words.join(" "));
}

test("a view that is dead says so: in the console with the cause, and on the page, until the page has another one", async () => {
  const state = () => page.root.get("data-stash-state");
  /** @type {[string, (socket: FakeSocket) => void][]} */
  const ends = [
    ["what the server said is no frame (1002)", (socket) => socket.hear("nonsense")],
    ["`mounted` of the server is out of place (1002)", ({ server }) => server.send({ type: "mounted", status: "fresh", received: 0, build: "b", limits: LIMITS })],
    ["`finished` of the server is out of place (1002)", ({ server }) => server.send({ type: "finished", received: 9 })],
    ["what the page said is no part of the protocol (1002)", (socket) => socket.end(1002)],
    ["the server said so (1008)", (socket) => socket.end(1008)],
  ];
  for (const [cause, end] of ends) {
    const socket = open({}, "/checkout/1?ticket=secret");
    await rest();
    const words = await said("error", async () => (end(network.last), rest()));
    assert.equal(words.length, 1, cause);
    assert.match(words[0] ?? "", /the view at shop\.example\/checkout\/1\?\w+ has ended, and the page is to be loaded anew: /);
    assert.ok(words[0]?.endsWith(cause), words[0]);
    assert.doesNotMatch(words[0] ?? "", /secret/);
    assert.deepEqual([state(), socket.readyState], ["closed", 3]);
    const next = open({}, "/checkout/1?ticket=secret");
    assert.equal(state(), undefined, "the page has another one");
    await rest();
    assert.equal(state(), "connected");
    next.forget();
  }
});

test("a dead view that the page lets go of is told no more, and one that was to end is not told at all", async () => {
  const socket = open();
  const other = open({ name: "other" });
  await rest();
  const words = await said("error", async () => {
    network.sockets[0]?.end(1002);
    await rest();
    assert.equal(page.root.get("data-stash-state"), "closed", "whatever the other one does");
    socket.destroy();
    assert.equal(page.root.get("data-stash-state"), "connected");
    other.close();
    open().close(4000);
    open();
    await rest();
    network.last.server.send({ type: "finished", received: 0 });
    await rest();
  });
  assert.equal(words.length, 1);
  assert.equal(page.root.get("data-stash-state"), undefined);
});

test("what the server could not read of a mount is told in the console, and in the event", async () => {
  const heard = record(open());
  const { server } = network.last;
  const { send } = server;
  const why = { dropped: { f: "why" }, invalid: { "": "why" } };
  server.send = (frame) => send(frame.type === "mounted" ? { ...frame, ...why } : frame);
  const words = await said("warn", rest);
  assert.equal(words.length, 1);
  assert.match(words[0] ?? "", /the server could not read all that was pushed/);
  const mounted = heard.find(({ type }) => type === "mounted");
  assert.deepEqual([mounted?.dropped, mounted?.invalid], [why.dropped, why.invalid]);
});

test("codes that stop the view stop it, and its slot stays", async () => {
  mock.method(console, "error", () => {});
  for (const code of [1002, 1008]) {
    const socket = open();
    const heard = record(socket);
    await rest();
    socket.send("a");
    network.last.end(code);
    await rest();
    assert.equal(socket.readyState, 3);
    assert.deepEqual(heard.at(-1), { type: "close", code });
    assert.equal(types(heard).includes("error"), code === 1002);
    assert.equal(stored().length, 1);
    const before = network.sockets.length;
    await pass(60_000);
    assert.equal(network.sockets.length, before);
    tab.session.items.clear();
  }
});

test("all other codes reconnect, a bare 1000 too", async () => {
  open();
  for (const code of [1000, 1001, 1005, 1006, 1009, 1011, 1012, 1013, 4408, 4409]) {
    await pass(10_000);
    const before = network.sockets.length;
    network.last.end(code);
    await pass(10_000);
    assert.equal(network.sockets.length, before + 1, String(code));
  }
});

test("garbage from the server ends the view with 1002, and is never thrown", async () => {
  mock.method(console, "error", () => {});
  const socket = open();
  const heard = record(socket);
  await rest();
  network.last.hear("nonsense");
  await rest();
  assert.equal(network.last.closedWith, 4002);
  assert.deepEqual(heard.at(-1), { type: "close", code: 1002 });
});

test("trace 12: finished: the slot is forgotten, what was queued behind the last message is lost, and the socket closes with 1000", async () => {
  const socket = open();
  const heard = record(socket);
  await rest();
  for (let number = 1; number <= 9; number += 1) socket.send(`message ${number}`);
  network.last.server.send({ type: "finished", received: 7 });
  await rest();
  assert.deepEqual(stored(), []);
  assert.deepEqual(heard.slice(-2), [
    { type: "lost", numbers: [8, 9], messages: ["message 8", "message 9"] },
    { type: "close", code: 1000 },
  ]);
  socket.send("too late");
  assert.equal(socket.readyState, 3);
});

test("what is lost with a finished view can be sent to a new one from the listener", async () => {
  const socket = open();
  socket.addEventListener("lost", (event) => {
    assert.equal(socket.readyState, 2);
    const next = open();
    assert.equal(next.name, socket.name);
    for (const message of /** @type {CustomEvent} */ (event).detail.messages) next.send(message);
  });
  await rest();
  socket.send("a");
  socket.send("b");
  network.last.server.send({ type: "finished", received: 1 });
  await rest();
  network.last.server.settle();
  assert.equal(network.sockets.length, 2);
  assert.deepEqual(network.last.server.view.list, ["b"]);
});

test("a socket that is closed in a listener is closing at once", async () => {
  const socket = open();
  /** @type {number[]} */
  const states = [];
  socket.addEventListener("mounted", () => {
    socket.close();
    states.push(socket.readyState);
  });
  await rest();
  assert.deepEqual(states, [2]);
  assert.equal(socket.readyState, 3);
});

test("close is the page's own: checked as a WebSocket checks it, told, and not undone", async () => {
  const socket = open();
  const heard = record(socket);
  await rest();
  assert.throws(() => socket.close(1001), { name: "InvalidAccessError" });
  assert.throws(() => socket.close(1000, "x".repeat(124)), { name: "SyntaxError" });
  socket.close(3001, "bye");
  assert.equal(socket.readyState, 2);
  await pass(60_000);
  assert.equal(network.sockets.length, 1);
  assert.equal(network.last.closedWith, 3001);
  assert.deepEqual(heard.at(-1), { type: "close", code: 3001 });
});

test("forget removes the slot, the secrets and the forms", async () => {
  const socket = open();
  await rest();
  network.last.server.send({ type: "keep", key: "k", token: "sealed", area: "browser", max_age: 60 });
  socket.forget();
  await rest();
  assert.deepEqual(stored(), []);
  assert.deepEqual([...tab.local.items.keys()], ["quart-stash:https://shop.example/_stash/|identity"]);
  assert.ok(page.forms.calls.includes("forget"));
});

test("trace 17: a password sent in an outage is nowhere in storage, and after a reload its number stays taken", async () => {
  const first = open();
  await rest();
  network.mood = "refuse";
  network.last.end(1006);
  first.send("login", { secret: false });
  first.send("password: hunter2", { secret: true });
  first.send("and then");
  const everything = () => JSON.stringify([...tab.session.items, ...tab.local.items]);
  assert.ok(!everything().includes("hunter2"));
  page.fire("pagehide");
  assert.ok(!everything().includes("hunter2"));
  page = tab.load();
  network.mood = "accept";
  const second = open();
  await rest();
  second.send("next");
  assert.deepEqual(network.last.said.slice(1), [
    { message: "login" },
    { type: "void", number: 2 },
    { message: "and then" },
    { message: "next" },
  ]);
  network.last.server.settle();
  assert.deepEqual(network.last.server.view, { list: ["login", "and then", "next"], n: 4 });
});

test("a secret message that is not lost with its page is sent, and sent again", async () => {
  const socket = open();
  await rest();
  socket.send("password: hunter2", { secret: true });
  assert.deepEqual(network.last.server.inbox, ["password: hunter2"]);
  network.last.end(1006);
  await pass(100);
  assert.deepEqual(network.last.server.inbox, ["password: hunter2"]);
});

test("named secrets are kept where the server says, given back, and dropped after their time", async () => {
  open();
  await rest();
  const { server, said } = network.last;
  server.send({ type: "keep", key: "k", token: "sealed", area: "tab", max_age: 60 });
  assert.deepEqual(said.at(-1), { type: "stored", key: "k" });
  server.drain();
  server.send({ type: "restore", key: "k", area: "tab" });
  assert.deepEqual(said.at(-1), { type: "kept", key: "k", token: "sealed" }, "also after flushed");
  server.send({ type: "restore", key: "k", area: "browser" });
  assert.deepEqual(said.at(-1), { type: "kept", key: "k" });
  mock.timers.tick(60_000);
  server.send({ type: "restore", key: "k", area: "tab" });
  assert.deepEqual(said.at(-1), { type: "kept", key: "k" });
  server.send({ type: "forget", key: "k", area: "tab" });
  assert.deepEqual(said.at(-1), { type: "stored", key: "k" });
});

test("a named secret that storage has no room for is kept in memory", async () => {
  open();
  await rest();
  tab.session.quota = 10;
  network.last.server.send({ type: "keep", key: "k", token: "sealed", area: "tab", max_age: 60 });
  network.last.server.send({ type: "restore", key: "k", area: "tab" });
  assert.deepEqual(network.last.said.at(-1), { type: "kept", key: "k", token: "sealed" });
});

test("url puts simple state into the page's address, and takes it out", async () => {
  open();
  await rest();
  network.last.server.send({ type: "url", params: { step: null, tab: "b c" } });
  assert.equal(tab.href, "https://shop.example/checkout/1?tab=b+c");
});

test("clear tells the forms, and up to which message of which socket it counts; an older server does not say", async () => {
  const { name } = open();
  await rest();
  network.last.server.send({ type: "clear", form: "profile" });
  assert.equal(page.forms.calls.at(-1), "clear profile");
  network.last.server.send({ type: "clear", form: "profile", number: 0 });
  assert.equal(page.forms.calls.at(-1), `clear profile ["${name}",0]`);
});

test("the forms hear whenever a socket's messages are counted anew", async () => {
  const { name } = open();
  await rest();
  assert.deepEqual(page.forms.renumbered, [name], "a view begins");
  network.last.end(1006);
  await pass(10_000);
  assert.deepEqual(page.forms.renumbered, [name], "a connection is replaced");
  const limits = { message: 1000, mount: 5000 };
  network.mood = "hang";
  network.last.end(1006);
  await pass(200);
  network.last.deaf = true;
  network.last.accept();
  await rest();
  network.last.hear(serialise({ type: "mounted", status: "rejected", reason: "expired", received: 0, build: "b1", limits, token: "{}" }));
  assert.deepEqual(page.forms.renumbered, [name, name], "its token was rejected");
});

test("trace 19: reload stashes everything and reloads, at most once per tab and build", async () => {
  for (const expected of [1, 1]) {
    const socket = open();
    const heard = record(socket);
    await rest();
    const reloads = tab.reloads;
    network.last.server.send({ type: "reload", reason: "stale" });
    await rest();
    assert.equal(tab.reloads, expected);
    assert.deepEqual(heard.at(-1), { type: "stale", reason: "stale", reloads: reloads === 0 });
    page.fire("pagehide");
    page = tab.load();
  }
});

test("a page that would rather reload by itself can", async () => {
  const socket = open();
  await rest();
  socket.addEventListener("stale", (event) => event.preventDefault());
  network.last.server.send({ type: "reload", reason: "stale" });
  await rest();
  assert.equal(tab.reloads, 0);
});

test("a drain whose next socket hangs is answered soon, and what is sent until then is still handled", async () => {
  const socket = open();
  await rest();
  const [old] = network.sockets;
  network.mood = "hang";
  old?.server.drain();
  await rest();
  socket.send("still handled here");
  await pass(990);
  assert.deepEqual(old?.said.at(-1), { message: "still handled here" });
  await pass(20);
  assert.deepEqual(old?.said.at(-1), { type: "flushed", sent: 1 });
});

test("a drain whose deadline is short is answered before it, whether or not the next socket is open", async () => {
  open();
  await rest();
  const [old] = network.sockets;
  network.mood = "hang";
  old?.server.drain(200);
  await pass(199);
  assert.deepEqual(old?.said.at(-1), { type: "flushed", sent: 0 });
});

test("what a page waited for in an earlier drain does not hold up a later one", async () => {
  const socket = open();
  await rest();
  /** @type {(value?: unknown) => void} */
  let saved = () => {};
  const wait = (/** @type {Event} */ event) => /** @type {any} */ (event).waitUntil(new Promise((done) => (saved = done)));
  socket.addEventListener("drain", wait, { once: true });
  network.last.server.drain();
  await pass(8000);
  network.sockets[0]?.server.settle();
  await rest();
  const second = network.last;
  network.mood = "hang";
  second.server.drain();
  saved();
  await pass(1000);
  assert.deepEqual(second.said.at(-1), { type: "flushed", sent: 0 });
});

for (const mood of /** @type {const} */ (["refuse", "hidden"])) {
  test(`a drain is answered at once: ${mood}`, async () => {
    open();
    await rest();
    const [old] = network.sockets;
    network.mood = mood === "refuse" ? "refuse" : "hang";
    if (mood === "hidden") page.turn("hidden");
    old?.server.drain();
    await rest();
    assert.deepEqual(old?.said.at(-1), { type: "flushed", sent: 0 });
  });
}

test("forms that fail hold up neither a drain nor a mount", async () => {
  const fail = () => {
    throw new Error("a form's");
  };
  Object.assign(page.forms, { flush: fail, pairs: fail, restore: fail });
  open();
  await rest();
  network.last.server.drain();
  await rest();
  assert.equal(network.sockets[0]?.said.at(-1).type, "flushed");
  network.sockets[0]?.server.settle();
  assert.equal(network.last.said[0].type, "mount");
  assert.ok(complaints.splice(0).every((error) => /** @type {Error} */ (error).message === "a form's"));
});

test("what forms tell is told by the socket", async () => {
  const heard = record(open());
  page.forms.dispatchEvent(new CustomEvent("restored", { detail: { form: "f", field: "a", outcome: "restored" } }));
  assert.deepEqual(heard, [{ type: "restored", form: "f", field: "a", outcome: "restored" }]);
});

test("two sockets of one page have two slots, the same ones after a reload", async () => {
  const slots = () => [...tab.session.items.keys()].filter((key) => key.includes("|view:"));
  open().send("1");
  open().send("2");
  open({ name: "chat" }).send("3");
  const names = slots();
  assert.equal(new Set(names).size, 3);
  page.fire("pagehide");
  page = tab.load();
  const sockets = [open(), open(), open({ name: "chat" })];
  assert.deepEqual(sockets.map((socket) => socket.stats.sent), [1, 1, 1]);
  assert.deepEqual(slots(), names);
});

/** A Blob that is read when the test says so. */
class SlowBlob extends Blob {
  /** @type {(buffer: ArrayBuffer) => void} */
  done = () => {};
  /** @type {(error: Error) => void} */
  fail = () => {};

  /** @override */
  arrayBuffer() {
    return new Promise((/** @type {(buffer: any) => void} */ done, fail) => {
      this.done = () => done(new TextEncoder().encode("blob").buffer);
      this.fail = fail;
    });
  }
}

/** @param {SlowBlob} blob */
const read = async (blob) => {
  blob.done(new ArrayBuffer(0));
  await rest();
};

test("a blob takes its number at once, and what is sent after it is stored at once and goes out after it", async () => {
  const socket = open();
  await rest();
  const [one, two] = [new SlowBlob(["blob"]), new SlowBlob(["blob"])];
  for (const data of ["before", one, "between", two, "after"]) socket.send(data);
  assert.deepEqual(stored()[0].outbox, ["before", null, "between", null, "after"]);
  assert.deepEqual(network.last.said.slice(1), [{ message: "before" }]);
  assert.equal(socket.bufferedAmount, 4 + 7 + 4 + 5);
  await read(two);
  assert.equal(network.last.said.length, 2);
  await read(one);
  const bytes = new TextEncoder().encode("blob");
  const messages = network.last.said.slice(1).map(({ message }) => message);
  assert.deepEqual(messages, ["before", bytes, "between", bytes, "after"]);
  assert.deepEqual(stored()[0].outbox, ["before", { b: btoa("blob") }, "between", { b: btoa("blob") }, "after"]);
});

test("a page that goes away while it reads a blob keeps what it sent after it, and the blob's number", async () => {
  const socket = open();
  await rest();
  socket.send(new SlowBlob(["blob"]));
  socket.send("after");
  page.fire("pagehide");
  page = tab.load();
  open();
  await rest();
  assert.deepEqual(network.last.said.slice(1), [{ type: "void", number: 1 }, { message: "after" }]);
});

test("a blob that is being read when its view is finished is lost, and the page hears it", async () => {
  const socket = open();
  const heard = record(socket);
  await rest();
  const blob = new SlowBlob(["blob"]);
  socket.send(blob);
  socket.send("after");
  network.last.server.send({ type: "finished", received: 0 });
  await read(blob);
  assert.deepEqual(heard.at(-2), { type: "lost", numbers: [1, 2], messages: [blob, "after"] });
});

test("a blob that can't be read is void, and the page hears it", async () => {
  const socket = open();
  const heard = record(socket);
  await rest();
  const blob = new SlowBlob(["blob"]);
  socket.send(blob);
  socket.send("after");
  blob.fail(new Error("the file has changed"));
  await rest();
  assert.deepEqual(heard.at(-1), { type: "failed", number: 1, data: blob });
  assert.deepEqual(network.last.said.slice(1), [{ type: "void", number: 1 }, { message: "after" }]);
  assert.equal(complaints.splice(0).length, 1);
});

test("a hand-over whose deadline passes while a blob is read says what was on the wire, and the blob goes to the next", async () => {
  const socket = open();
  await rest();
  const { last } = network;
  const blob = new SlowBlob(["blob"]);
  socket.send("before");
  socket.send(blob);
  last.server.drain(9000);
  await pass(8000);
  assert.deepEqual(last.said.slice(2), [{ type: "flushed", sent: 1 }]);
  last.server.settle();
  await rest();
  await read(blob);
  assert.equal(network.sockets.length, 2);
  network.last.server.settle();
  assert.deepEqual(network.last.server.view.n, 2);
});
