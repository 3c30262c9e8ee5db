//! Lives here: what a run does with jobs: finding, setting, taking a turn, following their object.
//! Not here: what an author calls (`task::jobs`), which job's turn it is (`worker::jobs`).
//!
//! Invariant: a turn and what it makes of the waiting job are one run: both stand or neither does.
//! When the turn's own code fails, the job has had its turn all the same.

use std::sync::atomic::Ordering;

use super::{Result, Runner, Spot, Undo};
use crate::job::{Job, JobId};
use crate::object::ObjectId;

impl Runner<'_> {
    /// Holds the region that the jobs of an object stand in, whether or not it still exists.
    fn hold_jobs_of(&mut self, of: ObjectId) -> Result<usize> {
        match self.locate(of)? {
            Some((held, _)) => Ok(held),
            None => self.hold(self.shared.map.shard_of(of.raw())),
        }
    }

    /// A waiting job, and the held region that it stands in.
    pub(crate) fn find_job(&mut self, id: JobId) -> Result<(usize, Option<&Job>)> {
        let held = self.hold_jobs_of(id.of)?;
        Ok((held, self.held[held].state.jobs.get(id)))
    }

    /// The waiting jobs of an object.
    pub(crate) fn jobs_of(&mut self, of: ObjectId) -> Result<impl Iterator<Item = (JobId, &Job)>> {
        let held = self.hold_jobs_of(of)?;
        Ok(self.held[held].state.jobs.of(of))
    }

    /// Sets what a job's name stands for in a held region.
    pub(crate) fn set_job(&mut self, held: usize, id: JobId, job: Option<Job>) {
        let count = &self.shared.jobs;
        let jobs = &mut self.held[held].state.jobs;
        count.changed(None, job.as_ref());
        let old = jobs.set(id, job);
        count.changed(old.as_ref(), None);
        let old = old.map(Box::new);
        self.run.undo.push(Undo::Job { held, id, old });
        self.run.structural = true;
    }

    /// Makes this run the turn of a job, unless that is not due at `due_ms` any more: then it was
    /// cancelled, or somebody else has run it. Says whether it is.
    pub(crate) fn take_turn(&mut self, id: JobId, due_ms: u64) -> Result<bool> {
        let (held, job) = self.find_job(id)?;
        if job.is_none_or(|job| job.due_ms != due_ms) {
            return Ok(false);
        }
        self.run.turn = Some((held, id));
        self.pass_turn(held, id);
        Ok(true)
    }

    /// After the turn's writes were undone: the turn is over all the same.
    pub(crate) fn keep_turn(&mut self) {
        if let Some((held, id)) = self.run.turn.take() {
            self.pass_turn(held, id);
        }
    }

    fn pass_turn(&mut self, held: usize, id: JobId) {
        let now_ms = self.run.now_ms;
        if let Some(job) = self.held[held].state.jobs.get(id) {
            let next = job.after_turn(now_ms);
            self.set_job(held, id, next);
        }
    }

    /// An entity has gone from one region to another: so do its jobs.
    pub(super) fn take_jobs_along(&mut self, of: ObjectId, from: usize, to: usize) {
        if self.held[from].state.jobs.is_empty() {
            return;
        }
        let home = self.held[to].state.home_of(of).unwrap_or_default();
        let jobs: Vec<_> = self.clone_jobs(of, from);
        for (id, job) in jobs {
            self.set_job(from, id, None);
            self.set_job(to, id, Some(job.elsewhere(home)));
        }
    }

    fn clone_jobs(&self, of: ObjectId, held: usize) -> Vec<(JobId, Job)> {
        let jobs = self.held[held].state.jobs.of(of);
        jobs.map(|(id, job)| (id, job.clone())).collect()
    }

    /// An object is about to be removed: its tied jobs end, the others go to their shard.
    pub(crate) fn leave_jobs(&mut self, (held, at): Spot) -> Result<()> {
        if self.held[held].state.jobs.is_empty() {
            return Ok(());
        }
        let of = self.slot((held, at)).id;
        for (id, job) in self.clone_jobs(of, held) {
            if job.tied {
                self.set_job(held, id, None);
            } else if of.is_entity() {
                let home = self.shared.map.shard_of(of.raw());
                let to = self.hold(home)?;
                self.set_job(held, id, None);
                self.set_job(to, id, Some(job.elsewhere(home)));
            }
        }
        Ok(())
    }

    /// Whether a job waits in any region that this run holds.
    pub(super) fn waits(&self, id: JobId) -> bool {
        let mut held = self.held.iter();
        held.any(|held| held.state.jobs.get(id).is_some())
    }

    /// Lets everybody see when the regions of this run have their next job.
    pub(super) fn show_due(&self) {
        for held in &self.held {
            let due = held.state.jobs.next_due();
            let region = &self.table.regions[held.region];
            region.next_due.store(due, Ordering::SeqCst);
            self.shared.note_due(due);
        }
    }
}
