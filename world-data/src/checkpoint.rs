//! Lives here: the checkpointer: when and up to which epoch LMDB is brought, on a thread of its own.
//! Not here: what is written (`batch`) and how (`store`).
//!
//! Invariant: only epochs that are on disk in the journal are offered, in order; a segment of the
//! journal is released only when LMDB holds all of it.

mod backlog;
#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use parking_lot::{Condvar, Mutex};

use self::backlog::{Course, State, Stopped, Waiting};
use crate::batch::Batch;
use crate::engine::{OpenError, Options};
use crate::journal::{self, Release};
use crate::store::Store;

/// Told once, with the reason, when no further checkpoint will be made.
pub(crate) type Fatal = Arc<dyn Fn(String) + Send + Sync>;

struct Handles {
    checkpoints: Counter,
    seconds: Histogram,
    rows: Counter,
    backlog: Gauge,
}

impl Handles {
    fn new() -> Self {
        Self {
            checkpoints: counter!("brightstar_checkpoints_total"),
            seconds: histogram!("brightstar_checkpoint_seconds"),
            rows: counter!("brightstar_checkpoint_rows_total"),
            backlog: gauge!("brightstar_journal_backlog_bytes"),
        }
    }
}

struct Shared {
    store: Arc<Store>,
    release: Mutex<Release>,
    /// The longest an epoch waits.
    interval: Duration,
    /// Bytes that are written without waiting longer.
    enough: usize,
    /// Bytes that may wait; who offers more is held up.
    limit: usize,
    fatal: Fatal,
    state: Mutex<State>,
    /// Wakes the checkpointer.
    work: Condvar,
    /// Wakes who waits for room or for an epoch.
    done: Condvar,
    checkpointed: AtomicU64,
    handles: Handles,
}

/// Brings LMDB up to the journal, again and again. The only writer of LMDB once the world is open.
pub(crate) struct Checkpointer {
    shared: Arc<Shared>,
    /// `None` by hand and when stopped.
    thread: Mutex<Option<JoinHandle<()>>>,
    by_hand: bool,
}

impl std::fmt::Debug for Checkpointer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checkpointer")
            .field("epoch", &self.checkpointed_epoch())
            .finish()
    }
}

impl Checkpointer {
    /// Starts the checkpointer's thread; it releases the journal in `journal_dir`.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub(crate) fn start(
        store: Arc<Store>,
        journal_dir: &Path,
        options: &Options,
        fatal: Fatal,
    ) -> Result<Self, OpenError> {
        let mut this = Self::by_hand(store, journal_dir, options, fatal);
        let shared = Arc::clone(&this.shared);
        let run = move || {
            if catch_unwind(AssertUnwindSafe(|| shared.run())).is_err() {
                shared.fail("the checkpointer panicked");
            }
        };
        let thread = thread::Builder::new()
            .name("checkpointer".into())
            .spawn(run);
        let thread = thread.map_err(|e| OpenError(format!("no thread for checkpoints: {e}")))?;
        this.by_hand = false;
        this.thread = Mutex::new(Some(thread));
        Ok(this)
    }

    /// A checkpointer without a thread: a checkpoint is made when [`Checkpointer::step`] is called
    /// or an offer finds no room. For the seeded simulator.
    pub(crate) fn by_hand(
        store: Arc<Store>,
        journal_dir: &Path,
        options: &Options,
        fatal: Fatal,
    ) -> Self {
        let shared = Shared {
            checkpointed: AtomicU64::new(store.applied_epoch()),
            store,
            release: Mutex::new(journal::releaser(journal_dir)),
            interval: options.checkpoint_interval,
            enough: options.checkpoint_bytes,
            limit: options.journal_limit_bytes,
            fatal,
            state: Mutex::default(),
            work: Condvar::new(),
            done: Condvar::new(),
            handles: Handles::new(),
        };
        Self {
            shared: Arc::new(shared),
            thread: Mutex::new(None),
            by_hand: true,
        }
    }

    /// Takes over an epoch that is on disk: `FRAME_HEAD` bytes, then its record. Waits while
    /// more than the limit is waiting for LMDB.
    ///
    /// # Errors
    /// No further checkpoint will be made; the epoch itself is safe in the journal.
    pub(crate) fn offer(&self, epoch: u64, framed: Arc<Vec<u8>>) -> Result<(), Stopped> {
        let shared = &self.shared;
        let mut state = shared.state.lock();
        // A single epoch above the limit is let in when nothing else waits.
        while state.backlog() > 0 && state.backlog() + framed.len() > shared.limit {
            state.check()?;
            state.requested = true;
            if self.by_hand {
                drop(state);
                self.step();
                state = shared.state.lock();
            } else {
                shared.work.notify_one();
                shared.done.wait(&mut state);
            }
        }
        state.check()?;
        let before = state.queued_bytes;
        state.queued_bytes += framed.len();
        state.queue.push(Waiting { epoch, framed });
        shared.handles.backlog.set(state.backlog() as f64);
        if before == 0 {
            state.since = Some(now());
        }
        // The checkpointer sleeps through what changes nothing for it.
        let enough = before < shared.enough && state.queued_bytes >= shared.enough;
        drop(state);
        if before == 0 || enough {
            shared.work.notify_one();
        }
        Ok(())
    }

    /// Asks for a checkpoint now, if there is anything to write.
    pub(crate) fn request(&self) {
        self.shared.state.lock().requested = true;
        self.shared.work.notify_one();
    }

    /// The last epoch that LMDB holds.
    pub(crate) fn checkpointed_epoch(&self) -> u64 {
        self.shared.checkpointed.load(Ordering::Acquire)
    }

    /// Waits until LMDB holds every epoch offered so far that is at most `epoch`. Says whether it
    /// does: it never will once the checkpointer has stopped.
    pub(crate) fn wait_for(&self, epoch: u64) -> bool {
        let mut state = self.shared.state.lock();
        while state.waits(epoch) {
            if state.check().is_err() {
                return false;
            }
            state.requested = true;
            if self.by_hand {
                drop(state);
                self.step();
                state = self.shared.state.lock();
            } else {
                self.shared.work.notify_one();
                self.shared.done.wait(&mut state);
            }
        }
        true
    }

    /// Makes one checkpoint on this thread, by hand; says whether there was anything to write.
    pub(crate) fn step(&self) -> bool {
        let taken = self.shared.state.lock().take();
        !taken.is_empty() && self.shared.write(&taken)
    }

    /// Writes what waits and stops. A failure was told to `fatal`.
    pub(crate) fn close(&self) {
        if self.by_hand {
            while self.step() {}
        }
        self.stop(Course::Finish);
    }

    fn stop(&self, course: Course) {
        let thread = self.thread.lock().take();
        {
            let mut state = self.shared.state.lock();
            if state.course == Course::Run {
                state.course = course;
            }
        }
        self.shared.work.notify_one();
        self.shared.done.notify_all();
        // `fatal` may drop the last handle on the checkpointer's own thread.
        let other = thread.filter(|thread| thread.thread().id() != thread::current().id());
        if other.is_some_and(|thread| thread.join().is_err()) {
            self.shared.fail("the checkpointer panicked");
        }
    }
}

