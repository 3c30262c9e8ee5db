//! Lives here: handles of the engine's own metrics, looked up once per engine.
//! Not here: their descriptions (`docs/metrics.md`, `src/metrics.rs`) and what actors count.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

pub(crate) struct Metrics {
    pub(crate) homes_loaded: Counter,
    pub(crate) homes_evicted: Counter,
    pub(crate) epochs: Counter,
    pub(crate) epoch_tasks: Histogram,
    pub(crate) epoch_bytes: Histogram,
    pub(crate) epoch_seconds: Histogram,
    pub(crate) journal_bytes: Counter,
    pub(crate) journal_syncs: Counter,
    pub(crate) journal_sync_seconds: Histogram,
    pub(crate) objects: Gauge,
    pub(crate) homes: Gauge,
    pub(crate) jobs_pending: Gauge,
    pub(crate) channels: Gauge,
    pub(crate) channel_members: Gauge,
    pub(crate) channel_messages: Counter,
    pub(crate) job_late: Histogram,
    pub(crate) job_turns_missed: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            homes_loaded: counter!("brightstar_homes_loaded_total"),
            homes_evicted: counter!("brightstar_homes_evicted_total"),
            epochs: counter!("brightstar_epochs_total"),
            epoch_tasks: histogram!("brightstar_epoch_tasks"),
            epoch_bytes: histogram!("brightstar_epoch_bytes"),
            epoch_seconds: histogram!("brightstar_epoch_seconds"),
            journal_bytes: counter!("brightstar_journal_bytes_total"),
            journal_syncs: counter!("brightstar_journal_syncs_total"),
            journal_sync_seconds: histogram!("brightstar_journal_sync_seconds"),
            objects: gauge!("brightstar_objects"),
            homes: gauge!("brightstar_homes"),
            jobs_pending: gauge!("brightstar_jobs_pending"),
            channels: gauge!("brightstar_channels"),
            channel_members: gauge!("brightstar_channel_members"),
            channel_messages: counter!("brightstar_channel_messages_total"),
            job_late: histogram!("brightstar_job_late_seconds"),
            job_turns_missed: counter!("brightstar_job_turns_missed_total"),
        }
    }
}
