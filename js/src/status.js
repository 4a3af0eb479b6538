/** Shows where the page's sockets stand: `<html data-stash-state>` for styling, `<stash-status>` for everybody. */

/** @typedef {"connected" | "handover" | "reconnecting"} Status */

/** @type {Map<object, Status>} */
const sockets = new Map();
/** @type {Set<(status: Status | null) => void>} */
const watchers = new Set();

/** @returns {Status | null} the worst of all sockets */
function worst() {
  const all = new Set(sockets.values());
  return all.has("reconnecting") ? "reconnecting" : all.has("handover") ? "handover" : all.size ? "connected" : null;
}

/**
 * @param {object} socket
 * @param {Status | null} status `null`: this socket is done with
 */
export function report(socket, status) {
  if (status === null) sockets.delete(socket);
  else sockets.set(socket, status);
  const root = /** @type {{ document?: Document }} */ (globalThis).document?.documentElement;
  const shown = worst();
  if (shown === null) root?.removeAttribute("data-stash-state");
  else if (root?.getAttribute("data-stash-state") !== shown) root?.setAttribute("data-stash-state", shown);
  for (const watcher of watchers) watcher(shown);
}

/** Milliseconds that a connection lasts before it is told of: one that comes and goes is not read out each time. */
const HOLD = 1_000;
/** Milliseconds that the good news stays. */
const LINGER = 5_000;
const WORDS = { reconnecting: "Reconnecting…", connected: "Connected again." };

/**
 * Define `<stash-status>`: a live region that is empty while all is well.
 *
 * Its words are its attributes `reconnecting` and `connected`; a gap too short to be told of is not told of. A screen reader
 * reads what changes in it, so it changes only when there is news.
 */
export function defineStatus() {
  if (!globalThis.customElements || customElements.get("stash-status")) return;
  customElements.define(
    "stash-status",
    class extends HTMLElement {
      /** What stands in it. @type {keyof typeof WORDS | null} */
      #said = null;
      /** @type {ReturnType<typeof setTimeout> | undefined} */
      #timer;
      /** @type {(status: Status | null) => void} */
      #watcher = (status) => this.#show(status);

      connectedCallback() {
        if (!this.hasAttribute("role")) this.setAttribute("role", "status");
        // Its own words are read in their language; the page's are in the page's.
        if (!["lang", "reconnecting"].some((name) => this.hasAttribute(name))) this.setAttribute("lang", "en");
        watchers.add(this.#watcher);
        this.#show(worst());
      }

      disconnectedCallback() {
        watchers.delete(this.#watcher);
        this.#say(null);
      }

      /** @param {Status | null} status */
      #show(status) {
        if (status === "reconnecting" || status === null) this.#say(status);
        else if (this.#said === "reconnecting") this.#timer ??= setTimeout(() => this.#say("connected"), HOLD);
      }

      /** @param {keyof typeof WORDS | null} what */
      #say(what) {
        clearTimeout(this.#timer);
        this.#timer = what === "connected" ? setTimeout(() => this.#say(null), LINGER) : undefined;
        if (what === this.#said) return;
        this.#said = what;
        this.textContent = what === null ? "" : (this.getAttribute(what) ?? WORDS[what]);
      }
    },
  );
}
