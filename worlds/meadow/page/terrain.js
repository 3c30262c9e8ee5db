// Lives here: the lie of the land as numbers: grass, roads, squares, brooks and ponds at any point.
// Not here: pixels (ground.js), and anything the server knows: the land is the same for all because
// it is computed, and nothing of it matters to the rules.
// Invariant: pure functions of the place; VILLAGES are the wells of worlds/meadow/src/genesis.rs.

/** The side of the meadow, in metres. */
export const METRES = 2048;

/** The villages' wells, with names for the map. */
export const VILLAGES = [
  { x: 1024, y: 1040, name: "Wellbrook" },
  { x: 470, y: 540, name: "Larkfield" },
  { x: 1560, y: 450, name: "Thornby" },
  { x: 520, y: 1530, name: "Hazelcombe" },
  { x: 1590, y: 1570, name: "Aldermere" },
];
const ROADS = [[0, 1], [0, 2], [0, 3], [0, 4], [1, 3], [2, 4]];
const BROOKS = [
  [[960, -30], [1010, 200], [930, 400], [985, 600], [850, 780], [760, 960], [700, 1120], [790, 1290],
    [930, 1420], [990, 1600], [940, 1800], [1000, 2080]],
  [[2080, 1000], [1860, 960], [1700, 1035], [1530, 990], [1400, 930]],
];
const PONDS = [
  [1370, 925, 46], [250, 900, 40], [330, 260, 30], [1850, 300, 36], [1250, 250, 26], [240, 1260, 22],
  [1260, 1760, 40], [790, 1830, 18], [1850, 1300, 24], [1092, 1082, 15], [1640, 620, 14],
  [420, 640, 13], [600, 1450, 14], [1500, 1500, 16],
];
/** How wide a corridor around roads and brooks is looked at. */
const NEAR = 14;
const BUCKET = 64;
/** What `water` says of places far from any. */
const DRY = -9;

/** A number in [0, 1) for a pair of integers. */
export function hash(x, y, seed) {
  let h = Math.imul(x, 0x27d4eb2d) ^ Math.imul(y, 0x165667b1) ^ Math.imul(seed, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 15), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 4294967296;
}

/** Smooth noise in [0, 1) with features one unit apart. */
export function noise(x, y, seed) {
  const ix = Math.floor(x);
  const iy = Math.floor(y);
  const fx = x - ix;
  const fy = y - iy;
  const u = fx * fx * (3 - 2 * fx);
  const v = fy * fy * (3 - 2 * fy);
  const top = hash(ix, iy, seed) * (1 - u) + hash(ix + 1, iy, seed) * u;
  const bottom = hash(ix, iy + 1, seed) * (1 - u) + hash(ix + 1, iy + 1, seed) * u;
  return top * (1 - v) + bottom * v;
}

/** 0 at `from`, 1 at `to`, smooth in between. */
export function smooth(from, to, value) {
  const t = Math.min(1, Math.max(0, (value - from) / (to - from)));
  return t * t * (3 - 2 * t);
}

/** The roads as lines that wander a little. */
function roadLines() {
  return ROADS.map(([a, b], n) => {
    const from = VILLAGES[a];
    const to = VILLAGES[b];
    const length = Math.hypot(to.x - from.x, to.y - from.y);
    const nx = -(to.y - from.y) / length;
    const ny = (to.x - from.x) / length;
    const steps = Math.ceil(length / 12);
    return Array.from({ length: steps + 1 }, (_, i) => {
      const t = i / steps;
      const sway = Math.sin(Math.PI * t) * (34 * Math.sin(t * 9 + n * 1.7) + 60 * (noise(t * 6, n, 5) - 0.5));
      return [from.x + (to.x - from.x) * t + nx * sway, from.y + (to.y - from.y) * t + ny * sway];
    });
  });
}

/** A curve through the points (Catmull-Rom), in short lines. */
function curve(points) {
  const line = [];
  for (let i = 0; i < points.length - 1; i += 1) {
    const [p0, p1, p2, p3] = [points[Math.max(0, i - 1)], points[i], points[i + 1],
      points[Math.min(points.length - 1, i + 2)]];
    for (let s = 0; s < 16; s += 1) {
      const t = s / 16;
      const at = (k) => 0.5 * (2 * p1[k] + (p2[k] - p0[k]) * t + (2 * p0[k] - 5 * p1[k] + 4 * p2[k] - p3[k]) * t * t
        + (3 * p1[k] - p0[k] - 3 * p2[k] + p3[k]) * t * t * t);
      line.push([at(0), at(1)]);
    }
  }
  line.push(points[points.length - 1]);
  return line;
}

/** Lines by the buckets they come near to, so that a point looks at a few of them only. */
class Lines {
  constructor(lines) {
    this.lines = lines;
    this.buckets = new Map();
    for (const line of lines) {
      for (let i = 0; i + 1 < line.length; i += 1) this.#add([...line[i], ...line[i + 1]]);
    }
  }

