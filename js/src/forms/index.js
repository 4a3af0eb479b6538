/**
 * Form recovery: carries what a user has typed over a reconnect, a reload and a new rendering, without ever
 * touching what they are typing.
 *
 * @module
 */

import { Adopter } from "./adopt.js";
import { read } from "./capture.js";
import { controlsOf, formName, isNative } from "./dom.js";
import { Guard, hasFocus } from "./guard.js";
import { Controls } from "./controls.js";
import { isChanged, remember } from "./kinds.js";
import { Reconciler } from "./reconcile.js";
import { Records, fieldKey } from "./records.js";
import { isAnnounced } from "./restore.js";
import { Watcher } from "./watch.js";

/** @typedef {import("./capture.js").Field} Field */
/** @typedef {import("./dom.js").Control} Control */
/** @typedef {import("./merge.js").Value} Value */
/** @typedef {import("./records.js").Storage} Storage */
/** @typedef {import("./controls.js").Outcome} Outcome */
/** @typedef {import("./reconcile.js").Conflict} Conflict */

/** @typedef {{ form: string, field: string | null, outcome: Outcome, why: string }} Restored */

/**
 * @typedef {object} FormsOptions
 * @property {Document | Element} root where the forms are looked for
 * @property {Storage} storage
 * @property {() => number} now milliseconds
 * @property {number} [maxAge] milliseconds after which a stashed form is dropped; default: a day
 * @property {Iterable<string>} [names] which forms; default: every `form[data-stash]`
 */

/** Milliseconds between two writes to storage. */
const SAVE_INTERVAL = 1000;
const DAY = 86_400_000;
const MAX_UNTOLD = 1000;

/**
 * Makes the recovery of the forms under `root`; nothing happens before `start()`.
 *
 * @param {FormsOptions} options
 * @returns {Forms}
 */
export function createForms(options) {
  return new Forms(options);
}

/**
 * Events: `restored` (a `CustomEvent<Restored>` for every field and outcome; `field` is `null` where a whole
 * form failed) and `conflict` (`CustomEvent<Conflict>`).
 */
export class Forms extends EventTarget {
  /** @type {Record<"restored" | "conflict", Event[] | null>} events that nobody has listened for yet */
  #untold = { restored: [], conflict: [] };
  #loaded = false;
  #restoring = false;
  /** @type {ReturnType<typeof setTimeout> | null} */
  #timer = null;
  /** Controls that hold what was submitted. @type {WeakSet<Control>} */
  #sent = new WeakSet();
  /** Controls that hold what has been dealt with. @type {WeakSet<Control>} */
  #done = new WeakSet();
  /** @type {AbortController | null} */
  #listening = null;

  /** @param {FormsOptions} options */
  constructor({ root, storage, now, maxAge = DAY, names }) {
    super();
    const only = names ? new Set(names) : null;
    const report = this.#report.bind(this);
    this.root = root;
    this.guard = new Guard();
    this.records = new Records({ storage, now, maxAge, report });
    this.page = new Controls({
      root,
      records: this.records,
      wanted: (name) => !only || only.has(name),
      tell: (form, field, outcome, why) => this.#emit("restored", { form, field, outcome, why }),
      report,
      changed: () => this.#pageChanged(),
    });
    this.reconciler = new Reconciler({
      page: this.page,
      guard: this.guard,
      conflict: (conflict) => this.#emit("conflict", conflict),
    });
    this.adopter = new Adopter({ page: this.page, guard: this.guard, reconciler: this.reconciler });
    this.watcher = new Watcher(root, {
      changed: () => this.#pageChanged(),
      part: (part) => this.#partChanged(part),
      growth: () => this.page.isScrolled(),
    });
  }

  /**
   * What was told before anybody listened, as by a restore at the page's start, is told to the first one,
   * once the script that adds it has run.
   *
   * @override
   * @param {"restored" | "conflict"} type
   * @param {EventListenerOrEventListenerObject | ((event: CustomEvent) => void) | null} listener
   * @param {boolean | AddEventListenerOptions} [options]
   */
  addEventListener(type, listener, options) {
    super.addEventListener(type, /** @type {EventListener} */ (listener), options);
    const untold = this.#untold[type] ?? [];
    this.#untold[type] = null;
    queueMicrotask(() => untold.forEach((event) => this.dispatchEvent(event)));
  }

  /**
   * Begins to listen. What stands in the fields already, typed before or put back by the browser, counts as
   * the user's.
   *
   * @param {{ foreign?: boolean }} [options] `foreign`: the tab was another user's before, so that whatever
   *   the browser puts back is theirs, and is taken out again
   */
  start({ foreign = false } = {}) {
    if (this.#listening) return;
    this.#load();
    this.#listen();
    this.watcher.start();
    this.page.bind();
    this.adopter.adopt({ foreign });
  }

  /**
   * What goes up with a mount: all that stands under the names that the user has touched, in the order and the way a
   * submission would carry it, then what is not in the page at present.
   *
   * @returns {Record<string, [string, string][]>}
   */
  pairs() {
    this.#read();
    return this.#each((fields) =>
      fields.flatMap(([name, value]) => value.map((text) => /** @type {[string, string]} */ ([name, text]))),
    );
  }

