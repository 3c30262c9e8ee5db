// Lives here: keys, mouse and touch, turned into wishes: walk, click, zoom, talk.
// Not here: what comes of them (main.js, game.js).
// Invariant: while somebody types or a dialog is open no key walks.

const KEYS = {
  KeyW: [0, -1], ArrowUp: [0, -1], KeyS: [0, 1], ArrowDown: [0, 1],
  KeyA: [-1, 0], ArrowLeft: [-1, 0], KeyD: [1, 0], ArrowRight: [1, 0],
};
/** A press that lasts longer, or moves further, is a walk along the pointer and not a click. */
const CLICK_MS = 350;
const CLICK_PIXELS = 10;
/** How much two fingers must spread for one step of zoom. */
const PINCH_STEP = 1.25;

/** Watches a canvas. `wishes`: click(point), drag(point), zoom(step), key(code), hover(point), away(). */
export class Input {
  constructor(canvas, wishes) {
    this.canvas = canvas;
    this.wishes = wishes;
    this.held = new Set();
    this.pointers = new Map(); // id -> {x, y, from, moved}
    this.pinch = 0;
    this.enabled = false;
    addEventListener("keydown", (event) => this.#keyDown(event));
    addEventListener("keyup", (event) => this.held.delete(event.code));
    addEventListener("blur", () => this.#away());
    document.addEventListener("visibilitychange", () => document.hidden && this.#away());
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, (event) => this.#up(event, name === "pointerup"));
    }
    canvas.addEventListener("pointerleave", () => wishes.hover(null));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      wishes.zoom(event.deltaY < 0 ? 1 : -1);
    }, { passive: false });
  }

  /** The direction of the keys held, of length 1; null if none is. */
  direction() {
    let [x, y] = [0, 0];
    for (const code of this.held) {
      x += KEYS[code][0];
      y += KEYS[code][1];
    }
    const length = Math.hypot(x, y);
    return length === 0 ? null : { x: x / length, y: y / length };
  }

  /** The point of a press that has become a walk along the pointer. */
  dragging() {
    if (this.pointers.size !== 1) return null;
    const [pointer] = this.pointers.values();
    return isLong(pointer, performance.now()) ? pointer : null;
  }

  #keyDown(event) {
    const typing = event.target instanceof HTMLInputElement || document.querySelector("dialog[open]");
    if (!this.enabled || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (KEYS[event.code]) {
      this.held.add(event.code);
      event.preventDefault();
    } else if (!event.repeat && this.wishes.key(event.code)) {
      event.preventDefault();
    }
  }

  #away() {
    this.held.clear();
    this.pointers.clear();
    this.wishes.away();
  }

  #down(event) {
    if (!this.enabled) return;
    document.activeElement?.blur();
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, from: event.timeStamp, moved: 0 });
    if (this.pointers.size === 2) this.pinch = this.#spread();
  }

  #move(event) {
    const pointer = this.pointers.get(event.pointerId);
    if (!pointer) {
      this.wishes.hover({ x: event.clientX, y: event.clientY });
      return;
    }
    pointer.moved += Math.hypot(event.clientX - pointer.x, event.clientY - pointer.y);
    pointer.x = event.clientX;
    pointer.y = event.clientY;
    if (this.pointers.size !== 2) return;
    const spread = this.#spread();
    if (spread > this.pinch * PINCH_STEP || spread < this.pinch / PINCH_STEP) {
      this.wishes.zoom(spread > this.pinch ? 1 : -1);
      this.pinch = spread;
    }
  }

  #up(event, lifted) {
    const pointer = this.pointers.get(event.pointerId);
    // By the events' own times: a page that is busy for a moment makes no drag of a click.
    const dragged = pointer && isLong(pointer, event.timeStamp);
    const alone = this.pointers.size === 1;
    this.pointers.delete(event.pointerId);
    if (!pointer || !lifted || !alone || this.pinch) {
      if (this.pointers.size === 0) this.pinch = 0;
      return;
    }
    if (dragged) this.wishes.dragEnd();
    else this.wishes.click(pointer);
  }

  #spread() {
    const [a, b] = [...this.pointers.values()];
    return Math.hypot(a.x - b.x, a.y - b.y);
  }
}

/** Whether a press at this time is more than a click. */
function isLong(pointer, now) {
  return now - pointer.from > CLICK_MS || pointer.moved > CLICK_PIXELS;
}
