/** htmx: its WebSocket extension makes its sockets through `htmx.createWebSocket`. */

import { StashSocket } from "./socket.js";

/**
 * Let htmx's WebSocket extension use sockets that outlive the server's process.
 *
 * @param {{ createWebSocket?: (url: string) => any }} htmx
 * @param {import("./socket.js").Options} [options] for every socket that it makes
 */
export function install(htmx, options) {
  htmx.createWebSocket = (url) => new StashSocket(url, options);
}
