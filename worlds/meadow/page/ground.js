// Lives here: the ground as pictures: square chunks painted once, kept while near, drawn each frame.
// Not here: what the land is like (terrain.js), things that stand on it (sprites.js, scenery.js).
// Invariant: at most CHUNK_LIMIT pictures are held, or what one screen needs, and a frame paints
// for PAINT_MS only: until then plain green, or the picture of another scale, stands in.

import { METRES, colour, hash, noise, path, water } from "./terrain.js";

/** The side of a chunk, in metres. */
const CHUNK = 16;
/** Chunks held: a large screen shows about 30. */
const CHUNK_LIMIT = 72;
/** Painting begins no further chunk in a frame after so many milliseconds. */
const PAINT_MS = 6;
const GREEN = "#8ab85a";
/** Samples of colour per metre; drawn larger, with smoothing. */
const SAMPLES = 5;
/** How far outside the meadow the grass goes on. */
const MARGIN = 96;

const BLADES = ["#5d9a3f", "#6fae48", "#8cc45c", "#a8d672"];
const PETALS = ["#fffdf4", "#ffe27a", "#f7a8c4", "#b9a5f0", "#ff9d76"];

/** Paints chunks when they come into view and draws them. */
export class Ground {
  constructor() {
    this.chunks = new Map(); // key -> {canvas, ripples, scale}, least recently drawn first
  }

  /** Draws all chunks that the view shows; paints missing ones. */
  draw(ctx, view) {
    const half = { x: view.width / view.scale / 2, y: view.height / view.scale / 2 };
    const [x1, x2] = [Math.floor((view.x - half.x) / CHUNK), Math.floor((view.x + half.x) / CHUNK)];
    const [y1, y2] = [Math.floor((view.y - half.y) / CHUNK), Math.floor((view.y + half.y) / CHUNK)];
    this.paintUntil = performance.now() + PAINT_MS;
    ctx.fillStyle = GREEN;
    ctx.fillRect(0, 0, view.width, view.height);
    const shown = [];
    for (let cy = y1; cy <= y2; cy += 1) {
      for (let cx = x1; cx <= x2; cx += 1) {
        const chunk = this.#chunk(cx, cy, view.scale);
        if (!chunk) continue;
        shown.push(chunk);
        const size = CHUNK * view.scale;
        ctx.drawImage(chunk.canvas, Math.round(view.left(cx * CHUNK)), Math.round(view.top(cy * CHUNK)), size, size);
      }
    }
    this.#ahead(x1, x2, y1, y2, view.scale);
    const needed = (x2 - x1 + 3) * (y2 - y1 + 3);
    while (this.chunks.size > Math.max(CHUNK_LIMIT, needed)) this.chunks.delete(this.chunks.keys().next().value);
    return shown;
  }

  /** Draws the water's moving glints over chunks just drawn. */
  ripples(ctx, view, chunks, time) {
    ctx.lineCap = "round";
    ctx.lineWidth = Math.max(1, view.scale * 0.05);
    ctx.strokeStyle = "#ffffff";
    for (const chunk of chunks) {
      for (const { x, y, phase, size } of chunk.ripples) {
        const glow = Math.sin(time * 1.1 + phase);
        if (glow <= 0) continue;
        const sx = view.left(x + Math.sin(time * 0.4 + phase) * 0.3);
        const sy = view.top(y);
        const half = size * view.scale * (0.6 + 0.4 * glow);
        ctx.globalAlpha = glow * 0.38;
        ctx.beginPath();
        ctx.moveTo(sx - half, sy);
        ctx.quadraticCurveTo(sx, sy - half * 0.28, sx + half, sy);
        ctx.stroke();
      }
    }
    ctx.globalAlpha = 1;
  }

  /** Chunks just outside the view, so that walking meets painted ground. */
  #ahead(x1, x2, y1, y2, scale) {
    for (let cx = x1 - 1; cx <= x2 + 1; cx += 1) {
      for (let cy = y1 - 1; cy <= y2 + 1; cy += 1) this.#chunk(cx, cy, scale);
    }
  }

  /** The chunk's best picture there is, painted now if this frame has time left. */
  #chunk(cx, cy, scale) {
    const key = `${cx},${cy}`;
    let chunk = this.chunks.get(key);
    if (chunk?.scale !== scale && performance.now() < this.paintUntil) {
      chunk = paint(cx, cy, scale);
    }
    if (chunk) {
      this.chunks.delete(key);
      this.chunks.set(key, chunk);
    }
    return chunk;
  }
}

