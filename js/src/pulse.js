/**
 * Keeps a connection from dying without a word: after silence on either side it pings, and where nobody answers the
 * connection is dead. The server, too, takes one that says nothing for dead.
 */

export class Pulse {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #mute;
  #asked = false;

  /** @param {{ ping: () => void, dead: () => void, silence?: number, patience?: number }} options milliseconds */
  constructor({ ping, dead, silence = 25_000, patience = 5_000 }) {
    this.ping = ping;
    this.dead = dead;
    this.silence = silence;
    this.patience = patience;
  }

  /** Something was heard; all is well for a while. */
  heard() {
    this.#settle();
    this.#timer = setTimeout(() => this.probe(), this.silence);
  }

  /** Something was said; the server knows of us for a while. */
  said() {
    clearTimeout(this.#mute);
    this.#mute = setTimeout(() => this.probe(), this.silence);
  }

  /** Ask now: after the network changed, or the laptop woke up. */
  probe() {
    if (this.#asked) return;
    this.#settle();
    this.#asked = true;
    this.#timer = setTimeout(this.dead, this.patience);
    this.ping();
  }

  stop() {
    clearTimeout(this.#mute);
    this.#settle();
  }

  #settle() {
    clearTimeout(this.#timer);
    this.#asked = false;
  }
}
