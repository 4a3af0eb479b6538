/** A browser, its tabs and a network, small enough to see through: for tests of what runs in pages. */

import { afterEach, beforeEach, mock } from "node:test";

import { Backoff } from "../src/backoff.js";
import { parseUp, serialise } from "../src/frames.js";
import { Page } from "../src/page.js";
import { StashSocket } from "../src/socket.js";
import { ModelConnection } from "./model.js";

/** A storage area as browsers have it; `quota` is in characters. */
export class FakeStorage {
  /** @type {Map<string, string>} */
  items = new Map();
  quota = Infinity;

  get length() {
    return this.items.size;
  }

  /** @param {number} index */
  key(index) {
    return [...this.items.keys()][index] ?? null;
  }

  /** @param {string} key */
  getItem(key) {
    return this.items.get(key) ?? null;
  }

  /** @param {string} key @param {string} value */
  setItem(key, value) {
    if (value.length > this.quota) throw new DOMException("full", "QuotaExceededError");
    this.items.set(key, value);
  }

  /** @param {string} key */
  removeItem(key) {
    this.items.delete(key);
  }

  copy() {
    const copy = new FakeStorage();
    copy.items = new Map(this.items);
    return copy;
  }
}

/** Locks as the Web Locks API grants them: one holder for a name, the others wait. */
export class FakeLocks {
  /** @type {Map<string, Promise<unknown>>} */
  held = new Map();

  /** Milliseconds that it takes to grant one. */
  delay = 0;

  async query() {
    return { held: [...this.held.keys()].map((name) => ({ name })) };
  }

  /** @param {string} name @param {{ signal: AbortSignal }} options @param {() => Promise<unknown>} hold */
  async request(name, { signal }, hold) {
    if (this.delay > 0) await new Promise((granted) => setTimeout(granted, this.delay));
    signal.throwIfAborted();
    while (this.held.has(name)) {
      const aborted = new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      await Promise.race([this.held.get(name), aborted]);
    }
    const holding = hold().then(() => this.held.delete(name));
    this.held.set(name, holding);
    await holding;
  }
}

/** @param {string} what @param {string} form @param {unknown} mark */
const said = (what, form, mark) => `${what} ${form}${mark ? ` ${JSON.stringify(mark)}` : ""}`;

/** What a page says through its markup, and the forms in it. */
export class FakeForms extends EventTarget {
  /** @type {string[]} */
  calls = [];
  /** Sockets whose messages are counted anew. @type {string[]} */
  renumbered = [];
  /** @type {import("../src/frames.js").Pairs} */
  typed = {};
  /** @type {import("../src/frames.js").Names} */
  unticked = {};
  /** @type {{ foreign?: boolean } | undefined} */
  options;
  note = () => {};
  holds = () => true;
  start = (/** @type {{ foreign?: boolean }} */ options = {}) => {
    this.options = options;
    this.calls.push("start");
  };
  restore = () => void this.calls.push("restore");
  flush = () => void this.calls.push("flush");
  forget = () => void this.calls.push("forget");
  stop = () => void this.calls.push("stop");
  clear = (/** @type {string} */ name, /** @type {unknown} */ upto) => void this.calls.push(said("clear", name, upto));
  submit = (/** @type {string} */ name, /** @type {unknown} */ mark) => void this.calls.push(said("submit", name, mark));
  renumber = (/** @type {string} */ socket) => void this.renumbered.push(socket);
  revive = () => void this.calls.push("revive");
  isSecret = () => false;
  /** Whether the user has changed something, and whether storage lacks it. */
  changed = false;
  exposed = false;
  isUnsaved = () => this.changed;
  isExposed = () => this.exposed;
  /** @param {boolean} changed */
  change(changed) {
    this.changed = changed;
    this.dispatchEvent(new Event("changed"));
  }
  pairs = () => this.typed;
  empty = () => this.unticked;
}

/** The inline style of an element, changed by script. */
class FakeStyle {
  /** @type {Map<string, [string, string]>} */
  #set = new Map();

  /** @param {string} name */
  getPropertyValue(name) {
    return this.#set.get(name)?.[0] ?? "";
  }

  /** @param {string} name */
  getPropertyPriority(name) {
    return this.#set.get(name)?.[1] ?? "";
  }

  /** @param {string} name @param {string} value @param {string} [priority] */
  setProperty(name, value, priority = "") {
    if (value === "") this.#set.delete(name);
    else this.#set.set(name, [value, priority]);
  }
}

