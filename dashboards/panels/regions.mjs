// Lives here: the regions dashboard: who carries the load, and how the ticks go.
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
    description: "Load of the busiest worker over the mean of all: 1 is even. Over 1.25 the load should move.",
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
    description: "Busy time per second of each worker thread.",
    width: 12,
    unit: "percentunit",
    max: 1,
    steps: [["transparent"], ["orange", 0.7], ["red", 0.9]],
    queries: [[sum(of("brightstar_worker_load"), "instance, worker"), "{{instance}} worker {{worker}}"]],
  }),
  lines("Load by region", {
    description: "Busy time per second of each region, smoothed; what the regions of a worker add up to is its load.",
    width: 12,
    unit: "percentunit",
    stack: true,
    queries: [[perRegion("brightstar_region_load"), "region {{region}}"]],
  }),
  table("Regions", {
    description: "Every region as it stands now.",
    width: 16,
    height: 10,
    sortBy: "Load",
    columns: [
      [perRegion("brightstar_region_load", "instance, region, worker"), "Load", gauge],
      [perRegion("brightstar_region_entities"), "Entities"],
      [perRegion("brightstar_region_objects"), "Objects"],
      [perRegion("brightstar_region_queue"), "Queue"],
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

const inside = row(
  "What they hold",
  lines("Entities", {
    description: "Objects with a position, by region.",
    stack: true,
    queries: [[perRegion("brightstar_region_entities"), "region {{region}}"]],
  }),
  lines("Objects", {
    description: "Live objects, by region.",
    stack: true,
    queries: [[perRegion("brightstar_region_objects"), "region {{region}}"]],
  }),
  lines("Queue", {
    description: "Work waiting, by region. A full queue hands work back to its sender.",
    queries: [[perRegion("brightstar_region_queue"), "region {{region}}"]],
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

const borders = row(
  "Over the borders",
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
    description: "Panics caught around tasks, and tasks given up as dead letters, per second.",
    unit: "ops",
    queries: [
      [sum(rate("brightstar_task_panics_total"), "kind"), "panic in {{kind}}"],
      [sum(rate("brightstar_dead_letters_total"), "kind"), "dead letter of {{kind}}"],
    ],
  }),
);

export default dashboard({
  uid: "brightstar-regions",
  title: "Brightstar / Regions",
  description: "Who carries the load, and how the ticks go.",
  variables: [{ name: "region", label: "Region", metric: 'brightstar_region_load{instance=~"$instance"}' }],
  rows: [balance, load, inside, ticks, borders],
});
