/**
 * The forms that are in the page, which control belongs to which field, and which fields have been touched
 * since they were last read. A keystroke costs two look-ups, however large the form is.
 *
 * @module
 */

import { bareOf, isTaken, read, rendered, scan, takeBack, theirs } from "./capture.js";
import { PARTS, closest, controlsOf, formName, isEditable } from "./dom.js";
import { isCut, isRemembered, remember } from "./kinds.js";
import { digest, same } from "./merge.js";
import { entryOf, fieldKey } from "./entry.js";

/** @typedef {import("./dom.js").Control} Control */
/** @typedef {import("./capture.js").Field} Field */
/** @typedef {import("./entry.js").Entry} Entry */
/** @typedef {import("./merge.js").Value} Value */
/** @typedef {import("./records.js").Records} Records */
/** @typedef {{ form: Element, fields: Map<string, Field> }} Bound */
/** @typedef {"restored" | "conflict" | "skipped" | "pending"} Outcome */
/** @typedef {(form: string, field: string | null, outcome: Outcome, why: string) => void} Tell */
/** @typedef {(error: unknown, form: string, field?: string) => void} Report */

/** Stands for what is stashed of the page itself: what is open, and how far it is scrolled. */
const PAGE = "";

export class Controls {
  /** @type {Map<string, Bound>} */
  forms = new Map();
  /** Forms that are being reset. @type {Set<string>} */
  resetting = new Set();
  /** Whether the user has done anything since the page was last rendered. */
  acted = false;
  /** Whether the user has done anything in this page. Until then, scripts set what the page itself has to say. */
  active = true;
  /** @type {WeakMap<Control, Field | null>} `null`: nothing to stash in it */
  #fields = new WeakMap();
  /** @type {Set<Field>} */
  #dirty = new Set();
  /** @type {Map<string, Set<string>>} */
  #secrets = new Map();
  /** @type {WeakSet<Element>} */
  #doubles = new WeakSet();
  /** Custom elements that somebody has been in: they need not tell what was done there. @type {Set<Control>} */
  #visited = new Set();
  /** Names of custom elements that are waited for. @type {Set<string>} */
  #awaited = new Set();

  /**
   * @param {object} world
   * @param {Document | Element} world.root
   * @param {Records} world.records
   * @param {(name: string) => boolean} world.wanted
   * @param {Tell} world.tell
   * @param {Report} world.report
   * @param {() => void} world.changed what the page holds has become something else
   */
  constructor({ root, records, wanted, tell, report, changed }) {
    this.root = root;
    this.records = records;
    this.wanted = wanted;
    this.tell = tell;
    this.report = report;
    this.changed = changed;
  }

