import assert from "node:assert/strict";
import { test } from "node:test";

import { digest, merge, same } from "../src/forms/merge.js";
import { Records, entryOf, parseForm, fieldKey } from "../src/forms/records.js";
import { Area } from "../src/storage.js";
import { FakeStorage } from "./world.js";

/** @param {{ refuses?: (key: string, text: string) => boolean }} [faults] */
function memory({ refuses = () => false } = {}) {
  const kept = /** @type {Map<string, string>} */ (new Map());
  let writes = 0;
  return {
    kept,
    count: () => writes,
    get: (/** @type {string} */ key) => JSON.parse(kept.get(key) ?? "null"),
    set: (/** @type {string} */ key, /** @type {unknown} */ value) => {
      writes += 1;
      if (refuses(key, JSON.stringify(value))) {
        kept.delete(key);
        return false;
      }
      kept.set(key, JSON.stringify(value));
      return true;
    },
    remove: (/** @type {string} */ key) => void kept.delete(key),
  };
}

/**
 * @param {import("../src/forms/records.js").Storage} storage
 * @param {{ now?: number }} [world]
 */
function recordsOf(storage, { now = 1000 } = {}) {
  const errors = /** @type {string[]} */ ([]);
  const report = (/** @type {unknown} */ error, /** @type {string} */ form) => void errors.push(`${form}: ${error}`);
  const told = /** @type {string[]} */ ([]);
  const oversize = (/** @type {string} */ form, /** @type {string} */ name) => void told.push(`${form} ${name}`);
  const records = new Records({ storage, now: () => now, maxAge: 500, report, oversize });
  return { records, errors, told };
}

const field = (/** @type {string} */ name, /** @type {string} */ mine) =>
  entryOf({ name, index: 0, base: [""], mine: [mine] });

test("what one page saves, the next one loads", () => {
  const storage = memory();
  const { records } = recordsOf(storage);
  records.put("profile", field("name", "Ann"));
  records.put("address", field("city", "Bern"));
  records.save();
  const next = recordsOf(storage).records;
  next.load();
  assert.deepEqual(next.names(), ["profile", "address"]);
  assert.ok(storage.kept.has("form:profile"), "and it is still there for the one after");
  assert.deepEqual(next.get("profile", fieldKey({ name: "name", index: 0, row: "" })), field("name", "Ann"));
});

test("one huge field leaves the others in storage, and is told once, until it was there", () => {
  let room = 1000;
  const storage = memory({ refuses: (_, text) => text.length > room });
  const { records, told } = recordsOf(storage);
  const names = () => storage.get("form:profile")?.fields.map((/** @type {{ name: string }} */ { name }) => name);
  for (const name of ["name", "bio", "city"]) records.put("profile", field(name, name));
  records.put("profile", field("picture", "x".repeat(2000)));
  records.put("other", field("a", "1"));
  records.save();
  records.save();
  assert.deepEqual([names(), told], [["name", "bio", "city"], ["profile picture"]]);
  assert.ok(storage.kept.has("form:other"));
  assert.equal(records.of("profile").length, 4, "memory has it all");
  room = Infinity;
  records.save();
  assert.deepEqual(names(), ["name", "bio", "city", "picture"]);
  room = 1000;
  records.put("profile", field("name", "another"));
  records.save();
  assert.deepEqual([names(), told.length], [["name", "bio", "city"], 2]);
  room = 0;
  records.save();
  assert.deepEqual([names(), told.slice(2).sort()], [undefined, ["profile bio", "profile city", "profile name"]]);
});

test("where nothing outlives the page, no field is left out, and none is told", () => {
  const area = new Area(null);
  const { records, told } = recordsOf(area.shelf("form:"));
  records.put("profile", field("picture", "x".repeat(2000)));
  records.put("profile", field("name", "Ann"));
  records.save();
  assert.equal(/** @type {any} */ (area.read("form:form:profile")).fields.length, 2);
  assert.deepEqual(told, []);
});

