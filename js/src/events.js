/** The events that a page hears, beyond those of a `WebSocket`. */

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
