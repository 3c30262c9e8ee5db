// Lives here: the data dashboard: epochs, journal, checkpoints, store, memory and jobs.
// Not here: what the tasks were about (`overview.mjs`, `regions.mjs`).

import { dashboard, heatmap, lines, mean, of, percentiles, rate, row, stat, sum } from "./grafana.mjs";

const STORE_STEPS = [["green"], ["orange", 0.8], ["red", 0.95]];
const STORE_USED = `max(${of("brightstar_store_bytes")} / ${of("brightstar_store_limit_bytes")})`;

const now = row(
  "Now",
  stat("Epochs", {
    description: "Epochs made durable per second.",
    unit: "ops",
    queries: [[sum(rate("brightstar_epochs_total"))]],
  }),
  stat("Effects per epoch", {
    description: "Mean number of effects that one sync paid for.",
    decimals: 1,
    queries: [[mean("brightstar_epoch_tasks")]],
  }),
  stat("Journal", {
    description: "Bytes appended per second.",
    unit: "binBps",
    queries: [[sum(rate("brightstar_journal_bytes_total"))]],
  }),
  stat("Journal backlog", {
    description: "Journal not yet in the store: what a restart would have to read.",
    unit: "bytes",
    steps: [["green"], ["orange", 128 * 2 ** 20], ["red", 256 * 2 ** 20]],
    queries: [[sum(of("brightstar_journal_backlog_bytes"))]],
  }),
  stat("Store used", {
    description: "Share of the store's map that is in use, on the fullest host.",
    unit: "percentunit",
    max: 1,
    steps: STORE_STEPS,
    queries: [[STORE_USED]],
  }),
  stat("Dead letters", {
    description: "Tasks given up that are kept in the store: `dead list` shows them.",
    decimals: 0,
    steps: [["green"], ["red", 1]],
    queries: [[sum(of("brightstar_dead_letters"))]],
  }),
);

const epochs = row(
  "Epochs",
  lines("Epoch duration", {
    description: "From opening an epoch to its effects' release.",
    unit: "s",
    queries: percentiles("brightstar_epoch_seconds"),
  }),
  lines("Effects per epoch", {
    description: "How many effects share a sync. It grows with the load; latency should not.",
    queries: [...percentiles("brightstar_epoch_tasks"), [mean("brightstar_epoch_tasks"), "mean"]],
  }),
  lines("Epoch size", {
    description: "Bytes of one journal record.",
    unit: "bytes",
    queries: [...percentiles("brightstar_epoch_bytes"), [mean("brightstar_epoch_bytes"), "mean"]],
  }),
);

const journal = row(
  "Journal",
  heatmap("Sync duration", {
    description: "How long a sync of the journal took. It bounds the latency of every durable reply.",
    unit: "s",
    histogram: "brightstar_journal_sync_seconds",
  }),
  lines("Sync duration", {
    description: "Median and 99th percentile.",
    unit: "s",
    steps: [["transparent"], ["red", 0.1]],
    queries: percentiles("brightstar_journal_sync_seconds"),
  }),
  lines("Time in syncs", {
    description: "Share of each second spent waiting for the disk. At 1 the disk sets the pace.",
    unit: "percentunit",
    queries: [[sum(rate("brightstar_journal_sync_seconds_sum"), "instance"), "{{instance}}"]],
  }),
  lines("Appended", {
    description: "Bytes appended to the journal per second.",
    unit: "binBps",
    queries: [[sum(rate("brightstar_journal_bytes_total"), "instance"), "{{instance}}"]],
  }),
  lines("Epochs and syncs", {
    description: "Per second. One sync for each epoch.",
    unit: "ops",
    queries: [
      [sum(rate("brightstar_epochs_total")), "epochs"],
      [sum(rate("brightstar_journal_syncs_total")), "syncs"],
    ],
  }),
  lines("Backlog", {
    description: "Journal not yet in the store. A saw tooth of one checkpoint interval is as it should be.",
    unit: "bytes",
    queries: [[sum(of("brightstar_journal_backlog_bytes"), "instance"), "{{instance}}"]],
  }),
);

const store = row(
  "Checkpoints and store",
  lines("Checkpoint duration", {
    description: "One synced transaction of the store, in the background.",
    unit: "s",
    queries: percentiles("brightstar_checkpoint_seconds"),
  }),
  lines("Checkpoints", {
    description: "Checkpoints per second: one in each interval while anything changes.",
    unit: "ops",
    queries: [[sum(rate("brightstar_checkpoints_total"), "instance"), "{{instance}}"]],
  }),
  lines("Rows written", {
    description: "Rows that checkpoints wrote per second: each changed object once, however often it changed.",
    unit: "ops",
    queries: [[sum(rate("brightstar_checkpoint_rows_total"), "instance"), "{{instance}}"]],
  }),
  lines("Store size", {
    description: "Pages in use, and the map's size, which is the most there can be.",
    unit: "bytes",
    log: true,
    min: undefined,
    queries: [
      [sum(of("brightstar_store_bytes")), "in use"],
      [sum(of("brightstar_store_limit_bytes")), "limit"],
    ],
  }),
  lines("Store used", {
    description: "Share of the store's map that is in use.",
    unit: "percentunit",
    max: 1,
    steps: [["transparent"], ["orange", 0.8], ["red", 0.95]],
    queries: [[`${of("brightstar_store_bytes")} / ${of("brightstar_store_limit_bytes")}`, "{{instance}}"]],
  }),
  lines("Readers", {
    description: "Open read transactions. One that never ends keeps old pages from being used again.",
    queries: [[sum(of("brightstar_store_readers"), "instance"), "{{instance}}"]],
  }),
);

const memory = row(
  "Memory",
  lines("Objects in memory", {
    description: "Live objects, decoded.",
    queries: [[sum(of("brightstar_objects"), "instance"), "{{instance}}"]],
  }),
  lines("Cells and shards in memory", {
    description: "Homes loaded, whole.",
    queries: [[sum(of("brightstar_homes"), "instance"), "{{instance}}"]],
  }),
  lines("Loaded and evicted", {
    description: "Homes read from the store and dropped from memory, per second. Much of both means too little memory.",
    unit: "ops",
    queries: [
      [sum(rate("brightstar_homes_loaded_total")), "loaded"],
      [sum(rate("brightstar_homes_evicted_total")), "evicted"],
    ],
  }),
);

const jobs = row(
  "Jobs",
  lines("Jobs waiting", {
    description: "Jobs that wait for their time. They cost memory (see engine.job_bytes) and nothing else.",
    queries: [[sum(of("brightstar_jobs_pending"), "instance"), "{{instance}}"]],
  }),
  lines("Turns", {
    description: "Turns of jobs per second, by how they ended; and turns of periodic jobs that were left out because the server was down or too busy.",
    unit: "ops",
    colors: { failed: "red", timeout: "red", "left out": "orange" },
    queries: [
      [sum(rate("brightstar_tasks_total", 'kind="job"'), "outcome"), "{{outcome}}"],
      [sum(rate("brightstar_job_turns_missed_total")), "left out"],
    ],
  }),
  lines("Lateness of jobs", {
    description: "How late turns began. The clock itself moves every 5 ms.",
    unit: "s",
    steps: [["transparent"], ["red", 1]],
    queries: percentiles("brightstar_job_late_seconds"),
  }),
);

export default dashboard({
  uid: "brightstar-data",
  title: "Brightstar / Data",
  description: "Epochs, journal, checkpoints, store, memory and jobs.",
  rows: [now, epochs, journal, store, memory, jobs],
});
