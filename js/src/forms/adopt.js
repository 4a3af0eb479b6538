/**
 * Takes up what stands in a field without an event that told it: typed before the script ran, set by a script of the page,
 * or put back by the browser.
 *
 * The user is known by what they do: as long as they have done nothing, no value is theirs that is not stashed. A script's is
 * the page's then. The browser's own copy counts only where there could be no stash.
 *
 * @module
 */

import { read, rendered, take, takeAsIs } from "./capture.js";
import { fieldKey } from "./entry.js";
import { hasFocus } from "./guard.js";
import { digest, same } from "./merge.js";
import { revert, write } from "./restore.js";

/** @typedef {import("./capture.js").Field} Field */
/** @typedef {import("./dom.js").Control} Control */
/** @typedef {import("./merge.js").Value} Value */

/** Milliseconds until what was put back is looked at for the first time; then ever more seldom. */
const FIRST_LOOK = 25;
const SLOWER = 1.5;
const MOST_SELDOM = 60_000;

export class Adopter {
  #foreign = false;
  #kept = true;
  /** @type {WeakSet<Control>} */
  #known = new WeakSet();
  /** @type {Map<Field, Value | null> | null} */
  #before = null;
  /** @type {ReturnType<typeof setTimeout> | null} */
  #timer = null;

  /**
   * @param {object} world
   * @param {import("./controls.js").Controls} world.page
   * @param {import("./guard.js").Guard} world.guard
   * @param {import("./reconcile.js").Reconciler} world.reconciler
   * @param {() => void} world.changed
   */
  constructor({ page, guard, reconciler, changed }) {
    this.page = page;
    this.guard = guard;
    this.reconciler = reconciler;
    this.changed = changed;
  }

