/** `StashSocket`: the interface of `WebSocket`, over as many real sockets as it takes. */

import { Backoff } from "./backoff.js";
import { Dialer } from "./dialer.js";
import { DrainEvent, closeEvent, complain } from "./events.js";
import { SUBPROTOCOL, parseDown, serialise, size } from "./frames.js";
import { watch } from "./lifecycle.js";
import { Machine } from "./machine.js";
import { Page } from "./page.js";
import { Pulse } from "./pulse.js";
import { Secrets } from "./secrets.js";
import { report } from "./status.js";
import { Area } from "./storage.js";

/** @typedef {import("./frames.js").Data} Data */
/** @typedef {import("./machine.js").Effect} Effect */
/** @typedef {import("./machine.js").PageEvent} PageEvent */
/**
 * @typedef {object} Options
 * @property {string} [name] tells two sockets of one page apart; the URL's path, unless given
 * @property {object | (() => object)} [params] connect params, plain JSON; a function is called at every mount
 * @property {Document | Element | false} [forms] where the stashed forms are; the document, unless given
 * @property {string} [page] signed page params; those of the page, unless given
 * @property {import("./storage.js").StorageLike | null} [storage] in place of the tab's and the browser's
 * @property {Backoff} [backoff]
 * @property {typeof WebSocket} [WebSocket]
 * @property {() => number} [now] milliseconds
 * @property {number} [connectTimeout] milliseconds
 */

/** Milliseconds without a connection that nobody is told of. */
const GRACE = 500;
/** Milliseconds after which a mounted connection counts as a good one. */
const QUIET = 10_000;
const [CONNECTING, OPEN, CLOSING, CLOSED] = [0, 1, 2, 3];

/**
 * A WebSocket that outlives the process at its other end.
 *
 * It is `OPEN` from the first mount on, whatever happens to the connections beneath. Unlike a `WebSocket`, it takes messages
 * while it is `CONNECTING`: they wait. Each message reaches the view once and in order.
 *
 * Events, besides those of a `WebSocket`; what they say is in `event.detail`: `mounted` (`status`, `received`, `build`,
 * `reason`, `invalid`), `drain` (`deadline`; `event.waitUntil(promise)`), `synced` (`received`), `restored` and `conflict` (of
 * forms), `lost` (`numbers`, `messages`), `failed` (`number`), `oversize` (`what` was left out of a mount), `disconnected`,
 * `reconnected`, `stale` (`reason`, `reloads`; cancelable: the page is not reloaded).
 */
export class StashSocket extends EventTarget {
  static CONNECTING = CONNECTING;
  static OPEN = OPEN;
  static CLOSING = CLOSING;
  static CLOSED = CLOSED;
  CONNECTING = CONNECTING;
  OPEN = OPEN;
  CLOSING = CLOSING;
  CLOSED = CLOSED;

  /** @type {((event: Event) => void) | null} */
  onopen = null;
  /** @type {((event: MessageEvent) => void) | null} */
  onmessage = null;
  /** @type {((event: Event) => void) | null} */
  onerror = null;
  /** @type {((event: CloseEvent) => void) | null} */
  onclose = null;
  /** @type {BinaryType} */
  binaryType = "blob";

  #state = CONNECTING;
  #options;
  #page;
  #slot;
  #machine;
  #dialer;
  #backoff;
  #pulse;
  #secrets;
  #forms;
  #limits;
  /** @type {Effect[]} */
  #effects = [];
  #running = false;
  #parked = false;
  /** Whether the page was told that there is no connection. */
  #told = false;
  #mounts = 0;
  /** @type {string | null} */
  #status = null;
  /** @type {string | undefined} */
  #build;
  /** The connection that the pulse is taken of. @type {number | null} */
  #felt = null;
  /** Binary large objects that are being read; what is sent meanwhile waits for them. @type {Promise<void> | null} */
  #reading = null;
  /** @type {Promise<unknown>} */
  #closing = Promise.resolve();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #gap;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #quiet;
  #stop = new AbortController();

