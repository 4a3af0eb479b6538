/** The events that a page hears: what a `WebSocket` tells, and what only a `StashSocket` does. */

/** @typedef {import("./frames.js").Data} Data */
/** @typedef {import("./forms/index.js").Restored} Restored */
/** @typedef {import("./forms/reconcile.js").Conflict} Conflict */
/** @typedef {Omit<import("./frames.js").MountedFrame, "type" | "token">} Mounted */
/** @typedef {{ what: "forms" | "params" | "storage", form?: string, field?: string, size?: number, limit?: number }} Oversize */
/**
 * All events of a `StashSocket`: the one list that its listeners and handlers are typed by.
 *
 * @typedef {object} StashSocketEventMap
 * @property {Event} open
 * @property {MessageEvent<any>} message
 * @property {Event} error
 * @property {CloseEvent} close
 * @property {CustomEvent<Mounted>} mounted the view is mounted; before any message
 * @property {DrainEvent} drain the view is to leave its process; can be put off with `waitUntil`
 * @property {CustomEvent<{ received: number }>} synced the final token is stored
 * @property {CustomEvent<{}>} disconnected there has been no connection for half a second
 * @property {CustomEvent<{}>} reconnected there is one again
 * @property {CustomEvent<{}>} refused the server is up, and lets nobody in here
 * @property {CustomEvent<{ numbers: number[], messages: (Data | Blob)[] }>} lost these messages were never processed; `preventDefault()`: the page sees to them
 * @property {CustomEvent<{ number: number, data?: Data | Blob }>} failed this message was given up; likewise
 * @property {CustomEvent<Restored>} restored of a stashed field
 * @property {CustomEvent<Conflict>} conflict of a stashed field
 * @property {CustomEvent<Oversize>} oversize there was no room for this
 * @property {Event} unsaved the user has typed or sent what the server has not dealt with
 * @property {Event} saved the server has dealt with all of it
 * @property {CustomEvent<{ reason: string, reloads: boolean }>} stale the page will load anew, unless that is prevented
 */
/** @typedef {{ [K in keyof StashSocketEventMap as `on${K}`]?: ((event: StashSocketEventMap[K]) => any) | null }} Handlers */
/**
 * As the DOM types its own targets: listeners know the events of the list, and others may be a page's own.
 *
 * @typedef {{
 *   addEventListener<K extends keyof StashSocketEventMap>(type: K,
 *     listener: (this: import("./socket.js").StashSocket, event: StashSocketEventMap[K]) => any,
 *     options?: boolean | AddEventListenerOptions): void,
 *   addEventListener(type: string, listener: EventListenerOrEventListenerObject | null,
 *     options?: boolean | AddEventListenerOptions): void,
 *   removeEventListener<K extends keyof StashSocketEventMap>(type: K,
 *     listener: (this: import("./socket.js").StashSocket, event: StashSocketEventMap[K]) => any,
 *     options?: boolean | EventListenerOptions): void,
 *   removeEventListener(type: string, listener: EventListenerOrEventListenerObject | null,
 *     options?: boolean | EventListenerOptions): void,
 * }} Listening
 */

/** An `EventTarget` that knows its events. */
export const Target = /** @type {new () => Listening & EventTarget & Handlers} */ (EventTarget);

/**
 * `drain`: the server is leaving. What listeners send or wait for still reaches the process that leaves.
 *
 * @extends {CustomEvent<{ deadline: number }>}
 */
export class DrainEvent extends CustomEvent {
  /** @type {PromiseLike<unknown>[]} */
  waits = [];

  /** @param {number} deadline milliseconds that are left */
  constructor(deadline) {
    super("drain", { detail: { deadline } });
  }

  /**
   * Put the hand-over off until a promise has settled, or the deadline is near.
   *
   * @param {PromiseLike<unknown>} promise
   */
  waitUntil(promise) {
    this.waits.push(promise);
  }
}

/**
 * @param {number} code
 * @param {string} reason
 * @returns {CloseEvent}
 */
export function closeEvent(code, reason) {
  const fields = { code, reason, wasClean: code !== 1002 };
  if (globalThis.CloseEvent) return new CloseEvent("close", fields);
  return /** @type {CloseEvent} */ (Object.assign(new Event("close"), fields));
}

/**
 * Tell the page of an error in its own code, without stopping.
 *
 * @param {unknown} error
 */
export function complain(error) {
  if (globalThis.reportError) globalThis.reportError(error);
  else console.error(error);
}
