// Lives here: the small map: the land around us, who and what is near, the villages' names.
// Not here: the large picture (draw.js).
// Invariant: painting the land takes a few rows per frame, never a whole map at once.

import { FONT } from "./labels.js";
import { METRES, VILLAGES, colour, roadsForMap } from "./terrain.js";

/** Pixels of the painted land per side: 4 m each. */
const SIDE = 512;
const ROWS_PER_FRAME = 6;
/** Metres from the middle to the edge of the small map. */
const RANGE = 230;
const DOTS = { player: ["#ffffff", 3], coin: ["#ffcf33", 1.6], sheep: ["#fbf6e9", 1.5], wolf: ["#4a4f5c", 2.2], mushroom: ["#e0574a", 1.6] };

export class MiniMap {
  constructor(canvas) {
    this.canvas = canvas;
    this.ctx = canvas.getContext("2d");
    this.land = document.createElement("canvas");
    this.land.width = SIDE;
    this.land.height = SIDE;
    this.landCtx = this.land.getContext("2d");
    this.row = 0;
    this.whole = false;
  }

  /** Shows the whole meadow, or what is near. */
  toggle() {
    this.whole = !this.whole;
    this.canvas.classList.toggle("whole", this.whole);
  }

  #paintRows() {
    if (this.row >= SIDE) return;
    const rows = Math.min(ROWS_PER_FRAME, SIDE - this.row);
    const image = this.landCtx.createImageData(SIDE, rows);
    const step = METRES / SIDE;
    for (let j = 0; j < rows; j += 1) {
      for (let i = 0; i < SIDE; i += 1) {
        const at = (j * SIDE + i) * 4;
        colour((i + 0.5) * step, (this.row + j + 0.5) * step, image.data, at, false);
        image.data[at + 3] = 255;
      }
    }
    this.landCtx.putImageData(image, 0, this.row);
    this.row += rows;
  }

  draw(self, things, you, ratio) {
    this.#paintRows();
    const { canvas, ctx } = this;
    const width = Math.round(canvas.clientWidth * ratio);
    if (width === 0) return;
    if (canvas.width !== width) canvas.width = canvas.height = width;
    const range = this.whole ? METRES / 2 : RANGE;
    const middle = this.whole ? { x: METRES / 2, y: METRES / 2 } : self;
    const scale = width / (2 * range);
    const left = (x) => (x - middle.x) * scale + width / 2;
    const top = (y) => (y - middle.y) * scale + width / 2;
    ctx.fillStyle = "#7fa957";
    ctx.fillRect(0, 0, width, width);
    ctx.imageSmoothingQuality = "high";
    ctx.drawImage(this.land, left(0), top(0), METRES * scale, METRES * scale);
    if (this.whole) this.#roads(left, top, ratio);
    this.#dots(things, you, left, top, ratio);
    this.#villages(left, top, width, ratio);
    this.#self(left(self.x), top(self.y), ratio);
  }

  /** On the whole map roads are thinner than a pixel of the land: drawn as lines. */
  #roads(left, top, ratio) {
    const { ctx } = this;
    ctx.strokeStyle = "#e6cd98";
    ctx.lineWidth = 1.6 * ratio;
    ctx.lineJoin = "round";
    ctx.beginPath();
    for (const road of roadsForMap) road.forEach(([x, y], i) => (i ? ctx.lineTo(left(x), top(y)) : ctx.moveTo(left(x), top(y))));
    ctx.stroke();
  }

  #dots(things, you, left, top, ratio) {
    const { ctx } = this;
    for (const { id, x, y, view } of things) {
      const dot = DOTS[view?.k];
      if (!dot || id === you) continue;
      ctx.fillStyle = dot[0];
      ctx.beginPath();
      ctx.arc(left(x), top(y), dot[1] * ratio, 0, Math.PI * 2);
      ctx.fill();
    }
  }

  #villages(left, top, width, ratio) {
    const { ctx } = this;
    ctx.font = `600 ${11 * ratio}px ${FONT}`;
    ctx.textAlign = "center";
    for (const { x, y, name } of VILLAGES) {
      const [sx, sy] = [left(x), top(y)];
      if (sx < 0 || sy < 0 || sx > width || sy > width) continue;
      const s = 4 * ratio;
      ctx.fillStyle = "#b5563f";
      ctx.beginPath();
      ctx.moveTo(sx - s * 1.3, sy);
      ctx.lineTo(sx, sy - s * 1.2);
      ctx.lineTo(sx + s * 1.3, sy);
      ctx.fill();
      ctx.fillStyle = "#fff4e0";
      ctx.fillRect(sx - s * 0.9, sy, s * 1.8, s);
      ctx.lineWidth = 3 * ratio;
      ctx.strokeStyle = "#2b3d22c0";
      ctx.strokeText(name, sx, sy - s * 1.8);
      ctx.fillStyle = "#ffffff";
      ctx.fillText(name, sx, sy - s * 1.8);
    }
  }

  #self(x, y, ratio) {
    const { ctx } = this;
    ctx.fillStyle = "#2f6fd6";
    ctx.strokeStyle = "#ffffff";
    ctx.lineWidth = 2 * ratio;
    ctx.beginPath();
    ctx.arc(x, y, 4.2 * ratio, 0, Math.PI * 2);
    ctx.fill();
    ctx.stroke();
  }
}
