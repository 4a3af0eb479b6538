/**
 * Carries the work of the user who is in a control over a rendering: what they see there stays, and if the control is
 * replaced, focus and caret go to the one in its place.
 *
 * @module
 */

import { read, theirs } from "./capture.js";
import { same } from "./merge.js";
import { entryOf } from "./records.js";

/** @typedef {import("./capture.js").Field} Field */
/** @typedef {import("./dom.js").Control} Control */
/** @typedef {import("./merge.js").Value} Value */

/**
 * @typedef {object} Focused where the focus was before the page was rendered
 * @property {Control} control
 * @property {boolean} lost whether the rendering took the focus from it
 * @property {Field} field
 * @property {Value | null} value what stood there, if nothing was known of it but that it was worked in
 */

export class Focus {
  /** @param {{ page: import("./controls.js").Controls, guard: import("./guard.js").Guard }} world */
  constructor({ page, guard }) {
    this.page = page;
    this.guard = guard;
  }

  /**
   * To be called before the page is bound anew, when what was touched has been read.
   *
   * @returns {Focused | null}
   */
  before() {
    const lost = this.guard.takeLost();
    const control = lost ?? this.guard.focused;
    const field = control && this.page.fieldOf(control);
    if (!field) return null;
    const isUnknown = !field.secret && !this.page.records.get(field.form, field.key);
    const value = isUnknown && this.guard.isEdited(field.controls) ? read(field) : null;
    return { control, lost: lost !== null, field, value };
  }

  /**
   * To be called once the page is bound: whoever is in a control goes on from what they see, also if the page says
   * something else now.
   *
   * @param {Focused} focused
   * @returns {Control | null} the one in the place of the control that has lost the focus
   */
  heir({ control, lost, field: { form, key, controls }, value }) {
    const field = this.page.forms.get(form)?.fields.get(key);
    const [first] = field?.controls ?? [];
    if (!field || !first) return lost && control.isConnected ? control : null;
    const now = field.controls.length > 1 ? field.controls[controls.indexOf(control)] : first;
    const heir = !lost ? null : control.isConnected ? control : (now ?? null);
    if (heir) this.guard.inherit(control, heir);
    if (value && !field.secret && !same(value, theirs(field))) {
      const { name, row, index } = field;
      const shown = lost ? null : first;
      this.page.records.put(form, entryOf({ name, row, index, base: value, mine: value, held: true, control: shown }));
    }
    return heir;
  }

  /**
   * @param {Focused} focused
   * @param {Control} heir
   */
  giveBack({ control }, heir) {
    this.guard.refocus(control, heir);
  }
}
