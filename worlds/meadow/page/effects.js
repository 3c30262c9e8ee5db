// Lives here: what passes: sparks, dust, smoke, rising words, butterflies, cloud shadows, the light of the day.
// Not here: things of the world (draw.js).
// Invariant: at most PARTICLE_LIMIT particles at once; the oldest give way.

import { hash, noise, path } from "./terrain.js";

const PARTICLE_LIMIT = 240;
const TAU = Math.PI * 2;
/** One day of the meadow, in seconds. */
const DAY = 900;
/** The side of a tile of cloud shadows, in metres. */
const CLOUD_TILE = 140;

/** Sparks and the like, in metres. */
export class Particles {
  constructor() {
    this.all = [];
  }

  add(particle) {
    if (this.all.length >= PARTICLE_LIMIT) this.all.shift();
    this.all.push({ age: 0, vx: 0, vy: 0, fall: 0, size: 0.08, life: 0.7, ...particle });
  }

  /** A coin or mushroom is picked up. */
  burst(x, y, colours, words) {
    for (let i = 0; i < 14; i += 1) {
      const turn = (i / 14) * TAU;
      const speed = 1.6 + Math.random() * 1.6;
      this.add({ x, y: y - 0.4, vx: Math.cos(turn) * speed, vy: Math.sin(turn) * speed * 0.7 - 1, fall: 4,
        colour: colours[i % colours.length], size: 0.06 + Math.random() * 0.07, spark: true });
    }
    if (words) this.add({ x, y: y - 1.1, vy: -1.1, life: 1.4, words });
  }

  dust(x, y) {
    this.add({ x: x + (Math.random() - 0.5) * 0.4, y, vx: (Math.random() - 0.5) * 0.5, vy: -0.25, life: 0.6,
      size: 0.16, grows: 0.3, colour: path(x, y) > 0.4 ? "#e9dcbc" : "#a8d07a", alpha: 0.45 });
  }

  smoke(x, y) {
    this.add({ x, y, vx: 0.35, vy: -0.8, life: 3.2, size: 0.22, grows: 0.32, colour: "#ffffff", alpha: 0.28 });
  }

  step(seconds) {
    for (const p of this.all) {
      p.age += seconds;
      p.vy += p.fall * seconds;
      p.x += p.vx * seconds;
      p.y += p.vy * seconds;
    }
    this.all = this.all.filter((p) => p.age < p.life);
  }

  draw(ctx, view) {
    for (const p of this.all) {
      const left = 1 - p.age / p.life;
      const x = view.left(p.x);
      const y = view.top(p.y);
      ctx.globalAlpha = Math.min(1, left * 2) * (p.alpha ?? 1);
      if (p.words) {
        ctx.font = `700 ${Math.round(view.scale * 0.62)}px ${view.font}`;
        ctx.textAlign = "center";
        ctx.lineWidth = view.scale * 0.14;
        ctx.strokeStyle = "#5b3d10";
        ctx.strokeText(p.words, x, y);
        ctx.fillStyle = "#ffe27a";
        ctx.fillText(p.words, x, y);
        continue;
      }
      const r = (p.size + (p.grows ?? 0) * p.age) * view.scale * (p.spark ? left : 1);
      ctx.fillStyle = p.colour;
      ctx.beginPath();
      ctx.arc(x, y, r, 0, TAU);
      ctx.fill();
    }
    ctx.globalAlpha = 1;
  }
}

/** Butterflies: one per patch of land that has flowers; they never come nearer than a glance. */
export function butterflies(ctx, view, time) {
  const patch = 18;
  const half = { x: view.width / view.scale / 2, y: view.height / view.scale / 2 };
  for (let px = Math.floor((view.x - half.x) / patch); px <= (view.x + half.x) / patch; px += 1) {
    for (let py = Math.floor((view.y - half.y) / patch); py <= (view.y + half.y) / patch; py += 1) {
      const luck = hash(px, py, 95);
      if (luck < 0.6) continue;
      const t = time * 0.35 + luck * 100;
      const x = view.left((px + 0.5 + 0.42 * Math.sin(t) + 0.1 * Math.sin(t * 5.3)) * patch);
      const y = view.top((py + 0.5 + 0.4 * Math.sin(t * 1.31 + 1) + 0.06 * Math.sin(t * 7.1)) * patch) - view.scale;
      const flap = Math.abs(Math.sin(time * 11 + luck * 50));
      const s = view.scale * 0.16;
      ctx.fillStyle = ["#fff3b0", "#ffd0e0", "#cfe3ff", "#ffffff"][Math.floor(luck * 100) % 4];
      for (const way of [-1, 1]) {
        ctx.beginPath();
        ctx.ellipse(x + way * s * 0.6 * flap, y - s * 0.2, s * 0.75 * flap + 0.5, s * 0.8, way * 0.5, 0, TAU);
        ctx.fill();
      }
      ctx.fillStyle = "#4a3b35";
      ctx.fillRect(x - s * 0.1, y - s * 0.7, s * 0.2, s * 1.1);
    }
  }
}

/** Shadows of clouds that drift over the land. */
export class Clouds {
  #tile = null;

  draw(ctx, view, time) {
    this.#tile ??= cloudTile();
    const size = CLOUD_TILE * view.scale;
    const x0 = view.left(time * 2.2);
    const y0 = view.top(time * 0.9);
    const wrap = (at) => (((at % size) + size) % size) - size;
    for (let x = wrap(x0); x < view.width; x += size) {
      for (let y = wrap(y0); y < view.height; y += size) ctx.drawImage(this.#tile, x, y, size, size);
    }
  }
}

function cloudTile() {
  const side = 128;
  const canvas = document.createElement("canvas");
  canvas.width = side;
  canvas.height = side;
  const ctx = canvas.getContext("2d");
  const image = ctx.createImageData(side, side);
  // Noise that repeats: blend it with itself one tile further.
  const at = (x, y) => noise(x / 26, y / 26, 97) * 0.65 + noise(x / 11, y / 11, 98) * 0.35;
  for (let y = 0; y < side; y += 1) {
    for (let x = 0; x < side; x += 1) {
      const [u, v] = [x / side, y / side];
      const value = (at(x, y) * (1 - u) + at(x - side, y) * u) * (1 - v)
        + (at(x, y - side) * (1 - u) + at(x - side, y - side) * u) * v;
      const i = (y * side + x) * 4;
      image.data[i + 1] = 30;
      image.data[i + 2] = 50;
      image.data[i + 3] = Math.max(0, Math.min(1, (value - 0.5) * 6)) * 34;
    }
  }
  ctx.putImageData(image, 0, 0);
  return canvas;
}

// Share of the day, and the light's colour then.
const LIGHT = [[0, 255, 255, 255], [0.42, 255, 252, 244], [0.55, 255, 226, 186], [0.64, 236, 196, 190],
  [0.72, 176, 184, 226], [0.84, 168, 180, 228], [0.92, 236, 210, 206], [1, 255, 255, 255]];

/** The light at a moment in milliseconds: `[r, g, b]` to multiply with, and how dark it is, 0 to 1. */
export function daylight(ms) {
  const day = ((ms / 1000 / DAY) % 1 + 1) % 1;
  const after = LIGHT.findIndex((key) => key[0] > day);
  const [a, b] = [LIGHT[after - 1], LIGHT[after]];
  const t = (day - a[0]) / (b[0] - a[0]);
  const rgb = [1, 2, 3].map((i) => Math.round(a[i] + (b[i] - a[i]) * t));
  return { rgb, dark: Math.min(1, Math.max(0, (235 - rgb[0]) / 60)) };
}
