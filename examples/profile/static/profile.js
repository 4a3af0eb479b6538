import { StashSocket } from "../_stash/quart-stash.js";

const form = document.getElementById("profile");
const sent = document.getElementById("sent");
const processed = document.getElementById("processed");
const saved = document.getElementById("saved");

/** Milliseconds without a keystroke after which the server is asked. */
const PAUSE = 250;

export const socket = new StashSocket("live");
let timer = null;

/** What the server has said last. */
let state = { processed: 0, errors: {}, refused: false };

/**
 * Fields that the user has left changed. As with `:user-invalid`, nothing is called wrong before that, nor while it
 * is typed for the first time.
 */
const left = new Set();

/** Send now what is waiting for a pause. */
function flush() {
  if (timer === null) return;
  clearTimeout(timer);
  timer = null;
  const { csrf_token, key, ...typed } = Object.fromEntries(new FormData(form));
  socket.send(JSON.stringify(typed));
  sent.value = socket.stats.sent;
}

form.addEventListener("input", () => {
  saved.value = "";
  clearTimeout(timer);
  timer = setTimeout(flush, PAUSE);
});
form.addEventListener("change", ({ target, detail }) => {
  left.add(target.name);
  if (detail?.stash) return; // it was put back: the server has had it with the mount
  flush();
  // What was said of an older text might be wrong by now: then the answer is on its way.
  if (state.processed >= socket.stats.sent) showErrors();
});
form.addEventListener("submit", (event) => {
  clearTimeout(timer);
  timer = null;
  socket.submit(event);
  sent.value = socket.stats.sent;
});
socket.addEventListener("drain", flush); // what is sent now still reaches the server that leaves
window.addEventListener("pagehide", flush); // and now, it is kept for the page that comes back

socket.addEventListener("mounted", () => (sent.value = socket.stats.sent));
socket.addEventListener("message", (event) => {
  state = JSON.parse(event.data);
  processed.value = state.processed;
  saved.value = state.saved ? "Saved." : "";
  if (state.saved) for (const box of form.querySelectorAll("[data-conflict]")) box.replaceChildren();
  showErrors();
});

/** Show what is wrong with the fields that the user has left, or with all once a submit was refused. */
function showErrors() {
  for (const line of form.querySelectorAll("[data-error]")) {
    const field = line.dataset.error;
    const error = state.refused || left.has(field) ? (state.errors[field] ?? "") : "";
    line.textContent = error;
    document.getElementById(field)?.setAttribute("aria-invalid", error !== "");
  }
}

// A browser that has put a field back by itself fires no `change`.
for (const type of ["restored", "conflict"]) socket.addEventListener(type, ({ detail }) => left.add(detail.field));

// What was typed into this page is there; but something else was saved meanwhile, as in another tab.
socket.addEventListener("conflict", ({ detail: { field, theirs, controls } }) => {
  const box = form.querySelector(`[data-conflict="${field}"]`);
  const text = document.createElement("p");
  text.id = `${field}-conflict`;
  text.textContent = `Saved meanwhile: ${words(controls, theirs)}`;
  const choice = (label, choose) => {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: label });
    button.addEventListener("click", () => {
      choose?.();
      box.replaceChildren();
      (controls.find(({ checked }) => checked) ?? controls[0]).focus();
    });
    return button;
  };
  box.replaceChildren(text, choice("Take that", () => take(controls, theirs)), choice("Keep what I have"));
});

/** What values are called in the page. */
function words(controls, values) {
  const options = [...(controls[0].options ?? controls)];
  const names = values.map((value) => {
    const option = options.find((candidate) => candidate.value === value);
    return (option?.labels?.[0] ?? option)?.textContent.trim() ?? value;
  });
  return names.some(Boolean) ? `“${names.join(", ")}”` : "nothing";
}

function take(controls, values) {
  for (const control of controls) {
    if (/^(radio|checkbox)$/.test(control.type)) control.checked = values.includes(control.value);
    else control.value = values[0] ?? "";
  }
  controls[0].dispatchEvent(new Event("input", { bubbles: true }));
}
