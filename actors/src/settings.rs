//! Lives here: the numbers of the actors: how many, how fast, how much. Each is a bound or a
//! period. Not here: where they come from (`src/config`), and the engine's own (`Options`).

use std::time::Duration;

use crate::changes::SupervisorMode;

/// The actors' numbers. `src/config` fills it in, checks it and hands it down.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Worker threads that regions run on; at least 1.
    pub workers: usize,
    /// Whether the supervisor changes partition and placement by itself.
    pub supervisor: SupervisorMode,
    /// The load of a thread, 0..1, from which on regions are moved off it.
    pub hot_load: f64,
    /// The load of a thread down to which regions are moved off it.
    pub cool_load: f64,
    /// The load of a region, as a share of a thread, from which on it is split.
    pub split_load: f64,
    /// The load of two neighbours together below which they are merged.
    pub merge_load: f64,
    /// What is done where a crowd can't be cut.
    pub ladder: LadderSettings,
    /// The share of a thread that acting over borders from another thread must cost a region before
    /// it is moved to its neighbours'.
    pub border_load: f64,
    /// Ticks of a region, and frames of a session, per second.
    pub tick_hz: u32,
    /// Work that may wait in one region; above, it is handed back and sockets are not read.
    pub queue_limit: usize,
    /// Commands of one session that may be unanswered; above, its socket is not read.
    pub window: usize,
    /// How long a session outlives its socket.
    pub session_linger: Duration,
    /// Events kept per session until they are acknowledged; above, the oldest is dropped.
    pub events_kept: usize,
    /// Messages that may wait for a socket (welcome, replies, `forget`, `pong`); above, the socket
    /// is closed with `too_slow` and the session stays resumable.
    pub control_lane: usize,
    /// Commands (and `publish`, `ack`, `ping`) per second of one session.
    pub commands_per_second: u32,
    /// Inputs per second of one session.
    pub inputs_per_second: u32,
    /// Messages to channels per second of one session.
    pub publishes_per_second: u32,
    /// How many seconds' worth of commands or inputs may come at once.
    pub burst_seconds: u32,
    /// Sessions on this host, connected or away; above, logins are refused with `overloaded`.
    pub max_sessions: usize,
    /// Characters a name may have.
    pub name_limit: usize,
    /// How long a login or resume may take before it is refused with `overloaded`.
    pub login_limit: Duration,
}

/// The numbers of the ladder: what is shown and how fast time runs where a thread has too much to do
/// and regions can't be cut or moved.
#[derive(Debug, Clone, PartialEq)]
pub struct LadderSettings {
    /// Whether it is climbed at all.
    pub on: bool,
    /// The share of a thread above which the next rung is taken.
    pub over: f64,
    /// A rung is left when without it less than this share of the thread would be used.
    pub under: f64,
    /// How long it must be too much before the next rung is taken.
    pub up: Duration,
    /// How long it must be little enough before a rung is left.
    pub down: Duration,
    /// Entities that a session is shown where not all can be: the nearest cells that together hold
    /// so many, and always those at hand.
    pub nearest: usize,
    /// World time per real time, at the least.
    pub least_dilation: f64,
}

impl Default for LadderSettings {
    fn default() -> Self {
        Self {
            on: true,
            over: 0.9,
            under: 0.6,
            up: Duration::from_secs(3),
            down: Duration::from_secs(10),
            nearest: 100,
            least_dilation: 0.1,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            supervisor: SupervisorMode::On,
            hot_load: 0.7,
            cool_load: 0.6,
            split_load: 0.5,
            merge_load: 0.2,
            ladder: LadderSettings::default(),
            border_load: 0.05,
            tick_hz: 20,
            queue_limit: 4096,
            window: 64,
            session_linger: Duration::from_mins(1),
            events_kept: 1024,
            control_lane: 256,
            commands_per_second: 10_000,
            inputs_per_second: 100,
            publishes_per_second: 10,
            burst_seconds: 2,
            max_sessions: 20_000,
            name_limit: 32,
            login_limit: Duration::from_secs(10),
        }
    }
}

impl Settings {
    /// The time between two ticks.
    pub(crate) fn tick_period(&self) -> Duration {
        Duration::from_secs(1) / self.tick_hz.max(1)
    }
}
