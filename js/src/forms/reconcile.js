/**
 * Brings what the user has typed together with what the page shows now, field by field.
 *
 * @module
 */

import { isUnsaid, read, rendered, says, take, theirs as theirsOf } from "./capture.js";
import { isSetAnew } from "./controls.js";
import { plainly } from "./kinds.js";
import { digest, merge, same } from "./merge.js";
import { fieldKey } from "./entry.js";
import { checks, policyOf, write } from "./restore.js";
import { Teller } from "./teller.js";

/** @typedef {import("./capture.js").Field} Field */
/** @typedef {import("./dom.js").Control} Control */
/** @typedef {import("./guard.js").Guard} Guard */
/** @typedef {import("./merge.js").Decision} Decision */
/** @typedef {import("./merge.js").Value} Value */
/** @typedef {import("./controls.js").Bound} Bound */
/** @typedef {import("./controls.js").Controls} Controls */
/** @typedef {import("./entry.js").Entry} Entry */

/**
 * @typedef {object} Conflict
 * @property {string} form
 * @property {string} field
 * @property {Value} base
 * @property {Value} mine
 * @property {Value} theirs
 * @property {"mine" | "theirs"} kept
 * @property {Control[]} controls
 */

export class Reconciler {
  /** @type {WeakMap<Control, Value>} what a field was made to show against the user's own value */
  #decided = new WeakMap();
  #rendered = false;
  /** Whether something waits until the user has left a control. */
  deferred = false;

  /** @param {{ page: Controls, guard: Guard, conflict: (conflict: Conflict) => void }} world */
  constructor({ page, guard, conflict }) {
    this.page = page;
    this.records = page.records;
    this.guard = guard;
    this.conflict = conflict;
    this.teller = new Teller({ page, guard });
  }

  /**
   * Every form by itself, every field by itself: an error in one holds up no other.
   *
   * @param {{ rendered: boolean }} options `rendered`: whatever has changed was rendered, no script meant it for the user
   */
  run({ rendered }) {
    this.#rendered = rendered;
    this.deferred = false;
    for (const name of this.records.names()) {
      if (this.page.resetting.has(name)) continue;
      const bound = this.page.forms.get(name);
      const renamed = bound ? renamedFields(bound) : new Map();
      for (const entry of this.records.of(name)) {
        try {
          const current = this.records.get(name, fieldKey(entry));
          if (current !== entry) continue; // a hook has cleared it, or an edit replaced it
          if (bound) this.#entry(name, bound, renamed, entry);
          else this.teller.tellOnce(name, entry, "pending", "not in the page");
        } catch (error) {
          if (entry.reported !== "error") this.page.report(error, name, entry.name);
          entry.reported = "error";
        }
      }
    }
  }

  /** A while has passed since the fields were put back. */
  rest() {
    for (const name of this.records.names()) for (const entry of this.records.of(name)) entry.writes = 0;
  }

  /**
   * What a field is to show if the browser changes it behind the page's back.
   *
   * @param {Field} field
   * @returns {Value | null} `null` if nothing was decided about it
   */
  expected(field) {
    const [control] = field.controls;
    const entry = this.records.get(field.form, field.key);
    if (!control) return null;
    return entry?.control === control ? entry.mine : (this.#decided.get(control) ?? null);
  }

  /**
   * @param {string} form
   * @param {Bound} bound
   * @param {Map<string, Field>} renamed
   * @param {Entry} entry
   */
  #entry(form, bound, renamed, entry) {
    const key = fieldKey(entry);
    const field = bound.fields.get(key) ?? this.#rename(form, entry, renamed.get(key));
    if (!field) return entry.gone ? undefined : this.teller.tellOnce(form, entry, "pending", "not in the page");
    if (entry.gone) {
      delete entry.gone;
      this.records.put(form, entry);
    }
    if ((field.kind === "file") !== entry.file) {
      this.records.drop(form, entry);
      return this.teller.tellOnce(form, entry, "skipped", "excluded");
    }
    const [control] = field.controls;
    if (!control) return this.teller.tellOnce(form, entry, "pending", "disabled");
    if (entry.file) {
      if (entry.control !== control) this.teller.tellOnce(form, entry, "skipped", "choose the file again");
      return;
    }
    if ((field.kind === "html") !== Boolean(entry.html) && !toHtml(entry, field)) {
      return this.teller.tellOnce(form, entry, "skipped", "not accepted");
    }
    const now = read(field);
    if (entry.unsettled && entry.control === control && now && !same(now, entry.mine)) {
      this.teller.passedOver = true;
      return;
    }
    if (!this.page.active && entry.control === control && now && isSetAnew(field, entry)) take(field, now);
    const theirs = entry.held || (says(field) && !isUnsaid(field, entry.bare)) ? theirsOf(field) : entry.base;
    // A page that was too short for a moment has scrolled by itself.
    const meant = field.kind !== "scroll" && !this.#rendered;
    if (meant && entry.control === control && now && !same(now, entry.mine) && !same(now, theirs)) {
      entry.mine = now; // neither the user's nor rendered: the page's own script has put it there
      this.records.put(form, entry);
    }
    const sent = entry.said?.includes(digest(theirs)) ? theirs : undefined;
    const { base, mine, held } = entry;
    const decision = merge({ base, mine, theirs, sent, held, pending: Boolean(entry.sent?.length) }, policyOf(field, bound.form));
    this.#apply(form, field, entry, decision, { theirs, now, control });
  }

