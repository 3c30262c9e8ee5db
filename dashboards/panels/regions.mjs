// Lives here: the regions dashboard: who carries the load, how it is spread, and how the ticks go.
// Not here: clients (`sessions.mjs`), disks (`data.mjs`).

import { bars, dashboard, heatmap, lateTicks, lines, of, percentiles, quantile, rate, row, stat, sum, table } from "./grafana.mjs";

const REGION = 'region=~"$region"';
const LOAD_STEPS = [["green"], ["orange", 0.5], ["red", 0.7]];
const percent = [{ id: "unit", value: "percentunit" }];
const gauge = [
  ...percent,
  { id: "max", value: 1 },
  { id: "custom.cellOptions", value: { type: "gauge", mode: "gradient" } },
];

const PAUSE = "brightstar_change_pause_seconds";
const ONE_TICK = 0.05;

/** Changes of the partition or the placement with these labels, by `by`, within `window`. */
function changes(matchers, by, window = "$__range") {
  return sum(`increase(${of("brightstar_partition_changes_total", matchers)}[${window}])`, by);
}

/** Changes made per minute. A window holds few of them, so a number per second says little. */
function changesPerMinute(by) {
  return `60 * ${sum(rate("brightstar_partition_changes_total", 'outcome="made"'), by)}`;
}

/** A quantile of the pauses within `window`; 0 where there was none, since a quantile of nothing is no number. */
function pause(q, by, window = "$__range") {
  const inWindow = (part) => `increase(${of(`${PAUSE}_${part}`)}[${window}])`;
  return `(histogram_quantile(${q}, ${sum(inWindow("bucket"), by ? `le, ${by}` : "le")}) >= 0) or 0 * ${sum(inWindow("count"), by)}`;
}

/** A figure of each region that has load: the gauges of regions that are no more stay at 0. */
function living(metric) {
  return `${perRegion(metric)} and on (instance, region) ${perRegion("brightstar_region_load")} > 0`;
}

/** One number for each region, with the worker it runs on where the metric tells. */
function perRegion(metric, by = "instance, region") {
  return sum(of(metric, REGION), by);
}

const balance = row(
  "Balance",
  stat("Regions", {
    description: "Regions on the hosts chosen.",
    decimals: 0,
    queries: [[sum(of("brightstar_regions"))]],
  }),
  stat("Busiest region", {
    description: "Busy time per second of the busiest region. One that alone needs over half a thread should be split.",
    unit: "percentunit",
    max: 1,
    steps: LOAD_STEPS,
    queries: [[`max(${of("brightstar_region_load")})`]],
  }),
  stat("Spread", {
    description: "Load of the busiest worker over the mean of all: 1 is even. Over 1.25 regions move, if the worker is hot.",
    decimals: 2,
    steps: [["green"], ["orange", 1.25], ["red", 2]],
    queries: [[`max(${of("brightstar_worker_load")}) / avg(${of("brightstar_worker_load")})`]],
  }),
  stat("Ticks", {
    description: "Ticks per second over all regions.",
    unit: "ops",
    queries: [[sum(rate("brightstar_ticks_total"))]],
  }),
  stat("Regions rebuilt", {
    description: "Region actors made anew after they died, over the time shown.",
    graph: false,
    decimals: 0,
    steps: [["green"], ["red", 1]],
    queries: [[sum(`increase(${of("brightstar_regions_rebuilt_total")}[$__range])`)]],
  }),
  stat("Work refused", {
    description: "Times per second that a full region handed work back.",
    unit: "ops",
    steps: [["green"], ["red", 1]],
    queries: [[sum(rate("brightstar_work_refused_total"))]],
  }),
);

