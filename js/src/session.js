/** One view as the page runs it: carries out what the machine asks for, over real sockets, storage and timers. */

import { STOP } from "./actions.js";
import { Dialer } from "./dialer.js";
import { complain } from "./events.js";
import { parseDown, serialise } from "./frames.js";
import { isPrerendered, watch } from "./lifecycle.js";
import { Machine } from "./machine.js";
import { Outbox } from "./outbox.js";
import { Pulse } from "./pulse.js";
import { Secrets } from "./secrets.js";
import { report } from "./status.js";

/** @typedef {import("./machine.js").Effect} Effect */
/** @typedef {import("./machine.js").Stimulus} Stimulus */
/**
 * @typedef {object} Hooks
 * @property {(conn: number, machine: Machine) => import("./machine.js").Connect} collect what a mount takes along
 * @property {(event: import("./machine.js").PageEvent) => void} tell
 * @property {(form: string, number?: number) => void} clear
 * @property {() => void} renumbered messages of this view are counted anew: what was sent before is another view's
 * @property {(params: { [name: string]: string | null }) => void} url
 * @property {(reason: string) => void} reload
 * @property {(code: number, reason: string, closed: Promise<unknown>) => void} over
 * @property {() => void} settled everything has been carried out
 */
/**
 * @typedef {object} World
 * @property {string} url
 * @property {string} name
 * @property {import("./binding.js").Binding} binding
 * @property {import("./page.js").Page} page
 * @property {{ tab: import("./storage.js").Area, browser: import("./storage.js").Area }} areas
 * @property {import("./backoff.js").Backoff} backoff
 * @property {() => number} now milliseconds
 * @property {typeof WebSocket} [WebSocket]
 * @property {number} [timeout] milliseconds
 */

/** By its name, the view that has ended so. @type {Map<string, Session>} */
const dead = new Map();
/**
 * Milliseconds without a connection that nobody is told of. A hand-over has as much longer as the server's last answer
 * took, up to as much again: so much of it is the distance, which the page also has without a deploy.
 */
const GRACE = 500;
/** Milliseconds that a page's first connection may be on its way before anybody is told: nobody can have missed it. */
const START = 4_000;
/** Milliseconds that a hand-over waits for the next connection to open. */
const AHEAD = 1_000;
/** Milliseconds after which a mounted connection counts as a good one. */
const QUIET = 10_000;

export class Session {
  #world;
  #hooks;
  #slot;
  #dialer;
  #pulse;
  /** Whether the slot may have been copied with its tab. */
  #shared;
  /** @type {Effect[]} */
  #effects = [];
  #running = false;
  /** Whether storage has room for the view. */
  #stored = true;
  #parked = false;
  /** Whether the page was told that there is no connection. */
  #told = false;
  /** Whether the page has begun, or is back, and its first connection is still on its way. */
  #starting = true;
  /** The connection that the pulse is taken of. @type {number | null} */
  #felt = null;
  /** Bytes that the pulse's connection has still to send. */
  #left = 0;
  /** @type {Promise<unknown>} */
  #closed = Promise.resolve();
  /** Goes on with a hand-over that waits for the next connection. @type {(() => void) | null} */
  #ahead = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #gap;
  /** When `flushed` was said, and the view has not been mounted since. @type {number | undefined} */
  #flushed;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #quiet;

