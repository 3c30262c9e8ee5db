// Lives here: figures and changes in words for people.
// Not here: where they are shown (figures.js, changes.js).

const GAP = "\u202f"; // a narrow space that does not break: between number and unit
const NONE = "–";

/** `12,345`. */
export const count = (value) => Math.round(value).toLocaleString("en-GB");

/** `31 %`, `4.2 %`, `0.3 %`. */
export function percent(share) {
  const value = share * 100;
  const digits = Math.abs(value) < 9.95 && Math.abs(value) >= 0.05 ? 1 : 0;
  return `${value.toFixed(digits)}${GAP}%`;
}

/** `0.4 ms`, `14 ms`, `1.2 s`. */
export function milliseconds(value) {
  if (value === null || value === undefined) return NONE;
  if (value >= 999.5) return `${(value / 1000).toFixed(1)}${GAP}s`;
  return `${value.toFixed(value > 0 && value < 9.95 && !Number.isInteger(value) ? 1 : 0)}${GAP}ms`;
}

/** `1.08`, or a dash. */
export const ratio = (value) => (value === null ? NONE : value.toFixed(2));

/** `0.4 /s`, `42 /s`. */
export const rate = (value) => `${value < 9.95 ? value.toFixed(1) : count(value)}${GAP}/s`;

/** What goes over the border to one region: `7: 12 /s, 3.1 /s cross, 40 cells seen`. */
export function border({ region, rate: all, tasks, crossings = 0, subscriptions = 0 }) {
  const parts = [rate(tasks ?? all)];
  if (crossings >= 0.05) parts.push(`${rate(crossings)} cross`);
  if (subscriptions >= 0.5) parts.push(`${count(subscriptions)} cells seen`);
  return `${region}: ${parts.join(", ")}`;
}

const UNITS = [["d", 86_400], ["h", 3_600], ["min", 60], ["s", 1]];

/** A time that has passed, in its two largest units: `2 h 13 min`, `45 s`. */
export function passed(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const first = UNITS.findIndex(([, size]) => whole >= size);
  if (first < 0) return `0${GAP}s`;
  const parts = UNITS.slice(first, first + 2).map(([name, size], i) => {
    const rest = i === 0 ? whole : whole % UNITS[first][1];
    return [Math.floor(rest / size), name];
  });
  return parts.filter(([n], i) => i === 0 || n > 0).map(([n, name]) => `${n}${GAP}${name}`).join(" ");
}

/** How long ago, in one unit: `now`, `45 s ago`, `3 min ago`. */
export function ago(seconds) {
  if (seconds < 2) return "now";
  const [name, size] = UNITS.find(([, one]) => seconds >= one);
  return `${Math.floor(seconds / size)}${GAP}${name} ago`;
}

const CAUSES = { thread_hot: "thread hot", region_hot: "region hot", border: "border traffic", cold: "cold", manual: "by hand", undo: "undo" };
const STATES = {
  observed: "only observed", running: "running", done: "done", kept: "kept", undone: "undone", failed: "failed",
};

export const cause = (name) => CAUSES[name] ?? String(name);
export const state = (name) => STATES[name] ?? String(name);
export const mode = (name) => ({ on: "on", observe: "observes only", off: "off" })[name] ?? String(name);

/** What threads of sockets give up, the worst of them first. */
const RUNGS = [
  ["slow_time", "nearest, slow time"], ["nearest", "nearest only"], ["far_quarter", "far at a quarter"], ["far_half", "far at half"],
];

/** What clients are shown of the hub that gives up most. */
export const shown = (hubs) => RUNGS.find(([name]) => hubs.some(({ rung }) => rung === name))?.[1] ?? "all";

/** What a change does: `Move 12: thread 0 → 1`, `Split 12 → 12, 40`. */
export function change({ change: kind, regions = [], became = [], from_worker: from, to_worker: to }) {
  const was = regions.join(", ");
  if (kind === "move") return `Move ${was}: thread ${from ?? "?"} → ${to ?? "?"}`;
  const verb = { split: "Split", merge: "Merge" }[kind] ?? String(kind);
  return became.length > 0 ? `${verb} ${was} → ${became.join(", ")}` : `${verb} ${was}`;
}

/** The same for ears: no arrows. */
export function spoken(one) {
  return `${change(one).replaceAll("→", one.change === "move" ? "to" : "into")}, ${cause(one.cause)}, ${state(one.state)}`;
}
