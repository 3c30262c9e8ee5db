// Lives here: pictures of what stands still: trees, bushes, flowers, houses, stalls, wells.
// Not here: the album that keeps them and those that move (sprites.js).

import { hash } from "./terrain.js";
import { ellipse, shape } from "./sprites.js";

/** Variants of each kind: the server's `n` counts from 0. */
const VARIANTS = 4;

export function tree(album, n) {
  const v = n % VARIANTS;
  return album.get(`tree/${v}`, [-3.1, -6.7, 3.1, 0.5], (ctx) => (v === 1 ? pine(ctx) : leafy(ctx, v)));
}

const LEAVES = [
  ["#3f7d3a", "#559a44", "#74b552", "#97cf68"],
  [],
  ["#4c8a3c", "#69a548", "#8cc058", "#b2d873"],
  ["#c9698f", "#e08cab", "#f2b0c6", "#fbd5e0"],
];

function leafy(ctx, v) {
  const trunk = v === 2 ? "#e9e4d6" : "#7a5638";
  const dark = v === 2 ? "#c9c2b0" : "#5f4229";
  shape(ctx, trunk, [-0.42, 0.02, "q", -0.2, -0.8, -0.24, -2.6, 0.26, -2.6, "q", 0.2, -0.8, 0.5, 0.04, "q", 0, -0.16, -0.42, 0.02]);
  shape(ctx, dark, [0.06, -2.6, 0.26, -2.6, "q", 0.2, -0.8, 0.5, 0.04, "q", 0.2, -0.1, 0.12, -0.4]);
  if (v === 2) for (let i = 0; i < 4; i += 1) ellipse(ctx, "#4a4540", -0.1 + (i % 2) * 0.18, -0.5 - i * 0.5, 0.1, 0.035);
  const [deep, low, mid, high] = LEAVES[v];
  const blobs = [[0, -3.3, 1.95], [-1.25, -3.0, 1.25], [1.25, -3.05, 1.3], [-0.75, -4.5, 1.3], [0.8, -4.55, 1.3], [0, -5.2, 1.15]];
  for (const [x, y, r] of blobs) ellipse(ctx, deep, x, y + 0.28, r, r * 0.88);
  for (const [x, y, r] of blobs) ellipse(ctx, low, x - 0.06, y, r * 0.95, r * 0.82);
  for (const [x, y, r] of blobs) ellipse(ctx, mid, x - r * 0.2, y - r * 0.24, r * 0.68, r * 0.56);
  // Leaves: many small strokes in two lights.
  for (let i = 0; i < 190; i += 1) {
    const [bx, by, r] = blobs[Math.floor(hash(i, v, 80) * blobs.length)];
    const turn = hash(i, v, 81) * Math.PI * 2;
    const far = Math.sqrt(hash(i, v, 82)) * r * 0.86;
    const x = bx + Math.cos(turn) * far - 0.08;
    const y = by + Math.sin(turn) * far * 0.82 - 0.1;
    const light = y < by - r * 0.1 && x < bx + r * 0.35;
    ctx.globalAlpha = 0.6;
    ellipse(ctx, light ? high : hash(i, v, 83) > 0.5 ? low : mid, x, y, 0.17, 0.11, turn);
  }
  ctx.globalAlpha = 1;
}

function pine(ctx) {
  shape(ctx, "#6d4a31", [-0.3, 0.02, -0.18, -1.4, 0.2, -1.4, 0.34, 0.03, "q", 0, -0.12, -0.3, 0.02]);
  for (let i = 0; i < 5; i += 1) {
    const y = -0.75 - i * 1.08;
    const w = 2.05 - i * 0.36;
    const h = 2.0 - i * 0.1;
    shape(ctx, "#2c5f4b", [-w, y + 0.12, "q", -w * 0.35, y - h * 0.45, 0, y - h, "q", w * 0.35, y - h * 0.45, w, y + 0.12, "q", 0, y + 0.5, -w, y + 0.12]);
    shape(ctx, "#3d7a5b", [-w * 0.94, y, "q", -w * 0.35, y - h * 0.45, 0, y - h, "q", w * 0.16, y - h * 0.4, w * 0.45, y + 0.05, "q", -w * 0.2, y + 0.26, -w * 0.94, y]);
    shape(ctx, "#5a9a70", [-w * 0.85, y - 0.1, "q", -w * 0.32, y - h * 0.42, -0.02, y - h * 0.94, "q", -w * 0.1, y - h * 0.4, -w * 0.2, y, "q", -w * 0.5, y + 0.06, -w * 0.85, y - 0.1]);
  }
}

