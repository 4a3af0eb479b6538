import { StashSocket } from "../_stash/quart-stash.js";

const form = document.getElementById("profile");
const sent = document.getElementById("sent");
const processed = document.getElementById("processed");
const saved = document.getElementById("saved");

/** Milliseconds without a keystroke after which the server is asked. */
const PAUSE = 250;

export const socket = new StashSocket("live");
let timer = null;

function send(save) {
  clearTimeout(timer);
  timer = null;
  const { csrf_token, key, ...profile } = Object.fromEntries(new FormData(form));
  socket.send(JSON.stringify({ profile, save }));
  sent.value = socket.stats.sent;
}

/** Send now what is waiting for a pause. */
function flush() {
  if (timer !== null) send(false);
}

form.addEventListener("input", () => {
  saved.value = "";
  clearTimeout(timer);
  timer = setTimeout(flush, PAUSE);
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  send(true);
});
socket.addEventListener("drain", flush); // what is sent now still reaches the server that leaves
window.addEventListener("pagehide", flush); // and now, it is kept for the page that comes back

socket.addEventListener("mounted", () => (sent.value = socket.stats.sent));
socket.addEventListener("message", (event) => {
  const state = JSON.parse(event.data);
  processed.value = state.processed;
  saved.value = state.saved ? "Saved." : "";
  for (const line of form.querySelectorAll("[data-error]")) {
    const error = state.errors[line.dataset.error] ?? "";
    line.textContent = error;
    document.getElementById(line.dataset.error)?.setAttribute("aria-invalid", error !== "");
  }
});
