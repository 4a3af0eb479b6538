/** Submits a form as a message: a submission that outlives the connection, or the page, that it is made from. */

import { posted } from "./forms/collect.js";
import { attribute } from "./forms/dom.js";
import { excludedNames, isCsrf } from "./forms/exclude.js";
import { size, stringify, wellFormed } from "./frames.js";

/**
 * @typedef {object} Way how a socket stands
 * @property {boolean} closed for good
 * @property {boolean} lost the page was told that there is no connection
 * @property {number} limit the largest message, in bytes
 * @property {import("./page.js").Forms | null} forms
 * @property {(form: string, data: string, options: { secret: boolean }) => void} send
 */

/**
 * Send what a form submits, and keep the browser from posting it; or leave it to the browser.
 *
 * @param {SubmitEvent} event
 * @param {Way} way
 * @returns {boolean} whether it was sent
 * @throws {TypeError} if the form has no name
 * @throws {Error} if the form can go neither way; what stands in it stays
 */
export function submit(event, { closed, lost, limit, forms, send }) {
  const form = event.target;
  if (!(form instanceof HTMLFormElement)) throw new TypeError("what is submitted is the submit event of a form");
  const submitter = event.submitter ?? null;
  /** @param {string} name of an attribute that a button may have too */
  const said = (name) => (submitter && attribute(submitter, `form${name}`)) ?? attribute(form, name);
  const method = said("method")?.toLowerCase();
  // That closes a dialog, and nobody is sent anything.
  if (method === "dialog") return false;
  const marked = attribute(form, "data-stash");
  const name = wellFormed((marked !== "off" && marked) || attribute(form, "id") || "");
  if (!name) throw new TypeError('a form that is submitted over a socket needs a name: data-stash="…", or an id');

  const whole = [...new FormData(form, submitter)];
  const pairs = whole.filter(([field]) => !isCsrf(field));
  const file = pairs.some(([, value]) => typeof value !== "string" && value.name !== "");
  // Where no file was chosen, only a post in parts leaves the field out.
  const parts = said("enctype")?.toLowerCase() === "multipart/form-data";
  const texts = pairs.map(([field, value]) => /** @type {const} */ ([field, typeof value === "string" ? value : parts ? null : value.name]));
  const excluded = excludedNames(form);
  const secret = texts.some(([field, text]) => text !== null && (excluded.has(field) || forms?.isSecret(name, field)));
  const fields = texts.flatMap(([field, text]) => (text === null ? [] : [[posted(field), posted(text)]]));
  const data = stringify({ form: name, fields });
  const obstacle = closed
    ? "the socket is closed"
    : file
      ? "a file can't go over a socket"
      : size(data) > limit
        ? `the server takes ${limit} bytes`
        : "";

  // Into an address may get nothing secret, no token, and of a file only its name; and a form that was made for scripts
  // only would load the page anew.
  const addressable = !secret && !file && pairs.length === whole.length;
  const posts = method === "post" || (said("action") !== null && addressable);
  if (obstacle && !posts) {
    event.preventDefault();
    throw new Error(`the form "${name}" was not submitted: ${obstacle}; with method="post" the browser would post it`);
  }
  if (posts && (obstacle || (lost && attribute(form, "data-stash-offline") === "post"))) return false;
  event.preventDefault();
  send(name, data, { secret });
  return true;
}