const load = row(
  "Load",
  lines("Load by worker", {
    description: "Busy time per second of each worker thread. Over 0.7 the supervisor relieves it.",
    unit: "percentunit",
    max: 1,
    steps: [["transparent"], ["orange", 0.7], ["red", 0.9]],
    queries: [[sum(of("brightstar_worker_load"), "instance, worker"), "{{instance}} worker {{worker}}"]],
  }),
  lines("Load by region", {
    description: "Busy time per second of each region that has any, smoothed; what a worker's regions add up to is its load.",
    unit: "percentunit",
    stack: true,
    queries: [[`${perRegion("brightstar_region_load")} > 0`, "region {{region}}"]],
  }),
  lines("Spread", {
    description: "Load of the busiest worker over the mean of all, by host. 1 is even; how uneven it is only matters where a worker is hot.",
    decimals: 2,
    steps: [["transparent"], ["orange", 1.25]],
    queries: [[`max by (instance) (${of("brightstar_worker_load")}) / avg by (instance) (${of("brightstar_worker_load")})`, "{{instance}}"]],
  }),
  table("Regions", {
    description: "Every region that has load, as it stands now.",
    width: 16,
    height: 10,
    sortBy: "Load",
    columns: [
      [`${perRegion("brightstar_region_load", "instance, region, worker")} > 0`, "Load", gauge],
      [living("brightstar_region_entities"), "Entities"],
      [living("brightstar_region_objects"), "Objects"],
      [living("brightstar_region_queue"), "Queue"],
    ],
  }),
  bars("Busiest regions", {
    description: "The ten regions with most load now.",
    height: 10,
    unit: "percentunit",
    max: 1,
    steps: LOAD_STEPS,
    queries: [[`topk(10, ${perRegion("brightstar_region_load")})`, "region {{region}}"]],
  }),
);

const changed = row(
  "Moves, splits and merges",
  stat("Changes made", {
    description: "Regions moved, split and merged, over the time shown.",
    graph: false,
    decimals: 0,
    queries: [[changes('outcome="made"')]],
  }),
  stat("Changes running", {
    description: "Changes under way. Each takes milliseconds, so this is 0 but for moments.",
    decimals: 0,
    steps: [["green"], ["orange", 1]],
    queries: [[sum(of("brightstar_changes_running"))]],
  }),
  stat("Changes failed", {
    description: "Changes that were begun and could not be made, over the time shown.",
    graph: false,
    decimals: 0,
    steps: [["green"], ["red", 1]],
    queries: [[changes('outcome="failed"')]],
  }),
  stat("Changes undone", {
    description: "Changes that were made to take back one after which ticks were later, over the time shown.",
    graph: false,
    decimals: 0,
    steps: [["green"], ["orange", 1]],
    queries: [[changes('cause="undo",outcome="made"')]],
  }),
  stat("Longest pause", {
    description: "No region ran nothing for longer because of a change, over the time shown. A tick is due every 50 ms.",
    graph: false,
    unit: "s",
    steps: [["green"], ["orange", ONE_TICK], ["red", 2 * ONE_TICK]],
    queries: [[pause(1)]],
  }),
  stat("Stirred", {
    description: "Changes per worker that the supervisor made in five minutes because of heat or border traffic, worst host. A crowd asks for about 6; over 20 it flaps.",
    decimals: 0,
    steps: [["green"], ["orange", 16], ["red", 20]],
    queries: [
      [
        `max(${changes('cause=~"thread_hot|region_hot|border|undo",outcome="made"', "instance", "5m")} / on (instance) count by (instance) (${of("brightstar_worker_load")}))`,
      ],
    ],
  }),
  lines("Changes by kind", {
    description: "Changes made per minute.",
    colors: { move: "blue", split: "orange", merge: "green" },
    queries: [[changesPerMinute("change"), "{{change}}"]],
  }),
  lines("Changes by cause", {
    description:
      "Changes made per minute. thread_hot: a worker was relieved; region_hot: one region was too much; border: regions acted over their border from two workers; cold: neighbours had little to do; undo: a change had made ticks later.",
    queries: [[changesPerMinute("cause"), "{{cause}}"]],
  }),
  lines("Changes by outcome", {
    description: "Changes per minute that were made, that failed, and that were only told of (supervisor.mode = observe).",
    colors: { made: "green", failed: "red", observed: "blue" },
    queries: [[`60 * ${sum(rate("brightstar_partition_changes_total"), "outcome")}`, "{{outcome}}"]],
  }),
  heatmap("Pause of a change", {
    description: "How long the regions of a change ran nothing. Within 50 ms no more than one tick is missed.",
    unit: "s",
    histogram: PAUSE,
  }),
  lines("Pause of a change, p99", {
    description: "The 99th percentile by kind; 0 where there was no change.",
    unit: "s",
    steps: [["transparent"], ["red", ONE_TICK]],
    queries: [[pause(0.99, "change", "$__rate_interval"), "{{change}}"]],
  }),
  table("Pauses", {
    description: "Changes made over the time shown, and how long their regions ran nothing; 0 where there was none. At most: the upper end of the longest one's bucket.",
    unit: "s",
    sortBy: "Made",
    columns: [
      [changes('outcome="made"', "change"), "Made", [{ id: "unit", value: "short" }, { id: "decimals", value: 0 }]],
      [pause(0.5, "change"), "Median"],
      [pause(0.99, "change"), "p99"],
      [pause(1, "change"), "At most"],
    ],
  }),
);