export function bush(album, n) {
  const v = n % VARIANTS;
  return album.get(`bush/${v}`, [-1.4, -1.75, 1.4, 0.25], (ctx) => {
    const [deep, low, mid, high] = [["#41803c", "#579b45", "#76b656", "#9bd06f"], ["#3d7a4e", "#52935c", "#6fae70", "#93cb8b"],
      ["#5c8a38", "#78a544", "#98bf57", "#bcd977"], ["#46813a", "#5f9c48", "#80b75a", "#a5d277"]][v];
    const blobs = [[-0.6, -0.5, 0.62], [0.58, -0.5, 0.66], [0, -0.78, 0.8]];
    for (const [x, y, r] of blobs) ellipse(ctx, deep, x, y + 0.12, r, r * 0.86);
    for (const [x, y, r] of blobs) ellipse(ctx, low, x - 0.04, y - 0.03, r * 0.92, r * 0.78);
    for (const [x, y, r] of blobs) ellipse(ctx, mid, x - r * 0.2, y - r * 0.22, r * 0.62, r * 0.5);
    for (let i = 0; i < 40; i += 1) {
      const [bx, by, r] = blobs[i % 3];
      const turn = hash(i, v, 84) * 6.3;
      const far = hash(i, v, 85) * r * 0.8;
      ctx.globalAlpha = 0.6;
      ellipse(ctx, high, bx + Math.cos(turn) * far - 0.08, by + Math.sin(turn) * far * 0.7 - 0.1, 0.09, 0.06, turn);
      ctx.globalAlpha = 1;
      const berry = ["#d8433b", "#6c5bd0", "#fff4d8", "#f29ab8"][v];
      if (i < 11) ellipse(ctx, berry, bx + Math.cos(turn * 3) * r * 0.6, by + Math.sin(turn * 3) * r * 0.5, 0.075, 0.075);
    }
  });
}

export function flower(album, n) {
  const v = n % VARIANTS;
  return album.get(`flower/${v}`, [-0.85, -1.1, 0.85, 0.35], (ctx) => {
    const petals = ["#f2637e", "#ffffff", "#7c86e8", "#ffc247"][v];
    const heart = ["#ffd76a", "#f5c542", "#fff0b8", "#a8632c"][v];
    for (let i = 0; i < 9; i += 1) {
      const x = (hash(i, v, 86) - 0.5) * 1.2;
      const y = (hash(i, v, 87) - 0.5) * 0.5;
      const tall = 0.34 + hash(i, v, 88) * 0.36;
      ctx.lineWidth = 0.05;
      shape(ctx, "#4f8f3b", [x, y + 0.05, "q", x + 0.06, y - tall * 0.5, x + 0.02, y - tall], false);
      ellipse(ctx, "#63a747", x + 0.09, y - tall * 0.35, 0.12, 0.045, -0.6);
      for (let p = 0; p < 6; p += 1) {
        const turn = (p / 6) * Math.PI * 2 + i;
        ellipse(ctx, petals, x + 0.02 + Math.cos(turn) * 0.1, y - tall + Math.sin(turn) * 0.085, 0.075, 0.065);
      }
      ellipse(ctx, heart, x + 0.02, y - tall, 0.065, 0.06);
    }
  });
}

const ROOFS = [["#b5563f", "#cf7254", "#8f402f"], ["#4f6f8f", "#6a8cab", "#3c5670"], ["#7d8a4a", "#9aa764", "#626d38"], ["#a5743c", "#c39152", "#81582b"]];

export function house(album, n) {
  const v = n % VARIANTS;
  return album.get(`house/${v}`, [-4.3, -7.6, 4.3, 0.6], (ctx) => {
    walls(ctx, v);
    roof(ctx, ...ROOFS[v]);
  });
}

function walls(ctx, v) {
  const wall = ["#f6e8cb", "#f3e2d0", "#efe9d8", "#f7e3bd"][v];
  shape(ctx, wall, [-3.3, 0.1, -3.3, -3.4, 3.3, -3.4, 3.3, 0.1]);
  shape(ctx, "#00000012", [1.2, 0.1, 1.2, -3.4, 3.3, -3.4, 3.3, 0.1]);
  shape(ctx, "#a79a88", [-3.4, 0.2, -3.4, -0.35, 3.4, -0.35, 3.4, 0.2]);
  for (let i = 0; i < 11; i += 1) ellipse(ctx, i % 2 ? "#b8ac9a" : "#9a8d7b", -3.1 + i * 0.62, -0.08, 0.29, 0.17);
  ctx.lineWidth = 0.2;
  const beam = "#7a5638";
  for (const x of [-3.2, -0.95, 0.95, 3.2]) shape(ctx, beam, [x, -0.35, x, -3.4], false);
  shape(ctx, beam, [-3.3, -3.3, 3.3, -3.3], false);
  ctx.lineWidth = 0.14;
  shape(ctx, beam, [-3.2, -2.5, -2.4, -3.3], false);
  shape(ctx, beam, [3.2, -2.5, 2.4, -3.3], false);
  shape(ctx, "#5e3f28", [-0.62, 0.02, -0.62, -1.7, "q", 0, -2.35, 0.62, -1.7, 0.62, 0.02]);
  shape(ctx, "#8a5c38", [-0.5, 0.02, -0.5, -1.66, "q", 0, -2.2, 0.5, -1.66, 0.5, 0.02]);
  ctx.lineWidth = 0.04;
  for (const x of [-0.17, 0.17]) shape(ctx, "#6d4629", [x, 0, x, -1.9], false);
  ellipse(ctx, "#f1c75b", 0.34, -0.85, 0.07, 0.07);
  ellipse(ctx, "#c5b9a5", 0, 0.16, 0.85, 0.17);
  for (const x of [-2.08, 2.08]) pane(ctx, x);
}

