//! Lives here: what all workers of an engine share, and how they wake the committer.
//! Not here: opening and closing (`engine`), the committer's own work (`committer`).

use std::any::{TypeId, type_name};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;

use arc_swap::ArcSwap;
use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};

use crate::channel::Members;
use crate::checkpoint::Checkpointer;
use crate::effect::{Effect, EffectSink};
use crate::engine::{Durability, Options, Regions};
use crate::job::{Job, JobCount, JobId, NEVER};
use crate::lane::{Entry, Numbered, Set};
use crate::line::{Home, Map};
use crate::metrics::Metrics;
use crate::object::Kinds;
use crate::partition::{Partition, RegionId};
use crate::picture::Reach;
use crate::region::Region;
use crate::session::Numbers;
use crate::store::Store;
use crate::watch::Places;

/// Object numbers reserved on disk at a time.
pub(crate) const ID_BLOCK: u64 = 1 << 20;
/// Object numbers a worker takes at a time.
const ID_RANGE: u64 = 256;
/// The key of `meta` under which the end of the reserved object numbers stands.
pub(crate) const ID_LIMIT: &str = "id_limit";

/// A partition with its regions.
pub(crate) struct Table {
    pub(crate) public: Arc<Regions>,
    pub(crate) regions: Vec<Arc<Region>>,
    finder: Finder,
}

/// Finds the region of a home by a look into a small table and, as a rule, no more.
struct Finder {
    starts: Vec<u64>,
    shift: u32,
    /// For each stretch of the line, the region that holds its first home.
    first: Vec<u16>,
}

/// Stretches that a finder divides the line into, at least, if the line is long enough.
const STRETCHES: u64 = 1024;

impl Finder {
    fn new(partition: &Partition) -> Self {
        let end = partition.end.0.max(1);
        let shift = (end / STRETCHES).max(1).ilog2();
        let first = (0..=end >> shift).map(|at| partition.index(Home(at << shift)) as u16);
        let starts = partition.starts.iter().map(|home| home.0).collect();
        Self {
            starts,
            shift,
            first: first.collect(),
        }
    }

    #[inline]
    fn find(&self, home: Home) -> usize {
        let stretch = (home.0 >> self.shift) as usize;
        let mut at = self
            .first
            .get(stretch)
            .map_or(self.starts.len() - 1, |at| usize::from(*at));
        while self
            .starts
            .get(at + 1)
            .is_some_and(|start| *start <= home.0)
        {
            at += 1;
        }
        at
    }
}

impl Table {
    pub(crate) fn new(partition: Partition, reach: Reach) -> Self {
        let region = |at: usize| Region::new(partition.ids[at], partition.interval(at), reach);
        let regions = (0..partition.len()).map(|at| Arc::new(region(at)));
        let regions = regions.collect();
        Self::of(partition, regions)
    }

    /// A partition with its regions, in line order.
    pub(crate) fn of(partition: Partition, regions: Vec<Arc<Region>>) -> Self {
        let list = regions
            .iter()
            .map(|region| (region.id, region.interval))
            .collect();
        let finder = Finder::new(&partition);
        Self {
            public: Arc::new(Regions { partition, list }),
            regions,
            finder,
        }
    }

    /// The index of the region that holds `home`.
    #[inline]
    pub(crate) fn region_at(&self, home: Home) -> usize {
        self.finder.find(home)
    }

    pub(crate) fn index_of(&self, id: RegionId) -> Option<usize> {
        self.regions.iter().position(|region| region.id == id)
    }
}

/// The world's time, told from outside.
#[derive(Debug, Default)]
pub struct Clock(AtomicU64);

impl Clock {
    /// Sets the time: milliseconds since the Unix epoch. The host calls it every few milliseconds;
    /// it never goes back (an earlier value is ignored).
    pub fn advance(&self, now_ms: u64) {
        self.0.fetch_max(now_ms, Ordering::Relaxed);
    }

