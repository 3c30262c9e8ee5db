// Lives here: the overview: how the world is doing at one glance.
// Not here: why it is so (`regions.mjs`, `sessions.mjs`, `data.mjs`).

import { dashboard, lateTicks, lines, of, percentiles, quantile, rate, row, stat, sum } from "./grafana.mjs";

const BAD_OUTCOMES = 'outcome=~"failed|timeout"';
const HEALTHY_LOAD = [["green"], ["orange", 0.7], ["red", 0.9]];

const now = row(
  "Now",
  stat("Sessions connected", {
    description: "Clients with an open socket.",
    queries: [[sum(of("brightstar_sessions", 'state="connected"'))]],
  }),
  stat("Commands", {
    description: "Commands that ended per second, with any outcome.",
    unit: "cps",
    queries: [[sum(rate("brightstar_tasks_total", 'kind="command"'))]],
  }),
  stat("Durable reply, p99", {
    description: "From a command's arrival at the socket until its reply is released, its task being on disk.",
    unit: "s",
    steps: [["green"], ["orange", 0.1], ["red", 0.25]],
    queries: [[quantile(0.99, "brightstar_command_seconds", { matchers: 'stage="durable"' })]],
  }),
  stat("Late ticks", {
    description: "Share of ticks that began over 50 ms late or were skipped.",
    unit: "percentunit",
    decimals: 2,
    steps: [["green"], ["orange", 0.01], ["red", 0.05]],
    queries: [[lateTicks()]],
  }),
  stat("Busiest worker", {
    description: "Busy time per second of the busiest worker thread.",
    unit: "percentunit",
    max: 1,
    decimals: 0,
    steps: HEALTHY_LOAD,
    queries: [[`max(${of("brightstar_worker_load")})`]],
  }),
  stat("Alerts firing", {
    description: "Rules of rules/alerts.yml that fire now.",
    decimals: 0,
    steps: [["green"], ["red", 1]],
    queries: [['count(ALERTS{alertname=~"Brightstar.+",alertstate="firing"}) or vector(0)']],
  }),
);

const players = row(
  "Players",
  lines("Sessions", {
    description: "Connected: with a socket. Away: without one, waiting to be resumed.",
    stack: true,
    colors: { connected: "green", away: "yellow" },
    queries: [[sum(of("brightstar_sessions"), "state"), "{{state}}"]],
  }),
  lines("Logins", {
    description: "Logins per second by outcome.",
    unit: "ops",
    stack: true,
    colors: { refused: "red" },
    queries: [[sum(rate("brightstar_logins_total"), "outcome"), "{{outcome}}"]],
  }),
  lines("Sockets that ended", {
    description: "Disconnects per second by cause. All but bye, closed and taken_over deserve a question.",
    unit: "ops",
    stack: true,
    queries: [[sum(rate("brightstar_disconnects_total"), "cause"), "{{cause}}"]],
  }),
);

const commands = row(
  "Commands and tasks",
  lines("Command latency", {
    description: "Commit: the task is done in memory. Durable: its reply may be told.",
    unit: "s",
    log: true,
    min: undefined,
    queries: [0.5, 0.99].map((q) => [
      quantile(q, "brightstar_command_seconds", { by: "stage" }),
      `{{stage}} p${q * 100}`,
    ]),
  }),
  lines("Tasks by outcome", {
    description: "All tasks that ended per second. Refused is the world saying no: not an error.",
    unit: "ops",
    stack: true,
    colors: { committed: "green", refused: "blue", timeout: "orange", failed: "red" },
    queries: [[sum(rate("brightstar_tasks_total"), "outcome"), "{{outcome}}"]],
  }),
  lines("Tasks by kind", {
    description: "All tasks that ended per second.",
    unit: "ops",
    stack: true,
    queries: [[sum(rate("brightstar_tasks_total"), "kind"), "{{kind}}"]],
  }),
);

const errors = row(
  "Errors",
  lines("What went wrong", {
    description: "Per second. Each of these should be flat at zero.",
    unit: "ops",
    queries: [
      [sum(rate("brightstar_tasks_total", BAD_OUTCOMES)), "tasks failed or timed out"],
      [sum(rate("brightstar_task_panics_total")), "panics in tasks"],
      [sum(rate("brightstar_dead_letters_total")), "dead letters"],
      [sum(rate("brightstar_work_refused_total")), "work refused by full regions"],
      [sum(rate("brightstar_outbox_overflows_total")), "sockets too slow"],
      [sum(rate("brightstar_regions_rebuilt_total")), "regions rebuilt"],
      [sum(rate("brightstar_partition_changes_total", 'outcome="failed"')), "changes of regions failed"],
    ],
  }),
  lines("Failed or timed out", {
    description: "Share of tasks of each kind that failed or timed out.",
    unit: "percentunit",
    steps: [["transparent"], ["red", 0.01]],
    queries: [
      [
        `${sum(rate("brightstar_tasks_total", BAD_OUTCOMES), "kind")} / ${sum(rate("brightstar_tasks_total"), "kind")}`,
        "{{kind}}",
      ],
    ],
  }),
  lines("Late ticks", {
    description: "Share of ticks that began over 50 ms late or were skipped.",
    unit: "percentunit",
    steps: [["transparent"], ["red", 0.01]],
    queries: [[lateTicks("instance"), "{{instance}}"]],
  }),
);

const load = row(
  "Load",
  lines("Worker load", {
    description: "Busy time per second of each worker thread, over its regions. Above 0.7 it needs help.",
    unit: "percentunit",
    max: 1,
    steps: [["transparent"], ["orange", 0.7], ["red", 0.9]],
    queries: [[sum(of("brightstar_worker_load"), "instance, worker"), "{{instance}} worker {{worker}}"]],
  }),
  lines("Tick duration", {
    description: "One region's tick, observing and sending included. The budget of 20 ticks a second is 50 ms.",
    unit: "s",
    steps: [["transparent"], ["red", 0.05]],
    queries: percentiles("brightstar_tick_seconds"),
  }),
  lines("Epoch duration", {
    description: "From opening an epoch to its effects' release: what durability costs a command.",
    unit: "s",
    queries: percentiles("brightstar_epoch_seconds"),
  }),
);

const traffic = row(
  "Traffic",
  lines("Messages", {
    description: "Messages per second, received and sent.",
    unit: "ops",
    queries: [
      [sum(rate("brightstar_messages_received_total")), "received"],
      [sum(rate("brightstar_messages_sent_total")), "sent"],
    ],
  }),
  lines("Bytes", {
    description: "Bytes of messages per second, before WebSocket and TLS framing.",
    unit: "binBps",
    queries: [
      [sum(rate("brightstar_received_bytes_total")), "received"],
      [sum(rate("brightstar_sent_bytes_total")), "sent"],
    ],
  }),
  stat("Running", {
    description: "World and version of each host.",
    width: 8,
    height: 8,
    graph: false,
    text: "name",
    queries: [[sum(of("brightstar_build_info"), "instance, world, version"), "{{world}} {{version}} at {{instance}}"]],
  }),
);

export default dashboard({
  uid: "brightstar-overview",
  title: "Brightstar / Overview",
  description: "How the world is doing at one glance.",
  rows: [now, players, commands, errors, load, traffic],
});
