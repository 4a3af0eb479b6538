/** The public names. Evaluated under two URLs, it is one instance: the first one. */

import { createForms } from "./forms/index.js";
import { install as installHtmx } from "./htmx.js";
import { Page } from "./page.js";
import { StashSocket as Socket } from "./socket.js";
import { defineStatus } from "./status.js";

/**
 * @typedef {object} Shared
 * @property {typeof Socket} StashSocket
 * @property {typeof installHtmx} install
 * @property {() => import("./page.js").Forms[]} keepers
 */

const KEY = Symbol.for("quart-stash");
const global = /** @type {{ [key: symbol]: Shared | undefined }} */ (/** @type {unknown} */ (globalThis));
const shared = (global[KEY] ??= start());

/** @returns {Shared} */
function start() {
  const page = (Page.current = new Page({ createForms }));
  // Before any socket: what is typed while the page loads is kept too.
  page.forms();
  defineStatus();
  return { StashSocket: Socket, install: installHtmx, keepers: () => page.allForms };
}

export const StashSocket = shared.StashSocket;
/** @typedef {Socket} StashSocket */
export const install = shared.install;
/** @typedef {import("./socket.js").Options} StashSocketOptions */
/** @typedef {import("./events.js").StashSocketEventMap} StashSocketEventMap */
/** @typedef {import("./events.js").DrainEvent} DrainEvent */