function pane(ctx, x) {
  shape(ctx, "#6d4a30", [x - 0.66, -1.0, x - 0.66, -2.42, x + 0.66, -2.42, x + 0.66, -1.0]);
  shape(ctx, "#8fc3d9", [x - 0.54, -1.12, x - 0.54, -2.3, x + 0.54, -2.3, x + 0.54, -1.12]);
  shape(ctx, "#c5e4ee", [x - 0.54, -1.6, x - 0.54, -2.3, x + 0.1, -2.3]);
  ctx.lineWidth = 0.08;
  shape(ctx, "#6d4a30", [x, -1.1, x, -2.3], false);
  shape(ctx, "#6d4a30", [x - 0.55, -1.7, x + 0.55, -1.7], false);
  shape(ctx, "#8a5c38", [x - 0.75, -0.75, x - 0.7, -1.05, x + 0.7, -1.05, x + 0.75, -0.75]);
  for (let i = 0; i < 6; i += 1) {
    ellipse(ctx, "#5d9a45", x - 0.55 + i * 0.22, -1.05, 0.15, 0.12);
    ellipse(ctx, ["#f2637e", "#ffd35c", "#ffffff"][i % 3], x - 0.55 + i * 0.22, -1.14, 0.085, 0.08);
  }
}

function roof(ctx, main, light, dark) {
  shape(ctx, "#9b8c7c", [1.5, -5.6, 1.5, -7.1, 2.4, -7.1, 2.4, -5.2]);
  shape(ctx, "#857666", [2.1, -5.2, 2.1, -7.1, 2.4, -7.1, 2.4, -5.2]);
  shape(ctx, "#75675a", [1.4, -7.0, 1.4, -7.3, 2.5, -7.3, 2.5, -7.0]);
  shape(ctx, "#00000026", [-3.3, -3.4, 3.3, -3.4, 3.3, -2.95, -3.3, -2.95]);
  const top = -6.4;
  const eave = -3.1;
  shape(ctx, main, [-2.7, top, 2.7, top, "q", 3.4, -4.8, 4.1, eave, "q", 0, eave + 0.24, -4.1, eave, "q", -3.4, -4.8, -2.7, top]);
  // Rows of shingles.
  for (let row = 0; row < 7; row += 1) {
    const t = row / 7;
    const y = top + 0.28 + (eave - top) * t;
    const half = 2.75 + 1.28 * t;
    for (let i = 0; i < 15; i += 1) {
      const x = -half + ((i + (row % 2) * 0.5) / 14.6) * half * 2;
      if (x > half - 0.1) continue;
      const tone = hash(i, row, 90);
      ctx.globalAlpha = 0.55;
      ellipse(ctx, tone > 0.62 ? light : tone < 0.25 ? dark : main, x + 0.1, y, 0.26, 0.2);
    }
  }
  ctx.globalAlpha = 0.13;
  shape(ctx, "#ffffff", [-2.7, top, 0.2, top, -0.6, eave + 0.06, -4.1, eave, "q", -3.4, -4.8, -2.7, top]);
  ctx.globalAlpha = 1;
  ctx.lineWidth = 0.26;
  shape(ctx, dark, [-2.75, top, 2.75, top], false);
  ctx.lineWidth = 0.16;
  shape(ctx, dark, [-4.1, eave, "q", 0, eave + 0.24, 4.1, eave], false);
}

const CLOTHS = [["#d9534f", "#fff4e0"], ["#3f86c9", "#fff4e0"], ["#e2a336", "#fff7e6"], ["#4d9e6a", "#fff4e0"]];