  /**
   * Of the names that the user has touched, those that a submission would not carry, as of a box that was unticked.
   *
   * @returns {Record<string, string[]>}
   */
  empty() {
    const all = this.#each((fields) => {
      const filled = new Set(fields.filter(([, value]) => value.length > 0).map(([name]) => name));
      return [...new Set(fields.map(([name]) => name))].filter((name) => !filled.has(name));
    });
    return Object.fromEntries(Object.entries(all).filter(([, names]) => names.length > 0));
  }

  /** Puts back what was stashed; from then on, every later rendering of the page gets it too. */
  restore() {
    this.#load();
    this.#restoring = true;
    this.#pageChanged();
  }

  /**
   * A form is about to be submitted as it stands.
   *
   * @param {string} name
   */
  submit(name) {
    this.#read();
    this.records.submit(name);
    for (const control of this.#controls(name)) this.#sent.add(control);
  }

  /**
   * @param {string} form
   * @param {string} name
   * @returns {boolean} whether a field of this name is a secret, or was one
   */
  isSecret(form, name) {
    return this.page.isSecret(form, name);
  }

  /**
   * A form has been dealt with: its stash goes, but for what was typed since it was submitted. What stands in the page
   * stays.
   *
   * @param {string} name
   */
  clear(name) {
    this.#read();
    const submitted = this.records.settle(name);
    for (const control of this.#controls(name)) if (!submitted || this.#sent.has(control)) this.#done.add(control);
  }

  /** Brings what is known up to what the fields hold: before the page is rendered anew. */
  settle() {
    this.#read();
  }

  /**
   * Whether a rendering is to leave alone what stands in a control: the user's, or what they work in.
   *
   * @param {Control} control
   * @returns {boolean}
   */
  keeps(control) {
    const field = this.page.fieldOf(control);
    if (!field || field.secret) return isNative(control) && !this.#done.has(control) && isChanged(control);
    return this.records.get(field.form, field.key) !== undefined || this.guard.protects(field.controls);
  }

  /**
   * Says what a rendering has in place of what it left alone.
   *
   * @param {Control} control
   * @param {readonly string[]} rendered
   */
  theirs(control, rendered) {
    remember(control, rendered);
  }

  /** The page has been rendered: brings it together with what is the user's, at once. */
  update() {
    this.watcher.pending();
    this.#pageChanged({ rendered: true });
  }

  /** Writes to storage what has changed. */
  flush() {
    this.#read();
    this.#cancel();
    this.records.save();
  }

  /** Drops every form, in memory and in storage. */
  forget() {
    this.#cancel();
    this.#loaded = true;
    this.page.forgetTouched();
    this.records.forget();
  }

  /** Writes what is left and listens no more. */
  stop() {
    this.flush();
    this.#listening?.abort();
    this.#listening = null;
    this.watcher.stop();
  }

  #load() {
    if (this.#loaded) return;
    this.#loaded = true;
    this.records.load();
  }

  /** Brings the records up to what the fields hold. */
  #read() {
    this.#load();
    if (!this.#listening) return;
    if (this.watcher.pending()) this.#pageChanged();
    this.page.reread();
  }

  /**
   * The page has been rendered anew, or is to be restored for the first time.
   *
   * @param {{ rendered?: boolean }} [options] `rendered`: nothing but a rendering has changed it
   */
  #pageChanged({ rendered = false } = {}) {
    const lost = this.guard.takeLost();
    const lostField = lost && this.page.fieldOf(lost);
    this.page.settle();
    this.page.bind();
    if (this.#restoring) this.reconciler.run({ rendered });
    if (lost && lostField) this.#giveBackFocus(lost, lostField);
    this.#schedule();
  }

  /**
   * @param {Control} lost
   * @param {Field} field
   */
  #giveBackFocus(lost, { form, key, controls }) {
    const now = this.page.forms.get(form)?.fields.get(key)?.controls ?? [];
    const twin = now.length > 1 ? now[controls.indexOf(lost)] : now[0];
    const control = lost.isConnected ? lost : twin;
    if (control) this.guard.refocus(lost, control);
  }

  #listen() {
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    const on = { capture: true, passive: true, signal };
    const { root, guard } = this;
    root.addEventListener("input", (event) => this.#edited(event), on);
    root.addEventListener("change", (event) => this.#edited(event), on);
    root.addEventListener("reset", (event) => this.#reset(event), on);
    for (const type of ["keydown", "pointerdown", "compositionstart", "wheel", "touchmove"]) {
      root.addEventListener(type, (event) => this.#acted(event), on);
    }
    root.addEventListener("focusin", (event) => this.#focused(event), on);
    root.addEventListener("focusout", (event) => this.#at(event, (control) => guard.focusOut(control)), on);
    root.addEventListener("scroll", ({ target }) => this.#scrolled(target), on);
    const document = root instanceof Document ? root : root.ownerDocument;
    document.addEventListener("selectionchange", () => guard.select(document.getSelection()), on);
    const window = document.defaultView;
    if (!window || document.readyState === "complete") return;
    window.addEventListener("load", () => this.adopter.beforeBrowser(), { once: true, signal });
    window.addEventListener("pageshow", () => this.#browserRestored(), { once: true, signal });
  }

  /**
   * Runs an action for the control that an event happened in: events come from within custom elements and
   * editable parts.
   *
   * @param {Event} event
   * @param {(control: Control) => void} action
   */
  #at(event, action) {
    const path = event.composedPath();
    const control =
      path.find((target) => target instanceof HTMLElement && this.page.fieldOf(target)) ?? path.find(isNative);
    if (control) action(/** @type {Control} */ (control));
  }

  /** @param {Event} event */
  #acted(event) {
    const [target] = event.composedPath();
    this.page.acted = true;
    if (target instanceof Element) this.#at(event, (control) => this.guard.pressed(event.type, target, control));
  }

  /** @param {Event} event */
  #focused(event) {
    this.#at(event, (control) => {
      this.guard.focusIn(control);
      this.page.visit(control);
    });
  }

  /** @param {Event} event */
  #edited(event) {
    if (isAnnounced(event)) return;
    this.#at(event, (control) => {
      this.guard.edited(control);
      this.guard.select(control.ownerDocument.getSelection());
      this.#done.delete(control);
      this.#sent.delete(control);
      if (!this.page.touch(control)) return;
      // A change ends an edit, and what stands there now must not get lost if a script writes over it.
      const field = event.type === "change" ? this.page.fieldOf(control) : null;
      if (field) this.page.settleField(field);
      this.#schedule();
    });
  }

  /** @param {EventTarget | null} target */
  #scrolled(target) {
    const part = target instanceof Document ? target.documentElement : target;
    if (!(part instanceof HTMLElement)) return;
    this.guard.scrolled(part);
    if (this.page.scrolled(part)) this.#schedule();
  }

  /**
   * The page has changed what is in a part, or opened it: where the focus is, somebody is at work.
   *
   * @param {Control} part
   */
  #partChanged(part) {
    const { kind } = this.page.fieldOf(part) ?? {};
    if (kind === "html" && !hasFocus(part)) return this.page.renderedAnew(part);
    if (kind && this.page.touch(part)) this.#schedule();
  }

  /** @param {Event} event */
  #reset(event) {
    const form = event.target;
    if (!(form instanceof HTMLFormElement)) return;
    const name = formName(form);
    if (name === null || this.page.forms.get(name)?.form !== form) return;
    // The event comes before the reset, and a later listener may still call it off.
    setTimeout(() => {
      if (event.defaultPrevented) return;
      this.page.forgetTouched(name);
      this.records.clear(name);
    });
  }

  /**
   * @template T
   * @param {(fields: [string, Value][]) => T[]} of what is wanted of the touched fields of a form
   * @returns {Record<string, T[]>} by the name of the form
   */
  #each(of) {
    const names = this.records.names().filter((name) => name !== "");
    return Object.fromEntries(names.map((name) => [name, of(this.#touched(name))]));
  }

  /**
   * A name that was touched in one place is there with all its fields: which of them a value belongs to is told by
   * their order only.
   *
   * @param {string} name
   * @returns {[string, Value][]}
   */
  #touched(name) {
    const entries = new Map(this.records.of(name).map((entry) => [fieldKey(entry), entry]));
    const names = new Set([...entries.values()].filter(({ file }) => !file).map((entry) => entry.name));
    const found = /** @type {[string, Value][]} */ ([]);
    for (const field of this.page.forms.get(name)?.fields.values() ?? []) {
      const entry = entries.get(field.key);
      entries.delete(field.key);
      if (!names.has(field.name) || field.secret || field.kind === "file" || field.controls.length === 0) continue;
      found.push([field.name, entry?.mine ?? read(field) ?? []]);
    }
    for (const { file, name, mine } of entries.values()) if (!file) found.push([name, mine]);
    return found;
  }

  /**
   * @param {string} name
   * @returns {Control[]} those of a form that is in the page
   */
  #controls(name) {
    const form = this.page.forms.get(name)?.form;
    return form instanceof HTMLFormElement ? controlsOf(form) : [];
  }

  #browserRestored() {
    this.adopter.afterBrowser();
    this.#schedule();
  }

  #schedule() {
    if (this.#timer === null && this.#listening) this.#timer = setTimeout(() => this.flush(), SAVE_INTERVAL);
  }

  #cancel() {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /**
   * @param {unknown} error
   * @param {string} form
   * @param {string} [field]
   */
  #report(error, form, field) {
    if (typeof reportError === "function") reportError(error);
    else console.error(error);
    this.#emit("restored", { form, field: field ?? null, outcome: "skipped", why: "error" });
  }

  /**
   * @param {"restored" | "conflict"} type
   * @param {Restored | Conflict} detail
   */
  #emit(type, detail) {
    const event = new CustomEvent(type, { detail });
    const untold = this.#untold[type];
    if (!untold) this.dispatchEvent(event);
    else if (untold.length < MAX_UNTOLD) untold.push(event);
  }
}
