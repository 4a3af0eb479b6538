import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { parseDown, parseUp, serialise } from "../src/frames.js";
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
