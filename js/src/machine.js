/**
 * The client's half of the protocol, for one view over all its connections, as one transition table. Pure.
 *
 * `handle` takes what happened in the page or to a connection, `receive` a frame of the server tagged with the connection
 * it came from. Both return effects for the shell to carry out in order: frames to send, what to store, sockets to open and
 * close, events for the page. The machine does no I/O and knows no clock. Whatever a server says, it never throws: a breach
 * of the protocol ends the view's connection. A stimulus that a state has no row for comes too late, and changes nothing.
 */

import { Outbox } from "./outbox.js";

/** @typedef {import("./frames.js").Data} Data */
/** @typedef {import("./frames.js").UpFrame} UpFrame */
/** @typedef {import("./frames.js").DownFrame} DownFrame */
/** @typedef {import("./frames.js").Pairs} Pairs */
/** @typedef {"waiting" | "mounting" | "live" | "draining" | "flushed" | "handed" | "over"} State */
/** @typedef {{ token: string | null, received: number, outbox: (Data | null)[] }} Snapshot what a slot holds */
/** @typedef {{ conn: number, params?: object, forms?: Pairs, page?: string, build?: string, now?: number }} Connect */
/**
 * What happens on this side. `open`: a connection is open, and may be mounted when its time has come. `connect`: mount
 * it. `hooks`: the page's drain hooks have settled. `deadline`: the time for the drain is up. `answer`: a named secret has
 * been dealt with. `end`: a connection has ended. `park`: the page goes away, maybe for good. `fork`: another tab owns what
 * this one was loaded with. `quit`: the page closes the socket.
 *
 * @typedef {{ do: "open", conn: number }
 *   | ({ do: "connect" } & Connect)
 *   | { do: "send", data: Data, secret?: boolean }
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
 *   | { do: "clear", form: string }
 *   | { do: "url", params: { [name: string]: string | null } }
 *   | { do: "reload", reason: string }
 *   | { do: "over", code: number, reason: string }
 *   | { do: "page", event: PageEvent }} Effect
 */

/** Ends of a connection that a message may be the cause of. */
const ABNORMAL = new Set([1006, 1009, 1011]);
/** Ends of a connection that end the view. */
const STOP = new Set([1002, 1008]);
/** Ends of a connection at which a message that was first in the outbox is given up. */
const STRIKES = 3;
/** Milliseconds after which a token that no process can judge is mounted anyway. */
const PATIENCE = 60_000;
/** What this side says at a breach of the protocol: browsers may not say 1002. */
const BREACH = 4002;

export class Machine {
  /** @type {State} */
  state = "waiting";
  /** The connection that is mounted or being mounted. @type {number | null} */
  conn = null;
  /** The connection that is open and waits to be mounted. @type {number | null} */
  #next = null;
  /** @type {string | null} */
  #token;
  #fork = false;
  /** Number of the newest message that a copy of this tab may hold too. */
  #copied;
  /** Number of the newest message on the wire of `conn`. */
  #wired = 0;
  /** Milliseconds that the last drain asked to wait after a refusal. */
  #delay = 0;
  /** When the first process could not judge the token. @type {number | null} */
  #deferred = null;

  /** @param {Snapshot | null} [snapshot] what the slot held */
  constructor(snapshot) {
    this.#token = snapshot?.token ?? null;
    this.outbox = new Outbox(snapshot?.received, snapshot?.outbox);
    this.#copied = this.outbox.sent;
  }

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

