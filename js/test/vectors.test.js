import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { parseDown, parseUp, serialise, wellFormed } from "../src/frames.js";
import { Machine } from "../src/machine.js";

/** @param {string} name */
const load = (name) => JSON.parse(readFileSync(new URL(`../../tests/vectors/${name}.json`, import.meta.url), "utf8"));

const frames = load("frames");
for (const [direction, parse] of /** @type {const} */ ([["up", parseUp], ["down", parseDown]])) {
  test(`every valid ${direction} frame of the vectors means what they say`, () => {
    for (const { text, frame } of frames[direction].valid) assert.deepEqual(parse(text), frame, text);
  });
  test(`a serialised ${direction} frame parses to itself`, () => {
    for (const { frame } of frames[direction].valid) {
      assert.deepEqual(parse(/** @type {string} */ (serialise(frame))), frame);
    }
  });
  test(`every invalid ${direction} frame of the vectors is refused`, () => {
    for (const { text } of frames[direction].invalid) assert.equal(parse(text), null, text);
  });
}

test("what can be read of a mount is what the vectors say", () => {
  for (const { text, frame } of frames.up.salvaged) assert.deepEqual(parseUp(text), frame, text);
});

test("what leaves the page is well-formed, names and values, and what only looks like half a pair stays", () => {
  const half = { type: "mount", sent: 0, params: { "a\ud83d": ["\udc00", "\\ud83d", "😀", "\ud83d\ud83d\ude00"] }, token: "\ud800" };
  const wire = serialise(/** @type {any} */ (half));
  assert.ok(/** @type {any} */ (wire).isWellFormed?.() ?? true);
  assert.doesNotMatch(/** @type {string} */ (wire).replace(/\\\\/g, ""), /\\ud/);
  const mended = { type: "mount", sent: 0, params: { "a\ufffd": ["\ufffd", "\\ud83d", "😀", "\ufffd😀"] }, token: "\ufffd" };
  assert.deepEqual(JSON.parse(/** @type {string} */ (wire)), mended);
  assert.equal(wellFormed("x\ud83d\ud83d\ude00\udc00"), "x\ufffd😀\ufffd");
});

test("a binary message is its payload behind one byte, and any other binary frame is refused", () => {
  const wire = /** @type {Uint8Array<ArrayBuffer>} */ (serialise({ message: new Uint8Array([1, 2]) }));
  assert.deepEqual([...wire], [0x3d, 1, 2]);
  assert.deepEqual(parseDown(wire.buffer), { message: new Uint8Array([1, 2]) });
  assert.equal(parseDown(new Uint8Array([1, 2]).buffer), null);
  assert.equal(parseDown(new ArrayBuffer(0)), null);
});

test("a frame's type is looked up among the frames alone", () => {
  for (const type of ["__proto__", "constructor", "toString"]) assert.equal(parseDown(JSON.stringify({ type })), null);
});

/** Plays one conversation against the client's machine. */
class Player {
  machine = new Machine();
  conn = 0;
  /** @type {object[]} */
  up = [];
  /** @type {object[]} */
  page = [];

  /** @param {import("../src/machine.js").Effect[]} effects */
  take(effects) {
    for (const effect of effects) {
      if (effect.do === "frame") this.up.push(effect.frame);
      if (effect.do === "page") this.page.push(effect.event);
    }
  }

  /** @param {any} step */
  play(step) {
    if (step.client?.do === "connect") this.conn += 1;
    if (step.client) this.take(this.machine.handle({ conn: this.conn, ...step.client }));
    if (step.down) this.take(this.machine.receive(this.conn, step.down));
    if (step.close) this.take(this.machine.handle({ do: "end", conn: this.conn, code: step.close }));
    if (step.up) assert.deepEqual(this.up.shift(), step.up);
    if (step.page) {
      const event = /** @type {any} */ (this.page.shift());
      // The page is told more than the vectors say.
      assert.deepEqual(Object.fromEntries(Object.keys(step.page).map((key) => [key, event?.[key]])), step.page);
    }
  }
}

for (const { name, steps } of load("machine")) {
  test(`conversation: ${name}`, () => {
    const player = new Player();
    for (const step of steps) player.play(step);
    assert.deepEqual(player.up, [], "frames left over");
    assert.deepEqual(player.page, [], "page events left over");
  });
}

const merge = load("merge");

/** @param {any} vector a client that holds what the vector says */
function holder({ token, sent }) {
  const received = token?.received ?? 0;
  const outbox = Array.from({ length: sent - received }, (_, index) => `message ${received + index + 1}`);
  return new Machine({ token: token && "T", received, outbox });
}

// Fewer messages than the token covers: no client of ours can say that.
for (const vector of merge.cases.filter((/** @type {any} */ { token, sent }) => sent >= (token?.received ?? 0))) {
  const { name, token, params, sent, fork, expect } = vector;
  test(`mount: ${name}`, () => {
    const machine = holder(vector);
    const held = machine.outbox.snapshot().length;
    if (fork) machine.handle({ do: "fork" });
    const [mount] = sentBy(machine.handle({ do: "connect", conn: 1, params }));
    const forked = fork && token !== null && { fork: true };
    assert.deepEqual(mount, { type: "mount", sent, params, ...(token && { token: "T" }), ...forked });
    if (expect.error === "unjudgeable") {
      machine.handle({ do: "end", conn: 1, code: 4409 });
      assert.equal(machine.snapshot()?.token, "T");
      assert.equal(machine.outbox.snapshot().length, held);
      return;
    }
    const { status, received, view, reason } = expect;
    const effects = machine.receive(1, {
      type: "mounted", status, received, build: "b1", limits: { message: 1000, mount: 5000 },
      ...(reason && { reason }), ...(view === "new" && { token: "N" }),
    });
    const numbers = Array.from({ length: held }, (_, index) => `message ${(token?.received ?? 0) + index + 1}`);
    const lost = effects.flatMap((effect) => (effect.do === "page" && effect.event.event === "lost" ? effect.event.messages : []));
    assert.deepEqual(sentBy(effects).map((frame) => /** @type {any} */ (frame).message), status === "rejected" ? [] : numbers);
    assert.deepEqual(lost, status === "rejected" ? numbers : []);
    assert.equal(machine.snapshot()?.token, view === "new" ? "N" : "T");
  });
}

/** @param {import("../src/machine.js").Effect[]} effects */
function sentBy(effects) {
  return effects.flatMap((effect) => (effect.do === "frame" ? [effect.frame] : []));
}
