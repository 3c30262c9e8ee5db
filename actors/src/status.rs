//! Lives here: what the actors say of themselves (`GET /v1/status`), as plain data.
//! Not here: how it is measured (`supervisor`, `region`).

use serde::Serialize;
use uuid::Uuid;
use world_data::RegionId;

use crate::changes::SupervisorStatus;

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
    /// The hubs: threads that serve sockets.
    pub hubs: Vec<HubStatus>,
    /// The sessions.
    pub sessions: SessionCounts,
    /// What the supervisor does.
    pub supervisor: SupervisorStatus,
}

/// One worker thread.
#[derive(Debug, Clone, Serialize)]
pub struct WorkerStatus {
    /// Its number.
    pub worker: usize,
    /// Busy time per second of its regions, smoothed, 0..1.
    pub load: f64,
    /// The same in the newest second alone.
    pub fresh: f64,
}

/// One hub: a thread that serves sockets, and what its sessions are shown.
#[derive(Debug, Clone, Serialize)]
pub struct HubStatus {
    /// Its number.
    pub hub: usize,
    /// The share of the last second that its thread was busy, 0..1.
    pub load: f64,
    /// What it gives up: `ground` (nothing), `far_half` (half the frames of far cells), `far_quarter`,
    /// `nearest` (all but the nearest cells) or `slow_time` (as much, and it calls for time to be
    /// slowed down where its sessions are).
    pub rung: &'static str,
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
    /// What its load is made of.
    pub busy: BusyStatus,
    /// Sessions whose entity is in it.
    pub sessions: usize,
    /// Whether an operator wants it left as it is, where it is.
    pub pinned: bool,
    /// World time per real time.
    pub dilation: f64,
    /// How late ticks of the last seconds began, 99th percentile, in milliseconds.
    pub lateness_ms: f64,
    /// Its traffic with other regions.
    pub border: Vec<BorderStatus>,
    /// How long it did nothing for its last change, in milliseconds.
    pub last_pause_ms: Option<f64>,
}

/// Shares of a second, smoothed, 0..1.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct BusyStatus {
    /// Commands, inputs, logins.
    pub tasks: f64,
    /// Ticks.
    pub ticks: f64,
    /// Encoding what changed.
    pub encoding: f64,
    /// Telling the hubs.
    pub sending: f64,
}

/// Traffic between two regions, both ways, smoothed; both tell the same of it.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct BorderStatus {
    /// The other one.
    pub region: RegionId,
    /// All of it as the supervisor weighs it: tasks, and a twentieth of the subscriptions.
    pub rate: f64,
    /// Committed tasks that held both, per second; crossings are among them.
    pub tasks: f64,
    /// Entities that went from one to the other, per second.
    pub crossings: f64,
    /// Cells of the one in view of sessions whose entity is in the other.
    pub subscriptions: f64,
}

/// Where entities are, for a map to look at.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Dots {
    /// Entities of sessions: x and y of each, in metres.
    pub people: Vec<f32>,
    /// Other entities.
    pub others: Vec<f32>,
}

/// How many sessions there are.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct SessionCounts {
    /// With a socket.
    pub connected: usize,
    /// Without one, until they resume or their time is over.
    pub away: usize,
}
