/** Named secrets: sealed tokens that a view asks its browser to keep. */

/** @typedef {import("./frames.js").KeepFrame | import("./frames.js").KeyFrame} SecretFrame */
/** @typedef {import("./frames.js").UpFrame} UpFrame */
/** @typedef {import("./storage.js").Area} Area */

export class Secrets {
  /** What storage had no room for. @type {Map<string, { token: string, until: number }>} */
  #memory = new Map();

  /**
   * @param {{ tab: Area, browser: Area }} areas
   * @param {string} name the socket's name
   */
  constructor(areas, name) {
    this.areas = areas;
    this.prefix = `secret:${name}:`;
  }

  /**
   * @param {SecretFrame} frame what the server asks for
   * @returns {UpFrame} the answer
   */
  answer(frame) {
    const { key } = frame;
    const area = this.areas[frame.area];
    const place = this.prefix + key;
    const spare = `${frame.area}:${key}`;
    if (frame.type === "restore") {
      const kept = this.#memory.get(spare);
      const token = kept && kept.until > area.now() ? kept.token : area.read(place);
      return typeof token === "string" ? { type: "kept", key, token } : { type: "kept", key };
    }
    this.#memory.delete(spare);
    if (frame.type === "forget") {
      area.remove(place);
    } else {
      const { token, max_age: seconds } = frame;
      const stored = area.write(place, token, seconds * 1000);
      if (!stored) this.#memory.set(spare, { token, until: area.now() + seconds * 1000 });
    }
    return { type: "stored", key };
  }

  /** Drop all of this socket's secrets. */
  forget() {
    this.#memory.clear();
    for (const area of Object.values(this.areas)) area.keys(this.prefix).forEach((key) => area.remove(key));
  }
}
