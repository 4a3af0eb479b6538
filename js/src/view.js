/** What the client knows of one view: its token, its outbox, and which connections carry it. Pure. */

import { Outbox } from "./outbox.js";

/** @typedef {import("./frames.js").UpFrame} UpFrame */
/** @typedef {import("./machine.js").Connect} Connect */
/** @typedef {import("./machine.js").Effect} Effect */
/** @typedef {import("./machine.js").State} State */
/**
 * @typedef {{ token: string | null, received: number, outbox: (import("./frames.js").Data | null)[], fork?: boolean }} Snapshot
 */

/** Ends of a connection after which the message that may have been their cause is given up. */
const STRIKES = 3;
/** Milliseconds after which a token that no process can judge is mounted anyway. */
const PATIENCE = 60_000;

export const isFilled = (/** @type {object | undefined} */ map) => Object.keys(map ?? {}).length > 0;

export class View {
  /** @type {State} */
  state = "waiting";
  /** The connection that is mounted or being mounted. @type {number | null} */
  conn = null;
  /** The connection that is open and waits to be mounted. @type {number | null} */
  next = null;
  /** Number of the newest message on the wire of `conn`. */
  wired = 0;
  /** Number of the replayed message that the server's handler has in hand. @type {number | undefined} */
  taken;
  /** Milliseconds that the last drain asked to wait after a refusal. */
  delay = 0;
  /** How often in a row a mount was too large for somebody on the way. */
  refused = 0;
  /** When the first process could not judge the token. @type {number | null} */
  deferred = null;

  /** @param {Snapshot | null} [snapshot] what the slot held */
  constructor(snapshot) {
    /** @type {string | null} */
    this.token = snapshot?.token ?? null;
    /** Whether this view is a copy of somebody else's, and not mounted yet. */
    this.fork = snapshot?.fork ?? false;
    this.outbox = new Outbox(snapshot?.received, snapshot?.outbox);
    /** Number of the newest message that a copy of this tab may hold too. */
    this.copied = this.outbox.sent;
    this.wired = this.outbox.received;
  }

  /** @returns {Snapshot | null} what is to be stored; `null` if there is nothing to keep */
  snapshot() {
    const outbox = this.outbox.snapshot();
    return this.token === null && outbox.length === 0
      ? null
      : { token: this.token, received: this.outbox.received, outbox, ...(this.fork && { fork: true }) };
  }

  /**
   * @param {Connect} event
   * @returns {UpFrame} the frame that mounts a connection now
   */
  mountFrame({ params, forms, empty, page, build, identity, now }) {
    // Nothing else can be it: no message goes up before the mount is answered.
    if (this.refused > 0) forms = empty = undefined;
    if (this.refused > 1) params = undefined;
    const anyway = this.deferred !== null && now !== undefined && now - this.deferred >= PATIENCE;
    return {
      type: "mount",
      sent: this.outbox.sent,
      ...(params && { params }),
      ...(isFilled(forms) && { forms }),
      ...(isFilled(empty) && { empty }),
      ...(this.token !== null && { token: this.token }),
      ...(page && { page }),
      ...(build && { build }),
      ...(identity && { identity }),
      ...(this.fork && { fork: true }),
      ...(anyway && { anyway: true }),
    };
  }

  /**
   * @param {UpFrame} frame to go up on the connection that is mounted, or being mounted
   * @param {Effect[]} effects
   */
  say(frame, effects) {
    effects.push({ do: "frame", conn: Number(this.conn), frame });
  }

  /** @returns {readonly import("./outbox.js").Entry[]} the messages that are on no wire yet */
  unsent() {
    return this.outbox.after(this.wired);
  }

  /**
   * Put on the wire what is not there yet, up to what is still to be read.
   *
   * @param {Effect[]} effects
   */
  transmit(effects) {
    for (const { number, data } of this.unsent()) {
      if (data instanceof Blob) return;
      this.say(data === null ? { type: "void", number } : { message: data }, effects);
      this.wired = number;
    }
  }

  /**
   * Count the end of a connection against the message that may have been its cause, and give that up in the end.
   *
   * @param {number | undefined} number
   * @param {Effect[]} effects
   */
  strike(number, effects) {
    const entry = this.outbox.after().find((entry) => entry.number === number);
    if (!entry || entry.data === null || entry.number > this.wired || ++entry.strikes < STRIKES) return;
    effects.push({ do: "page", event: { event: "failed", number: entry.number, data: entry.data } });
    entry.data = null;
    effects.push({ do: "store" });
  }

  /**
   * @param {import("./outbox.js").Entry[]} entries
   * @param {Effect[]} effects
   */
  lose(entries, effects) {
    if (entries.length === 0) return;
    const numbers = entries.map((entry) => entry.number);
    effects.push({ do: "page", event: { event: "lost", numbers, messages: entries.map((entry) => entry.data) } });
  }

  /**
   * @param {Effect[]} effects
   * @param {number} [code]
   * @param {string} [reason]
   */
  close(effects, code, reason = "") {
    if (this.conn !== null) effects.push({ do: "close", conn: this.conn, code, reason });
    if (this.next !== null) effects.push({ do: "close", conn: this.next });
    this.conn = this.next = null;
  }

  /**
   * @param {Effect[]} effects
   * @param {number} code how the view ends for the page
   * @param {string} reason
   * @param {number} [said] and for the server
   */
  end(effects, code, reason, said) {
    this.close(effects, said, reason);
    effects.push({ do: "over", code, reason });
  }
}
