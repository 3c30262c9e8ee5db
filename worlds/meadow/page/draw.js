// Lives here: the picture of a moment: ground, shadows, things sorted by depth, words, light.
// Not here: where things are (game.js), how each looks (sprites.js, scenery.js), the ground (ground.js).
// Invariant: drawing changes nothing but the canvas and the painter's own memory of gaits.

import { Clouds, Particles, butterflies, daylight } from "./effects.js";
import { Ground } from "./ground.js";
import { FONT, Labels } from "./labels.js";
import { bush, flower, house, stall, tree, well } from "./scenery.js";
import { Album, COIN_FRAMES, WALK_FRAMES, coin, look, mushroom, player, sheep, unknown, wolf } from "./sprites.js";
import { water } from "./terrain.js";

/** Slower than this, in metres per second, is standing. */
const STANDING = 0.2;
/** Gaits not seen for so many pictures are forgotten. */
const FORGET_AFTER = 120;

// Per kind: metres per full step, shadow [half width, half height, offset], top of the picture.
const KINDS = {
  player: { stride: 2.7, shadow: [0.46, 0.2, 0.06], top: 2.35 },
  sheep: { stride: 1.5, shadow: [0.85, 0.3, 0.1], top: 1.4 },
  wolf: { stride: 2.6, shadow: [1.0, 0.3, 0.1], top: 1.6 },
  coin: { shadow: [0.26, 0.11, 0.05], top: 1 },
  mushroom: { shadow: [0.42, 0.15, 0.06], top: 0.9 },
  tree: { shadow: [2.1, 0.85, 0.8], top: 6.6, sways: 0.018 },
  bush: { shadow: [1.2, 0.42, 0.25], top: 1.7, sways: 0.03 },
  flower: { top: 1, sways: 0.07 },
  house: { shadow: [4.1, 1.2, 0.7], top: 7.5 },
  stall: { shadow: [2.3, 0.7, 0.4], top: 3.8 },
  well: { shadow: [1.6, 0.75, 0.3], top: 3.6 },
};
const UNKNOWN = { shadow: [0.3, 0.13, 0], top: 0.9 };
const TALL = new Set(["tree", "house", "stall", "well"]);
const LAMPS = new Set(["house", "stall", "well"]);

/** What part of the meadow is shown, in device pixels. */
export class View {
  constructor() {
    Object.assign(this, { x: 0, y: 0, scale: 24, width: 1, height: 1, ratio: 1, font: FONT });
  }

  /** Looks at a place; whole pixels, so that pictures of the ground meet without seams. */
  lookAt(x, y) {
    this.x = Math.round(x * this.scale) / this.scale;
    this.y = Math.round(y * this.scale) / this.scale;
  }

  left(x) {
    return (x - this.x) * this.scale + (this.width >> 1);
  }

  top(y) {
    return (y - this.y) * this.scale + (this.height >> 1);
  }

  /** The place under a point of the canvas. */
  at(px, py) {
    return { x: (px - (this.width >> 1)) / this.scale + this.x, y: (py - (this.height >> 1)) / this.scale + this.y };
  }
}

/** Draws moments. */
export class Painter {
  constructor() {
    this.album = new Album();
    this.ground = new Ground();
    this.labels = new Labels();
    this.particles = new Particles();
    this.clouds = new Clouds();
    this.gaits = new Map();
    this.count = 0;
  }

