/**
 * The demo's panel: starts deploys and kills, and says and draws what came of them. It lives in a shadow root, away
 * from the page's styles and observers.
 */

import { duration, plain, stepsOf, storyOf, tell } from "./story.js";
import { drawMinute, drawRestart } from "./timeline.js";
import { changes, connections, handovers, now } from "./watch.js";

/** @typedef {import("./story.js").Part} Part */
/** @typedef {import("./story.js").Step} Step */

const { control } = document.querySelector("script[data-control]").dataset;
const HINT = "Press Deploy or Kill while you type. Here you will read how long your page waited.";
const GONE = "The demo has ended. Start it again, and load this page anew.";
/** How many servers are remembered. */
const MEMORY = 100;
/** In a window of this size the panel covers little before it is asked for more. */
const SMALL = "(max-width: 47.99rem), (max-height: 40rem)";
const FOLDED = "demo-folded";

/** @type {import("./story.js").Servers} */
const servers = new Map();
let problem = "";
let gone = false;

const host = document.createElement("div");
host.id = "demo-panel";
const root = host.attachShadow({ mode: "open" });
root.innerHTML = `
  <link rel="stylesheet" href="/static/panel.css">
  <section id="demo" aria-label="Demo: restart the server">
    <div id="demo-bar">
      <button id="demo-deploy">Deploy</button>
      <button id="demo-kill">Kill</button>
      <p id="demo-verdict" role="status"></p>
      <button id="demo-fold" aria-controls="demo-details">Details</button>
    </div>
    <div id="demo-details">
      <figure id="demo-newest" hidden>
        <figcaption>The newest restart, to scale</figcaption>
        <svg id="demo-restart" role="img"></svg>
      </figure>
      <figure id="demo-lately">
        <figcaption>The last minute
          <span><i class="starting"></i>starting <i class="serving"></i>serving <i class="leaving"></i>leaving</span>
        </figcaption>
        <svg id="demo-minute" role="img"></svg>
      </figure>
      <p id="demo-facts">
        <label><input type="checkbox" id="demo-auto"> Deploy every 20 s</label>
        <span id="demo-server"></span>
        <span id="demo-longest"></span>
        <a href="/">All examples</a>
      </p>
      <div id="demo-said" role="region" aria-labelledby="demo-title" tabindex="0" hidden>
        <h2 id="demo-title">Step by step</h2>
        <ol id="demo-steps"></ol>
      </div>
    </div>
  </section>`;
const $ = (id) => root.getElementById(id);

for (const command of ["deploy", "kill", "auto"]) {
  const button = $(`demo-${command}`);
  button.addEventListener("click", () => {
    if (button.ariaDisabled !== "true") fetch(`${control}/${command}`, { method: "POST" }).catch(() => {});
  });
  // The focus stays in the field that is being typed into.
  button.addEventListener("pointerdown", (event) => event.preventDefault());
  button.addEventListener("mousedown", (event) => event.preventDefault());
}

/** @param {boolean} folded */
function fold(folded) {
  $("demo-details").hidden = folded;
  $("demo-fold").setAttribute("aria-expanded", String(!folded));
  draw();
}

$("demo-fold").addEventListener("click", () => {
  const folded = !$("demo-details").hidden;
  fold(folded);
  try {
    sessionStorage.setItem(FOLDED, String(folded));
  } catch {
    // Where storage is blocked it is asked for again after a reload.
  }
});

/** As this tab has it; or else by what room there is. */
function foldedBefore() {
  try {
    const before = sessionStorage.getItem(FOLDED);
    if (before) return before === "true";
  } catch {
    // as below
  }
  return matchMedia(SMALL).matches;
}

const events = new EventSource(`${control}/events`);
events.onmessage = ({ data }) => {
  const { event, at, generation, pid, on, why } = JSON.parse(data);
  if (event === "auto") $("demo-auto").checked = on;
  if (event === "started") problem = "";
  if (event === "failed") problem = why;
  if (generation) {
    servers.set(generation, { ...servers.get(generation), ...(pid && { pid }), [event]: Math.floor(at) });
    if (servers.size > MEMORY) servers.delete(servers.keys().next().value);
  }
  drawSoon();
};
for (const type of ["open", "error"]) {
  events.addEventListener(type, () => {
    gone = type === "error";
    drawSoon();
  });
}
changes.addEventListener("change", drawSoon);

