// Lives here: the small charts: loads of the threads, lateness of ticks, the last two minutes.
// Not here: the map (map.js); the figures in words (figures.js).

import { FONT, Sheet, letter } from "./canvas.js";
import { HISTORY } from "./model.js";
import { BAD, FAINT, INK, MUTED, WARN, fillCss, thread } from "./palette.js";
import { milliseconds, percent } from "./words.js";

/** A tick comes every so many milliseconds: later than this, the next one is due. */
const TICK_MS = 50;
/** Room for a thread's share beside its bar, in letters. */
const WORDS = 3.7;

/** Draws `values` from right to left as a line, over `high` at the top and 0 (or `low`) at the bottom. */
function line(ctx, values, { left, top, width, height, low = 0, high, colour, thick = 1.5 }) {
  const y = (value) => top + height - ((Math.min(value, high) - low) / (high - low || 1)) * height;
  ctx.strokeStyle = colour;
  ctx.lineWidth = thick;
  ctx.lineJoin = "round";
  ctx.beginPath();
  let pen = false;
  values.forEach((value, i) => {
    const x = left + width * (1 - (values.length - 1 - i) / (HISTORY - 1));
    if (value === null) pen = false;
    else if (pen) ctx.lineTo(x, y(value));
    else ctx.moveTo(x, y(value));
    pen = value !== null;
  });
  ctx.stroke();
  return y;
}

/** A line of the last two minutes without words, beside a headline figure. */
export class Spark {
  constructor(canvas, { low = 0, least = 1, mark = null } = {}) {
    this.values = [];
    this.sheet = new Sheet(canvas, (ctx, width, height) => {
      const high = Math.max(least, ...this.values.filter((value) => value !== null)) * 1.05;
      const box = { left: 1, top: 2, width: width - 3, height: height - 4, low, high };
      const y = line(ctx, this.values, { ...box, colour: MUTED, thick: letter() / 10 });
      if (mark !== null) dashes(ctx, 0, y(mark), width, WARN);
      const last = this.values.at(-1) ?? null;
      if (last !== null) dot(ctx, width - 3, y(last), letter() / 7);
    });
  }

  show(values) {
    this.values = values;
    this.sheet.ask();
  }
}

function dot(ctx, x, y, r) {
  ctx.fillStyle = INK;
  ctx.beginPath();
  ctx.arc(x, y, r, 0, Math.PI * 2);
  ctx.fill();
}

function dashes(ctx, x, y, width, colour) {
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.globalAlpha = 0.7;
  ctx.setLineDash([3, 3]);
  ctx.lineWidth = 1;
  ctx.beginPath();
  ctx.moveTo(x, Math.round(y) + 0.5);
  ctx.lineTo(x + width, Math.round(y) + 0.5);
  ctx.stroke();
  ctx.restore();
}

/** What the charts that can be pointed at have in common: rectangles that belong to regions. */
class Pointed {
  constructor(canvas) {
    this.spots = [];
    this.state = null;
    this.marked = [];
    this.sheet = new Sheet(canvas, (ctx, width, height) => {
      this.spots = [];
      if (this.state) this.draw(ctx, width, height);
    });
  }

  show(state) {
    this.state = state;
    this.sheet.ask();
  }

  mark(looked, chosen) {
    if (this.marked[0] === looked && this.marked[1] === chosen) return;
    this.marked = [looked, chosen];
    this.sheet.ask();
  }

  at(x, y) {
    return this.spots.find((s) => x >= s.x && x < s.x + s.width && y >= s.y && y < s.y + s.height)?.id ?? null;
  }
}

/** A bar per thread, of the loads of its regions; a dashed line at the mean of all threads. */
export class Threads extends Pointed {
  draw(ctx, width, height) {
    const { workers, regions } = this.state;
    if (workers.length === 0) return;
    const em = letter();
    const each = Math.min(em * 3, height / workers.length);
    const names = each >= em * 0.6;
    const box = { left: names ? em * 1.5 : 0, width: 0, high: Math.max(2, each * 0.74) };
    box.width = width - box.left - (names ? em * WORDS : 0);
    const mean = workers.reduce((sum, { load }) => sum + load, 0) / workers.length;
    const gap = (height - each * workers.length) / 2;
    workers.forEach(({ worker, load }, i) => {
      const top = gap + i * each + (each - box.high) / 2;
      if (names) this.#words(ctx, worker, load, { ...box, top, em, size: Math.min(em, each) });
      this.#bar(ctx, regions.filter((region) => region.worker === worker), top, box, worker);
    });
    this.#mean(ctx, box.left + Math.min(1, mean) * box.width, gap, each * workers.length);
  }