    /// The time, in milliseconds since the Unix epoch.
    #[inline]
    pub fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Wakes the committer.
#[derive(Default)]
pub(crate) struct Signal {
    work: AtomicBool,
    idle: AtomicBool,
    stop: AtomicBool,
    stopped: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Signal {
    /// Says that a lane holds something new.
    pub(crate) fn wake(&self) {
        self.work.store(true, Ordering::SeqCst);
        if self.idle.load(Ordering::SeqCst)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    pub(crate) fn take_work(&self) -> bool {
        self.work.swap(false, Ordering::SeqCst)
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    pub(crate) fn has_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        self.wake();
    }

    pub(crate) fn set_thread(&self, thread: Thread) {
        let set = self.thread.set(thread);
        debug_assert!(set.is_ok(), "a committer is started once");
    }

    /// Parks the committer until there is work, or `longest` has passed.
    pub(crate) fn park(&self, longest: std::time::Duration) {
        self.idle.store(true, Ordering::SeqCst);
        if !self.work.load(Ordering::SeqCst) && !self.is_stopping() {
            std::thread::park_timeout(longest);
        }
        self.idle.store(false, Ordering::SeqCst);
    }
}

/// Object numbers that a worker may hand out without asking.
#[derive(Default, Debug)]
pub(crate) struct IdRange(Range<u64>);

struct IdBlock {
    next: u64,
    limit: u64,
}

/// A hook that the seeded simulator uses to interleave runs.
pub(crate) type Pause = Arc<dyn Fn() + Send + Sync>;

pub(crate) struct Shared {
    pub(crate) world: &'static str,
    pub(crate) map: Map,
    /// How far ticks look.
    pub(crate) reach: Reach,
    /// Held to read while pictures are collected, to write while those of several regions change.
    pub(crate) showing: RwLock<()>,
    pub(crate) kinds: Kinds,
    pub(crate) options: Options,
    pub(crate) clock: Clock,
    pub(crate) table: ArcSwap<Table>,
    pub(crate) table_version: AtomicU64,
    /// `None` for a world in memory only.
    pub(crate) store: Option<Arc<Store>>,
    pub(crate) checkpointer: OnceLock<Checkpointer>,
    pub(crate) places: Places,
    /// Live objects in memory.
    pub(crate) live: AtomicUsize,
    /// Homes in memory.
    pub(crate) homes: AtomicUsize,
    /// The open epoch.
    pub(crate) epoch: AtomicU64,
    /// All epochs up to this one are on disk.
    pub(crate) durable: AtomicU64,
    durable_waiters: (Mutex<usize>, Condvar),
    /// Held while lanes are collected, and while what they hold changes lanes.
    pub(crate) collecting: Mutex<()>,
    /// Held while the partition changes.
    pub(crate) repartition: Mutex<()>,
    pub(crate) commits: AtomicU64,
    /// The numbers of events. Locked after lanes.
    pub(crate) numbers: Mutex<Numbers>,
    /// Who is in which channels, for tasks. Locked after lanes, held for a look.
    pub(crate) members: Mutex<Members>,
    /// The number of the next dead letter.
    pub(crate) dead: AtomicU64,
    /// Held while a dead letter is replayed or dropped.
    pub(crate) undertaker: Mutex<()>,
    pub(crate) jobs: JobCount,
    /// The type of the world's jobs, and its name.
    pub(crate) job_type: (TypeId, &'static str),
    pub(crate) workers: AtomicU64,
    pub(crate) signal: Signal,
    pub(crate) failed: OnceLock<String>,
    pub(crate) evict_from: AtomicUsize,
    ids: Mutex<IdBlock>,
    pub(crate) pause: Option<Pause>,
    pub(crate) metrics: Metrics,
    /// The last field: dropped when the folder is free again, which is how its owner learns it.
    pub(crate) sink: Arc<dyn EffectSink>,
}

/// What `Shared` begins with.
pub(crate) struct Start {
    pub(crate) epoch: u64,
    pub(crate) next_id: u64,
    pub(crate) next_dead: u64,
    pub(crate) partition: Partition,
    pub(crate) store: Option<Arc<Store>>,
    pub(crate) pause: Option<Pause>,
}

impl Shared {
    pub(crate) fn new<W: crate::World>(
        world: &W,
        options: Options,
        sink: Arc<dyn EffectSink>,
        start: Start,
    ) -> Self {
        let map = world.map();
        let reach = Reach {
            map,
            metres: world.tick_radius(),
        };
        Self {
            world: W::NAME,
            map,
            reach,
            showing: RwLock::default(),
            kinds: world.kinds(),
            options,
            sink,
            clock: Clock::default(),
            table: ArcSwap::from_pointee(Table::new(start.partition, reach)),
            table_version: AtomicU64::new(0),
            store: start.store,
            checkpointer: OnceLock::new(),
            places: Places::new(),
            live: AtomicUsize::new(0),
            homes: AtomicUsize::new(0),
            epoch: AtomicU64::new(start.epoch),
            durable: AtomicU64::new(start.epoch - 1),
            durable_waiters: (Mutex::new(0), Condvar::new()),
            collecting: Mutex::default(),
            repartition: Mutex::default(),
            commits: AtomicU64::new(0),
            numbers: Mutex::default(),
            members: Mutex::default(),
            dead: AtomicU64::new(start.next_dead),
            undertaker: Mutex::default(),
            jobs: JobCount::default(),
            job_type: (TypeId::of::<W::Job>(), type_name::<W::Job>()),
            workers: AtomicU64::new(1),
            signal: Signal::default(),
            failed: OnceLock::new(),
            evict_from: AtomicUsize::new(0),
            // Nothing is reserved yet: the first object extends the block.
            ids: Mutex::new(IdBlock {
                next: start.next_id,
                limit: start.next_id,
            }),
            pause: start.pause,
            metrics: Metrics::new(),
        }
    }

    /// Puts a job that was stored into its region, before anything runs. An `every` job whose time
    /// has passed goes on at the next point of its phase: what it missed it has missed.
    pub(crate) fn put_stored_job(&self, id: JobId, job: Job, now_ms: u64) {
        let (job, missed) = job.resumed(now_ms);
        self.metrics.job_turns_missed.increment(missed);
        let table = self.table.load();
        let region = &table.regions[table.region_at(job.home)];
        self.jobs.changed(None, Some(&job));
        self.note_due(job.due_ms);
        region.next_due.fetch_min(job.due_ms, Ordering::SeqCst);
        region.state.lock().jobs.set(id, Some(job));
    }

    /// Notes that a job is due at `due_ms`.
    pub(crate) fn note_due(&self, due_ms: u64) {
        self.jobs.next_due.fetch_min(due_ms, Ordering::SeqCst);
    }

    /// The regions with jobs that are due at `now_ms`. As long as there are none it is one look at
    /// one number.
    pub(crate) fn due(&self, now_ms: u64) -> Vec<RegionId> {
        if self.jobs.next_due.load(Ordering::SeqCst) > now_ms {
            return Vec::new();
        }
        // From here on whoever schedules a job says so again; what he did before is seen below.
        self.jobs.next_due.store(NEVER, Ordering::SeqCst);
        let mut due = Vec::new();
        for region in &self.table.load().regions {
            let first = region.next_due.load(Ordering::SeqCst);
            if first <= now_ms {
                due.push(region.id);
            }
            self.note_due(first);
        }
        due
    }

    /// Sets the checkpointer, once, before anything is committed.
    pub(crate) fn set_checkpointer(&self, checkpointer: Checkpointer) {
        if self.checkpointer.set(checkpointer).is_err() {
            unreachable!("an engine is opened once");
        }
    }

    #[inline]
    pub(crate) fn pause(&self) {
        if let Some(pause) = &self.pause {
            pause();
        }
    }

    pub(crate) fn is_simulated(&self) -> bool {
        self.pause.is_some()
    }

    /// Takes a lock. In a simulation nobody sleeps on one: the others run until it is free.
    #[inline]
    pub(crate) fn lock<'a, T>(&self, lock: &'a Mutex<T>) -> MutexGuard<'a, T> {
        if self.pause.is_none() {
            return lock.lock();
        }
        loop {
            match lock.try_lock() {
                Some(guard) => return guard,
                None => self.pause(),
            }
        }
    }

    /// The next object number; `mine` is the worker's range, refilled when empty.
    pub(crate) fn next_id(&self, mine: &mut IdRange) -> u64 {
        if let Some(id) = mine.0.next() {
            return id;
        }
        let mut block = self.lock(&self.ids);
        if block.next + ID_RANGE > block.limit {
            block.limit = block.next + ID_BLOCK;
            // Laid down before any id above the old limit is handed out: whatever uses one commits
            // in this epoch or a later one, so a crash can't hand it out again.
            let value = block.limit.to_le_bytes().to_vec();
            self.lay_loose(Entry::Meta {
                key: ID_LIMIT,
                value,
            });
        }
        mine.0 = block.next..block.next + ID_RANGE;
        block.next += ID_RANGE;
        drop(block);
        mine.0.next().unwrap_or_default()
    }

    /// Lays down something that belongs to no region and no task.
    pub(crate) fn lay_loose(&self, entry: Entry) {
        if self.store.is_none() {
            return;
        }
        self.lay_anywhere(|set| set.entries.push(entry));
    }

    /// Lays a task's effects into a set whose lane is locked, with those of all its regions: to be
    /// written down with the epoch, and told then, or, with relaxed durability, at once.
    pub(crate) fn lay_effects(&self, set: &mut Set, effects: &mut Vec<Effect>) {
        self.note_members(effects);
        if self.options.durability == Durability::Strict {
            let number = self.commits.fetch_add(1, Ordering::SeqCst);
            let told = None;
            set.effects.extend(effects.drain(..).map(|effect| Numbered {
                number,
                effect,
                told: Option::clone(&told),
            }));
            return;
        }
        // Held to the end: events are numbered, written down and told in one order.
        let mut numbers = self.lock(&self.numbers);
        let number = self.commits.fetch_add(1, Ordering::SeqCst);
        for effect in effects.iter_mut() {
            let noted = numbers.number(effect);
            set.effects.push(Numbered {
                number,
                effect: effect.clone(),
                told: Some(noted),
            });
        }
        self.sink.deliver(std::mem::take(effects));
    }

    /// Tasks see from now on who is in which channel: before the regions of this one are let go.
    fn note_members(&self, effects: &[Effect]) {
        if effects.iter().any(Members::concerns) {
            let mut members = self.lock(&self.members);
            for effect in effects {
                members.note(effect);
            }
        }
    }

    /// Tells effects at once, in a world in memory.
    pub(crate) fn tell_now(&self, mut effects: Vec<Effect>) {
        self.note_members(&effects);
        if !effects.iter().any(Numbers::concerns) {
            return self.sink.deliver(effects);
        }
        // Held to the end: events are told in the order of their numbers.
        let mut numbers = self.lock(&self.numbers);
        for effect in &mut effects {
            numbers.number(effect);
        }
        self.sink.deliver(effects);
    }

    /// Lays something into the open set of some region's lane; returns its epoch.
    pub(crate) fn lay_anywhere(&self, lay: impl FnOnce(&mut Set)) -> u64 {
        loop {
            let table = self.table.load_full();
            let region = &table.regions[0];
            let mut lane = self.lock(&region.lane);
            if lane.retired {
                // The next table is about to be there.
                continue;
            }
            let news = !lane.told;
            lane.told = true;
            region.flagged.store(true, Ordering::SeqCst);
            let epoch = self.epoch.load(Ordering::SeqCst);
            lane.enter(epoch);
            lay(&mut lane.open);
            self.pause();
            // While the lane is locked: whoever commits to it next takes the committer for awake.
            if news {
                self.signal.wake();
            }
            return epoch;
        }
    }

    /// Publishes that all epochs up to `epoch` are on disk.
    pub(crate) fn set_durable(&self, epoch: u64) {
        self.durable.store(epoch, Ordering::SeqCst);
        let (waiters, bell) = &self.durable_waiters;
        if *waiters.lock() > 0 {
            bell.notify_all();
        }
    }

    /// Waits until `epoch` is on disk, or the engine has failed or stopped.
    pub(crate) fn wait_durable(&self, epoch: u64) {
        let (waiters, bell) = &self.durable_waiters;
        let mut count = waiters.lock();
        *count += 1;
        while self.durable.load(Ordering::SeqCst) < epoch
            && self.failed.get().is_none()
            && !self.signal.has_stopped()
            && !self.is_simulated()
        {
            self.signal.wake();
            bell.wait(&mut count);
        }
        *count -= 1;
    }

    /// Says that there is no committer any more: nothing will become durable.
    pub(crate) fn set_stopped(&self) {
        self.signal.stopped.store(true, Ordering::SeqCst);
        self.wake_waiters();
    }

    fn wake_waiters(&self) {
        let (waiters, bell) = &self.durable_waiters;
        // Under the lock: whoever has just looked, and is about to wait, must hear the bell.
        let _looking = waiters.lock();
        bell.notify_all();
    }

    /// The store can't be trusted any more: what is in memory is no longer known to be true. Stops
    /// the process, so that it begins again from disk.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "called from closures that own the text"
    )]
    pub(crate) fn fail(&self, why: String) {
        tracing::error!(
            why,
            "the store failed; stopping, to begin again from what is on disk"
        );
        if self.failed.set(why.clone()).is_ok() {
            self.wake_waiters();
            match &self.options.on_failure {
                Some(tell) => (tell.0)(&why),
                None => std::process::abort(),
            }
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("world", &self.world)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_finder_agrees_with_the_partition() {
        for map in [
            Map::square(2048.0),
            Map::shards_only(7),
            Map::shards_only(100_000),
        ] {
            for regions in [1, 2, 5, 16, 1000, 4096] {
                let partition = Partition::even(&map, regions);
                let finder = Finder::new(&partition);
                for home in (0..map.line()).map(Home) {
                    assert_eq!(finder.find(home), partition.index(home), "{home:?}");
                }
            }
        }
    }
}
