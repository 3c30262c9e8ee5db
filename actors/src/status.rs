//! Lives here: what the actors say of themselves (`GET /v1/status`), as plain data.
//! Not here: how it is measured (`supervisor`, `region`).

use serde::Serialize;
use uuid::Uuid;
use world_data::RegionId;

/// One host at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// This process.
    pub host: Uuid,
    /// The world's name.
    pub world: &'static str,
    /// Whether logins are accepted.
    pub ready: bool,
    /// How often the partition has changed.
    pub partition_epoch: u64,
    /// Seconds since the actors started.
    pub uptime_seconds: f64,
    /// The worker threads.
    pub workers: Vec<WorkerStatus>,
    /// The regions, in line order.
    pub regions: Vec<RegionStatus>,
    /// The sessions.
    pub sessions: SessionCounts,
}

/// One worker thread.
#[derive(Debug, Clone, Serialize)]
pub struct WorkerStatus {
    /// Its number.
    pub worker: usize,
    /// Busy time per second of its regions, smoothed, 0..1.
    pub load: f64,
}

/// One region.
#[derive(Debug, Clone, Serialize)]
pub struct RegionStatus {
    /// Its name.
    pub id: RegionId,
    /// The first home of its interval.
    pub from: u64,
    /// The first home behind its end.
    pub to: u64,
    /// The worker it runs on.
    pub worker: usize,
    /// Busy time per second, smoothed, 0..1.
    pub load: f64,
    /// Live objects.
    pub objects: usize,
    /// Entities among them.
    pub entities: usize,
    /// Work waiting.
    pub queue: usize,
    /// Ticks run.
    pub ticks: u64,
    /// Ticks that began over 50 ms late or were skipped.
    pub late: u64,
}

/// How many sessions there are.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct SessionCounts {
    /// With a socket.
    pub connected: usize,
    /// Without one, until they resume or their time is over.
    pub away: usize,
}
