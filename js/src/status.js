/** Shows where the page's sockets stand: `<html data-stash-state>` for styling, `<stash-status>` for everybody. */

/** @typedef {"connected" | "handover" | "reconnecting"} Status */

/** @type {Map<object, Status>} */
const sockets = new Map();
/** @type {Set<(status: Status) => void>} */
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
  for (const watcher of watchers) watcher(shown ?? "connected");
}

/**
 * Define `<stash-status>`: a live region that is empty while all is well.
 *
 * Its words are its attributes `reconnecting` and `connected`; a gap too short to be told of is not told of.
 */
export function defineStatus() {
  if (!globalThis.customElements || customElements.get("stash-status")) return;
  customElements.define(
    "stash-status",
    class extends HTMLElement {
      #told = false;
      /** @type {(status: Status) => void} */
      #watcher = (status) => this.#show(status);

      connectedCallback() {
        if (!this.hasAttribute("role")) this.setAttribute("role", "status");
        watchers.add(this.#watcher);
        this.#show(worst() ?? "connected");
      }

      disconnectedCallback() {
        watchers.delete(this.#watcher);
      }

      /** @param {Status} status */
      #show(status) {
        const lost = status === "reconnecting";
        if (!lost && !this.#told) return;
        this.#told = true;
        const words = lost
          ? (this.getAttribute("reconnecting") ?? "Reconnecting…")
          : (this.getAttribute("connected") ?? "Connected again.");
        this.replaceChildren(words);
      }
    },
  );
}
