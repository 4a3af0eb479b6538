import assert from "node:assert/strict";
import { test } from "node:test";
import { JSDOM } from "jsdom";

import { pass, rest, stage } from "./world.js";

const { window } = new JSDOM("", { url: "https://shop.example/" });
const NAMES = ["Element", "FormData", "HTMLElement", "HTMLFormElement", "HTMLInputElement", "HTMLSelectElement"];
for (const name of [...NAMES, "HTMLTextAreaElement"]) {
  Object.defineProperty(globalThis, name, { value: window[name], configurable: true, writable: true });
}
const { submit } = await import("../src/submit.js");

/** @type {{ page: any, network: import("./world.js").Network }} */
let world;
const open = stage((made) => (world = made));

const POST = 'method="post" data-stash="f"';

/**
 * Click a button of a form, and let the form be submitted over a socket.
 *
 * @param {string} html of the page
 * @param {Partial<import("../src/submit.js").Way> & { button?: string }} [how] `button`: a selector; empty for none
 */
function click(html, { button = "button", ...way } = {}) {
  window.document.body.innerHTML = html;
  const form = /** @type {any} */ (window.document.querySelector("form"));
  const result = { sent: /** @type {boolean | null} */ (null), prevented: false, error: "", calls: /** @type {any[]} */ ([]) };
  const stands = {
    closed: false,
    lost: false,
    limit: 1000,
    forms: /** @type {any} */ ({
      isSecret: (/** @type {string} */ form, /** @type {string} */ name) => form === "f" && name === "once",
    }),
    send: (/** @type {string} */ name, /** @type {string} */ data, /** @type {object} */ options) =>
      result.calls.push(name, [JSON.parse(data), options]),
    ...way,
  };
  const submitter = button && window.document.querySelector(button);
  const event = new window.SubmitEvent("submit", { bubbles: true, cancelable: true, submitter: submitter || null });
  form.addEventListener("submit", (/** @type {any} */ event) => {
    try {
      result.sent = submit(event, stands);
    } catch (error) {
      result.error = String(error);
    }
  });
  form.dispatchEvent(event);
  result.prevented = event.defaultPrevented;
  return result;
}

/** @param {[string, string][]} fields @param {{ name?: string, secret?: boolean }} [how] what a submit over the socket looks like */
const over = (fields, { name = "f", secret = false } = {}) => ({
  sent: true,
  prevented: true,
  error: "",
  calls: [name, [{ form: name, fields }, { secret }]],
});
const posted = { sent: false, prevented: false, error: "", calls: [] };

/** The data of a form whose user has chosen a file, which no script can do. */
class WithFile extends window.FormData {
  /** @param {HTMLFormElement} form @param {HTMLElement | null} submitter */
  constructor(form, submitter) {
    super(form, submitter);
    this.set("picture", new window.File(["x"], "x.png"));
  }
}

test("what the browser would post goes over the socket, in order, with the button that was clicked", () => {
  const fields = '<input name=a value=1><input type=checkbox name=b checked><input name=a value=2><input name=c disabled>';
  const html = `<form ${POST}>${fields}<button name=how value=draft>Draft</button><button name=how value=now>Now</button></form>`;
  const common = /** @type {[string, string][]} */ ([["a", "1"], ["b", "on"], ["a", "2"]]);
  assert.deepEqual(click(html, { button: "[value=now]" }), over([...common, ["how", "now"]]));
  assert.deepEqual(click(html, { button: "" }), over(common));
});

test("controls outside the form that point at it are in", () => {
  const html = `<form ${POST} id=here><button>Go</button></form><input form=here name=a value=1>`;
  assert.deepEqual(click(html), over([["a", "1"]]));
});

test("line breaks in names and values are those of a post, and a secret is one whatever its name", () => {
  const html = `<form ${POST}><textarea name="a\nb">1\n2\r\n3\r4</textarea><button>Go</button></form>`;
  assert.deepEqual(click(html), over([["a\r\nb", "1\r\n2\r\n3\r\n4"]]));
  const secret = `<form ${POST}><input type=password name="a\nb" value=x><button>Go</button></form>`;
  assert.deepEqual(click(secret), over([["a\r\nb", "x"]], { secret: true }));
});

test("tokens against forgery stay out, and make nothing secret", () => {
  const html = `<form ${POST}><input type=hidden name=csrf_token value=T><input name=a value=1><button>Go</button></form>`;
  assert.deepEqual(click(html), over([["a", "1"]]));
});

test("a filled password makes it secret, an empty one does not, and one that was shown in clear does", () => {
  const html = (/** @type {string} */ field) => `<form ${POST}>${field}<button>Go</button></form>`;
  assert.deepEqual(click(html("<input type=password name=p value=x>")), over([["p", "x"]], { secret: true }));
  assert.deepEqual(click(html("<input type=password name=p>")), over([["p", ""]]));
  assert.deepEqual(click(html("<input name=once value=x>")), over([["once", "x"]], { secret: true }));
  assert.deepEqual(click(html("<p data-stash=off><input name=a value=x></p>")), over([["a", "x"]], { secret: true }));
});

test("a form that is not stashed goes by its id, and one without any name is an error that says what to do", () => {
  const form = (/** @type {string} */ attributes) => `<form method=post ${attributes}><input name=a value=1><button>Go</button></form>`;
  assert.deepEqual(click(form("id=g")), over([["a", "1"]], { name: "g" }));
  assert.deepEqual(click(form("id=g data-stash")), over([["a", "1"]], { name: "g" }));
  assert.deepEqual(click(form("id=g data-stash=off")), over([["a", "1"]], { name: "g", secret: true }));
  const { error, sent, prevented, calls } = click(form(""));
  assert.deepEqual({ sent, prevented, calls }, { sent: null, prevented: false, calls: [] });
  assert.match(error, /TypeError.*data-stash="…", or an id/);
});