test("half an emoji is to a server what it hears of it", () => {
  assert.ok(same(["half \ud83d"], ["half \ufffd"]) && !same(["half \ud83d"], ["half ?"]));
  assert.equal(digest(["half \ud83d"]), digest(["half \ufffd"]));
  const { outcome, value } = merge({ base: [""], mine: ["half \ud83d"], theirs: ["half \ufffd"] });
  assert.deepEqual([outcome, value], ["agreed", ["half \ud83d"]]);
});

test("names that mean something to JavaScript are ordinary names", () => {
  const storage = memory();
  const { records } = recordsOf(storage);
  records.put("__proto__", field("constructor", "x"));
  records.save();
  const next = recordsOf(storage).records;
  next.load();
  assert.deepEqual(next.get("__proto__", fieldKey({ name: "constructor", index: 0, row: "" }))?.mine, ["x"]);
});

test("only the forms that changed are written, and none if nothing did", () => {
  const storage = memory();
  const { records } = recordsOf(storage);
  records.put("a", field("x", "1"));
  records.put("b", field("x", "1"));
  records.save();
  const before = storage.count();
  records.save();
  assert.equal(storage.count(), before);
  records.put("a", field("x", "2"));
  records.save();
  assert.equal(storage.count(), before + 2, "form a and the list of forms");
});

test("a form that storage refuses stays in memory, harms no other and is tried again", () => {
  let full = true;
  const storage = memory({ refuses: (key) => full && key === "form:big" });
  const { records } = recordsOf(storage);
  records.put("big", field("x", "1"));
  records.put("small", field("x", "1"));
  records.save();
  assert.equal(storage.kept.has("form:small"), true);
  assert.equal(storage.kept.has("form:big"), false);
  assert.deepEqual(records.get("big", fieldKey({ name: "x", index: 0, row: "" }))?.mine, ["1"]);
  full = false;
  records.save();
  assert.equal(storage.kept.has("form:big"), true);
});

test("storage that throws is reported and the records live on in memory", () => {
  const fail = () => {
    throw new Error("denied");
  };
  const { records, errors } = recordsOf({ get: fail, set: fail, remove: fail });
  records.load();
  records.put("a", field("x", "1"));
  records.save();
  records.forget();
  assert.deepEqual(records.names(), []);
  assert.ok(errors.length > 0);
});

test("a malformed stash is reported without its content and dropped, the others are loaded", () => {
  const storage = memory();
  storage.set("forms", ["bad", "worse", "good", 7]);
  storage.set("form:bad", { at: 1000, fields: [{ name: "x", index: 0, base: "s3cret", mine: null }] });
  storage.set("form:worse", "s3cret");
  storage.set("form:good", { at: 1000, fields: [{ name: "x", index: 0, base: [""], mine: ["1"], file: false }] });
  const { records, errors } = recordsOf(storage);
  records.load();
  assert.deepEqual(records.names(), ["good"]);
  assert.equal(errors.length, 2);
  assert.equal(errors.join().includes("s3cret"), false);
  assert.equal(storage.kept.has("form:bad"), false);
});

test("a list of forms that is no list counts as empty", () => {
  const storage = memory();
  storage.set("forms", { a: 1 });
  const { records, errors } = recordsOf(storage);
  records.load();
  assert.deepEqual([records.names(), errors], [[], []]);
});

test("a form older than its max age is dropped; a clock that was set back does not make it older", () => {
  const stored = { at: 1000, fields: [{ name: "x", index: 0, base: [""], mine: ["1"] }] };
  assert.equal(parseForm(stored, 1501, 500).size, 0);
  assert.equal(parseForm(stored, 1500, 500).size, 1);
  assert.equal(parseForm(stored, 0, 500).size, 1);
});

test("clearing a form takes it out of storage at once and leaves the others", () => {
  const storage = memory();
  const { records } = recordsOf(storage);
  records.put("a", field("x", "1"));
  records.put("b", field("x", "1"));
  records.save();
  records.clear("a");
  assert.deepEqual([...storage.kept.keys()].sort(), ["form:b", "forms"]);
  assert.deepEqual(storage.get("forms"), ["b"]);
});

test("forgetting leaves nothing in storage, also of forms that were never loaded", () => {
  const storage = memory();
  const { records } = recordsOf(storage);
  records.put("a", field("x", "1"));
  records.save();
  recordsOf(storage).records.forget();
  assert.equal(storage.kept.size, 0);
});

