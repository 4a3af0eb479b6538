import assert from "node:assert/strict";
import { test } from "node:test";

import { Backoff } from "../src/backoff.js";
import { Machine, TABLE } from "../src/machine.js";

/** @typedef {import("../src/machine.js").Effect} Effect */

const MOUNTED = /** @type {const} */ ({ type: "mounted", received: 0, build: "b1", limits: { message: 9, mount: 9 } });

/** @param {Effect[]} effects */
const frames = (effects) => effects.flatMap((effect) => (effect.do === "frame" ? [effect.frame] : []));
/** @param {Effect[]} effects */
const events = (effects) => effects.flatMap((effect) => (effect.do === "page" ? [effect.event] : []));

/** @param {import("../src/machine.js").Snapshot} [snapshot] */
function live(snapshot) {
  const machine = new Machine(snapshot);
  machine.handle({ do: "connect", conn: 1 });
  const status = snapshot?.token ? "restored" : "fresh";
  machine.receive(1, { ...MOUNTED, status, token: "T0", received: snapshot?.received ?? 0 });
  return machine;
}

test("every state that a row names exists, and no row leads out of the last one", () => {
  for (const rows of Object.values(TABLE)) {
    for (const [, ...targets] of Object.values(rows)) for (const target of targets) assert.ok(target in TABLE);
  }
  assert.deepEqual(TABLE.over, {});
});

test("trace 19: a replayed message that was in hand at three crashes becomes failed and void", () => {
  const machine = new Machine();
  machine.handle({ do: "send", data: "poison" });
  machine.handle({ do: "send", data: "good" });
  /** @type {Effect[]} */
  let effects = [];
  for (const [conn, code] of [[1, 1006], [2, 1006], [3, 1012], [4, 1011], [5, 1006], [6, 1006]].map((pair) => pair.map(Number))) {
    assert.deepEqual(events(effects), []);
    machine.handle({ do: "connect", conn: Number(conn) });
    machine.receive(Number(conn), { ...MOUNTED, status: conn === 1 ? "fresh" : "restored", ...(conn === 1 && { token: "T0" }) });
    if (conn !== 1) machine.receive(Number(conn), { type: "taken", number: 1 });
    effects = machine.handle({ do: "end", conn: Number(conn), code: Number(code) });
  }
  assert.deepEqual(events(effects), [{ event: "failed", number: 1, data: "poison" }]);
  assert.deepEqual(machine.snapshot(), { token: "T0", received: 0, outbox: [null, "good"] });
  machine.handle({ do: "connect", conn: 7 });
  effects = machine.receive(7, { ...MOUNTED, status: "restored" });
  assert.deepEqual(frames(effects), [{ type: "void", number: 1 }, { message: "good" }]);
});

test("a message that was on the wire, but not in hand, is not to blame, however often servers are killed", () => {
  const machine = live();
  machine.handle({ do: "send", data: "a" });
  for (let conn = 1; conn < 9; conn += 1) {
    assert.deepEqual(events(machine.handle({ do: "end", conn, code: 1006 })), []);
    machine.handle({ do: "connect", conn: conn + 1 });
    machine.receive(conn + 1, { ...MOUNTED, status: "restored" });
  }
});

test("trace 19: a message that is too large becomes failed and void at the third refusal", () => {
  const machine = live();
  machine.handle({ do: "send", data: "huge" });
  for (let conn = 1; conn < 3; conn += 1) {
    assert.deepEqual(events(machine.handle({ do: "end", conn, code: 1009 })), []);
    machine.handle({ do: "connect", conn: conn + 1 });
    machine.receive(conn + 1, { ...MOUNTED, status: "restored" });
  }
  assert.deepEqual(events(machine.handle({ do: "end", conn: 3, code: 1009 })), [{ event: "failed", number: 1, data: "huge" }]);
});

test("a message is not to blame for an end that came before it was on the wire", () => {
  const machine = new Machine();
  machine.handle({ do: "send", data: "a" });
  for (let conn = 1; conn < 9; conn += 1) {
    machine.handle({ do: "connect", conn });
    assert.deepEqual(events(machine.handle({ do: "end", conn, code: 1006 })), []);
  }
});

