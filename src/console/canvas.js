// Lives here: a canvas that is as sharp as its screen, whatever its size becomes.
// Not here: what is drawn on it (map.js, charts.js).

/** More device pixels than this per CSS pixel can't be seen. */
const MOST_RATIO = 3;
/** The page's typeface, for canvases. */
export const FONT = 'system-ui, "Segoe UI", Roboto, Ubuntu, "DejaVu Sans", sans-serif';

export class Sheet {
  /** `draw(ctx, width, height)` works in CSS pixels; it is called once per picture, when asked for. */
  constructor(canvas, draw) {
    this.canvas = canvas;
    this.ctx = canvas.getContext("2d");
    this.draw = draw;
    this.asked = 0;
    new ResizeObserver(() => this.ask()).observe(canvas);
  }

  /** Draws with the next picture of the screen, once, however often it is asked. */
  ask() {
    this.asked ||= requestAnimationFrame(() => {
      this.asked = 0;
      this.#paint();
    });
  }

  #paint() {
    const { canvas, ctx } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (width === 0 || height === 0) return;
    this.ratio = Math.min(MOST_RATIO, window.devicePixelRatio || 1);
    const [w, h] = [Math.round(width * this.ratio), Math.round(height * this.ratio)];
    if (canvas.width !== w) canvas.width = w;
    if (canvas.height !== h) canvas.height = h;
    ctx.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    ctx.clearRect(0, 0, width, height);
    this.draw(ctx, width, height);
  }
}

/** The size of the page's letters in CSS pixels: charts grow with them. */
export const letter = () => Number.parseFloat(getComputedStyle(document.documentElement).fontSize) || 16;
