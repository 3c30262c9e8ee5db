// Lives here: pictures of those that move or are gathered: players, sheep, wolves, coins, mushrooms;
// and the album that keeps pictures.
// Not here: what stands still (scenery.js), where and when they are drawn (draw.js).
// Invariant: every picture is painted in metres around its foot point, once per scale.

/** Pictures held; the least recently used go first. */
const ALBUM_LIMIT = 900;
const TAU = Math.PI * 2;

/** Keeps painted pictures by name. */
export class Album {
  constructor() {
    this.pictures = new Map();
    this.scale = 0;
  }

  /** Pictures of another scale are of no use. */
  setScale(scale) {
    if (scale !== this.scale) this.pictures.clear();
    this.scale = scale;
  }

  /** The picture of that name; `box` = [left, top, right, bottom] in metres around the foot. */
  get(name, box, paint) {
    let picture = this.pictures.get(name);
    if (picture) {
      this.pictures.delete(name);
    } else {
      const { scale } = this;
      const canvas = document.createElement("canvas");
      canvas.width = Math.ceil((box[2] - box[0]) * scale);
      canvas.height = Math.ceil((box[3] - box[1]) * scale);
      const ctx = canvas.getContext("2d");
      ctx.setTransform(scale, 0, 0, scale, -box[0] * scale, -box[1] * scale);
      ctx.lineCap = "round";
      ctx.lineJoin = "round";
      paint(ctx);
      picture = { canvas, dx: box[0] * scale, dy: box[1] * scale };
      if (this.pictures.size >= ALBUM_LIMIT) this.pictures.delete(this.pictures.keys().next().value);
    }
    this.pictures.set(name, picture);
    return picture;
  }
}

export function ellipse(ctx, fill, x, y, rx, ry, turn = 0) {
  ctx.fillStyle = fill;
  ctx.beginPath();
  ctx.ellipse(x, y, rx, ry, turn, 0, TAU);
  ctx.fill();
}

export function shape(ctx, fill, points, close = true) {
  ctx.beginPath();
  ctx.moveTo(points[0], points[1]);
  for (let i = 2; i < points.length; ) {
    if (points[i] === "q") {
      ctx.quadraticCurveTo(points[i + 1], points[i + 2], points[i + 3], points[i + 4]);
      i += 5;
    } else {
      ctx.lineTo(points[i], points[i + 1]);
      i += 2;
    }
  }
  if (close) {
    ctx.closePath();
    ctx.fillStyle = fill;
    ctx.fill();
  } else {
    ctx.strokeStyle = fill;
    ctx.stroke();
  }
}

function limb(ctx, colour, width, x1, y1, x2, y2) {
  ctx.lineWidth = width;
  shape(ctx, colour, [x1, y1, x2, y2], false);
}

const TUNICS = ["#d9534f", "#3f86c9", "#e2a336", "#7b5cc4", "#35a08b", "#d0689b", "#5a6f9e", "#c9743a"];
const HAIR = ["#4a3020", "#a9713a", "#2c2a33", "#d8a94b", "#8b3d2b", "#b7b2a8"];
const SKIN = ["#f6cfa8", "#e3ac7d", "#b97a4e", "#8a5636"];
const TROUSERS = ["#5b4a3c", "#46566b", "#6b5a3a", "#4d5a46"];

/** How somebody of this name looks: the same on every screen. */
export function look(name) {
  let h = 2166136261;
  for (const c of name) h = Math.imul(h ^ c.codePointAt(0), 16777619);
  h = (h ^ (h >>> 15)) >>> 0;
  const pick = (list, step) => list[Math.floor(h / step) % list.length];
  return {
    key: h % 3072,
    tunic: pick(TUNICS, 1), hair: pick(HAIR, 8), skin: pick(SKIN, 48), trousers: pick(TROUSERS, 192),
    style: Math.floor(h / 768) % 4,
  };
}

/** Steps of a walk that are painted. */
export const WALK_FRAMES = 8;

