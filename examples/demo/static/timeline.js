/** Draws the last minute of servers and connections, and the newest hand-over step by step. */

import { now } from "./watch.js";

/** @typedef {import("./watch.js").Connection} Connection */
/**
 * @typedef {object} Server when what happened to it
 * @property {number} [pid]
 * @property {number} [started]
 * @property {number} [ready]
 * @property {number} [sigterm]
 * @property {number} [sigkill]
 * @property {number} [exited]
 */
/** @typedef {"old" | "tab" | "new"} Lane */
/** @typedef {{ at: number, what: string, from: Lane, to?: Lane }} Step */

const LEFT = 86;
const WINDOW = 60_000;
const LANES = { old: 40, tab: 78, new: 116 };
const NAMES = { old: "old server", tab: "this tab", new: "new server" };
const HINT = "Press Deploy: what the old server, this tab and the new one say to each other is drawn here.";

/** @param {string} name @param {Record<string, string | number>} attributes @param {string} [text] */
function element(name, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.textContent = text;
  return made;
}

/**
 * The last minute, in true proportions: a row for servers of even number, one for odd, one for this tab.
 *
 * @param {SVGElement} svg
 * @param {Map<number, Server>} servers
 * @param {Connection[]} connections
 */
export function drawMinute(svg, servers, connections) {
  const end = now();
  const x = (at) => LEFT + Math.max(0, 1 - (end - at) / WINDOW) * (svg.clientWidth - LEFT);
  const parts = [
    element("text", { x: 0, y: 12, class: "lane" }, "servers"),
    element("text", { x: 0, y: 44, class: "lane" }, "this tab"),
  ];
  const bar = (from, to, y, kind) => {
    if (from === undefined || end - to > WINDOW) return;
    const width = Math.max(1, x(to) - x(from));
    parts.push(element("rect", { x: x(from), y, width, height: 12, class: kind }));
  };
  for (const [number, { started, ready, sigterm, exited = end }] of servers) {
    const y = 2 + (number % 2) * 16;
    bar(started, ready ?? exited, y, "starting");
    bar(ready, sigterm ?? exited, y, "serving");
    bar(sigterm, exited, y, "leaving");
    if (end - exited > WINDOW) continue;
    parts.push(element("text", { x: x(started) + 4, y: y + 10, class: "number" }, String(number)));
  }
  for (const { mounted, flushed, ended = end } of connections) {
    bar(mounted, Math.min(flushed ?? ended, ended), 34, "mounted");
  }
  svg.replaceChildren(...parts);
}

/**
 * The newest hand-over, each step in a column: who said what to whom, and after how many milliseconds.
 *
 * @param {SVGElement} svg
 * @param {Map<number, Server>} servers
 * @param {import("./watch.js").Handover | undefined} handover
 */
export function drawHandover(svg, servers, handover) {
  if (!handover) return svg.replaceChildren(element("text", { x: 0, y: 20, class: "lane" }, HINT));
  const { old, next, from } = handover;
  const steps = stepsOf(old, next, servers);
  const column = (svg.clientWidth - LEFT - 84) / Math.max(1, steps.length - 1);
  const place = (index) => LEFT + 36 + index * column;
  const placeAt = (at) => place(steps.findIndex((step) => step.at >= at));
  const gap = { x: placeAt(from), width: placeAt(next.mounted) - placeAt(from) };
  svg.replaceChildren(
    element("rect", { ...gap, y: 26, height: 104, class: "gap" }),
    ...Object.entries(LANES).flatMap(([lane, y]) => [
      element("text", { x: 0, y: y + 4, class: "lane" }, NAMES[lane]),
      element("line", { x1: LEFT, x2: svg.clientWidth, y1: y, y2: y, class: "lane" }),
    ]),
    element("text", { x: 0, y: 142, class: "lane" }, "ms"),
    ...steps.flatMap((step, index) => [
      ...mark(step, place(index)),
      element("text", { x: place(index), y: index % 2 ? 10 : 22, class: "what" }, step.what),
      element("text", { x: place(index), y: 142, class: "when" }, (step.at - steps[0].at).toFixed(1)),
    ]),
  );
}

/** @param {Step} step @param {number} x */
function mark({ from, to }, x) {
  if (!to) return [element("circle", { cx: x, cy: LANES[from], r: 4, class: "tip" })];
  const [start, end] = [LANES[from], LANES[to]];
  const tip = end + (start < end ? -7 : 7);
  return [
    element("line", { x1: x, x2: x, y1: start, y2: tip, class: "arrow" }),
    element("path", { d: `M${x - 4} ${tip}h8L${x} ${end}z`, class: "tip" }),
  ];
}

/**
 * @param {Connection} old
 * @param {Connection} next
 * @param {Map<number, Server>} servers
 * @returns {Step[]} in order, from what ended the old server to the mount at the new one
 */
function stepsOf(old, next, servers) {
  const begin = old.drained ?? old.ended;
  const wire = [
    ...old.frames.filter(({ at }) => at >= begin).map((frame) => step(frame, "old")),
    { at: next.opened, what: "opens a socket", from: "tab", to: "new" },
    ...next.frames.filter(({ at }) => at <= next.mounted).map((frame) => step(frame, "new")),
  ];
  const all = [...servers.values()];
  const ends = all.flatMap(({ sigterm, sigkill }) => [
    { at: sigterm, what: "SIGTERM", from: "old" },
    { at: sigkill, what: "SIGKILL", from: "old" },
  ]);
  const cause = ends.filter(({ at }) => at <= begin).sort((one, other) => one.at - other.at).at(-1);
  // After a kill the tab has to wait for the next server; on a deploy that is ready before.
  const starts = old.drained || !cause ? [] : all.flatMap(({ started, ready }) => [
    { at: started, what: "starts", from: "new" },
    { at: ready, what: "ready", from: "new" },
  ]).filter(({ at }) => at >= cause.at && at <= next.mounted);
  return [...(cause ? [cause] : []), ...starts, ...wire].sort((one, other) => one.at - other.at);
}

/** @param {import("./watch.js").Frame} frame @param {"old" | "new"} server @returns {Step} */
function step({ at, what, up }, server) {
  if (what === "close 1006") return { at, what: "connection lost", from: "tab" };
  return up ? { at, what, from: "tab", to: server } : { at, what, from: server, to: "tab" };
}
