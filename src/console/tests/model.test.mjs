// Lives here: tests of what the page makes of the server's answer, and of its memory.
// Not here: asking for it (poll.test.mjs).

import assert from "node:assert/strict";
import { test } from "node:test";

import { History, MOST_BORDERS, borders, changed, partitionOf, read, spread } from "../model.js";
import { MockWorld } from "./mock-world.mjs";

const world = new MockWorld();
world.run(130);
const answer = world.state();

test("the answer is read, whether its status lists hosts or is the host", () => {
  const state = read(answer);
  assert.deepEqual(read({ ...answer, status: { ...answer.status.hosts[0] } }), { ...state, version: null });
  assert.equal(state.world, "meadow");
  assert.equal(state.mode, "on");
  assert.equal(state.connected, 1000);
  assert.equal(state.things, 1700);
  assert.ok(state.changes.length > 5 && state.regions.length > 15 && state.people.length === 2000);
});

test("regions come in line order and their figures are taken over", () => {
  const host = answer.status.hosts[0];
  const state = read({ ...answer, status: { ...host, regions: [...host.regions].reverse() } });
  assert.deepEqual(state.regions.map(({ id }) => id), host.regions.map(({ id }) => id));
  const [told] = host.regions;
  const [region] = state.regions;
  assert.deepEqual(region.busy, Object.entries(told.busy).map(([name, share]) => ({ name, share })));
  assert.deepEqual([region.lateness, region.pause, region.dilation], [told.lateness_ms, told.last_pause_ms, 1]);
  assert.equal(state.lateness, Math.max(...host.regions.map((one) => one.lateness_ms)));
});

test("a server that tells less is shown with less", () => {
  const state = read({ status: { regions: [{ id: 1, from: 0, to: 4 }], workers: [{ worker: 0 }] }, map: { cells: 0, line: 4 } });
  const [region] = state.regions;
  assert.deepEqual([region.load, region.pinned, region.dilation, region.pause, region.border], [0, false, 1, null, []]);
  assert.deepEqual([state.mode, state.changes, state.people, state.spread, state.lateness], ["off", [], [], null, 0]);
});

test("what is no state is refused", () => {
  for (const wrong of [null, {}, { status: {} }, { map: {} }]) assert.throws(() => read(wrong), /no state/);
});

test("things that count are entities on a map, objects without one", () => {
  const region = { id: 1, from: 0, to: 4, entities: 3, objects: 50 };
  const things = (cells) => read({ status: { regions: [region] }, map: { cells, side: 2, line: 8 } }).things;
  assert.deepEqual([things(4), things(0)], [3, 50]);
});

test("the spread is max over mean, and none where nothing is to be spread", () => {
  const of = (...loads) => spread(loads.map((load, worker) => ({ worker, load })));
  assert.equal(of(0.75, 0.25), 1.5);
  assert.equal(of(0.25, 0.25, 0.25), 1);
  assert.deepEqual([of(), of(0.01, 0.001)], [null, null]);
});

test("changed are regions that are new, cut otherwise or elsewhere", () => {
  const before = [{ id: 1, from: 0, to: 4, worker: 0 }, { id: 2, from: 4, to: 8, worker: 0 }, { id: 3, from: 8, to: 16, worker: 1 }];
  const after = [{ id: 1, from: 0, to: 4, worker: 0 }, { id: 2, from: 4, to: 8, worker: 1 }, { id: 3, from: 8, to: 12, worker: 1 }, { id: 4, from: 12, to: 16, worker: 1 }];
  assert.deepEqual(changed(before, after), [2, 3, 4]);
  assert.deepEqual(changed(before, before), []);
});

test("a merge changes what is left, not what is gone", () => {
  const before = [{ id: 1, from: 0, to: 4, worker: 0 }, { id: 2, from: 4, to: 8, worker: 0 }];
  assert.deepEqual(changed(before, [{ id: 1, from: 0, to: 8, worker: 0 }]), [1]);
});

test("the partition's word changes with cuts, not with threads or loads", () => {
  const state = read(answer);
  const first = state.regions[0];
  const with_ = (region) => partitionOf({ ...state, regions: [region, ...state.regions.slice(1)] });
  assert.equal(with_({ ...first, worker: 7, load: 1 }), partitionOf(state));
  assert.notEqual(with_({ ...first, to: first.to - 1 }), partitionOf(state));
});

test("a border has one line, as busy as the busier side says; unknown neighbours have none", () => {
  const regions = [
    { id: 7, border: [{ region: 9, rate: 5 }, { region: 8, rate: 2 }, { region: 99, rate: 50 }, { region: 7, rate: 3 }] },
    { id: 8, border: [{ region: 7, rate: 4 }] },
    { id: 9, border: [{ region: 7, rate: 1 }] },
  ];
  assert.deepEqual(borders(regions), [{ a: 0, b: 2, rate: 5 }, { a: 0, b: 1, rate: 4 }]);
});

test("only the busiest borders are drawn", () => {
  const count = MOST_BORDERS + 30;
  const regions = Array.from({ length: count + 1 }, (_, id) => ({ id, border: id > 0 ? [{ region: 0, rate: id }] : [] }));
  const shown = borders(regions);
  assert.equal(shown.length, MOST_BORDERS);
  assert.equal(shown[0].rate, count);
});

test("the history holds so many moments and no more, of each figure the same number", () => {
  const history = new History(4);
  history.add({ a: 1 });
  history.add({ a: 2, b: 20 });
  assert.deepEqual([history.of("a"), history.of("b"), history.of("c")], [[1, 2], [null, 20], []]);
  for (let i = 3; i < 100; i += 1) history.add({ a: i, b: null });
  assert.deepEqual([history.of("a"), history.of("b")], [[96, 97, 98, 99], [null, null, null, null]]);
});

test("a figure that is told no more is forgotten in the end", () => {
  const history = new History(3);
  history.add({ gone: 1, here: 1 });
  for (let i = 0; i < 3; i += 1) history.add({ here: 1 });
  assert.deepEqual([...history.figures.keys()], ["here"]);
});

test("time without answers is a gap, and the longest silence costs no more than the history", () => {
  const history = new History(5);
  history.add({ a: 1 });
  history.skip(2);
  history.add({ a: 2 });
  assert.deepEqual(history.of("a"), [1, null, null, 2]);
  history.skip(-1);
  history.skip(1e12);
  assert.deepEqual([history.of("a"), history.length], [[], 5]);
});
