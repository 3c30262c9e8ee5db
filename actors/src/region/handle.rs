//! Lives here: what outlives a region's actor and is shared with it: its queue, who wants to hear
//! of its cells, its figures. Not here: the actor (`region`).
//!
//! Invariant: the queue never holds more than its limit; work that does not fit is handed back,
//! and whoever waits is woken when there is room.

use std::collections::VecDeque;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::Notify;
use world_data::RegionId;
use world_data::{Interval, World};

use crate::region::{CellKey, Work};

/// A region as everybody but its actor sees it.
#[derive(Debug)]
pub(crate) struct RegionHandle<W: World> {
    /// Its name.
    pub(crate) id: RegionId,
    /// Its part of the line.
    pub(crate) interval: Interval,
    /// The worker it runs on.
    pub(crate) worker: usize,
    queue: Mutex<VecDeque<Work<W>>>,
    limit: usize,
    wake: Notify,
    /// The last batch left work behind.
    more: AtomicBool,
    room: Notify,
    refused: AtomicBool,
    /// What hubs want of cells: to hear of them (again from a full one), or no longer.
    interest: Mutex<FxHashMap<(usize, CellKey), bool>>,
    /// How often its actor was started.
    pub(crate) generation: AtomicU32,
    /// Whether its actor lives.
    pub(crate) alive: AtomicBool,
    /// Whether its actor is to end.
    pub(crate) stopping: AtomicBool,
    /// Its figures.
    pub(crate) figures: Figures,
}

/// What a region's actor measures, for the supervisor to read.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    busy_nanos: AtomicU64,
    /// Ticks run; the number of the newest.
    pub(crate) ticks: AtomicU64,
    /// Ticks that began late or were skipped.
    pub(crate) late: AtomicU64,
    /// Live objects.
    pub(crate) objects: AtomicUsize,
    /// Entities among them.
    pub(crate) entities: AtomicUsize,
    /// Busy time per second, smoothed, as the bits of an `f64`; the supervisor's to write.
    load: AtomicU64,
}

impl Figures {
    /// Adds time spent on tasks, ticks and encoding.
    pub(crate) fn busy(&self, time: Duration) {
        self.busy_nanos
            .fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
    }

    /// All time spent so far.
    pub(crate) fn busy_total(&self) -> Duration {
        Duration::from_nanos(self.busy_nanos.load(Ordering::Relaxed))
    }

    /// Busy time per second, smoothed.
    pub(crate) fn load(&self) -> f64 {
        f64::from_bits(self.load.load(Ordering::Relaxed))
    }

    pub(crate) fn set_load(&self, load: f64) {
        self.load.store(load.to_bits(), Ordering::Relaxed);
    }
}

impl<W: World> RegionHandle<W> {
    pub(crate) fn new(id: RegionId, interval: Interval, worker: usize, limit: usize) -> Self {
        Self {
            id,
            interval,
            worker,
            queue: Mutex::default(),
            limit,
            wake: Notify::new(),
            more: AtomicBool::new(false),
            room: Notify::new(),
            refused: AtomicBool::new(false),
            interest: Mutex::default(),
            generation: AtomicU32::new(0),
            alive: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            figures: Figures::default(),
        }
    }

    /// Queues work.
    ///
    /// # Errors
    /// Hands it back when the queue is full: wait for [`RegionHandle::room`] and offer it again.
    pub(crate) fn offer(&self, work: Work<W>) -> Result<(), Work<W>> {
        let mut queue = self.queue.lock();
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

    /// Tells when there is room again; enable it before the offer that may be refused.
    pub(crate) fn room(&self) -> tokio::sync::futures::Notified<'_> {
        self.room.notified()
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
    /// longer (`false`). The last word on a cell counts.
    pub(crate) fn want(&self, hub: usize, wants: impl IntoIterator<Item = (CellKey, bool)>) {
        let mut interest = self.interest.lock();
        interest.extend(wants.into_iter().map(|(key, want)| ((hub, key), want)));
    }

    /// What hubs have asked for since the last call.
    pub(crate) fn take_interest(&self) -> FxHashMap<(usize, CellKey), bool> {
        mem::take(&mut self.interest.lock())
    }
}