const inside = row(
  "What they hold",
  lines("Entities", {
    description: "Objects with a position, by region.",
    stack: true,
    queries: [[living("brightstar_region_entities"), "region {{region}}"]],
  }),
  lines("Objects", {
    description: "Live objects, by region.",
    stack: true,
    queries: [[living("brightstar_region_objects"), "region {{region}}"]],
  }),
  lines("Queue", {
    description: "Work waiting, by region. A full queue hands work back to its sender.",
    queries: [[living("brightstar_region_queue"), "region {{region}}"]],
  }),
);

const ticks = row(
  "Ticks",
  heatmap("Tick duration", {
    description: "One region's tick, observing and sending included. The budget of 20 ticks a second is 50 ms.",
    unit: "s",
    histogram: "brightstar_tick_seconds",
  }),
  lines("Tick duration", {
    description: "Median and 99th percentile.",
    unit: "s",
    steps: [["transparent"], ["red", 0.05]],
    queries: percentiles("brightstar_tick_seconds"),
  }),
  lines("Tick lateness", {
    description: "How late ticks began. Over 50 ms a tick counts as late.",
    unit: "s",
    steps: [["transparent"], ["red", 0.05]],
    queries: percentiles("brightstar_tick_late_seconds"),
  }),
  lines("Ticks run", {
    description: "Per second: 20 for each region with map cells; late ones apart.",
    unit: "ops",
    colors: { late: "red" },
    queries: [
      [sum(rate("brightstar_ticks_total")), "run"],
      [sum(rate("brightstar_ticks_late_total")), "late"],
    ],
  }),
  lines("Late ticks", {
    description: "Share of ticks that began over 50 ms late or were skipped.",
    unit: "percentunit",
    steps: [["transparent"], ["red", 0.01]],
    queries: [[lateTicks("instance"), "{{instance}}"]],
  }),
  lines("Tick lateness, worst", {
    description: "The 99.9th percentile of how late ticks began.",
    unit: "s",
    queries: [[quantile(0.999, "brightstar_tick_late_seconds"), "p99.9"]],
  }),
);

/** Traffic between regions of one kind, by whether the two run on one worker. */
function border(kind) {
  return ["one", "two"].map((threads) => [
    sum(of("brightstar_border_traffic", `kind="${kind}",threads="${threads}"`)),
    threads === "one" ? "within a worker" : "between workers",
  ]);
}

const THREADS = { "within a worker": "blue", "between workers": "orange" };

