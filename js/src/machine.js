/**
 * The client's half of the protocol, for one view over all its connections, as one transition table. Pure.
 *
 * `handle` takes what happened in the page or to a connection, `receive` a frame of the server tagged with the connection
 * it came from. Both return effects for the shell to carry out in order: frames to send, what to store, sockets to open and
 * close, events for the page. The machine does no I/O and knows no clock. Whatever a server says, it never throws: a breach
 * of the protocol ends the view's connection. A stimulus that a state has no row for comes too late, and changes nothing.
 */

import * as act from "./actions.js";
import { View } from "./view.js";

/** @typedef {import("./frames.js").Data} Data */
/** @typedef {import("./frames.js").UpFrame} UpFrame */
/** @typedef {import("./frames.js").DownFrame} DownFrame */
/** @typedef {import("./frames.js").Pairs} Pairs */
/** @typedef {import("./frames.js").Names} Names */
/** @typedef {"waiting" | "mounting" | "live" | "draining" | "flushed" | "handed" | "over"} State */
/** @typedef {import("./view.js").Snapshot} Snapshot what a slot holds */
/** @typedef {{ conn: number, params?: object, forms?: Pairs, empty?: Names, page?: string, build?: string, identity?: string, now?: number }} Connect */
/**
 * What happens on this side. `open`: a connection is open, and may be mounted when its time has come. `connect`: mount
 * it. `read`: a blob has been read; `null` if it can't be. `hooks`: the page's drain hooks have settled. `deadline`: the
 * time for the drain is up. `answer`: a named secret has been dealt with. `end`: a connection has ended. `park`: the page
 * goes away, maybe for good. `fork`: another tab owns what
 * this one was loaded with. `quit`: the page closes the socket.
 *
 * @typedef {{ do: "open", conn: number }
 *   | ({ do: "connect" } & Connect)
 *   | { do: "send", data: Data | Blob, secret?: boolean }
 *   | { do: "read", blob: Blob, data: Data | null }
 *   | { do: "hooks" | "deadline", conn?: number }
 *   | { do: "answer", conn: number, frame: UpFrame }
 *   | { do: "end", conn: number, code: number, reason?: string, now?: number }
 *   | { do: "ping" | "park" | "fork" }
 *   | { do: "quit", code?: number, reason?: string }} Stimulus
 */
/**
 * What is to be done. `store`: write the snapshot to the slot; `forget`: remove it. `open`: see that a connection opens,
 * at once or, after a failure, with full jitter after so many ms. `mount`: collect params and forms, then say `connect`.
 * `deadline`: say so after so many ms. `retire`: the server closes this connection; see that it does. `over`: the view's
 * connection has ended for good.
 *
 * @typedef {{ event: string, [field: string]: any }} PageEvent
 * @typedef {{ do: "frame", conn: number, frame: UpFrame }
 *   | { do: "store" | "forget" }
 *   | { do: "open", wait: number | null }
 *   | { do: "mount" | "retire", conn: number }
 *   | { do: "deadline", conn: number, after: number }
 *   | { do: "close", conn: number, code?: number, reason?: string }
 *   | { do: "secret", conn: number, frame: import("./frames.js").KeepFrame | import("./frames.js").KeyFrame }
 *   | { do: "clear", form: string, number?: number }
 *   | { do: "url", params: { [name: string]: string | null } }
 *   | { do: "reload", reason: string }
 *   | { do: "over", code: number, reason: string }
 *   | { do: "page", event: PageEvent }} Effect
 */

/** @typedef {[act.Action, ...State[]]} Row an action, then the states it may go to: the first, unless it says otherwise */

/**
 * @param {State} state
 * @returns {{ [event: string]: Row }} what all states but the last share
 */
const always = (state) => ({
  send: [act.queue, state],
  read: [act.read, state],
  park: [act.park, "waiting"],
  quit: [act.quit, "over"],
});