  /**
   * Draws `things` (`{id, x, y, view}`), the moment being `scene`: time and `passed` in seconds,
   * `me` (an id), `mark` (where a click led to), `hover` (an id), `clock` in milliseconds.
   */
  draw(ctx, view, things, scene) {
    this.count += 1;
    this.album.setScale(view.scale);
    this.labels.setRatio(view.ratio);
    ctx.setTransform(1, 0, 0, 1, 0, 0);
    const chunks = this.ground.draw(ctx, view);
    this.ground.ripples(ctx, view, chunks, scene.time);
    const shown = this.#inView(view, things, scene);
    this.#mark(ctx, view, scene);
    this.#shadows(ctx, view, shown);
    const me = shown.find((thing) => thing.id === scene.me);
    for (const thing of shown) this.#thing(ctx, view, thing, scene, me);
    ctx.setTransform(1, 0, 0, 1, 0, 0);
    butterflies(ctx, view, scene.time);
    this.particles.step(scene.passed);
    this.particles.draw(ctx, view);
    this.clouds.draw(ctx, view, scene.time);
    this.#light(ctx, view, shown, daylight(scene.clock), scene.time);
    this.#words(ctx, view, shown, scene);
    if (this.count % FORGET_AFTER === 0) this.#forget();
  }

  /** The things on the screen, farthest first, each with its gait. */
  #inView(view, things, scene) {
    const wide = view.width / view.scale / 2 + 5;
    const high = view.height / view.scale / 2 + 1;
    const shown = [];
    for (const thing of things) {
      const kind = KINDS[thing.view?.k] ?? UNKNOWN;
      const gait = this.#gait(thing, kind, scene.passed);
      const [dx, dy] = [Math.abs(thing.x - view.x), thing.y - view.y];
      if (dx > wide || dy < -high || dy > high + kind.top) continue;
      shown.push({ id: thing.id, x: thing.x, y: thing.y, view: thing.view, kind, gait });
    }
    return shown.sort((a, b) => a.y - b.y || a.id - b.id);
  }

  #gait(thing, kind, passed) {
    let gait = this.gaits.get(thing.id);
    if (!gait) {
      gait = { x: thing.x, y: thing.y, speed: 0, phase: (thing.id % 97) / 97, facing: "down", flip: thing.id % 2 === 0 };
      this.gaits.set(thing.id, gait);
    }
    gait.seen = this.count;
    if (!kind.stride) return gait;
    const dx = thing.x - gait.x;
    const dy = thing.y - gait.y;
    const far = Math.hypot(dx, dy);
    gait.x = thing.x;
    gait.y = thing.y;
    if (passed > 0) gait.speed += (Math.min(12, far / passed) - gait.speed) * Math.min(1, passed * 14);
    if (gait.speed > STANDING && far > 0) {
      gait.phase = (gait.phase + far / kind.stride) % 1;
      gait.facing = Math.abs(dx) > Math.abs(dy) * 0.75 ? "side" : dy > 0 ? "down" : "up";
      if (Math.abs(dx) > far * 0.1) gait.flip = dx < 0;
      gait.stepped = (gait.stepped ?? 0) + far;
      if (gait.stepped > 1.3 && kind.top > 2 && gait.speed > 3) {
        gait.stepped = 0;
        if (water(thing.x, thing.y) < 0) this.particles.dust(thing.x, thing.y);
      }
    }
    return gait;
  }

  #mark(ctx, view, { mark, time }) {
    if (!mark) return;
    const left = 1 - (time - mark.time) / 0.9;
    if (left <= 0) return;
    ctx.globalAlpha = left * 0.9;
    ctx.strokeStyle = "#fffbe0";
    ctx.lineWidth = view.scale * 0.09;
    for (const grow of [0.35, 0.75]) {
      ctx.beginPath();
      const r = view.scale * (grow * 0.6 + (1 - left) * 0.5);
      ctx.ellipse(view.left(mark.x), view.top(mark.y), r, r * 0.55, 0, 0, Math.PI * 2);
      ctx.stroke();
    }
    ctx.globalAlpha = 1;
  }

  /** All shadows as one shape: where they meet it is no darker. */
  #shadows(ctx, view, shown) {
    ctx.fillStyle = "#1b3a2533";
    ctx.beginPath();
    for (const { x, y, kind } of shown) {
      if (!kind.shadow) continue;
      const [w, h, off] = kind.shadow;
      const sx = view.left(x + off);
      const sy = view.top(y + off * 0.12);
      ctx.moveTo(sx + w * view.scale, sy);
      ctx.ellipse(sx, sy, w * view.scale, h * view.scale, 0, 0, Math.PI * 2);
    }
    ctx.fill();
  }

  #thing(ctx, view, thing, scene, me) {
    const { x, y, kind, gait } = thing;
    const k = thing.view?.k;
    const sx = Math.round(view.left(x));
    let sy = Math.round(view.top(y));
    const picture = this.#picture(thing, scene.time);
    let flip = kind.stride && gait.flip && (k !== "player" || gait.facing === "side") ? -1 : 1;
    if (k === "tree" || k === "bush") flip = thing.id % 2 ? 1 : -1;
    const sway = kind.sways ? Math.sin(scene.time * 1.3 + x * 0.35 + y * 0.2) * kind.sways : 0;
    if (TALL.has(k) && me && hides(thing, me)) ctx.globalAlpha = 0.42;
    if (k === "coin") sy -= Math.round((0.08 + 0.08 * Math.sin(scene.time * 2.4 + thing.id)) * view.scale);
    if (thing.id === scene.hover) this.#halo(ctx, view, sx, view.top(y), kind);
    const depth = kind.stride ? wading(x, y) : 0;
    ctx.setTransform(flip, 0, -sway, 1, sx, sy);
    if (depth > 0) this.#wade(ctx, view, picture, depth, scene.time + gait.phase);
    else ctx.drawImage(picture.canvas, picture.dx, picture.dy);
    ctx.setTransform(1, 0, 0, 1, 0, 0);
    ctx.globalAlpha = 1;
    if (k === "coin") this.#glint(ctx, view, sx, sy, scene.time, thing.id);
    if (k === "house" && Math.random() < scene.passed * 0.9) this.particles.smoke(x + 1.95, y - 7.2);
  }

  #picture({ id, view, gait }, time) {
    const { album } = this;
    const walking = gait.speed > STANDING;
    const step = walking ? Math.floor(gait.phase * WALK_FRAMES) : -1;
    switch (view?.k) {
      case "player":
        return player(album, look(view.name ?? ""), gait.facing, step);
      case "sheep": {
        const grazes = !walking && Math.sin(time * 0.5 + id * 1.7) > -0.3;
        return sheep(album, id % 17 === 0 ? 3 : id % 3, step, grazes);
      }
      case "wolf":
        return wolf(album, step);
      case "coin":
        return coin(album, view.gold ?? 1, Math.floor(time * 9 + id) % COIN_FRAMES);
      case "mushroom":
        return mushroom(album, id % 3);
      case "tree":
        return tree(album, view.n ?? 0);
      case "bush":
        return bush(album, view.n ?? 0);
      case "flower":
        return flower(album, view.n ?? 0);
      case "house":
        return house(album, view.n ?? 0);
      case "stall":
        return stall(album, view.n ?? 0);
      case "well":
        return well(album);
      default:
        return unknown(album);
    }
  }

  /** In water the feet are not seen, and rings run from the knees. */
  #wade(ctx, view, { canvas, dx, dy }, depth, time) {
    const sink = Math.round(Math.min(0.45, depth * 0.4) * view.scale);
    const height = Math.max(1, Math.round(-dy - sink));
    ctx.drawImage(canvas, 0, 0, canvas.width, height, dx, dy + sink, canvas.width, height);
    ctx.strokeStyle = "#ffffff";
    ctx.lineWidth = Math.max(1, view.scale * 0.05);
    for (const shift of [0, 0.5]) {
      const part = (time * 0.8 + shift) % 1;
      ctx.globalAlpha = 0.5 * (1 - part);
      ctx.beginPath();
      ctx.ellipse(0, 0, view.scale * (0.35 + part * 0.6), view.scale * (0.14 + part * 0.24), 0, 0, Math.PI * 2);
      ctx.stroke();
    }
  }

  #halo(ctx, view, sx, sy, kind) {
    const w = (kind.shadow?.[0] ?? 0.4) * view.scale * 1.7 + 4;
    ctx.strokeStyle = "#fff8c8";
    ctx.lineWidth = Math.max(2, view.scale * 0.08);
    ctx.beginPath();
    ctx.ellipse(sx, sy, w, w * 0.45, 0, 0, Math.PI * 2);
    ctx.stroke();
  }

  #glint(ctx, view, sx, sy, time, id) {
    const part = (time * 0.6 + id * 0.37) % 1;
    if (part > 0.22) return;
    const r = Math.sin((part / 0.22) * Math.PI) * view.scale * 0.3;
    const [x, y] = [sx - view.scale * 0.1, sy - view.scale * 0.62];
    ctx.fillStyle = "#fffdf0";
    ctx.beginPath();
    for (let i = 0; i < 8; i += 1) {
      const far = i % 2 ? r * 0.18 : r;
      ctx.lineTo(x + Math.cos((i / 8) * Math.PI * 2) * far, y + Math.sin((i / 8) * Math.PI * 2) * far);
    }
    ctx.fill();
  }

  #light(ctx, view, shown, { rgb, dark }, time) {
    if (rgb.some((part) => part < 255)) {
      ctx.globalCompositeOperation = "multiply";
      ctx.fillStyle = `rgb(${rgb})`;
      ctx.fillRect(0, 0, view.width, view.height);
    }
    if (dark > 0) {
      ctx.globalCompositeOperation = "lighter";
      for (const { x, y, id, view: seen } of shown) {
        if (!LAMPS.has(seen?.k)) continue;
        const r = view.scale * (5 + 0.2 * Math.sin(time * 5 + id));
        const [sx, sy] = [view.left(x), view.top(y - 1.4)];
        const glow = ctx.createRadialGradient(sx, sy, 0, sx, sy, r);
        glow.addColorStop(0, `rgba(255,190,90,${0.42 * dark})`);
        glow.addColorStop(1, "rgba(255,170,60,0)");
        ctx.fillStyle = glow;
        ctx.fillRect(sx - r, sy - r, 2 * r, 2 * r);
      }
    }
    ctx.globalCompositeOperation = "source-over";
  }

  #words(ctx, view, shown, { me, time }) {
    for (const { id, x, y, view: seen, kind } of shown) {
      if (seen?.k !== "player") continue;
      const sx = view.left(x);
      const sy = view.top(y - kind.top + wading(x, y) * 0.2);
      this.labels.name(ctx, seen.name ?? "", id === me, sx, sy);
    }
    const tip = ({ id, x, y, kind }) => ({ id, x: view.left(x), y: view.top(y - kind.top) - 20 * view.ratio });
    this.labels.allBubbles(ctx, shown.map(tip).reverse(), time);
  }

  #forget() {
    for (const [id, gait] of this.gaits) if (this.count - gait.seen > FORGET_AFTER) this.gaits.delete(id);
  }
}

/** How deep somebody stands in water, from 0 to 1. */
function wading(x, y) {
  return Math.min(1, Math.max(0, water(x, y) - 0.1));
}

/** Whether a tall thing stands before somebody. */
function hides(thing, me) {
  const dy = thing.y - me.y;
  const half = thing.view.k === "house" ? 3.8 : 2;
  return dy > 0.2 && dy < thing.kind.top - 0.6 && Math.abs(thing.x - me.x) < half;
}

/** The thing that a pointer at a place means, of those that can be clicked: players before coins. */
export function pick(things, at, me) {
  let best = null;
  let least = Infinity;
  for (const thing of things) {
    const k = thing.view?.k;
    if (thing.id === me || !["player", "coin", "mushroom"].includes(k)) continue;
    const middle = k === "player" ? 1.1 : 0.4;
    const reach = k === "player" ? 1.4 : 0.9;
    const far = Math.hypot((thing.x - at.x) * (k === "player" ? 1.5 : 1), thing.y - middle - at.y) / reach;
    if (far < 1 && far < least) {
      least = far;
      best = thing;
    }
  }
  return best;
}
