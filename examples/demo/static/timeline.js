/** Draws the newest restart and the last minute, both to scale: a millisecond is as wide at the left as at the right. */

import { duration } from "./story.js";
import { now } from "./watch.js";

/** @typedef {import("./watch.js").Connection} Connection */
/** @typedef {import("./story.js").Servers} Servers */
/** @typedef {import("./story.js").Story} Story */
/** @typedef {import("./story.js").Step} Step */
/** @typedef {(at: number) => number} Scale from a time to a place */

/** Where the rows begin: what they are called stands before. */
const LEFT = 76;
const BAR = 16;
const SLIM = 13;
const MINUTE = 60_000;
/** The rows of a restart, with room between them for what was said. */
const LANES = { old: 22, page: 60, heir: 98 };
const RESTART_HEIGHT = 139;
const MINUTE_ROWS = { servers: [0, 16], page: 36 };
const MINUTE_HEIGHT = 73;

const ruler = document.createElement("canvas").getContext("2d");

/** @param {string} text @param {boolean} [bold] @returns {number} how wide it is, as panel.css writes it */
function widthOf(text, bold) {
  ruler.font = `${bold ? "600 " : ""}12px system-ui, sans-serif`;
  return ruler.measureText(text).width;
}

/** @param {string} name @param {Record<string, string | number>} attributes @param {string} [text] */
function element(name, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.textContent = text;
  return made;
}

/** A drawing in the making: nothing in it leaves its bounds, and no text stands where there is no room for it. */
class Drawing {
  /** @type {Element[]} */
  parts = [];

  /** @param {SVGElement} svg @param {number} begin @param {number} end what the width shows */
  constructor(svg, begin, end) {
    this.svg = svg;
    this.width = svg.clientWidth;
    this.begin = begin;
    this.end = end;
  }

  /** @type {Scale} */
  x = (at) => {
    const part = (at - this.begin) / (this.end - this.begin);
    return LEFT + Math.min(1, Math.max(0, part)) * (this.width - LEFT);
  };

  /** @param {string} name @param {Record<string, string | number>} attributes @param {string} [text] */
  add(name, attributes, text) {
    this.parts.push(element(name, attributes, text));
  }

  /** What a row is called. */
  name(text, y) {
    this.add("text", { x: 1, y: y + 12, class: "name" }, text);
  }

  /** A bar from one time to another, and in it the first of some texts for which there is room. */
  bar(from, to, y, kind, height = BAR, texts = []) {
    if (from === undefined || !(to > from && to > this.begin && from < this.end)) return;
    const [x, end] = [this.x(from), this.x(to)];
    const width = Math.max(2, end - x);
    this.add("rect", { x: Math.min(x, this.width - width), y, width, height, class: kind });
    const text = texts.find((one) => widthOf(one) + 8 <= width);
    if (text) this.add("text", { x: x + width / 2, y: y + height / 2 + 4, class: `in ${kind}` }, text);
  }

  /** A text at a time, moved so that it is whole. */
  label(text, at, y, kind, bold) {
    const half = widthOf(text, bold) / 2 + 1;
    const x = Math.min(Math.max(this.x(at), half), this.width - half);
    this.add("text", { x, y, class: kind }, text);
    return [x - half, x + half];
  }

  /** The axis: lines at round times, and what they are as far as there is room. */
  axis(y, marks) {
    this.add("line", { x1: LEFT, x2: this.width, y1: y, y2: y, class: "axis" });
    let free = LEFT - 12;
    for (const [at, text] of marks) {
      const half = widthOf(text) / 2;
      const x = Math.min(Math.max(this.x(at), LEFT + half), this.width - half - 1);
      this.add("line", { x1: this.x(at), x2: this.x(at), y1: y, y2: y + 4, class: "axis" });
      if (x - half < free) continue;
      this.add("text", { x, y: y + 16, class: "tick" }, text);
      free = x + half + 10;
    }
  }

  show() {
    this.svg.replaceChildren(...this.parts);
  }
}

/**
 * The newest restart: the old server, this page, the new server, and what was said between them.
 *
 * @param {SVGElement} svg
 * @param {Story} story
 * @param {Step[]} steps
 * @param {Servers} servers
 */
export function drawRestart(svg, story, steps, servers) {
  const { begin, from, up, to } = story;
  const span = Math.max(20, to - begin);
  const drawing = new Drawing(svg, begin - span * 0.1, to + span * 0.12);
  svg.setAttribute("height", String(RESTART_HEIGHT));
  const foot = LANES.heir + BAR;
  const wide = Math.max(2, drawing.x(to) - drawing.x(up));
  drawing.add("rect", { x: drawing.x(up), y: 18, width: wide, height: foot - 18, class: "column" });
  drawing.label(`waited ${duration(story.wait)}`, (up + to) / 2, 13, "waited", true);
  drawServer(drawing, story.old, servers, "old");
  drawPage(drawing, story);
  drawServer(drawing, story.heir, servers, "heir", story.start);
  for (const step of steps) drawStep(drawing, step);
  drawing.axis(foot + 4, rounds(begin, drawing));
  drawing.show();
}

