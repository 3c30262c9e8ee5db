// Lives here: shapes on a square of owned blocks: the lines between regions, the roomiest place of each.
// Not here: who owns which block (curve.js), drawing (map.js).

/**
 * The lines along which blocks of different owners meet, as `[x1, y1, x2, y2]` in blocks, straight
 * pieces joined. With `only`: just the outline of that owner, the square's edge included.
 */
export function lines(owner, side, only = null) {
  const at = (column, row) => (column < 0 || row < 0 || column >= side || row >= side ? null : owner[row * side + column]);
  const apart = (a, b) => a !== b && (only === null ? a !== null && b !== null : a === only || b === only);
  const found = [];
  for (let line = 0; line <= side; line += 1) {
    runs(side, (i) => apart(at(line - 1, i), at(line, i)), (from, to) => found.push([line, from, line, to]));
    runs(side, (i) => apart(at(i, line - 1), at(i, line)), (from, to) => found.push([from, line, to, line]));
  }
  return found;
}

/** Tells of each longest stretch of 0..count in which `is` holds. */
function runs(count, is, tell) {
  let from = -1;
  for (let i = 0; i <= count; i += 1) {
    const here = i < count && is(i);
    if (here && from < 0) from = i;
    if (!here && from >= 0) {
      tell(from, i);
      from = -1;
    }
  }
}

/**
 * The place of each owner that is farthest from its edges, `{x, y, room}` in blocks: `room` blocks
 * around it are its own. An owner without blocks has null.
 */
export function anchors(owner, side, count) {
  const depth = depths(owner, side);
  const middle = middles(owner, side, count);
  const best = Array.from({ length: count }, () => null);
  owner.forEach((index, cell) => {
    if (index < 0) return;
    const [x, y] = [(cell % side) + 0.5, Math.floor(cell / side) + 0.5];
    const far = Math.hypot(x - middle[index].x, y - middle[index].y);
    const known = best[index];
    if (known && (known.depth > depth[cell] || (known.depth === depth[cell] && known.far <= far))) return;
    best[index] = { x, y, far, depth: depth[cell], cell };
  });
  return best.map((found, index) => found && settled(found, owner, depth, side, index));
}

/** Blocks to the nearest block of somebody else, itself counted: 1 at the edge. */
function depths(owner, side) {
  const depth = new Int32Array(owner.length);
  const pass = (order, around) => {
    for (const cell of order) {
      const [column, row] = [cell % side, Math.floor(cell / side)];
      let least = depth[cell] || side;
      for (const [dx, dy] of around) {
        const [x, y] = [column + dx, row + dy];
        const inside = x >= 0 && y >= 0 && x < side && y < side && owner[y * side + x] === owner[cell];
        least = Math.min(least, inside ? (depth[y * side + x] || side) + 1 : 1);
      }
      depth[cell] = least;
    }
  };
  const order = owner.map((_, cell) => cell);
  pass(order, [[-1, -1], [0, -1], [1, -1], [-1, 0]]);
  pass(order.reverse(), [[1, 1], [0, 1], [-1, 1], [1, 0]]);
  return depth;
}

function middles(owner, side, count) {
  const sums = Array.from({ length: count }, () => ({ x: 0, y: 0, n: 0 }));
  owner.forEach((index, cell) => {
    if (index < 0) return;
    sums[index].x += (cell % side) + 0.5;
    sums[index].y += Math.floor(cell / side) + 0.5;
    sums[index].n += 1;
  });
  return sums.map(({ x, y, n }) => ({ x: x / n, y: y / n }));
}

/** The middle of the best block and those beside it that are as good: a square of 4 has no middle block. */
function settled(found, owner, depth, side, index) {
  let [x, y, n] = [0, 0, 0];
  const [column, row] = [found.cell % side, Math.floor(found.cell / side)];
  for (let r = Math.max(0, row - 1); r <= Math.min(side - 1, row + 1); r += 1) {
    for (let c = Math.max(0, column - 1); c <= Math.min(side - 1, column + 1); c += 1) {
      if (owner[r * side + c] !== index || depth[r * side + c] !== found.depth) continue;
      [x, y, n] = [x + c + 0.5, y + r + 0.5, n + 1];
    }
  }
  return { x: x / n, y: y / n, room: found.depth - 0.5 };
}
