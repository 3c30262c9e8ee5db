// Lives here: the sessions dashboard: clients, what they say, what they are told and how fast.
// Not here: the regions that do their work (`regions.mjs`).

import { dashboard, heatmap, lines, of, percentiles, quantile, rate, row, stat, sum } from "./grafana.mjs";

const CONNECTED = sum(of("brightstar_sessions", 'state="connected"'));
const FRAME_SHARE_SKIPPED =
  `${sum(rate("brightstar_frames_skipped_total"))} / ` +
  `(${sum(rate("brightstar_frames_total"))} + ${sum(rate("brightstar_frames_skipped_total"))})`;

const now = row(
  "Now",
  stat("Connected", { description: "Sessions with an open socket.", queries: [[CONNECTED]] }),
  stat("Away", {
    description: "Sessions without a socket, waiting to be resumed.",
    queries: [[sum(of("brightstar_sessions", 'state="away"'))]],
  }),
  stat("Logins refused", {
    description: "Logins refused per second.",
    unit: "ops",
    steps: [["green"], ["orange", 1]],
    queries: [[sum(rate("brightstar_logins_total", 'outcome="refused"'))]],
  }),
  stat("Frames per session", {
    description: "Frames per second that a connected session gets. The tick rate is the most.",
    decimals: 1,
    queries: [[`${sum(rate("brightstar_frames_total"))} / ${CONNECTED}`]],
  }),
  stat("Frames skipped", {
    description: "Share of frames not sent because the socket was not ready; the next one holds what they held.",
    unit: "percentunit",
    steps: [["green"], ["orange", 0.05], ["red", 0.2]],
    queries: [[FRAME_SHARE_SKIPPED]],
  }),
  stat("Sockets too slow", {
    description: "Sockets closed because the control lane was full, over the time shown.",
    graph: false,
    decimals: 0,
    steps: [["green"], ["red", 1]],
    queries: [[sum(`increase(${of("brightstar_outbox_overflows_total")}[$__range])`)]],
  }),
);

const comings = row(
  "Coming and going",
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
  lines("Logins refused", {
    description: "Refused logins per second, by reason.",
    unit: "ops",
    stack: true,
    queries: [[sum(rate("brightstar_logins_refused_total"), "reason"), "{{reason}}"]],
  }),
  lines("Refused by the world", {
    description: "What the world refused clients, per second, by rule. Who it was: POST /admin/refusals.",
    unit: "ops",
    stack: true,
    queries: [[sum(rate("brightstar_refusals_total"), "rule"), "{{rule}}"]],
  }),
  lines("Sockets that ended", {
    description: "Disconnects per second by cause.",
    unit: "ops",
    stack: true,
    queries: [[sum(rate("brightstar_disconnects_total"), "cause"), "{{cause}}"]],
  }),
);

const latency = row(
  "Commands",
  heatmap("Command latency", {
    description: "From the socket until the reply is released, all that came in between included.",
    unit: "s",
    histogram: "brightstar_command_seconds",
    matchers: 'stage="durable"',
  }),
  lines("To commit", {
    description: "From the socket until the task has committed in memory.",
    unit: "s",
    queries: [0.5, 0.99].map((q) => [
      quantile(q, "brightstar_command_seconds", { matchers: 'stage="commit"' }),
      `p${q * 100}`,
    ]),
  }),
  lines("To durable", {
    description: "From the socket until the reply is released.",
    unit: "s",
    steps: [["transparent"], ["red", 0.25]],
    queries: [0.5, 0.99].map((q) => [
      quantile(q, "brightstar_command_seconds", { matchers: 'stage="durable"' }),
      `p${q * 100}`,
    ]),
  }),
);

const traffic = row(
  "Traffic",
  lines("Messages received", {
    description: "Messages from clients per second, by kind.",
    unit: "ops",
    stack: true,
    queries: [[sum(rate("brightstar_messages_received_total"), "kind"), "{{kind}}"]],
  }),
  lines("Messages sent", {
    description: "Messages to clients per second, by kind.",
    unit: "ops",
    stack: true,
    queries: [[sum(rate("brightstar_messages_sent_total"), "kind"), "{{kind}}"]],
  }),
  lines("Bytes sent", {
    description: "Bytes of messages to clients per second, by kind.",
    unit: "binBps",
    stack: true,
    queries: [[sum(rate("brightstar_sent_bytes_total"), "kind"), "{{kind}}"]],
  }),
  lines("Bytes per session", {
    description: "Bytes of messages per second and connected session.",
    unit: "binBps",
    queries: [
      [`${sum(rate("brightstar_received_bytes_total"))} / ${CONNECTED}`, "received"],
      [`${sum(rate("brightstar_sent_bytes_total"))} / ${CONNECTED}`, "sent"],
    ],
  }),
  lines("Bytes per frame", {
    description: "Mean size of a frame.",
    unit: "bytes",
    queries: [
      [
        `${sum(rate("brightstar_sent_bytes_total", 'kind="frame"'))} / ${sum(rate("brightstar_messages_sent_total", 'kind="frame"'))}`,
        "frame",
      ],
    ],
  }),
  lines("Frames", {
    description: "Frames per second: sent, and not sent because the socket was not ready.",
    unit: "ops",
    stack: true,
    colors: { skipped: "red" },
    queries: [
      [sum(rate("brightstar_frames_total")), "sent"],
      [sum(rate("brightstar_frames_skipped_total")), "skipped"],
    ],
  }),
);

const interest = row(
  "Interest and outboxes",
  lines("Cells in view", {
    description: "Pairs of session and cell in view, over all sessions.",
    queries: [[sum(of("brightstar_interest_subscriptions")), "pairs"]],
  }),
  lines("Cells in view per session", {
    description: "How many cells one session watches.",
    queries: [[`${sum(of("brightstar_interest_subscriptions"))} / ${CONNECTED}`, "cells"]],
  }),
  lines("Control lane depth", {
    description: "Messages in a session's control lane when one is added. When the lane is full the socket is closed.",
    queries: percentiles("brightstar_outbox_messages"),
  }),
);

const channels = row(
  "Channels",
  lines("Said on channels", {
    description: "Messages said per second on channels that had members, by tasks and clients.",
    unit: "ops",
    queries: [[sum(rate("brightstar_channel_messages_total")), "messages"]],
  }),
  lines("Heard on channels", {
    description: "Messages on channels handed to members per second: each message as often as it is heard.",
    unit: "ops",
    queries: [[sum(rate("brightstar_channel_told_total")), "heard"]],
  }),
  lines("Channels", {
    description: "Channels with members, and memberships: pairs of a session and a channel it is in.",
    queries: [
      [sum(of("brightstar_channels")), "channels"],
      [sum(of("brightstar_channel_members")), "memberships"],
    ],
  }),
  lines("Published by clients", {
    description:
      "What clients wanted to say, per second: said, or dropped since the client is no member, the world refused, or its rule failed.",
    unit: "ops",
    stack: true,
    colors: { failed: "red" },
    queries: [[sum(rate("brightstar_publishes_total"), "outcome"), "{{outcome}}"]],
  }),
);

export default dashboard({
  uid: "brightstar-sessions",
  title: "Brightstar / Sessions",
  description: "Clients: what they say, what they are told, and how fast.",
  rows: [now, comings, latency, traffic, channels, interest],
});
