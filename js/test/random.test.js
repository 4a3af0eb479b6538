import assert from "node:assert/strict";
import { test } from "node:test";

import { Machine } from "../src/machine.js";
import { ModelConnection } from "./model.js";

/** @typedef {import("../src/machine.js").Effect} Effect */
/** @typedef {import("../src/machine.js").Stimulus} Stimulus */
/** @typedef {{ id: number, up: any[], down: any[], server: ModelConnection, open: boolean }} Wire */

/** @param {number} seed @returns {() => number} numbers in [0, 1), the same for the same seed */
function generator(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** A page, its storage, and wires to servers that come and go. */
class World {
  machine = new Machine();
  /** @type {string} */
  stored = "null";
  /** @type {Map<number, Wire>} */
  wires = new Map();
  count = 0;
  dialing = false;
  hooks = false;
  sent = 0;
  /** Numbers that were given up. @type {Set<number>} */
  failed = new Set();
  /** Frames put on the wire of a message that was not in storage yet. */
  early = 0;

  /** @param {() => number} random */
  constructor(random) {
    this.random = random;
    this.dialing = true;
  }

  /** @param {Effect[]} effects */
  run(effects) {
    for (const effect of effects) {
      if (effect.do === "frame") {
        if (effect.frame.type === undefined && Number(effect.frame.message) > JSON.parse(this.stored).sent) this.early += 1;
        this.wires.get(effect.conn)?.up.push(effect.frame);
      }
      if (effect.do === "store") {
        const snapshot = this.machine.snapshot();
        this.stored = JSON.stringify(snapshot && { ...snapshot, sent: snapshot.received + snapshot.outbox.length });
      }
      if (effect.do === "open") this.dialing = true;
      if (effect.do === "mount") this.handle({ do: "connect", conn: effect.conn });
      if (effect.do === "close") this.wires.delete(effect.conn);
      if (effect.do === "over") assert.fail(`over: ${effect.code} ${effect.reason}`);
      if (effect.do === "page") {
        const { event, number } = effect.event;
        if (event === "drain") this.hooks = true;
        if (event === "failed") this.failed.add(number);
        assert.notEqual(event, "lost");
      }
    }
  }

  /** @param {Stimulus} stimulus */
  handle(stimulus) {
    this.run(this.machine.handle(stimulus));
  }

  send() {
    this.handle({ do: "send", data: String((this.sent += 1)) });
  }

  /** An attempt to connect comes to its end. @param {boolean} success */
  dial(success) {
    if (!this.dialing) return;
    this.dialing = false;
    const id = (this.count += 1);
    if (!success) return this.handle({ do: "end", conn: id, code: 1006 });
    /** @type {any[]} */
    const down = [];
    const server = new ModelConnection((frame) => down.push(frame), (code) => down.push({ code }));
    server.numbered = true;
    this.wires.set(id, { id, up: [], down, server, open: true });
    this.handle({ do: "open", conn: id });
  }

  /** @param {Wire} wire */
  up(wire) {
    const frame = wire.up.shift();
    if (frame) wire.server.receive(frame);
  }

  /** @param {Wire} wire */
  down(wire) {
    const frame = wire.down.shift();
    if (!frame) return;
    if (frame.code === undefined) return this.run(this.machine.receive(wire.id, frame));
    this.end(wire, frame.code);
  }

  /** @param {Wire} wire @param {number} code */
  end(wire, code) {
    this.wires.delete(wire.id);
    this.handle({ do: "end", conn: wire.id, code });
  }

  settleHooks() {
    if (!this.hooks) return;
    this.hooks = false;
    this.handle({ do: "hooks" });
  }

  reload() {
    this.wires.clear();
    this.machine = new Machine(JSON.parse(this.stored));
    this.dialing = true;
    this.hooks = false;
    assert.equal(this.machine.outbox.sent, this.sent, "storage knows every message");
  }

  step() {
    const { random } = this;
    const wires = [...this.wires.values()];
    const wire = wires[Math.floor(random() * wires.length)];
    const dice = random();
    if (dice < 0.15) return this.send();
    if (dice < 0.25) return this.dial(random() < 0.7);
    if (dice < 0.3) return this.settleHooks();
    if (dice < 0.31) return this.handle({ do: "deadline" });
    if (dice < 0.315) return this.reload();
    if (dice < 0.32) {
      this.handle({ do: "park" });
      this.dialing = true;
      return;
    }
    if (!wire) return;
    if (dice < 0.55) return this.up(wire);
    if (dice < 0.8) return this.down(wire);
    if (dice < 0.87) return wire.server.take();
    if (dice < 0.93) return wire.server.seal();
    if (dice < 0.96) return wire.server.drain();
    // A cable is cut, or a process killed: what was under way may arrive in part.
    while (random() < 0.5 && wire.up.length > 0) this.up(wire);
    while (random() < 0.5 && wire.down.length > 0 && this.wires.has(wire.id)) this.down(wire);
    if (this.wires.has(wire.id)) this.end(wire, random() < 0.5 ? 1006 : 1012);
  }

  /** No more faults: everything arrives, and the servers do all there is to do. */
  quiesce() {
    for (let round = 0; round < 50; round += 1) {
      this.dial(true);
      this.settleHooks();
      for (const wire of [...this.wires.values()]) {
        while (wire.up.length > 0) this.up(wire);
        wire.server.settle();
        while (wire.down.length > 0 && this.wires.has(wire.id)) this.down(wire);
      }
    }
  }
}

test("through drops, drains, reloads and restarts in any order, each message is received once and in order", () => {
  let [mounts, messages, given] = [0, 0, 0];
  for (let seed = 1; seed <= 400; seed += 1) {
    const world = new World(generator(seed));
    for (let step = 0; step < 300; step += 1) world.step();
    world.quiesce();
    const { machine } = world;
    assert.equal(machine.state, "live", `seed ${seed}`);
    const { server } = /** @type {Wire} */ (world.wires.get(Number(machine.conn)));
    const expected = Array.from({ length: world.sent }, (_, index) => index + 1).filter((n) => !world.failed.has(n));
    assert.deepEqual(server.view.list.map(Number), expected, `seed ${seed}`);
    assert.equal(server.view.n, world.sent, `seed ${seed}`);
    assert.deepEqual(machine.outbox.after(), [], `seed ${seed}: the token covers everything`);
    assert.equal(world.early, 0, `seed ${seed}: stored before sent`);
    mounts += world.count;
    messages += world.sent;
    given += world.failed.size;
  }
  assert.ok(mounts > 4000 && messages > 10_000, `the runs were eventful: ${mounts} connections, ${messages} messages`);
  assert.ok(given < messages / 50, `few messages were given up: ${given}`);
});
