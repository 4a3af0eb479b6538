/**
 * Hears what the user does: edits, presses, focus, scrolling; and what the browser does to forms by itself.
 *
 * @module
 */

import { addParts } from "./collect.js";
import { formName, isNative } from "./dom.js";
import { stray } from "./misuse.js";
import { isAnnounced } from "./restore.js";

/** @typedef {import("./dom.js").Control} Control */

/** What opens a list or a picker, begins a composition, or scrolls. */
const ACTS = ["keydown", "pointerdown", "compositionstart", "wheel", "touchmove"];
/** What nobody does who only looks. */
const WORK = new Set(["keydown", "pointerdown", "compositionstart", "beforeinput", "input", "change"]);

export class Listener {
  /** @type {AbortController | null} */
  #listening = null;

  /**
   * @param {object} world
   * @param {Document | Element} world.root
   * @param {import("./controls.js").Controls} world.page
   * @param {import("./guard.js").Guard} world.guard
   * @param {import("./adopt.js").Adopter} world.adopter
   * @param {import("./handling.js").Handling} world.handling
   * @param {object} world.told
   * @param {(control: Control) => void} world.told.edited
   * @param {(control: Control) => boolean} world.told.isHandled whether it was submitted or dealt with as it stands
   * @param {() => void} world.told.left the user has left a control
   * @param {() => void} world.told.changed there is something to stash
   * @param {(form: string, event: Event) => void} world.told.submitted whether the browser posts it, later listeners decide
   * @param {(form: string) => void} world.told.reset
   * @param {() => void} world.told.acting the page has moved on, or the user is about to do something
   */
  constructor({ root, page, guard, adopter, handling, told }) {
    this.root = root;
    this.page = page;
    this.guard = guard;
    this.adopter = adopter;
    this.handling = handling;
    this.told = told;
  }

  get listening() {
    return this.#listening !== null;
  }

