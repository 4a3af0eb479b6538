/**
 * Form recovery: carries what a user has typed over a reconnect, a reload and a new rendering, without ever
 * touching what they are typing.
 *
 * @module
 */

import { complain } from "../events.js";
import { onSanitizer } from "../sanitizer.js";
import { Adopter } from "./adopt.js";
import { read, take, takeBack } from "./capture.js";
import { empty, filled } from "./collect.js";
import { controlsOf, formName, isNative } from "./dom.js";
import { Controls } from "./controls.js";
import { fieldKey } from "./entry.js";
import { Focus } from "./focus.js";
import { Guard, hasFocus } from "./guard.js";
import { isChanged, remember } from "./kinds.js";
import { Handling } from "./handling.js";
import { Listener } from "./listen.js";
import { same } from "./merge.js";
import { keep, look } from "./misuse.js";
import { Reconciler } from "./reconcile.js";
import { Records } from "./records.js";
import { revert } from "./restore.js";
import { isUnsaved } from "./unsaved.js";
import { Watcher } from "./watch.js";

/** @typedef {import("./capture.js").Field} Field */
/** @typedef {import("./dom.js").Control} Control */
/** @typedef {import("./entry.js").Mark} Mark */
/** @typedef {import("./records.js").Storage} Storage */
/** @typedef {import("./controls.js").Outcome} Outcome */
/** @typedef {import("./reconcile.js").Conflict} Conflict */

/** @typedef {{ form: string, field: string | null, outcome: Outcome, why: string }} Restored */
/** @typedef {{ what: "storage", form: string, field: string }} Oversize */
/** @typedef {"restored" | "conflict" | "oversize"} Told */

/**
 * @typedef {object} FormsOptions
 * @property {Document | Element} root where the forms are looked for
 * @property {Storage} storage
 * @property {() => number} now milliseconds
 * @property {number} [maxAge] milliseconds after which a stashed form is dropped; default: a day
 * @property {Iterable<string>} [names] which forms; default: every `form[data-stash]`
 */

/** Milliseconds after a change of the page, or its start, in which nobody is told of mistakes in it. */
const CALM = 1000;
/** Milliseconds between two writes to storage. */
const SAVE_INTERVAL = 1000;
const DAY = 86_400_000;
const MAX_UNTOLD = 1000;
/** So many times, a save's interval apart, the forms of another visit are looked at: a router may have to wait for its server. */
const MAX_LOOKS = 10;
/** After so many different errors no more are told. */
const MAX_REPORTED = 100;

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
 * form failed), `conflict` (`CustomEvent<Conflict>`), `oversize` (`CustomEvent<Oversize>`: a field for which storage has no
 * room), and `changed`: `isUnsaved()` may have another answer now.
 */
export class Forms extends EventTarget {
  /** @type {Record<Told, Event[] | null>} events that nobody has listened for yet */
  #untold = { restored: [], conflict: [], oversize: [] };
  /** What went wrong, so that it is told once. @type {Set<string>} */
  #reported = new Set();
  #loaded = false;
  /** @type {ReturnType<typeof setTimeout> | null} */
  #looking = null;
  #restoring = false;
  /** @type {ReturnType<typeof setTimeout> | null} */
  #timer = null;
  /** @type {(() => void) | undefined} */
  #unheard;
  /** Controls that hold what was submitted. @type {WeakSet<Control>} */
  #sent = new WeakSet();
  /** Controls that hold what has been dealt with. @type {WeakSet<Control>} */
  #done = new WeakSet();
  /** How a form was submitted, if it has not been edited since. @type {Map<string, Event>} */
  #submits = new Map();
  /** Forms that have been rendered into since the page moved on. @type {WeakSet<Element>} */
  #rendered = new WeakSet();
  /** How often it is still to be looked whether they have been given other values, which can't be observed. */
  #looks = 0;
  /** Whether a rendering has just been told. */
  #rendering = false;
  /** What stood in the fields when it did, by their first controls. @type {Map<Control | undefined, readonly string[] | null>} */
  #seen = new Map();

