/** What a user of the npm package writes in TypeScript, and what the types keep them from: see types.test.js. */

import { StashSocket, install } from "quart-stash";
import type { DrainEvent, StashSocketEventMap, StashSocketOptions } from "quart-stash";
import { morph } from "quart-stash/morph";

const options: StashSocketOptions = { guard: true, params: () => ({ open: true }), forms: document };
const socket = new StashSocket("/checkout/1", options);
declare const saving: Promise<Response>;

// Listeners know their events.
socket.addEventListener("drain", (event) => {
  event.waitUntil(saving);
  const left: number = event.detail.deadline;
  // @ts-expect-error a promise, not what makes one
  event.waitUntil(() => saving);
  return left;
});
socket.addEventListener("message", ({ data }) => JSON.parse(data));
socket.addEventListener("close", ({ code, reason, wasClean }) => ({ code: code + 1, reason: reason.trim(), wasClean }));
socket.addEventListener("mounted", ({ detail }) => {
  const status: "fresh" | "restored" | "rejected" = detail.status;
  const bytes: number = detail.limits.message;
  // @ts-expect-error the server may have given no reason
  detail.reason.trim();
  // @ts-expect-error there is no such detail
  detail.token;
  return { status, bytes };
});
socket.addEventListener("synced", ({ detail: { received } }) => received.toFixed());
socket.addEventListener("lost", ({ detail: { numbers, messages } }) => {
  const newest: number = Math.max(...numbers);
  for (const message of messages) socket.send(message);
  return newest;
});
socket.addEventListener("failed", ({ detail: { number, data } }) => {
  // @ts-expect-error it comes with some failures only
  socket.send(data);
  if (data !== undefined) socket.send(data);
  return number.toFixed();
});
socket.addEventListener("restored", ({ detail: { form, field, outcome, why } }) => {
  const whole: boolean = field === null && outcome === "skipped";
  // @ts-expect-error there is no such outcome
  const never: boolean = outcome === "dropped";
  return [form.trim(), why.trim(), whole, never];
});
socket.addEventListener("conflict", ({ detail: { mine, theirs, kept, controls } }) => {
  const shown: readonly string[] = kept === "mine" ? mine : theirs;
  controls.forEach((control) => control.classList.add("conflict"));
  return shown.join();
});
socket.addEventListener("oversize", ({ detail: { what, form, size, limit } }) => {
  const storage: boolean = what === "storage";
  // @ts-expect-error of storage nobody knows the size
  size.toFixed();
  return [storage, form?.trim(), size, limit];
});
socket.addEventListener("stale", (event) => {
  event.preventDefault();
  return event.detail.reloads ? event.detail.reason.trim() : "";
});
for (const type of ["unsaved", "saved"] as const) socket.addEventListener(type, () => socket.unsaved === (type === "unsaved"));
socket.onsaved = (event) => {
  // @ts-expect-error it has no details
  event.detail;
};
// @ts-expect-error that is the server's to say
socket.unsaved = false;
for (const type of ["disconnected", "reconnected", "refused"] as const) socket.addEventListener(type, ({ detail }) => detail);
// @ts-expect-error only a drain can be put off
socket.addEventListener("mounted", (event) => event.waitUntil(saving));
// @ts-expect-error a drain is no click
socket.addEventListener("drain", (event: MouseEvent) => event.clientX);

// As in the DOM: `this` is the socket, options are allowed, a listener may be an object, and other events may be one's own.
socket.addEventListener("open", function () { this.send("hello"); }, { once: true, signal: new AbortController().signal });
socket.addEventListener("drain", { handleEvent: (event: Event) => event.type }, true);
socket.addEventListener("mine", (event) => event.type);
// @ts-expect-error of one's own events nothing is known
socket.addEventListener("mine", (event) => event.detail);

// What was added can be removed.
const drained = (event: DrainEvent) => event.waitUntil(saving);
socket.addEventListener("drain", drained);
socket.removeEventListener("drain", drained);
// @ts-expect-error that listens for a drain
socket.removeEventListener("message", drained);

// Handlers know theirs.
socket.onmessage = ({ data }) => JSON.parse(data);
socket.onclose = ({ code }) => code.toFixed();
socket.ondrain = (event) => event.waitUntil(saving);
socket.onlost = ({ detail }) => detail.messages.forEach((message) => socket.send(message));
socket.onmounted = function ({ detail }) { this.send(detail.status); };
socket.ondrain = null;
// @ts-expect-error a mount can't be put off
socket.onmounted = (event) => event.waitUntil(saving);
// @ts-expect-error there is no such event
socket.ondrained = () => {};

// It is an `EventTarget`, and goes wherever a `WebSocket` goes.
const target: EventTarget = socket;
const same: WebSocket = socket;
class Chat extends StashSocket {
  say(text: string) { this.send(text, { secret: false }); }
}
new Chat("/chat").addEventListener("drain", (event) => event.waitUntil(saving));

// A function for some events.
function on<K extends keyof StashSocketEventMap>(type: K, listener: (event: StashSocketEventMap[K]) => void) {
  socket.addEventListener(type, listener);
}
on("lost", ({ detail }) => detail.numbers.length);

// @ts-expect-error a message has no such option
socket.send("one", { secrets: true });
// @ts-expect-error there is no such option
new StashSocket("/checkout/1", { param: {} });

// `quart-stash/morph` checks where idiomorph is not installed.
morph(document.body, "<p>", { style: "innerHTML" });
morph(document.body, document.createElement("p"), { idiomorph: { morph: (node, content) => [node, content] } });
// @ts-expect-error there is no such style
morph(document.body, "<p>", { style: "beforeend" });
install({ createWebSocket: (url) => new WebSocket(url) }, { morph, name: "chat" });

export { same, target };
