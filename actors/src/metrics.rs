//! Lives here: what the actors count, as handles that are looked up once.
//! Not here: the words about each metric (`docs/metrics.md`, described in `src/metrics`).

use ::metrics::{Counter, Histogram, counter, histogram};

/// Handles of everything the actors count while they work. Gauges are set by the supervisor.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    pub(crate) logins_new: Counter,
    pub(crate) logins_resumed: Counter,
    pub(crate) logins_takeover: Counter,
    pub(crate) logins_refused: Counter,
    pub(crate) command_commit: Histogram,
    pub(crate) command_durable: Histogram,
    pub(crate) tick: Histogram,
    pub(crate) tick_late: Histogram,
    pub(crate) ticks: Counter,
    pub(crate) ticks_late: Counter,
    pub(crate) rebuilt: Counter,
    pub(crate) work_refused: Counter,
    pub(crate) inputs_replaced: Counter,
    pub(crate) frames: Counter,
    pub(crate) frames_skipped: Counter,
    pub(crate) channel_told: Counter,
    pub(crate) publishes_foreign: Counter,
    pub(crate) publishes_refused: Counter,
    pub(crate) publishes_failed: Counter,
    pub(crate) publishes_said: Counter,
    pub(crate) outbox: Histogram,
    pub(crate) outbox_overflows: Counter,
}

impl Metrics {
    /// Looks all handles up; a recorder must be installed before, if there is to be one.
    pub(crate) fn new() -> Self {
        let login =
            |outcome: &'static str| counter!("brightstar_logins_total", "outcome" => outcome);
        let command =
            |stage: &'static str| histogram!("brightstar_command_seconds", "stage" => stage);
        let publish =
            |outcome: &'static str| counter!("brightstar_publishes_total", "outcome" => outcome);
        Self {
            logins_new: login("new"),
            logins_resumed: login("resumed"),
            logins_takeover: login("takeover"),
            logins_refused: login("refused"),
            command_commit: command("commit"),
            command_durable: command("durable"),
            tick: histogram!("brightstar_tick_seconds"),
            tick_late: histogram!("brightstar_tick_late_seconds"),
            ticks: counter!("brightstar_ticks_total"),
            ticks_late: counter!("brightstar_ticks_late_total"),
            rebuilt: counter!("brightstar_regions_rebuilt_total"),
            work_refused: counter!("brightstar_work_refused_total"),
            inputs_replaced: counter!("brightstar_inputs_replaced_total"),
            frames: counter!("brightstar_frames_total"),
            frames_skipped: counter!("brightstar_frames_skipped_total"),
            channel_told: counter!("brightstar_channel_told_total"),
            publishes_foreign: publish("no_member"),
            publishes_refused: publish("refused"),
            publishes_failed: publish("failed"),
            publishes_said: publish("said"),
            outbox: histogram!("brightstar_outbox_messages"),
            outbox_overflows: counter!("brightstar_outbox_overflows_total"),
        }
    }
}
