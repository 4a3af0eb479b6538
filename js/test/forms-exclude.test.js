import assert from "node:assert/strict";
import { test } from "node:test";

import { isSecretField } from "../src/forms/exclude.js";

/** @param {Partial<{ type: string, name: string, autocomplete: string }>} facts */
const secret = (facts) => isSecretField({ type: "text", name: "field", autocomplete: "", ...facts });

test("a password is a secret, whatever its name", () => {
  assert.equal(secret({ type: "password" }), true);
  assert.equal(secret({ type: "PASSWORD" }), true);
});

test("one-time codes, passwords and card data are secrets by their autocomplete, among other words too", () => {
  for (const word of ["one-time-code", "current-password", "new-password", "cc-number", "cc-csc", "CC-EXP"]) {
    assert.equal(secret({ autocomplete: word }), true, word);
    assert.equal(secret({ autocomplete: `section-a billing ${word} webauthn` }), true, word);
  }
});

test("the request-forgery fields of the usual frameworks are secrets, prefixed too", () => {
  const names = ["csrf_token", "profile-csrf_token", "csrfmiddlewaretoken", "_csrf", "_csrf_token", "csrfToken"];
  names.push("authenticity_token", "__RequestVerificationToken", "_token", "XSRF-TOKEN", "_wpnonce");
  for (const name of names) assert.equal(secret({ name }), true, name);
});

test("ordinary fields are not", () => {
  for (const name of ["email", "token_count", "accept", "description", "account"]) assert.equal(secret({ name }), false);
  for (const autocomplete of ["", "off", "on", "email", "section-cc-x name", "street-address"]) {
    assert.equal(secret({ autocomplete }), false, autocomplete);
  }
});