  /**
   * @param {string} form
   * @param {Field} field
   * @param {Entry} entry
   * @param {Decision} decision
   * @param {{ theirs: Value, now: Value | null, control: Control }} found
   */
  #apply(form, field, entry, decision, { theirs, now, control }) {
    const conflict = decision.outcome === "conflict";
    const shown = now !== null && same(now, decision.value);
    if (!shown && field.kind === "dialog" && this.guard.isElsewhere(control)) {
      this.deferred = true;
      return;
    }
    if ((!shown || !decision.dirty) && this.guard.protects(field.controls)) {
      this.deferred = true;
      // A choice is read at every change, so that one that differs is the page's rendering, not the user's.
      const isRendered = this.guard.isHeir(field.controls) || (field.kind !== "text" && entry.control === control);
      if (isRendered) {
        const before = checks(field);
        entry.control = this.#write(field, entry.mine) === "" ? control : null;
        if (entry.control && now && !same(now, entry.mine)) this.teller.announce(form, field, entry, before);
      }
      if (conflict) this.#tellConflict(form, field, entry, theirs, "mine");
      return;
    }
    const fresh = entry.control !== control;
    const before = checks(field);
    if (!shown) {
      const why = this.#write(field, decision.value);
      if (why !== "") {
        entry.control = null;
        return this.teller.tellOnce(form, entry, "skipped", why);
      }
    }
    entry.control = control;
    if (!decision.dirty) {
      this.#decided.set(control, decision.value);
      this.records.drop(form, entry);
    }
    const changed = !shown || fresh;
    if (conflict) this.#tellConflict(form, field, entry, theirs, decision.dirty ? "mine" : "theirs");
    else if (decision.outcome === "mine" && changed) this.teller.tell(form, entry, "restored", "");
    // What the page has rendered by itself it knows.
    if (changed && (!shown || !same(decision.value, theirs))) this.teller.announce(form, field, entry, before);
    if (changed) entry.shown = read(field);
  }

  /**
   * @param {Field} field
   * @param {Value} value
   * @returns {string} why it was not taken
   */
  #write(field, value) {
    const why = write(field, value);
    // The option that was the user's choice may have become another one.
    if (why !== "" && this.#rendered) write(field, rendered(field));
    return why;
  }

  /**
   * @param {string} form
   * @param {Field} field
   * @param {Entry} entry
   * @param {Value} theirs
   * @param {"mine" | "theirs"} kept
   */
  #tellConflict(form, { name, controls }, entry, theirs, kept) {
    const already = `conflict ${JSON.stringify([kept, theirs])}`;
    if (entry.reported === already) return;
    this.teller.tell(form, entry, "conflict", `kept ${kept}`);
    entry.reported = already;
    const { base, mine } = entry;
    const values = { base: plainly(base), mine: plainly(mine), theirs: plainly(theirs) };
    this.conflict({ form, field: name, ...values, kept, controls: [...controls] });
  }

  /**
   * @param {string} form
   * @param {Entry} entry
   * @param {Field | undefined} field
   * @returns {Field | undefined}
   */
  #rename(form, entry, field) {
    if (!field || this.records.get(form, field.key)) return undefined;
    this.records.drop(form, entry);
    this.records.put(form, Object.assign(entry, { name: field.name, row: field.row, index: field.index }));
    return field;
  }
}

/**
 * Text that comes into an editable part is text there too, whatever it looks like. The other way it is none.
 *
 * @param {Entry} entry
 * @param {Field} field
 * @returns {boolean} whether the values are HTML now
 */
function toHtml(entry, { kind }) {
  if (kind !== "html") return false;
  const escaped = (/** @type {Value} */ value) => value.map((text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;"));
  Object.assign(entry, { html: true, base: escaped(entry.base), mine: escaped(entry.mine) });
  return true;
}

/**
 * The fields that had another name in an older version of the page, by the key they had then.
 *
 * @param {Bound} bound
 * @returns {Map<string, Field>}
 */
function renamedFields({ fields }) {
  const renamed = /** @type {Map<string, Field>} */ (new Map());
  for (const field of fields.values()) if (field.was) renamed.set(fieldKey({ ...field, name: field.was }), field);
  return renamed;
}
