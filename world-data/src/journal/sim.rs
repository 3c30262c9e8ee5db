//! Lives here: a journal for the seeded simulator that crashes, or loses its disk, when it is told.
//! Not here: the journal it writes to in the end (`journal`), the simulator's schedule.
//!
//! Invariant: what was synced is in the folder, and of what was not, a random part at most.

use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use parking_lot::Mutex;

use super::frame::END;
use super::{FileJournal, Journal, JournalError};

/// What is to go wrong, shared between a simulation and its journals.
#[derive(Debug)]
pub struct Faults(Mutex<Plan>);

#[derive(Debug)]
struct Plan {
    rng: fastrand::Rng,
    /// Syncs that still succeed.
    left: Option<u64>,
    crashes: u64,
    synced: u64,
}

impl Faults {
    /// No faults yet.
    pub fn new(seed: u64) -> Arc<Self> {
        let rng = fastrand::Rng::with_seed(seed);
        Arc::new(Self(Mutex::new(Plan {
            rng,
            left: None,
            crashes: 0,
            synced: 0,
        })))
    }

    /// Lets the next `syncs` succeed; the one after fails as a power cut would make it: what was
    /// appended since the last sync is on disk in random part, from its start or with a hole.
    pub fn crash_after(&self, syncs: u64) {
        self.0.lock().left = Some(syncs);
    }

    /// Which bytes of a write reach the disk when the power is cut.
    fn part(&self, length: usize) -> Range<usize> {
        let mut plan = self.0.lock();
        plan.crashes += 1;
        plan.left = None;
        let to = plan.rng.usize(..=length);
        // The pages of one write reach the disk in any order.
        let from = if plan.rng.bool() {
            0
        } else {
            plan.rng.usize(..=to)
        };
        from..to
    }

    /// The last epoch that a journal holds for certain.
    pub fn synced(&self) -> u64 {
        self.0.lock().synced
    }

    /// How many syncs have failed.
    pub fn crashes(&self) -> u64 {
        self.0.lock().crashes
    }
}

/// A [`FileJournal`] that holds back what is not synced, and syncs for the simulation only: a
/// simulated crash does not need the disk.
#[derive(Debug)]
pub(crate) struct SimJournal {
    inner: FileJournal,
    faults: Arc<Faults>,
    /// Epochs appended and not synced.
    waiting: Vec<(u64, Vec<u8>)>,
}

impl SimJournal {
    pub(crate) fn new(inner: FileJournal, faults: Arc<Faults>) -> Self {
        Self {
            inner,
            faults,
            waiting: Vec::new(),
        }
    }

    /// Puts a random part of what waits on disk, as if the power had been cut.
    pub(crate) fn crash(&mut self) -> Result<(), JournalError> {
        for (epoch, mut framed) in std::mem::take(&mut self.waiting) {
            let padded = self.inner.place(epoch, &mut framed)?;
            framed.resize(padded + END, 0);
            let part = self.faults.part(framed.len());
            let at = self.inner.at + part.start as u64;
            let segment = &self.inner.segment;
            let written = segment.file.write_all_at(&framed[part], at);
            written.map_err(|e| JournalError::io("append to", &segment.path, e))?;
        }
        self.inner.failed = true;
        Ok(())
    }
}

impl Journal for SimJournal {
    fn append(&mut self, epoch: u64, framed: &mut Vec<u8>) -> Result<(), JournalError> {
        if self.inner.failed {
            return Err(JournalError::Failed);
        }
        self.waiting.push((epoch, framed.clone()));
        Ok(())
    }

    fn sync(&mut self) -> Result<(), JournalError> {
        let crashes = {
            let mut plan = self.faults.0.lock();
            let crashes = plan.left == Some(0);
            plan.left = plan.left.map(|left| left.saturating_sub(1));
            crashes
        };
        if crashes {
            self.crash()?;
            return Err(JournalError::Failed);
        }
        for (epoch, mut framed) in std::mem::take(&mut self.waiting) {
            self.inner.append(epoch, &mut framed)?;
            self.inner.unsynced = false;
            self.faults.0.lock().synced = epoch;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Epochs, begin, put, read};
    use super::*;

    #[test]
    fn a_simulated_crash_loses_only_what_was_not_synced() {
        let mut torn = 0;
        for seed in 0..100 {
            let dir = tempfile::tempdir().unwrap();
            let faults = Faults::new(seed);
            let mut journal = SimJournal::new(begin(dir.path(), 0), Arc::clone(&faults));
            faults.crash_after(seed % 7);
            let payload = |epoch: u64| vec![epoch as u8; (seed * 37 % 5000) as usize];
            let mut failed = 1;
            while put(&mut journal, failed, &payload(failed)).is_ok() {
                failed += 1;
            }
            assert_eq!((failed, faults.crashes()), (seed % 7 + 1, 1));
            assert!(
                put(&mut journal, failed + 1, b"").is_err(),
                "dead until it is opened anew"
            );
            let found = read(dir.path(), 0).unwrap();
            let synced: Epochs = (1..failed).map(|e| (e, payload(e))).collect();
            assert_eq!(found[..synced.len()], synced, "seed {seed}");
            match &found[synced.len()..] {
                [] => torn += 1,
                [whole] => assert_eq!(*whole, (failed, payload(failed))),
                more => panic!("seed {seed}: {} epochs too many", more.len()),
            }
        }
        assert!(torn > 50, "{torn} tails were torn");
    }
}
