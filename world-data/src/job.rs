//! Lives here: what a job is: its name, whose it is, its stored form; and a region's jobs in
//! memory, by object and by when they are due.
//! Not here: what a task does with jobs (`task::jobs`), how one is run (`worker::jobs`).
//!
//! Invariant: a job stands in the region that holds its object's home; once the object is gone, in
//! the region of the shard that the object's number falls into. Whoever knows the job's name knows
//! where to look for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::line::Home;
use crate::object::{Object, ObjectId, Ref};

/// The largest job, encoded, in bytes.
pub const MAX_JOB_BYTES: usize = 16 * 1024;
/// The shortest period of a job: twice the resolution of the world's clock.
pub const MIN_PERIOD: Duration = Duration::from_millis(10);
/// What a pending job takes in memory besides its own bytes, about: its places in three trees.
pub(crate) const JOB_BYTES: usize = 256;
/// No job is due.
pub(crate) const NEVER: u64 = u64::MAX;

/// Names a job for ever: by the object that it belongs to, and by a number. Keep it in an object
/// if the job may have to be cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId {
    pub(crate) of: ObjectId,
    pub(crate) number: u64,
}

impl JobId {
    /// The object that the job belongs to.
    pub fn of(self) -> ObjectId {
        self.of
    }

    /// The job's number: unique in the world.
    pub fn number(self) -> u64 {
        self.number
    }
}

/// Whose a job is: it is stored with this object, moves with it, and runs where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    pub(crate) of: ObjectId,
    pub(crate) tied: bool,
}

impl Owner {
    /// The job ends with the object: it is cancelled when the object is removed. Without this word
    /// a job outlives its object.
    #[must_use]
    pub fn tied(of: impl Into<Self>) -> Self {
        Self {
            tied: true,
            ..of.into()
        }
    }
}

impl From<ObjectId> for Owner {
    fn from(of: ObjectId) -> Self {
        Self { of, tied: false }
    }
}

impl<T: Object> From<Ref<T>> for Owner {
    fn from(of: Ref<T>) -> Self {
        of.id().into()
    }
}

/// A job that waits for its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// Its name.
    pub id: JobId,
    /// When it runs next, in milliseconds since the Unix epoch.
    pub due_ms: u64,
    /// How often it runs; `None`: once.
    pub every: Option<Duration>,
    /// Whether it is cancelled when its object is removed.
    pub tied: bool,
}

/// A job as it waits.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) due_ms: u64,
    /// 0: it runs once.
    pub(crate) period_ms: u64,
    pub(crate) tied: bool,
    /// The home of its object, as far as known in memory; no part of the stored row.
    pub(crate) home: Home,
    /// The world's own words, as MessagePack.
    pub(crate) payload: Arc<[u8]>,
    /// Where the lane's open set holds this job, if `lane_set` is that set's number.
    pub(crate) lane_at: u32,
    pub(crate) lane_set: u32,
}

/// `flags u8 | due u64 | period u64`, little-endian, before the payload.
const HEAD: usize = 1 + 8 + 8;

impl Job {
    /// What is left of the job after its turn at `now_ms`: an `every` job goes on at the next point
    /// of its phase that lies ahead. Turns that were missed are not made up for.
    pub(crate) fn after_turn(&self, now_ms: u64) -> Option<Self> {
        if self.period_ms == 0 {
            return None;
        }
        let missed = now_ms.saturating_sub(self.due_ms) / self.period_ms;
        let ahead = self.period_ms.saturating_mul(missed + 1);
        Some(Self {
            due_ms: self.due_ms.saturating_add(ahead),
            ..self.clone()
        })
    }

    /// A stored job when the world begins at `now_ms`: an `every` job goes on at the first point of
    /// its phase that has not passed. Says how many turns it has missed.
    pub(crate) fn resumed(mut self, now_ms: u64) -> (Self, u64) {
        let late = now_ms.saturating_sub(self.due_ms);
        if late == 0 || self.period_ms == 0 {
            return (self, 0);
        }
        let missed = late.div_ceil(self.period_ms);
        self.due_ms = self
            .due_ms
            .saturating_add(self.period_ms.saturating_mul(missed));
        (self, missed)
    }

    /// Turns that lie between this one, run at `now_ms`, and the next.
    pub(crate) fn missed(&self, now_ms: u64) -> u64 {
        let late = now_ms.saturating_sub(self.due_ms);
        late.checked_div(self.period_ms).unwrap_or_default()
    }

