//! Lives here: what a worker knows of each kind of task: what it may take, and its counters: by
//! outcome, runs again, regions.
//! Not here: what a task does (`worker`), and the words about each metric (`docs/metrics.md`).

use metrics::{Counter, counter};

use crate::effect::Fault;
use crate::engine::{Limit, Options, Report};

/// The kinds of tasks that a worker has met: few, so a list.
#[derive(Default)]
pub(crate) struct Tally(Vec<(&'static str, Limit, Counters)>);

/// A kind of task, by its place in a tally.
#[derive(Clone, Copy)]
pub(crate) struct Kind(usize);

/// Looked up once for each kind, not once for each task.
struct Counters {
    committed: Counter,
    refused: Counter,
    timeout: Counter,
    failed: Counter,
    retries: Counter,
    multi_region: Counter,
}

impl Counters {
    fn new(kind: &'static str) -> Self {
        let ended = |outcome: &'static str| counter!("brightstar_tasks_total", "kind" => kind, "outcome" => outcome);
        Self {
            committed: ended("committed"),
            refused: ended("refused"),
            timeout: ended("timeout"),
            failed: ended("failed"),
            retries: counter!("brightstar_task_retries_total", "kind" => kind),
            multi_region: counter!("brightstar_tasks_multi_region_total", "kind" => kind),
        }
    }
}

impl Tally {
    /// Finds a kind of task, and what one may take.
    #[inline]
    pub(crate) fn find(&mut self, kind: &'static str, options: &Options) -> (Kind, Limit) {
        match self.0.iter().position(|(known, ..)| *known == kind) {
            Some(at) => (Kind(at), self.0[at].1),
            None => self.meet(kind, options),
        }
    }

    #[cold]
    fn meet(&mut self, kind: &'static str, options: &Options) -> (Kind, Limit) {
        let limit = options.limit(kind);
        self.0.push((kind, limit, Counters::new(kind)));
        (Kind(self.0.len() - 1), limit)
    }

    /// Counts a task that has ended.
    pub(crate) fn add(&mut self, Kind(at): Kind, report: &Report) {
        let counters = &self.0[at].2;
        let outcome = match report.fault {
            None => &counters.committed,
            Some(Fault::Refused) => &counters.refused,
            Some(Fault::Timeout) => &counters.timeout,
            Some(Fault::Failed) => &counters.failed,
        };
        outcome.increment(1);
        if report.attempts > 1 {
            counters.retries.increment(u64::from(report.attempts - 1));
        }
        if report.fault.is_none() && report.regions > 1 {
            counters.multi_region.increment(1);
        }
    }
}