export function stall(album, n) {
  const v = n % VARIANTS;
  return album.get(`stall/${v}`, [-2.4, -3.9, 2.4, 0.35], (ctx) => {
    ctx.lineWidth = 0.16;
    for (const x of [-1.8, 1.8]) shape(ctx, "#7a5638", [x, -0.4, x, -2.9], false);
    shape(ctx, "#00000028", [-1.75, -1.15, -1.75, -2.3, 1.75, -2.3, 1.75, -1.15]);
    shape(ctx, "#9a6c42", [-2.0, 0.1, -2.0, -1.1, 2.0, -1.1, 2.0, 0.1]);
    ctx.lineWidth = 0.05;
    for (let i = 0; i < 6; i += 1) shape(ctx, "#7f5633", [-1.4 + i * 0.58, 0.05, -1.4 + i * 0.58, -1.05], false);
    shape(ctx, "#b98655", [-2.12, -1.05, -2.12, -1.3, 2.12, -1.3, 2.12, -1.05]);
    goods(ctx, v);
    awning(ctx, ...CLOTHS[v]);
  });
}

function goods(ctx, v) {
  const wares = [["#e8553f", "#f2893c"], ["#f0c765", "#d79a4a"], ["#7fb84e", "#a8d06a"], ["#8d6ac8", "#c46aa0"]][v];
  for (let box = 0; box < 3; box += 1) {
    const x = -1.3 + box * 1.3;
    shape(ctx, "#8a5c38", [x - 0.52, -1.22, x - 0.46, -1.48, x + 0.46, -1.48, x + 0.52, -1.22]);
    for (let i = 0; i < 7; i += 1) {
      ellipse(ctx, wares[(i + box) % 2], x - 0.36 + (i % 4) * 0.24 + (i > 3 ? 0.12 : 0), i > 3 ? -1.68 : -1.5, 0.15, 0.14);
    }
    ctx.globalAlpha = 0.5;
    ellipse(ctx, "#ffffff", x - 0.3, -1.62, 0.05, 0.04);
    ctx.globalAlpha = 1;
  }
}

function awning(ctx, one, other) {
  for (let i = 0; i < 8; i += 1) {
    const [a, b] = [-1.85 + i * 0.4625, -1.85 + (i + 1) * 0.4625];
    const [c, d] = [-2.3 + i * 0.575, -2.3 + (i + 1) * 0.575];
    shape(ctx, i % 2 ? other : one, [a, -3.7, b, -3.7, d, -2.55, "q", (c + d) / 2, -2.2, c, -2.55]);
  }
  ctx.globalAlpha = 0.16;
  shape(ctx, "#000000", [-2.2, -2.85, 2.2, -2.85, 2.3, -2.55, -2.3, -2.55]);
  ctx.globalAlpha = 0.25;
  shape(ctx, "#ffffff", [-1.85, -3.7, 1.85, -3.7, 1.92, -3.5, -1.92, -3.5]);
  ctx.globalAlpha = 1;
}

export function well(album) {
  return album.get("well", [-1.7, -3.7, 1.7, 0.75], (ctx) => {
    ellipse(ctx, "#8d8375", 0, 0, 1.3, 0.62);
    shape(ctx, "#a2988a", [-1.3, 0, -1.3, -0.75, 1.3, -0.75, 1.3, 0, "q", 1.2, 0.6, 0, 0.62, "q", -1.2, 0.6, -1.3, 0]);
    for (let i = 0; i < 9; i += 1) {
      for (let row = 0; row < 3; row += 1) {
        const x = -1.1 + i * 0.275 + (row % 2) * 0.13;
        const dip = Math.sqrt(Math.max(0, 1 - (x / 1.35) ** 2)) * 0.5;
        ellipse(ctx, hash(i, row, 91) > 0.5 ? "#b7ad9e" : "#938878", x, -0.6 + row * 0.3 + dip, 0.13, 0.11);
      }
    }
    ellipse(ctx, "#c4baab", 0, -0.75, 1.34, 0.6);
    ellipse(ctx, "#3d6f86", 0, -0.72, 1.02, 0.42);
    ellipse(ctx, "#6fb0c6", -0.2, -0.66, 0.5, 0.16);
    ctx.lineWidth = 0.16;
    for (const x of [-1.14, 1.14]) shape(ctx, "#7a5638", [x, -0.6, x, -2.6], false);
    ctx.lineWidth = 0.13;
    shape(ctx, "#5f4229", [-1.2, -1.95, 1.2, -1.95], false);
    ctx.lineWidth = 0.04;
    shape(ctx, "#d8c79a", [0.1, -1.95, 0.1, -1.2], false);
    shape(ctx, "#7a5638", [-0.1, -1.22, 0.3, -1.22, 0.24, -0.86, -0.04, -0.86]);
    shape(ctx, "#b5563f", [-1.6, -2.42, -1.1, -3.5, 1.1, -3.5, 1.6, -2.42, "q", 0, -2.2, -1.6, -2.42]);
    shape(ctx, "#cf7254", [-1.6, -2.42, -1.1, -3.5, 0, -3.5, -0.3, -2.32]);
    ctx.lineWidth = 0.12;
    shape(ctx, "#8f402f", [-1.6, -2.42, "q", 0, -2.2, 1.6, -2.42], false);
  });
}
