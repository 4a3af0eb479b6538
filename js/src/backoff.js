/** When to try again: exponential back-off with full jitter. Pure: the source of randomness is an argument. */

export class Backoff {
  #attempt = 0;

  /** @param {{ base?: number, cap?: number, random?: () => number }} [options] milliseconds */
  constructor({ base = 100, cap = 10_000, random = Math.random } = {}) {
    this.base = base;
    this.cap = cap;
    this.random = random;
  }

  /**
   * @param {number} [floor] milliseconds that a server asked for; the jitter comes on top
   * @returns {number} milliseconds to wait before the next attempt
   */
  next(floor = 0) {
    const most = Math.min(this.cap, this.base * 2 ** this.#attempt);
    this.#attempt += 1;
    return floor + this.random() * most;
  }

  /** Begin anew, after progress. */
  reset() {
    this.#attempt = 0;
  }
}