/** A tab: its session storage and its history entry survive a reload. */
export class Tab {
  session = new FakeStorage();
  local = new FakeStorage();
  locks = new FakeLocks();
  /** @type {any} */
  state = null;
  blocked = false;
  /** @type {string | null} `null`: it keeps none */
  cookie = "";
  reloads = 0;
  href = "https://shop.example/checkout/1?step=1";
  prerendered = false;
  /** What a request for the readiness endpoint gets; `null`: no answer. @type {Response | null} */
  readiness = null;
  /** The addresses that were asked for. @type {string[]} */
  fetched = [];
  /** The history entries of the frame, where the browser tells them. @type {{ key: string, url: string }[] | null} */
  entries = null;
  /** Which of them is current. */
  index = 0;
  /** How many there are in all of the tab. */
  length = 1;

  /** The same tab once more, as "Duplicate tab" makes it. */
  duplicate() {
    const copy = new Tab();
    Object.assign(copy, { session: this.session.copy(), local: this.local, locks: this.locks, state: this.state });
    return copy;
  }

  /**
   * Load the page.
   *
   * @param {{ identity?: string | null, build?: string, limits?: object, dealt?: string[], under?: string, signed?: string }} [markup]
   *   `dealt`: the forms that the server says it has dealt with; `under`: where the application is mounted; `signed`: page params
   */
  load({ identity = "alice", build = "b1", limits, dealt = [], under = "", signed = "signed-page" } = {}) {
    const window = new EventTarget();
    const forms = new FakeForms();
    const root = new Map();
    const src = `https://shop.example${under}/_stash/quart-stash.${build}.js`;
    const dataset = { identity, build, limits: limits && JSON.stringify(limits) };
    const script = identity === null ? null : { dataset, src };
    const cookies = {
      get: () => this.cookie ?? "",
      set: (/** @type {string} */ text) => void (this.cookie = this.cookie === null ? null : text.replace(/;.*/, "")),
    };
    const document = Object.assign(Object.defineProperty(new EventTarget(), "cookie", cookies), {
      visibilityState: "visible",
      prerendering: this.prerendered,
      baseURI: this.href,
      documentElement: {
        getAttribute: (/** @type {string} */ name) => root.get(name) ?? null,
        setAttribute: (/** @type {string} */ name, /** @type {string} */ value) => root.set(name, value),
        removeAttribute: (/** @type {string} */ name) => root.delete(name),
        style: new FakeStyle(),
      },
      querySelector: (/** @type {string} */ selector) =>
        selector.startsWith("script") ? script : { getAttribute: () => signed },
      querySelectorAll: () => dealt.map((form) => ({ getAttribute: () => form })),
    });
    const tab = this;
    const history = {
      get state() {
        return tab.state;
      },
      get length() {
        return tab.length;
      },
      replaceState(/** @type {any} */ state, /** @type {string} */ _, /** @type {URL | undefined} */ url) {
        tab.state = state;
        if (url) tab.href = location.href = String(url);
      },
    };
    const location = { href: this.href, reload: () => void (this.reloads += 1) };
    const listed = () => (tab.entries ?? []).map((entry, index) => ({ ...entry, index }));
    const navigation = { entries: listed, get currentEntry() { return listed()[tab.index]; } };
    const globals = {
      document, history, location,
      navigation: this.entries === null ? undefined : navigation,
      fetch: async (/** @type {URL} */ url) => {
        this.fetched.push(String(url));
        if (this.readiness === null) throw new TypeError("no answer");
        return this.readiness.clone();
      },
      sessionStorage: this.blocked ? null : this.session,
      localStorage: this.local,
      navigator: { locks: this.locks },
      addEventListener: window.addEventListener.bind(window),
      removeEventListener: window.removeEventListener.bind(window),
      window: /** @type {any} */ ({}),
    };
    globals.window.parent = globals.window;
    for (const [name, value] of Object.entries(globals)) {
      Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    }
    const page = (Page.current = new Page({ createForms: () => forms }));
    page.forms();
    const fire = (/** @type {string} */ type, fields = {}) => {
      const event = new Event(type, { cancelable: type === "beforeunload" });
      for (const [name, value] of Object.entries(fields)) Object.defineProperty(event, name, { value, writable: true });
      return window.dispatchEvent(event);
    };
    const turn = (/** @type {string} */ state) => {
      document.visibilityState = state;
      document.dispatchEvent(new Event("visibilitychange"));
    };
    const activate = () => {
      this.prerendered = document.prerendering = false;
      document.dispatchEvent(new Event("prerenderingchange"));
    };
    return { forms, fire, turn, activate, page, root, history, location };
  }
}

