/**
 * What goes up of the forms: with a mount what the user has touched, with a submission what only this library knows.
 *
 * @module
 */

import { read } from "./capture.js";
import { fieldKey } from "./entry.js";
import { plainly } from "./kinds.js";

/** @typedef {import("./controls.js").Controls} Controls */
/** @typedef {import("./merge.js").Value} Value */

/** @param {string} text @returns {string} with the line breaks that a submission has, whatever the page has */
export const posted = (text) => text.replace(/\r\n?|\n/g, "\r\n");

/**
 * All that stands under the names that the user has touched, in the order and the way a submission would carry it, then
 * what is not in the page at present.
 *
 * @param {Controls} page
 * @param {(form: string) => boolean} wanted
 * @returns {Record<string, [string, string][]>} by the name of the form
 */
export function filled(page, wanted) {
  return ofEach(page, wanted, (fields) =>
    fields.flatMap(([name, value]) => value.map((text) => /** @type {[string, string]} */ ([posted(name), posted(text)]))),
  );
}

/**
 * Of the names that the user has touched, those that a submission would not carry, as of a box that was unticked.
 *
 * @param {Controls} page
 * @param {(form: string) => boolean} wanted
 * @returns {Record<string, string[]>} by the name of the form
 */
export function empty(page, wanted) {
  const all = ofEach(page, wanted, (fields) => {
    const carried = new Set(fields.filter(([, value]) => value.length > 0).map(([name]) => name));
    return [...new Set(fields.map(([name]) => name))].filter((name) => !carried.has(name)).map(posted);
  });
  return Object.fromEntries(Object.entries(all).filter(([, names]) => names.length > 0));
}

/** What has been completed already, where two look after one form. @type {WeakSet<FormData>} */
const complete = new WeakSet();

/**
 * Adds the editable parts of a form to what it submits, over whichever way.
 *
 * @param {Controls} page
 * @param {FormDataEvent} event
 */
export function addParts(page, { target, formData }) {
  for (const { form, fields } of page.forms.values()) {
    if (form !== target || complete.has(formData)) continue;
    complete.add(formData);
    for (const field of fields.values()) {
      if (field.kind === "html") for (const text of read(field) ?? []) formData.append(field.name, text);
    }
  }
}

/**
 * @template T
 * @param {Controls} page
 * @param {(form: string) => boolean} wanted
 * @param {(fields: [string, Value][]) => T[]} of what is wanted of the touched fields of a form
 * @returns {Record<string, T[]>} by the name of the form
 */
function ofEach(page, wanted, of) {
  const names = page.records.names().filter((name) => name !== "" && wanted(name));
  return Object.fromEntries(names.map((name) => [name, of(touched(page, name))]));
}

/**
 * @param {import("./entry.js").Entry | undefined} entry
 * @param {import("./capture.js").Field} field
 * @returns {boolean} whether the page was told that the field does not take what is stashed of it
 */
function isSkipped(entry, { controls: [control] }) {
  return entry !== undefined && entry.control !== control && /^(skipped (?!no sanitizer yet)|error)/.test(entry.reported);
}

/**
 * A name that was touched in one place is there with all its fields: which of them a value belongs to is told by
 * their order only.
 *
 * @param {Controls} page
 * @param {string} form
 * @returns {[string, Value][]}
 */
function touched(page, form) {
  const entries = new Map(
    page.records.of(form).flatMap((entry) => (entry.gone ? [] : [[fieldKey(entry), entry]])),
  );
  const names = new Set([...entries.values()].filter(({ file }) => !file).map((entry) => entry.name));
  const found = /** @type {[string, Value][]} */ ([]);
  for (const field of page.forms.get(form)?.fields.values() ?? []) {
    const entry = entries.get(field.key);
    entries.delete(field.key);
    if (!names.has(field.name) || field.secret || field.kind === "file" || field.controls.length === 0) continue;
    found.push([field.name, plainly((isSkipped(entry, field) ? null : entry?.mine) ?? read(field) ?? [])]);
  }
  for (const { file, name, mine } of entries.values()) if (!file) found.push([name, plainly(mine)]);
  return found;
}
