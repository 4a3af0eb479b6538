/** `StashSocket`: the interface of `WebSocket`, over as many real sockets as it takes. */

import { Backoff } from "./backoff.js";
import { bindingOf } from "./binding.js";
import { DrainEvent, Target, closeEvent, complain } from "./events.js";
import { fit, plain } from "./fit.js";
import { SUBPROTOCOL, size } from "./frames.js";
import { Page } from "./page.js";
import { sanitizer, setSanitizer } from "./sanitizer.js";
import { Session } from "./session.js";
import { reportWork } from "./status.js";
import { Area } from "./storage.js";
import { submit } from "./submit.js";

/** @typedef {import("./frames.js").Data} Data */
/** @typedef {import("./machine.js").PageEvent} PageEvent */
/**
 * @typedef {object} Options
 * @property {string} [name] tells two sockets of one page apart; the URL without its scheme, unless given
 * @property {object | (() => object)} [params] connect params, plain JSON; a function is called at every mount
 * @property {Document | Element | false} [forms] where the stashed forms are; the document, unless given
 * @property {boolean} [guard] whether the browser asks its user before the page is left, while something would be lost by that
 * @property {string} [page] signed page params; those of the page, unless given
 * @property {import("./storage.js").StorageLike | null} [storage] in place of the tab's and the browser's
 * @property {Backoff} [backoff]
 * @property {typeof WebSocket} [WebSocket]
 * @property {() => number} [now] milliseconds
 * @property {number} [connectTimeout] milliseconds
 */

const [CONNECTING, OPEN, CLOSING, CLOSED] = /** @type {const} */ ([0, 1, 2, 3]);

/**
 * A WebSocket that outlives the process at its other end.
 *
 * It is `OPEN` from the first mount on, whatever happens to the connections beneath. Unlike a `WebSocket`, it takes messages
 * while it is `CONNECTING`: they wait. Each message reaches the view once and in order.
 *
 * Events, besides those of a `WebSocket`; what they say is in `event.detail`: `mounted` (`status`, `received`, `build`,
 * `reason`, `invalid`), `drain` (`deadline`; `event.waitUntil(promise)`), `synced` (`received`), `restored` and `conflict` (of
 * forms), `lost` (`numbers`, `messages`), `failed` (`number`), `oversize` (`what` had no room: in a mount, or in storage),
 * `unsaved`, `saved`, `disconnected`, `reconnected`, `refused` (the server is up, and lets nobody in here), `stale` (`reason`,
 * `reloads`; cancelable: the page is not reloaded).
 */
export class StashSocket extends Target {
  static CONNECTING = CONNECTING;
  static OPEN = OPEN;
  static CLOSING = CLOSING;
  static CLOSED = CLOSED;
  CONNECTING = CONNECTING;
  OPEN = OPEN;
  CLOSING = CLOSING;
  CLOSED = CLOSED;

  /**
   * What makes stashed rich text safe before it comes back into the page, as `DOMPurify.sanitize` does. Without one the
   * browser's own is used (`setHTML`); without that, rich text comes back as plain text. For the whole page; set it in the
   * script that imports this.
   *
   * @type {import("./sanitizer.js").Sanitizer | null}
   */
  static get sanitizer() {
    return sanitizer();
  }

  static set sanitizer(made) {
    setSanitizer(made);
  }

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

