import { StashSocket } from "../_stash/quart-stash.js";

const $ = (id) => document.getElementById(id);
export const socket = new StashSocket("live");
const say = (message) => socket.send(JSON.stringify(message));

$("launch-form").addEventListener("submit", (event) => {
  event.preventDefault();
  say({ do: "launch", name: $("name").value });
});
$("acknowledge").addEventListener("click", () => say({ do: "acknowledge" }));

$("secrets").addEventListener("click", async ({ target }) => {
  if (!target.dataset.copy) return;
  await navigator.clipboard.writeText($(target.dataset.copy).textContent);
  target.textContent = "Copied";
});

socket.addEventListener("message", (event) => {
  const { phase, name, step, steps, label, problem, secrets } = JSON.parse(event.data);
  $("launcher").dataset.shows = phase;
  for (const part of document.querySelectorAll("[data-phase]")) {
    part.hidden = !part.dataset.phase.split(" ").includes(phase);
  }
  $("deployment").textContent = name;
  $("label").textContent = { running: `${label} …`, done: "is up.", failed: "has failed." }[phase] ?? "";
  $("progress").max = steps;
  $("progress").value = step;
  $("step").value = step;
  $("steps").value = steps;
  $("problem").textContent = problem;
  $("acknowledge").textContent = phase === "done" ? "I have copied them: forget them" : "Try again";
  for (const id of ["admin_password", "api_token"]) $(id).textContent = secrets?.[id] ?? "";
  for (const button of document.querySelectorAll("[data-copy]")) button.textContent = "Copy";
});
