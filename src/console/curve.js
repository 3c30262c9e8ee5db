// Lives here: the curve and how lines of homes lie on a square: who owns which block of it.
// Not here: drawing (map.js), outlines and places for names (shape.js).
// Invariant: `unhilbert` is the curve of world-data/src/line.rs; its numbers stand in the tests.

/** Most blocks per side that are drawn; on a larger map a block stands for several cells. */
export const MOST_SIDE = 256;

/** Column and row of the `at`-th cell of the curve over a square of `side` cells. */
export function unhilbert(side, at) {
  let [x, y, rest] = [0, 0, at];
  for (let s = 1; s < side; s *= 2) {
    const rx = 1 & (rest / 2);
    const ry = 1 & (rest ^ rx);
    if (ry === 0) [x, y] = rx === 1 ? [s - 1 - y, s - 1 - x] : [y, x];
    x += s * rx;
    y += s * ry;
    rest = Math.floor(rest / 4);
  }
  return [x, y];
}

/** The square of the map's cells, or null for a world without a map. */
export function mapGrid(map) {
  return map.cells > 0 ? grid(0, map.cells, Math.min(map.side, MOST_SIDE)) : null;
}

/** A square for the shards of a world without a map: laid along the same curve. */
export function shardGrid(map) {
  const shards = Math.max(1, map.line - map.cells);
  let side = 1;
  while (side < MOST_SIDE && side * side < shards) side *= 2;
  return grid(map.cells, shards, side);
}

/** Homes `first` .. `first + count` on `side` × `side` blocks. */
function grid(first, count, side) {
  return { first, count, side, homes: Math.max(1, count / (side * side)) };
}

/** The home in the middle of the `at`-th block along the curve, or null behind the last home. */
function homeOf(grid_, at) {
  const home = grid_.first + Math.floor((at + 0.5) * grid_.homes);
  return home < grid_.first + grid_.count ? home : null;
}

/** For each block, row by row: the place in `regions` (in line order) of its owner, or -1. */
export function owners(grid_, regions) {
  const { side } = grid_;
  const owner = new Int32Array(side * side).fill(-1);
  let k = 0;
  for (let at = 0; at < side * side; at += 1) {
    const home = homeOf(grid_, at);
    if (home === null) break;
    while (k < regions.length && regions[k].to <= home) k += 1;
    if (k === regions.length) break;
    if (regions[k].from > home) continue;
    const [column, row] = unhilbert(side, at);
    owner[row * side + column] = k;
  }
  return owner;
}

/** The part of the strip of shards that each region holds, as shares: `{index, from, to}`. */
export function strip(map, regions) {
  const shards = map.line - map.cells;
  if (!(shards > 0)) return [];
  return regions
    .map((region, index) => ({
      index,
      from: Math.max(0, region.from - map.cells) / shards,
      to: Math.min(shards, Math.max(0, region.to - map.cells)) / shards,
    }))
    .filter(({ from, to }) => to > from);
}
