// Lives here: what the map's colours and marks mean.
// Not here: the colours themselves (palette.js).

import { element } from "./figures.js";
import { COLOURS, LEGEND, fillCss, thread } from "./palette.js";

export class Legend {
  constructor() {
    this.key = null;
  }

  /** Made anew only when there is something else to explain. */
  show({ workers, map, regions }) {
    const pinned = regions.some((region) => region.pinned);
    const key = `${workers.map(({ worker }) => worker).join()}/${map.cells > 0}/${pinned}`;
    if (key === this.key) return;
    this.key = key;
    const place = document.getElementById("legend");
    const threads = alike(workers.map(({ worker }) => worker)).map((same) => marked(`thread ${same.join(", ")}`, thread(same[0])));
    place.replaceChildren(...threads, scale(workers[0]?.worker ?? 0));
    if (map.cells > 0) place.append(marked("person", "#ffffff", "dot"), marked("other entity", "#8e968a", "dot"));
    place.append(marked("border traffic (dashed: within a thread)", "#c3cad6", "stroke"));
    if (pinned) place.append(element("span", "key", "● pinned"));
    document.getElementById("no-map").hidden = map.cells > 0;
  }
}

/** The threads in groups of one colour. */
function alike(workers) {
  const groups = Array.from({ length: COLOURS }, (_, i) => workers.filter((worker) => worker % COLOURS === i));
  return groups.filter((group) => group.length > 0);
}

function marked(text, colour, shape = "") {
  const made = element("span", "key", text);
  const mark = element("i", shape);
  mark.style.backgroundColor = colour;
  made.prepend(mark);
  return made;
}

/** From no load to the brightest. */
function scale(worker) {
  const made = element("span", "key scale");
  const marks = LEGEND.map((load) => {
    const mark = element("i", "");
    mark.style.backgroundColor = fillCss(worker, load);
    return mark;
  });
  made.append("load 0 ", ...marks, ` ${LEGEND.at(-1) * 100}\u202f% of a thread`);
  return made;
}
