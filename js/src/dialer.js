/** Opens real sockets and minds them, each under a number; one attempt at a time. */

import { SUBPROTOCOL } from "./frames.js";

/**
 * @typedef {object} Handlers
 * @property {(conn: number) => void} open
 * @property {(conn: number, data: string | ArrayBuffer) => void} frame
 * @property {(conn: number, code: number, reason: string) => void} end not said of a connection that was closed from here
 * @property {() => void} refused the server is up, and refuses to connect; said once, until a connection opens
 * @property {() => boolean} served whether an old connection still serves the page: then an attempt that hangs is better off
 *   tried again
 */

const NO_VIEW =
  "quart_stash: no view answers here, so no message is sent. Decorate the route with @stash.view(), or use a WebSocket. " +
  "It is tried again, since a deploy may be under way:";
/** The close code of a server that knows quart_stash, and has no view here. */
const STRANGER = 4404;
/** Milliseconds that a server has to close a connection that it handed over, or to answer a close. */
const LINGER = 2_000;
/** Milliseconds that an attempt may always take. */
const LEAST = 500;
/** Milliseconds within which an address is tried again that refuses: it may be another matter after a deploy, or a log-in. */
const SELDOM = 60_000;
/** Attempts in a row that a server which is up has to refuse. */
const REFUSALS = 3;

export class Dialer {
  #count = 0;
  /** @type {Map<number, WebSocket>} */
  #sockets = new Map();
  /** @type {number | null} */
  #attempt = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #stopped = false;
  /** Milliseconds that an attempt may take while the page is served: four times what the last one took. */
  #brisk;
  /** Attempts in a row that took too long. */
  #slow = 0;
  /** Whether the last attempt took too long. */
  #hung = false;
  /** Attempts in a row that a server took which knows no view here. */
  #strangers = 0;
  /** Whether the console has been told of them. */
  #told = false;
  /** Attempts in a row that have failed at once. */
  #failures = 0;
  /** Milliseconds that were waited between them. */
  #waited = 0;
  /** Milliseconds within which a server that was leaving asked to come: until then it may refuse because of the crowd. */
  #crowd = 0;
  /** Whether the server was up when it was last asked. */
  #up = false;
  /** Attempts in a row that it has refused, and was up before and after. */
  #refusals = 0;
  /** Whether the server is up, and refuses to connect. */
  refused = false;

  /**
   * @param {string} url
   * @param {Handlers} handlers
   * @param {{ backoff: import("./backoff.js").Backoff, ready?: () => Promise<boolean>, WebSocket?: typeof WebSocket,
   *   timeout?: number }} options `ready`: whether the server is up
   */
  constructor(url, handlers, { backoff, ready, WebSocket: Socket, timeout = 4_000 }) {
    this.url = url;
    this.ready = ready;
    this.handlers = handlers;
    this.backoff = backoff;
    this.Socket = Socket;
    this.timeout = this.#brisk = timeout;
  }

  /** Whether a connection is being opened, or soon will be: an attempt that hung says nothing of the next one. */
  get dialing() {
    return this.#attempt !== null || this.#hung;
  }