test("dropping the last field of a form removes the form", () => {
  const storage = memory();
  const { records } = recordsOf(storage);
  const entry = field("x", "1");
  records.put("a", entry);
  records.save();
  records.drop("a", entry);
  records.save();
  assert.deepEqual(records.names(), []);
  assert.equal(storage.kept.size, 0);
});

test("rows of one name are told apart", () => {
  const { records } = recordsOf(memory());
  records.put("a", entryOf({ name: "row", index: 0, base: [""], mine: ["1"] }));
  records.put("a", entryOf({ name: "row", index: 1, base: [""], mine: ["2"] }));
  assert.deepEqual(records.of("a").map((entry) => entry.mine[0]), ["1", "2"]);
});

/** What one page keeps, on each of its visits. */
function visiting() {
  const area = new Area(new FakeStorage(), { now: () => 1000 });
  const at = (/** @type {string} */ place) => area.shelf(`form@${place}:`);
  const storage = { ...at(""), at, place: () => here.place, dealt: assert.fail };
  const here = { place: "one", area, at, records: () => new Records({ storage, now: () => 1000, maxAge: 1000, report: assert.fail }) };
  return here;
}
const typed = (/** @type {string} */ mine) => entryOf({ name: "bio", index: 0, base: [""], mine: [mine] });
const kept = (/** @type {Records} */ records) => records.of("profile").map(({ mine }) => mine[0]);

test("what was typed on a visit stays there when the page moves on and renders its form anew, and is found there again", () => {
  const here = visiting();
  const records = here.records();
  records.put("profile", typed("one's"));
  here.place = "two";
  assert.equal(records.moved(["profile"]), true);
  assert.deepEqual([records.standing, kept(records)], [["profile"], ["one's"]]);
  records.save();
  assert.deepEqual(here.area.keys("form@two:"), [], "as long as it is only left standing");
  records.leave("profile");
  assert.deepEqual([records.standing, kept(records)], [[], []]);
  records.put("profile", typed("two's"));
  here.place = "one";
  assert.equal(records.moved(["profile"]), true);
  records.leave("profile");
  assert.deepEqual(kept(records), ["one's"]);
  const later = here.records();
  later.load();
  assert.deepEqual(kept(later), ["one's"]);
});

test("a form that was left standing goes along as soon as somebody types in it, unless there is one of its name", () => {
  const here = visiting();
  const records = here.records();
  records.put("profile", typed("all over"));
  records.save();
  here.place = "two";
  records.moved(["profile"]);
  records.claim("profile");
  records.save();
  assert.deepEqual([here.at("one").get("form:profile"), records.standing], [null, []]);
  here.at("three").set("form:profile", "its own");
  here.place = "three";
  records.moved(["profile"]);
  records.claim("profile");
  assert.deepEqual(records.standing, ["profile"]);
});

test("what is forgotten stays nowhere, nor does what was left standing", () => {
  const here = visiting();
  const records = here.records();
  records.put("profile", typed("mine"));
  records.save();
  here.place = "two";
  records.moved(["profile"]);
  records.forget();
  assert.deepEqual(here.area.keys(), []);
});

test("a clear of a form that was submitted before the page moved on leaves the next one of the name alone", () => {
  const here = visiting();
  const records = here.records();
  records.put("profile", typed("one's"));
  records.submit("profile");
  here.place = "two";
  records.moved(["profile"]);
  records.leave("profile");
  records.put("profile", typed("two's"));
  records.settle("profile");
  assert.deepEqual([kept(records), here.at("one").get("form:profile")], [["two's"], null]);
  records.settle("profile");
  assert.deepEqual(kept(records), []);
});

test("an index that storage had no room for is written at the next save", () => {
  const storage = new FakeStorage();
  const shelf = new Area(storage, { now: () => 1000 }).shelf("");
  const set = shelf.set;
  const records = new Records({ storage: shelf, now: () => 1000, maxAge: 1000, report: assert.fail });
  records.put("profile", entryOf({ name: "bio", index: 0, base: [""], mine: ["typed"] }));
  shelf.set = (key, value) => key !== "forms" && set(key, value);
  records.save();
  shelf.set = set;
  records.save();
  const later = new Records({ storage: shelf, now: () => 1000, maxAge: 1000, report: assert.fail });
  later.load();
  assert.deepEqual(later.names(), ["profile"]);
});