  /**
   * @param {World} world
   * @param {Hooks} hooks
   */
  constructor(world, hooks) {
    this.#world = world;
    this.#hooks = hooks;
    this.#slot = world.page.slot(world.name, world.binding, world.areas.tab);
    this.secrets = new Secrets(world.areas, world.name);
    const { snapshot, strays } = this.#slot.read();
    this.#shared = snapshot !== null;
    this.machine = new Machine(snapshot);
    const handlers = {
      open: (/** @type {number} */ conn) => void this.#opened(conn),
      frame: (/** @type {number} */ conn, /** @type {string | ArrayBuffer} */ data) => this.#heard(conn, data),
      end: (/** @type {number} */ conn, /** @type {number} */ code, /** @type {string} */ reason) => {
        this.#started();
        this.handle({ do: "end", conn, code, reason, now: world.now() });
        if (!this.#dialer.dialing) this.#ahead?.();
      },
      refused: () => this.#refused(),
      served: () => this.machine.state === "draining",
    };
    const ready = () => world.page.ready(world.url);
    this.#dialer = new Dialer(world.url, handlers, { ...world, ready });
    this.#pulse = new Pulse({ ping: () => this.#ping(), dead: () => this.#dead() });
    this.unwatch = watch({
      hide: () => this.#park(),
      show: () => this.#unpark(),
      visible: () => this.#wake(),
      online: () => this.#wake(),
      // As after a log-in there.
      elsewhere: (key) => this.#dialer.refused && key === world.page.signal && this.retry(),
    });
    this.#fork();
    if (!snapshot) hooks.renumbered();
    for (const stray of strays) this.#lose(stray);
    dead.get(world.name)?.dismiss();
    // A page that is prerendered begins when it is shown.
    this.#parked = isPrerendered();
    if (!this.#parked) this.#dialer.dial(null);
    this.#settle();
  }

  /** The real socket that carries the view now. */
  get socket() {
    return this.#dialer.get(this.machine.conn);
  }

  /** Whether the page was told that there is no connection. */
  get lost() {
    return this.#told;
  }

  /** Whether a message would be lost with the page: storage does not hold it, and it is on no wire either. */
  get exposed() {
    const { machine } = this;
    if (machine.state === "over") return false; // what is left goes nowhere from this page
    const kept = this.#stored && this.#world.areas.tab.persistent;
    const gone = machine.state === "live" && !this.socket?.bufferedAmount;
    const waiting = gone ? machine.unsent() : machine.outbox.after();
    return waiting.some(({ data, secret }) => data !== null && (!kept || secret || data instanceof Blob));
  }

  /** Try now what was to be tried later. */
  retry() {
    this.#dialer.hurry();
  }

  /** @param {Stimulus} stimulus */
  handle(stimulus) {
    this.#run(this.machine.handle(stimulus));
  }

  /**
   * The page's drain hooks have settled. The view is handed over once the next connection is open, or can't be opened just
   * now: what is sent meanwhile is still handled, and then the gap is no longer than a mount.
   *
   * @param {number} conn
   */
  settled(conn) {
    // The hooks of an earlier drain, which did not wait for them: another one may.
    if (conn !== this.machine.conn) return;
    const timer = setTimeout(() => this.#ahead?.(), AHEAD);
    this.#ahead = () => {
      clearTimeout(timer);
      this.#ahead = null;
      this.handle({ do: "hooks", conn });
    };
    // A hidden tab's timers are slow, and nobody looks.
    const hidden = typeof document === "object" && document.visibilityState === "hidden";
    if (hidden || !this.#dialer.dialing || this.machine.next !== null) this.#ahead();
  }

  /** Write everything to storage now. */
  store() {
    if (this.machine.state === "over") return;
    const stored = this.#slot.write(this.machine.snapshot());
    if (!stored && this.#stored) this.#hooks.tell({ event: "oversize", what: "storage" });
    this.#stored = stored;
  }

  /** The page knows that the view has ended: nobody is told any more. */
  dismiss() {
    if (dead.get(this.#world.name) === this) dead.delete(this.#world.name);
    if (this.machine.state === "over") report(this, null);
  }

  /** Remove everything that is stored. */
  forget() {
    this.machine.outbox.reset(this.machine.outbox.sent);
    this.#slot.remove();
    this.secrets.forget();
  }

  // What happens.

  /** @param {number} conn */
  async #opened(conn) {
    const { page } = this.#world;
    // A copy of a tab must not mount what its original is mounted from.
    if (this.#shared && page.owner === undefined) await page.claimed;
    if (this.#dialer.get(conn)) this.handle({ do: "open", conn });
    this.#ahead?.();
  }

  /** @param {number} conn @param {string | ArrayBuffer} data */
  #heard(conn, data) {
    if (conn === this.machine.conn) this.#pulse.heard();
    const frame = parseDown(data);
    if (frame?.type === "token" && this.machine.outbox.isProgress(frame.received)) this.#world.backoff.reset();
    if (frame?.type === "mounted") {
      this.#world.backoff.mounted();
      clearTimeout(this.#quiet);
      this.#quiet = setTimeout(() => this.machine.state === "live" && this.#world.backoff.reset(), QUIET);
      if (frame.status === "rejected" && conn === this.machine.conn) this.#hooks.renumbered();
    }
    this.#run(this.machine.receive(conn, frame));
  }

  #fork() {
    const { page } = this.#world;
    // A slot that is read after a copy has found out what it is holds nothing that is another tab's.
    if (page.owner !== undefined) return;
    void page.claimed.then((owner) => {
      if (owner) return;
      this.handle({ do: "fork" });
      this.#hooks.renumbered();
    });
  }

  /**
   * Tell the page of messages that were another view's, once it can listen. Those of a copied tab are their owner's.
   *
   * @param {import("./machine.js").Snapshot} stray
   */
  #lose({ received, outbox }) {
    /** @type {Effect[]} */
    const effects = [];
    this.machine.lose(new Outbox(received, outbox).reset(0), effects);
    void this.#world.page.claimed.then((owner) => owner && this.#run(effects));
  }

  #park() {
    this.#parked = this.#shared = true;
    this.#dialer.stop();
    this.handle({ do: "park" });
  }

  #unpark() {
    if (this.machine.state === "over") return;
    this.#parked = false;
    this.#starting = true;
    this.#fork();
    this.#dialer.start();
    this.#dialer.dial(null);
    this.#settle();
  }

  #wake() {
    this.#dialer.hurry();
    if (this.machine.conn !== null) this.#pulse.probe();
  }

  #ping() {
    this.#left = this.socket?.bufferedAmount ?? 0;
    this.handle({ do: "ping" });
  }

  #dead() {
    const { conn } = this.machine;
    const left = this.socket?.bufferedAmount ?? 0;
    // A ping waits behind what is being sent; as long as that moves, so does the connection.
    if (left > 0 && left < this.#left) this.#pulse.heard();
    else if (conn !== null) this.#dialer.abandon(conn);
  }

  // What is to be done.

  /**
   * Carry out effects in order; those of what the page does meanwhile come after them.
   *
   * @param {Effect[]} effects
   */
  #run(effects) {
    this.#effects.push(...effects);
    if (this.#running) return;
    this.#running = true;
    for (let effect = this.#effects.shift(); effect; effect = this.#effects.shift()) {
      try {
        this.#carry(effect);
      } catch (error) {
        complain(error);
      }
    }
    this.#running = false;
    this.#settle();
    this.#hooks.settled();
  }

  /** @param {Effect} effect */
  #carry(effect) {
    switch (effect.do) {
      case "frame":
        if (effect.conn === this.machine.conn) this.#pulse.said();
        return this.#dialer.send(effect.conn, serialise(effect.frame));
      case "store":
        return this.store();
      case "forget":
        return this.#slot.remove();
      case "open":
        return this.#dialer.dial(effect.wait);
      case "mount":
        return this.handle({ do: "connect", ...this.#hooks.collect(effect.conn, this.machine) });
      case "deadline":
        setTimeout(() => this.handle({ do: "deadline", conn: effect.conn }), effect.after);
        return;
      case "close":
        this.#closed = Promise.all([this.#closed, this.#dialer.close(effect.conn, effect.code, effect.reason)]);
        return;
      case "retire":
        return this.#dialer.retire(effect.conn);
      case "secret":
        return this.handle({ do: "answer", conn: effect.conn, frame: this.secrets.answer(effect.frame) });
      case "clear":
        return this.#hooks.clear(effect.form, effect.number);
      case "url":
        return this.#hooks.url(effect.params);
      case "reload":
        return this.#hooks.reload(effect.reason);
      case "over":
        this.unwatch();
        this.#dialer.stop();
        if (STOP.has(effect.code)) this.#die(effect.code, effect.reason);
        return this.#hooks.over(effect.code, effect.reason, this.#closed);
      case "page":
        return this.#hooks.tell(effect.event);
    }
  }

  /** @param {number} code @param {string} reason */
  #die(code, reason) {
    const { name, binding } = this.#world;
    dead.set(name, this);
    const why = reason || (code === 1002 ? "what the page said is no part of the protocol" : "the server said so");
    console.error(`quart_stash: the view at ${binding.address} has ended, and the page is to be loaded anew: ${why} (${code})`);
  }

  /** Bring timers, and what is shown, into line with where the machine stands. */
  #settle() {
    const { state, conn } = this.machine;
    if (conn !== this.#felt) conn === null ? this.#pulse.stop() : this.#pulse.heard();
    this.#felt = conn;
    const resting = state === "over" || this.#parked;
    const connected = state === "live" || state === "draining" || state === "flushed";
    if (!resting && !connected) {
      // A page that comes back from the back/forward cache was told before it went.
      if (this.#told) report(this, this.#dialer.refused ? "refused" : "reconnecting");
      else this.#gap ??= setTimeout(() => this.#missed(), this.#starting ? START : GRACE + this.#distance());
      return;
    }
    this.#started();
    if (state === "flushed") this.#flushed ??= this.#world.now();
    else this.#flushed = undefined;
    clearTimeout(this.#gap);
    this.#gap = undefined;
    if (resting) {
      clearTimeout(this.#quiet);
      report(this, state === "over" && dead.get(this.#world.name) === this ? "closed" : null);
      return;
    }
    report(this, state === "live" ? "connected" : "handover");
    const told = this.#told;
    this.#told = false;
    if (told) this.#hooks.tell({ event: "reconnected" });
  }

  /** Milliseconds that the server took to answer `flushed`, in bounds; 0 outside of a hand-over. */
  #distance() {
    return this.#flushed === undefined ? 0 : Math.min(Math.max(this.#world.now() - this.#flushed, 0), GRACE);
  }

  /** From now on a connection can be missed. */
  #started() {
    if (!this.#starting) return;
    this.#starting = false;
    clearTimeout(this.#gap);
    this.#gap = undefined;
  }

  #missed() {
    this.#gap = undefined;
    this.#told = true;
    report(this, "reconnecting");
    this.#hooks.tell({ event: "disconnected" });
    if (this.#dialer.refused) this.#refused();
  }

  #refused() {
    // Whoever still has a connection, or will soon be told of the loss, is told after that.
    if (!this.#told) return;
    report(this, "refused");
    this.#hooks.tell({ event: "refused" });
  }
}
