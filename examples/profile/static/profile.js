import { StashSocket } from "../_stash/quart-stash.js";

const form = document.getElementById("profile");
const sent = document.getElementById("sent");
const processed = document.getElementById("processed");
const saved = document.getElementById("saved");

/** Milliseconds without a keystroke after which the server is asked. */
const PAUSE = 250;

export const socket = new StashSocket("live");
let timer = null;

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
  const state = JSON.parse(event.data);
  processed.value = state.processed;
  saved.value = state.saved ? "Saved." : "";
  if (state.saved) for (const box of form.querySelectorAll("[data-conflict]")) box.replaceChildren();
  for (const line of form.querySelectorAll("[data-error]")) {
    const error = state.errors[line.dataset.error] ?? "";
    line.textContent = error;
    document.getElementById(line.dataset.error)?.setAttribute("aria-invalid", error !== "");
  }
});

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