/** A player; `facing`: down, up or side (to the right; drawn mirrored for the left). */
export function player(album, who, facing, frame) {
  return album.get(`player/${who.key}/${facing}/${frame}`, [-0.95, -2.45, 0.95, 0.15], (ctx) => {
    const swing = frame < 0 ? 0 : Math.sin((frame / WALK_FRAMES) * TAU);
    const lift = frame < 0 ? 0 : Math.abs(Math.cos((frame / WALK_FRAMES) * TAU)) * 0.07;
    const side = facing === "side";
    for (const leg of [-1, 1]) {
      const step = swing * leg;
      const x = side ? step * 0.22 : leg * 0.17;
      const y = side ? Math.max(0, step) * -0.06 : Math.max(0, step) * -0.14;
      limb(ctx, who.trousers, 0.25, side ? 0 : leg * 0.16, -0.62, x, -0.16 + y);
      ellipse(ctx, "#3d2c22", x + (side ? 0.06 : 0), -0.08 + y, side ? 0.2 : 0.16, 0.1);
    }
    ctx.translate(0, -lift);
    body(ctx, who, facing, swing);
    head(ctx, who, facing);
  });
}

function shade(hex, by) {
  const n = parseInt(hex.slice(1), 16);
  const part = (shift) => Math.max(0, Math.min(255, Math.round(((n >> shift) & 255) * by)));
  return `rgb(${part(16)},${part(8)},${part(0)})`;
}

function body(ctx, who, facing, swing) {
  const side = facing === "side";
  const wide = side ? 0.3 : 0.4;
  const dark = shade(who.tunic, 0.8);
  const arm = (way, colour) => {
    const x = side ? way * swing * 0.3 : way * 0.47;
    const y = side ? -0.72 - Math.abs(swing) * 0.05 : -0.7 + way * swing * 0.12;
    limb(ctx, colour, 0.2, side ? 0 : way * 0.34, -1.12, x, y);
    ellipse(ctx, who.skin, x, y + 0.03, 0.11, 0.11);
  };
  if (side) arm(-1, dark);
  else {
    arm(-1, dark);
    arm(1, dark);
  }
  shape(ctx, who.tunic, [-wide * 0.72, -1.3, "q", 0, -1.42, wide * 0.72, -1.3, "q", wide, -0.9, wide * 1.12, -0.5,
    "q", 0, -0.38, -wide * 1.12, -0.5, "q", -wide, -0.9, -wide * 0.72, -1.3]);
  ctx.save();
  ctx.globalAlpha = 0.16;
  shape(ctx, "#ffffff", [-wide * 0.72, -1.3, "q", -0.1, -1.4, 0, -1.38, "q", -0.1, -0.9, -0.12, -0.46,
    "q", -wide, -0.45, -wide * 1.12, -0.5, "q", -wide, -0.9, -wide * 0.72, -1.3]);
  ctx.restore();
  ctx.lineWidth = 0.09;
  shape(ctx, "#5b4030", [-wide * 0.98, -0.76, "q", 0, -0.68, wide * 0.98, -0.76], false);
  if (facing !== "up") ellipse(ctx, "#f1c75b", side ? 0.18 : 0, -0.72, 0.06, 0.06);
  if (side) arm(1, shade(who.tunic, 0.92));
}

function head(ctx, who, facing) {
  const y = -1.72;
  const dx = facing === "side" ? 0.06 : 0;
  if (who.style === 1) ellipse(ctx, shade(who.hair, 0.85), facing === "side" ? -0.3 : 0, y + 0.22, 0.3, 0.36);
  ellipse(ctx, who.skin, dx, y, 0.43, 0.42);
  if (facing !== "up") {
    const eyes = facing === "side" ? [0.27] : [-0.16, 0.16];
    for (const x of eyes) {
      ellipse(ctx, "#2b2330", x, y + 0.06, 0.055, 0.08);
      ellipse(ctx, "#ffffff", x + 0.018, y + 0.035, 0.02, 0.025);
    }
    ctx.globalAlpha = 0.35;
    for (const x of facing === "side" ? [0.2] : [-0.27, 0.27]) ellipse(ctx, "#f08a7a", x, y + 0.2, 0.09, 0.055);
    ctx.globalAlpha = 1;
  } else {
    ellipse(ctx, who.hair, 0, y + 0.02, 0.44, 0.42);
  }
  hair(ctx, who, facing, y);
}

