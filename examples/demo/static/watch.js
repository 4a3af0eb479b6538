/**
 * Looks on at every WebSocket of the page, so that what the panel shows is what is on the wire. The page's own
 * scripts know nothing of it, and come after it. Of a control frame only its type is noted.
 */

/**
 * @typedef {{ at: number, what: string, up: boolean }} Frame `up`: to the server
 * @typedef {object} Connection when what happened to it
 * @property {number} opened the page called
 * @property {number} [accepted] a server took the call
 * @property {number} [mounted]
 * @property {number} [drained]
 * @property {number} [flushed]
 * @property {number} [ended]
 * @property {Frame[]} frames
 */
/**
 * @typedef {object} Handover
 * @property {Connection} old
 * @property {Connection} next
 * @property {number} from when on messages had to wait
 * @property {string} status what the new server knew: `restored`, `fresh`, `rejected`
 */

/** How many connections, and how many hand-overs, are remembered. */
const MEMORY = 100;

/** The servers' clock, too, whose events are drawn beside the page's. */
export const now = () => Date.now();

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
    connections.splice(0, connections.length - MEMORY);
    this.addEventListener("open", () => (this.#seen.accepted = now()));
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
    const { what, status } = describe(data);
    // The page's own messages are of interest while the server waits for the last of them.
    if (!what || (what === "message" && !(up && seen.drained))) return;
    const at = now();
    seen.frames.push({ at, what, up });
    if (what === "drain") seen.drained = at;
    if (what === "flushed") seen.flushed = at;
    if (status) {
      seen.mounted = at;
      noteHandover(seen, status);
    }
    changes.dispatchEvent(new Event("change"));
  }
};

/** @param {unknown} data @returns {{ what?: string, status?: string }} nothing: of no interest */
function describe(data) {
  if (typeof data !== "string" || !data.startsWith("{")) return { what: "message" };
  const { type, final, status } = JSON.parse(data);
  if (type === "mounted") return { what: `mounted, ${status}`, status };
  if (type === "token") return final ? { what: "final token" } : {};
  return type === "ping" || type === "pong" ? {} : { what: type };
}

/** @param {Connection} next it has been mounted; if there was one before, that was a hand-over @param {string} status */
function noteHandover(next, status) {
  const old = connections.filter((one) => one !== next && one.mounted).at(-1);
  // From when on messages had to wait: the tab had said that no more would come, or the connection was lost.
  const from = Math.min(old?.flushed ?? Infinity, old?.ended ?? Infinity);
  if (from === Infinity) return;
  handovers.push({ old, next, from, status });
  handovers.splice(0, handovers.length - MEMORY);
}
