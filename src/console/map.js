// Lives here: the live map: regions by thread and load, what goes over borders, who is where.
// Not here: the geometry (curve.js, shape.js), what is marked on it (marks.js), hands and keys (pointing.js).
// Invariant: geometry is made anew only when the partition or the map changes, not per answer.

import { FONT, Sheet, letter } from "./canvas.js";
import { mapGrid, owners, shardGrid, strip } from "./curve.js";
import { borders, partitionOf } from "./model.js";
import { INK, OTHER, PERSON, SHADE, TRAFFIC, fill, fillCss } from "./palette.js";
import { anchors, lines } from "./shape.js";

/** Metres from one faint line to the next. */
const GRID_METRES = 256;
/** The strip of shards and the gap above it, in letters. */
const [STRIP, GAP] = [1.7, 0.55];
/** Widest line of traffic in CSS pixels, and the rate that is drawn so, per second. */
const [WIDEST, BUSIEST] = [7, 200];
/** A dot with a smaller radius than this is drawn as a square: nobody sees it, and it is cheaper. */
const SMALL = 1.2;

export class RegionMap {
  constructor(canvas) {
    this.sheet = new Sheet(canvas, (ctx, width, height) => this.#draw(ctx, width, height));
    this.state = null;
    this.partition = null;
    this.box = null; // where the picture lies on the canvas, in CSS pixels
  }

  show(state) {
    const partition = partitionOf(state);
    if (partition !== this.partition) this.#survey(state);
    this.partition = partition;
    this.state = state;
    this.sheet.ask();
  }

  /** The region at a point of the canvas, or null. */
  at(x, y) {
    if (!this.state || !this.box) return null;
    const { box, grid, owner, strips, state } = this;
    const [column, row] = [Math.floor((x - box.left) / box.block), Math.floor((y - box.top) / box.block)];
    if (column >= 0 && row >= 0 && column < grid.side && row < grid.side) {
      return state.regions[owner[row * grid.side + column]]?.id ?? null;
    }
    const share = (x - box.left) / box.size;
    const part = y >= box.stripTop && y < box.stripTop + box.stripHigh && strips.find(({ from, to }) => share >= from && share < to);
    return part ? (state.regions[part.index]?.id ?? null) : null;
  }

  /** The place of a region's name in blocks of the map, or null: it has none there. */
  place(id) {
    const index = this.state?.regions.findIndex((region) => region.id === id) ?? -1;
    return this.anchors?.[index] ?? null;
  }

  #survey(state) {
    const { map, regions } = state;
    this.grid = mapGrid(map) ?? shardGrid(map);
    this.owner = owners(this.grid, regions);
    this.strips = map.cells > 0 ? strip(map, regions) : [];
    this.anchors = anchors(this.owner, this.grid.side, regions.length);
    this.seams = pathOf(lines(this.owner, this.grid.side));
    this.outlines = new Map();
    this.tiles = document.createElement("canvas");
    this.tiles.width = this.tiles.height = this.grid.side;
  }

  /** The outline of a region in blocks of the map, by its place in line order. */
  outline(index) {
    if (!this.outlines.has(index)) this.outlines.set(index, pathOf(lines(this.owner, this.grid.side, index)));
    return this.outlines.get(index);
  }

  // ---- drawing --------------------------------------------------------------------------------

