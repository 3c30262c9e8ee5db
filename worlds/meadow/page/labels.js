// Lives here: written words over the meadow: names and talk bubbles, kept as pictures.
// Not here: what was said (game.js), the chat's list (hud.js).
// Invariant: at most LABEL_LIMIT pictures of names are held; a bubble lasts BUBBLE_SECONDS.

const LABEL_LIMIT = 300;
const BUBBLE_SECONDS = 7;
const BUBBLE_WIDTH = 210; // CSS pixels before a line is broken
const MAX_LINES = 6;
export const FONT = "ui-rounded, 'SF Pro Rounded', 'Segoe UI', 'Nunito', Ubuntu, 'DejaVu Sans', sans-serif";

const scratch = document.createElement("canvas").getContext("2d");

function picture(width, height, ratio) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.ceil(width * ratio);
  canvas.height = Math.ceil(height * ratio);
  const ctx = canvas.getContext("2d");
  ctx.scale(ratio, ratio);
  return [canvas, ctx];
}

/** Names and bubbles for screens of `ratio` device pixels per CSS pixel. */
export class Labels {
  constructor() {
    this.ratio = 1;
    this.names = new Map();
    this.bubbles = new Map(); // id -> {canvas, from, until}
  }

  setRatio(ratio) {
    if (ratio !== this.ratio) this.names.clear();
    this.ratio = ratio;
  }

  /** Draws a name centred at x, its lower edge at y. */
  name(ctx, text, mine, x, y) {
    const key = `${mine ? "*" : "-"}${text}`;
    let canvas = this.names.get(key);
    if (canvas) this.names.delete(key);
    else canvas = this.#paintName(text, mine);
    this.names.set(key, canvas);
    if (this.names.size > LABEL_LIMIT) this.names.delete(this.names.keys().next().value);
    ctx.drawImage(canvas, Math.round(x - canvas.width / 2), Math.round(y - canvas.height));
  }

  #paintName(text, mine) {
    scratch.font = `600 13px ${FONT}`;
    const width = Math.ceil(scratch.measureText(text).width) + 16;
    const [canvas, ctx] = picture(width, 20, this.ratio);
    ctx.font = scratch.font;
    ctx.fillStyle = mine ? "#2c3a1fd0" : "#20303a9c";
    ctx.beginPath();
    ctx.roundRect(0, 1, width, 18, 9);
    ctx.fill();
    ctx.fillStyle = mine ? "#fff2b8" : "#ffffff";
    ctx.textAlign = "center";
    ctx.textBaseline = "middle";
    ctx.fillText(text, width / 2, 10.5);
    return canvas;
  }

  /** Somebody said something at `time` seconds. */
  say(id, text, time) {
    this.bubbles.set(id, { canvas: this.#paintBubble(text), from: time, until: time + BUBBLE_SECONDS });
  }

  #paintBubble(text) {
    scratch.font = `500 14.5px ${FONT}`;
    const lines = wrap(text);
    const width = Math.ceil(Math.max(...lines.map((line) => scratch.measureText(line).width))) + 26;
    const height = lines.length * 19 + 16;
    const [canvas, ctx] = picture(width + 12, height + 22, this.ratio);
    ctx.translate(6, 4);
    ctx.shadowColor = "#1c2b1a55";
    ctx.shadowBlur = 8 * this.ratio;
    ctx.shadowOffsetY = 2 * this.ratio;
    ctx.fillStyle = "#fffdf6";
    ctx.beginPath();
    ctx.roundRect(0, 0, width, height, 13);
    ctx.moveTo(width / 2 - 8, height - 1);
    ctx.quadraticCurveTo(width / 2 - 2, height + 6, width / 2 - 1, height + 11);
    ctx.quadraticCurveTo(width / 2 + 5, height + 6, width / 2 + 8, height - 1);
    ctx.fill();
    ctx.shadowColor = "transparent";
    ctx.fillStyle = "#2f3a2c";
    ctx.font = scratch.font;
    ctx.textAlign = "center";
    ctx.textBaseline = "middle";
    lines.forEach((line, i) => ctx.fillText(line, width / 2, 8 + 19 * i + 10));
    return canvas;
  }

  /** Draws the bubbles of `speakers` (`{id, x, y}`: where the tip goes); those that would hide another go above it. */
  allBubbles(ctx, speakers, time) {
    const placed = [];
    for (const { id, x, y } of speakers) this.#bubble(ctx, id, x, y, time, placed);
  }

  #bubble(ctx, id, x, y, time, placed) {
    const bubble = this.bubbles.get(id);
    if (!bubble) return;
    if (time > bubble.until) {
      this.bubbles.delete(id);
      return;
    }
    const grown = Math.min(1, (time - bubble.from) * 7);
    const size = grown * (1.12 - 0.12 * grown);
    const { width, height } = bubble.canvas;
    let bottom = y;
    // Lowest first, so one pass upwards finds a free place.
    for (const other of placed.sort((a, b) => b.bottom - a.bottom)) {
      const aside = Math.abs(other.x - x) >= (other.width + width) / 2;
      if (!aside && bottom > other.top && bottom - height < other.bottom) bottom = other.top;
    }
    placed.push({ x, width, bottom, top: bottom - height });
    ctx.globalAlpha = Math.min(1, (bubble.until - time) * 2);
    ctx.drawImage(bubble.canvas, Math.round(x - (width * size) / 2), Math.round(bottom - height * size), width * size, height * size);
    ctx.globalAlpha = 1;
  }
}

/** Breaks a text into lines; words longer than a line are cut. */
function wrap(text) {
  const lines = [];
  let line = "";
  const fits = (candidate) => scratch.measureText(candidate).width <= BUBBLE_WIDTH;
  for (let word of text.split(/\s+/)) {
    while (!fits(word)) {
      let cut = word.length - 1;
      while (cut > 1 && !fits(word.slice(0, cut))) cut -= 1;
      if (line) lines.push(line);
      line = "";
      lines.push(word.slice(0, cut));
      word = word.slice(cut);
    }
    const longer = line ? `${line} ${word}` : word;
    if (fits(longer)) {
      line = longer;
    } else {
      lines.push(line);
      line = word;
    }
  }
  if (line) lines.push(line);
  if (lines.length > MAX_LINES) lines.splice(MAX_LINES - 1, lines.length, `${lines[MAX_LINES - 1]} …`);
  return lines;
}
