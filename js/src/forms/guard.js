/**
 * Keeps the control that somebody is working in from being disturbed: value, caret, selection, composition,
 * and the focus itself when the page around it is rendered anew.
 *
 * @module
 */

import { isNative } from "./dom.js";

/** @typedef {import("./dom.js").Control} Control */

/**
 * @typedef {object} Caret
 * @property {number} start
 * @property {number} end
 * @property {"forward" | "backward" | "none"} direction
 * @property {number} top
 */
/** @typedef {{ node: Node | null, offset: number }} Point */

/** Controls that are worked in before they have any input to show for it: an open list, picker or slider. */
const OPERATED = `select, input:is([type=date], [type=time], [type=datetime-local], [type=month]),
  input:is([type=week], [type=color], [type=range])`;

export class Guard {
  /** @type {WeakSet<EventTarget>} */
  #edited = new WeakSet();
  /** @type {Control | null} */
  #focused = null;
  /** @type {Control | null} taken out of the page while it had the focus */
  #lost = null;
  /** @type {Caret | null} */
  #caret = null;
  /** Where the selection was last in an editable part: its two ends. @type {[Point, Point] | null} */
  #selected = null;
  /** How far that part was scrolled. */
  #top = 0;
  /** The control that the focus goes to once the page has been rendered. @type {Control | null} */
  #heir = null;

  /** Where the user is. */
  get focused() {
    return this.#focused;
  }

  /**
   * Notes that the user has worked in this control since the page was loaded.
   *
   * @param {EventTarget} control
   */
  edited(control) {
    this.#edited.add(control);
  }

  /**
   * What stands in this control has been dealt with.
   *
   * @param {EventTarget} control
   */
  release(control) {
    this.#edited.delete(control);
  }