  #draw(ctx, width, height) {
    if (!this.state) return;
    const em = letter();
    const below = this.strips.length > 0 ? (STRIP + GAP) * em : 0;
    const size = Math.floor(Math.min(width, height - below));
    const [left, top] = [Math.floor((width - size) / 2), Math.floor((height - below - size) / 2)];
    this.box = { left, top, size, block: size / this.grid.side, stripTop: top + size + GAP * em, stripHigh: STRIP * em, em };
    this.#paintTiles(ctx);
    if (this.state.map.cells > 0) this.#paintGrid(ctx);
    this.inBlocks(ctx, () => this.stroke(ctx, this.seams, "rgb(6 9 14 / 0.9)", 0.17 * em));
    this.#paintDots(ctx, this.state.others, OTHER, 1.1);
    this.#paintTraffic(ctx);
    this.#paintDots(ctx, this.state.people, SHADE, 2.2);
    this.#paintDots(ctx, this.state.people, PERSON, 1.45);
    this.#paintStrip(ctx);
    this.#paintNames(ctx);
  }

  /** Lets `paint` work in blocks of the map. */
  inBlocks(ctx, paint) {
    const { left, top, block } = this.box;
    ctx.save();
    ctx.translate(left, top);
    ctx.scale(block, block);
    paint();
    ctx.restore();
  }

  /** Draws a path of blocks, `width` CSS pixels wide. */
  stroke(ctx, path, colour, width) {
    ctx.strokeStyle = colour;
    ctx.lineWidth = width / this.box.block;
    ctx.lineJoin = ctx.lineCap = "round";
    ctx.stroke(path);
  }

  #paintTiles(ctx) {
    const { tiles, grid, owner, box, state } = this;
    const colours = state.regions.map(({ worker, load }) => fill(worker, load));
    const small = tiles.getContext("2d");
    const image = small.createImageData(grid.side, grid.side);
    owner.forEach((index, cell) => {
      if (index >= 0) image.data.set([...colours[index], 255], cell * 4);
    });
    small.putImageData(image, 0, 0);
    ctx.imageSmoothingEnabled = false;
    ctx.drawImage(tiles, box.left, box.top, box.size, box.size);
  }

  #paintGrid(ctx) {
    const { left, top, size } = this.box;
    const metres = this.state.map.side * this.state.map.cell;
    if (metres / GRID_METRES > 32) return;
    ctx.strokeStyle = "rgb(255 255 255 / 0.05)";
    ctx.lineWidth = 1;
    ctx.beginPath();
    for (let at = GRID_METRES; at < metres; at += GRID_METRES) {
      const offset = Math.round((at / metres) * size) + 0.5;
      ctx.moveTo(left + offset, top);
      ctx.lineTo(left + offset, top + size);
      ctx.moveTo(left, top + offset);
      ctx.lineTo(left + size, top + offset);
    }
    ctx.stroke();
  }

  #paintDots(ctx, points, colour, radius) {
    const { left, top, size, em } = this.box;
    const scale = size / (this.state.map.side * this.state.map.cell || 1);
    const r = radius * Math.max(0.8, em / 15);
    ctx.fillStyle = colour;
    ctx.beginPath();
    for (let i = 0; i + 1 < points.length; i += 2) {
      const [x, y] = [left + points[i] * scale, top + points[i + 1] * scale];
      if (r < SMALL) ctx.rect(x - r, y - r, 2 * r, 2 * r);
      else {
        ctx.moveTo(x + r, y);
        ctx.arc(x, y, r, 0, Math.PI * 2);
      }
    }
    ctx.fill();
  }

  /** An arc per border with traffic, from middle to middle: the wider the more goes over; dashed where one thread runs both. */
  #paintTraffic(ctx) {
    const { left, top, block, em } = this.box;
    ctx.lineCap = "round";
    for (const { a, b, rate } of borders(this.state.regions)) {
      const [from, to] = [this.anchors[a], this.anchors[b]];
      if (!from || !to) continue;
      const [ax, ay, bx, by] = [from.x, from.y, to.x, to.y].map((v, i) => (i % 2 ? top : left) + v * block);
      const part = Math.min(1, Math.log1p(rate) / Math.log1p(BUSIEST));
      const bend = 0.16;
      ctx.strokeStyle = TRAFFIC;
      ctx.globalAlpha = 0.25 + 0.55 * part;
      ctx.lineWidth = Math.max(0.6, WIDEST * part ** 1.6 * (em / 16));
      const regions = this.state.regions;
      ctx.setLineDash(regions[a].worker === regions[b].worker ? [0.45 * em, 0.75 * em] : []);
      ctx.beginPath();
      ctx.moveTo(ax, ay);
      ctx.quadraticCurveTo((ax + bx) / 2 + (ay - by) * bend, (ay + by) / 2 + (bx - ax) * bend, bx, by);
      ctx.stroke();
    }
    ctx.setLineDash([]);
    ctx.globalAlpha = 1;
  }

  #paintStrip(ctx) {
    const { left, size, stripTop, stripHigh, em } = this.box;
    ctx.textBaseline = "middle";
    ctx.textAlign = "center";
    for (const { index, from, to } of this.strips) {
      const { id, worker, load } = this.state.regions[index];
      const [x, width] = [left + from * size, (to - from) * size];
      ctx.fillStyle = fillCss(worker, load);
      ctx.fillRect(x + 0.5, stripTop, Math.max(1, width - 1), stripHigh);
      if (width < em * 2.2) continue;
      this.#name(ctx, this.#nameOf(index, "shards", width, id), x + width / 2, stripTop + stripHigh / 2, em * 0.85);
    }
  }

  #nameOf(index, kind, width, id) {
    return width > this.box.em * 6 ? `${id} · ${kind}` : String(id);
  }

  #paintNames(ctx) {
    const { left, top, block, em } = this.box;
    ctx.textAlign = "center";
    ctx.textBaseline = "middle";
    this.state.regions.forEach(({ id, pinned }, index) => {
      const place = this.anchors[index];
      if (!place) return;
      const text = pinned ? `${id} ●` : String(id);
      const room = place.room * block * 2;
      const height = Math.min(em * 1.5, Math.max(em * 0.8, room * 0.36));
      if (room < height * 1.1 || room * 1.25 < height * 0.62 * text.length) return;
      this.#name(ctx, text, left + place.x * block, top + place.y * block, height);
    });
  }

  #name(ctx, text, x, y, height) {
    ctx.font = `700 ${height}px ${FONT}`;
    ctx.lineWidth = height * 0.28;
    ctx.lineJoin = "round";
    ctx.strokeStyle = "rgb(8 12 18 / 0.8)";
    ctx.strokeText(text, x, y);
    ctx.fillStyle = INK;
    ctx.fillText(text, x, y);
  }
}

function pathOf(segments) {
  const path = new Path2D();
  for (const [x1, y1, x2, y2] of segments) {
    path.moveTo(x1, y1);
    path.lineTo(x2, y2);
  }
  return path;
}