test("progress clears the message that was first", () => {
  const machine = live();
  for (let conn = 1; conn < 9; conn += 1) {
    machine.handle({ do: "send", data: "x" });
    machine.receive(conn, { type: "token", received: conn, token: `T${conn}` });
    machine.handle({ do: "send", data: "y" });
    assert.deepEqual(events(machine.handle({ do: "end", conn, code: 1006 })), []);
    machine.handle({ do: "connect", conn: conn + 1 });
    machine.receive(conn + 1, { ...MOUNTED, status: "restored", received: conn });
  }
});

test("a message that failed without a token to cover it is void from then on", () => {
  const machine = live();
  machine.handle({ do: "send", data: "a" });
  machine.receive(1, { type: "failed", number: 1 });
  assert.deepEqual(machine.snapshot()?.outbox, [null]);
});

test("trace 4: a token that nobody can judge is kept for a minute, then mounted anyway", () => {
  const machine = live();
  let now = 0;
  machine.handle({ do: "end", conn: 1, code: 1012, now });
  for (let conn = 2; conn < 9; conn += 1, now += 20_000) {
    const [frame] = frames(machine.handle({ do: "connect", conn, now }));
    assert.equal(/** @type {any} */ (frame).anyway, now >= 60_000 ? true : undefined);
    assert.equal(/** @type {any} */ (frame).token, "T0");
    machine.handle({ do: "end", conn, code: 4409, now });
  }
  machine.handle({ do: "connect", conn: 9, now });
  machine.receive(9, { ...MOUNTED, status: "restored" });
  machine.handle({ do: "end", conn: 9, code: 1012, now });
  assert.equal(/** @type {any} */ (machine.mountFrame({ conn: 10, now })).anyway, undefined);
});

test("trace 13: an older connection's token trims nothing once another one is mounted: what comes after is replayed", () => {
  const machine = live();
  for (const data of "1234567") machine.handle({ do: "send", data });
  machine.receive(1, { type: "token", received: 5, token: "T5" });
  machine.receive(1, { type: "drain", drain: "d", deadline: 9, delay: 0 });
  machine.handle({ do: "open", conn: 2 });
  machine.handle({ do: "deadline", conn: 1 });
  machine.handle({ do: "connect", conn: 2 });
  const late = /** @type {const} */ ([{ type: "token", received: 7, token: "late" }, { type: "finished", received: 7 }, { message: "late" }]);
  for (const frame of late) assert.deepEqual(machine.receive(1, frame), []);
  machine.receive(2, { ...MOUNTED, status: "restored", received: 5 });
  for (const frame of late) assert.deepEqual(machine.receive(1, frame), []);
  assert.deepEqual(machine.snapshot(), { token: "T5", received: 5, outbox: ["6", "7"] });
  machine.handle({ do: "end", conn: 2, code: 1006 });
  const [mount] = frames(machine.handle({ do: "connect", conn: 3 }));
  assert.deepEqual(mount, { type: "mount", sent: 7, token: "T5" });
  const effects = machine.receive(3, { ...MOUNTED, status: "restored", received: 5 });
  assert.deepEqual(frames(effects), [{ message: "6" }, { message: "7" }]);
});

test("a late stimulus changes nothing", () => {
  const machine = live();
  machine.receive(1, { type: "drain", drain: "d", deadline: 9, delay: 0 });
  machine.handle({ do: "end", conn: 1, code: 1012 });
  for (const stimulus of /** @type {const} */ (["hooks", "deadline"])) {
    assert.deepEqual(machine.handle({ do: stimulus, conn: 1 }), []);
  }
  assert.deepEqual(machine.handle({ do: "answer", conn: 1, frame: { type: "stored", key: "k" } }), []);
  assert.equal(machine.state, "waiting");
});

test("who is refused in a drain waits for the server's delay; who was let in and put out again does not", () => {
  const machine = live();
  machine.receive(1, { type: "drain", drain: "d", deadline: 9, delay: 70 });
  assert.deepEqual(machine.handle({ do: "end", conn: 2, code: 1006 }), [{ do: "open", wait: 70 }]);
  machine.handle({ do: "open", conn: 3 });
  assert.deepEqual(machine.handle({ do: "end", conn: 3, code: 1012 }), [{ do: "open", wait: 0 }]);
  assert.equal(machine.state, "draining");
  machine.handle({ do: "open", conn: 4 });
  machine.handle({ do: "deadline", conn: 1 });
  machine.handle({ do: "connect", conn: 4 });
  assert.deepEqual(machine.handle({ do: "end", conn: 4, code: 1012 }), [{ do: "open", wait: 0 }]);
});