impl Drop for Checkpointer {
    /// Stops without another checkpoint: what waits is in the journal.
    fn drop(&mut self) {
        self.stop(Course::Abandon);
    }
}

impl Shared {
    fn run(&self) {
        while let Some(taken) = self.next() {
            if !self.write(&taken) {
                return;
            }
        }
    }

    /// Waits until a checkpoint is due and takes what is to be written; `None` to stop.
    fn next(&self) -> Option<Vec<Waiting>> {
        let mut state = self.state.lock();
        loop {
            if state.course == Course::Abandon {
                return None;
            }
            let Some(since) = state.since else {
                if state.course == Course::Finish {
                    return None;
                }
                state.requested = false;
                self.work.wait(&mut state);
                continue;
            };
            let due = since + self.interval;
            let now = state.requested
                || state.course == Course::Finish
                || state.queued_bytes >= self.enough;
            if now || self.work.wait_until(&mut state, due).timed_out() {
                return Some(state.take());
            }
        }
    }

    /// Brings LMDB up to the last of some epochs; `false` when it failed, which is told.
    fn write(&self, taken: &[Waiting]) -> bool {
        let begun = now();
        match self.try_write(taken) {
            Ok(epoch) => {
                self.handles.seconds.record(begun.elapsed());
                self.handles.checkpoints.increment(1);
                self.checkpointed.store(epoch, Ordering::Release);
                let mut state = self.state.lock();
                state.writing = None;
                self.handles.backlog.set(state.backlog() as f64);
                drop(state);
                self.done.notify_all();
                true
            }
            Err(why) => {
                self.fail(&why);
                false
            }
        }
    }

    fn try_write(&self, taken: &[Waiting]) -> Result<u64, String> {
        let Some(last) = taken.last() else {
            return Ok(self.store.applied_epoch());
        };
        let mut batch = Batch::default();
        for waiting in taken {
            let merged = batch.merge(waiting.record());
            merged.map_err(|e| format!("epoch {} can't be read back: {e}", waiting.epoch))?;
        }
        let applied = self
            .store
            .apply(&batch, last.epoch)
            .map_err(|e| e.to_string())?;
        self.handles.rows.increment(applied.rows as u64);
        let mut release = self.release.lock();
        release(last.epoch).map_err(|e| e.to_string())?;
        Ok(last.epoch)
    }

    /// Refuses everything from now on, wakes who waits, and tells why.
    fn fail(&self, why: &str) {
        let mut state = self.state.lock();
        let first = state.failed.replace(Stopped(why.to_owned())).is_none();
        drop(state);
        self.done.notify_all();
        if first {
            (self.fatal)(format!("a checkpoint failed: {why}"));
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "paces checkpoints; no state depends on it"
)]
fn now() -> Instant {
    Instant::now()
}
