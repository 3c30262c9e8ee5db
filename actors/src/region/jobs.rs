//! Lives here: the turns of a region's jobs: run when the clock's driver says that one is due.
//! Not here: what a turn is (`world-data`), who watches the clock (`supervisor`).
//!
//! Invariant: jobs and work do not starve each other: each has its own time in a batch.

use std::sync::atomic::Ordering;

use tokio::time::Instant;
use world_data::World;

use super::{BATCH_TIME, CLOCK_EVERY, Region, RegionHandle};

impl<W: World> Region<W> {
    /// Runs jobs that are due, for as long as a batch may take; says whether more may be.
    pub(super) fn run_jobs(&mut self) -> bool {
        if !self.handle.jobs_due.swap(false, Ordering::AcqRel) {
            return false;
        }
        let begun = Instant::now();
        let mut worker = self.worker.borrow_mut();
        let world = &*self.host.world;
        for turn in 1_usize.. {
            let ran = worker.run_job(
                self.handle.id,
                |task, this, job: &W::Job| world.job(task, this, job),
                |_, _| {},
            );
            if ran.is_none() {
                break;
            }
            if turn.is_multiple_of(CLOCK_EVERY) && begun.elapsed() > BATCH_TIME {
                self.handle.jobs_due.store(true, Ordering::Release);
                return true;
            }
        }
        false
    }
}

impl<W: World> RegionHandle<W> {
    /// Tells the actor that a job is due. Said again for as long as one is: if this word is lost with
    /// an actor, the next one hears it.
    pub(crate) fn call_for_jobs(&self) {
        if !self.jobs_due.swap(true, Ordering::AcqRel) {
            self.wake();
        }
    }
}
