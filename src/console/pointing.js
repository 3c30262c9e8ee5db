// Lives here: which region is looked at and which is chosen: pointer and keys on map and charts.
// Not here: how that is drawn (map.js, charts.js) or told (figures.js).

import { neighbour } from "./steps.js";

export class Pointing {
  /** `changed()` is called when another region is looked at or chosen; `told(id)` when keys chose it. */
  constructor({ changed, told }) {
    Object.assign(this, { changed, told });
    this.looked = null;
    this.chosen = null;
    this.state = null;
  }

  /** A region that is gone is neither looked at nor chosen. */
  show(state) {
    this.state = state;
    const lives = (id) => (state.regions.some((region) => region.id === id) ? id : null);
    this.looked = lives(this.looked);
    this.chosen = lives(this.chosen);
  }

  look(id) {
    if (this.looked === id) return;
    this.looked = id;
    this.changed();
  }

  choose(id) {
    this.chosen = id;
    this.changed();
  }

  /** Follows the pointer over a canvas whose picture knows what is `at(x, y)`. */
  watch(canvas, picture) {
    const at = (event) => picture.at(event.offsetX, event.offsetY);
    canvas.addEventListener("pointermove", (event) => this.look(at(event)));
    canvas.addEventListener("pointerleave", () => this.look(null));
    canvas.addEventListener("click", (event) => {
      const id = at(event);
      this.choose(id === this.chosen ? null : id);
    });
  }

  /** Arrow keys go from region to region; Escape chooses none. `place(id)` is its place on the map. */
  keys(canvas, place) {
    canvas.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.choose(null);
      else {
        const next = neighbour(this.state?.regions ?? [], this.chosen, event.key, place);
        if (next === null) return;
        this.choose(next);
        this.told(next);
      }
      event.preventDefault();
    });
  }
}
