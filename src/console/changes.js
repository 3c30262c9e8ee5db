// Lives here: the list of the supervisor's changes, newest first, and their announcement.
// Not here: how a change is put in words (words.js).
// Invariant: the list holds what the server told last and no more; nobody's words become markup.

import { element, setText } from "./figures.js";
import { ago, cause, change, milliseconds, percent, spoken, state } from "./words.js";

const keyOf = ({ number, at_ms: at }) => `${number}@${at}`;

export class Changes {
  /** `look(id)` is called when a change is pointed at, with null when no longer. */
  constructor(list, announcer, look) {
    Object.assign(this, { list, announcer, look });
    this.rows = new Map();
    this.newest = null;
  }

  /** `now` is the server's time in milliseconds. */
  show(changes, now) {
    const keys = new Set(changes.map(keyOf));
    for (const [key, row] of this.rows) {
      if (keys.has(key)) continue;
      row.item.remove();
      this.rows.delete(key);
    }
    for (const one of changes) this.#row(one, now);
    document.getElementById("no-changes").hidden = changes.length > 0;
    this.#announce(changes.at(-1));
  }

  #row(one, now) {
    const key = keyOf(one);
    let row = this.rows.get(key);
    if (!row) {
      row = this.#make(one);
      this.rows.set(key, row);
      this.list.prepend(row.item);
    }
    setText(row.age, ago((now - one.at_ms) / 1000));
    setText(row.state, state(one.state));
    row.item.dataset.state = one.state;
    setText(row.pause, Number.isFinite(one.pause_ms) ? `pause ${milliseconds(one.pause_ms)}` : "");
    setText(row.gain, Number.isFinite(one.gain) ? `gain ${percent(one.gain)}` : "");
    setText(row.title, change(one));
    setText(row.reason, one.reason ?? "");
  }

  #make(one) {
    const item = element("li", "change");
    item.dataset.change = one.change;
    const row = {
      item,
      title: element("b", "title"),
      age: element("time", "age"),
      reason: element("p", "reason"),
      state: element("span", "state"),
      gain: element("span", "gain"),
      pause: element("span", "pause"),
    };
    row.age.dateTime = new Date(one.at_ms).toISOString();
    row.age.title = new Date(one.at_ms).toLocaleString("en-GB");
    const facts = element("p", "facts");
    facts.append(row.state, element("span", "cause", cause(one.cause)), row.gain, row.pause);
    item.append(row.title, row.age, row.reason, facts);
    item.addEventListener("pointerenter", () => this.look((one.became?.[0] ?? one.regions?.[0]) ?? null));
    item.addEventListener("pointerleave", () => this.look(null));
    return row;
  }

  /** Says the newest change, once, and again when its outcome is known; not what happened before we came. */
  #announce(newest) {
    if (!newest) return;
    const said = `${keyOf(newest)} ${newest.state}`;
    if (this.newest !== null && this.newest !== said) setText(this.announcer, spoken(newest));
    this.newest = said;
  }
}