/** One real socket, as a network that the test governs gives it. */
export class FakeSocket extends EventTarget {
  static OPEN = 1;
  static CLOSED = 3;
  readyState = 0;
  bufferedAmount = 0;
  extensions = "";
  binaryType = "blob";
  protocol = "";
  /** @type {((event: any) => void) | null} */
  onopen = null;
  /** @type {((event: any) => void) | null} */
  onmessage = null;
  /** @type {((event: any) => void) | null} */
  onclose = null;
  /** What the client said. @type {any[]} */
  said = [];
  /** @type {number | undefined} */
  closedWith;
  server = new ModelConnection((frame) => this.hear(serialise(frame)), (code) => this.end(code));
  /** Whether frames of the client reach the server. */
  deaf = false;

  /** @param {string} type @param {object} fields */
  #fire(type, fields) {
    const event = Object.assign(new Event(type), fields);
    /** @type {any} */ (this)[`on${type}`]?.(event);
    this.dispatchEvent(event);
  }

  accept(protocol = "quart-stash.v1") {
    if (this.readyState !== 0) return;
    this.readyState = 1;
    this.protocol = protocol;
    this.#fire("open", {});
  }

  /** @param {number} code */
  end(code) {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.server.state = "ended";
    this.#fire("close", { code, reason: "" });
  }

  /** @param {string | Uint8Array<ArrayBuffer>} data */
  hear(data) {
    if (this.readyState === 1) this.#fire("message", { data: typeof data === "string" ? data : data.slice().buffer });
  }

  /** @param {string | Uint8Array<ArrayBuffer>} data */
  send(data) {
    const frame = parseUp(typeof data === "string" ? data : data.slice().buffer);
    if (frame === null) throw new Error("not a frame");
    this.said.push(frame);
    if (!this.deaf) this.server.receive(frame);
  }

  /** @param {number} [code] */
  close(code) {
    this.closedWith = code ?? 1005;
    this.end(this.closedWith);
  }
}

/** The sockets of a page, in the order in which they were opened. */
export class Network {
  /** @type {FakeSocket[]} */
  sockets = [];
  /** @type {"accept" | "refuse" | "hang"} */
  mood = "accept";

  get WebSocket() {
    const network = this;
    return /** @type {any} */ (
      class extends FakeSocket {
        constructor() {
          super();
          network.sockets.push(this);
          queueMicrotask(() => {
            if (network.mood === "accept") this.accept();
            if (network.mood === "refuse") this.end(1006);
          });
        }
      }
    );
  }

  get last() {
    const socket = this.sockets.at(-1);
    if (!socket) throw new Error("no socket was opened");
    return socket;
  }
}

/** Let everything happen that waits for no timer. */
export const rest = async () => {
  for (let turn = 0; turn < 30; turn += 1) await Promise.resolve();
};

/** @param {number} milliseconds */
export const pass = async (milliseconds) => {
  await rest();
  mock.timers.tick(milliseconds);
  await rest();
};

/**
 * Write down what a socket's listeners hear.
 *
 * @param {EventTarget} socket
 * @returns {{ type: string, [field: string]: any }[]}
 */
export function record(socket) {
  /** @type {{ type: string, [field: string]: any }[]} */
  const heard = [];
  const types = ["open", "message", "error", "close", "mounted", "drain", "synced", "restored", "conflict", "lost", "failed"];
  for (const type of [...types, "oversize", "disconnected", "reconnected", "refused", "stale"]) {
    socket.addEventListener(type, (/** @type {any} */ event) => {
      const { detail, data, code } = event;
      heard.push({ type, ...(type === "message" ? { data } : {}), ...(type === "close" ? { code } : {}), ...detail });
    });
  }
  return heard;
}

/**
 * Give each test of a file a tab, its page and a network, and end the sockets that it has opened.
 *
 * @param {(made: { tab: Tab, page: ReturnType<Tab["load"]>, network: Network }) => void} begin
 * @returns {(options?: import("../src/socket.js").Options, url?: string) => StashSocket} opens a socket in the page that is loaded
 */
export function stage(begin) {
  /** @type {StashSocket[]} */
  const sockets = [];
  /** @type {Network} */
  let network;
  beforeEach(() => {
    mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
    const tab = new Tab();
    network = new Network();
    begin({ tab, page: tab.load(), network });
  });
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
    mock.timers.reset();
  });
  return (options, url = "/checkout/1") => {
    const backoff = new Backoff({ random: () => 1 });
    const socket = new StashSocket(url, { WebSocket: network.WebSocket, backoff, ...options });
    sockets.push(socket);
    return socket;
  };
}
