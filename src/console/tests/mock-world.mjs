// Lives here: a made-up world for looking at the console: people in villages, a crowd that comes and
// goes, regions that are split, moved and merged after it. By its own clock, the same every time.
// Not here: how the real supervisor decides (actors); this one only looks alike.

import { unhilbert } from "../curve.js";

const CELL = 32;
const METRES = 2048;
const VILLAGES = [[420, 380], [1500, 330], [1040, 1040], [330, 1560], [1640, 1500], [980, 1780]];
const CROWD = { at: [1500, 330], every: 90, lasts: 50, share: 0.55 };
/** Shares of a thread that one person and one sheep cost, and what commands cost a shard region. */
const COST = { person: 0.00095, other: 0.00012, base: 0.0015 };
const PACE = 1.5; // seconds between the supervisor's changes
const KEPT = 64;

/** A number in [0, 1) from a counter: the same world every time. */
function numbers(seed) {
  let at = seed;
  return () => (at = (Math.imul(at, 1664525) + 1013904223) >>> 0) / 2 ** 32;
}

export class MockWorld {
  /** A world without a map, as Ledger. */
  static ledger() {
    return new MockWorld({ side: 0, people: 0, others: 0, regions: 16, world: "ledger" });
  }

  constructor({ side = 64, shards = 4096, people = 1000, others = 700, regions = 20, workers = 2, world = "meadow" } = {}) {
    Object.assign(this, { side, shards, world, workers, time: 0, epoch: 1, next: 1, decided: 0 });
    this.random = numbers(11);
    this.cells = side * side;
    this.began = Date.now();
    this.changes = [];
    this.cellOf = new Map();
    for (let at = 0; at < this.cells; at += 1) {
      const [x, y] = unhilbert(side, at);
      this.cellOf.set(y * side + x, at);
    }
    this.people = Array.from({ length: people }, (_, i) => this.#being(VILLAGES[i % VILLAGES.length], 90, i));
    this.others = Array.from({ length: others }, (_, i) => this.#being([this.random() * METRES, this.random() * METRES], 120, i));
    this.regions = this.#cut(regions);
    this.run(4);
  }

  #being(home, spread, i) {
    const near = () => (this.random() + this.random() + this.random() - 1.5) * spread * 2;
    const clamp = (v) => Math.min(METRES - 1, Math.max(1, v));
    return { i, home, x: clamp(home[0] + near()), y: clamp(home[1] + near()), goal: null, near };
  }

  #cut(count) {
    const behind = this.cells > 0 ? 3 : 0;
    const pieces = (from, to, n) => Array.from({ length: n }, (_, i) => [from + Math.round(((to - from) * i) / n), from + Math.round(((to - from) * (i + 1)) / n)]);
    const line = this.cells + this.shards;
    const all = behind > 0 ? [...pieces(0, this.cells, count - behind), ...pieces(this.cells, line, behind)] : pieces(0, line, count);
    return all.map(([from, to], i) => this.#region(from, to, i % this.workers));
  }

  #region(from, to, worker) {
    this.next += 1;
    return { id: this.next - 1, from, to, worker, load: 0, people: 0, others: 0, pinned: false, pause: null, lateness: 2, border: [] };
  }

  // ---- time passes ----------------------------------------------------------------------------

  /** Lets time pass at once. */
  run(seconds) {
    this.began -= seconds * 1000;
    for (let i = 0; i < seconds * 4; i += 1) this.step(0.25);
  }

  step(seconds) {
    this.time += seconds;
    for (const one of this.people) this.#walk(one, seconds, 6);
    for (const one of this.others) this.#walk(one, seconds, 1.2);
    this.#measure();
    if (this.time > 6 && this.time - this.decided >= PACE) this.#decide();
    for (const change of this.changes) this.#judge(change);
  }

