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
            task_limits: self.task_limits(),
            events_kept: self.sessions.events_kept,
            parallel_from: engine.parallel_from,
            job_bytes: engine.job_bytes,
            seed: engine.seed,
            start_ms,
            // The process ends: what is in memory is no longer known to be true.
            on_failure: None,
        }
    }

    /// What tasks of each kind may take, where that is not what all may.
    fn task_limits(&self) -> Vec<(&'static str, world_data::Limit)> {
        let (tasks, engine) = (&self.tasks, &self.engine);
        let kinds = [
            ("command", tasks.command_budget_ms, tasks.command_attempts),
            ("input", tasks.input_budget_ms, tasks.input_attempts),
            ("login", tasks.login_budget_ms, tasks.login_attempts),
            ("logout", tasks.logout_budget_ms, tasks.logout_attempts),
            ("tick", tasks.tick_budget_ms, tasks.tick_attempts),
            ("job", tasks.job_budget_ms, tasks.job_attempts),
        ];
        let own = kinds.into_iter().filter(|kind| (kind.1, kind.2) != (0, 0));
        own.map(|(kind, budget_ms, attempts)| {
            let limit = world_data::Limit {
                budget: Duration::from_millis(some(budget_ms, engine.task_budget_ms)),
                attempts: some(attempts, engine.task_attempts),
            };
            (kind, limit)
        })
        .collect()
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
            border_load: supervisor.border_load,
            tick_hz: regions.tick_hz,
            queue_limit: regions.queue_limit,
            window: sessions.window,
            session_linger: Duration::from_secs(sessions.linger_seconds),
            events_kept: sessions.events_kept,
            control_lane: sessions.control_lane,
            commands_per_second: sessions.commands_per_second,
            inputs_per_second: sessions.inputs_per_second,
            publishes_per_second: sessions.publishes_per_second,
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
            nearest: ladder.nearest,
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

/// A number, or another where it is 0.
fn some<T: Default + PartialEq>(number: T, otherwise: T) -> T {
    if number == T::default() {
        otherwise
    } else {
        number
    }
}

fn or_cores(threads: usize) -> usize {
    if threads == 0 {
        available_parallelism().map_or(1, NonZero::get)
    } else {
        threads
    }
}
