/**
 * `node replay.js FILE`: plays transitions that another implementation of the client's machine has made (one JSON object a
 * line: where it stood, what happened, what was to be done, where it stands) and says whether this one makes the same.
 */

import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";

import { Machine } from "./src/machine.js";
import { Outbox } from "./src/outbox.js";

const FIELDS = /** @type {const} */ (["state", "conn", "next", "wired", "taken", "delay", "refused", "deferred", "token", "fork", "copied"]);

/** @param {any} before @returns {Machine} a machine that stands there */
function standing({ received, outbox, ...fields }) {
  const machine = new Machine();
  for (const name of FIELDS) /** @type {any} */ (machine)[name] = fields[name];
  machine.taken = fields.taken ?? undefined;
  machine.outbox = new Outbox(received);
  for (const [data, secret] of outbox) machine.outbox.add(data, secret);
  machine.outbox.after().forEach((entry, index) => (entry.strikes = outbox[index][2]));
  return machine;
}

/** @param {Machine} machine */
function standsNow(machine) {
  const fields = Object.fromEntries(FIELDS.map((name) => [name, machine[name] ?? null]));
  const outbox = machine.outbox.after().map(({ data, secret, strikes }) => [data, secret, strikes]);
  return { ...fields, received: machine.outbox.received, outbox };
}

/** @param {any} value @returns {any} without what says no more than its absence: `undefined`, `null` and empty texts */
function plain(value) {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(([, field]) => field !== undefined && field !== null && field !== "");
  return Object.fromEntries(kept.map(([name, field]) => [name, plain(field)]));
}

let count = 0;
for await (const line of createInterface({ input: createReadStream(String(process.argv[2])) })) {
  const { before, event, effects, after } = JSON.parse(line);
  const machine = standing(before);
  const made = event.do === "receive" ? machine.receive(event.conn, event.frame) : machine.handle(event);
  assert.deepEqual(plain(made), plain(effects), line);
  assert.deepEqual(standsNow(machine), after, line);
  count += 1;
}
assert.ok(count > 0, "no transitions in the file");
console.log(`${count} transitions, and the script makes each of them`);