/**
 * @param {State} state
 * @returns {{ [event: string]: Row }} what all states with a connection share
 */
const connected = (state) => ({
  ...always(state),
  ping: [act.ping, state],
  pong: [act.ignore, state],
  reload: [act.reload, state],
  end: [act.ended, "waiting", "over"],
  breach: [act.breach, "over"],
});

/**
 * @param {State} state
 * @returns {{ [event: string]: Row }} what all mounted states share
 */
const mounted = (state) => ({
  ...connected(state),
  message: [act.deliver, state],
  token: [act.token, state, "over"],
  keep: [act.secret, state],
  restore: [act.secret, state],
  forget: [act.secret, state],
  answer: [act.answer, state],
  taken: [act.taken, state],
  failed: [act.failed, state],
  finished: [act.finished, "over"],
  clear: [act.relay, state],
  url: [act.relay, state],
});

/**
 * @param {State} state
 * @returns {{ [event: string]: Row }} what all states share in which the server is leaving
 */
const leaving = (state) => ({
  ...mounted(state),
  token: [act.token, state, "handed", "over"],
  drain: [act.ignore, state],
  open: [act.offer, state],
  lapse: [act.lapse, state],
  deadline: [act.release, "handed"],
});

/** @type {{ [state in State]: { [event: string]: Row } }} */
export const TABLE = {
  // No connection is mounted.
  waiting: {
    ...always("waiting"),
    open: [act.offer, "waiting"],
    lapse: [act.lapse, "waiting"],
    connect: [act.mount, "mounting"],
    fork: [act.fork, "waiting"],
  },
  // `mount` is sent, its answer is on the way.
  mounting: {
    ...connected("mounting"),
    open: [act.surplus, "mounting"],
    mounted: [act.mounted, "live", "over"],
  },
  live: {
    ...mounted("live"),
    drain: [act.drain, "draining"],
    open: [act.surplus, "live"],
  },
  // `drain` has come, the page's hooks run.
  draining: {
    ...leaving("draining"),
    hooks: [act.flush, "flushed"],
  },
  // `flushed` is sent; what is sent from now on waits for the next connection.
  flushed: leaving("flushed"),
  // The final token is stored, or its time is up: the next connection may be mounted.
  handed: {
    ...leaving("handed"),
    connect: [act.mount, "mounting"],
  },
  over: {},
};

export class Machine extends View {
  /**
   * @param {Stimulus} event
   * @returns {Effect[]} what is to be done about it, in order
   */
  handle(event) {
    if (event.do === "end" && event.conn !== this.conn) return this.#apply("lapse", event);
    const { conn } = /** @type {{ conn?: number }} */ (event);
    const tagged = event.do === "hooks" || event.do === "deadline" || event.do === "answer";
    return tagged && conn !== undefined && conn !== this.conn ? [] : this.#apply(event.do, event);
  }

  /**
   * @param {number} conn the connection it came from
   * @param {DownFrame | null} frame `null` if it could not be parsed
   * @returns {Effect[]} what is to be done about it, in order
   */
  receive(conn, frame) {
    // Once another connection is being mounted, whatever an older one still says is void.
    if (conn !== this.conn) return [];
    const name = frame === null ? "breach" : (frame.type ?? "message");
    return this.#apply(Object.hasOwn(TABLE[this.state], name) ? name : "breach", frame);
  }

  /**
   * @param {string} name
   * @param {any} event
   * @returns {Effect[]}
   */
  #apply(name, event) {
    /** @type {View} */
    const view = this;
    const row = TABLE[view.state][name];
    if (row === undefined) return [];
    const [action, ...targets] = row;
    /** @type {Effect[]} */
    const effects = [];
    const target = action(view, event, effects) ?? targets[0];
    if (target === undefined || !targets.includes(target)) throw new Error(`no way from ${view.state} to ${target}`);
    view.state = target;
    return effects;
  }
}
