// Lives here: tests of what the client knows of the world, and of where it shows it.
// Not here: sockets (session.test.js).

import assert from "node:assert/strict";
import { test } from "node:test";

import { FrameClock, Store } from "../brightstar.js";

const SHEEP = { k: "sheep" };
const BOB = { k: "player", name: "Bob" };

/** What the store lists: `id@cell:x,y`, sorted; checks the invariant on the way. */
function listed(store) {
  const cells = new Map();
  for (const [cell, ids] of store.cells) for (const id of ids) cells.set(id, [...(cells.get(id) ?? []), cell]);
  for (const entity of store.entities.values()) {
    assert.ok(cells.get(entity.id).includes(entity.cell), "an entity's cell lists it");
  }
  assert.deepEqual([...cells.keys()].sort(), [...store.entities.keys()].sort());
  return [...store.entities.values()].map((e) => `${e.id}@${e.cell}:${e.x},${e.y}`).sort().join(" ");
}

function drawn(store, t) {
  const seen = [];
  store.show(t, (e) => seen.push(`${e.id}:${e.shown.x},${e.shown.y}`));
  return seen.sort().join(" ");
}

function storeWith(...frames) {
  const store = new Store(20);
  frames.forEach((cells, i) => store.frame(i + 1, cells));
  return store;
}

test("a full cell replaces what was known of it, and of it only", () => {
  const store = storeWith(
    [[1, 1, [[10, 0, 0, SHEEP], [11, 1, 1, SHEEP]], []], [2, 1, [[20, 9, 9, SHEEP]], []]],
    [[1, 1, [[11, 2, 2, BOB], [12, 3, 3, SHEEP]], []]],
  );
  assert.equal(listed(store), "11@1:2,2 12@1:3,3 20@2:9,9");
  assert.deepEqual(store.entities.get(11).view, BOB);
});

test("a delta moves, adds, changes and removes", () => {
  const store = storeWith(
    [[1, 1, [[10, 0, 0, SHEEP], [11, 1, 1, SHEEP]], []]],
    [[1, 0, [[10, 5, 0], [12, 3, 3, BOB]], [[11, null]]]],
  );
  assert.equal(listed(store), "10@1:5,0 12@1:3,3");
  assert.deepEqual(store.entities.get(10).view, SHEEP);
  store.frame(3, [[1, 0, [[10, 5, 0, BOB]], []]]);
  assert.deepEqual(store.entities.get(10).view, BOB);
});

test("forget drops the cell's entities, and drawing them, at once", () => {
  const store = storeWith([[1, 1, [[10, 0, 0, SHEEP]], []], [2, 1, [[20, 9, 9, SHEEP]], []]]);
  store.forget([1, 77]);
  assert.equal(listed(store), "20@2:9,9");
  assert.equal(drawn(store, 50), "20:9,9");
});

const LEAVES = [1, 0, [], [[10, 2]]];
const ARRIVES = [2, 0, [[10, 33, 0, SHEEP]], []];
const BEFORE = [[1, 1, [[10, 31, 0, SHEEP]], []]];

test("a crossing ends the same in every order of its parts", () => {
  const orders = [
    [BEFORE, [LEAVES, ARRIVES]],
    [BEFORE, [ARRIVES, LEAVES]],
    [BEFORE, [LEAVES], [ARRIVES]],
    [BEFORE, [ARRIVES], [LEAVES]],
  ];
  for (const frames of orders) {
    const store = storeWith(...frames);
    assert.equal(listed(store), "10@2:33,0");
    assert.equal(store.leaving.size, 0);
  }
});

test("an entity between two cells is drawn on, with its motion, and listed nowhere", () => {
  const store = storeWith(BEFORE, [LEAVES]);
  assert.equal(listed(store), "");
  assert.equal(drawn(store, 100), "10:31,0");
  assert.equal(store.find(10).crossing, true);
  store.frame(3, [ARRIVES]);
  assert.equal(drawn(store, 125), "10:32,0");
  assert.equal(store.find(10).crossing, false);
});

test("an entity that walks out of view is drawn no longer than a moment", () => {
  const store = storeWith(BEFORE, [LEAVES]);
  store.frame(20, []);
  assert.equal(drawn(store, 1000), "");
  assert.equal(store.leaving.size, 0);
});

test("an entity that is gone is drawn until its end is shown", () => {
  const store = storeWith(BEFORE, [[1, 0, [], [[10, null]]]]);
  assert.equal(listed(store), "");
  assert.equal(store.find(10), undefined);
  assert.equal(drawn(store, 99), "10:31,0");
  assert.equal(drawn(store, 100), "");
});

