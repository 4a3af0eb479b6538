/**
 * What of the forms is the user's alone: they have changed it, and the server has neither cleared nor rendered it.
 *
 * @module
 */

import { says, theirs } from "./capture.js";
import { same } from "./merge.js";
import { fieldKey } from "./entry.js";

/** @typedef {import("./controls.js").Controls} Controls */
/** @typedef {import("./entry.js").Entry} Entry */

/**
 * @param {Controls} page
 * @param {(form: string) => boolean} wanted
 * @returns {boolean} whether there is such a change; what has just been typed counts before it has been read
 */
export function isUnsaved(page, wanted) {
  const isWanted = (/** @type {string} */ form) => form !== "" && wanted(form);
  return (
    page.isTouched(isWanted) ||
    page.records.names().some((form) => isWanted(form) && page.records.of(form).some((entry) => isOwn(page, form, entry)))
  );
}

/**
 * @param {Controls} page
 * @param {string} form
 * @param {Entry} entry
 * @returns {boolean}
 */
function isOwn(page, form, entry) {
  const { gone, file, control, base, mine } = entry;
  // A file is only in the page in which it was chosen.
  if (gone || (file ? !control : same(mine, base))) return false;
  const field = page.forms.get(form)?.fields.get(fieldKey(entry));
  if (file || !field?.controls[0] || !says(field)) return true;
  try {
    return !same(mine, theirs(field));
  } catch {
    // An element that can't be read; whoever stashes it says so.
    return true;
  }
}
