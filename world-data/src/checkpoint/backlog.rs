//! Lives here: what waits for the checkpointer, and whether more is taken.
//! Not here: the thread that writes it and who waits for that (`checkpoint`).
//!
//! Invariant: `queued_bytes` is the sum over the queue, and `since` is set while it is not empty.

use std::sync::Arc;
use std::time::Instant;

use crate::journal::FRAME_HEAD;

/// The checkpointer has stopped: it failed, with this reason, or it was closed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Stopped(pub(crate) String);

/// An epoch that is on disk and not in LMDB.
pub(super) struct Waiting {
    pub(super) epoch: u64,
    pub(super) framed: Arc<Vec<u8>>,
}

impl Waiting {
    pub(super) fn record(&self) -> &[u8] {
        &self.framed[FRAME_HEAD..]
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Course {
    #[default]
    Run,
    /// Write what waits, then stop.
    Finish,
    /// Stop at once; the journal has everything.
    Abandon,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) queue: Vec<Waiting>,
    pub(super) queued_bytes: usize,
    /// When the oldest epoch in the queue came.
    pub(super) since: Option<Instant>,
    /// The first epoch of the checkpoint being written, and its bytes.
    pub(super) writing: Option<(u64, usize)>,
    pub(super) requested: bool,
    pub(super) course: Course,
    pub(super) failed: Option<Stopped>,
}

impl State {
    /// Whether epochs are still taken.
    pub(super) fn check(&self) -> Result<(), Stopped> {
        match &self.failed {
            Some(why) => Err(why.clone()),
            None if self.course != Course::Run => Err(Stopped("it was closed".into())),
            None => Ok(()),
        }
    }

    pub(super) fn backlog(&self) -> usize {
        self.queued_bytes + self.writing.map_or(0, |(_, bytes)| bytes)
    }

    /// Whether an epoch up to `epoch` is not in LMDB yet.
    pub(super) fn waits(&self, epoch: u64) -> bool {
        let first = self.writing.map(|(first, _)| first);
        first
            .or(self.queue.first().map(|w| w.epoch))
            .is_some_and(|first| first <= epoch)
    }

    /// Takes everything that waits, to be written.
    pub(super) fn take(&mut self) -> Vec<Waiting> {
        self.requested = false;
        self.since = None;
        self.writing = self
            .queue
            .first()
            .map(|first| (first.epoch, self.queued_bytes));
        self.queued_bytes = 0;
        std::mem::take(&mut self.queue)
    }
}
