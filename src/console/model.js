// Lives here: what the page makes of the server's answer: plain figures, what changed, the last minutes.
// Not here: asking for it (poll.js), showing it (map.js, charts.js, figures.js).
// Invariant: a figure that the server does not tell is null or 0 here, never undefined.

/** How many answers the history holds: two minutes at two per second. */
export const HISTORY = 240;
/** Most lines of traffic on the map: the busiest. */
export const MOST_BORDERS = 120;
/** Below this mean load of the threads, their spread says nothing. */
const IDLE = 0.02;

const number = (value, otherwise = 0) => (Number.isFinite(value) ? value : otherwise);
const list = (value) => (Array.isArray(value) ? value : []);

/** The answer of `/console/state` in one shape; regions in line order. Throws where it is none. */
export function read(answer) {
  if (!answer?.status || !answer.map) throw new Error("this is no state of a server");
  const host = answer.status.hosts?.[0] ?? answer.status;
  const supervisor = host.supervisor ?? answer.status.supervisor;
  const regions = list(host.regions).map(readRegion).sort((a, b) => a.from - b.from);
  const workers = list(host.workers).map(({ worker, load }) => ({ worker, load: number(load) }));
  const map = readMap(answer.map);
  return {
    world: String(host.world ?? answer.status.world ?? "world"),
    version: answer.status.version ?? null,
    ready: host.ready !== false,
    epoch: number(host.partition_epoch ?? answer.status.partition_epoch),
    uptime: number(host.uptime_seconds),
    connected: number(host.sessions?.connected),
    away: number(host.sessions?.away),
    mode: supervisor?.mode ?? "off",
    changes: list(supervisor?.changes),
    regions,
    workers,
    things: sum(regions, map.cells > 0 ? "entities" : "objects"),
    spread: spread(workers),
    lateness: Math.max(0, ...regions.map((region) => region.lateness)),
    dilation: Math.min(1, ...regions.map((region) => region.dilation)),
    hubs: list(host.hubs).map(({ hub, load, rung }) => ({ hub, load: number(load), rung: String(rung ?? "ground") })),
    map,
    people: list(answer.people),
    others: list(answer.others),
  };
}

const sum = (regions, figure) => regions.reduce((total, region) => total + region[figure], 0);

function readRegion(region) {
  const busy = region.busy ?? {};
  return {
    id: region.id,
    from: region.from,
    to: region.to,
    worker: number(region.worker),
    load: number(region.load),
    busy: ["tasks", "ticks", "encoding", "sending"].map((name) => ({ name, share: number(busy[name]) })),
    entities: number(region.entities),
    objects: number(region.objects),
    sessions: number(region.sessions),
    queue: number(region.queue),
    late: number(region.late),
    lateness: number(region.lateness_ms),
    dilation: number(region.dilation, 1),
    pinned: region.pinned === true,
    pause: Number.isFinite(region.last_pause_ms) ? region.last_pause_ms : null,
    border: list(region.border).filter(({ rate }) => rate > 0).sort((a, b) => b.rate - a.rate),
  };
}

function readMap(map) {
  const cells = number(map.cells);
  return { cell: number(map.cell, 32), side: number(map.side), cells, line: number(map.line, cells) };
}

/** The busiest thread over the mean of all; null where there is too little load to compare. */
export function spread(workers) {
  if (workers.length === 0) return null;
  const mean = sum(workers, "load") / workers.length;
  return mean < IDLE ? null : Math.max(...workers.map(({ load }) => load)) / mean;
}

/** The ids of the regions that are new, have another interval or another thread. */
export function changed(before, after) {
  const known = new Map(before.map((region) => [region.id, region]));
  return after
    .filter(({ id, from, to, worker }) => {
      const old = known.get(id);
      return !old || old.from !== from || old.to !== to || old.worker !== worker;
    })
    .map(({ id }) => id);
}

/** A word that is the same as long as the partition is. */
export const partitionOf = ({ map, regions }) => `${map.cells}/${map.line}:${regions.map(({ id, from, to }) => `${id},${from},${to}`).join(";")}`;

/** The busiest pairs of regions that have traffic: `{a, b, rate}` by their place in `regions`. */
export function borders(regions) {
  const place = new Map(regions.map(({ id }, index) => [id, index]));
  const pairs = new Map();
  regions.forEach(({ border }, index) => {
    for (const { region, rate } of border) {
      const other = place.get(region);
      if (other === undefined || other === index) continue;
      const [a, b] = index < other ? [index, other] : [other, index];
      const key = `${a},${b}`;
      // Both sides tell of the same border: the one that saw more is right.
      if (!(pairs.get(key)?.rate >= rate)) pairs.set(key, { a, b, rate });
    }
  });
  return [...pairs.values()].sort((x, y) => y.rate - x.rate).slice(0, MOST_BORDERS);
}

/** The last minutes of some figures: numbers, null where there was none. */
export class History {
  constructor(most = HISTORY) {
    this.most = most;
    this.figures = new Map();
    this.length = 0;
  }

  /** Adds one moment: `{name: number|null}`. A name that is new was null before. */
  add(figures) {
    for (const name of Object.keys(figures)) {
      if (!this.figures.has(name)) this.figures.set(name, Array(this.length).fill(null));
    }
    this.length = Math.min(this.most, this.length + 1);
    for (const [name, values] of this.figures) {
      values.push(figures[name] ?? null);
      if (values.length > this.most) values.shift();
      // A thread that no longer exists is forgotten with its last figure.
      if (values.every((value) => value === null) && !(name in figures)) this.figures.delete(name);
    }
  }

  /** Adds `moments` without figures: nobody was asked, or nobody answered. */
  skip(moments) {
    for (let i = 0; i < Math.min(moments, this.most); i += 1) this.add({});
  }

  of(name) {
    return this.figures.get(name) ?? [];
  }
}