    /// The same job in another region, whose lane knows nothing of it yet.
    pub(crate) fn elsewhere(self, home: Home) -> Self {
        Self {
            home,
            lane_set: 0,
            ..self
        }
    }

    pub(crate) fn pending(&self, id: JobId) -> Pending {
        Pending {
            id,
            due_ms: self.due_ms,
            every: (self.period_ms != 0).then(|| Duration::from_millis(self.period_ms)),
            tied: self.tied,
        }
    }

    /// Memory that it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        JOB_BYTES + self.payload.len()
    }

    /// Appends the job's row.
    pub(crate) fn write(&self, into: &mut Vec<u8>) {
        into.push(u8::from(self.tied));
        into.extend_from_slice(&self.due_ms.to_le_bytes());
        into.extend_from_slice(&self.period_ms.to_le_bytes());
        into.extend_from_slice(&self.payload);
    }

    pub(crate) fn row_len(&self) -> usize {
        HEAD + self.payload.len()
    }

    /// Reads a row back.
    pub(crate) fn read(home: Home, row: &[u8]) -> Result<Self, String> {
        let (head, payload) = row
            .split_first_chunk::<HEAD>()
            .ok_or("a job's row ends too early")?;
        let number = |at: usize| {
            let bytes: [u8; 8] = head[at..at + 8].try_into().unwrap_or_default();
            u64::from_le_bytes(bytes)
        };
        let tied = match head[0] {
            0 => false,
            1 => true,
            other => return Err(format!("unknown flags {other} of a job")),
        };
        Ok(Self {
            due_ms: number(1),
            period_ms: number(9),
            tied,
            home,
            payload: payload.into(),
            lane_at: 0,
            lane_set: 0,
        })
    }
}

/// The jobs of one region.
#[derive(Default)]
pub(crate) struct Jobs {
    all: BTreeMap<JobId, Job>,
    due: BTreeSet<(u64, JobId)>,
}

impl Jobs {
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn get(&self, id: JobId) -> Option<&Job> {
        self.all.get(&id)
    }

    /// For notes beside the job: when it is due must not be changed so.
    pub(crate) fn get_mut(&mut self, id: JobId) -> Option<&mut Job> {
        self.all.get_mut(&id)
    }

    /// Sets what a name stands for; returns what it stood for.
    pub(crate) fn set(&mut self, id: JobId, job: Option<Job>) -> Option<Job> {
        let due = job.as_ref().map(|job| job.due_ms);
        let old = match job {
            Some(job) => self.all.insert(id, job),
            None => self.all.remove(&id),
        };
        if let Some(old) = &old {
            self.due.remove(&(old.due_ms, id));
        }
        self.due.extend(due.map(|due| (due, id)));
        old
    }

    /// The jobs of an object, in the order of their numbers.
    pub(crate) fn of(&self, of: ObjectId) -> impl Iterator<Item = (JobId, &Job)> {
        self.all.range(all_of(of)).map(|(id, job)| (*id, job))
    }

    /// The job that is due first.
    pub(crate) fn first(&self) -> Option<(u64, JobId)> {
        self.due.first().copied()
    }

    /// When the first job is due.
    pub(crate) fn next_due(&self) -> u64 {
        self.first().map_or(NEVER, |(due, _)| due)
    }

    /// An object has moved within the region.
    pub(crate) fn rehome(&mut self, of: ObjectId, to: Home) {
        for (_, job) in self.all.range_mut(all_of(of)) {
            job.home = to;
        }
    }

    /// Hands the jobs whose home `goes` says to `other`.
    pub(crate) fn hand_over(&mut self, other: &mut Self, goes: impl Fn(Home) -> bool) {
        let (go, stay): (BTreeMap<_, _>, _) = std::mem::take(&mut self.all)
            .into_iter()
            .partition(|(_, job)| goes(job.home));
        self.all = stay;
        for (id, job) in go {
            self.due.remove(&(job.due_ms, id));
            let home = job.home;
            other.set(id, Some(job.elsewhere(home)));
        }
    }
}

fn all_of(of: ObjectId) -> std::ops::RangeInclusive<JobId> {
    let at = |number| JobId { of, number };
    at(0)..=at(u64::MAX)
}

