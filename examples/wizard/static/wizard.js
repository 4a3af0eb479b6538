import { StashSocket, install } from "../_stash/quart-stash.js";
import { morph } from "../_stash/quart-stash-morph.js";

install(htmx, { morph });
// The note is rich text, and not every browser can clean it.
StashSocket.sanitizer = (html) => DOMPurify.sanitize(html, { FORBID_TAGS: ["style"] });

const form = document.getElementById("trip");
const note = () => document.getElementById("note");

form.addEventListener("htmx:wsConfigSend", (event) => {
  const { triggeringEvent, parameters } = event.detail;
  // What has been put back into the fields, the server had with the mount.
  if (triggeringEvent.detail?.stash) event.preventDefault();
  // After Enter, htmx would take the button along with every change that follows.
  if (triggeringEvent.type !== "submit") delete parameters.do;
});

// The editor's buttons.
form.addEventListener("mousedown", (event) => {
  if (event.target.closest("[data-format]")) event.preventDefault(); // the focus stays in the text
});
form.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-format]");
  if (!button) return;
  note().focus();
  document.execCommand(button.dataset.format); // deprecated, and without a successor
  showFormat();
});
form.addEventListener("paste", (event) => {
  if (!note()?.contains(event.target)) return;
  event.preventDefault();
  document.execCommand("insertText", false, event.clipboardData.getData("text/plain"));
});
document.addEventListener("selectionchange", showFormat);
document.addEventListener("htmx:wsAfterMessage", showFormat);

function showFormat() {
  for (const button of form.querySelectorAll("[data-format]")) {
    const inside = note().contains(document.getSelection().anchorNode);
    button.setAttribute("aria-pressed", inside && document.queryCommandState(button.dataset.format));
  }
}
