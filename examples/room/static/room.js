import { StashSocket } from "../_stash/quart-stash.js";

const $ = (id) => document.getElementById(id);
export const socket = new StashSocket("live");
const say = (message) => socket.send(JSON.stringify(message));
let newest = 0;
let quiet;

$("say-form").addEventListener("submit", (event) => {
  event.preventDefault();
  if ($("text").value.trim()) say({ say: $("text").value, name: $("name").value });
  $("text").value = "";
  $("text").dispatchEvent(new Event("input", { bubbles: true }));
});

let hinted = 0;
$("text").addEventListener("input", ({ target, timeStamp }) => {
  if (!target.value || timeStamp - hinted < 2000) return;
  hinted = timeStamp;
  say({ typing: $("name").value });
});

socket.addEventListener("message", (event) => {
  const { notes = [], heard, typing } = JSON.parse(event.data);
  if (typing) {
    $("hint").textContent = `${typing} is typing …`;
    clearTimeout(quiet);
    quiet = setTimeout(() => ($("hint").textContent = ""), 3000);
    return;
  }
  $("heard").value = heard;
  for (const { id, name, text } of notes) {
    if (id <= newest) continue; // after a crash the last ones may come again
    newest = id;
    const line = document.createElement("li");
    const who = document.createElement("b");
    who.textContent = name;
    line.dataset.id = id;
    line.append(who, text);
    $("notes").append(line);
    line.scrollIntoView({ block: "nearest" });
  }
});
