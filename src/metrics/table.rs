//! Lives here: every metric: name, kind, unit, labels and help. The other half is
//! `docs/metrics.md`, which people and dashboards read.
//! Not here: the exporter (`metrics`).

use metrics::Unit;

/// What a metric is to Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution.
    Histogram,
}

impl Kind {
    /// The word for it in `docs/metrics.md` and in the exporter's `# TYPE`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A label of a metric.
#[derive(Debug, Clone, Copy)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// All its values; none where they are not known beforehand, as for regions.
    pub values: &'static [&'static str],
}

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its unit.
    pub unit: Unit,
    /// Its labels.
    pub labels: &'static [Label],
    /// What it means.
    pub help: &'static str,
}

const fn metric(
    name: &'static str,
    kind: Kind,
    unit: Unit,
    labels: &'static [Label],
    help: &'static str,
) -> Metric {
    Metric {
        name,
        kind,
        unit,
        labels,
        help,
    }
}

const fn label(name: &'static str, values: &'static [&'static str]) -> Label {
    Label { name, values }
}

use Kind::{Counter, Gauge, Histogram};

const SESSION_STATES: &[Label] = &[label("state", &["connected", "away"])];
const LOGINS: &[Label] = &[label("outcome", &["new", "resumed", "takeover", "refused"])];
const LOGIN_REASONS: &[Label] = &[label(
    "reason",
    &[
        "not_guest",
        "no_token",
        "unreadable",
        "signature",
        "claim",
        "expired",
        "early",
        "audience",
        "issuer",
        "address_limit",
        "account_limit",
        "session",
        "overloaded",
        "draining",
        "other",
    ],
)];
const CAUSES: &[Label] = &[label(
    "cause",
    &[
        "bye",
        "closed",
        "bad_message",
        "too_large",
        "too_fast",
        "too_slow",
        "taken_over",
        "overloaded",
        "draining",
        "handshake",
        "internal",
        "closed_by_world",
    ],
)];
const RECEIVED: &[Label] = &[label(
    "kind",
    &["hello", "command", "input", "publish", "ack", "ping", "bye"],
)];
const SENT: &[Label] = &[label(
    "kind",
    &[
        "welcome", "reply", "event", "channel", "frame", "forget", "pong", "moved", "error",
    ],
)];
const PUBLISHES: &[Label] = &[label(
    "outcome",
    &["said", "no_member", "refused", "failed"],
)];
const STAGES: &[Label] = &[label("stage", &["commit", "durable"])];
const KIND: Label = label(
    "kind",
    &[
        "login", "resume", "away", "logout", "command", "publish", "input", "tick", "job",
        "genesis",
    ],
);
const TASKS: &[Label] = &[KIND];
const TASKS_ENDED: &[Label] = &[
    KIND,
    label("outcome", &["committed", "refused", "timeout", "failed"]),
];
const RULE: &[Label] = &[label("rule", &[])];
const REPLAYS: &[Label] = &[label("outcome", &["done", "again"])];
const REGION: &[Label] = &[label("region", &[])];
const WORKER: &[Label] = &[label("worker", &[])];
const REGION_WORKER: &[Label] = &[label("region", &[]), label("worker", &[])];
const CHANGE: Label = label("change", &["move", "split", "merge"]);
const CHANGED: &[Label] = &[CHANGE];
const CHANGES: &[Label] = &[
    CHANGE,
    label(
        "cause",
        &[
            "thread_hot",
            "region_hot",
            "border",
            "cold",
            "manual",
            "undo",
        ],
    ),
    label("outcome", &["made", "failed", "observed"]),
];
const BORDER: &[Label] = &[
    label("kind", &["tasks", "crossings", "subscriptions"]),
    label("threads", &["one", "two"]),
];
const HUB: &[Label] = &[label("hub", &[])];
const LADDER_STEPS: &[Label] = &[
    label("ladder", &["hub", "region"]),
    label("step", &["up", "down"]),
];
const BUILD: &[Label] = &[label("version", &[]), label("world", &[])];

/// All metrics, in the order of `docs/metrics.md`.
#[rustfmt::skip]
pub const ALL: &[Metric] = &[
    metric("brightstar_sessions", Gauge, Unit::Count, SESSION_STATES, "sessions on this host"),
    metric("brightstar_logins_total", Counter, Unit::Count, LOGINS, "logins"),
    metric("brightstar_logins_refused_total", Counter, Unit::Count, LOGIN_REASONS, "refused logins by reason; session: by the sessions or the world"),
    metric("brightstar_disconnects_total", Counter, Unit::Count, CAUSES, "sockets that ended"),
    metric("brightstar_messages_received_total", Counter, Unit::Count, RECEIVED, "messages from clients"),
    metric("brightstar_received_bytes_total", Counter, Unit::Bytes, &[], "bytes of messages from clients"),
    metric("brightstar_messages_sent_total", Counter, Unit::Count, SENT, "messages to clients"),
    metric("brightstar_sent_bytes_total", Counter, Unit::Bytes, SENT, "bytes of messages to clients"),
    metric("brightstar_command_seconds", Histogram, Unit::Seconds, STAGES, "from socket to commit; from socket to reply released"),
    metric("brightstar_tasks_total", Counter, Unit::Count, TASKS_ENDED, "tasks ended"),
    metric("brightstar_refusals_total", Counter, Unit::Count, RULE, "what the world refused sessions, by the rule's name; other: refused in words, or the 32nd rule and further ones"),
    metric("brightstar_task_retries_total", Counter, Unit::Count, TASKS, "further runs because a region was taken"),
    metric("brightstar_tasks_multi_region_total", Counter, Unit::Count, TASKS, "committed tasks that held more than one region"),
    metric("brightstar_task_panics_total", Counter, Unit::Count, TASKS, "panics caught around tasks"),
    metric("brightstar_dead_letters_total", Counter, Unit::Count, TASKS, "tasks given up"),
    metric("brightstar_dead_letters", Gauge, Unit::Count, &[], "dead letters in the store"),
    metric("brightstar_dead_letters_dropped_total", Counter, Unit::Count, &[], "dead letters that newer ones pushed out of the store"),
    metric("brightstar_dead_letters_replayed_total", Counter, Unit::Count, REPLAYS, "dead letters run again by an operator"),
    metric("brightstar_jobs_pending", Gauge, Unit::Count, &[], "jobs that wait for their time"),
    metric("brightstar_job_late_seconds", Histogram, Unit::Seconds, &[], "how late a job's turn began"),
    metric("brightstar_job_turns_missed_total", Counter, Unit::Count, &[], "turns of periodic jobs left out because the server was down or too busy"),
    metric("brightstar_epochs_total", Counter, Unit::Count, &[], "epochs made durable"),
    metric("brightstar_epoch_tasks", Histogram, Unit::Count, &[], "effects per epoch"),
    metric("brightstar_epoch_bytes", Histogram, Unit::Bytes, &[], "journal record size"),
    metric("brightstar_epoch_seconds", Histogram, Unit::Seconds, &[], "from opening an epoch to its effects' release"),
    metric("brightstar_journal_bytes_total", Counter, Unit::Bytes, &[], "bytes appended"),
    metric("brightstar_journal_syncs_total", Counter, Unit::Count, &[], "syncs"),
    metric("brightstar_journal_sync_seconds", Histogram, Unit::Seconds, &[], "duration of a sync"),
    metric("brightstar_journal_backlog_bytes", Gauge, Unit::Bytes, &[], "journal not yet in LMDB"),
    metric("brightstar_checkpoints_total", Counter, Unit::Count, &[], "checkpoints"),
    metric("brightstar_checkpoint_seconds", Histogram, Unit::Seconds, &[], "duration of a checkpoint"),
    metric("brightstar_checkpoint_rows_total", Counter, Unit::Count, &[], "rows written by checkpoints"),
    metric("brightstar_store_bytes", Gauge, Unit::Bytes, &[], "LMDB pages in use"),
    metric("brightstar_store_limit_bytes", Gauge, Unit::Bytes, &[], "size of the LMDB map"),
    metric("brightstar_store_readers", Gauge, Unit::Count, &[], "LMDB readers"),
    metric("brightstar_objects", Gauge, Unit::Count, &[], "live objects in memory"),
    metric("brightstar_homes", Gauge, Unit::Count, &[], "cells and shards in memory"),
    metric("brightstar_homes_loaded_total", Counter, Unit::Count, &[], "cells and shards read from LMDB"),
    metric("brightstar_homes_evicted_total", Counter, Unit::Count, &[], "cells and shards dropped from memory"),
    metric("brightstar_tick_seconds", Histogram, Unit::Seconds, &[], "duration of a region's tick, observing and sending included"),
    metric("brightstar_tick_late_seconds", Histogram, Unit::Seconds, &[], "how late a tick began"),
    metric("brightstar_ticks_total", Counter, Unit::Count, &[], "ticks run"),
    metric("brightstar_ticks_late_total", Counter, Unit::Count, &[], "ticks that began over 50 ms late or were skipped"),
    metric("brightstar_region_load", Gauge, Unit::Count, REGION_WORKER, "busy time per second, smoothed, 0..1"),
    metric("brightstar_region_objects", Gauge, Unit::Count, REGION, "live objects"),
    metric("brightstar_region_entities", Gauge, Unit::Count, REGION, "entities"),
    metric("brightstar_region_queue", Gauge, Unit::Count, REGION, "work waiting"),
    metric("brightstar_regions", Gauge, Unit::Count, &[], "regions on this host"),
    metric("brightstar_worker_load", Gauge, Unit::Count, WORKER, "busy time per second over its regions, 0..1"),
    metric("brightstar_border_traffic", Gauge, Unit::Count, BORDER, "what goes between regions, by whether the two run on one worker: committed tasks over both and entities that crossed, per second, smoothed; cells in view of sessions whose entity is in another region"),
    metric("brightstar_region_border_traffic", Gauge, Unit::Count, REGION, "the region's traffic with all others, as the supervisor weighs it: tasks per second, and a twentieth of the cells seen"),
    metric("brightstar_partition_changes_total", Counter, Unit::Count, CHANGES, "moves, splits and merges of regions; observed: what the supervisor would have done"),
    metric("brightstar_change_pause_seconds", Histogram, Unit::Seconds, CHANGED, "how long the regions of a change that was made ran nothing"),
    metric("brightstar_changes_running", Gauge, Unit::Count, &[], "changes of regions under way"),
    metric("brightstar_region_dilation", Gauge, Unit::Count, REGION, "world time per real time; 1 where it is not slowed down"),
    metric("brightstar_hub_load", Gauge, Unit::Count, HUB, "share of the last second that a socket thread was busy, 0..1"),
    metric("brightstar_hub_rung", Gauge, Unit::Count, HUB, "what a hub gives up: 0 nothing, 1 and 2 frames of far cells, 3 all but the nearest cells, 4 calls for slow time"),
    metric("brightstar_ladder_steps_total", Counter, Unit::Count, LADDER_STEPS, "rungs taken (up) and left (down)"),
    metric("brightstar_regions_rebuilt_total", Counter, Unit::Count, &[], "region actors made anew after they died"),
    metric("brightstar_work_refused_total", Counter, Unit::Count, &[], "times a full region handed work back"),
    metric("brightstar_interest_subscriptions", Gauge, Unit::Count, &[], "(session, cell) pairs in view"),
    metric("brightstar_interest_hidden", Gauge, Unit::Count, &[], "(session, cell) pairs in view that are not shown, since nearer cells hold enough"),
    metric("brightstar_inputs_replaced_total", Counter, Unit::Count, &[], "inputs that a newer one of the same session replaced before they were run"),
    metric("brightstar_frames_total", Counter, Unit::Count, &[], "frames sent"),
    metric("brightstar_frames_skipped_total", Counter, Unit::Count, &[], "frames not sent because the socket was not ready"),
    metric("brightstar_channels", Gauge, Unit::Count, &[], "channels with members"),
    metric("brightstar_channel_members", Gauge, Unit::Count, &[], "(session, channel) pairs: memberships"),
    metric("brightstar_channel_messages_total", Counter, Unit::Count, &[], "messages said on channels that had members"),
    metric("brightstar_channel_told_total", Counter, Unit::Count, &[], "(session, message) pairs: messages on channels handed to members' sessions"),
    metric("brightstar_publishes_total", Counter, Unit::Count, PUBLISHES, "what clients wanted to say on channels: said, or dropped since the client is no member, the world refused, or its rule failed"),
    metric("brightstar_outbox_messages", Histogram, Unit::Count, &[], "depth of the control lane when a message is added"),
    metric("brightstar_outbox_overflows_total", Counter, Unit::Count, &[], "sockets closed because the control lane was full"),
    metric("brightstar_build_info", Gauge, Unit::Count, BUILD, "always 1"),
];
