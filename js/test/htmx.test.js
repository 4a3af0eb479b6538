import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { afterEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { JSDOM } from "jsdom";

import { Network } from "./world.js";

const { resolve } = createRequire(import.meta.url);
/** @param {string} name */
const source = (name) => readFileSync(resolve(name), "utf8");
const HTMX = {
  2: { scripts: [source("htmx.org/dist/htmx.js"), source("htmx-ext-ws/dist/ws.js")], extend: "hx-ext=ws", connect: "ws-connect", send: "ws-send" },
  // jsdom finds no attribute by a name with a colon; htmx takes another letter for it.
  4: { scripts: [source("htmx4/dist/htmx.js"), source("htmx4/dist/ext/hx-ws.js")], extend: "", connect: "hx-ws-connect", send: "hx-ws-send" },
};
const META = `<script type=module data-quart-stash data-identity=alice></script><meta name=htmx-config content='{"metaCharacter":"-"}'>`;
const { outputFiles } = await build({
  entryPoints: [fileURLToPath(new URL("../src/index.js", import.meta.url))],
  bundle: true,
  format: "iife",
  globalName: "stash",
  footer: { js: "globalThis.stash = stash;" },
  write: false,
});
const client = outputFiles?.[0]?.text ?? "";

/** @type {any[]} */
const windows = [];
afterEach(() => windows.splice(0).forEach((window) => window.close()));

/** Wait for what htmx does in turns of its own. @param {() => unknown} holds */
async function until(holds) {
  while (!holds()) await new Promise((turn) => setTimeout(turn));
}

/**
 * A page whose forms htmx sends over a socket, and the network it is in.
 *
 * @param {keyof typeof HTMX} version
 * @param {string} fields
 * @param {string} [attributes] of the form
 */
async function open(version, fields, attributes = "") {
  const { scripts, extend, connect, send } = HTMX[version];
  const form = `<form id=chat ${send} ${attributes}>${fields}<button>Send</button></form>`;
  const { window } = new JSDOM(`<!doctype html>${META}<main ${extend} ${connect}="/chat">${form}<p id=answer></p></main>`, {
    url: "https://shop.example/",
    runScripts: "outside-only",
    pretendToBeVisual: true,
  });
  windows.push(window);
  const network = new Network();
  // What browsers have, and jsdom has not; an XPath result of any type is among it.
  const CSS = { escape: (/** @type {string} */ text) => text.replace(/[^\w-]/g, "\\$&") };
  Object.assign(window, { WebSocket: network.WebSocket, TextEncoder, CSS });
  const { evaluate } = window.XPathExpression.prototype;
  window.XPathExpression.prototype.evaluate = function (node, type = 0, result = null) {
    return evaluate.call(this, node, type, result);
  };
  for (const script of [...scripts, client]) window.eval(script);
  window.eval("stash.install(htmx)");
  if (version === 2) window.eval("made = []; { const make = htmx.createWebSocket; htmx.createWebSocket = (url) => (made[made.length] = make(url)); }");
  await until(() => window.document.readyState === "complete");
  return { window, network, submit: () => window.document.querySelector("button")?.click() };
}

/** @param {Network} network */
const messages = (network) => network.last.said.filter(({ message }) => message).map(({ message }) => JSON.parse(message));

for (const version of /** @type {const} */ ([2, 4])) {
  test(`htmx ${version}: a form goes over a socket that outlives the process, and the answer is swapped in`, async () => {
    const { window, network, submit } = await open(version, "<input name=text value=hello>");
    const { WebSocket } = window;
    submit();
    await until(() => network.sockets.length && messages(network).length === 1);
    const [{ text }] = messages(network);
    assert.equal(text, "hello");
    assert.equal(window.WebSocket, WebSocket, "what the page's other sockets are made of is left alone");
    network.last.end(1012);
    await until(() => network.sockets.length === 2 && messages(network).length === 1);
    network.last.hear(`=<p id=answer${version === 2 ? "" : ' hx-swap-oob="true"'}>heard</p>`);
    await until(() => window.document.getElementById("answer")?.textContent === "heard");
    assert.equal(network.sockets.length, 2, "htmx itself does not reconnect");
  });

  test(`htmx ${version}: what is sent before there is a connection is in the outbox at once`, async () => {
    const { window, network, submit } = await open(version, "<input name=text value=early>");
    network.mood = "hang";
    submit();
    await until(() => JSON.stringify({ ...window.sessionStorage }).includes("early"));
    network.last.accept();
    await until(() => messages(network).length === 1);
  });

  test(`htmx ${version}: a password is never stored, nor is a token against forgery even sent`, async () => {
    const fields = "<input name=user value=ada><input type=password name=word value=S3CRET><input name=csrf_token value=T0KEN>";
    const { window, network, submit } = await open(version, fields);
    submit();
    await until(() => network.sockets.length && messages(network).length === 1);
    const [{ user, word, csrf_token }] = messages(network);
    assert.deepEqual([user, word, csrf_token], ["ada", "S3CRET", undefined]);
    const stored = JSON.stringify({ ...window.sessionStorage });
    assert.match(stored, /outbox/);
    assert.doesNotMatch(stored, /S3CRET|T0KEN|ada/);
  });

  test(`htmx ${version}: a message of another form is stored, whatever stands in a password field of the page`, async () => {
    const { window, network, submit } = await open(version, "<input name=text value=hello>");
    window.document.body.insertAdjacentHTML("beforeend", "<input type=password name=word value=S3CRET>");
    submit();
    await until(() => network.sockets.length && messages(network).length === 1);
    assert.match(JSON.stringify({ ...window.sessionStorage }), /hello/);
  });
}

for (const [what, change] of /** @type {[string, (word: any) => void][]} */ ([
  ["one that took the place of a password", (word) => word.replaceWith(Object.assign(word.cloneNode(), { type: "text" }))],
  ["one that is switched off", (word) => (word.type = "text", word.setAttribute("data-stash", "off"))],
  ["one of a custom element", (word) => {
    const custom = word.ownerDocument.createElement("pass-word");
    for (const [name, value] of [["name", "word"], ["autocomplete", "current-password"]]) custom.setAttribute(name, value);
    word.replaceWith(Object.assign(custom, { value: word.value }));
  }],
])) {
  test(`what the page sends under the name of a secret is never stored: ${what}`, async () => {
    const { window, network } = await open(2, "<input type=password name=word>", "data-stash=login");
    await until(() => network.sockets.length === 1 && network.last.said.length === 1);
    const word = /** @type {any} */ (window.document.querySelector("input"));
    word.value = "S3CRET";
    change(word);
    const [socket] = window.made;
    socket.send('{"word":"S3CRET"}');
    socket.send('{"other":"public"}');
    assert.deepEqual(messages(network), [{ word: "S3CRET" }, { other: "public" }]);
    const stored = JSON.stringify({ ...window.sessionStorage });
    assert.match(stored, /public/);
    assert.doesNotMatch(stored, /S3CRET/);
  });
}

test("what is no JSON is not stored while there is any secret in the page", async () => {
  const { window, network } = await open(2, "<input type=password name=word>");
  await until(() => network.sockets.length === 1 && network.last.said.length === 1);
  const [socket] = window.made;
  socket.send("anything");
  Object.assign(window.document.querySelector("input") ?? {}, { value: "S3CRET" });
  socket.send("word=S3CRET");
  const stored = JSON.stringify({ ...window.sessionStorage });
  assert.match(stored, /anything/);
  assert.doesNotMatch(stored, /S3CRET/);
});

test("a message costs no more in a large page: only the controls that it may come from are looked at", async () => {
  const { window, network } = await open(2, "<input name=text>");
  await until(() => network.sockets.length === 1 && network.last.said.length === 1);
  const { getAttribute } = window.Element.prototype;
  let looks = 0;
  window.Element.prototype.getAttribute = function (/** @type {string} */ name) {
    looks += 1;
    return getAttribute.call(this, name);
  };
  const cost = () => {
    looks = 0;
    window.made[0].send('{"text":"a"}');
    return looks;
  };
  const small = cost();
  window.document.body.insertAdjacentHTML("beforeend", "<p><input name=other value=x></p>".repeat(100));
  assert.equal(cost(), small);
});

test("htmx 4: a page that goes and comes back from the cache has its view again", async () => {
  const { window, network, submit } = await open(4, "<input name=text value=hello>");
  await until(() => network.sockets.length === 1 && network.last.said.length === 1);
  window.dispatchEvent(new window.PageTransitionEvent("pagehide", { persisted: true }));
  assert.equal(network.last.readyState, 3);
  window.dispatchEvent(new window.PageTransitionEvent("pageshow", { persisted: true }));
  await until(() => network.sockets.length === 2 && network.last.said.length === 1);
  submit();
  await until(() => messages(network).length === 1);
});

test("htmx 2: with morph, what comes with hx-swap-oob=\"morph\" is rendered by it", async () => {
  const { window, network } = await open(2, "<input name=text>");
  window.seen = [];
  window.eval("stash.install(htmx, { morph: (target, nodes, { style }) => seen.push([target.id, nodes[0].outerHTML, style]) })");
  window.document.querySelector("main")?.setAttribute("hx-ext", "ws, stash-morph");
  await until(() => network.sockets.length === 1 && network.last.said.length === 1);
  network.last.hear('=<p id=answer hx-swap-oob="morph">heard</p>');
  await until(() => window.seen.length === 1);
  assert.deepEqual([...window.seen[0]], ["answer", '<p id="answer">heard</p>', "outerHTML"]);
  window.htmx.swap("#answer", "<b>in</b>", { swapStyle: "morph:innerHTML" }, { contextElement: window.document.querySelector("main") });
  await until(() => window.seen.length === 2);
  assert.deepEqual([...window.seen[1]], ["answer", "<b>in</b>", "innerHTML"]);
});