  #add(segment) {
    const [x1, y1, x2, y2] = segment;
    const low = (a, b) => Math.floor((Math.min(a, b) - NEAR) / BUCKET);
    const high = (a, b) => Math.floor((Math.max(a, b) + NEAR) / BUCKET);
    for (let bx = low(x1, x2); bx <= high(x1, x2); bx += 1) {
      for (let by = low(y1, y2); by <= high(y1, y2); by += 1) {
        const key = bx * 4096 + by;
        if (!this.buckets.has(key)) this.buckets.set(key, []);
        this.buckets.get(key).push(segment);
      }
    }
  }

  /** The distance to the nearest line, or NEAR if there is none within. */
  distance(x, y) {
    const near = this.buckets.get(Math.floor(x / BUCKET) * 4096 + Math.floor(y / BUCKET));
    let best = NEAR * NEAR;
    if (near) {
      for (const [x1, y1, x2, y2] of near) {
        const dx = x2 - x1;
        const dy = y2 - y1;
        const t = Math.min(1, Math.max(0, ((x - x1) * dx + (y - y1) * dy) / (dx * dx + dy * dy)));
        const ex = x - x1 - t * dx;
        const ey = y - y1 - t * dy;
        best = Math.min(best, ex * ex + ey * ey);
      }
    }
    return Math.sqrt(best);
  }
}

const roads = new Lines(roadLines());
const brooks = new Lines(BROOKS.map(curve));

/** The roads' lines, for the map. */
export const roadsForMap = roads.lines;

/** How much of a beaten path a place is, from 0 to 1. */
export function path(x, y) {
  const road = roads.distance(x, y);
  // Most of the meadow is far from both: no noise is worth its time there.
  if (road > 4 && !VILLAGES.some((well) => Math.abs(x - well.x) < 48 && Math.abs(y - well.y) < 48)) return 0;
  const rough = noise(x * 0.35, y * 0.35, 21) * 1.3;
  let best = smooth(3.1, 1.5, road + rough - 0.3);
  for (const well of VILLAGES) {
    const d = Math.hypot(x - well.x, y - well.y);
    if (d > 48) continue;
    best = Math.max(best, smooth(10.5, 8, d + rough), smooth(2.6, 1.1, Math.abs(d - 20.5) + rough));
    const worn = noise(x * 0.13, y * 0.13, 23) * 0.6 + noise(x * 0.37 + 9, y * 0.37, 24) * 0.4;
    best = Math.max(best, smooth(38, 12, d) * smooth(0.46, 0.78, worn) * 0.75);
  }
  return best;
}

/** How far inside the water a place is, in metres: negative on land. */
export function water(x, y) {
  const brook = brooks.distance(x, y);
  if (brook > 8 && !PONDS.some(([px, py, r]) => Math.abs(x - px) < r * 2 && Math.abs(y - py) < r * 1.7)) return DRY;
  const rough = noise(x * 0.16, y * 0.16, 31) * 2 - 1;
  let inside = 2.7 + rough * 1.1 - brook;
  for (const [px, py, r] of PONDS) {
    const d = Math.hypot((x - px) * 0.85, y - py);
    if (d < r * 1.6) inside = Math.max(inside, r * (1 + 0.5 * (noise(x * 0.045, y * 0.045, 33) - 0.5)) - d + rough);
  }
  // Roads cross brooks on a bank of earth.
  if (inside > -2) inside = Math.min(inside, roads.distance(x, y) - 4);
  return inside;
}

const mix = (a, b, t) => a + (b - a) * t;

/** The colour of the ground into `out[at..at+3]`. `fine`: with the small grain that a map needs not. */
export function colour(x, y, out, at, fine) {
  const wide = noise(x * 0.018, y * 0.018, 1);
  const middle = noise(x * 0.075, y * 0.075, 2);
  const small = fine ? noise(x * 0.55, y * 0.55, 3) : 0.5;
  const grain = fine ? hash(Math.floor(x * 8), Math.floor(y * 8), 4) - 0.5 : 0;
  const light = wide * 0.5 + middle * 0.38 + small * 0.22;
  const dry = smooth(0.55, 0.85, noise(x * 0.03, y * 0.03, 6));
  let r = mix(104, 158, light) + dry * 22;
  let g = mix(160, 201, light) + dry * 4;
  let b = mix(73, 98, light) - dry * 4;
  const trodden = path(x, y);
  if (trodden > 0) {
    const dust = mix(0.9, 1.06, small * 0.6 + middle * 0.4);
    const edge = trodden * (1 - trodden) * 0.5;
    r = mix(r, 222 * dust, trodden) - edge * 60;
    g = mix(g, 196 * dust, trodden) - edge * 70;
    b = mix(b, 146 * dust, trodden) - edge * 60;
  }
  const inside = water(x, y);
  if (inside > -2.2) {
    const damp = smooth(-2.2, -0.2, inside) * 0.85;
    r = mix(r, 206, damp);
    g = mix(g, 193, damp);
    b = mix(b, 138, damp);
    const wet = smooth(-0.25, 0.35, inside);
    const deep = smooth(0, 7, inside);
    const wave = (middle - 0.5) * 14 + (small - 0.5) * 8;
    r = mix(r, mix(140, 70, deep) + wave, wet);
    g = mix(g, mix(205, 156, deep) + wave, wet);
    b = mix(b, mix(204, 190, deep) + wave, wet);
  }
  out[at] = r + grain * 9;
  out[at + 1] = g + grain * 9;
  out[at + 2] = b + grain * 7;
}
