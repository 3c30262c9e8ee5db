// Lives here: the figures in words: the headline and the region that is looked at.
// Not here: how a figure is written (words.js), charts (charts.js).

import { Spark } from "./charts.js";
import { PARTS, thread } from "./palette.js";
import { border, count, milliseconds, mode, passed, percent, ratio, shown } from "./words.js";

/** A spread above this is one that the supervisor works on. */
const SPREAD_HIGH = 1.25;
const TICK_MS = 50;
/** Borders listed for a region. */
const MOST_NEIGHBOURS = 3;

const $ = (id) => document.getElementById(id);

/** Writes only what changed: nothing is laid out for nothing. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** An element with a class and words. */
export function element(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

/** The figures at the top, each with its last two minutes. */
export class Headline {
  constructor() {
    this.sparks = {
      sessions: new Spark($("spark-sessions"), { least: 10 }),
      entities: new Spark($("spark-entities"), { least: 10 }),
      regions: new Spark($("spark-regions"), { least: 4 }),
      spread: new Spark($("spark-spread"), { low: 1, least: 1.5, mark: SPREAD_HIGH }),
      lateness: new Spark($("spark-lateness"), { least: TICK_MS, mark: TICK_MS }),
    };
  }

  show(state, history) {
    document.title = `${state.world} · Brightstar console`;
    setText($("world"), state.world);
    setText($("sessions"), count(state.connected));
    setText($("away"), state.away > 0 ? `+ ${count(state.away)} away` : "");
    // Without a map nothing has a position: then it is the objects that count.
    setText($("entities-label"), state.map.cells > 0 ? "Entities" : "Objects");
    setText($("entities"), count(state.things));
    setText($("regions"), count(state.regions.length));
    setText($("spread"), ratio(state.spread));
    setText($("lateness"), milliseconds(state.lateness));
    $("tile-spread").classList.toggle("high", state.spread > SPREAD_HIGH);
    $("tile-lateness").classList.toggle("high", state.lateness > TICK_MS);
    setText($("dilation"), state.dilation < 1 ? `time at ${percent(state.dilation)}` : "");
    setText($("less"), shown(state.hubs));
    setText($("mode"), mode(state.mode));
    $("mode").dataset.mode = state.mode;
    setText($("epoch"), count(state.epoch));
    setText($("uptime"), passed(state.uptime));
    for (const [name, spark] of Object.entries(this.sparks)) spark.show(history.of(name));
  }
}

/** One region's figures. */
export class RegionFigures {
  constructor() {
    this.parts = PARTS.map((colour) => {
      const bar = element("span", "part");
      bar.style.backgroundColor = colour;
      const name = element("li", "");
      const swatch = element("i", "");
      swatch.style.backgroundColor = colour;
      const value = element("b", "");
      name.append(swatch, element("span", ""), value);
      $("load-bar").append(bar);
      $("load-parts").append(name);
      return { bar, word: name.children[1], value };
    });
  }

  /** `why` says how it came to be shown: "chosen", "looked at" or "busiest". */
  show(region, why, map) {
    $("region").classList.toggle("none", !region);
    setText($("region-why"), region ? why : "");
    setText($("region-id"), region ? `Region ${region.id}` : "No region");
    if (!region) return;
    setText($("region-thread"), `thread ${region.worker}`);
    $("region-thread").style.setProperty("--thread", thread(region.worker));
    $("region-pinned").hidden = !region.pinned;
    setText($("region-homes"), homes(region, map));
    this.#load(region);
    setText($("f-entities-label"), map.cells > 0 ? "Entities" : "Objects");
    setText($("f-entities"), count(map.cells > 0 ? region.entities : region.objects));
    setText($("f-sessions"), count(region.sessions));
    setText($("f-queue"), count(region.queue));
    setText($("f-lateness"), milliseconds(region.lateness));
    setText($("f-dilation"), region.dilation < 1 ? percent(region.dilation) : "none");
    setText($("f-pause"), milliseconds(region.pause));
    $("f-lateness").classList.toggle("high", region.lateness > TICK_MS);
    $("f-dilation").classList.toggle("high", region.dilation < 1);
    const busiest = region.border.slice(0, MOST_NEIGHBOURS);
    setText($("f-border"), busiest.map(border).join("\n") || "none");
  }

  #load({ load, busy }) {
    setText($("region-load"), percent(load));
    busy.forEach(({ name, share }, i) => {
      const { bar, word, value } = this.parts[i];
      bar.style.width = `${Math.min(1, share) * 100}%`;
      setText(word, name);
      setText(value, percent(share));
    });
  }
}

/** What of the line is a region's: `287 cells`, `1,024 shards`, or both. */
function homes({ from, to }, { cells }) {
  const [onMap, behind] = [Math.max(0, Math.min(to, cells) - from), Math.max(0, to - Math.max(from, cells))];
  const parts = [[onMap, "cell"], [behind, "shard"]].filter(([n]) => n > 0);
  return parts.map(([n, word]) => `${count(n)} ${word}${n === 1 ? "" : "s"}`).join(", ") || "empty";
}
