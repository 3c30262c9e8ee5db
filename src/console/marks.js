// Lives here: what lies over the map: the region looked at, the chosen one, regions that just changed.
// Not here: the map (map.js); it is not drawn again for a mark.

import { Sheet } from "./canvas.js";

/** How long a changed region shines, in milliseconds. */
const FLASH_MS = 2_600;
const STILL = window.matchMedia("(prefers-reduced-motion: reduce)");

export class Marks {
  constructor(canvas, map) {
    this.map = map;
    this.flashes = new Map(); // id to when it began
    this.looked = null;
    this.chosen = null;
    this.sheet = new Sheet(canvas, (ctx) => this.#draw(ctx));
  }

  /** Marks the region under the pointer and the chosen one, by id. */
  mark(looked, chosen) {
    [this.looked, this.chosen] = [looked, chosen];
    this.sheet.ask();
  }

  /** Lets regions shine for a moment. */
  flash(ids) {
    const now = performance.now();
    for (const id of ids) this.flashes.set(id, now);
    if (ids.length > 0) this.sheet.ask();
  }

  #draw(ctx) {
    if (!this.map.box) return;
    const place = new Map(this.map.state.regions.map(({ id }, index) => [id, index]));
    this.#flashes(ctx, place);
    this.#mark(ctx, place.get(this.chosen), "#ffffff", 3);
    if (this.looked !== this.chosen) this.#mark(ctx, place.get(this.looked), "rgb(255 255 255 / 0.8)", 2);
  }

  #mark(ctx, index, colour, width) {
    if (index === undefined) return;
    this.map.inBlocks(ctx, () => this.map.stroke(ctx, this.map.outline(index), colour, width));
    this.#overStrip(index, (x, y, w, h) => {
      ctx.strokeStyle = colour;
      ctx.lineWidth = width;
      ctx.strokeRect(x + 1, y, w - 2, h);
    });
  }

  #overStrip(index, paint) {
    const { left, size, stripTop, stripHigh } = this.map.box;
    const part = this.map.strips.find((one) => one.index === index);
    if (part) paint(left + part.from * size, stripTop, Math.max(3, (part.to - part.from) * size), stripHigh);
  }

  #flashes(ctx, place) {
    const now = performance.now();
    for (const [id, begun] of this.flashes) {
      const left = 1 - (now - begun) / FLASH_MS;
      if (!place.has(id) || left <= 0) this.flashes.delete(id);
      else this.#flash(ctx, place.get(id), STILL.matches ? 0.6 : left);
    }
    if (this.flashes.size > 0) this.sheet.ask();
  }

  #flash(ctx, index, left) {
    const { map } = this;
    const { side } = map.grid;
    ctx.fillStyle = `rgb(255 255 255 / ${left * left * 0.45})`;
    map.inBlocks(ctx, () => {
      map.owner.forEach((owner, cell) => {
        if (owner === index) ctx.fillRect(cell % side, Math.floor(cell / side), 1, 1);
      });
      map.stroke(ctx, map.outline(index), `rgb(255 255 255 / ${left})`, 2 + 4 * left);
    });
    this.#overStrip(index, (x, y, w, h) => ctx.fillRect(x, y, w, h));
  }
}
