/** htmx: its WebSocket extension gets sockets that outlive the server's process. */

import { excludedNames, isCsrf } from "./forms/exclude.js";
import { stringify } from "./frames.js";
import { Page } from "./page.js";
import { StashSocket } from "./socket.js";

/**
 * @typedef {object} Htmx
 * @property {(url: string) => any} [createWebSocket]
 * @property {(name: string, hooks: object) => any} [defineExtension] htmx 2
 * @property {(name: string, hooks: object) => any} [registerExtension] htmx 4
 */
/** @typedef {(target: Element, html: Node[], options: { style: "outerHTML" | "innerHTML" }) => void} Morph */

/**
 * Let htmx's WebSocket extension, that of htmx 2 or 4, use sockets that outlive the server's process.
 *
 * @param {Htmx} htmx
 * @param {import("./socket.js").Options & { morph?: Morph }} [options] for every socket that it makes; `morph`: that of
 *   `quart-stash-morph.js`, for an extension `stash-morph` with the swap styles `morph` and `morph:innerHTML`
 */
export function install(htmx, { morph, ...options } = {}) {
  if (morph) htmx.defineExtension?.("stash-morph", swapping(morph));
  const make = (/** @type {string} */ url, more = {}) => new HtmxSocket(url, { ...more, ...options });
  htmx.createWebSocket = (url) => make(url);
  // htmx 4 asks nobody for its sockets: it calls this hook, and makes a `WebSocket` before anything else can run.
  htmx.registerExtension?.("stash", {
    htmx_ws_before_connection(/** @type {unknown} */ _, /** @type {any} */ { connection }) {
      const { WebSocket } = globalThis;
      // Reconnecting is the socket's own business, and a tab in the background keeps its view.
      Object.assign(connection.config, { reconnect: false, pauseOnBackground: false });
      globalThis.WebSocket = new Proxy(WebSocket, {
        construct: (Made, [url, ...rest]) =>
          url === connection.url ? make(url, { WebSocket }) : new Made(url, ...rest),
      });
      queueMicrotask(() => (globalThis.WebSocket = WebSocket));
    },
  });
}

/**
 * @param {Morph} morph
 * @returns {object} an extension that renders what htmx swaps in
 */
function swapping(morph) {
  const style = (/** @type {string} */ swap) => (swap === "morph:innerHTML" ? "innerHTML" : "outerHTML");
  return {
    isInlineSwap: (/** @type {string} */ swap) => swap === "morph",
    handleSwap: (/** @type {string} */ swap, /** @type {Element} */ target, /** @type {Element | DocumentFragment} */ html) => {
      if (swap !== "morph" && swap !== "morph:innerHTML") return false;
      const nodes = html instanceof DocumentFragment || style(swap) === "innerHTML" ? [...html.childNodes] : [html];
      morph(target, nodes, { style: style(swap) });
      return [target];
    },
  };
}

/** A socket as the extension treats it. */
class HtmxSocket extends StashSocket {
  /** Open from the start: what is sent waits in the outbox, not in a queue of htmx that a reload would lose. @override */
  get readyState() {
    return super.readyState || this.OPEN;
  }

  /**
   * The extension sends the fields of a form as an object, after a look at them that nobody else gets.
   *
   * @override
   * @param {any} data
   */
  send(data) {
    /** @type {string[] | undefined} */
    let names;
    try {
      // At whatever depth: the headers that htmx would send with a request are in it too.
      const fields = JSON.parse(data, (name, value) => (isCsrf(name) ? undefined : value));
      names = Object.keys(fields);
      data = stringify(fields);
    } catch {
      // A page may have it send anything else: then it may be of any control.
    }
    const wasSecret = (/** @type {string} */ form, /** @type {string} */ name) =>
      Page.current.allForms.some((forms) => forms.isSecret(form, name));
    super.send(data, { secret: excludedNames(document, { names, wasSecret }).size > 0 });
  }

  /**
   * @override
   * @param {number} [code]
   * @param {string} [reason]
   */
  close(code, reason) {
    // htmx 4 says so at `pagehide`; what becomes of the view then is the socket's own business too.
    if (reason !== "page navigating away") super.close(code, reason);
  }
}