function hair(ctx, who, facing, y) {
  if (who.style === 3) {
    ellipse(ctx, "#00000022", 0, y - 0.1, 0.6, 0.14);
    ellipse(ctx, "#e3c069", 0, y - 0.16, 0.64, 0.19);
    shape(ctx, "#edcf80", [-0.36, y - 0.18, "q", -0.34, y - 0.62, 0, y - 0.62, "q", 0.34, y - 0.62, 0.36, y - 0.18]);
    ctx.lineWidth = 0.09;
    shape(ctx, who.tunic, [-0.36, y - 0.22, "q", 0, y - 0.12, 0.36, y - 0.22], false);
    return;
  }
  const front = facing === "side" ? 0.3 : 0.43;
  shape(ctx, who.hair, [-0.45, y + 0.08, "q", -0.54, y - 0.52, 0, y - 0.54, "q", 0.54, y - 0.5, 0.45, y - 0.02,
    "q", front, y - 0.2, 0.2, y - 0.22, "q", -0.1, y - 0.14, -0.3, y - 0.16, "q", -0.38, y - 0.05, -0.45, y + 0.08]);
  if (facing === "side") ellipse(ctx, who.hair, -0.24, y - 0.06, 0.24, 0.34);
  if (who.style === 2) ellipse(ctx, who.hair, facing === "side" ? -0.2 : 0, y - 0.56, 0.19, 0.17);
  ctx.globalAlpha = 0.18;
  ellipse(ctx, "#ffffff", -0.14, y - 0.36, 0.2, 0.08, -0.3);
  ctx.globalAlpha = 1;
}

/** A sheep looking right; `grazing` with its head in the grass. */
export function sheep(album, n, frame, grazing) {
  return album.get(`sheep/${n}/${frame}/${grazing}`, [-1.15, -1.5, 1.15, 0.12], (ctx) => {
    const swing = frame < 0 ? 0 : Math.sin((frame / WALK_FRAMES) * TAU);
    const wool = ["#fbf6e9", "#f4ecd8", "#fdfaf2", "#6d5f57"][n];
    const face = n === 3 ? "#2f2826" : "#4b403c";
    for (const [x, way] of [[-0.42, 1], [-0.22, -1], [0.24, -1], [0.44, 1]]) {
      limb(ctx, way > 0 ? "#3d3431" : "#554945", 0.13, x, -0.42, x + swing * way * 0.14, -0.04);
    }
    ellipse(ctx, shade(wool, 0.82), 0, -0.64, 0.78, 0.46);
    for (let i = 0; i < 9; i += 1) {
      const turn = (i / 9) * TAU;
      ellipse(ctx, shade(wool, 0.9 + 0.1 * (Math.sin(turn) < 0)), Math.cos(turn) * 0.56, -0.68 + Math.sin(turn) * 0.26, 0.26, 0.24);
    }
    ellipse(ctx, wool, -0.02, -0.74, 0.6, 0.34);
    for (let i = 0; i < 4; i += 1) ellipse(ctx, wool, -0.42 + i * 0.27, -0.95, 0.2, 0.16);
    const [hx, hy, turn] = grazing ? [0.82, -0.3, 0.9] : [0.8, -0.86, 0.25];
    ellipse(ctx, face, hx, hy, 0.27, 0.2, turn);
    ellipse(ctx, shade(face, 0.8), hx - 0.16, hy - 0.06, 0.15, 0.075, 0.5);
    ellipse(ctx, wool, hx - 0.13, hy - 0.17, 0.19, 0.14);
    ellipse(ctx, "#ffffff", hx + 0.05, hy - 0.06, 0.05, 0.05);
    ellipse(ctx, "#1d1a1c", hx + 0.065, hy - 0.055, 0.027, 0.032);
  });
}

