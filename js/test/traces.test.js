/** Traces of docs/traces.md that show on the client alone, and that no other file is about. */

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { Network, Tab, pass, record, rest, stage } from "./world.js";

/** @type {Tab} */
let tab;
/** @type {ReturnType<Tab["load"]>} */
let page;
/** @type {Network} */
let network;

const open = stage((made) => ({ tab, page, network } = made));
const views = () => [...tab.session.items].filter(([key]) => key.includes("|view:")).map(([, value]) => JSON.parse(value).v);

test("trace 4: a process that can't judge the token changes nothing, and a fitting one gets it with all that is not in it", async () => {
  const socket = open();
  const heard = record(socket);
  await rest();
  socket.send("a");
  network.last.server.settle();
  network.last.end(1006);
  socket.send("b");
  const before = views();
  for (let roll = 0; roll < 3; roll += 1) {
    network.mood = "hang";
    await pass(10_000);
    network.last.deaf = true;
    network.last.accept();
    network.last.end(4409);
    assert.deepEqual(views(), before);
  }
  network.mood = "accept";
  await pass(10_000);
  network.last.server.settle();
  assert.deepEqual(network.last.server.view, { list: ["a", "b"], n: 2 });
  assert.ok(!heard.some(({ type }) => type === "lost" || type === "close"));
});

test("trace 7: a view that is finished while a drain runs is not mounted again, neither ahead nor after a reload", async () => {
  const socket = open();
  const heard = record(socket);
  await rest();
  socket.send("a");
  const [old] = network.sockets;
  old?.server.drain();
  await rest();
  assert.equal(network.sockets.length, 2, "the next socket is open");
  old?.server.send({ type: "finished", received: 1 });
  await pass(60_000);
  assert.deepEqual([network.sockets.length, network.last.said], [2, []]);
  assert.equal(network.last.readyState, 3);
  assert.deepEqual(heard.at(-1), { type: "close", code: 1000 });
  page.fire("pagehide");
  page = tab.load();
  open();
  await rest();
  assert.deepEqual([network.last.said[0].sent, network.last.said[0].token], [0, undefined]);
});

test("trace 11: a bare 1000, before the view is mounted or after, is followed by another attempt, and the token is kept", async () => {
  const socket = open();
  const heard = record(socket);
  await rest();
  socket.send("a");
  network.last.server.settle();
  const [token] = views().map((view) => view.token);
  socket.send("b");
  network.last.end(1000);
  network.mood = "hang";
  await pass(100);
  network.last.deaf = true;
  network.last.accept();
  assert.equal(network.last.said[0].type, "mount");
  network.last.end(1000);
  assert.deepEqual(views().map((view) => [view.token, view.outbox]), [[token, ["b"]]]);
  network.mood = "accept";
  await pass(200);
  network.last.server.settle();
  assert.deepEqual(network.last.server.view.list, ["a", "b"]);
  assert.ok(!heard.some(({ type }) => type === "close" || type === "lost"));
});

for (const off of [-86_400_000, 86_400_000]) {
  test(`trace 27: a client's clock that is a day ${off < 0 ? "slow" : "fast"} changes nothing, nor does putting it right`, async () => {
    const now = 1_700_000_000_000;
    mock.timers.setTime(now + off);
    tab = new Tab();
    page = tab.load();
    const first = open();
    await rest();
    first.send("a");
    network.last.server.settle();
    first.send("b");
    network.last.server.send({ type: "keep", key: "k", token: "sealed", area: "tab", max_age: 900 });
    // Another history entry, and back, as if that took a minute.
    page.fire("pagehide");
    const entry = tab.state;
    tab.state = null;
    page = tab.load();
    open();
    await pass(60_000);
    page.fire("pagehide");
    tab.state = entry;
    page = tab.load();
    open();
    await pass(500);
    const { server, said } = network.last;
    server.send({ type: "restore", key: "k", area: "tab" });
    assert.deepEqual(said.at(-1), { type: "kept", key: "k", token: "sealed" });
    assert.deepEqual([server.view.list, server.inbox], [["a"], ["b"]]);
    page.fire("pagehide");
    mock.timers.setTime(now + 120_000);
    page = tab.load();
    open();
    await pass(500);
    network.last.server.settle();
    assert.deepEqual(network.last.server.view.list, ["a", "b"]);
  });
}