const borders = row(
  "Over the borders",
  lines("Tasks between regions", {
    description: "Committed tasks per second that held two regions, for each pair. Between workers they wait for each other; the supervisor brings regions together that have many.",
    unit: "ops",
    colors: THREADS,
    queries: border("tasks"),
  }),
  lines("Crossings", {
    description: "Entities per second that went from one region to another.",
    unit: "ops",
    colors: THREADS,
    queries: border("crossings"),
  }),
  lines("Seen over borders", {
    description: "Cells in view of sessions whose entity is in another region.",
    colors: THREADS,
    queries: border("subscriptions"),
  }),
  lines("Border traffic by region", {
    description: "Each region's traffic with all others, as the supervisor weighs it: tasks per second, and a twentieth of the cells seen. A pair counts at both.",
    stack: true,
    queries: [[`${living("brightstar_region_border_traffic")} > 0`, "region {{region}}"]],
  }),
  lines("Tasks over several regions", {
    description: "Share of committed tasks of each kind that held more than one region.",
    unit: "percentunit",
    queries: [
      [
        `${sum(rate("brightstar_tasks_multi_region_total"), "kind")} / ${sum(rate("brightstar_tasks_total", 'outcome="committed"'), "kind")}`,
        "{{kind}}",
      ],
    ],
  }),
  lines("Runs again", {
    description: "Further runs per ended task, because a region was taken. Contention, before it hurts.",
    unit: "percentunit",
    queries: [
      [`${sum(rate("brightstar_task_retries_total"), "kind")} / ${sum(rate("brightstar_tasks_total"), "kind")}`, "{{kind}}"],
    ],
  }),
  lines("Given up", {
    description: "Per second: panics caught around tasks, tasks given up as dead letters; and what became of these: run again by an operator, or pushed out by newer ones.",
    unit: "ops",
    queries: [
      [sum(rate("brightstar_task_panics_total"), "kind"), "panic in {{kind}}"],
      [sum(rate("brightstar_dead_letters_total"), "kind"), "dead letter of {{kind}}"],
      [sum(rate("brightstar_dead_letters_replayed_total"), "outcome"), "replayed: {{outcome}}"],
      [sum(rate("brightstar_dead_letters_dropped_total")), "pushed out"],
    ],
  }),
);

const RUNGS = "0: nothing is given up; 1 and 2: half, then three quarters of the frames of far cells; 3: all but the nearest cells; 4: time is slowed down where its sessions are.";

const ladder = row(
  "Crowds that can't be cut",
  stat("Slowest time", {
    description: "World time per real time of the slowest region. Below 1 a region had more to do than its thread, or the threads of sockets, could carry.",
    decimals: 2,
    max: 1,
    steps: [["red"], ["orange", 0.5], ["green", 1]],
    queries: [[`min(${of("brightstar_region_dilation")})`]],
  }),
  stat("Highest rung of a hub", {
    description: `What the worst socket thread gives up. ${RUNGS}`,
    decimals: 0,
    steps: [["green"], ["orange", 1], ["red", 3]],
    queries: [[`max(${of("brightstar_hub_rung")})`]],
  }),
  stat("Cells not shown", {
    description: "Pairs of a session and a cell in its view that is not shown, since nearer cells hold enough entities.",
    decimals: 0,
    steps: [["green"], ["orange", 1]],
    queries: [[sum(of("brightstar_interest_hidden"))]],
  }),
  lines("Dilation", {
    description: "World time per real time, by region.",
    max: 1,
    queries: [[`min by (instance, region) (${of("brightstar_region_dilation", REGION)})`, "region {{region}}"]],
  }),
  lines("Load of socket threads", {
    description: "How much of the last second each was busy: composing frames, sockets, reading. Over 0.9 for some seconds the next rung is taken.",
    unit: "percentunit",
    max: 1,
    steps: [["transparent"], ["orange", 0.7], ["red", 0.9]],
    queries: [[sum(of("brightstar_hub_load"), "instance, hub"), "{{instance}} hub {{hub}}"]],
  }),
  lines("Rungs of hubs", {
    description: `What each socket thread gives up. ${RUNGS}`,
    decimals: 0,
    queries: [[sum(of("brightstar_hub_rung"), "instance, hub"), "{{instance}} hub {{hub}}"]],
  }),
  lines("Steps on the ladders", {
    description: "Rungs taken and left per minute. Many of both for long would be a ladder that swings.",
    queries: [[`60 * ${sum(rate("brightstar_ladder_steps_total"), "ladder, step")}`, "{{ladder}} {{step}}"]],
  }),
  lines("Inputs replaced", {
    description: "Inputs per second that a newer one replaced before they were run: the newest wins, by the protocol. Many mean that regions are slow to run them.",
    unit: "ops",
    queries: [[sum(rate("brightstar_inputs_replaced_total"))]],
  }),
);

export default dashboard({
  uid: "brightstar-regions",
  title: "Brightstar / Regions",
  description: "Who carries the load, how it is spread, and how the ticks go.",
  variables: [{ name: "region", label: "Region", metric: 'brightstar_region_load{instance=~"$instance"}' }],
  rows: [balance, load, changed, inside, ticks, ladder, borders],
});