  #walk(one, seconds, speed) {
    const crowded = speed > 2 && this.time % CROWD.every < CROWD.lasts && one.i % 100 < CROWD.share * 100 && this.time > CROWD.every;
    const away = Math.hypot(one.x - one.home[0], one.y - one.home[1]) > 400;
    if (crowded || one.goal === null || away) {
      const [x, y] = crowded ? CROWD.at : one.home;
      const still = one.goal && Math.hypot(one.goal[0] - x, one.goal[1] - y) < 200;
      if (!still || this.random() < 0.02) one.goal = [x + one.near() * 0.6, y + one.near() * 0.6];
    } else if (this.random() < 0.02) one.goal = [one.home[0] + one.near(), one.home[1] + one.near()];
    const [dx, dy] = [one.goal[0] - one.x, one.goal[1] - one.y];
    const far = Math.hypot(dx, dy) || 1;
    const run = far > 250 ? 12 : 1;
    const part = Math.min(1, (speed * run * seconds) / far);
    one.x = Math.min(METRES - 1, Math.max(1, one.x + dx * part));
    one.y = Math.min(METRES - 1, Math.max(1, one.y + dy * part));
  }

  homeOf({ x, y }) {
    return this.cellOf.get(Math.floor(y / CELL) * this.side + Math.floor(x / CELL));
  }

  ownerOf(home) {
    return this.regions.find(({ from, to }) => home >= from && home < to);
  }

  #measure() {
    for (const region of this.regions) Object.assign(region, { people: 0, others: 0, near: new Map() });
    for (const [list, name] of [[this.people, "people"], [this.others, "others"]]) {
      for (const one of list) {
        const region = this.ownerOf(this.homeOf(one));
        region[name] += 1;
        if (name === "people") this.#border(region, one);
      }
    }
    for (const region of this.regions) this.#figures(region);
  }

  /** Who stands near another region's cell is seen and met over the border. */
  #border(region, { x, y }) {
    for (const [dx, dy] of [[CELL, 0], [-CELL, 0], [0, CELL], [0, -CELL]]) {
      const [px, py] = [x + dx, y + dy];
      if (px < 0 || py < 0 || px >= METRES || py >= METRES) continue;
      const other = this.ownerOf(this.homeOf({ x: px, y: py }));
      if (other !== region) region.near.set(other.id, (region.near.get(other.id) ?? 0) + 1);
    }
  }

  #figures(region) {
    const behind = Math.max(0, region.to - Math.max(region.from, this.cells)) / this.shards;
    const waves = this.cells > 0 ? 0.09 : 0.9 * (0.75 + 0.5 * Math.sin(this.time / 9 + region.from / 700));
    const load = COST.base + region.people * COST.person + region.others * COST.other + behind * waves;
    region.load += (load * (0.92 + this.random() * 0.16) - region.load) * 0.2;
    region.behind = behind;
    region.border = [...region.near].map(([id, n]) => ({ region: id, rate: Math.round(n * 14) / 10, tasks: n * 1.1, crossings: n * 0.4, subscriptions: n * 6 }));
    const thread = this.#loads()[region.worker];
    const late = 1.5 + region.load * 24 + Math.max(0, thread - 0.75) * 190 * this.random();
    region.lateness += (late - region.lateness) * 0.3;
  }

  #loads() {
    const loads = Array(this.workers).fill(0);
    for (const { worker, load } of this.regions) loads[worker] += load;
    return loads;
  }

  // ---- the supervisor -------------------------------------------------------------------------

  #decide() {
    this.decided = this.time;
    const loads = this.#loads();
    const hottest = this.regions.reduce((a, b) => (b.load > a.load ? b : a));
    if (hottest.load > 0.2 && hottest.to - hottest.from > 1 && this.regions.length < 40) {
      this.split(hottest, "region_hot", `alone needs ${percent(hottest.load)} of a thread for 3 s; cut at its load's median`);
    } else if (Math.max(...loads) / (sum(loads) / this.workers) > 1.12) this.#relieve(loads);
    else this.#cool();
  }

  #relieve(loads) {
    const [hot, cold] = [loads.indexOf(Math.max(...loads)), loads.indexOf(Math.min(...loads))];
    const half = (loads[hot] - loads[cold]) / 2;
    const movable = this.regions.filter((region) => region.worker === hot && !region.pinned && region.load < half * 1.6);
    const best = movable.sort((a, b) => Math.abs(a.load - half) - Math.abs(b.load - half))[0];
    if (!best) return;
    const why = `thread ${hot} is at ${percent(loads[hot])}, thread ${cold} at ${percent(loads[cold])}; max/mean ${(Math.max(...loads) / (sum(loads) / this.workers)).toFixed(2)}`;
    this.move(best, cold, "thread_hot", why);
  }

  #cool() {
    const i = this.regions.findIndex((region, at) => {
      const right = this.regions[at + 1];
      return right && this.time % 5 < 1.5 && this.regions.length > 16 && region.load + right.load < 0.012 && region.to !== this.cells && !region.pinned;
    });
    if (i >= 0) this.merge(this.regions[i], "cold", `neighbours that together need ${percent(this.regions[i].load + this.regions[i + 1].load)} for 30 s`);
  }

  #change(change, cause, facts) {
    this.epoch += 1;
    const one = {
      number: this.changes.length === 0 ? 1 : this.changes.at(-1).number + 1,
      at: this.time, change, cause, regions: [], became: [], from_worker: null, to_worker: null,
      gain: null, reason: "", state: "running", pause_ms: null, ...facts,
    };
    this.changes.push(one);
    if (this.changes.length > KEPT) this.changes.shift();
    return one;
  }

  #tell(change, cause, facts) {
    return this.#dated(this.#change(change, cause, facts));
  }

  #dated({ at, ...change }) {
    return { ...change, at_ms: Math.round(this.began + at * 1000) };
  }

  #judge(change) {
    const age = this.time - change.at;
    if (change.state === "running" && age > 0.4) {
      change.state = "done";
      change.pause_ms = Math.round((4 + this.random() * 30) * 10) / 10;
      for (const id of change.became) Object.assign(this.regions.find((region) => region.id === id) ?? {}, { pause: change.pause_ms });
    } else if (change.state === "done" && age > 10) change.state = change.number % 9 === 0 ? "undone" : "kept";
  }

  split(region, cause, reason) {
    const middle = this.#median(region);
    const right = this.#region(middle, region.to, region.worker);
    region.to = middle;
    for (const half of [region, right]) half.load = region === half ? region.load / 2 : region.load;
    this.regions.splice(this.regions.indexOf(region) + 1, 0, right);
    this.#measure();
    return this.#tell("split", cause, { regions: [region.id], became: [region.id, right.id], from_worker: region.worker, to_worker: region.worker, reason });
  }

  #median(region) {
    const homes = this.people.map((one) => this.homeOf(one)).filter((home) => home >= region.from && home < region.to).sort((a, b) => a - b);
    const middle = homes[Math.floor(homes.length / 2)] ?? Math.floor((region.from + region.to) / 2);
    return Math.min(region.to - 1, Math.max(region.from + 1, middle));
  }

  merge(region, cause, reason) {
    const right = this.regions[this.regions.indexOf(region) + 1];
    if (!right) throw new Error(`region ${region.id} is the last of the line`);
    this.regions.splice(this.regions.indexOf(right), 1);
    region.to = right.to;
    region.load += right.load;
    this.#measure();
    return this.#tell("merge", cause, { regions: [region.id, right.id], became: [region.id], from_worker: right.worker, to_worker: region.worker, reason });
  }

  move(region, worker, cause, reason) {
    if (region.worker === worker) throw new Error(`region ${region.id} is on thread ${worker} already`);
    const [before, from] = [Math.max(...this.#loads()), region.worker];
    region.worker = worker;
    const gain = (before - Math.max(...this.#loads())) / before;
    return this.#tell("move", cause, { regions: [region.id], became: [region.id], from_worker: from, to_worker: worker, gain, reason });
  }

  admin(action, { region: id, worker, pinned }) {
    const region = this.regions.find((one) => one.id === id);
    if (!region) throw new Error(`there is no region ${id}`);
    if (action === "move") return this.move(region, worker, "manual", "asked for by an operator");
    if (action === "split") return this.split(region, "manual", "asked for by an operator");
    if (action === "merge") return this.merge(region, "manual", "asked for by an operator");
    if (action !== "pin") throw new Error(`unknown action ${action}`);
    region.pinned = pinned;
    return {};
  }

  // ---- what is told ---------------------------------------------------------------------------

  state() {
    const places = (list) => list.slice(0, 5000).flatMap(({ x, y }) => [Math.round(x * 10) / 10, Math.round(y * 10) / 10]);
    const host = {
      host: "5f1c1c52-6a4e-4b1c-9a39-1f0f6f6f2a10", world: this.world, ready: true,
      partition_epoch: this.epoch, uptime_seconds: 7_980 + this.time,
      workers: this.#loads().map((load, worker) => ({ worker, load: Math.min(1, load) })),
      regions: this.regions.map((region) => this.#told(region)),
      hubs: [0, 1].map((hub) => ({ hub, load: 0.4, rung: "ground" })),
      sessions: { connected: this.cells > 0 ? this.people.length : 2_560, away: 7 },
      supervisor: { mode: "on", changes: this.changes.map((change) => this.#dated(change)) },
      socket_threads: 2, sockets: this.people.length,
    };
    return {
      status: { version: "0.3.0", world: this.world, partition_epoch: this.epoch, hosts: [host] },
      map: { cell: CELL, side: this.side, cells: this.cells, line: this.cells + this.shards },
      people: places(this.people), others: places(this.others),
    };
  }

  #told({ id, from, to, worker, load, people, others, pinned, pause, lateness, border, behind }) {
    const parts = behind > 0 ? [0.86, 0.04, 0.04, 0.06] : [0.18, 0.34, 0.3, 0.18];
    const [tasks, ticks, encoding, sending] = parts.map((part) => load * part);
    const entities = people + others;
    return {
      id, from, to, worker, load, busy: { tasks, ticks, encoding, sending }, objects: entities + Math.round(behind * 3000), entities,
      sessions: behind > 0 && this.cells === 0 ? Math.round(behind * 2560) : people, queue: Math.floor(load * 9), ticks: Math.floor(this.time * 20), late: 0,
      pinned, dilation: 1.0, lateness_ms: lateness, border, last_pause_ms: pause,
    };
  }
}

const sum = (values) => values.reduce((a, b) => a + b, 0);
const percent = (share) => `${Math.round(share * 100)} %`;