/** An empty picture. */
function picture(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

function paint(cx, cy, scale) {
  const x0 = cx * CHUNK;
  const y0 = cy * CHUNK;
  const canvas = picture(CHUNK * scale, CHUNK * scale);
  const ctx = canvas.getContext("2d", { alpha: false });
  base(ctx, x0, y0, scale);
  ctx.setTransform(scale, 0, 0, scale, -x0 * scale, -y0 * scale);
  const ripples = [];
  // One metre more on each side: what grows there leans over the edge.
  for (let y = y0 - 1; y < y0 + CHUNK + 1; y += 1) {
    for (let x = x0 - 1; x < x0 + CHUNK + 1; x += 1) plants(ctx, x, y, ripples);
  }
  const own = ripples.filter((r) => r.x >= x0 && r.x < x0 + CHUNK && r.y >= y0 && r.y < y0 + CHUNK);
  return { cx, cy, scale, canvas, ripples: own };
}

/** The colours, a sample beyond each edge so that neighbours fit. */
function base(ctx, x0, y0, scale) {
  const side = CHUNK * SAMPLES + 2;
  const image = new ImageData(side, side);
  const data = image.data;
  for (let j = 0; j < side; j += 1) {
    for (let i = 0; i < side; i += 1) {
      const at = (j * side + i) * 4;
      const x = x0 + (i - 0.5) / SAMPLES;
      const y = y0 + (j - 0.5) / SAMPLES;
      colour(x, y, data, at, true);
      data[at + 3] = 255;
      const out = Math.max(-x, -y, x - METRES, y - METRES);
      if (out > 0) darken(data, at, Math.min(1, out / MARGIN));
    }
  }
  const small = picture(side, side);
  small.getContext("2d").putImageData(image, 0, 0);
  ctx.imageSmoothingQuality = "high";
  ctx.drawImage(small, 1, 1, side - 2, side - 2, 0, 0, CHUNK * scale, CHUNK * scale);
}

/** Beyond the world's edge the wood begins. */
function darken(data, at, part) {
  data[at] *= 0.72 - 0.3 * part;
  data[at + 1] *= 0.78 - 0.3 * part;
  data[at + 2] *= 0.8 - 0.25 * part;
}

/** Dabs of lighter and darker grass, or of dust on a path. */
function dabs(ctx, x, y) {
  for (let n = 0; n < 5; n += 1) {
    const px = x + hash(x, y, 110 + n);
    const py = y + hash(x, y, 120 + n);
    const kind = hash(x, y, 130 + n);
    if (water(px, py) > -0.6) continue;
    const trodden = path(px, py);
    if (trodden > 0.15 && trodden < 0.6) continue;
    if (trodden >= 0.6) ctx.fillStyle = kind < 0.5 ? "#f3dcae30" : "#a8834f22";
    else ctx.fillStyle = kind < 0.36 ? "#c2e08a38" : kind < 0.72 ? "#4a8a3a2c" : "#e3e58a2a";
    ctx.beginPath();
    ctx.ellipse(px, py, 0.1 + kind * 0.34, 0.05 + kind * 0.13, (kind - 0.5) * 0.8, 0, Math.PI * 2);
    ctx.fill();
  }
}

/** What grows on one square metre. */
function plants(ctx, x, y, ripples) {
  dabs(ctx, x, y);
  const lush = noise(x * 0.06, y * 0.06, 41);
  const count = lush > 0.62 ? 3 : lush > 0.35 ? 2 : 1;
  for (let n = 0; n < count; n += 1) {
    const px = x + hash(x, y, 50 + n);
    const py = y + hash(x, y, 60 + n);
    const kind = hash(x, y, 70 + n);
    const wet = water(px, py);
    if (wet > 0.5) onWater(ctx, px, py, kind, wet, ripples);
    else if (wet > -1.3) {
      if (kind < 0.45 && wet < 0.2) reeds(ctx, px, py, kind);
    } else if (path(px, py) > 0.35) {
      if (kind < 0.16) pebble(ctx, px, py, kind);
    } else if (kind < 0.72) tuft(ctx, px, py, kind, lush);
    else flowers(ctx, px, py, kind);
  }
}

function tuft(ctx, x, y, kind, lush) {
  const tall = 0.16 + kind * 0.22 + lush * 0.14;
  ctx.lineCap = "round";
  ctx.lineWidth = 0.055;
  for (let i = 0; i < 4; i += 1) {
    const lean = (i - 1.5) * 0.11 + (kind - 0.4) * 0.12;
    ctx.strokeStyle = BLADES[(i + Math.floor(kind * 40)) % BLADES.length];
    ctx.beginPath();
    ctx.moveTo(x + (i - 1.5) * 0.05, y);
    ctx.quadraticCurveTo(x + lean * 0.4, y - tall * 0.6, x + lean, y - tall * (1 - Math.abs(i - 1.5) * 0.15));
    ctx.stroke();
  }
}

/** Little flowers come in drifts of one colour. */
function flowers(ctx, x, y, kind) {
  const drift = noise(x * 0.09, y * 0.09, 43);
  if (drift < 0.56) return;
  const petals = PETALS[Math.floor(noise(x * 0.025, y * 0.025, 44) * 1.7 * PETALS.length) % PETALS.length];
  for (let i = 0; i < 3; i += 1) {
    const fx = x + (hash(Math.floor(x * 99), i, 45) - 0.5) * 0.9;
    const fy = y + (hash(Math.floor(y * 99), i, 46) - 0.5) * 0.7;
    const r = 0.055 + kind * 0.035;
    ctx.fillStyle = "#5d9a3f88";
    ctx.fillRect(fx - 0.015, fy, 0.03, 0.14);
    ctx.fillStyle = petals;
    for (let p = 0; p < 5; p += 1) {
      const turn = (p / 5) * Math.PI * 2 + kind * 9;
      disc(ctx, fx + Math.cos(turn) * r, fy + Math.sin(turn) * r * 0.8, r * 0.72);
    }
    ctx.fillStyle = petals === "#ffe27a" ? "#e08a3c" : "#f5c542";
    disc(ctx, fx, fy, r * 0.6);
  }
}

function pebble(ctx, x, y, kind) {
  const r = 0.06 + kind * 0.5;
  ctx.fillStyle = "#00000018";
  ellipse(ctx, x + 0.02, y + 0.03, r, r * 0.62);
  ctx.fillStyle = kind < 0.08 ? "#b9ae98" : "#cfc4ab";
  ellipse(ctx, x, y, r, r * 0.62);
  ctx.fillStyle = "#ffffff50";
  ellipse(ctx, x - r * 0.25, y - r * 0.2, r * 0.45, r * 0.22);
}

function reeds(ctx, x, y, kind) {
  ctx.lineCap = "round";
  for (let i = 0; i < 4; i += 1) {
    const lean = (i - 1.5) * 0.16;
    const tall = 0.55 + hash(Math.floor(x * 50), i, 47) * 0.6;
    ctx.strokeStyle = i % 2 ? "#6f9a45" : "#86ad55";
    ctx.lineWidth = 0.06;
    ctx.beginPath();
    ctx.moveTo(x + lean * 0.5, y);
    ctx.quadraticCurveTo(x + lean * 0.6, y - tall * 0.6, x + lean, y - tall);
    ctx.stroke();
    if (kind < 0.2 && i % 2 === 0) {
      ctx.strokeStyle = "#8a5f3c";
      ctx.lineWidth = 0.11;
      ctx.beginPath();
      ctx.moveTo(x + lean * 0.95, y - tall * 0.98);
      ctx.lineTo(x + lean, y - tall - 0.16);
      ctx.stroke();
    }
  }
}

function onWater(ctx, x, y, kind, wet, ripples) {
  if (kind > 0.84) {
    ripples.push({ x, y, phase: kind * 300, size: 0.35 + (kind - 0.84) * 3 });
  } else if (kind < 0.05 && wet > 1.2) {
    const r = 0.24 + kind * 4;
    ctx.fillStyle = "#00304018";
    ellipse(ctx, x + 0.05, y + 0.07, r, r * 0.66);
    ctx.fillStyle = kind < 0.025 ? "#6dab58" : "#7fbb63";
    ctx.beginPath();
    ctx.ellipse(x, y, r, r * 0.66, 0, 0.35, Math.PI * 2 - 0.1);
    ctx.lineTo(x, y);
    ctx.fill();
    if (kind < 0.015) {
      ctx.fillStyle = "#fbd3e2";
      for (let p = 0; p < 6; p += 1) ellipse(ctx, x + Math.cos(p) * 0.09, y - 0.05 + Math.sin(p) * 0.06, 0.08, 0.06);
      ctx.fillStyle = "#ffe27a";
      disc(ctx, x, y - 0.05, 0.05);
    }
  }
}

function disc(ctx, x, y, r) {
  ctx.beginPath();
  ctx.arc(x, y, r, 0, Math.PI * 2);
  ctx.fill();
}

function ellipse(ctx, x, y, rx, ry) {
  ctx.beginPath();
  ctx.ellipse(x, y, rx, ry, 0, 0, Math.PI * 2);
  ctx.fill();
}
