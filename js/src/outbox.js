/**
 * The client's messages that no token covers yet, in order. Pure.
 *
 * Messages are numbered 1, 2, 3 … over the whole life of a view. The outbox holds a run of them, from `received + 1` to
 * `sent`. An entry without data is void: it keeps its number, so that the numbering never shifts. A `Blob` has its number
 * too, and is to be read before it can be sent.
 */

/** @typedef {import("./frames.js").Data} Data */
/** @typedef {{ number: number, data: Data | Blob | null, secret: boolean, strikes: number }} Entry */

export class Outbox {
  /** @type {Entry[]} */
  #entries = [];

  /**
   * @param {number} received number of the newest message that the token covers
   * @param {readonly (Data | null)[]} messages those after it; `null` is a void one
   */
  constructor(received = 0, messages = []) {
    /** Number of the newest message that needs no replay. */
    this.received = received;
    for (const data of messages) this.add(data);
  }

  /** Number of the newest message. */
  get sent() {
    return this.received + this.#entries.length;
  }

  /** Whether there is a message that no token covers; a void one carries nothing. */
  get pending() {
    return this.#entries.some(({ data }) => data !== null);
  }

  /**
   * @param {Data | Blob | null} data
   * @param {boolean} [secret] whether it must stay out of storage
   */
  add(data, secret = false) {
    this.#entries.push({ number: this.sent + 1, data, secret, strikes: 0 });
  }

  /**
   * Drop what a token covers.
   *
   * @param {number} received number of the newest message that it covers
   */
  trim(received) {
    if (received <= this.received) return;
    this.#entries.splice(0, received - this.received);
    this.received = received;
  }

  /**
   * Drop messages that are somebody else's to send; those after them move up.
   *
   * @param {number} number the newest of them
   */
  drop(number) {
    this.#entries.splice(0, Math.max(0, number - this.received));
    this.#entries.forEach((entry, index) => (entry.number = this.received + index + 1));
  }

  /**
   * Empty the outbox of a message and keep its number.
   *
   * @param {number} number
   */
  void(number) {
    const entry = this.#entries[number - this.received - 1];
    if (entry) entry.data = null;
  }

  /**
   * Take out everything, and start counting at `received`.
   *
   * @param {number} received
   * @returns {Entry[]} what was in it and not void
   */
  reset(received) {
    const entries = this.#entries.filter((entry) => entry.data !== null);
    this.#entries = [];
    this.received = received;
    return entries;
  }

  /**
   * @param {number} [number]
   * @returns {readonly Entry[]} the messages after number
   */
  after(number = this.received) {
    return this.#entries.slice(Math.max(0, number - this.received));
  }

  /**
   * A token alone is none: a handler may send one, and fail, at each mount, also on what the page sends there.
   *
   * @param {number} received
   * @returns {boolean} whether a token of so many messages covers one more that has not failed
   */
  isProgress(received) {
    return this.#entries.some(({ number, data }) => number <= received && data !== null);
  }

  /** @returns {(Data | null)[]} what storage may hold: a secret is void there, and so is what is not read yet */
  snapshot() {
    return this.#entries.map(({ data, secret }) => (secret || data instanceof Blob ? null : data));
  }
}