  #words(ctx, worker, load, { left, top, width, high, em, size }) {
    ctx.font = `700 ${size}px ${FONT}`;
    ctx.textBaseline = "middle";
    ctx.textAlign = "left";
    ctx.fillStyle = thread(worker);
    ctx.fillText(String(worker), 0, top + high / 2);
    ctx.textAlign = "right";
    ctx.fillStyle = INK;
    ctx.fillText(percent(load), left + width + em * WORDS, top + high / 2);
  }

  #bar(ctx, regions, top, { left, width, high }, worker) {
    ctx.fillStyle = FAINT;
    ctx.fillRect(left, top, width, high);
    let x = left;
    for (const { id, load } of regions) {
      const w = Math.min(load * width, left + width - x);
      if (w <= 0) continue;
      ctx.fillStyle = fillCss(worker, load);
      ctx.fillRect(x, top, Math.max(0.5, w - (w > 3 ? 1 : 0)), high);
      this.#mark(ctx, id, x, top, w, high);
      this.spots.push({ id, x, y: top, width: w, height: high });
      if (w > letter() * 1.6 && high > letter()) this.#name(ctx, id, x + w / 2, top + high / 2);
      x += w;
    }
  }

  #name(ctx, id, x, y) {
    ctx.font = `600 ${letter() * 0.85}px ${FONT}`;
    ctx.textAlign = "center";
    ctx.fillStyle = INK;
    ctx.fillText(String(id), x, y);
  }

  #mark(ctx, id, x, y, w, h) {
    if (!this.marked.includes(id)) return;
    ctx.strokeStyle = "#ffffff";
    ctx.lineWidth = 2;
    ctx.strokeRect(x, y, Math.max(1, w - 1), h);
  }

  #mean(ctx, x, top, height) {
    ctx.save();
    ctx.strokeStyle = INK;
    ctx.setLineDash([3, 3]);
    ctx.beginPath();
    ctx.moveTo(Math.round(x) + 0.5, top);
    ctx.lineTo(Math.round(x) + 0.5, top + height);
    ctx.stroke();
    ctx.restore();
  }
}

/** The loads of all threads over the last two minutes. */
export class Loads {
  constructor(canvas) {
    this.lines = [];
    this.sheet = new Sheet(canvas, (ctx, width, height) => {
      const em = letter();
      const box = { left: 0, top: 3, width: width - em * 2.6, height: height - 6, high: 1 };
      ctx.font = `${em * 0.8}px ${FONT}`;
      ctx.textBaseline = "middle";
      ctx.textAlign = "right";
      for (const share of [0, 0.5, 1]) {
        const y = box.top + box.height * (1 - share);
        dashes(ctx, 0, Math.min(height - 1, y), box.width, FAINT);
        ctx.fillStyle = MUTED;
        ctx.fillText(`${share * 100}%`, width, Math.min(height - em * 0.4, Math.max(em * 0.45, y)));
      }
      for (const { worker, values } of this.lines) line(ctx, values, { ...box, colour: thread(worker), thick: em / 8 });
    });
  }

  show(lines) {
    this.lines = lines;
    this.sheet.ask();
  }
}

/** A bar per region: the 99th percentile of how late its ticks begin; heights go by the square root. */
export class Lateness extends Pointed {
  draw(ctx, width, height) {
    const em = letter();
    const right = em * 3.2;
    const most = Math.max(1, Math.floor((width - right) / 4));
    const { regions } = this.state;
    const shown = regions.length <= most ? regions : worst(regions, most);
    const high = Math.max(TICK_MS * 1.3, ...shown.map(({ lateness }) => lateness));
    const box = { top: 2, height: height - em * 1.15, width: width - right };
    const y = (value) => box.top + box.height * (1 - Math.sqrt(Math.max(0, value) / high));
    this.#axis(ctx, y, box, width, high);
    const each = Math.min(em * 2.4, box.width / Math.max(1, shown.length));
    shown.forEach((region, i) => this.#bar(ctx, region, i * each, each, y, box));
    this.#names(ctx, shown, each, box);
  }

  /** The regions' names as far as there is room: every one, every second, …; marked ones always. */
  #names(ctx, shown, each, { top, height }) {
    const size = letter() * 0.72;
    const step = Math.ceil((Math.max(...shown.map(({ id }) => String(id).length)) * 0.62 + 0.4) * (size / each));
    ctx.textAlign = "center";
    ctx.textBaseline = "top";
    const near = (i) => shown.some(({ id }, at) => at !== i && Math.abs(at - i) < step && this.marked.includes(id));
    shown.forEach(({ id }, i) => {
      const marked = this.marked.includes(id);
      if (!marked && (i % step !== 0 || near(i))) return;
      ctx.font = `${marked ? 700 : 400} ${size}px ${FONT}`;
      ctx.fillStyle = marked ? INK : MUTED;
      ctx.fillText(String(id), (i + 0.5) * each, top + height + 2);
    });
  }

  #axis(ctx, y, box, width, high) {
    ctx.font = `${letter() * 0.8}px ${FONT}`;
    ctx.textAlign = "right";
    ctx.textBaseline = "middle";
    for (const at of [0, 5, 20, TICK_MS, 200, 1000].filter((value) => value <= high)) {
      const colour = at === TICK_MS ? WARN : MUTED;
      dashes(ctx, 0, y(at), box.width, at === TICK_MS ? WARN : FAINT);
      ctx.fillStyle = colour;
      ctx.fillText(at === 0 ? "0" : milliseconds(at), width, y(at));
    }
  }

  #bar(ctx, { id, worker, lateness }, x, each, y, { top, height }) {
    const [w, h] = [Math.max(1, Math.min(each * 0.78, each - 1)), Math.max(1.5, y(0) - y(lateness))];
    ctx.fillStyle = thread(worker);
    ctx.fillRect(x + (each - w) / 2, y(0) - h, w, h);
    ctx.fillStyle = BAD; // what is more than a tick
    if (lateness > TICK_MS) ctx.fillRect(x + (each - w) / 2, y(lateness), w, y(TICK_MS) - y(lateness));
    this.spots.push({ id, x, y: top, width: each, height: height + letter() });
    if (!this.marked.includes(id)) return;
    ctx.strokeStyle = "#ffffff";
    ctx.lineWidth = 1.5;
    ctx.strokeRect(x + (each - w) / 2, y(0) - h, w, h);
  }
}

/** The `most` regions whose ticks are latest, still in line order. */
function worst(regions, most) {
  const kept = new Set([...regions].sort((a, b) => b.lateness - a.lateness).slice(0, most));
  return regions.filter((region) => kept.has(region));
}