test("there and back: the cell it came back to wins, though the other's word comes last", () => {
  const store = storeWith(
    BEFORE,
    [LEAVES],
    [[1, 0, [[10, 30, 0, SHEEP]], []]], // back already
    [ARRIVES], // the other region's word of the time between
    [[2, 0, [], [[10, 1]]]],
  );
  assert.equal(listed(store), "10@1:30,0");
});

test("a full of the new cell is an arrival too, and a late full of the old one is none", () => {
  const store = storeWith(BEFORE, [[2, 1, [[10, 33, 0, SHEEP]], []]], [[1, 1, [], []]]);
  assert.equal(listed(store), "10@2:33,0");
});

test("forgetting the old cell does not take what has moved on", () => {
  const store = storeWith(BEFORE, [ARRIVES]);
  store.forget([1]);
  assert.equal(listed(store), "10@2:33,0");
});

test("the first frame after a reconnect replaces everything, without a blink", () => {
  const store = storeWith(BEFORE, [[2, 1, [[20, 9, 9, SHEEP]], []]]);
  store.expire();
  assert.equal(listed(store), "10@1:31,0 20@2:9,9");
  store.frame(1, [[1, 1, [[10, 31, 0, SHEEP]], []]]);
  assert.equal(listed(store), "10@1:31,0");
  assert.equal(drawn(store, 50), "10:31,0 20:9,9");
  assert.equal(drawn(store, 5000), "10:31,0");
});

test("random walks of a crowd over cells in any order of parts end as the model says", () => {
  let seed = 4242;
  const random = (below) => Math.floor(((seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) / 2 ** 32) * below);
  const store = new Store(20);
  const where = new Map();
  const queues = [[], [], [], []]; // each cell's parts stay in order; cells overtake each other
  for (let tick = 1; tick <= 3000; tick += 1) {
    const id = random(12);
    const from = where.get(id);
    const to = random(5) === 0 ? null : random(4);
    if (from !== undefined && from !== to) queues[from].push([from, 0, [], [[id, to]]]);
    if (to !== null) queues[to].push([to, 0, [[id, tick, to, SHEEP]], []]);
    if (to === null) where.delete(id);
    else where.set(id, to);
    const queue = queues[random(4)];
    store.frame(tick, queue.splice(0, 1 + random(3)));
    assert.ok(store.entities.size <= 12);
    listed(store);
  }
  for (const queue of queues) store.frame(3001, queue);
  const model = [...where].map(([id, cell]) => `${id}@${cell}`).sort();
  assert.deepEqual([...store.entities.values()].map((e) => `${e.id}@${e.cell}`).sort(), model);
});

test("between two frames entities are in between", () => {
  const store = storeWith([[1, 1, [[10, 0, 0, SHEEP]], []]], [[1, 0, [[10, 1, 2]], []]]);
  assert.equal(drawn(store, 0), "10:0,0");
  assert.equal(drawn(store, 75), "10:0.5,1");
  assert.equal(drawn(store, 1000), "10:1,2");
});

test("after standing still an entity starts when it did, not when it was last heard of", () => {
  const store = storeWith([[1, 1, [[10, 0, 0, SHEEP]], []]]);
  store.frame(40, [[1, 0, [[10, 0.3, 0]], []]]);
  assert.equal(drawn(store, 39 * 50), "10:0,0");
  assert.equal(drawn(store, 39.5 * 50), "10:0.15,0");
});

test("a jump is not drawn as a slide", () => {
  const store = storeWith([[1, 1, [[10, 0, 0, SHEEP]], []]], [[1, 0, [[10, 900, 0]], []]]);
  assert.equal(drawn(store, 75), "10:900,0");
});

test("the clock shows 100 ms late on an even line, and later on an uneven one", () => {
  const even = new FrameClock(20);
  for (let tick = 0; tick < 100; tick += 1) even.arrived(tick, 5000 + tick * 50);
  assert.equal(even.delay, 100);
  assert.equal(even.time(5000 + 99 * 50), 99 * 50 - 100);
  const uneven = new FrameClock(20);
  for (let tick = 0; tick < 100; tick += 1) uneven.arrived(tick, 5000 + tick * 50 + (tick % 4) * 30);
  assert.ok(uneven.delay > 150 && uneven.delay < 250, `delay ${uneven.delay}`);
});

test("the clock never runs back, and catches up with a server that lost time", () => {
  const clock = new FrameClock(20);
  let shown = -Infinity;
  let late = 0;
  for (let now = 0; now < 20_000; now += 16) {
    if (now > 8000) late = 300; // the server stood still for 300 ms
    if (now % 48 === 0) clock.arrived(Math.floor((now - late) / 50), now);
    const time = clock.time(now);
    if (now > 100) assert.ok(time >= shown, `${time} after ${shown}`);
    shown = time;
  }
  const behind = 20_000 - 300 - shown;
  assert.ok(behind > 80 && behind < 220, `${behind} ms behind`);
});
