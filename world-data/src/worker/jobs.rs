//! Lives here: giving jobs their turns: the one that has been due for the longest, as a task.
//! Not here: who asks for it, and when (`actors`), what a turn does to the waiting job
//! (`run::jobs`).

use std::cell::Cell;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::Worker;
use crate::engine::{Call, Class, Done, Report};
use crate::job::{Job, JobId};
use crate::origin::Asked;
use crate::partition::RegionId;
use crate::task::{Stop, Task};

/// Jobs found due that had their turn elsewhere in the meantime, before looking is given up: who
/// asked will ask again.
const MOST_LOOKS: usize = 64;

/// A turn to be.
struct Turn {
    id: JobId,
    job: Job,
}

impl Worker {
    /// Gives the job of a region that has been due for the longest its turn: `body`, as a task of
    /// the durable class. `None` if none is due, or there is no such region. Any number of workers
    /// may do so at the same time: each turn of a job is had once.
    ///
    /// `conclude` is told how the turn ended, while all it touched is still held. A turn that ended
    /// without effect has been had all the same.
    pub fn run_job<J: DeserializeOwned>(
        &mut self,
        region: RegionId,
        mut body: impl FnMut(&mut Task<'_>, JobId, &J) -> Result<(), Stop>,
        conclude: impl FnOnce(JobId, Done<()>),
    ) -> Option<Report> {
        let mut conclude = Some(conclude);
        for _ in 0..MOST_LOOKS {
            let turn = self.first_due(region)?;
            let job = rmp_serde::from_slice::<J>(&turn.job.payload)
                .map_err(|error| Stop::Fault(format!("the job can't be read: {error}")));
            let origin = Asked::job(turn.id, &turn.job.payload);
            let call = Call {
                kind: "job",
                class: Class::Durable,
                origin: &origin,
            };
            // When the turn began, if it is ours.
            let begun = Cell::new(None);
            let (kind, limit) = self.tally.find(call.kind, &self.shared.options);
            let report = self.attempts(
                call,
                limit,
                |task| {
                    begun.set(None);
                    // Waiting for its turn is not the turn's own time.
                    task.on.allow(Duration::MAX);
                    let is_ours = task.on.take_turn(turn.id, turn.job.due_ms)?;
                    begun.set(is_ours.then(|| task.now()));
                    task.on.allow(limit.budget);
                    match &job {
                        _ if !is_ours => Ok(()),
                        Ok(job) => body(task, turn.id, job),
                        Err(stop) => Err(stop.clone()),
                    }
                },
                |done| {
                    if begun.get().is_some()
                        && let Some(conclude) = conclude.take()
                    {
                        conclude(turn.id, done);
                    }
                    None
                },
            );
            if let Some(now_ms) = begun.get() {
                self.count_turn(&turn.job, now_ms);
                self.end_task(kind, &report);
                return Some(report);
            }
            if report.fault.is_some() {
                // It did not come as far as its turn: it waits still.
                return None;
            }
        }
        None
    }

    fn count_turn(&self, job: &Job, now_ms: u64) {
        let late = Duration::from_millis(now_ms.saturating_sub(job.due_ms));
        self.shared.metrics.job_late.record(late);
        let missed = job.missed(now_ms);
        if missed > 0 {
            self.shared.metrics.job_turns_missed.increment(missed);
        }
    }

    fn first_due(&mut self, region: RegionId) -> Option<Turn> {
        let (table, at) = self.find(region)?;
        let region = &table.regions[at];
        let now_ms = self.shared.clock.now_ms();
        let is_over = self.shared.failed.get().is_some();
        if is_over || region.next_due.load(Ordering::SeqCst) > now_ms {
            return None;
        }
        let state = self.shared.lock(&region.state);
        let (_, id) = state.jobs.first().filter(|(due, _)| *due <= now_ms)?;
        let job = state.jobs.get(id)?.clone();
        Some(Turn { id, job })
    }
}
