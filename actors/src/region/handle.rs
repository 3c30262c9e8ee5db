//! Lives here: what outlives a region's actor and is shared with it: its queue, who wants to hear
//! of its cells, its figures. Not here: the actor (`region`).
//!
//! Invariant: the queue takes no more than its limit, but for what comes and goes with sessions;
//! work that does not fit is handed back, and whoever waits is woken when there is room.

use std::collections::VecDeque;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::Notify;
use world_data::{RegionId, World};

use super::figures::Figures;
use super::todo::{Parked, Todo};
use crate::ladder::dilation;
use crate::region::{CellKey, Work};
use crate::settings::LadderSettings;

/// What a hub wants of a cell: to hear of it (again from a full one), or no longer; and its tick
/// when it said so. Of two words on a cell the later one counts, whichever way they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Want {
    pub(crate) hears: bool,
    pub(crate) stamp: u64,
}

/// Wants by hub and cell.
pub(crate) type Wants = FxHashMap<(usize, CellKey), Want>;

/// A region as everybody but its actor sees it.
#[derive(Debug)]
pub(crate) struct RegionHandle<W: World> {
    /// Its name.
    pub(crate) id: RegionId,
    /// The worker it runs on.
    pub(crate) worker: AtomicUsize,
    queue: Mutex<VecDeque<Work<W>>>,
    limit: usize,
    wake: Notify,
    /// The last batch left work behind.
    more: AtomicBool,
    room: Notify,
    refused: AtomicBool,
    interest: Mutex<Wants>,
    /// The region that it has become part of. Set with queue and interest locked: nothing is left
    /// behind.
    heir: OnceLock<Arc<Self>>,
    /// What its actor is to do at its next turn.
    todo: Mutex<Option<Todo<W>>>,
    has_todo: AtomicBool,
    /// What an actor that stopped on purpose left for the next one.
    pub(crate) parked: Mutex<Option<Parked>>,
    /// Whether it is between two actors on purpose.
    pub(crate) changing: AtomicBool,
    /// Whether an operator wants it left as it is, where it is.
    pub(crate) pinned: AtomicBool,
    /// How often its actor was started from nothing.
    pub(crate) generation: AtomicU32,
    /// Whether its actor lives.
    pub(crate) alive: AtomicBool,
    /// Whether its actor is to end.
    pub(crate) stopping: AtomicBool,
    /// Whether a job of it is due.
    pub(crate) jobs_due: AtomicBool,
    /// Its figures.
    pub(crate) figures: Figures,
}

impl<W: World> RegionHandle<W> {
    pub(crate) fn new(id: RegionId, worker: usize, limit: usize) -> Self {
        Self {
            id,
            worker: AtomicUsize::new(worker),
            queue: Mutex::default(),
            limit,
            wake: Notify::new(),
            more: AtomicBool::new(false),
            room: Notify::new(),
            refused: AtomicBool::new(false),
            interest: Mutex::default(),
            heir: OnceLock::new(),
            todo: Mutex::default(),
            has_todo: AtomicBool::new(false),
            parked: Mutex::default(),
            changing: AtomicBool::new(false),
            pinned: AtomicBool::new(false),
            generation: AtomicU32::new(0),
            alive: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            jobs_due: AtomicBool::new(false),
            figures: Figures::default(),
        }
    }

    /// The worker it runs on.
    pub(crate) fn worker(&self) -> usize {
        self.worker.load(Ordering::Acquire)
    }

    /// World time per real time.
    pub(crate) fn dilation(&self, ladder: &LadderSettings) -> f64 {
        dilation(
            self.figures.rung.load(Ordering::Relaxed),
            ladder.least_dilation,
        )
    }

    /// Asks its actor for something; an older wish that is still open is replaced.
    pub(crate) fn ask(&self, todo: Todo<W>) {
        *self.todo.lock() = Some(todo);
        self.has_todo.store(true, Ordering::Release);
        self.wake();
    }