/// How many jobs there are in all, how much memory they take, and when the next is due.
#[derive(Debug)]
pub(crate) struct JobCount {
    pub(crate) number: AtomicUsize,
    pub(crate) bytes: AtomicUsize,
    /// No job of any region is due before this, in milliseconds since the Unix epoch.
    pub(crate) next_due: AtomicU64,
}

impl Default for JobCount {
    fn default() -> Self {
        Self {
            number: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            next_due: AtomicU64::new(NEVER),
        }
    }
}

impl JobCount {
    /// One job has taken the place of another.
    pub(crate) fn changed(&self, old: Option<&Job>, new: Option<&Job>) {
        if let Some(new) = new {
            self.number.fetch_add(1, Ordering::Relaxed);
            self.bytes.fetch_add(new.bytes(), Ordering::Relaxed);
        }
        if let Some(old) = old {
            self.number.fetch_sub(1, Ordering::Relaxed);
            self.bytes.fetch_sub(old.bytes(), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(due_ms: u64, period_ms: u64) -> Job {
        Job {
            due_ms,
            period_ms,
            tied: true,
            home: Home(3),
            payload: Arc::from(&b"words"[..]),
            lane_at: 0,
            lane_set: 0,
        }
    }

    fn id(of: u64, number: u64) -> JobId {
        let of = ObjectId::from_raw(of).unwrap();
        JobId { of, number }
    }

    #[test]
    fn a_row_comes_back_as_written() {
        let job = job(1_000, 60_000);
        let mut row = Vec::new();
        job.write(&mut row);
        assert_eq!(row.len(), job.row_len());
        let read = Job::read(Home(3), &row).unwrap();
        assert_eq!(format!("{job:?}"), format!("{read:?}"));
        assert!(
            Job::read(Home(3), &row[..16])
                .unwrap_err()
                .contains("early")
        );
        row[0] = 7;
        assert!(Job::read(Home(3), &row).unwrap_err().contains("flags"));
    }

    #[test]
    fn a_turn_leads_to_the_next_point_of_the_phase_that_lies_ahead() {
        let every = job(1_000, 300);
        for (now, next, missed) in [
            (1_000, 1_300, 0),
            (1_299, 1_300, 0),
            (1_300, 1_600, 1),
            (2_000, 2_200, 3),
        ] {
            assert_eq!(every.after_turn(now).unwrap().due_ms, next, "at {now}");
            assert_eq!(every.missed(now), missed, "at {now}");
        }
        assert!(job(1_000, 0).after_turn(5_000).is_none());
        assert_eq!(job(1_000, 0).missed(5_000), 0);
    }

    #[test]
    fn a_stored_job_goes_on_at_the_first_point_of_its_phase_that_has_not_passed() {
        for (now, due, missed) in [
            (900, 1_000, 0),
            (1_000, 1_000, 0),
            (1_001, 1_300, 1),
            (1_300, 1_300, 1),
            (2_000, 2_200, 4),
        ] {
            let (resumed, times) = job(1_000, 300).resumed(now);
            assert_eq!((resumed.due_ms, times), (due, missed), "at {now}");
        }
        let (once, missed) = job(1_000, 0).resumed(9_000);
        assert_eq!((once.due_ms, missed), (1_000, 0));
    }

    #[test]
    fn jobs_are_found_by_object_and_by_time() {
        let mut jobs = Jobs::default();
        for (of, number, due) in [(1, 1, 50), (2, 2, 30), (2, 3, 40), (3, 4, 20)] {
            jobs.set(id(of, number), Some(job(due, 0)));
        }
        assert_eq!(jobs.first(), Some((20, id(3, 4))));
        let of_two: Vec<_> = jobs
            .of(ObjectId::from_raw(2).unwrap())
            .map(|(id, _)| id)
            .collect();
        assert_eq!(of_two, [id(2, 2), id(2, 3)]);
        assert_eq!(jobs.set(id(3, 4), Some(job(60, 0))).unwrap().due_ms, 20);
        assert_eq!(jobs.next_due(), 30);

        jobs.rehome(ObjectId::from_raw(2).unwrap(), Home(9));
        let mut other = Jobs::default();
        jobs.hand_over(&mut other, |home| home == Home(9));
        assert_eq!((jobs.len(), other.len()), (2, 2));
        assert_eq!((jobs.next_due(), other.next_due()), (50, 30));
        jobs.set(id(1, 1), None);
        jobs.set(id(3, 4), None);
        assert!(jobs.is_empty());
        assert_eq!(jobs.next_due(), NEVER);
    }
}
