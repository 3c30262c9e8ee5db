// Lives here: tests of how the line lies on the map: the curve, owners of blocks, outlines, places for names.
// Not here: what is drawn of it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { MOST_SIDE, mapGrid, owners, shardGrid, strip, unhilbert } from "../curve.js";
import { anchors, lines } from "../shape.js";

/** Regions that cut the line at these homes. */
const cut = (...cuts) => cuts.slice(1).map((to, i) => ({ id: i + 1, from: cuts[i], to }));
const mapOf = (side, shards = 16) => ({ cell: 32, side, cells: side * side, line: side * side + shards });

/** The owners as rows of letters: a, b, …, and a dot for nobody. */
function picture(owner, side) {
  const letters = [...owner].map((index) => (index < 0 ? "." : "abcdefgh"[index]));
  return Array.from({ length: side }, (_, row) => letters.slice(row * side, (row + 1) * side).join(""));
}

/** The reverse of `picture`. */
const owned = (rows) => Int32Array.from(rows.join(""), (letter) => (letter === "." ? -1 : "abcdefgh".indexOf(letter)));

test("the curve is that of world-data: these numbers were printed by it", () => {
  const four = [[0, 0], [1, 0], [1, 1], [0, 1], [0, 2], [0, 3], [1, 3], [1, 2], [2, 2], [2, 3], [3, 3], [3, 2], [3, 1], [2, 1], [2, 0], [3, 0]];
  assert.deepEqual(four.map((_, at) => unhilbert(4, at)), four);
  const sixtyFour = [[0, 0, 0], [1, 1, 0], [100, 4, 14], [1023, 0, 31], [1024, 0, 32], [2048, 32, 32], [3000, 54, 34], [4095, 63, 0]];
  for (const [at, x, y] of sixtyFour) assert.deepEqual(unhilbert(64, at), [x, y]);
});

test("a coarse curve is the fine one seen from farther away", () => {
  for (let at = 0; at < 4096; at += 1) {
    const coarse = unhilbert(16, Math.floor(at / 16));
    assert.deepEqual(unhilbert(64, at).map((v) => v >> 2), coarse);
  }
});

test("the largest map's last cell is found", () => {
  const side = 65_536;
  const [x, y] = unhilbert(side, side * side - 1);
  assert.deepEqual([Math.max(x, y), Math.min(x, y)], [side - 1, 0]);
});

test("each cell belongs to the region whose interval holds it", () => {
  const map = mapOf(4);
  const owner = owners(mapGrid(map), cut(0, 4, 9, 16, 32));
  assert.deepEqual(picture(owner, 4), ["aacc", "aacc", "bbbc", "bbcc"]);
});

test("a home that no region holds is nobody's", () => {
  const regions = [{ id: 1, from: 0, to: 4 }, { id: 2, from: 8, to: 12 }];
  assert.deepEqual(picture(owners(mapGrid(mapOf(4)), regions), 4), ["aa..", "aa..", "..bb", "..bb"]);
});

test("a map larger than can be drawn is drawn in blocks", () => {
  const map = mapOf(1024);
  const grid = mapGrid(map);
  assert.equal(grid.side, MOST_SIDE);
  const owner = owners(grid, cut(0, map.cells / 4, map.cells / 2, map.line));
  const counts = [0, 1, 2].map((index) => owner.filter((one) => one === index).length);
  assert.deepEqual(counts, [16_384, 16_384, 32_768]);
});

test("a block that is cut belongs to whom its middle belongs to", () => {
  const map = mapOf(512); // 4 cells to a block
  const first = (to) => owners(mapGrid(map), cut(0, to, map.line))[0];
  assert.deepEqual([first(1), first(2), first(3), first(4)], [1, 1, 0, 0]);
});

test("a world without a map shows its shards; what is behind the last is nobody's", () => {
  const map = { cell: 32, side: 0, cells: 0, line: 12 };
  assert.equal(mapGrid(map), null);
  const owner = owners(shardGrid(map), cut(0, 4, 12));
  assert.deepEqual(picture(owner, 4), ["aa..", "aa..", "bbbb", "bbbb"]);
});

test("more shards than blocks are spread over all blocks", () => {
  const map = { cell: 32, side: 0, cells: 0, line: 100_000 };
  const owner = owners(shardGrid(map), cut(0, 50_000, 100_000));
  assert.deepEqual([0, 1].map((index) => owner.filter((one) => one === index).length), [32_768, 32_768]);
});

test("the strip holds the shards, also of a region that reaches over the map's end", () => {
  const parts = strip(mapOf(4, 16), cut(0, 8, 20, 24, 32));
  assert.deepEqual(parts, [{ index: 1, from: 0, to: 0.25 }, { index: 2, from: 0.25, to: 0.5 }, { index: 3, from: 0.5, to: 1 }]);
});

test("lines run between owners, joined; the square's edge is none of them", () => {
  const owner = owned(["aab", "aab", "ccc"]);
  assert.deepEqual(lines(owner, 3).sort(), [[0, 2, 3, 2], [2, 0, 2, 2]]);
});

test("the outline of one owner goes all around it, also along the edge", () => {
  const owner = owned(["aab", "aab", "ccc"]);
  assert.deepEqual(lines(owner, 3, 0).sort(), [[0, 0, 0, 2], [0, 0, 2, 0], [0, 2, 2, 2], [2, 0, 2, 2]]);
});

test("a name stands in the middle of a region's roomiest part", () => {
  const owner = owned(["aaaabb", "aaaabb", "aaaabb", "aaaabb", "bbbbbb", "bbbbbb"]);
  const [a, b] = anchors(owner, 6, 2);
  assert.deepEqual(a, { x: 2, y: 2, room: 1.5 });
  assert.equal(owner[Math.floor(b.y) * 6 + Math.floor(b.x)], 1, "its own place, though its middle is not its own");
});

test("the room of a place is counted to all sides", () => {
  const around = [".......", ".......", "..aaaaa", "..aaaaa", "..aaaaa", "..aaaaa", "..aaaaa"];
  for (const rows of [around, [...around].reverse(), around.map((row) => [...row].reverse().join(""))]) {
    const [a] = anchors(owned(rows), 7, 1);
    assert.deepEqual([a.room, Math.abs(a.x - 3.5), Math.abs(a.y - 3.5)], [2.5, 1, 1]);
  }
});

test("the place of a long region is near its middle, not at its end", () => {
  const [a] = anchors(owned(["aaaaaaaa", "bbbbbbbb", "bbbbbbbb", "bbbbbbbb", "bbbbbbbb", "bbbbbbbb", "bbbbbbbb", "bbbbbbbb"]), 8, 2);
  assert.ok(Math.abs(a.x - 4) <= 0.5 && a.y === 0.5, `${a.x}, ${a.y}`);
});

test("a region off the map has no place on it", () => {
  assert.equal(anchors(owned(["aa", "aa"]), 2, 2)[1], null);
});