  /**
   * See that a connection opens. Does nothing if one is on its way.
   *
   * @param {number | null} wait `null`: at once; else after a failure, with full jitter after so many milliseconds
   */
  dial(wait) {
    if (this.#stopped || this.#attempt !== null) return;
    if (wait === null) return this.#connect();
    this.#crowd = wait;
    // Who hangs was not refused: the server's delay is not meant.
    const refusals = Math.max(this.#strangers, this.refused ? this.#refusals : 0);
    const delay = refusals ? Math.min(LINGER * 2 ** refusals, SELDOM) : this.#hung ? 0 : wait;
    if (this.#timer) return;
    const pause = this.backoff.next(delay);
    this.#waited += pause;
    this.#timer = setTimeout(() => this.#connect(), pause);
  }

  /** Try now what was to be tried later. */
  hurry() {
    if (this.#timer) this.#connect();
  }

  /**
   * @param {number} conn
   * @param {string | Uint8Array<ArrayBuffer>} data
   */
  send(conn, data) {
    const socket = this.#sockets.get(conn);
    // A socket that is closing says so by its close event; the message is in the outbox.
    if (socket?.readyState === 1) socket.send(data);
  }

  /** @param {number | null} conn */
  get(conn) {
    return conn === null ? undefined : this.#sockets.get(conn);
  }

  /**
   * Close a connection, and hear no more of it.
   *
   * @param {number} conn
   * @param {number} [code]
   * @param {string} [reason]
   * @returns {Promise<void>} when it has ended, or has had the time to
   */
  close(conn, code, reason) {
    const socket = this.#forget(conn);
    if (!socket) return Promise.resolve();
    return new Promise((ended) => {
      const timer = setTimeout(ended, LINGER);
      socket.addEventListener("close", () => (clearTimeout(timer), ended()));
      // An empty reason may only stand beside a code.
      if (code === undefined) socket.close();
      else socket.close(code, reason);
    });
  }

  /**
   * Leave it to the server to close a connection, for a while.
   *
   * @param {number} conn
   */
  retire(conn) {
    const socket = this.#forget(conn);
    if (!socket || socket.readyState === 3) return;
    const timer = setTimeout(() => socket.close(), LINGER);
    socket.addEventListener("close", () => clearTimeout(timer));
  }

  /** Give up a connection that has gone silent: it has ended, whatever the browser believes. @param {number} conn */
  abandon(conn) {
    const socket = this.#forget(conn);
    if (!socket) return;
    socket.close();
    this.handlers.end(conn, 4000, "silence");
  }

  /** Start no more attempts, and close what is open: also a connection that waits for its time. */
  stop() {
    this.#stopped = true;
    this.#clear();
    for (const conn of this.#sockets.keys()) void this.close(conn);
  }

  start() {
    this.#stopped = false;
  }

  #clear() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** @param {number} conn */
  #forget(conn) {
    const socket = this.#sockets.get(conn);
    this.#sockets.delete(conn);
    if (this.#attempt === conn) this.#attempt = null;
    return socket;
  }

  #connect() {
    this.#clear();
    this.#hung = false;
    const conn = (this.#count += 1);
    this.#attempt = conn;
    const began = Date.now();
    const up = this.#up;
    const { handlers } = this;
    /** @type {(code: number, reason: string) => void} */
    const end = (code, reason) => {
      settle();
      if (this.#attempt === conn) {
        // Who does not answer may be a view again when it does.
        this.#strangers = 0;
        if (!this.#hung) this.#failed(up);
      }
      // Nothing is said of a socket that was closed from here.
      if (this.#attempt === conn || this.#sockets.has(conn)) {
        this.#forget(conn);
        handlers.end(conn, code, reason);
      }
    };
    const giveUp = (/** @type {number} */ slow) => {
      this.#hung = true;
      this.#slow += slow;
      socket?.close();
      end(1006, "");
    };
    // A socket may hang in a listen backlog for minutes; but a slow network must get through some time.
    const timers = [
      setTimeout(giveUp, this.timeout * 2 ** Math.min(this.#slow, 3), 1),
      setTimeout(() => handlers.served() && giveUp(0), this.#brisk),
    ];
    const settle = () => timers.forEach((timer) => clearTimeout(timer));
    /** @type {WebSocket | undefined} */
    let socket;
    try {
      socket = this.#socket();
    } catch {
      // Blocked by a policy of the page, maybe for now.
      end(1006, "");
      return;
    }
    const made = socket;
    this.#sockets.set(conn, made);
    made.onopen = () => {
      settle();
      this.#slow = 0;
      this.#brisk = Math.min(Math.max(4 * (Date.now() - began), LEAST), this.timeout);
      if (!this.#sockets.has(conn)) return;
      this.#attempt = null;
      this.#failures = this.#refusals = this.#waited = 0;
      this.#up = false;
      if (made.protocol === SUBPROTOCOL) return handlers.open(conn);
      this.#stranger();
      made.close();
    };
    made.onmessage = ({ data }) => {
      if (!this.#sockets.has(conn)) return;
      this.#strangers = 0;
      this.refused = false;
      handlers.frame(conn, data);
    };
    made.onclose = ({ code, reason }) => {
      if (code === STRANGER) this.#stranger();
      end(code, reason);
    };
  }

  /** What answers here is no view: not yet, no more, or by mistake. */
  #stranger() {
    this.#strangers += 1;
    if (!this.#told) console.error(NO_VIEW, this.url.replace(/\?.*/, ""));
    this.#told = true;
    if (this.#strangers >= REFUSALS) this.#refuse();
  }

  /**
   * An attempt has failed at once: the server is down, or it refuses. Browsers do not say which, so the server is asked.
   *
   * @param {boolean} up whether it was up before
   */
  #failed(up) {
    this.#failures += 1;
    if (!this.ready || this.#failures < 2) return;
    void this.ready().then((now) => {
      // Meanwhile a connection may have opened.
      if (this.#failures === 0) return;
      this.#up = now;
      this.#refusals = up && now ? this.#refusals + 1 : this.refused ? this.#refusals : 0;
      if (this.#refusals >= REFUSALS && this.#waited >= this.#crowd) this.#refuse();
    });
  }

  #refuse() {
    if (this.refused) return;
    this.refused = true;
    this.handlers.refused();
  }

  #socket() {
    const socket = new (this.Socket ?? WebSocket)(this.url, SUBPROTOCOL);
    socket.binaryType = "arraybuffer";
    return socket;
  }
}