/** A wolf looking right. */
export function wolf(album, frame) {
  return album.get(`wolf/${frame}`, [-1.6, -1.6, 1.5, 0.12], (ctx) => {
    const swing = frame < 0 ? 0 : Math.sin((frame / WALK_FRAMES) * TAU);
    const fur = "#7c8290";
    const dark = "#5b606d";
    shape(ctx, dark, [-0.72, -0.92, "q", -1.3, -1.0 - swing * 0.1, -1.48, -0.58, "q", -1.1, -0.66, -0.7, -0.66]);
    for (const [x, way] of [[-0.55, 1], [-0.38, -1], [0.42, -1], [0.58, 1]]) {
      limb(ctx, way > 0 ? dark : "#6a707d", 0.16, x, -0.52, x + swing * way * 0.26, -0.05);
    }
    shape(ctx, fur, [-0.86, -0.84, "q", -0.7, -1.14, 0, -1.06, "q", 0.5, -1.22, 0.78, -1.02, "q", 0.86, -0.6, 0.4, -0.46,
      "q", -0.2, -0.52, -0.6, -0.46, "q", -0.96, -0.56, -0.86, -0.84]);
    ellipse(ctx, "#a9aeb8", 0.1, -0.55, 0.5, 0.12);
    shape(ctx, dark, [0.62, -1.3, 0.68, -1.58, 0.86, -1.34]);
    shape(ctx, dark, [0.84, -1.32, 0.96, -1.56, 1.04, -1.28]);
    ellipse(ctx, fur, 0.84, -1.14, 0.32, 0.27);
    shape(ctx, "#c3c7cf", [0.86, -1.1, "q", 1.2, -1.16, 1.38, -0.98, "q", 1.16, -0.86, 0.84, -0.92]);
    ellipse(ctx, "#23232b", 1.36, -1.01, 0.07, 0.06);
    ellipse(ctx, "#ffd34d", 0.98, -1.18, 0.065, 0.055);
    ellipse(ctx, "#23232b", 0.995, -1.18, 0.028, 0.04);
  });
}

/** Turns of a coin that are painted. */
export const COIN_FRAMES = 10;

export function coin(album, gold, frame) {
  const big = gold >= 20 ? 2 : gold >= 3 ? 1 : 0;
  return album.get(`coin/${big}/${frame}`, [-0.6, -1.0, 0.6, 0.2], (ctx) => {
    const r = [0.27, 0.34, 0.46][big];
    const wide = Math.max(0.16, Math.abs(Math.cos((frame / COIN_FRAMES) * Math.PI)));
    const y = -0.16 - r;
    ellipse(ctx, "#a06a14", r * 0.1 * (1 - wide) + 0.03, y + 0.03, r * wide, r);
    ellipse(ctx, "#f5b921", 0, y, r * wide, r);
    ellipse(ctx, "#ffdd62", 0, y, r * 0.76 * wide, r * 0.76);
    ellipse(ctx, "#eaa514", 0, y, r * 0.2 * wide, r * 0.5);
    ctx.globalAlpha = 0.75;
    ellipse(ctx, "#fff6cf", -r * 0.38 * wide, y - r * 0.38, r * 0.2 * wide, r * 0.2);
    ctx.globalAlpha = 1;
  });
}

export function mushroom(album, n) {
  return album.get(`mushroom/${n}`, [-0.55, -0.95, 0.55, 0.15], (ctx) => {
    const cap = ["#d8433b", "#b9743f", "#dd6b3c"][n];
    const stand = (x, y, size) => {
      ctx.save();
      ctx.translate(x, y);
      ctx.scale(size, size);
      shape(ctx, "#f3e7cf", [-0.13, -0.4, "q", -0.1, -0.1, -0.17, 0, "q", 0, 0.07, 0.17, 0, "q", 0.1, -0.1, 0.13, -0.4]);
      ellipse(ctx, "#d9c7a3", 0, -0.4, 0.3, 0.09);
      shape(ctx, cap, [-0.42, -0.38, "q", -0.4, -0.86, 0, -0.86, "q", 0.4, -0.86, 0.42, -0.38, "q", 0, -0.52, -0.42, -0.38]);
      for (const [dx, dy, r] of [[-0.2, -0.56, 0.07], [0.05, -0.7, 0.085], [0.24, -0.55, 0.06], [0.03, -0.51, 0.045]]) {
        ellipse(ctx, "#fff8ea", dx, dy, r, r * 0.8);
      }
      ctx.restore();
    };
    stand(-0.24, 0, 0.55);
    stand(0.12, 0.04, 0.85);
  });
}

/** Anything this page has no picture of yet. */
export function unknown(album) {
  return album.get("unknown", [-0.4, -0.8, 0.4, 0.1], (ctx) => {
    ellipse(ctx, "#ffffffd0", 0, -0.36, 0.3, 0.3);
    ellipse(ctx, "#8d97a5", 0, -0.36, 0.2, 0.2);
  });
}