  start() {
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    const on = { capture: true, passive: true, signal };
    const { root, guard, adopter, handling } = this;
    root.addEventListener("beforeinput", (event) => this.#begins(event), on);
    root.addEventListener("input", (event) => (this.#edited(event), stray(event)), on);
    root.addEventListener("change", (event) => this.#edited(event), on);
    root.addEventListener("reset", (event) => this.#reset(event), on);
    root.addEventListener("submit", (event) => this.#submitted(event), on);
    root.addEventListener("formdata", (event) => this.#collected(event), on);
    for (const type of ["pointerup", "click"]) root.addEventListener(type, (event) => handling.pressed(event), on);
    for (const type of ACTS) root.addEventListener(type, (event) => this.#acted(event), on);
    root.addEventListener("focusin", (event) => this.#focused(event), on);
    root.addEventListener("focusout", (event) => this.#left(event), on);
    root.addEventListener("scroll", ({ target }) => this.#scrolled(target), on);
    const document = root instanceof Document ? root : root.ownerDocument;
    document.addEventListener("selectionchange", () => guard.select(document.getSelection()), on);
    const window = document.defaultView;
    const { navigation } = /** @type {{ navigation?: EventTarget }} */ (/** @type {unknown} */ (window ?? {}));
    // Not all browsers tell of `pushState`.
    navigation?.addEventListener("currententrychange", () => this.told.acting(), { signal });
    window?.addEventListener("popstate", () => this.told.acting(), on);
    window?.addEventListener("pagehide", () => handling.left(), on);
    // A page that was loaded anew does not come back.
    window?.addEventListener("pageshow", ({ persisted }) => persisted && handling.left(true), on);
    if (!window || document.readyState === "complete") return;
    const once = { once: true, signal };
    // After the page's own listeners.
    const last = () => document.readyState === "complete" && window.addEventListener("load", () => adopter.beforeBrowser(), once);
    document.addEventListener("readystatechange", last, { signal });
    window.addEventListener("pageshow", () => this.#browserRestored(), once);
  }

  stop() {
    this.#listening?.abort();
    this.#listening = null;
    this.adopter.stop();
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
      path.find((target) => target instanceof HTMLElement && this.page.fieldOf(target)?.form) ?? path.find(isNative);
    if (control) action(/** @type {Control} */ (control));
  }

  /**
   * Before anything has changed. A focus is no such moment: WebKit may tell of it after a rendering.
   *
   * @param {Event} event
   */
  #begins(event) {
    if (event.isTrusted && WORK.has(event.type)) this.adopter.act();
    this.#at(event, (control) => this.adopter.begin(control));
  }

  /** @param {Event} event */
  #edited(event) {
    if (isAnnounced(event)) return this.#at(event, (control) => this.#changedIn(event, control));
    this.#at(event, (control) => {
      if (event.isTrusted) this.adopter.act(this.page.fieldOf(control));
      // Who leaves a text has entered nothing new in it.
      const isLeft = event.type === "change" && event.isTrusted && this.page.fieldOf(control)?.kind === "text";
      if (isLeft && this.told.isHandled(control)) return;
      this.guard.edited(control);
      this.guard.select(control.ownerDocument.getSelection());
      this.told.edited(control);
      if (!this.page.touch(control)) return;
      // A change ends an edit, and what stands there now must not get lost if a script writes over it.
      const field = event.type === "change" ? this.page.fieldOf(control) : null;
      if (field) this.page.settleField(field);
      this.#changedIn(event, control);
      this.told.changed();
    });
  }

  /**
   * @param {Event} event
   * @param {Control} control
   */
  #changedIn(event, control) {
    const field = event.type === "change" ? this.page.fieldOf(control) : null;
    if (field) this.handling.changedIn(event, field);
  }

  /** @param {Event} event */
  #collected(event) {
    this.handling.submitted(event);
    this.page.settle();
    this.page.records.say();
    this.page.records.post(formName(/** @type {HTMLFormElement} */ (event.target)) ?? "");
    addParts(this.page, /** @type {FormDataEvent} */ (event));
  }

  /** @param {Event} event */
  #acted(event) {
    const [target] = event.composedPath();
    this.told.acting();
    this.page.acted = true;
    this.#begins(event);
    if (/^(keydown|pointerdown)$/.test(event.type)) this.handling.pressed(event);
    const label = target instanceof Element && target.closest("label");
    if (label && label.control) this.adopter.begin(label.control);
    if (target instanceof Element) this.#at(event, (control) => this.guard.pressed(event.type, target, control));
  }

  /** @param {Event} event */
  #focused(event) {
    this.told.acting();
    this.#at(event, (control) => {
      this.guard.focusIn(control);
      this.page.visit(control);
      // Nothing else may be told before a choice in a list.
      if (control instanceof HTMLSelectElement) this.adopter.begin(control);
    });
  }

  /** @param {Event} event */
  #left(event) {
    this.#at(event, (control) => {
      this.guard.focusOut(control);
      // The event comes before the focus has gone.
      setTimeout(() => this.told.left());
    });
  }

  /** @param {EventTarget | null} target */
  #scrolled(target) {
    const part = target instanceof Document ? target.documentElement : target;
    if (!(part instanceof HTMLElement)) return;
    this.guard.scrolled(part);
    if (this.page.scrolled(part)) this.told.changed();
  }

  /** @param {Event} event */
  #submitted(event) {
    this.handling.submitted(event);
    const name = this.#nameOf(event);
    if (name !== null) this.told.submitted(name, event);
  }

  /**
   * @param {Event} event
   * @returns {string | null} the name of the form that it is about; `null` if that is not stashed
   */
  #nameOf({ target }) {
    const name = target instanceof HTMLFormElement ? formName(target) : null;
    return name !== null && this.page.forms.get(name)?.form === target ? name : null;
  }

  /** @param {Event} event */
  #reset(event) {
    const name = this.#nameOf(event);
    if (name === null) return;
    // The event comes before the reset, and a later listener may still call it off. Nothing is put back in between.
    this.page.resetting.add(name);
    setTimeout(() => {
      this.page.resetting.delete(name);
      if (!event.defaultPrevented) this.told.reset(name);
    });
  }

  #browserRestored() {
    this.adopter.afterBrowser();
    this.told.changed();
  }
}