  /** @param {FormsOptions} options */
  constructor({ root, storage, now, maxAge = DAY, names }) {
    super();
    const only = names ? new Set(names) : null;
    const report = this.#report.bind(this);
    this.root = root;
    this.guard = new Guard();
    const oversize = (/** @type {string} */ form, /** @type {string} */ field) =>
      this.#emit("oversize", { what: "storage", form, field });
    this.records = new Records({ storage, now, maxAge, report, oversize });
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
    this.focus = new Focus({ page: this.page, guard: this.guard });
    const { page, guard, reconciler } = this;
    this.adopter = new Adopter({ page, guard, reconciler, changed: () => this.#pageChanged() });
    this.handling = new Handling({
      page,
      catchUp: () => {
        if (this.listener.listening && this.#hasMoved()) this.#pageChanged();
      },
      changed: () => this.#schedule(),
    });
    this.listener = new Listener({
      root,
      page: this.page,
      guard: this.guard,
      adopter: this.adopter,
      handling: this.handling,
      told: {
        edited: (control) => this.#edited(control),
        isHandled: (control) => this.#sent.has(control) || this.#done.has(control),
        left: () => this.reconciler.deferred && this.#pageChanged(),
        changed: () => this.#schedule(),
        submitted: (form, event) => this.#submits.set(form, event),
        reset: (form) => this.#reset(form),
        acting: () => this.#hasMoved() && this.#pageChanged(),
      },
    });
    this.watcher = new Watcher(root, {
      moved: () => this.#isMoving() || this.#rendering,
      rendered: (form) => this.#rendered.add(form),
      dealt: (form) => this.#serverDealt(form),
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
   * @param {Told | "changed"} type
   * @param {EventListenerOrEventListenerObject | ((event: CustomEvent) => void) | null} listener
   * @param {boolean | AddEventListenerOptions} [options]
   */
  addEventListener(type, listener, options) {
    super.addEventListener(type, /** @type {EventListener} */ (listener), options);
    if (type === "changed") return;
    const untold = this.#untold[type] ?? [];
    this.#untold[type] = null;
    queueMicrotask(() => untold.forEach((event) => this.dispatchEvent(event)));
  }

  /**
   * Begins to listen. What was typed already counts as the user's.
   *
   * @param {{ foreign?: boolean, kept?: boolean }} [options] `foreign`: the tab was another user's before, so that whatever
   *   the browser puts back is theirs, and is taken out again; `kept`: whether all that they had typed in this history entry
   *   is stashed, so that the browser knows nothing that the stash does not
   */
  start({ foreign = false, kept = true } = {}) {
    if (this.listener.listening) return;
    this.#load();
    this.listener.start();
    this.watcher.start();
    this.#unheard = onSanitizer(() => this.#pageChanged());
    this.page.bind();
    this.adopter.adopt({ foreign, kept });
    keep(this.root);
    this.#look();
  }

  /**
   * What goes up with a mount: all that stands under the names that the user has touched, in the order and the way a
   * submission would carry it, then what is not in the page at present.
   *
   * @param {Document | Element} [within] only of forms in there
   * @returns {Record<string, [string, string][]>}
   */
  pairs(within) {
    this.#read();
    this.records.say();
    return filled(this.page, (form) => this.holds(form, within));
  }

  /**
   * Of the names that the user has touched, those that a submission would not carry, as of a box that was unticked.
   *
   * @param {Document | Element} [within] only of forms in there
   * @returns {Record<string, string[]>}
   */
  empty(within) {
    return empty(this.page, (form) => this.holds(form, within));
  }

  /**
   * @param {string} form
   * @param {Document | Element} [within]
   * @returns {boolean} whether a form is in there; of one that is not in the page only the whole page knows
   */
  holds(form, within = this.root) {
    return within === this.root || within.contains(this.page.forms.get(form)?.form ?? null);
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
   * @param {Mark} mark the message that it goes up as
   */
  submit(name, mark) {
    this.#read();
    this.records.claim(name);
    this.records.say();
    this.records.submit(name, mark);
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
   * @param {Mark} [upto] the message that it was submitted as; the oldest, unless given
   */
  clear(name, upto) {
    this.#read();
    const { all, over, taken } = this.records.settle(name, upto);
    this.#taken(taken);
    const controls = this.#controls(name);
    if (over) this.#dealtWith(all ? controls : controls.filter((control) => this.#sent.has(control)));
    this.#changed();
  }

  /**
   * @param {Document | Element} [within] only forms in there
   * @returns {boolean} whether a form holds a change that the server has not dealt with
   */
  isUnsaved(within) {
    return isUnsaved(this.page, (form) => this.holds(form, within));
  }

  /**
   * @param {Document | Element} [within] only forms in there
   * @returns {boolean} whether such a change would be lost with the page: storage does not hold it, and it is not being posted
   */
  isExposed(within) {
    this.flush();
    return isUnsaved(this.page, (form) => this.holds(form, within) && this.records.isBehind(form) && !this.#isPosted(form));
  }

  /**
   * A socket's messages are counted anew.
   *
   * @param {string} socket its name
   */
  renumber(socket) {
    this.#load();
    this.records.renumber(socket);
  }

  /** The page is back from the browser's cache: meanwhile another one may have said what has been dealt with. */
  revive() {
    this.#read();
    for (const name of this.records.names()) this.#taken(this.records.revive(name));
  }

  /** Notes what stands in the fields as the page sends a message: the answer may render it, when more has been typed. */
  note() {
    this.page.settle();
    this.records.say();
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
    const { form } = /** @type {HTMLInputElement} */ (control);
    // As the page moves on, it renders other forms.
    if (this.records.standing.includes(field?.form ?? (form && formName(form)) ?? "")) return false;
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
    this.#rendering = true;
    this.watcher.pending((part) => this.page.renderedAnew(part));
    this.#pageChanged({ rendered: true });
    // Who renders first moves on right after it.
    queueMicrotask(() => {
      this.#rendering = false;
      if (this.#hasMoved()) this.#pageChanged();
      this.#rendered = new WeakSet();
    });
  }

  /** Writes to storage what has changed. */
  flush() {
    this.#read();
    this.#cancel();
    this.page.place();
    this.records.save();
    this.reconciler.rest();
    if (this.records.standing.length > 0 && this.#looks-- > 0) this.#schedule();
    this.#changed();
  }

  /** Drops every form, in memory and in storage. */
  forget() {
    this.#cancel();
    this.#loaded = true;
    this.page.forgetTouched();
    this.records.forget();
    for (const name of this.page.forms.keys()) this.#dealtWith(this.#controls(name));
    this.#changed();
  }

  /** Writes what is left and listens no more. */
  stop() {
    this.flush();
    this.listener.stop();
    this.watcher.stop();
    this.#unheard?.();
    if (this.#looking !== null) clearTimeout(this.#looking);
  }

  #load() {
    if (this.#loaded) return;
    this.#loaded = true;
    this.records.load();
  }

  /** Brings the records up to what the fields hold. */
  #read() {
    this.#load();
    if (!this.listener.listening) return;
    if (this.watcher.pending() || this.#hasMoved()) this.#pageChanged();
    this.adopter.look();
    this.reconciler.teller.tellReact();
    this.handling.reread();
    this.page.reread();
  }

  /**
   * The page has been rendered anew, or is to be restored for the first time.
   *
   * @param {{ rendered?: boolean }} [options] `rendered`: nothing but a rendering has changed it
   */
  #pageChanged({ rendered = false } = {}) {
    this.page.settle();
    const before = this.focus.before();
    const left = this.#moveOn();
    const focused = left ? null : before;
    this.page.bind();
    for (const field of left ?? []) this.#giveUp(field);
    if (left) {
      this.adopter.arrive();
      this.handling.movedOn();
    } else {
      this.adopter.rendered();
      if (!rendered) this.handling.reread();
    }
    const heir = focused && this.focus.heir(focused);
    if (this.#restoring) this.reconciler.run({ rendered });
    this.reconciler.teller.tellReact();
    if (heir) this.focus.giveBack(focused, heir);
    this.adopter.watch();
    this.#schedule();
    this.#look();
  }

  /** @returns {boolean} whether the page has moved on, and some of its forms may be those of the visit before */
  #isMoving() {
    const { forms } = this.page;
    if (this.records.moved(forms.keys())) {
      const fields = [...forms.values()].flatMap((bound) => [...bound.fields.values()]);
      this.#looks = MAX_LOOKS;
      this.#schedule();
      this.#seen = new Map(fields.map((field) => [field.controls[0], this.#known(field)]));
    }
    return this.records.standing.length > 0;
  }

  /**
   * @param {Field} field
   * @returns {readonly string[] | null} what is known to have stood in it: the page may be told late that it has moved on
   */
  #known(field) {
    const entry = this.records.get(field.form, field.key);
    const isRead = entry?.control && entry.control === field.controls[0] && !this.page.isDirty(field);
    if (field.secret) return null;
    return isRead && !entry.file ? entry.mine : (this.handling.before(field) ?? read(field));
  }

  /** @returns {boolean} whether it has, and some of them are not any more */
  #hasMoved() {
    return this.#isMoving() && !this.records.standing.every((name) => this.#stands(name));
  }

  /**
   * The page may have moved on to another visit. Forms that it has rendered anew since are that visit's.
   *
   * @returns {Field[] | null} those of their fields that still show what was typed on the visit before; `null`: there are none
   */
  #moveOn() {
    if (!this.#isMoving()) return null;
    const left = this.records.standing.filter((name) => !this.#stands(name));
    if (!this.#rendering) this.#rendered = new WeakSet();
    const typed = left.flatMap((name) => this.records.of(name).map((entry) => ({ name, entry })));
    for (const name of left) this.records.leave(name);
    const shown = typed.flatMap(({ name, entry: { control, mine, ...place } }) => {
      const field = this.page.forms.get(name)?.fields.get(fieldKey(place));
      const now = name !== "" && field && field.controls[0] === control ? read(field) : null;
      return field && now && same(now, mine) ? [/** @type {Field} */ (field)] : [];
    });
    return left.length > 0 ? shown : null;
  }

  /**
   * @param {string} name
   * @returns {boolean} whether a form is in the page as it was when that moved on
   */
  #stands(name) {
    const { form, fields } = this.page.forms.get(name) ?? {};
    // How far another page is scrolled, and what is open in it, is no matter of this one.
    if (!form?.isConnected || name === "" || this.#rendered.has(form)) return false;
    return [...(fields?.values() ?? [])].every((field) => {
      const [then, now] = [this.#seen.get(field.controls[0]), read(field)];
      return !then || !now || same(then, now);
    });
  }

  /**
   * A field shows what was typed on another visit: the page has rendered around it.
   *
   * @param {Field} field
   */
  #giveUp({ form, key, controls }) {
    for (const control of controls) this.guard.release(control);
    const field = this.page.forms.get(form)?.fields.get(key);
    if (field && field.controls[0] === controls[0]) revert(field);
  }

  /** @param {string} form */
  #serverDealt(form) {
    this.#load();
    this.page.settle();
    this.#taken(this.records.dealt(form));
    this.#dealtWith(this.#controls(form));
    this.#changed();
  }

  /** @param {Control} control */
  #edited(control) {
    const field = this.page.fieldOf(control);
    if (field && this.#isMoving()) this.records.claim(field.form);
    this.#seen.delete(field?.controls[0]);
    this.#done.delete(control);
    this.#sent.delete(control);
    this.#submits.delete(this.page.fieldOf(control)?.form ?? "");
  }

  /** @param {string} form */
  #reset(form) {
    this.page.forgetTouched(form);
    this.records.clear(form);
    this.#dealtWith(this.#controls(form));
    for (const field of this.page.forms.get(form)?.fields.values() ?? []) {
      takeBack(field);
      if (/html|hidden/.test(field.kind)) revert(field);
    }
    this.#changed();
  }

  /**
   * @param {string} form
   * @returns {boolean} whether the browser posts it as it stands: no listener has taken the submit over
   */
  #isPosted(form) {
    return this.#submits.get(form)?.defaultPrevented === false;
  }

  /** @param {import("./records.js").Taken} taken */
  #taken(taken) {
    for (const [{ control }, value] of taken) {
      const field = control && this.page.fieldOf(/** @type {Control} */ (control));
      if (field) take(field, value);
    }
  }

  /** @param {Control[]} controls */
  #dealtWith(controls) {
    for (const control of controls) {
      this.#done.add(control);
      this.guard.release(control);
    }
  }

  /**
   * The page has changed what is in a part, or opened it: where the focus is, somebody is at work.
   *
   * @param {Control} part
   */
  #partChanged(part) {
    const { kind } = this.page.fieldOf(part) ?? {};
    if (kind === "html" ? !hasFocus(part) : kind === "hidden" && !this.page.acted) return this.page.renderedAnew(part);
    if (kind && this.page.touch(part)) this.#schedule();
  }

  /**
   * @param {string} name
   * @returns {Control[]} those of a form that is in the page
   */
  #controls(name) {
    const form = this.page.forms.get(name)?.form;
    return form instanceof HTMLFormElement ? controlsOf(form) : [];
  }

  #schedule() {
    if (this.#timer !== null || !this.listener.listening) return;
    this.#timer = setTimeout(() => this.flush(), SAVE_INTERVAL);
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("changed"));
  }

  /** Looks for mistakes in the markup, once the page has come to rest with its styles. */
  #look() {
    this.#looking ??= setTimeout(() => {
      this.#looking = null;
      if (document.readyState === "complete") look(this.root);
      else this.#look();
    }, CALM);
  }

  #cancel() {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /**
   * Tells of an error once, though fields are read again and again.
   *
   * @param {unknown} error
   * @param {string} form
   * @param {string} [field]
   */
  #report(error, form, field) {
    const what = JSON.stringify([form, field, String(error)]);
    if (this.#reported.has(what) || this.#reported.size >= MAX_REPORTED) return;
    this.#reported.add(what);
    complain(error);
    this.#emit("restored", { form, field: field ?? null, outcome: "skipped", why: "error" });
  }

  /**
   * @param {Told} type
   * @param {Restored | Conflict | Oversize} detail
   */
  #emit(type, detail) {
    const event = new CustomEvent(type, { detail });
    const untold = this.#untold[type];
    if (!untold) this.dispatchEvent(event);
    else if (untold.length < MAX_UNTOLD) untold.push(event);
  }
}