  /**
   * @param {string | URL} url relative to the page, `http(s)` or `ws(s)`
   * @param {Options} [options]
   */
  constructor(url, options = {}) {
    super();
    if (typeof options !== "object") throw new TypeError("a StashSocket takes options; its subprotocol is its own");
    this.#options = options;
    this.url = absolute(url);
    const page = (this.#page = Page.current);
    this.name = page.take(options.name ?? new URL(this.url).pathname);
    this.#limits = page.limits;
    const areas = options.storage === undefined ? page.areas : injected(options.storage, options.now);
    this.#slot = page.slot(this.name, areas.tab);
    this.#secrets = new Secrets(areas, this.name);
    const snapshot = this.#slot.read();
    this.#machine = new Machine(snapshot);
    this.#backoff = options.backoff ?? new Backoff();
    this.#dialer = new Dialer(
      this.url,
      {
        open: (conn) => this.#opened(conn, snapshot !== null),
        frame: (conn, data) => this.#heard(conn, data),
        end: (conn, code, reason) => this.#run(this.#machine.handle({ do: "end", conn, code, reason, now: this.#now() })),
      },
      { backoff: this.#backoff, WebSocket: options.WebSocket, timeout: options.connectTimeout },
    );
    this.#pulse = new Pulse({
      ping: () => this.#run(this.#machine.handle({ do: "ping" })),
      dead: () => this.#machine.conn !== null && this.#dialer.abandon(this.#machine.conn),
    });
    this.#forms = options.forms === false ? null : page.forms(options.forms);
    for (const type of /** @type {const} */ (["restored", "conflict"])) {
      const tell = (/** @type {CustomEvent} */ { detail }) => this.#emit(new CustomEvent(type, { detail }));
      this.#forms?.addEventListener(type, tell, { signal: this.#stop.signal });
    }
    const unwatch = watch({
      hide: () => this.#park(),
      show: () => this.#unpark(),
      visible: () => this.#wake(),
      online: () => this.#wake(),
    });
    this.#stop.signal.addEventListener("abort", unwatch);
    this.#fork();
    this.#dialer.dial(null);
    this.#settle();
  }

  get readyState() {
    return this.#state;
  }

  /** Bytes that are on no wire yet. */
  get bufferedAmount() {
    const waiting = this.#machine.unsent().reduce((sum, { data }) => sum + (data === null ? 0 : size(data)), 0);
    return waiting + (this.#dialer.get(this.#machine.conn)?.bufferedAmount ?? 0);
  }

  get protocol() {
    return this.#state === CONNECTING ? "" : SUBPROTOCOL;
  }

  get extensions() {
    return this.#dialer.get(this.#machine.conn)?.extensions ?? "";
  }

  /** Counts, for tests and diagnosis. */
  get stats() {
    const { outbox, state } = this.#machine;
    return { sent: outbox.sent, received: outbox.received, mounts: this.#mounts, status: this.#status, state };
  }

  /**
   * Send a message to the view: once, in order, also over restarts and reloads.
   *
   * @param {string | ArrayBuffer | ArrayBufferView | Blob} data
   * @param {{ secret?: boolean }} [options] `secret`: it is never written to storage
   * @throws {RangeError} if it is larger than the server takes
   */
  send(data, { secret = false } = {}) {
    if (this.#state > OPEN) return;
    const payload = data instanceof Blob ? data : own(data);
    const bytes = payload instanceof Blob ? payload.size : size(payload);
    const limit = this.#limits?.message ?? Infinity;
    if (bytes > limit) throw new RangeError(`a message of ${bytes} bytes; the server takes ${limit}`);
    if (payload instanceof Blob || this.#reading) this.#queue(payload, secret);
    else this.#run(this.#machine.handle({ do: "send", data: payload, secret }));
  }

  /**
   * Close for good. What the slot holds stays, for a reload; see `forget`.
   *
   * @param {number} [code]
   * @param {string} [reason]
   */
  close(code, reason) {
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) {
      throw new DOMException(`the close code may not be ${code}`, "InvalidAccessError");
    }
    if (reason !== undefined && size(reason) > 123) throw new DOMException("the reason is too long", "SyntaxError");
    if (this.#state <= OPEN) this.#run(this.#machine.handle({ do: "quit", code, reason }));
  }

  /** Write everything to storage now. */
  flush() {
    this.#forms?.flush();
    if (this.#state <= OPEN) this.#slot.write(this.#machine.snapshot());
  }

  /** Close, and remove everything that is stored for this view: its slot, its secrets, the page's stashed forms. */
  forget() {
    this.close(1000);
    this.#slot.remove();
    this.#secrets.forget();
    this.#forms?.forget();
  }

  /** Close without an event, and let go of the page. */
  destroy() {
    if (this.#state > OPEN) return;
    this.#effects.push(...this.#machine.handle({ do: "quit" }).filter((effect) => effect.do !== "over"));
    this.#run([]);
    this.#let(CLOSED);
  }

  // What happens.

  /** @param {number} conn @param {boolean} loaded */
  async #opened(conn, loaded) {
    // A copy of a tab must not mount what its original is mounted from; a slot that was empty has no copies.
    if ((loaded || this.#mounts > 0) && this.#page.owner === undefined) await this.#page.claimed;
    if (this.#dialer.get(conn)) this.#run(this.#machine.handle({ do: "open", conn }));
  }

  /** @param {number} conn @param {string | ArrayBuffer} data */
  #heard(conn, data) {
    if (conn === this.#machine.conn) this.#pulse.heard();
    const frame = parseDown(data);
    if (frame?.type === "token") this.#backoff.reset();
    this.#run(this.#machine.receive(conn, frame));
  }

  #fork() {
    void this.#page.claimed.then((owner) => owner || this.#run(this.#machine.handle({ do: "fork" })));
  }

  #park() {
    this.#parked = true;
    this.#dialer.stop();
    this.#run(this.#machine.handle({ do: "park" }));
  }

  #unpark() {
    this.#parked = false;
    this.#fork();
    this.#dialer.start();
    this.#dialer.dial(null);
    this.#settle();
  }

  #wake() {
    this.#dialer.hurry();
    if (this.#machine.conn !== null) this.#pulse.probe();
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
  }

  /** @param {Effect} effect */
  #carry(effect) {
    switch (effect.do) {
      case "frame":
        return this.#dialer.send(effect.conn, serialise(effect.frame));
      case "store":
        return this.#slot.write(this.#machine.snapshot());
      case "forget":
        return this.#slot.remove();
      case "open":
        return this.#dialer.dial(effect.wait);
      case "mount":
        return this.#mount(effect.conn);
      case "deadline":
        setTimeout(() => this.#run(this.#machine.handle({ do: "deadline", conn: effect.conn })), effect.after);
        return;
      case "close":
        this.#closing = Promise.all([this.#closing, this.#dialer.close(effect.conn, effect.code, effect.reason)]);
        return;
      case "retire":
        return this.#dialer.retire(effect.conn);
      case "secret": {
        const { conn } = effect;
        return this.#run(this.#machine.handle({ do: "answer", conn, frame: this.#secrets.answer(effect.frame) }));
      }
      case "clear":
        return this.#forms?.clear(effect.form);
      case "url":
        return reflect(effect.params);
      case "reload":
        return this.#reload(effect.reason);
      case "over":
        return this.#over(effect.code, effect.reason);
      case "page":
        return this.#tell(effect.event);
    }
  }

  /** @param {number} conn */
  #mount(conn) {
    const { params, page = this.#page.params } = this.#options;
    /** @type {import("./machine.js").Connect} */
    const connect = { conn, page, build: this.#page.build, now: this.#now() };
    try {
      const value = typeof params === "function" ? params() : params;
      connect.params = value && JSON.parse(JSON.stringify(value));
      const forms = this.#forms?.pairs();
      if (forms && Object.keys(forms).length > 0) connect.forms = forms;
    } catch (error) {
      complain(error);
    }
    const limit = this.#limits?.mount ?? Infinity;
    for (const what of /** @type {const} */ (["forms", "params"])) {
      const bytes = size(/** @type {string} */ (serialise(this.#machine.mountFrame(connect))));
      if (bytes <= limit || !connect[what]) continue;
      delete connect[what];
      this.#emit(new CustomEvent("oversize", { detail: { what, size: bytes, limit } }));
    }
    this.#run(this.#machine.handle({ do: "connect", ...connect }));
  }

  /** @param {PageEvent} event */
  #tell({ event, ...detail }) {
    switch (event) {
      case "message":
        return this.#deliver(detail.data);
      case "drain":
        return this.#drain(detail.conn, detail.deadline);
      case "mounted":
        return this.#mounted(detail);
      default:
        return this.#emit(new CustomEvent(event, { detail }));
    }
  }

  /** @param {Data} data */
  #deliver(data) {
    const { origin } = new URL(this.url);
    const bytes = /** @type {Uint8Array<ArrayBuffer>} */ (data);
    const binary = this.binaryType === "blob" ? () => new Blob([bytes]) : () => bytes.buffer;
    this.#emit(new MessageEvent("message", { data: typeof data === "string" ? data : binary(), origin }));
  }

  /** @param {{ [field: string]: any }} detail */
  #mounted(detail) {
    this.#mounts += 1;
    this.#status = detail.status;
    this.#build = detail.build;
    this.#limits = detail.limits;
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => this.#machine.state === "live" && this.#backoff.reset(), QUIET);
    if (this.#state === CONNECTING) {
      this.#state = OPEN;
      this.#emit(new Event("open"));
    }
    this.#emit(new CustomEvent("mounted", { detail }));
    this.#forms?.restore();
  }

  /** @param {number} conn @param {number} deadline */
  #drain(conn, deadline) {
    const event = new DrainEvent(deadline);
    this.#emit(event);
    this.#forms?.flush();
    if (this.#reading) event.waitUntil(this.#reading);
    const settled = () => this.#run(this.#machine.handle({ do: "hooks", conn }));
    // A hidden tab's timers are slow: unless the page asks for time, the answer waits for none.
    if (event.waits.length === 0) return settled();
    const late = setTimeout(settled, deadline - Math.min(1000, deadline / 5));
    void Promise.allSettled(event.waits).then(() => (clearTimeout(late), settled()));
  }

  /** @param {string} reason */
  #reload(reason) {
    const { tab } = this.#page.areas;
    const once = `reloaded:${this.#build ?? this.#page.build}`;
    const reloads = typeof location === "object" && tab.persistent && tab.read(once) === null;
    const wanted = this.#emit(new CustomEvent("stale", { detail: { reason, reloads }, cancelable: true }));
    if (!reloads || !wanted) return;
    void Promise.resolve(this.#reading).then(() => {
      this.flush();
      // A page that could not remember that it was reloaded might go on for ever.
      if (tab.write(once, true)) location.reload();
    });
  }

  /** @param {number} code @param {string} reason */
  #over(code, reason) {
    this.#let(CLOSING);
    if (code === 1002) this.#emit(new Event("error"));
    void this.#closing.then(() => {
      this.#state = CLOSED;
      this.#emit(closeEvent(code, reason));
    });
  }

  /** Let go of the page. @param {number} state */
  #let(state) {
    this.#state = state;
    this.#stop.abort();
    this.#dialer.stop();
    this.#page.give(this.name);
    this.#settle();
  }

  /** Bring timers and what is shown into line with where the machine stands. */
  #settle() {
    const { state, conn } = this.#machine;
    if (conn !== this.#felt) conn === null ? this.#pulse.stop() : this.#pulse.heard();
    this.#felt = conn;
    if (state === "over" || this.#parked) {
      clearTimeout(this.#gap);
      this.#gap = undefined;
      clearTimeout(this.#quiet);
      report(this, null);
    } else if (state === "live" || state === "draining" || state === "flushed") {
      clearTimeout(this.#gap);
      this.#gap = undefined;
      report(this, state === "live" ? "connected" : "handover");
      if (this.#told) this.#emit(new CustomEvent("reconnected"));
      this.#told = false;
    } else if (!this.#told) {
      this.#gap ??= setTimeout(() => this.#lost(), GRACE);
    }
  }

  #lost() {
    this.#gap = undefined;
    this.#told = true;
    report(this, "reconnecting");
    this.#emit(new CustomEvent("disconnected"));
  }

  /** @param {Data | Blob} payload @param {boolean} secret */
  #queue(payload, secret) {
    const bytes = payload instanceof Blob ? payload.arrayBuffer().then((buffer) => new Uint8Array(buffer)) : payload;
    const reading = Promise.all([bytes, this.#reading])
      .then(([data]) => this.#run(this.#machine.handle({ do: "send", data, secret })), complain)
      .then(() => {
        if (this.#reading === reading) this.#reading = null;
      });
    this.#reading = reading;
  }

  /**
   * @param {Event} event
   * @returns {boolean} whether its default action is wanted
   */
  #emit(event) {
    const wanted = this.dispatchEvent(event);
    const handler = /** @type {any} */ (this)[`on${event.type}`];
    if (typeof handler !== "function") return wanted;
    try {
      handler.call(this, event);
    } catch (error) {
      complain(error);
    }
    return !event.defaultPrevented;
  }

  #now() {
    return (this.#options.now ?? Date.now)();
  }
}

/** @param {string | URL} url */
function absolute(url) {
  const { document } = /** @type {{ document?: Document }} */ (globalThis);
  const full = new URL(url, document?.baseURI);
  full.protocol = full.protocol.replace(/^http/, "ws");
  full.hash = "";
  if (!/^wss?:$/.test(full.protocol)) throw new DOMException(`not the URL of a WebSocket: ${full.protocol}`, "SyntaxError");
  return full.href;
}

/** @param {import("./storage.js").StorageLike | null} storage @param {() => number} [now] */
function injected(storage, now) {
  const area = new Area(storage, { now });
  return { tab: area, browser: area };
}

/**
 * @param {string | ArrayBuffer | ArrayBufferView} data
 * @returns {Data} a copy, since the caller may go on writing into its buffer
 */
function own(data) {
  if (data instanceof ArrayBuffer) return new Uint8Array(data.slice(0));
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
  return String(data);
}

/** @param {{ [name: string]: string | null }} params to put into the page's query string; `null` takes one out */
function reflect(params) {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(params)) {
    if (value === null) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  history.replaceState(history.state, "", url);
}
