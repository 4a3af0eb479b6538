/** When to try again: exponential back-off with full jitter. Pure: the source of randomness is an argument. */

/** Milliseconds within which the first try after a failure comes, however long a server asks for. */
const SOON = 1_000;

export class Backoff {
  #attempt = 0;
  #mounts = 0;

  /** @param {{ base?: number, cap?: number, random?: () => number }} [options] milliseconds */
  constructor({ base = 100, cap = 5_000, random = Math.random } = {}) {
    this.base = base;
    this.cap = cap;
    this.random = random;
  }

  /**
   * The first failures after a paced drain come as evenly as the drain did, so the next try may be soon. What fails again is
   * spread over all the time that the server asked for: so many clients, over so long, are its rate.
   *
   * @param {number} [delay] milliseconds within which a server asked its clients to try again
   * @returns {number} milliseconds to wait before the next attempt
   */
  next(delay = 0) {
    const most = Math.min(this.cap, this.base * 2 ** this.#attempt);
    const spread = this.#attempt > 0 ? delay : Math.min(delay, SOON);
    this.#attempt += 1;
    return this.random() * Math.max(most, spread);
  }

  /** Let earlier refusals be over; what adds up until there is progress is mounts. */
  mounted() {
    this.#attempt = Math.min(this.#attempt, this.#mounts++);
  }

  /** Begin anew, after progress. */
  reset() {
    this.#attempt = this.#mounts = 0;
  }
}
