import assert from "node:assert/strict";
import { test } from "node:test";

import { merge, same } from "../src/forms/merge.js";

test("an unchanged page gets the user's value", () => {
  assert.deepEqual(merge({ base: ["a"], mine: ["b"], theirs: ["a"] }), { outcome: "mine", value: ["b"], dirty: true });
});

test("a page that already renders the user's value has nothing to show, and the field stays dirty", () => {
  const decision = merge({ base: ["a"], mine: ["b"], theirs: ["b"] });
  assert.deepEqual(decision, { outcome: "agreed", value: ["b"], dirty: true });
});

test("a page that renders something else is in conflict, and the user's value wins by default", () => {
  const decision = merge({ base: ["a"], mine: ["b"], theirs: ["c"] });
  assert.deepEqual(decision, { outcome: "conflict", value: ["b"], dirty: true });
});

test("the policy 'theirs' gives a conflict to the page, and the field is the user's no more", () => {
  const decision = merge({ base: ["a"], mine: ["b"], theirs: ["c"] }, "theirs");
  assert.deepEqual(decision, { outcome: "conflict", value: ["c"], dirty: false });
});

test("the policy has no say where there is no conflict", () => {
  assert.equal(merge({ base: ["a"], mine: ["b"], theirs: ["a"] }, "theirs").value[0], "b");
  assert.equal(merge({ base: ["a"], mine: ["b"], theirs: ["b"] }, "theirs").dirty, true);
});

test("a field that was put back to what was rendered at first still is the user's choice", () => {
  assert.equal(merge({ base: ["a"], mine: ["a"], theirs: ["c"] }).outcome, "conflict");
  assert.equal(merge({ base: ["a"], mine: ["a"], theirs: ["a"] }).outcome, "mine");
});

test("a change that was taken back while its submit is under way covers nothing that somebody else has saved", () => {
  const field = { base: ["a"], mine: ["a"], sent: ["b"], pending: true };
  assert.deepEqual(merge({ ...field, theirs: ["c"] }), { outcome: "agreed", value: ["c"], dirty: false });
  assert.deepEqual(merge({ ...field, theirs: ["b"] }), { outcome: "mine", value: ["a"], dirty: true });
  assert.deepEqual(merge({ ...field, mine: ["d"], theirs: ["c"] }).outcome, "conflict");
});

test("groups are compared as a whole, whatever their order", () => {
  assert.equal(merge({ base: ["x", "y"], mine: ["x"], theirs: ["y", "x"] }).outcome, "mine");
  assert.equal(merge({ base: ["x", "y"], mine: ["x"], theirs: ["x", "z"] }).outcome, "conflict");
  assert.equal(merge({ base: [], mine: ["x", "y"], theirs: ["y", "x"] }).outcome, "agreed");
});

test("an empty group differs from one that holds the empty text, and each value counts as often as it occurs", () => {
  assert.equal(same([], [""]), false);
  assert.equal(same(["a", "a", "b"], ["a", "b", "b"]), false);
  assert.equal(same(["a", "b", "a"], ["a", "a", "b"]), true);
});

test("merging what was merged changes nothing more", () => {
  const values = [[], ["a"], ["b"], ["a", "b"]];
  for (const base of values) {
    for (const mine of values) {
      for (const theirs of values) {
        const first = merge({ base, mine, theirs });
        assert.deepEqual(merge({ base, mine: first.value, theirs }), first);
      }
    }
  }
});

test("a page that comes to render what was submitted is no conflict for what was typed since", () => {
  const field = { base: ["a"], sent: ["b"], mine: ["bc"] };
  for (const theirs of [["a"], ["b"]]) {
    assert.deepEqual(merge({ ...field, theirs }, "theirs"), { outcome: "mine", value: ["bc"], dirty: true });
  }
  assert.equal(merge({ ...field, theirs: ["c"] }).outcome, "conflict");
});
