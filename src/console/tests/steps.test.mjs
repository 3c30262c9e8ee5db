// Lives here: tests of where keys lead from region to region.
// Not here: the keys themselves.

import assert from "node:assert/strict";
import { test } from "node:test";

import { neighbour } from "../steps.js";

const PLACES = { 1: { x: 10, y: 10 }, 2: { x: 30, y: 12 }, 3: { x: 12, y: 40 }, 4: { x: 80, y: 11 }, 5: null };
const REGIONS = [1, 2, 3, 4, 5].map((id) => ({ id }));
const step = (id, key) => neighbour(REGIONS, id, key, (one) => PLACES[one]);

for (const [id, key, expected] of [
  [1, "ArrowRight", 2],
  [2, "ArrowRight", 4],
  [4, "ArrowRight", null],
  [2, "ArrowLeft", 1],
  [1, "ArrowDown", 3],
  [3, "ArrowUp", 1],
  [1, "ArrowUp", null],
  [4, "ArrowDown", null],
  [3, "ArrowDown", null],
  [5, "ArrowLeft", null],
  [null, "ArrowRight", 1],
  [4, "Home", 1],
  [1, "End", 5],
  [2, "PageDown", 3],
  [5, "PageDown", 5],
  [2, "PageUp", 1],
  [1, "PageUp", 1],
  [1, "x", null],
]) {
  test(`from ${id} by ${key} to ${expected}`, () => assert.equal(step(id, key), expected));
}

test("without regions no key leads anywhere", () => assert.equal(neighbour([], 1, "Home", () => null), null));