test("two that share a place, such as for the document and for a part of it, do not make each other's forms unfindable", () => {
  const storage = memory();
  const [{ records: whole }, { records: part }] = [recordsOf(storage), recordsOf(storage)];
  whole.put("a", entryOf({ name: "x", index: 0, base: [""], mine: ["1"] }));
  whole.save();
  part.put("b", entryOf({ name: "x", index: 0, base: [""], mine: ["2"] }));
  part.save();
  const { records: later } = recordsOf(storage);
  later.load();
  assert.deepEqual(later.names().sort(), ["a", "b"]);
  part.clear("b");
  whole.clear("a");
  assert.equal(storage.kept.size, 0);
});

test("once a submitted form is dealt with, what was typed since is kept, and the rest is gone", () => {
  const storage = memory();
  const { records } = recordsOf(storage);
  for (const name of ["same", "more"]) records.put("f", field(name, "submitted"));
  records.submit("f");
  const more = records.of("f").find(({ name }) => name === "more");
  if (more) records.put("f", { ...more, mine: ["submitted, and more"] });
  records.put("f", field("later", "x"));
  for (let times = 0; times < 2; times += 1) {
    assert.equal(records.settle("f"), true);
    assert.deepEqual(records.of("f").map(({ name }) => name), ["more", "later"]);
  }
  assert.doesNotMatch(storage.kept.get("form:f") ?? "", /same/);
});

test("that a form was submitted, and as what, outlives the page", () => {
  const storage = memory();
  const { records } = recordsOf(storage);
  records.put("f", field("same", "submitted"));
  records.submit("f");
  records.put("f", field("later", "x"));
  records.save();
  const next = recordsOf(storage).records;
  next.load();
  assert.deepEqual(next.of("f").map(({ sent }) => sent), [[["submitted"]], undefined]);
  next.settle("f");
  assert.deepEqual(next.of("f").map(({ name }) => name), ["later"]);
});

test("of two submits the first that is dealt with costs nothing of the second", () => {
  const { records } = recordsOf(memory());
  records.put("f", field("text", "one"));
  records.submit("f");
  records.put("f", { ...field("text", "two"), sent: [["one"]] });
  records.submit("f");
  records.settle("f");
  assert.deepEqual(records.of("f").map(({ mine }) => mine), [["two"]]);
  records.settle("f");
  assert.deepEqual(records.of("f"), []);
});

test("only what went up is known to the server", () => {
  const { records } = recordsOf(memory());
  records.put("f", field("text", "a"));
  records.put("f", field("text", "ab"));
  records.say();
  records.say();
  assert.deepEqual(records.of("f").map(({ said }) => said), [[digest(["ab"])]]);
});

test("a form that was not submitted is dropped as a whole once it is dealt with", () => {
  const storage = memory();
  const { records } = recordsOf(storage);
  records.put("f", field("name", "Ann"));
  records.submit("other");
  assert.equal(records.settle("f"), false);
  assert.deepEqual(records.of("f"), []);
  assert.equal(storage.kept.has("form:f"), false);
});

test("a submitted form that is reset has nothing left, and what is typed then outlives that it is dealt with", () => {
  const { records } = recordsOf(memory());
  records.put("f", field("text", "hello"));
  records.submit("f");
  records.clear("f");
  records.put("f", field("text", "hello again"));
  records.settle("f");
  assert.deepEqual(records.of("f").map(({ mine }) => mine), [["hello again"]]);
});

test("what is typed into a control knows what was submitted from it and dealt with", () => {
  const { records } = recordsOf(memory());
  const control = {};
  records.put("f", { ...field("text", "hello"), control });
  records.submit("f");
  assert.deepEqual(records.before(control, undefined), {});
  records.settle("f");
  assert.deepEqual(records.before(control, undefined), { said: [digest(["hello"])] });
});
