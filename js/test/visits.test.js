import assert from "node:assert/strict";
import { after, test } from "node:test";
import { JSDOM } from "jsdom";

const form = (/** @type {number} */ number, /** @type {string} */ name) =>
  `<form data-stash="profile" action="/records/${number}"><input name="name" id="name" value="${name}"><input name="motto" id="motto"></form>`;
const { window } = new JSDOM(
  `<!doctype html><script data-quart-stash data-identity="ada" src="https://shop.example/_stash/quart-stash.js"></script>
   <form data-stash="chat"><input name="text" id="text"></form><main>${form(1, "Ada")}</main>`,
  { url: "https://shop.example/records/1", pretendToBeVisual: true },
);
const own = new Set(["Event", "CustomEvent", "EventTarget", "AbortController", "AbortSignal", "FormData"]);
for (const name of Object.getOwnPropertyNames(window)) {
  if (name in globalThis && !own.has(name)) continue;
  Object.defineProperty(globalThis, name, { value: window[name], configurable: true, writable: true });
}
// A channel would keep the test from ending.
Object.assign(globalThis, { BroadcastChannel: undefined });
const { createForms } = await import("../src/forms/index.js");
const { morph } = await import("../src/morph.js");
const { Page } = await import("../src/page.js");
const page = (Page.current = new Page({ createForms }));
const forms = /** @type {any} */ (page.forms());
/** @type {any} */ (globalThis)[Symbol.for("quart-stash")] = { keepers: () => [forms] };

after(() => window.close());

const main = () => /** @type {HTMLElement} */ (document.querySelector("main"));
const control = (/** @type {string} */ id) => /** @type {HTMLInputElement} */ (document.getElementById(id));
const rest = () => new Promise((settle) => setTimeout(settle));
const name = () => control("name").value;

/** @param {string} id @param {string} text */
async function type(id, text) {
  const field = control(id);
  field.focus();
  field.dispatchEvent(new window.KeyboardEvent("keydown", { bubbles: true }));
  field.value += text;
  field.dispatchEvent(new window.Event("input", { bubbles: true }));
  field.blur();
  await rest();
  forms.flush();
}

/** What routers do, in which order. @type {Record<string, (number: number, name: string, push: () => void) => void>} */
const ROUTERS = {
  "pushes, then renders": (number, name, push) => {
    push();
    main().innerHTML = form(number, name);
  },
  "renders, then pushes": (number, name, push) => {
    main().innerHTML = form(number, name);
    push();
  },
  "pushes, then morphs": (number, name, push) => {
    push();
    morph(main(), `<main>${form(number, name)}</main>`);
  },
  "morphs, then pushes": (number, name, push) => {
    morph(main(), `<main>${form(number, name)}</main>`);
    push();
  },
  "pushes, then sets values": (_, name, push) => {
    push();
    control("name").value = name;
  },
};
const NAMES = /** @type {const} */ ({ 1: "Ada", 2: "Grace" });

for (const [what, render] of Object.entries(ROUTERS)) {
  test(`a page that ${what}: what was typed for one record never stands in another's form, and is there again with it`, async () => {
    const go = async (/** @type {1 | 2} */ number) => {
      render(number, NAMES[number], () => history.pushState(null, "", `/${encodeURIComponent(what)}/${number}`));
      await rest();
      // Without the Navigation API it is noticed at the latest as the user begins, or a second later.
      forms.flush();
      await rest();
    };
    await go(1);
    assert.equal(name(), "Ada");
    await type("name", " Byron");
    await type("text", "x");
    await go(2);
    assert.equal(name(), "Grace");
    await type("name", " Hopper");
    await go(1);
    assert.equal(name(), "Ada Byron");
    assert.deepEqual(forms.pairs().profile, [["name", "Ada Byron"]]);
    await go(2);
    assert.equal(name(), "Grace Hopper");
    assert.match(control("text").value, /x$/, "what the router leaves standing goes along");
  });
}

test("as long as the old form stands there, it gets nothing of the visit that is come back to, and what is typed stays its own", async () => {
  const go = (/** @type {string} */ path) => history.pushState(null, "", path);
  go("/late/1");
  main().innerHTML = form(1, "Ada");
  await type("name", " Byron");
  go("/late/2");
  main().innerHTML = form(2, "Grace");
  await type("name", " Hopper");
  go("/late/1");
  forms.flush();
  await type("name", "!");
  assert.equal(name(), "Grace Hopper!");
  main().innerHTML = form(1, "Ada");
  await rest();
  assert.equal(name(), "Ada Byron");
  go("/late/2");
  main().innerHTML = form(2, "Grace");
  await rest();
  assert.equal(name(), "Grace Hopper!");
});
