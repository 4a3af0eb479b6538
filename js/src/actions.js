/**
 * The actions of the client's machine: what each event does to a view. Pure.
 *
 * An action adds to the effects, and may return the next state where its row names more than one.
 */

import { isFilled } from "./view.js";

/** @typedef {(my: import("./view.js").View, event: any, effects: import("./machine.js").Effect[]) =>
 *   import("./machine.js").State | void} Action */

/** Ends of a connection that end the view: nothing mends them but loading the page anew. */
export const STOP = new Set([1002, 1008]);
/** What this side says at a breach of the protocol: browsers may not say 1002. */
const BREACH = 4002;

/**
 * @param {import("./view.js").View} my
 * @param {number} received
 * @returns {boolean} whether a server can't have received so many messages on this connection
 */
const isOff = (my, received) => received < my.outbox.received || received > my.wired;

/**
 * Store the messages, and send them if their time has come.
 *
 * @param {import("./view.js").View} my
 * @param {import("./machine.js").Effect[]} effects
 */
function advance(my, effects) {
  effects.push({ do: "store" });
  if (my.state === "live" || my.state === "draining") my.transmit(effects);
}

/** @type {Action} */
export function queue(my, { data, secret }, effects) {
  my.outbox.add(data, secret);
  advance(my, effects);
}

/** @type {Action} */
export function read(my, { blob, data }, effects) {
  for (const entry of my.outbox.after()) {
    if (entry.data !== blob) continue;
    entry.data = data;
    if (data === null) effects.push({ do: "page", event: { event: "failed", number: entry.number, data: blob } });
  }
  advance(my, effects);
}

/** @type {Action} */
export function offer(my, { conn }, effects) {
  if (my.next !== null && my.next !== conn) effects.push({ do: "close", conn: my.next });
  my.next = conn;
  if (my.state === "waiting" || my.state === "handed") effects.push({ do: "mount", conn });
}

/** @type {Action} */
export function surplus(_, { conn }, effects) {
  effects.push({ do: "close", conn });
}

/** @type {Action} */
export function mount(my, event, effects) {
  if (my.conn !== null) effects.push({ do: "retire", conn: my.conn });
  if (my.next !== null && my.next !== event.conn) effects.push({ do: "close", conn: my.next });
  my.conn = event.conn;
  my.next = null;
  my.wired = my.outbox.received;
  my.taken = undefined;
  const frame = my.mountFrame(event);
  for (const what of /** @type {const} */ (["forms", "params"])) {
    if (isFilled(event[what]) && !(what in frame)) effects.push({ do: "page", event: { event: "oversize", what } });
  }
  my.say(frame, effects);
}

/** @type {Action} */
export function mounted(my, frame, effects) {
  const { status, received } = frame;
  const renewed = status === "rejected" || (status === "fresh" && my.token !== null);
  // What no token covers is not received, whatever a server says of it.
  if (!renewed && isOff(my, received)) return breach(my, frame, effects);
  const lost = renewed ? my.outbox.reset(received) : [];
  my.outbox.trim(received);
  if (frame.token !== undefined || renewed) my.token = frame.token ?? null;
  my.fork = false;
  my.refused = 0;
  my.deferred = null;
  my.delay = 0;
  my.wired = received;
  const { type: _, token: __, ...known } = frame;
  effects.push({ do: "store" }, { do: "page", event: { event: "mounted", ...known } });
  my.lose(lost, effects);
  my.transmit(effects);
}

/** @type {Action} */
export function token(my, frame, effects) {
  const { received, token, final } = frame;
  if (isOff(my, received)) return breach(my, frame, effects);
  my.token = token;
  my.outbox.trim(received);
  effects.push({ do: "store" });
  if (!final || my.state === "live") return;
  my.say({ type: "synced", received }, effects);
  effects.push({ do: "page", event: { event: "synced", received } });
  return release(my, frame, effects);
}

/** The next connection may be mounted. @type {Action} */
export function release(my, _, effects) {
  if (my.next !== null) effects.push({ do: "mount", conn: my.next });
  return "handed";
}

