/**
 * A tiny server: one view whose state is the list of all messages it received. It keeps the protocol, checks that the
 * client does, and holds nothing between connections. Its tokens are plain JSON.
 */

import assert from "node:assert/strict";

/** @typedef {import("../src/frames.js").UpFrame} UpFrame */
/** @typedef {import("../src/frames.js").DownFrame} DownFrame */
/** @typedef {{ list: string[], n: number }} State */

export const LIMITS = { message: 1000, mount: 5000 };

/** The server's end of one connection. */
export class ModelConnection {
  /** @type {"opened" | "live" | "draining" | "flushed" | "handed" | "ended"} */
  state = "opened";
  /** @type {(string | null)[]} */
  inbox = [];
  /** @type {string | null} */
  hand = null;
  arrived = 0;
  /** @type {State} */
  view = { list: [], n: 0 };
  /** @type {Extract<UpFrame, { type: "mount" }> | null} */
  mount = null;
  /** Whether messages say their number: `"<number>"`. */
  numbered = false;

  /**
   * @param {(frame: DownFrame) => void} send
   * @param {(code: number) => void} close
   */
  constructor(send, close) {
    this.send = send;
    this.close = (/** @type {number} */ code) => {
      this.state = "ended";
      close(code);
    };
  }

  /** @param {UpFrame} frame */
  receive(frame) {
    if (this.state === "ended") return;
    switch (frame.type) {
      case "mount":
        return this.#mount(frame);
      case "ping":
        return this.send({ type: "pong" });
      case "flushed":
        assert.equal(this.state, "draining");
        assert.equal(frame.sent, this.arrived, "flushed agrees with what arrived");
        this.state = "flushed";
        return;
      case "synced":
        assert.equal(this.state, "handed");
        assert.equal(frame.received, this.view.n);
        return this.close(1012);
      case "stored":
      case "kept":
        return;
      case "void":
        assert.equal(frame.number, this.arrived + 1, "a void takes the next number");
        return this.#arrive(null);
      default:
        if (this.numbered) assert.equal(String(frame.message), String(this.arrived + 1), "messages keep their numbers");
        return this.#arrive(String(frame.message));
    }
  }

  /** @param {Extract<UpFrame, { type: "mount" }>} frame */
  #mount(frame) {
    assert.equal(this.state, "opened", "one mount for a connection");
    this.mount = frame;
    const old = frame.token === undefined ? null : JSON.parse(frame.token);
    this.view = old ?? this.view;
    this.arrived = this.view.n;
    assert.ok(frame.sent >= this.arrived, "the client has not forgotten what it sent");
    this.state = "live";
    const known = { received: this.arrived, build: "b1", limits: LIMITS };
    if (old && !frame.fork) this.send({ type: "mounted", status: "restored", ...known });
    else this.send({ type: "mounted", status: old ? "restored" : "fresh", ...known, token: this.token() });
  }

  /** @param {string | null} data */
  #arrive(data) {
    assert.ok(this.state === "live" || this.state === "draining", `no message while ${this.state}`);
    this.arrived += 1;
    this.inbox.push(data);
  }

  token() {
    return JSON.stringify(this.view);
  }

  /** The handler is done with the message in its hand: the commit point. */
  commit() {
    if (this.hand === null) return;
    this.view = { list: [...this.view.list, this.hand], n: this.view.n + 1 };
    this.hand = null;
  }

  /** The handler takes the next message. */
  take() {
    this.commit();
    while (this.inbox.length > 0 && this.hand === null) {
      const next = this.inbox.shift() ?? null;
      if (next === null) this.view = { ...this.view, n: this.view.n + 1 };
      else this.hand = next;
    }
  }

  /** Send a token for the newest commit, the final one if all is done. */
  seal() {
    if (this.state === "opened" || this.state === "handed" || this.state === "ended") return;
    const final = this.state === "flushed" && this.hand === null && this.inbox.length === 0;
    if (final) this.state = "handed";
    this.send({ type: "token", received: this.view.n, token: this.token(), ...(final && { final }) });
  }

  drain(deadline = 9000) {
    if (this.state === "opened") return this.close(1012);
    if (this.state !== "live") return;
    this.state = "draining";
    this.send({ type: "drain", drain: "d1", deadline, delay: 200 });
  }

  /** Do everything there is to do. */
  settle() {
    if (this.state === "opened" || this.state === "ended") return;
    do this.take();
    while (this.hand !== null || this.inbox.length > 0);
    this.seal();
  }
}