  /**
   * Decides whose is what stands in the fields, other than rendered, at the page's start.
   *
   * @param {object} options
   * @param {boolean} options.foreign take it out, it is another user's
   * @param {boolean} options.kept whether all that was typed here before is in the stash
   */
  adopt({ foreign, kept }) {
    this.#foreign = foreign;
    this.#kept = kept;
    const { page } = this;
    page.active = wasActive();
    this.page.each((field) => {
      const now = read(field);
      this.#isNew(field);
      if (now === null || same(now, rendered(field))) return;
      if (!foreign && this.#isMisplaced(field, now)) write(field, rendered(field));
      else if (foreign || page.active || this.#isBrowsers(field)) this.#adopt(field);
      else if (!this.#isDealtWith(field) && !same(now, page.records.get(field.form, field.key)?.mine ?? [])) takeAsIs(field);
    });
    page.settle();
  }

  /** Takes what stands in controls that have come into the page for the page's: scripts set the values of what they make. */
  rendered() {
    this.page.each((field) => {
      if (this.#isNew(field) && !this.page.isUsers(field)) takeAsIs(field);
    });
  }

  /** The page has moved on, by `pushState`: scripts fill it anew, and nobody has done anything there yet. */
  arrive() {
    this.page.active = false;
    this.#takeRest();
  }

  /** @param {Field | null} [spared] */
  #takeRest(spared = null) {
    this.page.each((field) => {
      this.#isNew(field);
      if (field !== spared && !this.page.isUsers(field)) takeAsIs(field);
    });
  }

  /**
   * The user comes to a field: what stands there is what they begin with.
   *
   * @param {Control} control
   */
  begin(control) {
    const field = this.page.fieldOf(control);
    if (field && !this.page.isUsers(field)) this.page.attempt(field, takeAsIs);
  }

  /**
   * The user has done something. What stood in the fields before was the page's; from now on, scripts may do what they do
   * because of the user.
   *
   * @param {Field | null} [changed] what they have changed by it already
   */
  act(changed = null) {
    if (this.page.active) return;
    this.look();
    this.page.active = true;
    this.stop();
    this.#takeRest(changed);
  }

  /** Looks whether a script has set anew what was put back. */
  look() {
    if (this.page.isOverwritten()) this.changed();
  }

  /** Looks again and again, until the user does something: scripts fill forms when they have heard from a server. */
  watch(after = FIRST_LOOK) {
    this.stop();
    if (this.page.active || this.page.restored().length === 0) return;
    this.#timer = setTimeout(() => {
      this.look();
      this.watch(Math.min(after * SLOWER, MOST_SELDOM));
    }, after);
  }

  /** Looks no more. */
  stop() {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /**
   * Chromium puts its own copy of the fields back between `load` and `pageshow`, over what scripts wrote (not
   * what the user typed), and tells nobody. To be called at `load`.
   */
  beforeBrowser() {
    this.page.settle();
    const before = (this.#before = /** @type {Map<Field, Value | null>} */ (new Map()));
    this.page.each((field) => before.set(field, read(field)));
  }

  /** Undoes what the browser did to the fields that are the user's or decided about. */
  afterBrowser() {
    const before = this.#before;
    this.#before = null;
    if (!before) return;
    this.page.each((field) => {
      const [then, now] = [before.get(field) ?? null, read(field)];
      if (now === null || (then !== null && same(now, then))) return;
      const expected = this.reconciler.expected(field);
      if (expected) write(field, expected);
      else if (this.#foreign || this.#isBrowsers(field)) this.#adopt(field);
      else if (canRestore() && field.row !== "") write(field, then ?? rendered(field));
      else if (!this.page.isUsers(field) && !this.#isDealtWith(field)) takeAsIs(field);
    });
    this.page.settle();
  }

  /**
   * @param {Field} field
   * @returns {boolean} whether it has a control that was not there before
   */
  #isNew({ controls }) {
    const fresh = controls.filter((control) => !this.#known.has(control));
    for (const control of fresh) this.#known.add(control);
    return fresh.length > 0;
  }

  /**
   * Where nothing could be stashed, the browser's copy is all there is of what was typed. Of rows it knows the place only.
   *
   * @param {Field} field
   * @returns {boolean} whether what stands in a field is the user's, put back by the browser alone
   */
  #isBrowsers({ form, row }) {
    const { records } = this.page;
    const isAlone = records.refused.has(form) || (!this.#kept && records.of(form).length === 0);
    return isAlone && row === "" && canRestore();
  }

  /**
   * @param {Field} field
   * @param {Value} now
   * @returns {boolean} whether the browser has put into this row what was another's, by its place
   */
  #isMisplaced({ form, key, name, row }, now) {
    if (row === "" || !canRestore()) return false;
    const keyed = this.page.records.of(form).filter((entry) => entry.place !== undefined);
    const keys = [...(this.page.forms.get(form)?.fields.keys() ?? [])];
    const others = keyed.filter((entry) => fieldKey(entry) !== key && entry.name === name && same(entry.mine, now));
    return others.length > 0 && keyed.some((entry) => keys[entry.place ?? -1] !== fieldKey(entry));
  }

  /** @param {Field} field */
  #adopt(field) {
    if (this.#foreign) return revert(field);
    if (this.#isDealtWith(field)) return;
    for (const control of field.controls) if (hasFocus(control)) this.guard.edited(control);
    this.page.begin(field);
  }

  /**
   * What has been dealt with is the user's no more, whatever the browser remembers. It stays where it stands if the page
   * is no newer, and goes if a server has rendered something else since.
   *
   * @param {Field} field
   * @returns {boolean}
   */
  #isDealtWith(field) {
    const [dealt, ...known] = this.page.records.known(field.form, field.key);
    const now = read(field);
    if (dealt === undefined || !now || digest(now) !== dealt || this.page.records.get(field.form, field.key)) return false;
    if (known.includes(digest(rendered(field)))) take(field, now);
    else revert(field);
    return true;
  }
}

/**
 * Chromium takes a page for activated whose predecessor was, as after each link within a site: the events are counted anew.
 *
 * @returns {boolean} whether the user has done anything before this script ran; yes, if the browser does not tell
 */
function wasActive() {
  const { eventCounts } = /** @type {{ eventCounts?: Map<string, number> }} */ (/** @type {unknown} */ (performance));
  if (eventCounts) return ["keydown", "pointerdown", "input"].some((type) => (eventCounts.get(type) ?? 0) > 0);
  return navigator.userActivation?.hasBeenActive ?? true;
}

/** @returns {boolean} whether the page was in this history entry before, so that the browser may put fields back */
function canRestore() {
  const [navigation] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType("navigation"));
  return navigation?.type !== "navigate";
}