/** @type {Action} */
export function drain(my, frame, effects) {
  const { deadline, delay } = frame;
  const conn = Number(my.conn);
  my.delay = delay;
  // Make before break: the next socket opens while the page and the handler finish.
  effects.push(
    { do: "open", wait: null },
    { do: "deadline", conn, after: deadline },
    { do: "page", event: { event: "drain", conn, deadline } },
  );
}

/** @type {Action} */
export function flush(my, _, effects) {
  my.say({ type: "flushed", sent: my.wired }, effects);
}

/** @type {Action} */
export function deliver(_, { message }, effects) {
  effects.push({ do: "page", event: { event: "message", data: message } });
}

/** @type {Action} */
export function secret(my, frame, effects) {
  effects.push({ do: "secret", conn: Number(my.conn), frame });
}

/** @type {Action} */
export function answer(my, { frame }, effects) {
  my.say(frame, effects);
}

/** A handler begins with a message that was replayed to it. @type {Action} */
export function taken(my, { number }) {
  my.taken = number;
}

/** @type {Action} */
export function failed(my, { number }, effects) {
  my.outbox.void(number);
  effects.push({ do: "store" }, { do: "page", event: { event: "failed", number } });
}

/** @type {Action} */
export function finished(my, frame, effects) {
  const { received } = frame;
  if (isOff(my, received)) return breach(my, frame, effects);
  my.outbox.trim(received);
  const lost = my.outbox.reset(my.outbox.received);
  my.token = null;
  effects.push({ do: "forget" });
  my.end(effects, 1000, "", 1000);
  // Last, so that a listener may send them to a new view from here.
  my.lose(lost, effects);
}

/** The page's to do. @type {Action} */
export function relay(_, { type, ...rest }, effects) {
  effects.push({ do: type, ...rest });
}

/** @type {Action} */
export function reload(_, { reason }, effects) {
  effects.push({ do: "store" }, { do: "reload", reason });
}

/** @type {Action} */
export function ping(my, _, effects) {
  my.say({ type: "ping" }, effects);
}

/** @type {Action} */
export function ended(my, { code, reason = "", now = 0 }, effects) {
  my.conn = null;
  if (STOP.has(code)) {
    my.end(effects, code, reason);
    return "over";
  }
  if (code === 4409) my.deferred ??= now;
  // A process that crashes may have died of the message in hand; a frame that is too large will be so again.
  if (code === 1006) my.strike(my.taken, effects);
  if (code === 1009 && my.state === "mounting") my.refused += 1;
  else if (code === 1009) my.strike(my.outbox.received + 1, effects);
  my.wired = my.outbox.received;
  effects.push(my.next === null ? { do: "open", wait: 0 } : { do: "mount", conn: my.next });
  return "waiting";
}

/** An attempt to connect has failed, or a connection that nobody needs any more has ended. @type {Action} */
export function lapse(my, { conn }, effects) {
  if (conn === my.next) {
    my.next = null;
    effects.push({ do: "open", wait: 0 }); // who was let in was not refused
  } else if (my.next === null) {
    effects.push({ do: "open", wait: my.delay });
  }
}

/** @type {Action} */
export function park(my, _, effects) {
  my.close(effects);
  my.wired = my.outbox.received;
  my.copied = my.outbox.sent;
  effects.push({ do: "store" });
}

/** @type {Action} */
export function fork(my, _, effects) {
  my.outbox.drop(my.copied);
  my.fork = my.token !== null;
  effects.push({ do: "store" });
}

/** @type {Action} */
export function quit(my, { code, reason = "" }, effects) {
  my.end(effects, code ?? 1005, reason, code);
}

/** @type {Action} */
export function breach(my, frame, effects) {
  const why = frame === null ? "what the server said is no frame" : `\`${frame.type ?? "message"}\` of the server is out of place`;
  my.end(effects, 1002, why, BREACH);
  return "over";
}

/** @type {Action} */
export function ignore() {}