    /// What the actor was asked for.
    pub(crate) fn take_todo(&self) -> Option<Todo<W>> {
        if !self.has_todo.swap(false, Ordering::AcqRel) {
            return None;
        }
        self.todo.lock().take()
    }

    /// Leaves all that comes or has come to `heir`, in order.
    pub(crate) fn leave_to(&self, heir: &Arc<Self>) {
        let (mut queue, mut interest) = (self.queue.lock(), self.interest.lock());
        if self.heir.set(Arc::clone(heir)).is_err() {
            return;
        }
        // Over the heir's limit, for once: what was accepted is not handed back.
        heir.queue.lock().append(&mut queue);
        heir.want_all(mem::take(&mut *interest));
        drop((queue, interest));
        heir.wake();
        self.room.notify_waiters();
    }

    /// Queues work.
    ///
    /// # Errors
    /// Hands it back when the queue is full: wait for [`RegionHandle::room`] and offer it again.
    pub(crate) fn offer(&self, work: Work<W>) -> Result<(), Work<W>> {
        let mut queue = self.queue.lock();
        if let Some(heir) = self.heir.get() {
            return heir.offer(work);
        }
        if queue.len() >= self.limit {
            self.refused.store(true, Ordering::Relaxed);
            return Err(work);
        }
        queue.push_back(work);
        let first = queue.len() == 1;
        drop(queue);
        // Behind a first one the actor is awake already, or will look again by itself.
        if first {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Queues work that can't be handed back, whatever waits: what the world must be told of a
    /// session. Bounded by the sessions: each has at most one such piece waiting for its end, and
    /// those before it.
    pub(crate) fn push(&self, work: Work<W>) {
        let mut queue = self.queue.lock();
        if let Some(heir) = self.heir.get() {
            return heir.push(work);
        }
        queue.push_back(work);
        drop(queue);
        self.wake.notify_one();
    }

    /// Tells when there is room again; enable it before the offer that may be refused.
    pub(crate) fn room(&self) -> tokio::sync::futures::Notified<'_> {
        match self.heir.get() {
            Some(heir) => heir.room(),
            None => self.room.notified(),
        }
    }

    /// The oldest piece of work.
    pub(crate) fn pop(&self) -> Option<Work<W>> {
        self.queue.lock().pop_front()
    }

    /// Work waiting.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.lock().len()
    }

    /// The actor ends a batch: wakes those whose work was refused, and itself if there is more.
    pub(crate) fn end_batch(&self, more: bool) {
        if self.refused.swap(false, Ordering::Relaxed) {
            self.room.notify_waiters();
        }
        self.more.store(more, Ordering::Relaxed);
    }

    /// Makes the actor look at its queue.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Waits until there is work. When the last batch left some, lets everybody else on the thread
    /// have a turn first, timers included.
    pub(crate) async fn woken(&self) {
        if self.more.swap(false, Ordering::Relaxed) {
            tokio::task::yield_now().await;
        } else {
            self.wake.notified().await;
        }
    }

    /// A hub wants to hear of cells of this region, each beginning with a full one (`true`), or no
    /// longer (`false`), as of its tick `stamp`.
    pub(crate) fn want(
        &self,
        hub: usize,
        stamp: u64,
        wants: impl IntoIterator<Item = (CellKey, bool)>,
    ) {
        let want = |(key, hears)| ((hub, key), Want { hears, stamp });
        self.want_all(wants.into_iter().map(want));
    }

    /// Takes in wants, whoever had them before.
    pub(crate) fn want_all(&self, wants: impl IntoIterator<Item = ((usize, CellKey), Want)>) {
        let mut interest = self.interest.lock();
        if let Some(heir) = self.heir.get() {
            return heir.want_all(wants);
        }
        for (key, want) in wants {
            let known = interest.entry(key).or_insert(want);
            if known.stamp <= want.stamp {
                *known = want;
            }
        }
    }

    /// What hubs have asked for since the last call.
    pub(crate) fn take_interest(&self) -> Wants {
        mem::take(&mut self.interest.lock())
    }
}