test("a form that closes its dialog is left to the browser, and so is a button that does", () => {
  assert.deepEqual(click('<dialog open><form method=dialog data-stash=f><button>OK</button></form></dialog>'), posted);
  assert.deepEqual(click(`<form ${POST}><button formmethod=dialog>Cancel</button></form>`), posted);
});

test("the browser posts what can't go over the socket: files, what is too large, and everything once it is closed", () => {
  const fields = "<input name=a value=123456789><input type=file name=picture><button>Go</button>";
  const html = `<form ${POST} enctype=Multipart/form-data>${fields}</form>`;
  const whole = over([["a", "123456789"]]);
  assert.deepEqual(click(html), whole, "no file was chosen");
  const named = click(`<form ${POST}>${fields}</form>`);
  assert.deepEqual(named, over([["a", "123456789"], ["picture", ""]]), "as a post that is not in parts has it");
  globalThis.FormData = /** @type {any} */ (WithFile);
  assert.deepEqual(click(html), posted);
  globalThis.FormData = /** @type {any} */ (window.FormData);
  const { length } = JSON.stringify({ form: "f", fields: [["a", "123456789"]] });
  assert.deepEqual(click(html, { limit: length }), whole);
  assert.deepEqual(click(html, { limit: length - 1 }), posted);
  assert.deepEqual(click(html, { closed: true }), posted);
});

test("what can be neither sent nor posted stays in the page, with an error that says why", () => {
  const closed = (/** @type {string} */ attributes, field = "<input name=a value=1>") =>
    click(`<form data-stash=f ${attributes}>${field}<button>Go</button></form>`, { closed: true });
  for (const { sent, prevented, error, calls } of [
    closed(""),
    closed("method=get"),
    closed("action=/search", "<input type=password name=p value=x>"),
    closed("action=/search", "<input type=hidden name=csrf_token value=T>"),
  ]) {
    assert.deepEqual({ sent, prevented, calls }, { sent: null, prevented: true, calls: [] });
    assert.match(error, /"f" was not submitted: the socket is closed.*method="post"/);
  }
  assert.deepEqual(closed("action=/search"), posted, "a search may go into an address");
  assert.deepEqual(closed("action=/search", "<input type=file name=picture>"), posted, "no file was chosen");
  assert.deepEqual(closed("", "<button formmethod=post name=b>Go</button>"), posted, "what the button says counts");
});

test("a file goes into no address, where only its name would arrive, nor does a token against forgery", () => {
  const form = (/** @type {string} */ field) =>
    `<form data-stash=f action=/upload data-stash-offline=post>${field}<button>Go</button></form>`;
  globalThis.FormData = /** @type {any} */ (WithFile);
  const { sent, prevented, error, calls } = click(form("<input type=file name=picture>"));
  globalThis.FormData = /** @type {any} */ (window.FormData);
  assert.deepEqual({ sent, prevented, calls }, { sent: null, prevented: true, calls: [] });
  assert.match(error, /"f" was not submitted: a file can't go over a socket.*method="post"/);
  const token = form("<input type=hidden name=csrf_token value=T>");
  assert.deepEqual(click(token, { lost: true }), over([]), "it waits in the outbox");
});

test("without a connection it waits in the outbox, or is posted if the form says so and can be", () => {
  const form = (/** @type {string} */ attributes) => `<form data-stash=f ${attributes}><input name=a value=1><button>Go</button></form>`;
  const sent = over([["a", "1"]]);
  assert.deepEqual(click(form("method=post"), { lost: true }), sent);
  assert.deepEqual(click(form("method=post data-stash-offline=post"), { lost: true }), posted);
  assert.deepEqual(click(form("method=post data-stash-offline=post"), { lost: false }), sent);
  assert.deepEqual(click(form("data-stash-offline=post"), { lost: true }), sent);
});

test("what is no submit of a form is a mistake of the page's", () => {
  const event = /** @type {any} */ (new window.Event("click"));
  window.document.body.dispatchEvent(event);
  const way = { closed: false, lost: false, limit: 1, forms: null, send: () => {} };
  assert.throws(() => submit(event, way), TypeError);
});

/** @returns {any} an event of a form that is submitted */
function fresh(attributes = "") {
  window.document.body.innerHTML = `<form ${POST} ${attributes}><input name=a value=1></form>`;
  const event = new window.SubmitEvent("submit", { cancelable: true });
  window.document.querySelector("form")?.dispatchEvent(event);
  return event;
}

test("a socket submits forms, tells the stash, and leaves them to the browser once it is closed", async () => {
  const socket = open();
  await rest();
  assert.equal(socket.submit(fresh()), true);
  assert.deepEqual(world.network.last.said[1], { message: '{"form":"f","fields":[["a","1"]]}' });
  assert.equal(world.page.forms.calls.at(-1), `submit f ["${socket.name}",1]`);
  assert.equal(socket.submit(fresh()), true);
  assert.equal(world.page.forms.calls.at(-1), `submit f ["${socket.name}",2]`);
  socket.close();
  assert.equal(socket.submit(fresh()), false);
});

test("there is no connection once the page was told so, and until the view is mounted again", async () => {
  world.network.mood = "refuse";
  const socket = open();
  const posts = () => !socket.submit(fresh("data-stash-offline=post"));
  await pass(499);
  assert.equal(posts(), false);
  await pass(1);
  assert.equal(posts(), true);
  world.network.mood = "accept";
  await pass(10_000);
  assert.equal(posts(), false);
  assert.equal(world.network.last.said.filter(({ message }) => message).length, 2);
});