  /** Looks at every form anew, after the page has changed. Touched fields are to be settled before. */
  bind() {
    const before = this.#fields;
    this.forms.clear();
    this.#fields = new WeakMap();
    this.acted = false;
    const found = /** @type {Element[]} */ ([...this.root.querySelectorAll("form[data-stash]")]);
    if (this.root instanceof HTMLFormElement) found.unshift(this.root);
    const parts = /** @type {Control[]} */ ([]);
    for (const part of /** @type {NodeListOf<HTMLElement>} */ (this.root.querySelectorAll(PARTS))) {
      if (!isEditable(part)) parts.push(part);
      else if (!closest(part, "form[data-stash]")) found.push(part);
    }
    for (const form of found) {
      const name = formName(form);
      if (name !== null && this.wanted(name)) this.#bind(name, form, before);
    }
    if (parts.length > 0 && this.wanted(PAGE)) this.#bind(PAGE, parts[0], before, parts);
    for (const control of this.#visited) if (!control.isConnected) this.#visited.delete(control);
    for (const { localName } of this.root.querySelectorAll(":not(:defined)")) this.#await(localName);
  }

  /**
   * @param {Control} control
   * @returns {Field | null}
   */
  fieldOf(control) {
    return this.#fields.get(control) ?? null;
  }

  /**
   * Notes that a control has been edited: the only thing that is done for a keystroke.
   *
   * @param {Control} control
   * @returns {boolean} whether there is something to stash
   */
  touch(control) {
    if (!this.#fields.has(control)) this.#bindAround(control);
    const field = this.#fields.get(control);
    if (!field || field.secret) return false;
    if (!this.#dirty.has(field)) this.begin(field);
    return true;
  }

  /**
   * Notes how far a part is scrolled, there and then: the page may be shorter in a moment. What became too short to
   * stand where it was scrolls by itself, and the user did not do that.
   *
   * @param {Control} part
   * @returns {boolean} whether there is something to stash
   */
  scrolled(part) {
    const field = this.#fields.get(part);
    if (field?.kind !== "scroll" || field.secret) return false;
    const known = this.records.get(field.form, field.key);
    if (known && !this.acted && isCut(part, known.mine)) return false;
    this.begin(field);
    this.settleField(field);
    return true;
  }

  /** @returns {boolean} whether a scroll position is to be held over changes of what is scrolled */
  isScrolled() {
    const fields = this.forms.get(PAGE)?.fields;
    return this.records.of(PAGE).some((entry) => fields?.get(fieldKey(entry))?.kind === "scroll");
  }

  /**
   * If the page has emptied a field since a server took what stood there, it begins anew with it.
   *
   * @param {Field} field
   */
  #compare(field) {
    if (this.#dirty.has(field) || this.records.get(field.form, field.key)) return;
    const now = read(field);
    if (now && !same(now, theirs(field))) takeBack(field);
  }

  /**
   * Notes that the focus is in a custom element.
   *
   * @param {Control} control
   */
  visit(control) {
    const field = this.#fields.get(control);
    if (field?.kind !== "custom" || field.secret || this.#visited.has(control)) return;
    this.#visited.add(control);
    if (!this.records.get(field.form, field.key)) this.renderedAnew(control);
  }

  /**
   * Every field by itself, but no secret: an error in one holds up no other.
   *
   * @param {(field: Field) => void} action
   */
  each(action) {
    for (const { fields } of this.forms.values()) {
      for (const field of fields.values()) this.attempt(field, action);
    }
  }

  /**
   * @param {Field} field
   * @param {(field: Field) => void} action is not done with a secret
   */
  attempt(field, action) {
    try {
      if (!field.secret) action(field);
    } catch (error) {
      this.report(error, field.form, field.name);
    }
  }

  /** @param {Field} field */
  begin(field) {
    const entry = this.records.get(field.form, field.key);
    if (entry) Object.assign(entry, { writes: 0, shown: null });
    if (!entry?.control) [field.base, field.page] = [theirs(field), rendered(field)];
    this.#dirty.add(field);
  }

  /**
   * @param {(form: string) => boolean} wanted
   * @returns {boolean} whether a field has been touched since it was last read
   */
  isTouched(wanted) {
    for (const { form } of this.#dirty) if (wanted(form)) return true;
    return false;
  }

  /**
   * @param {Field} field
   * @returns {boolean} whether it is to be read
   */
  isDirty(field) {
    return this.#dirty.has(field);
  }

  /**
   * @param {Field} field
   * @returns {boolean} whether what stands there is the user's
   */
  isUsers(field) {
    return this.#dirty.has(field) || Boolean(this.records.get(field.form, field.key)?.control);
  }

  /** @returns {boolean} whether a script has set what was put back, and the user has done nothing yet */
  isOverwritten() {
    return !this.active && this.restored().some(([field, entry]) => !entry.unsettled && isSetAnew(field, entry));
  }

  /** @returns {[Field, Entry][]} the fields that show what was put back, and that nobody has touched since */
  restored() {
    const found = /** @type {[Field, Entry][]} */ ([]);
    this.each((field) => {
      const entry = this.records.get(field.form, field.key);
      if (entry?.shown && field.controls[0] === entry.control) found.push([field, entry]);
    });
    return found;
  }

  /** Notes where the fields of keyed rows stand: a browser that puts them back by itself goes by that. */
  place() {
    for (const [name, { fields }] of this.forms) {
      const keyed = this.records.of(name).filter(({ row }) => row !== "");
      if (keyed.length === 0) continue;
      const places = new Map([...fields.keys()].map((key, place) => [key, place]));
      for (const entry of keyed) {
        const place = places.get(fieldKey(entry)) ?? entry.place;
        if (place !== entry.place) this.records.put(name, Object.assign(entry, { place }));
      }
    }
  }

  /** Reads the touched fields, also those that have been taken out of the page since. */
  settle() {
    const dirty = [...this.#dirty];
    this.#dirty.clear();
    for (const field of dirty) this.settleField(field);
  }

  /**
   * Reads again what may have changed without an event: a field that the page emptied after sending, a custom
   * element that has events of its own.
   */
  reread() {
    for (const [name, { fields }] of this.forms) {
      for (const entry of this.records.of(name)) {
        const field = fields.get(fieldKey(entry));
        if (!field?.controls[0] || field.kind === "scroll" || (!this.active && entry.shown)) continue;
        if (entry.control === field.controls[0] && !entry.unsettled) this.#dirty.add(field);
      }
    }
    for (const control of this.#visited) this.touch(control);
    this.settle();
  }

  /** @param {Field} field */
  settleField(field) {
    this.#dirty.delete(field);
    if (!this.isSecret(field.form, field.name)) this.attempt(field, () => this.#record(field));
  }

  /**
   * @param {string} form
   * @param {string} name
   * @returns {boolean} whether a field of this name is a secret, or was one
   */
  isSecret(form, name) {
    return this.#secrets.get(form)?.has(name) ?? false;
  }

  /** @param {string} [form] */
  forgetTouched(form) {
    for (const field of this.#dirty) if (form === undefined || field.form === form) this.#dirty.delete(field);
  }

  /**
   * A part has been changed by no user: that is what the page renders into it now.
   *
   * @param {Control} part
   */
  renderedAnew(part) {
    const field = this.#fields.get(part);
    if (!isRemembered(part) || (field && (this.#dirty.has(field) || this.#isRestored(field)))) return;
    remember(part, null);
  }

  /**
   * @param {Field} field
   * @returns {boolean} whether it shows what is known to be the user's
   */
  #isRestored(field) {
    const entry = this.records.get(field.form, field.key);
    const now = read(field);
    return entry !== undefined && entry.control === field.controls[0] && now !== null && same(entry.mine, now);
  }

  /** @param {Field} field */
  #record(field) {
    const { form, name, row, index, key, controls } = field;
    const known = this.records.get(form, key);
    const file = field.kind === "file";
    const mine = file ? [] : read(field);
    const control = controls[0] ?? null;
    if (mine === null || control === null) return;
    if (file && !(/** @type {HTMLInputElement} */ (control).files?.length)) {
      if (known) this.records.drop(form, known);
      return;
    }
    if (known && !known.control) {
      if (!file && same(known.mine, mine)) return; // the browser has put it back: it still is to be compared
      if (!file) this.tell(form, name, "skipped", "typed before it was restored");
    }
    const { base, bare } = known?.control ? known : { base: field.base ?? theirs(field), bare: bareOf(field) };
    // While a submit is under way, what it brings may become the base.
    if (!file && !known?.sent?.length && same(mine, base) && same(mine, theirs(field))) {
      if (known) this.records.drop(form, known);
    } else if (!known?.control || !same(known.mine, mine)) {
      const { reported = "" } = known ?? {};
      // A server that has not heard of what it took may still render what it had.
      const page = field.page ?? rendered(field);
      const { said, sent, marks } = known ?? { said: same(base, page) ? undefined : [digest(page)] };
      const how = { file, ...(field.kind === "html" && { html: true }), said, sent, marks };
      this.records.put(form, entryOf({ name, row, index, base, bare, mine, control, reported, ...how }));
    } else {
      known.control = control;
    }
  }

  /**
   * @param {string} name
   * @param {Element | undefined} form
   * @param {WeakMap<Control, Field | null>} before
   * @param {Control[]} [controls]
   */
  #bind(name, form, before, controls) {
    if (!form) return;
    try {
      const all = controls ?? (form instanceof HTMLFormElement ? controlsOf(form) : [/** @type {Control} */ (form)]);
      if (this.forms.has(name)) this.#refuseDouble(form, name, all);
      else this.#bindForm(form, name, all, before);
    } catch (error) {
      this.report(error, name);
    }
  }

  /**
   * @param {Element} form
   * @param {string} name
   * @param {Control[]} controls
   * @param {WeakMap<Control, Field | null>} before
   */
  #bindForm(form, name, controls, before) {
    let secrets = this.#secrets.get(name);
    if (!secrets) this.#secrets.set(name, (secrets = new Set()));
    const fields = scan(controls, name, secrets);
    this.forms.set(name, { form, fields });
    for (const control of controls) this.#fields.set(control, null);
    for (const field of fields.values()) {
      for (const control of field.controls) this.#fields.set(control, field);
      if (isTaken(field)) this.#compare(field);
    }
    this.#follow(name);
    for (const entry of this.records.of(name)) {
      const field = fields.get(fieldKey(entry));
      if (secrets.has(entry.name) || field?.secret) {
        this.records.drop(name, entry);
        this.tell(name, entry.name, "skipped", "excluded");
      } else if (!field && entry.control && isRemoved(before.get(/** @type {Control} */ (entry.control)))) {
        this.records.put(name, Object.assign(entry, { gone: true, control: null }));
        this.tell(name, entry.name, "skipped", "removed");
      }
    }
  }

  /**
   * What was typed goes with the control that it was typed into, wherever that has been moved.
   *
   * @param {string} form
   */
  #follow(form) {
    const moved = this.records.of(form).flatMap((entry) => {
      const field = entry.control && this.#fields.get(/** @type {Control} */ (entry.control));
      // Into another row only a rendering moves a control, and that makes it another one.
      const follows = field && field.form === form && (entry.row === "" || entry.row === field.row);
      return follows && field.key !== fieldKey(entry) ? [{ entry, field }] : [];
    });
    for (const { entry } of moved) this.records.drop(form, entry);
    for (const { entry, field } of moved) {
      this.records.put(form, Object.assign(entry, { name: field.name, row: field.row, index: field.index }));
    }
  }

  /**
   * A form lists a custom element, and the element holds a value, only once its script has run.
   *
   * @param {string} name
   */
  #await(name) {
    if (this.#awaited.has(name)) return;
    this.#awaited.add(name);
    customElements.whenDefined(name).then(this.changed, () => {});
  }

  /**
   * A control that came into the page in this very moment.
   *
   * @param {Control} control
   */
  #bindAround(control) {
    this.#fields.set(control, null);
    const form = closest(control, "form") ?? /** @type {HTMLInputElement} */ (control).form ?? null;
    const name = form && this.root.contains(form) ? formName(form) : null;
    if (!form || name === null || !this.wanted(name)) return;
    if ((this.forms.get(name)?.form ?? form) !== form) return;
    this.#bindForm(form, name, controlsOf(/** @type {HTMLFormElement} */ (form)), this.#fields);
  }

  /**
   * @param {Element} form
   * @param {string} name
   * @param {Control[]} controls
   */
  #refuseDouble(form, name, controls) {
    for (const control of controls) this.#fields.set(control, null);
    if (this.#doubles.has(form)) return;
    this.#doubles.add(form);
    this.report(new Error("a second form of the same data-stash name is not stashed"), name);
  }
}

/**
 * @param {Field} field
 * @param {Entry} entry
 * @returns {boolean} whether the field shows something else than it did when it was put back
 */
export function isSetAnew(field, { shown }) {
  const now = read(field);
  return Boolean(shown && now && !same(now, shown));
}

/**
 * Whether the row of a field has been taken out of a list that goes on without it.
 *
 * @param {Field | null | undefined} field
 * @returns {boolean}
 */
function isRemoved(field) {
  const { row = "", list } = field ?? {};
  if (row === "" || !list) return false;
  const now = list.isConnected ? list : list.ownerDocument.getElementById(list.id);
  return now !== null && (now.id !== "" || now.querySelector("[data-stash-key]") !== null);
}