  /**
   * @param {Control[]} controls
   * @returns {boolean} whether the user has worked in one of them
   */
  isEdited(controls) {
    return controls.some((control) => this.#edited.has(control));
  }

  /**
   * @param {Control} lost
   * @param {Control} heir the control in its place
   */
  inherit(lost, heir) {
    this.#heir = heir;
    if (this.#edited.has(lost)) this.#edited.add(heir);
  }

  /**
   * @param {Control[]} controls
   * @returns {boolean} whether one of them came in the place of the one that the user is in, and shows nothing of theirs yet
   */
  isHeir(controls) {
    return this.#heir !== null && controls.includes(this.#heir);
  }

  /**
   * Notes a key or pointer press, which opens a list or a picker, or the start of a composition.
   *
   * @param {string} type
   * @param {Element} target
   * @param {Control | null} control the one that it happened in
   */
  pressed(type, target, control) {
    const operated = target instanceof HTMLOptionElement ? target.closest("select") : target;
    if (operated?.matches(OPERATED)) this.#edited.add(operated);
    if (type === "compositionstart" && control) this.#edited.add(control);
  }

  /**
   * @param {Control} part
   * @returns {boolean} whether the user works in a control outside of it
   */
  isElsewhere(part) {
    const control = this.#focused;
    return control !== null && this.#edited.has(control) && hasFocus(control) && !part.contains(control);
  }

  /**
   * Whether a field is to be left alone: the focus is in it and it was edited, or it holds what the browser
   * cannot read yet (a number that is not finished) and a write would wipe out.
   *
   * @param {Control[]} controls
   * @returns {boolean}
   */
  protects(controls) {
    if (!this.isEdited(controls)) return false;
    if (this.isHeir(controls)) return true;
    return controls.some((control) => hasFocus(control) || (isNative(control) && control.validity.badInput));
  }

  /** @param {Control} control */
  focusIn(control) {
    this.#focused = control;
    this.#lost = null;
    this.#selected = null;
    this.#top = control.scrollTop;
  }

  /**
   * Some browsers say so when a focused control is taken out of the page, others do not. It is told from a
   * user who leaves the control by what runs first: after a user's action microtasks run before anything else
   * can change the page, while a script that replaces the control is still running, and the observer of its
   * changes comes in between.
   *
   * @param {Control} control
   */
  focusOut(control) {
    if (control !== this.#focused) return;
    this.#focused = null;
    this.#lost = control;
    this.#caret = caretOf(control);
    queueMicrotask(() =>
      queueMicrotask(() => {
        if (this.#lost === control) this.#lost = null;
      }),
    );
  }

  /**
   * Notes where the caret is in an editable part: once that is out of the page, the browser knows it no more.
   *
   * @param {Selection | null} selection
   */
  select(selection) {
    if (!selection || !this.#focused || isNative(this.#focused)) return;
    const { anchorNode, anchorOffset, focusNode, focusOffset } = selection;
    if (!this.#focused.contains(anchorNode)) return;
    this.#selected = [
      { node: anchorNode, offset: anchorOffset },
      { node: focusNode, offset: focusOffset },
    ];
  }

  /** @param {EventTarget | null} part */
  scrolled(part) {
    if (part && part === this.#focused) this.#top = this.#focused.scrollTop;
  }

  /**
   * The control that a change of the page took the focus from, if it has just done so. Asked once per change.
   *
   * @returns {Control | null}
   */
  takeLost() {
    let lost = this.#lost;
    if (!lost && this.#focused && !this.#focused.isConnected) {
      lost = this.#focused;
      this.#caret = caretOf(lost);
    }
    this.#lost = null;
    if (lost) this.#focused = null;
    return lost && isNowhere(lost.ownerDocument) ? lost : null;
  }

  /**
   * Gives the focus to the control that came in the place of the lost one, caret and scroll position
   * included.
   *
   * @param {Control} lost
   * @param {Control} control
   */
  refocus(lost, control) {
    this.#heir = null;
    const [selected, top] = [this.#selected, this.#top];
    control.focus({ preventScroll: true });
    if (!isNative(control)) {
      control.scrollTop = top;
      if (selected) reselect(selected, lost, control);
      return;
    }
    const caret = this.#caret;
    if (!caret || control instanceof HTMLSelectElement || !hasCaret(control)) return;
    control.setSelectionRange(caret.start, caret.end, caret.direction);
    control.scrollTop = caret.top;
  }
}

/**
 * @param {Control} control
 * @returns {boolean}
 */
export function hasFocus(control) {
  const place = control.getRootNode();
  return (place instanceof Document || place instanceof ShadowRoot) && place.activeElement === control;
}

/**
 * @param {Document} document
 * @returns {boolean}
 */
function isNowhere(document) {
  return document.activeElement === null || document.activeElement === document.body;
}

/**
 * @param {Control} control
 * @returns {Caret | null}
 */
function caretOf(control) {
  if (!isNative(control) || control instanceof HTMLSelectElement || !hasCaret(control)) return null;
  const { selectionStart, selectionEnd, selectionDirection, scrollTop } = control;
  return {
    start: selectionStart ?? 0,
    end: selectionEnd ?? 0,
    direction: selectionDirection ?? "none",
    top: scrollTop,
  };
}

/**
 * Only plain text has a selection; asking for it elsewhere gives `null`, setting it throws.
 *
 * @param {HTMLInputElement | HTMLTextAreaElement} control
 * @returns {boolean}
 */
function hasCaret(control) {
  return control.selectionStart !== null;
}

/**
 * @param {[Point, Point]} ends of a selection
 * @param {Control} from
 * @param {Control} to
 */
function reselect([anchor, focus], from, to) {
  const [start, end] = [moved(anchor, from, to), moved(focus, from, to)];
  if (!start.node || !end.node) return;
  to.ownerDocument.getSelection()?.setBaseAndExtent(start.node, start.offset, end.node, end.offset);
}

/**
 * The same place in a copy of a tree.
 *
 * @param {Point} point
 * @param {Node} from
 * @param {Node} to
 * @returns {Point}
 */
function moved({ node, offset }, from, to) {
  if (!from.contains(node)) return { node: null, offset };
  const path = [];
  for (let here = node; here && here !== from; here = here.parentNode) {
    path.unshift([...(here.parentNode?.childNodes ?? [])].indexOf(/** @type {ChildNode} */ (here)));
  }
  const there = path.reduce((/** @type {Node | undefined} */ place, index) => place?.childNodes[index], to);
  if (!there) return { node: null, offset };
  const length = there instanceof Text ? there.length : there.childNodes.length;
  return { node: there, offset: Math.min(offset, length) };
}