  /** @type {0 | 1 | 2 | 3} */
  #state = CONNECTING;
  #options;
  #page;
  #session;
  #forms;
  /** Where the forms are that are this socket's; everywhere, unless given. @type {Document | Element | undefined} */
  #within;
  #limits;
  #now;
  #mounts = 0;
  /** @type {string | null} */
  #status = null;
  /** @type {string | undefined} */
  #build;
  /** Blobs that are, or were, being read; what is sent meanwhile waits for them. @type {Promise<void> | undefined} */
  #reading;
  #stop = new AbortController();
  /** Whether the forms, as they were last looked at, hold a change that the server has not dealt with. */
  #changed = false;
  /** Whether something was lost that the page did not see to. */
  #missing = false;
  /** What the page was told of its user's work. */
  #told = false;
  /** Whether the page wants to hear no more. */
  #silent = false;

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
    const binding = bindingOf(this.url, options.page ?? page.params);
    this.name = page.take(options.name ?? binding.address);
    this.#limits = page.limits;
    // What is measured between two moments must not depend on the clock's being right.
    this.#now = options.now ?? (() => performance.now());
    this.#forms = options.forms === false ? null : page.forms(options.forms);
    this.#within = options.forms || undefined;
    for (const type of /** @type {const} */ (["restored", "conflict", "oversize"])) {
      const tell = (/** @type {CustomEvent} */ { detail }) => {
        if (this.#forms?.holds(detail.form, this.#within)) this.#emit(new CustomEvent(type, { detail }));
      };
      this.#forms?.addEventListener(type, tell, { signal: this.#stop.signal });
    }
    this.#forms?.addEventListener("changed", () => this.#look(), { signal: this.#stop.signal });
    if (options.guard) globalThis.addEventListener?.("beforeunload", this.#guard);
    const { backoff = new Backoff(), storage, WebSocket, connectTimeout: timeout } = options;
    const areas = storage === undefined ? page.areas : injected(storage, { identity: page.identity, now: options.now });
    const world = { url: this.url, name: this.name, binding, page, areas, backoff, now: this.#now, WebSocket, timeout };
    this.#session = new Session(world, {
      collect: (conn, machine) => this.#collect(conn, machine),
      tell: (event) => this.#tell(event),
      clear: (form, number) => this.#forms?.clear(form, number === undefined ? undefined : [this.name, number]),
      renumbered: () => this.#forms?.renumber(this.name),
      url: reflect,
      reload: (reason) => this.#reload(reason),
      over: (code, reason, closed) => this.#over(code, reason, closed),
      settled: () => this.#weigh(),
    });
    // Once the page can listen: of what an earlier page has left.
    queueMicrotask(() => this.#look());
  }

  get readyState() {
    return this.#state;
  }

  /** Bytes that are on no wire yet. */
  get bufferedAmount() {
    const waiting = this.#session.machine.unsent().reduce((sum, { data }) => sum + size(data ?? ""), 0);
    return waiting + (this.#session.socket?.bufferedAmount ?? 0);
  }

  get protocol() {
    return this.#state === CONNECTING ? "" : SUBPROTOCOL;
  }

  get extensions() {
    return this.#session.socket?.extensions ?? "";
  }

  /**
   * Whether the user has typed or sent what the server has not dealt with: a message that no token covers, a change in a
   * stashed form that was neither cleared nor rendered by the server, or what was `lost` or `failed`, and nobody saw to it.
   */
  get unsaved() {
    return this.#missing || this.#session.machine.outbox.pending || Boolean(this.#forms?.isUnsaved(this.#within));
  }

  /** Counts, for tests and diagnosis. */
  get stats() {
    const { outbox, state } = this.#session.machine;
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
    this.#forms?.note();
    const payload = data instanceof Blob ? data : own(data);
    const bytes = size(payload);
    const limit = this.#limits?.message ?? Infinity;
    if (bytes > limit) throw new RangeError(`a message of ${bytes} bytes; the server takes ${limit}`);
    this.#session.handle({ do: "send", data: payload, secret });
    if (payload instanceof Blob) this.#read(payload);
  }

  /**
   * Submit a form over the socket: once, also over restarts and reloads. The view has it as `message.form(name)`.
   *
   * It is left to the browser, whose default is then not prevented, where a file was chosen, where it is larger than the
   * server takes, once the socket is closed, where the form closes a dialog, and, with `data-stash-offline="post"`, while
   * there is no connection.
   *
   * @param {SubmitEvent} event
   * @returns {boolean} whether it was sent
   * @throws {TypeError} if the form has no name: `data-stash`, or an `id`
   * @throws {Error} if it could be neither sent nor posted; what stands in it stays
   */
  submit(event) {
    return submit(event, {
      closed: this.#state > OPEN,
      lost: this.#session.lost,
      limit: this.#limits?.message ?? Infinity,
      forms: this.#forms,
      send: (form, data, options) => {
        this.#forms?.submit(form, [this.name, this.#session.machine.outbox.sent + 1]);
        this.send(data, options);
      },
    });
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
    globalThis.removeEventListener?.("beforeunload", this.#guard);
    if (this.#state > OPEN) return this.#session.dismiss();
    this.#state = CLOSING;
    this.#session.handle({ do: "quit", code, reason });
  }

  /** Try to connect now, if that was to be later: after a log-in in this page, say. */
  retry() {
    this.#session.retry();
  }

  /** Write everything to storage now. */
  flush() {
    this.#forms?.flush();
    this.#session.store();
  }

  /** Close, and remove everything that is stored for this view: its slot, its secrets, the page's stashed forms. */
  forget() {
    this.close(1000);
    this.#session.forget();
    this.#forms?.forget();
    this.#missing = this.#changed = this.#told = false; // thrown away is not saved
  }

  /** Close without an event, and let go of the page. */
  destroy() {
    this.#silent = true;
    this.close();
  }

  /**
   * @param {number} conn
   * @param {import("./machine.js").Machine} machine
   * @returns {import("./machine.js").Connect} what a mount takes along, within the server's limit
   */
  #collect(conn, machine) {
    const { params, page = this.#page.params } = this.#options;
    /** @type {import("./machine.js").Connect} */
    const connect = { conn, page, build: this.#page.build, identity: this.#page.identity, now: this.#now() };
    try {
      connect.params = plain(typeof params === "function" ? params() : params);
    } catch (error) {
      complain(error);
    }
    try {
      connect.forms = this.#forms?.pairs(this.#within);
      connect.empty = this.#forms?.empty(this.#within);
    } catch (error) {
      complain(error);
    }
    const limit = this.#limits?.mount ?? Infinity;
    const left = fit(connect, (more) => machine.mountFrame(more), limit);
    for (const detail of left) this.#emit(new CustomEvent("oversize", { detail }));
    return connect;
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
      case "lost":
      case "failed":
        if (this.#emit(new CustomEvent(event, { detail, cancelable: true }))) this.#missing = true;
        return;
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
    if (this.#state === CONNECTING) {
      this.#state = OPEN;
      this.#emit(new Event("open"));
    }
    this.#emit(new CustomEvent("mounted", { detail }));
    const { invalid, dropped } = detail;
    if (dropped || invalid?.[""]) console.warn("quart_stash: the server could not read all that was pushed:", { dropped, invalid });
    this.#forms?.restore();
  }

  /** @param {number} conn @param {number} deadline */
  #drain(conn, deadline) {
    const event = new DrainEvent(deadline);
    this.#emit(event);
    try {
      this.#forms?.flush();
    } catch (error) {
      complain(error);
    }
    if (this.#reading) event.waitUntil(this.#reading);
    // The answer has to be there in time, whatever it waits for.
    setTimeout(() => this.#session.handle({ do: "hooks", conn }), deadline - Math.min(1000, deadline / 5));
    const settled = () => this.#session.settled(conn);
    // A hidden tab's timers are slow: unless the page asks for time, the answer waits for none.
    if (event.waits.length === 0) settled();
    else void Promise.allSettled(event.waits).then(settled);
  }

  #look() {
    this.#changed = Boolean(this.#forms?.isUnsaved(this.#within));
    this.#weigh();
  }

  /** Tell the page where its user's work stands, if that is news. */
  #weigh() {
    const unsaved = this.#missing || this.#changed || this.#session?.machine.outbox.pending;
    if (this.#silent || unsaved === this.#told) return;
    this.#told = unsaved;
    reportWork(this, unsaved);
    this.#emit(new Event(unsaved ? "unsaved" : "saved"));
  }

  /** Has the browser ask, if leaving would lose something. @type {(event: BeforeUnloadEvent) => void} */
  #guard = (event) => {
    if (this.#page.abandoned || !(this.#session.exposed || this.#forms?.isExposed(this.#within))) return;
    event.preventDefault();
    event.returnValue = true;
  };

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

  /** @param {number} code @param {string} reason @param {Promise<unknown>} closed */
  #over(code, reason, closed) {
    this.#state = CLOSING;
    this.#stop.abort();
    this.#page.give(this.name);
    if (code === 1002) this.#emit(new Event("error"));
    void closed.then(() => {
      this.#state = CLOSED;
      reportWork(this, null);
      this.#emit(closeEvent(code, reason));
    });
  }

  /** @param {Blob} blob */
  #read(blob) {
    const bytes = blob.arrayBuffer().then((buffer) => new Uint8Array(buffer), (error) => (complain(error), null));
    const read = bytes.then((data) => this.#session.handle({ do: "read", blob, data }));
    this.#reading = Promise.all([this.#reading, read]).then(() => {});
  }

  /**
   * @param {Event} event
   * @returns {boolean} whether its default action is wanted
   */
  #emit(event) {
    if (this.#silent) return false;
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

/** @param {import("./storage.js").StorageLike | null} storage @param {{ identity: string, now?: () => number }} options */
function injected(storage, options) {
  const area = new Area(storage, options);
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
