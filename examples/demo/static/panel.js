/**
 * The demo's panel: starts deploys and kills, and shows what came of them. It lives in a shadow root, away from
 * the page's styles and observers.
 */

import { drawHandover, drawMinute } from "./timeline.js";
import { changes, connections, handovers } from "./watch.js";

const { control } = document.querySelector("script[data-control]").dataset;

/** @type {Map<number, import("./timeline.js").Server>} */
const servers = new Map();

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
      <span id="demo-longest" class="quiet"></span>
      <button id="demo-fold" aria-expanded="true" title="Fold the panel">▾</button>
    </div>
    <div id="demo-drawings">
      <svg id="demo-minute" role="img" aria-label="The last minute: servers, this tab's connections"></svg>
      <svg id="demo-handover" role="img" aria-label="The newest hand-over, step by step"></svg>
    </div>
  </section>`;
const $ = (id) => root.getElementById(id);

for (const command of ["deploy", "kill", "auto"]) {
  const button = $(`demo-${command}`);
  button.addEventListener("click", () => fetch(`${control}/${command}`, { method: "POST" }));
  // The focus stays in the field that is being typed into.
  button.addEventListener("pointerdown", (event) => event.preventDefault());
  button.addEventListener("mousedown", (event) => event.preventDefault());
}

$("demo-fold").addEventListener("click", () => {
  const folded = ($("demo-drawings").hidden = !$("demo-drawings").hidden);
  $("demo-fold").setAttribute("aria-expanded", String(!folded));
  $("demo-fold").textContent = folded ? "▴" : "▾";
  draw();
});

new EventSource(`${control}/events`).onmessage = ({ data }) => {
  const { event, at, generation, pid, on } = JSON.parse(data);
  if (event === "auto") $("demo-auto").checked = on;
  if (generation) servers.set(generation, { ...servers.get(generation), ...(pid && { pid }), [event]: at });
  drawSoon();
};
changes.addEventListener("change", drawSoon);

document.addEventListener("DOMContentLoaded", () => {
  document.body.append(host);
  new ResizeObserver(() => (document.body.style.paddingBottom = `${host.offsetHeight + 24}px`)).observe(host);
  draw();
  setInterval(() => document.visibilityState === "visible" && draw(), 500);
});

let soon = false;
function drawSoon() {
  if (!soon) setTimeout(draw, 50);
  soon = true;
}

function draw() {
  soon = false;
  const all = [...servers];
  const starting = all.some(([, { ready, exited }]) => !ready && !exited);
  const serving = all.findLast(([, { ready, sigterm, exited }]) => ready && !sigterm && !exited);
  const gaps = handovers.map(({ gap }) => gap);
  $("demo-deploy").disabled = $("demo-kill").disabled = starting;
  $("demo-server").textContent = starting
    ? "starting a server …"
    : serving ? `server ${serving[0]}, pid ${serving[1].pid}` : "";
  $("demo-gap").value = gaps.length > 0 ? ms(gaps.at(-1)) : "–";
  const longest = `longest of ${gaps.length}: ${ms(Math.max(...gaps))}`;
  $("demo-longest").textContent = gaps.length > 1 ? longest : "";
  host.dataset.handovers = String(gaps.length);
  host.dataset.gap = String(gaps.at(-1) ?? "");
  if ($("demo-drawings").hidden) return;
  drawMinute($("demo-minute"), servers, connections);
  drawHandover($("demo-handover"), servers, handovers.at(-1));
}

/** @param {number} time */
function ms(time) {
  return time < 100 ? `${time.toFixed(1)} ms` : `${Math.round(time)} ms`;
}