  /** @returns {Snapshot | null} what is to be stored; `null` if there is nothing to keep */
  snapshot() {
    const outbox = this.outbox.snapshot();
    return this.#token === null && outbox.length === 0
      ? null
      : { token: this.#token, received: this.outbox.received, outbox };
  }

  /**
   * @param {Connect} event
   * @returns {UpFrame} the frame that mounts a connection now
   */
  mountFrame({ params, forms, page, build, now }) {
    const anyway = this.#deferred !== null && now !== undefined && now - this.#deferred >= PATIENCE;
    return {
      type: "mount",
      sent: this.outbox.sent,
      ...(params && { params }),
      ...(forms && { forms }),
      ...(this.#token !== null && { token: this.#token }),
      ...(page && { page }),
      ...(build && { build }),
      ...(this.#fork && { fork: true }),
      ...(anyway && { anyway: true }),
    };
  }

  /** @returns {readonly import("./outbox.js").Entry[]} the messages that are on no wire yet */
  unsent() {
    return this.outbox.after(this.#wired);
  }

  /**
   * @param {string} name
   * @param {any} event
   * @returns {Effect[]}
   */
  #apply(name, event) {
    const row = TABLE[this.state][name];
    if (row === undefined) return [];
    const [action, ...targets] = row;
    /** @type {Effect[]} */
    const effects = [];
    const target = action(this, event, effects) ?? targets[0];
    if (target === undefined || !targets.includes(target)) throw new Error(`no way from ${this.state} to ${target}`);
    this.state = target;
    return effects;
  }

  // Actions. Each may return the next state where its row names more than one.

  /** @type {Action} */
  static queue(my, { data, secret }, effects) {
    my.outbox.add(data, secret);
    effects.push({ do: "store" });
  }

  /** @type {Action} */
  static transmit(my, event, effects) {
    Machine.queue(my, event, effects);
    my.#transmit(effects);
  }

  /** @type {Action} */
  static offer(my, { conn }, effects) {
    if (my.#next !== null && my.#next !== conn) effects.push({ do: "close", conn: my.#next });
    my.#next = conn;
    if (my.state === "waiting" || my.state === "handed") effects.push({ do: "mount", conn });
  }

  /** @type {Action} */
  static surplus(_, { conn }, effects) {
    effects.push({ do: "close", conn });
  }

  /** @type {Action} */
  static mount(my, event, effects) {
    if (my.conn !== null) effects.push({ do: "retire", conn: my.conn });
    if (my.#next !== null && my.#next !== event.conn) effects.push({ do: "close", conn: my.#next });
    my.conn = event.conn;
    my.#next = null;
    my.#wired = my.outbox.received;
    effects.push({ do: "frame", conn: event.conn, frame: my.mountFrame(event) });
  }

  /** @type {Action} */
  static mounted(my, frame, effects) {
    const { status, received } = frame;
    const gap = received < my.outbox.received || received > my.outbox.sent;
    const renewed = status !== "restored" && my.#token !== null;
    if (!renewed && gap) return Machine.breach(my, frame, effects);
    const lost = renewed ? my.outbox.reset(received) : [];
    my.outbox.trim(received);
    if (frame.token !== undefined || renewed) my.#token = frame.token ?? null;
    my.#fork = false;
    my.#deferred = null;
    my.#delay = 0;
    my.#wired = received;
    const { type: _, token: __, ...known } = frame;
    effects.push({ do: "store" }, { do: "page", event: { event: "mounted", ...known } });
    my.#lose(lost, effects);
    my.#transmit(effects);
  }

  /** @type {Action} */
  static token(my, frame, effects) {
    const { received, token, final } = frame;
    if (received < my.outbox.received || received > my.#wired) return Machine.breach(my, frame, effects);
    my.#token = token;
    my.outbox.trim(received);
    effects.push({ do: "store" });
    if (!final || my.state === "live") return;
    effects.push({ do: "frame", conn: Number(my.conn), frame: { type: "synced", received } });
    effects.push({ do: "page", event: { event: "synced", received } });
    return Machine.release(my, frame, effects);
  }

  /** The next connection may be mounted. @type {Action} */
  static release(my, _, effects) {
    if (my.#next !== null) effects.push({ do: "mount", conn: my.#next });
    return "handed";
  }

  /** @type {Action} */
  static drain(my, frame, effects) {
    const { deadline, delay } = frame;
    const conn = Number(my.conn);
    my.#delay = delay;
    // Make before break: the next socket opens while the page and the handler finish.
    effects.push({ do: "open", wait: null }, { do: "deadline", conn, after: deadline });
    effects.push({ do: "page", event: { event: "drain", conn, deadline } });
  }

  /** @type {Action} */
  static flush(my, _, effects) {
    effects.push({ do: "frame", conn: Number(my.conn), frame: { type: "flushed", sent: my.outbox.sent } });
  }

  /** @type {Action} */
  static deliver(_, { message }, effects) {
    effects.push({ do: "page", event: { event: "message", data: message } });
  }

  /** @type {Action} */
  static secret(my, frame, effects) {
    effects.push({ do: "secret", conn: Number(my.conn), frame });
  }

  /** @type {Action} */
  static answer(my, { frame }, effects) {
    effects.push({ do: "frame", conn: Number(my.conn), frame });
  }

  /** @type {Action} */
  static failed(my, { number }, effects) {
    my.outbox.void(number);
    effects.push({ do: "store" }, { do: "page", event: { event: "failed", number } });
  }

  /** @type {Action} */
  static finished(my, { received }, effects) {
    my.outbox.trim(received);
    my.#lose(my.outbox.reset(my.outbox.received), effects);
    my.#token = null;
    effects.push({ do: "forget" });
    my.#close(1000, "", effects);
    effects.push({ do: "over", code: 1000, reason: "" });
  }

  /** @type {Action} */
  static clear(_, { form }, effects) {
    effects.push({ do: "clear", form });
  }

  /** @type {Action} */
  static url(_, { params }, effects) {
    effects.push({ do: "url", params });
  }

  /** @type {Action} */
  static reload(_, { reason }, effects) {
    effects.push({ do: "store" }, { do: "reload", reason });
  }

  /** @type {Action} */
  static ping(my, _, effects) {
    effects.push({ do: "frame", conn: Number(my.conn), frame: { type: "ping" } });
  }

  /** @type {Action} */
  static ended(my, { code, reason = "", now = 0 }, effects) {
    my.conn = null;
    if (STOP.has(code)) {
      my.#close(undefined, "", effects);
      effects.push({ do: "over", code, reason });
      return "over";
    }
    if (code === 4409) my.#deferred ??= now;
    if (ABNORMAL.has(code)) my.#strike(effects);
    my.#wired = my.outbox.received;
    effects.push(my.#next === null ? { do: "open", wait: my.#delay } : { do: "mount", conn: my.#next });
    return "waiting";
  }

  /** An attempt to connect has failed, or a connection that nobody needs any more has ended. @type {Action} */
  static lapse(my, { conn }, effects) {
    if (conn === my.#next) my.#next = null;
    if (my.#next === null) effects.push({ do: "open", wait: my.#delay });
  }

  /** @type {Action} */
  static park(my, _, effects) {
    my.#close(undefined, "", effects);
    my.#wired = my.outbox.received;
    my.#copied = my.outbox.sent;
    effects.push({ do: "store" });
  }

  /** @type {Action} */
  static fork(my, _, effects) {
    my.outbox.drop(my.#copied);
    my.#fork = my.#token !== null;
    effects.push({ do: "store" });
  }

  /** @type {Action} */
  static quit(my, { code, reason = "" }, effects) {
    my.#close(code, reason, effects);
    effects.push({ do: "over", code: code ?? 1005, reason });
  }

  /** @type {Action} */
  static breach(my, _, effects) {
    my.#close(BREACH, "protocol error", effects);
    effects.push({ do: "over", code: 1002, reason: "protocol error" });
    return "over";
  }

  /** @type {Action} */
  static ignore() {}

  /**
   * Put on the wire what is not there yet.
   *
   * @param {Effect[]} effects
   */
  #transmit(effects) {
    for (const { number, data } of this.unsent()) {
      const frame = data === null ? { type: /** @type {const} */ ("void"), number } : { message: data };
      effects.push({ do: "frame", conn: Number(this.conn), frame });
      this.#wired = number;
    }
  }

  /**
   * Count an abnormal end against the message that a handler may have died of, and give it up in the end.
   *
   * @param {Effect[]} effects
   */
  #strike(effects) {
    const head = this.outbox.head;
    if (!head || head.data === null || head.number > this.#wired || ++head.strikes < STRIKES) return;
    effects.push({ do: "page", event: { event: "failed", number: head.number, data: head.data } });
    this.outbox.void(head.number);
    effects.push({ do: "store" });
  }

  /**
   * @param {import("./outbox.js").Entry[]} entries
   * @param {Effect[]} effects
   */
  #lose(entries, effects) {
    if (entries.length === 0) return;
    const [numbers, messages] = [entries.map((entry) => entry.number), entries.map((entry) => entry.data)];
    effects.push({ do: "page", event: { event: "lost", numbers, messages } });
  }

  /**
   * @param {number | undefined} code
   * @param {string} reason
   * @param {Effect[]} effects
   */
  #close(code, reason, effects) {
    if (this.conn !== null) effects.push({ do: "close", conn: this.conn, code, reason });
    if (this.#next !== null) effects.push({ do: "close", conn: this.#next });
    this.conn = this.#next = null;
  }
}

/** @typedef {(my: Machine, event: any, effects: Effect[]) => State | void} Action */
/** @typedef {[Action, ...State[]]} Row an action, then the states it may go to: the first, unless it says otherwise */

/**
 * @param {State} state
 * @returns {{ [event: string]: Row }} what all states but the last share
 */
const always = (state) => ({
  send: [Machine.queue, state],
  park: [Machine.park, "waiting"],
  quit: [Machine.quit, "over"],
});

/**
 * @param {State} state
 * @returns {{ [event: string]: Row }} what all states with a connection share
 */
const connected = (state) => ({
  ...always(state),
  ping: [Machine.ping, state],
  pong: [Machine.ignore, state],
  reload: [Machine.reload, state],
  end: [Machine.ended, "waiting", "over"],
  breach: [Machine.breach, "over"],
});

/**
 * @param {State} state
 * @returns {{ [event: string]: Row }} what all mounted states share
 */
const mounted = (state) => ({
  ...connected(state),
  message: [Machine.deliver, state],
  token: [Machine.token, state, "over"],
  keep: [Machine.secret, state],
  restore: [Machine.secret, state],
  forget: [Machine.secret, state],
  answer: [Machine.answer, state],
  failed: [Machine.failed, state],
  finished: [Machine.finished, "over"],
  clear: [Machine.clear, state],
  url: [Machine.url, state],
});

/**
 * @param {State} state
 * @returns {{ [event: string]: Row }} what all states share in which the server is leaving
 */
const leaving = (state) => ({
  ...mounted(state),
  token: [Machine.token, state, "handed", "over"],
  drain: [Machine.ignore, state],
  open: [Machine.offer, state],
  lapse: [Machine.lapse, state],
  deadline: [Machine.release, "handed"],
});

/** @type {{ [state in State]: { [event: string]: Row } }} */
export const TABLE = {
  // No connection is mounted.
  waiting: {
    ...always("waiting"),
    open: [Machine.offer, "waiting"],
    lapse: [Machine.lapse, "waiting"],
    connect: [Machine.mount, "mounting"],
    fork: [Machine.fork, "waiting"],
  },
  // `mount` is sent, its answer is on the way.
  mounting: {
    ...connected("mounting"),
    open: [Machine.surplus, "mounting"],
    mounted: [Machine.mounted, "live", "over"],
  },
  live: {
    ...mounted("live"),
    send: [Machine.transmit, "live"],
    drain: [Machine.drain, "draining"],
    open: [Machine.surplus, "live"],
  },
  // `drain` has come, the page's hooks run.
  draining: {
    ...leaving("draining"),
    send: [Machine.transmit, "draining"],
    hooks: [Machine.flush, "flushed"],
  },
  // `flushed` is sent; what is sent from now on waits for the next connection.
  flushed: leaving("flushed"),
  // The final token is stored, or its time is up: the next connection may be mounted.
  handed: {
    ...leaving("handed"),
    connect: [Machine.mount, "mounting"],
  },
  over: {},
};
