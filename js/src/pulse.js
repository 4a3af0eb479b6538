/** Notices a connection that has died without a word: silence, then a ping that nobody answers. */

export class Pulse {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
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
    this.stop();
    this.#timer = setTimeout(() => this.probe(), this.silence);
  }

  /** Ask now: after the network changed, or the laptop woke up. */
  probe() {
    if (this.#asked) return;
    this.stop();
    this.#asked = true;
    this.ping();
    this.#timer = setTimeout(this.dead, this.patience);
  }

  stop() {
    clearTimeout(this.#timer);
    this.#asked = false;
  }
}
