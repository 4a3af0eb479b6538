// The page of the property test: what is done in it, and what is to be seen of it.
import { createForms } from "/js/forms/index.js";
import { morph } from "/static/quart-stash-morph.js";

const FIELD = "input, textarea, select, [contenteditable], details";
const main = document.getElementById("main");
const at = (place) => ({
  get: (key) => JSON.parse(sessionStorage.getItem(place + key)),
  set: (key, value) => !refusing && (sessionStorage.setItem(place + key, JSON.stringify(value)), true),
  remove: (key) => sessionStorage.removeItem(place + key),
});
const storage = { ...at(""), at, place: () => location.pathname };
let refusing = false;
let forms, told, conflicts;

function begin() {
  [told, conflicts, refusing] = [[], [], false];
  window.forms = forms = createForms({ root: document, storage, now: () => Date.now() });
  forms.addEventListener("restored", ({ detail }) => told.push([detail.form, detail.field, detail.why]));
  forms.addEventListener("conflict", ({ detail }) => conflicts.push(detail));
  forms.start();
  forms.restore();
}
globalThis[Symbol.for("quart-stash")] = { keepers: () => [forms] };
addEventListener("pagehide", () => forms.flush());

const placeOf = (control) => {
  const form = control.matches("details") ? "" : control.closest("form").dataset.stash;
  const row = control.closest("[data-stash-key]")?.dataset.stashKey ?? "";
  return [form, control.dataset.stash ?? control.name, row];
};
const valuesOf = (control) => {
  if (control.matches("details")) return control.open ? ["open"] : [];
  if (control.matches("[contenteditable]")) return [control.innerHTML.replace("<br>", "")];
  if (control.matches("[type=checkbox], [type=radio]")) return control.checked ? [control.value] : [];
  return control.matches("select") ? Array.from(control.selectedOptions, ({ value }) => value) : [control.value];
};
const controlAt = (place) => [...main.querySelectorAll(FIELD)].find((control) => String(placeOf(control)) === String(place));

const steps = {
  caret(place, start, end) {
    const control = controlAt(place);
    control.focus();
    if (!control.isContentEditable) return control.setSelectionRange(start, end);
    const text = control.firstChild ?? control;
    const length = text.length ?? 0;
    getSelection().setBaseAndExtent(text, Math.min(start, length), text, Math.min(end, length));
  },
  write(place, start, end, text) {
    steps.caret(place, start, end);
    controlAt(place).dispatchEvent(new KeyboardEvent("keydown", { bubbles: true }));
    document.execCommand(text ? "insertText" : "forwardDelete", false, text);
  },
  choose(place, choice) {
    const control = controlAt(place);
    if (control.matches("details")) return control.querySelector("summary").click();
    if (!control.matches("select")) {
      const box = main.querySelector(`[name=${place[1]}][value=${choice}]`);
      box.focus();
      box.dispatchEvent(new PointerEvent("pointerdown", { bubbles: true }));
      return box.click();
    }
    control.focus();
    control.dispatchEvent(new PointerEvent("pointerdown", { bubbles: true }));
    const option = [...control.options].find(({ value }) => value === choice);
    option.selected = control.multiple ? !option.selected : true;
    for (const type of ["input", "change"]) control.dispatchEvent(new Event(type, { bubbles: true }));
  },
  leave: () => document.activeElement?.blur(),
  reset: () => main.querySelector("[type=reset]").click(),
  submit: (form, number) => forms.submit(form, ["live", number]),
  clear: (form, number) => forms.clear(form, ["live", number]),
  resetByScript: () => main.querySelector("form").reset(),
  set(place, values) {
    for (const control of main.querySelectorAll(FIELD)) {
      if (String(placeOf(control)) !== String(place)) continue;
      if (control.options) for (const option of control.options) option.selected = values.includes(option.value);
      else if (/^(checkbox|radio)$/.test(control.type)) control.checked = values.includes(control.value);
      else [control.value] = values;
    }
  },
  replace: (html) => (main.innerHTML = html),
  morph: (html) => morph(main, html, { style: "innerHTML" }),
  morphInside(html) {
    const page = document.createElement("main");
    page.innerHTML = html;
    for (const form of main.children) morph(form, page.querySelector(`[data-stash=${form.dataset.stash}]`).innerHTML, { style: "innerHTML" });
  },
  rewrite: (place, text) => (controlAt(place).defaultValue = text),
  hide: () => dispatchEvent(new PageTransitionEvent("pagehide")),
  refuse() {
    forms.flush();
    refusing = true;
  },
  accept() {
    refusing = false;
    forms.flush();
  },
  move(path, html, first) {
    if (first === "rendered") main.innerHTML = html;
    history.pushState(null, "", path);
    if (first === "pushed") main.innerHTML = html;
  },
  load(html) {
    forms.stop();
    main.innerHTML = html;
    begin();
  },
};

function look() {
  const fields = [];
  for (const control of main.querySelectorAll(FIELD)) {
    const place = placeOf(control);
    const known = fields.find(([other]) => String(other) === String(place));
    if (known) known[1].push(...valuesOf(control));
    else fields.push([place, valuesOf(control)]);
  }
  const active = document.activeElement?.matches(FIELD) ? document.activeElement : null;
  const { selectionStart: start, selectionEnd: end } = active ?? {};
  if (refusing) forms.flush();
  return {
    fields,
    focus: active && placeOf(active),
    caret: active?.matches("textarea, input:not([type])") ? [start, end] : null,
    pairs: forms.pairs(),
    conflicts: conflicts.splice(0).map(({ form, field, kept, theirs }) => [form, field, kept, theirs]),
    stored: JSON.stringify(Object.entries(sessionStorage)),
    errors: [...errors, ...told.splice(0).filter(([, , why]) => why === "error")],
  };
}

// Each step is a task of its own, with the timers that it sets; these in a row would be slowed down.
const { port1, port2 } = new MessageChannel();
const task = () =>
  new Promise((done) => {
    port1.onmessage = () => setTimeout(done);
    port2.postMessage(null);
  });

async function play(list) {
  const seen = [];
  for (const step of list) {
    if (step) steps[step[0]](...step.slice(1));
    await task();
    seen.push(look());
  }
  return seen;
}

begin();
Object.assign(window, { play, steps });
