//! Lives here: what the configuration becomes for the crates below: their own plain structs.
//! Not here: defaults and ranges (`sections`).

use std::num::NonZero;
use std::thread::available_parallelism;
use std::time::Duration;

use super::Config;

impl Config {
    /// The data service's numbers; `start_ms` is the wall time, in milliseconds since the Unix
    /// epoch, that its clock begins with.
    pub fn engine_options(&self, start_ms: u64) -> world_data::Options {
        let engine = &self.engine;
        world_data::Options {
            durability: engine.durability,
            regions: engine.regions,
            cache_objects: engine.cache_objects,
            store_bytes: engine.store_bytes,
            checkpoint_interval: Duration::from_millis(engine.checkpoint_interval_ms),
            checkpoint_bytes: engine.checkpoint_bytes,
            journal_limit_bytes: engine.journal_limit_bytes,
            task_budget: Duration::from_millis(engine.task_budget_ms),
            task_attempts: engine.task_attempts,
            seed: engine.seed,
            start_ms,
            // The process ends: what is in memory is no longer known to be true.
            on_failure: None,
        }
    }

    /// The actors' numbers.
    pub fn actor_settings(&self) -> actors::Settings {
        let (regions, sessions, supervisor) = (&self.regions, &self.sessions, &self.supervisor);
        actors::Settings {
            workers: or_cores(regions.workers),
            supervisor: supervisor.mode,
            hot_load: supervisor.hot_load,
            cool_load: supervisor.cool_load,
            split_load: supervisor.split_load,
            merge_load: supervisor.merge_load,
            ladder: self.ladder_settings(),
            tick_hz: regions.tick_hz,
            queue_limit: regions.queue_limit,
            window: sessions.window,
            session_linger: Duration::from_secs(sessions.linger_seconds),
            events_kept: sessions.events_kept,
            control_lane: sessions.control_lane,
            commands_per_second: sessions.commands_per_second,
            inputs_per_second: sessions.inputs_per_second,
            burst_seconds: sessions.burst_seconds,
            max_sessions: sessions.max_sessions,
            name_limit: sessions.name_limit,
            login_limit: Duration::from_secs(sessions.login_limit_seconds),
        }
    }

    fn ladder_settings(&self) -> actors::LadderSettings {
        let ladder = &self.ladder;
        actors::LadderSettings {
            on: ladder.on,
            over: ladder.over_load,
            under: ladder.under_load,
            up: Duration::from_secs(ladder.up_seconds),
            down: Duration::from_secs(ladder.down_seconds),
            least_dilation: ladder.least_dilation,
        }
    }

    /// Threads that serve sockets.
    pub fn socket_threads(&self) -> usize {
        or_cores(self.server.socket_threads)
    }

    /// What a graceful stop may take.
    pub fn shutdown_limit(&self) -> Duration {
        Duration::from_secs(self.server.shutdown_limit_seconds)
    }
}

fn or_cores(threads: usize) -> usize {
    if threads == 0 {
        available_parallelism().map_or(1, NonZero::get)
    } else {
        threads
    }
}
