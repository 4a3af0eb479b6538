/**
 * The demo's panel: starts deploys and kills, and draws what the page's socket and the servers said to each other.
 *
 * It comes before the page's own scripts and looks on at every WebSocket of the page, so that what it shows is what is on
 * the wire. The page knows nothing of it. All that is drawn is in a shadow root, away from the page's styles and observers.
 */

const { control } = document.querySelector("script[data-control]").dataset;
const now = () => performance.timeOrigin + performance.now();

/** @typedef {{ at: number, what: string, from: "old" | "tab" | "new", to?: "old" | "tab" | "new" }} Step */

// What is seen.

/** Connections of this tab. @type {{ opened: number, mounted?: number, flushed?: number, ended?: number, steps: any[] }[]} */
const connections = [];
/** Server processes by generation. @type {Map<number, any>} */
const servers = new Map();
/** The newest hand-over from one connection to the next. */
let handover = null;
const gaps = [];

globalThis.WebSocket = class extends WebSocket {
  #seen = { opened: now(), steps: [] };

  constructor(...args) {
    super(...args);
    connections.push(this.#seen);
    this.addEventListener("message", ({ data }) => this.#note(data, false));
    this.addEventListener("close", ({ code }) => {
      this.#seen.ended = now();
      this.#seen.steps.push({ at: now(), what: `close ${code}`, up: false });
      if (this.#seen.mounted) later();
    });
  }

  send(data) {
    super.send(data);
    this.#note(data, true);
  }

  /** Note a control frame by its type; what is in it is nobody's business. */
  #note(data, up) {
    if (typeof data !== "string" || !data.startsWith("{")) return;
    const { type, final, status } = JSON.parse(data);
    const at = now();
    const what = { token: final ? "final token" : null, mounted: `mounted: ${status}`, ping: null, pong: null }[type];
    if (what === null) return;
    this.#seen.steps.push({ at, what: what ?? type, up });
    if (type === "flushed") this.#seen.flushed = at;
    if (type === "mounted") {
      this.#seen.mounted = at;
      mounted(this.#seen);
    }
  }
};

/** A connection has been mounted: if there was one before, that was a hand-over. */
function mounted(next) {
  const old = connections.filter((one) => one !== next && one.mounted).at(-1);
  if (old) {
    // From when on messages had to wait: the tab had said that no more would come, or the connection was lost.
    const from = Math.min(old.flushed ?? Infinity, old.ended ?? Infinity);
    handover = { old, next, from, gap: next.mounted - from };
    gaps.push(handover.gap);
  }
  later();
}

new EventSource(`${control}/events`).onmessage = ({ data }) => {
  const { event, at, generation, ...more } = JSON.parse(data);
  if (event === "auto") auto.checked = more.on;
  if (generation !== undefined) servers.set(generation, { ...servers.get(generation), ...more, [event]: at });
  later();
};

// What is shown.

const host = document.createElement("div");
host.id = "demo-panel";
const root = host.attachShadow({ mode: "open" });
root.innerHTML = `
  <link rel="stylesheet" href="/static/panel.css">
  <section aria-label="Demo">
    <div class="bar">
      <button id="demo-deploy">Deploy</button>
      <button id="demo-kill">Kill</button>
      <label><input type="checkbox" id="demo-auto"> Deploy every 20 s</label>
      <span id="demo-server" class="quiet"></span>
      <span class="gap">gap <output id="demo-gap">–</output></span>
      <span id="demo-sum" class="quiet"></span>
      <button id="demo-fold" aria-expanded="true" aria-controls="demo-drawings" title="Fold the panel">▾</button>
    </div>
    <div id="demo-drawings">
      <svg id="demo-strip" role="img" aria-label="The last minute: server processes and this tab's connections"></svg>
      <svg id="demo-steps" role="img" aria-label="The newest hand-over, step by step"></svg>
    </div>
  </section>`;
const $ = (id) => root.getElementById(id);
const auto = $("demo-auto");

for (const [id, command] of Object.entries({ "demo-deploy": "deploy", "demo-kill": "kill", "demo-auto": "auto" })) {
  $(id).addEventListener("click", () => fetch(`${control}/${command}`, { method: "POST" }));
  // The focus stays in the field that is being typed into.
  $(id).addEventListener("pointerdown", (event) => event.preventDefault());
}
$("demo-fold").addEventListener("click", () => {
  const fold = !$("demo-drawings").hidden;
  $("demo-drawings").hidden = fold;
  $("demo-fold").setAttribute("aria-expanded", String(!fold));
  $("demo-fold").textContent = fold ? "▴" : "▾";
  makeRoom();
});

const makeRoom = () => (document.body.style.paddingBottom = `${host.offsetHeight + 24}px`);
document.addEventListener("DOMContentLoaded", () => {
  document.body.append(host);
  new ResizeObserver(makeRoom).observe(host);
  draw();
  setInterval(() => document.visibilityState === "visible" && draw(), 500);
});

let planned = false;
function later() {
  if (planned) return;
  planned = true;
  setTimeout(draw, 50);
}

const ms = (time) => (time < 100 ? `${time.toFixed(1)} ms` : time < 10_000 ? `${Math.round(time)} ms` : `${(time / 1000).toFixed(1)} s`);

function draw() {
  planned = false;
  const serving = [...servers].filter(([, { ready, sigterm, sigkill, exited }]) => ready && !(sigterm || sigkill || exited));
  const [generation, server] = serving.at(-1) ?? [];
  const starting = [...servers.values()].some(({ started, ready, exited }) => started && !ready && !exited);
  for (const id of ["demo-deploy", "demo-kill"]) $(id).disabled = starting;
  $("demo-server").textContent = starting ? "starting the next server …" : generation ? `server ${generation}, pid ${server.pid}` : "";
  $("demo-gap").value = handover ? ms(handover.gap) : "–";
  $("demo-sum").textContent = gaps.length > 1 ? `longest of ${gaps.length}: ${ms(Math.max(...gaps))}` : "";
  host.dataset.handovers = String(gaps.length);
  host.dataset.gap = String(handover?.gap ?? "");
  if ($("demo-drawings").hidden) return;
  drawStrip();
  drawSteps();
}

/** @param {string} name @param {Record<string, string | number>} attributes @param {string} [text] */
function element(name, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.textContent = text;
  return made;
}

const LEFT = 86;
const WINDOW = 60_000;

/** The last minute, in true proportions: one row for even generations, one for odd, one for this tab. */
function drawStrip() {
  const width = $("demo-strip").clientWidth;
  const end = now();
  const x = (at) => LEFT + Math.max(0, 1 - (end - at) / WINDOW) * (width - LEFT);
  const parts = [];
  const rows = ["server", "server", "this tab"];
  rows.forEach((name, row) => parts.push(element("text", { x: 0, y: 12 + row * 16, class: "lane" }, row === 1 ? "" : name)));
  for (const [generation, { started, ready, sigterm, exited }] of servers) {
    if (exited && end - exited > WINDOW) continue;
    const y = 2 + (generation % 2) * 16;
    const bar = (from, to, kind) =>
      parts.push(element("rect", { x: x(from), y, width: Math.max(1, x(to) - x(from)), height: 12, class: kind }));
    bar(started, ready ?? exited ?? end, "starting");
    if (ready) bar(ready, sigterm ?? exited ?? end, "serving");
    if (sigterm) bar(sigterm, exited ?? end, "leaving");
    parts.push(element("text", { x: x(Math.max(started, end - WINDOW)) + 4, y: y + 10, class: "number" }, String(generation)));
  }
  for (const { mounted: from, flushed, ended = end } of connections) {
    const to = Math.min(flushed ?? Infinity, ended);
    if (!from || end - to > WINDOW) continue;
    parts.push(element("rect", { x: x(from), y: 34, width: Math.max(1, x(to) - x(from)), height: 12, class: "mounted" }));
  }
  $("demo-strip").replaceChildren(...parts);
}

/** The newest hand-over, each step in a column: who said what to whom, and after how many milliseconds. */
function drawSteps() {
  if (!handover) {
    $("demo-steps").replaceChildren(element("text", { x: 0, y: 20, class: "lane" }, "Press Deploy: what the old server, this tab and the new server say to each other is drawn here."));
    return;
  }
  const { old, next, from } = handover;
  const steps = collect(old, next);
  const width = $("demo-steps").clientWidth;
  const column = (width - LEFT - 40) / Math.max(1, steps.length - 1);
  const lanes = { old: 40, tab: 78, new: 116 };
  const start = steps[0].at;
  const parts = [];
  for (const [name, y] of Object.entries({ "old server": lanes.old, "this tab": lanes.tab, "new server": lanes.new })) {
    parts.push(element("text", { x: 0, y: y + 4, class: "lane" }, name), element("line", { x1: LEFT, x2: width, y1: y, y2: y, class: "lane" }));
  }
  const place = (index) => LEFT + 36 + index * column;
  const index = (at) => steps.findIndex((step) => step.at >= at);
  const [gapFrom, gapTo] = [place(index(from)), place(index(next.mounted))];
  parts.unshift(element("rect", { x: gapFrom, y: 26, width: gapTo - gapFrom, height: 104, class: "gap" }));
  steps.forEach(({ at, what, from, to }, i) => {
    const [px, y1, y2] = [place(i), lanes[from], lanes[to ?? from]];
    if (to) {
      const tip = y2 + (y1 < y2 ? -7 : 7);
      parts.push(element("line", { x1: px, x2: px, y1, y2: tip, class: "arrow" }));
      parts.push(element("path", { d: `M${px - 4} ${tip}h8L${px} ${y2}z`, class: "tip" }));
    } else parts.push(element("circle", { cx: px, cy: y1, r: 4, class: "tip" }));
    parts.push(element("text", { x: px, y: i % 2 ? 10 : 22, class: "what" }, what));
    parts.push(element("text", { x: px, y: 142, class: "when" }, `${(at - start).toFixed(1)}`));
  });
  parts.push(element("text", { x: 0, y: 142, class: "lane" }, "ms"));
  $("demo-steps").replaceChildren(...parts);
}

/** @returns {Step[]} what happened between the last word to the old server and the first of the new, in order */
function collect(old, next) {
  const ways = (side) => ({ at, what, up }) =>
    what.startsWith("close 1006") ? { at, what: "connection lost", from: "tab" } : up ? { at, what, from: "tab", to: side } : { at, what, from: side, to: "tab" };
  const begin = (old.steps.find(({ what }) => what === "drain")?.at ?? old.ended) - 3000;
  const wire = [
    ...old.steps.filter(({ what }) => !what.startsWith("mount")).map(ways("old")),
    { at: next.opened, what: "opens a socket", from: "tab", to: "new" },
    ...next.steps.filter(({ at }) => at <= next.mounted).map(ways("new")),
  ].filter(({ at }) => at >= begin);
  const [first, last] = [Math.min(...wire.map(({ at }) => at)), Math.max(...wire.map(({ at }) => at))];
  const told = [...servers.values()].flatMap(({ sigterm, sigkill, started, ready }) => [
    { at: sigterm, what: "SIGTERM", from: "old" },
    { at: sigkill, what: "SIGKILL", from: "old" },
    ...(old.flushed ? [] : [{ at: started, what: "starts", from: "new" }, { at: ready, what: "ready", from: "new" }]),
  ]);
  const near = told.filter(({ at }) => at >= first - 1500 && at <= last);
  return [...wire, ...near].sort((one, other) => one.at - other.at);
}
