//! Lives here: jobs as an author's task sees them: what is to be done later, once or again and
//! again. Not here: how a job gets its turn (`worker::jobs`), what it is in memory (`job`).

use std::any::TypeId;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Serialize;

use super::{Result, Stop, Task};
use crate::job::{Job, JobId, MAX_JOB_BYTES, MIN_PERIOD, Owner, Pending};
use crate::object::ObjectId;

impl Task<'_> {
    /// Has `job` run once, `delay` after this task's [`now`](Task::now), as a task of its own:
    /// [`World::job`](crate::World::job). The job belongs to an object: it moves with it and runs
    /// where it is. It outlives the object, unless its [`Owner`] is [tied](Owner::tied) to it. It is
    /// kept over restarts; if its time passes while the server is down it runs as soon as it is up.
    ///
    /// # Errors
    /// [`Stop::Missing`] if the object does not exist; a refusal, `too_many_jobs`, when jobs take
    /// all the memory that they may; [`Stop::Fault`] if `job` is not of the world's type of jobs or
    /// larger than [`MAX_JOB_BYTES`].
    pub fn after<J: Serialize + 'static>(
        &mut self,
        of: impl Into<Owner>,
        delay: Duration,
        job: &J,
    ) -> Result<JobId> {
        self.schedule(of.into(), millis(delay), 0, job)
    }

    /// Has `job` run every `period`, for the first time one period after this task's
    /// [`now`](Task::now), until it is [cancelled](Task::cancel). It never overlaps itself. It keeps
    /// its phase: turns that it misses, because the server is down or busy, are not made up for, and
    /// the next one is where it would have been. All else is as with [`Task::after`].
    ///
    /// # Errors
    /// As [`Task::after`]; [`Stop::Fault`] also if the period is shorter than [`MIN_PERIOD`].
    pub fn every<J: Serialize + 'static>(
        &mut self,
        of: impl Into<Owner>,
        period: Duration,
        job: &J,
    ) -> Result<JobId> {
        if period < MIN_PERIOD {
            let why = format!("a period of {period:?} is shorter than {MIN_PERIOD:?}");
            return Err(Stop::Fault(why));
        }
        self.schedule(of.into(), millis(period), millis(period), job)
    }

    /// Cancels a job, if this task commits.
    ///
    /// # Errors
    /// A refusal, `no_such_job`, if the job does not wait: it was cancelled before, or has had its
    /// only turn, or is having it in this very task.
    pub fn cancel(&mut self, job: JobId) -> Result<()> {
        let (held, waits) = self.on.find_job(job)?;
        if waits.is_none() {
            return Err(Stop::refused("no_such_job"));
        }
        self.on.set_job(held, job, None);
        Ok(())
    }

    /// The jobs of an object that wait, in the order in which they were made; also of an object
    /// that is gone.
    pub fn jobs(&mut self, of: ObjectId) -> Result<Vec<Pending>> {
        let jobs = self.on.jobs_of(of)?;
        Ok(jobs.map(|(id, job)| job.pending(id)).collect())
    }

    fn schedule<J: Serialize + 'static>(
        &mut self,
        owner: Owner,
        delay_ms: u64,
        period_ms: u64,
        job: &J,
    ) -> Result<JobId> {
        let payload = self.encode_job(job)?;
        let shared = self.on.shared;
        if shared.jobs.bytes.load(Ordering::Relaxed) >= shared.options.job_bytes {
            return Err(Stop::refused("too_many_jobs"));
        }
        let (held, slot) = self.spot(owner.of)?;
        let number = shared.next_id(&mut self.on.run.ids);
        let id = JobId {
            of: owner.of,
            number,
        };
        let job = Job {
            due_ms: self.now().saturating_add(delay_ms),
            period_ms,
            tied: owner.tied,
            home: self.on.slot((held, slot)).home,
            payload,
            lane_at: 0,
            lane_set: 0,
        };
        self.on.set_job(held, id, Some(job));
        Ok(id)
    }

    fn encode_job<J: Serialize + 'static>(&self, job: &J) -> Result<std::sync::Arc<[u8]>> {
        let (type_id, name) = self.on.shared.job_type;
        if TypeId::of::<J>() != type_id {
            let is = std::any::type_name::<J>();
            let why = format!("the world's jobs are of the type {name}, not {is}");
            return Err(Stop::Fault(why));
        }
        let bytes = rmp_serde::to_vec_named(job)
            .map_err(|error| Stop::Fault(format!("a job can't be encoded: {error}")))?;
        if bytes.len() > MAX_JOB_BYTES {
            return Err(Stop::Fault(format!(
                "a job of {} bytes is larger than {MAX_JOB_BYTES}",
                bytes.len()
            )));
        }
        Ok(bytes.into())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
