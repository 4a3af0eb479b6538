/** Shows where the page's sockets stand: `<html data-stash-state>` for styling, `<stash-status>` for everybody. */

/** @typedef {"connected" | "handover" | "reconnecting" | "refused" | "closed"} Status `closed`: for good, and not as was to be expected */
/** @typedef {"unsaved" | "saved"} Work */

/** @type {Map<object, Status>} */
const sockets = new Map();
/** Those whose user has unsaved work. @type {Set<object>} */
const working = new Set();
/** Where the work stands on the whole page; `null`: there is nothing to say of it. @type {Work | null} */
let work = null;
/** @type {Set<(status: Status | null) => void>} */
const watchers = new Set();

/** The worst first. @type {Status[]} */
const ORDER = ["closed", "refused", "reconnecting", "handover", "connected"];

/** @returns {Status | null} the worst of all sockets */
function worst() {
  const all = new Set(sockets.values());
  return ORDER.find((status) => all.has(status)) ?? null;
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

/**
 * @param {object} socket
 * @param {boolean | null} unsaved whether its user has unsaved work; `null`: this socket is done with
 */
export function reportWork(socket, unsaved) {
  if (unsaved) working.add(socket);
  else if (!working.delete(socket)) return;
  work = working.size > 0 ? "unsaved" : unsaved === null ? null : "saved";
  for (const watcher of watchers) watcher(worst());
}

/** Milliseconds that news holds before it is told: what comes and goes is not read out each time. */
const HOLD = 1_000;
/** Milliseconds that the good news stays. */
const LINGER = 5_000;
/** What is said of the connection, which comes before what is said of the work. */
const WORDS = {
  reconnecting: "Reconnecting…",
  refused: "The server refuses to connect. Please log in again, or load the page anew.",
  connected: "Connected again.",
  closed: "This page is no longer connected. Please reload it.",
};
/** @typedef {keyof typeof WORDS} News */
/** What is said at once. @type {Set<string>} */
const BAD = new Set(["reconnecting", "refused", "closed"]);

/**
 * Define `<stash-status>`: a live region that is empty while all is well.
 *
 * Its words are its attributes `reconnecting`, `refused`, `connected` and `closed`; a gap too short to be told of is not told of. Of
 * the user's work it speaks only in words that the page gives it, `unsaved` and `saved`. A screen reader reads what changes in it, so it
 * changes only when there is news.
 */
export function defineStatus() {
  if (!globalThis.customElements || customElements.get("stash-status")) return;
  customElements.define(
    "stash-status",
    class extends HTMLElement {
      /** What stands in it. @type {News | Work | null} */
      #said = null;
      /** @type {ReturnType<typeof setTimeout> | undefined} */
      #timer;
      /** Where the work stood last. @type {Work | null} */
      #work = null;
      /** Whether that has held, and was not said to its end. */
      #due = false;
      /** @type {ReturnType<typeof setTimeout> | undefined} */
      #held;
      /** Whether its language is ours to say. @type {boolean | undefined} */
      #speaks;
      /** @type {(status: Status | null) => void} */
      #watcher = (status) => this.#show(status);

      connectedCallback() {
        if (!this.hasAttribute("role")) this.setAttribute("role", "status");
        // Its own words are read in their language; the page's are in the page's.
        this.#speaks ??= !this.hasAttribute("lang");
        if (!["lang", "unsaved", "saved", ...Object.keys(WORDS)].some((name) => this.hasAttribute(name))) this.setAttribute("lang", "en");
        watchers.add(this.#watcher);
        if (work === "saved") this.#work = work; // before it was there: no news
        this.#show(worst());
      }

      disconnectedCallback() {
        watchers.delete(this.#watcher);
        clearTimeout(this.#held);
        this.#work = null;
        this.#due = false;
        this.#say(null);
      }

      /** @param {Status | null} status */
      #show(status) {
        if (status && BAD.has(status)) this.#say(/** @type {News} */ (status));
        else if (status === null) this.#isBusy && this.#say(null);
        else if (this.#said && BAD.has(this.#said)) this.#timer ??= setTimeout(() => this.#say("connected"), HOLD);
        if (work === this.#work) return;
        this.#work = work;
        clearTimeout(this.#held);
        this.#held = setTimeout(() => {
          this.#due = true;
          if (!this.#isBusy) this.#sayWork();
        }, HOLD);
      }

      /** Whether it speaks of the connection. */
      get #isBusy() {
        return this.#said !== null && this.#said in WORDS;
      }

      #sayWork() {
        this.#say(this.#due && work && this.hasAttribute(work) ? work : null);
        this.#due = work === "unsaved";
      }

      /** @param {News | Work | null} what */
      #say(what) {
        clearTimeout(this.#timer);
        const lingers = what === "connected" || what === "saved";
        this.#timer = lingers ? setTimeout(() => this.#sayWork(), LINGER) : undefined;
        if (what === this.#said) return;
        this.#said = what;
        this.textContent = what === null ? "" : this.#speak(what);
      }

      /**
       * @param {News | Work} what
       * @returns {string} the words for it, and in which language they are is noted
       */
      #speak(what) {
        const words = this.getAttribute(what);
        if (this.#speaks && words === null) this.setAttribute("lang", "en");
        else if (this.#speaks) this.removeAttribute("lang");
        return words ?? WORDS[/** @type {News} */ (what)];
      }
    },
  );
}
