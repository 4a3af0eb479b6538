/**
 * Looks on at every WebSocket of the page, so that what the panel shows is what is on the wire. The page's own
 * scripts know nothing of it, and come after it. Of a control frame only its type is noted.
 */

/**
 * @typedef {{ at: number, what: string, up: boolean }} Frame `up`: to the server
 * @typedef {object} Connection when what happened to it
 * @property {number} opened
 * @property {number} [mounted]
 * @property {number} [drained]
 * @property {number} [flushed]
 * @property {number} [ended]
 * @property {Frame[]} frames
 */
/**
 * @typedef {{ old: Connection, next: Connection, from: number, gap: number }} Handover from when to when
 */

/** @returns {number} milliseconds since the epoch, finely */
export const now = () => performance.timeOrigin + performance.now();

/** @type {Connection[]} */
export const connections = [];
/** @type {Handover[]} */
export const handovers = [];
export const changes = new EventTarget();

globalThis.WebSocket = class extends WebSocket {
  /** @type {Connection} */
  #seen = { opened: now(), frames: [] };

  constructor(...args) {
    super(...args);
    connections.push(this.#seen);
    this.addEventListener("message", ({ data }) => this.#note(data, false));
    this.addEventListener("close", ({ code }) => {
      this.#seen.ended = now();
      this.#seen.frames.push({ at: now(), what: `close ${code}`, up: false });
      changes.dispatchEvent(new Event("change"));
    });
  }

  send(data) {
    super.send(data);
    this.#note(data, true);
  }

  #note(data, up) {
    const seen = this.#seen;
    const what = describe(data);
    // The page's own messages are of interest while the server waits for the last of them.
    if (what === null || (what === "message" && !(up && seen.drained))) return;
    const at = now();
    seen.frames.push({ at, what, up });
    if (what === "drain") seen.drained = at;
    if (what === "flushed") seen.flushed = at;
    if (what.startsWith("mounted")) {
      seen.mounted = at;
      noteHandover(seen);
    }
    changes.dispatchEvent(new Event("change"));
  }
};

/** @param {unknown} data @returns {string | null} `null`: nothing of interest */
function describe(data) {
  if (typeof data !== "string" || !data.startsWith("{")) return "message";
  const { type, final, status } = JSON.parse(data);
  if (type === "token") return final ? "final token" : null;
  if (type === "mounted") return `mounted, ${status}`;
  return type === "ping" || type === "pong" ? null : type;
}

/** @param {Connection} next it has been mounted; if there was one before, that was a hand-over */
function noteHandover(next) {
  const old = connections.filter((one) => one !== next && one.mounted).at(-1);
  if (!old) return;
  // From when on messages had to wait: the tab had said that no more would come, or the connection was lost.
  const from = Math.min(old.flushed ?? Infinity, old.ended ?? Infinity);
  handovers.push({ old, next, from, gap: next.mounted - from });
}