document.addEventListener("DOMContentLoaded", () => {
  document.body.append(host);
  // What has the focus is scrolled to where the panel does not cover it.
  new ResizeObserver(() => {
    document.body.style.paddingBottom = `${host.offsetHeight + 24}px`;
    document.documentElement.style.scrollPaddingBottom = `${host.offsetHeight + 8}px`;
    draw();
  }).observe(host);
  fold(foldedBefore());
  setInterval(() => document.visibilityState === "visible" && draw(), 500);
});

let soon = false;
function drawSoon() {
  if (!soon) setTimeout(draw, 50);
  soon = true;
}

function draw() {
  soon = false;
  const stories = handovers.map((handover) => storyOf(handover, servers));
  const waits = stories.map(({ wait }) => wait);
  const { starting, serving } = running();
  for (const id of ["demo-deploy", "demo-kill"]) $(id).ariaDisabled = String(gone || starting !== undefined);
  say(verdict(starting, serving, stories.at(-1)));
  host.dataset.handovers = String(stories.length);
  if ($("demo-details").hidden) return;
  write($("demo-server"), serving ? `Server ${serving} is running, process ${servers.get(serving).pid}` : "");
  write($("demo-longest"), waits.length > 1 ? `Longest wait of ${waits.length}: ${duration(Math.max(...waits))}` : "");
  drawMinute($("demo-minute"), servers, connections, stories);
  $("demo-minute").setAttribute("aria-label", summary(stories));
  const story = stories.at(-1);
  $("demo-newest").hidden = $("demo-said").hidden = !story;
  if (!story) return;
  const steps = stepsOf(story, handovers.at(-1), servers);
  drawRestart($("demo-restart"), story, steps, servers);
  $("demo-restart").setAttribute("aria-label", `${plain(tell(story))} Drawn to scale; the steps are listed below.`);
  list(steps, story.begin);
}

/** The numbers of the server that is starting, and of the one that serves. */
function running() {
  const all = [...servers].filter(([, { exited, sigterm, sigkill }]) => !exited && !sigterm && !sigkill);
  return {
    starting: all.find(([, { ready }]) => !ready)?.[0],
    serving: all.findLast(([, { ready }]) => ready)?.[0],
  };
}

/**
 * What there is to say: of what is going on, or else of the newest restart.
 *
 * @returns {Part[]}
 */
function verdict(starting, serving, story) {
  if (gone) return [GONE];
  if (starting && serving) return [`Server ${starting} is starting. Until it is ready, server ${serving} goes on.`];
  if (starting > 1) return [`The old server is gone, server ${starting} is starting. Go on typing.`];
  if (problem) return [`It did not work: ${problem}.`];
  if (servers.size > 0 && !serving && !starting) return ["No server is running. Press Deploy to start one."];
  return story ? tell(story) : [HINT];
}

/** Write it where a screen reader hears of it, once. @param {Part[]} parts */
function say(parts) {
  if ($("demo-verdict").textContent === plain(parts)) return;
  $("demo-verdict").replaceChildren(...parts.map((part) => {
    if (typeof part === "string") return part;
    const time = document.createElement("b");
    time.className = part.kind;
    time.textContent = duration(part.time);
    return time;
  }));
}

/** @param {import("./story.js").Story[]} stories */
function summary(stories) {
  const recent = stories.filter(({ to }) => to > now() - 60_000);
  const waits = recent.map(({ wait }) => duration(wait)).join(", ");
  return `The last minute: ${recent.length} restarts${waits && `; your page waited ${waits}`}.`;
}

/** @param {Element} where @param {string} text */
function write(where, text) {
  if (where.textContent !== text) where.textContent = text;
}

let listed = "";
/** @param {Step[]} steps @param {number} begin */
function list(steps, begin) {
  const key = JSON.stringify([steps, begin]);
  if (key === listed) return;
  listed = key;
  $("demo-steps").replaceChildren(...steps.map(({ at, words, wire }) => {
    const item = document.createElement("li");
    const when = document.createElement("span");
    const what = document.createElement("span");
    when.className = "when";
    when.textContent = at === begin ? "0 ms" : `+${at - begin} ms`;
    what.append(words);
    if (wire) {
      const code = document.createElement("code");
      code.textContent = wire;
      what.append(" ", code);
    }
    item.append(when, what);
    return item;
  }));
}