test("a socket that opens when none is wanted is closed", () => {
  assert.deepEqual(live().handle({ do: "open", conn: 2 }), [{ do: "close", conn: 2 }]);
});

test("a token, a mount, an end or a frame that can't be ends the view, and what is stored stays", () => {
  const breaches = /** @type {any[]} */ ([
    null,
    { ...MOUNTED, status: "restored" },
    { type: "token", received: 3, token: "beyond what was sent" },
    { type: "token", received: 0, token: "older than what is held" },
    { type: "finished", received: 3 },
    { type: "finished", received: 0 },
  ]);
  for (const frame of breaches) {
    const machine = live({ token: "T1", received: 1, outbox: ["b"] });
    const before = machine.snapshot();
    const effects = machine.receive(1, frame);
    assert.deepEqual(effects.map((effect) => effect.do), ["close", "over"]);
    assert.deepEqual(machine.snapshot(), before);
  }
  for (const received of [0, 2, 3]) {
    const machine = new Machine({ token: "T1", received: 1, outbox: ["b"] });
    machine.handle({ do: "connect", conn: 1 });
    machine.receive(1, { ...MOUNTED, status: "restored", received });
    assert.equal(machine.state, "over");
  }
});

test("a fork drops what was copied, renumbers what came after, and says so until it is mounted", () => {
  const machine = new Machine({ token: "T2", received: 2, outbox: ["copied"] });
  machine.handle({ do: "send", data: "own" });
  machine.handle({ do: "fork" });
  for (const conn of [1, 2]) {
    const [frame] = frames(machine.handle({ do: "connect", conn }));
    assert.deepEqual(frame, { type: "mount", sent: 3, token: "T2", fork: true });
    if (conn === 1) machine.handle({ do: "end", conn, code: 1006 });
  }
  const effects = machine.receive(2, { ...MOUNTED, status: "restored", received: 2, token: "F2" });
  assert.deepEqual(frames(effects), [{ message: "own" }]);
  assert.equal(/** @type {any} */ (machine.mountFrame({ conn: 3 })).fork, undefined);
});

test("a fork of a view that was never mounted is a fresh view", () => {
  const machine = new Machine({ token: null, received: 0, outbox: ["copied"] });
  machine.handle({ do: "fork" });
  assert.deepEqual(machine.mountFrame({ conn: 1 }), { type: "mount", sent: 0 });
  assert.equal(machine.snapshot(), null);
});

test("messages sent while a token is being refused are lost with the others, not renumbered", () => {
  const machine = new Machine({ token: "T1", received: 1, outbox: ["b"] });
  machine.handle({ do: "connect", conn: 1 });
  machine.handle({ do: "send", data: "c" });
  const effects = machine.receive(1, { ...MOUNTED, status: "rejected", reason: "expired", token: "U0" });
  assert.deepEqual(events(effects)[1], { event: "lost", numbers: [2, 3], messages: ["b", "c"] });
  assert.deepEqual(machine.snapshot(), { token: "U0", received: 0, outbox: [] });
});

test("back-off grows with full jitter up to its cap; after the first failure, over what a server asks for", () => {
  const backoff = new Backoff({ base: 100, cap: 1000, random: () => 0.5 });
  assert.deepEqual([0, 0, 0, 0, 0, 0].map(() => backoff.next()), [50, 100, 200, 400, 500, 500]);
  assert.deepEqual([backoff.next(3000), backoff.next(300)], [1500, 500]);
  backoff.reset();
  assert.deepEqual([3000, 3000, 300].map((delay) => backoff.next(delay)), [500, 1500, 200]);
  backoff.reset();
  assert.equal(backoff.next(80), 50);
});

test("a mount ends the refusals before it; mounts without progress add up", () => {
  const backoff = new Backoff({ base: 100, random: () => 1 });
  const mount = () => (backoff.mounted(), backoff.next());
  assert.equal(mount(), 100);
  for (const wait of [200, 400, 800]) assert.equal(backoff.next(), wait);
  assert.deepEqual([mount(), mount(), mount()], [200, 400, 800]);
  backoff.reset();
  assert.equal(mount(), 100);
});