/** @param {Drawing} drawing @param {number | undefined} number @param {Servers} servers @param {"old" | "heir"} lane */
function drawServer(drawing, number, servers, lane, start = 0) {
  if (number === undefined) return;
  const { started, ready, sigterm, sigkill, exited = Infinity } = servers.get(number);
  const y = LANES[lane];
  const end = Math.min(exited, sigkill ?? Infinity);
  const starting = start ? [`starting, ${duration(start)}`, "starting"] : ["starting"];
  drawing.name(`Server ${number}`, y);
  drawing.bar(started, Math.min(ready ?? end, drawing.end), y, "starting", BAR, starting);
  drawing.bar(ready, Math.min(sigterm ?? end, drawing.end), y, "serving", BAR, ["serving"]);
  drawing.bar(sigterm, Math.min(end, drawing.end), y, "leaving", BAR, ["leaving"]);
  if (sigkill === undefined) return;
  const x = drawing.x(sigkill) + 8;
  drawing.add("path", { d: `M${x - 4} ${y + 4}l8 8m0 -8l-8 8`, class: "killed" });
}

/** @param {Drawing} drawing @param {Story} story */
function drawPage(drawing, { old, heir, from, up, to }) {
  const y = LANES.page;
  const connected = (number) => (number === undefined ? ["connected"] : [`connected to ${number}`, "connected"]);
  drawing.name("Your page", y);
  drawing.bar(drawing.begin, from, y, "connected", BAR, connected(old));
  drawing.bar(from, up, y, "without", BAR, ["no server yet", "no server"]);
  drawing.bar(to, drawing.end, y, "connected", BAR, connected(heir));
  drawing.bar(up, to, y, "waiting");
}

/** What one said to the other, as an arrow between their rows. @param {Drawing} drawing @param {Step} step */
function drawStep(drawing, { at, from, to }) {
  if (!to) return;
  const down = LANES[from] < LANES[to];
  const [start, end] = [LANES[from] + (down ? BAR + 1 : -1), LANES[to] + (down ? -1 : BAR + 1)];
  const [x, neck] = [drawing.x(at), end + (down ? -6 : 6)];
  drawing.add("line", { x1: x, x2: x, y1: start, y2: neck, class: "said" });
  drawing.add("path", { d: `M${x - 3.5} ${neck}h7L${x} ${end}z`, class: "tip" });
}

/** Round times after a beginning, not too many. @param {number} begin @param {Drawing} drawing */
function rounds(begin, drawing) {
  const each = ((drawing.end - drawing.begin) * 50) / Math.max(1, drawing.width - LEFT);
  const power = 10 ** Math.floor(Math.log10(each));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= each);
  const marks = [];
  for (let time = 0; begin + time <= drawing.end; time += step) {
    const text = time >= 1000 ? `${+(time / 1000).toFixed(1)} s` : `${time} ms`;
    marks.push([begin + time, time ? text : "0"]);
  }
  return marks;
}

/**
 * The last minute: the servers, each in a row that is free, and this page.
 *
 * @param {SVGElement} svg
 * @param {Servers} servers
 * @param {Connection[]} connections
 * @param {Story[]} stories
 */
export function drawMinute(svg, servers, connections, stories) {
  const end = now();
  const drawing = new Drawing(svg, end - MINUTE, end);
  const { page } = MINUTE_ROWS;
  svg.setAttribute("height", String(MINUTE_HEIGHT));
  drawing.name("Servers", 8);
  const free = MINUTE_ROWS.servers.map(() => -Infinity);
  for (const [number, { started, ready, sigterm, sigkill, exited = end }] of servers) {
    const gone = Math.min(exited, sigkill ?? end);
    const first = free.findIndex((time) => time <= started);
    const row = first < 0 ? free.indexOf(Math.min(...free)) : first;
    free[row] = gone;
    const y = MINUTE_ROWS.servers[row];
    drawing.bar(started, ready ?? gone, y, "starting", SLIM);
    drawing.bar(ready, Math.min(sigterm ?? gone, gone), y, "serving", SLIM, [String(number)]);
    drawing.bar(sigterm, gone, y, "leaving", SLIM);
  }
  drawing.name("Your page", page - 2);
  const mounts = connections.filter(({ mounted }) => mounted);
  for (const { mounted, flushed, ended = end } of mounts) {
    drawing.bar(mounted, Math.min(flushed ?? ended, ended), page, "connected", SLIM);
  }
  drawing.bar(mounts.at(-1)?.ended, end, page, "without", SLIM);
  for (const { from, up, to } of stories) {
    drawing.bar(from, up, page, "without", SLIM);
    drawing.bar(up, to, page, "waiting", SLIM);
  }
  drawing.axis(52, [[end - MINUTE, "a minute ago"], [end - MINUTE / 2, "30 s ago"], [end, "now"]]);
  drawing.show();
}
