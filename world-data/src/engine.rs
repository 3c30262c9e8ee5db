//! Lives here: the engine's outside: open, watch, flush, close; and its numbers.
//! Not here: running tasks (`worker`), ticks (`tick`), how an epoch gets to disk (`committer`).

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::checkpoint::Checkpointer;
use crate::committer::Committer;
use crate::effect::{Effect, EffectSink, Fault, SessionId};
use crate::journal::sim::{Faults, SimJournal};
use crate::journal::{FileJournal, Journal};
use crate::lane::Entry;
use crate::line::Map;
use crate::object::ObjectId;
use crate::origin::Origin;
use crate::partition::{Interval, Partition, RegionId};
use crate::recovery;
use crate::session::{Note, SavedSession};
use crate::shared::{Clock, Pause, Shared, Start};
use crate::store::{Store, StoreError};
use crate::tick::PARALLEL_FROM;
use crate::watch::Watch;
use crate::worker::Worker;
use crate::world::World;

/// The folder of the journal, in the world's folder.
pub(crate) const JOURNAL: &str = "journal";

/// When effects may leave the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// When their task is on disk.
    #[default]
    Strict,
    /// At once.
    Relaxed,
}

/// The engine's numbers. Each is a bound or a period; `src/config` hands them down.
#[derive(Debug, Clone)]
pub struct Options {
    /// When effects may leave.
    pub durability: Durability,
    /// Regions to cut the line into when the store is new.
    pub regions: usize,
    /// Live objects kept in memory; above, idle clean cells are evicted.
    pub cache_objects: usize,
    /// The reserved size of the LMDB map, in bytes (sparse; it grows before it is full).
    pub store_bytes: usize,
    /// The longest time between checkpoints while there is something to write.
    pub checkpoint_interval: Duration,
    /// Journal bytes after which a checkpoint begins early.
    pub checkpoint_bytes: usize,
    /// Journal bytes that may wait for the checkpointer; above, commits wait.
    pub journal_limit_bytes: usize,
    /// Time one run of a task may take.
    pub task_budget: Duration,
    /// Runs a task may take.
    pub task_attempts: u32,
    /// What tasks of some kinds may take instead.
    pub task_limits: Vec<(&'static str, Limit)>,
    /// Events kept per session until they are acknowledged; above, the oldest makes room.
    pub events_kept: usize,
    /// Work of a region's tick from which on it is computed by several threads: 1 for each object,
    /// 4 for each cell that one looks into.
    pub parallel_from: usize,
    /// Memory that waiting jobs may take, in bytes, their own words and 256 for each; above,
    /// further ones are refused.
    pub job_bytes: usize,
    /// Seeds all random numbers.
    pub seed: u64,
    /// What the clock says at first, in milliseconds since the Unix epoch.
    pub start_ms: u64,
    /// Called once when the store fails, instead of aborting the process.
    pub on_failure: Option<OnFailure>,
}

/// Called with the reason when the store fails.
#[derive(Clone)]
pub struct OnFailure(pub Arc<dyn Fn(&str) + Send + Sync>);

impl std::fmt::Debug for OnFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OnFailure")
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durability: Durability::Strict,
            regions: 16,
            cache_objects: 4_000_000,
            store_bytes: 64 << 30,
            checkpoint_interval: Duration::from_secs(1),
            checkpoint_bytes: 64 << 20,
            journal_limit_bytes: 512 << 20,
            task_budget: Duration::from_millis(100),
            task_attempts: 64,
            task_limits: Vec::new(),
            events_kept: 1024,
            parallel_from: PARALLEL_FROM,
            job_bytes: 256 << 20,
            seed: 0,
            start_ms: 0,
            on_failure: None,
        }
    }
}

/// What a task may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Time for one run; a task that takes longer is stopped at its next step and given up.
    pub budget: Duration,
    /// Runs. A task that needs one more is given up.
    pub attempts: u32,
}

impl Options {
    /// What a task of this kind may take.
    pub(crate) fn limit(&self, kind: &str) -> Limit {
        let own = self.task_limits.iter().find(|(of, _)| *of == kind);
        own.map_or(
            Limit {
                budget: self.task_budget,
                attempts: self.task_attempts,
            },
            |(_, limit)| *limit,
        )
    }
}

/// Why a world can't be opened.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct OpenError(pub String);

/// How soon a task's writes must be on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// With its epoch: commands, logins.
    Durable,
    /// With the region's next epoch that has something to tell, or after a second: inputs, ticks.
    Lazy,
}

/// What the engine must know of a task besides its code.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The kind of task, a label in metrics and dead letters: `command`, `input`, `login` ...
    pub kind: &'static str,
    /// How soon its writes must be on disk.
    pub class: Class,
    /// Where it comes from: named in the log, kept in dead letters.
    pub origin: &'a dyn Origin,
}

/// How a task ended.
#[derive(Debug)]
pub enum Done<R> {
    /// It took effect.
    Committed(R),
    /// It left no trace; `Timeout` and `Failed` are dead-lettered.
    Ended(Fault, String),
}

/// What a task cost.
#[derive(Debug, Clone, Copy, Default)]
pub struct Report {
    /// Runs, at least 1.
    pub attempts: u32,
    /// Regions it held at the end.
    pub regions: u32,
    /// The epoch it committed in; it is durable when [`Engine::durable_epoch`] reaches it.
    pub epoch: u64,
    /// Why it left no trace, if it did not commit.
    pub fault: Option<Fault>,
}

/// The regions of a partition, in line order.
#[derive(Debug)]
pub struct Regions {
    /// The cuts and the partition's epoch.
    pub partition: Partition,
    /// One per interval.
    pub list: Vec<(RegionId, Interval)>,
}

/// A world in memory and on disk. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    shared: Arc<Shared>,
    /// The committer's thread, or the committer itself when it is stepped by hand.
    committer: Arc<Keeper>,
}

/// Holds the committer as long as somebody holds the engine.
#[derive(Debug)]
struct Keeper {
    shared: Arc<Shared>,
    running: Mutex<Running>,
}

impl Keeper {
    fn new(shared: &Arc<Shared>, running: Running) -> Arc<Self> {
        let (shared, running) = (Arc::clone(shared), Mutex::new(running));
        Arc::new(Self { shared, running })
    }

    fn stop(&self) {
        let running = std::mem::replace(&mut *self.running.lock(), Running::No);
        if let Running::Thread(thread) = running {
            self.shared.signal.stop();
            // A sink may drop the last engine on the committer's own thread.
            let other = thread.thread().id() != std::thread::current().id();
            if other && thread.join().is_err() {
                self.shared.fail("the committer panicked".into());
            }
        }
    }
}

impl Drop for Keeper {
    /// What was committed durably is on disk and told; lazy writes since may be lost.
    fn drop(&mut self) {
        self.stop();
    }
}

#[derive(Debug)]
enum Running {
    No,
    Thread(std::thread::JoinHandle<()>),
    ByHand(Box<Committer>),
}

impl Engine {
    /// Opens the world in `dir`, making it if there is none: recovers, runs genesis if it never
    /// ran, starts the committer and the checkpointer.
    ///
    /// # Errors
    /// Says what is wrong with the folder and what to do; nothing in it is changed then.
    pub fn open<W: World>(
        dir: &Path,
        world: &W,
        options: Options,
        sink: Arc<dyn EffectSink>,
    ) -> Result<Self, OpenError> {
        Self::start(dir, world, options, sink, |journal| Box::new(journal))
    }

    fn start<W: World>(
        dir: &Path,
        world: &W,
        options: Options,
        sink: Arc<dyn EffectSink>,
        journal_of: impl FnOnce(FileJournal) -> Box<dyn Journal>,
    ) -> Result<Self, OpenError> {
        let (store, shared, journal) = prepare(dir, world, options, sink, None)?;
        let folder = dir.join(JOURNAL);
        let checkpointer = Checkpointer::start(store, &folder, &shared.options, failure(&shared))?;
        shared.set_checkpointer(checkpointer);
        let committer = Committer::new(Arc::clone(&shared), journal_of(journal));
        let thread = committer
            .start()
            .map_err(|e| OpenError(format!("the system has no thread to give: {e}")))?;
        let committer = Keeper::new(&shared, Running::Thread(thread));
        let engine = Self { shared, committer };
        engine.begin(world)?;
        Ok(engine)
    }

    /// A world in memory only: effects leave at once, nothing is kept.
    ///
    /// # Errors
    /// When genesis fails.
    pub fn in_memory<W: World>(
        world: &W,
        options: Options,
        sink: Arc<dyn EffectSink>,
    ) -> Result<Self, OpenError> {
        let start = Start {
            epoch: 1,
            next_id: 1,
            next_dead: 1,
            partition: Partition::even(&world.map(), options.regions),
            store: None,
            pause: None,
        };
        let shared = Arc::new(Shared::new(world, options, sink, start));
        let committer = Keeper::new(&shared, Running::No);
        let engine = Self { shared, committer };
        engine.begin(world)?;
        Ok(engine)
    }

    /// Whether there is a world in `dir`; which, and whether it can be opened, is not looked at.
    pub fn is_made(dir: &Path) -> bool {
        Store::is_made(dir)
    }

    fn begin<W: World>(&self, world: &W) -> Result<(), OpenError> {
        self.shared.clock.advance(self.shared.options.start_ms);
        let outcome = self.worker().genesis(world);
        self.flush();
        let failed = |why: &str| OpenError(format!("the world {} can't begin: {why}", W::NAME));
        outcome.map_err(|why| failed(&why))?;
        self.failure().map_or(Ok(()), |why| Err(failed(why)))
    }

    /// A worker: what one thread runs tasks with.
    pub fn worker(&self) -> Worker {
        Worker::new(Arc::clone(&self.shared))
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The world's clock.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// The geometry.
    pub fn map(&self) -> &Map {
        &self.shared.map
    }

    /// The regions as they are now.
    pub fn regions(&self) -> Arc<Regions> {
        Arc::clone(&self.shared.table.load().public)
    }

    /// Follows an entity; keeps its cell in memory as long as the watch is held.
    pub fn watch(&self, id: ObjectId) -> Option<Arc<Watch>> {
        self.worker().watch(id)
    }

    /// The epoch that commits enter now.
    pub fn epoch(&self) -> u64 {
        self.shared.epoch.load(Ordering::SeqCst)
    }

    /// All epochs up to this one are on disk.
    pub fn durable_epoch(&self) -> u64 {
        self.shared.durable.load(Ordering::SeqCst)
    }

    /// The regions with jobs that are due. As long as no job of any region is, it costs one look at
    /// one number, however many wait.
    pub fn due(&self) -> Vec<RegionId> {
        self.shared.due(self.shared.clock.now_ms())
    }

    /// Jobs that wait.
    pub fn pending_jobs(&self) -> usize {
        self.shared.jobs.number.load(Ordering::Relaxed)
    }

    /// Live objects in memory.
    pub fn live_objects(&self) -> usize {
        self.shared.live.load(Ordering::Relaxed)
    }

    /// Why the store failed, if it did: nothing is committed any more.
    pub fn failure(&self) -> Option<&str> {
        self.shared.failed.get().map(String::as_str)
    }

    /// The sessions that there are, as they stand on disk: at the start, those of earlier runs. Call
    /// it before tasks run, else what they tell is missed.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn sessions(&self) -> Result<Vec<SavedSession>, OpenError> {
        self.checkpoint();
        match &self.shared.store {
            Some(store) => Ok(store.sessions()?),
            None => Ok(Vec::new()),
        }
    }

    /// Says something of sessions that no task tells; it is on disk with the epoch that is open.
    pub fn note(&self, notes: impl IntoIterator<Item = (SessionId, Note)>) {
        if self.shared.store.is_none() {
            return;
        }
        self.shared.lay_anywhere(|set| {
            let entry = |(session, note): (SessionId, Note)| Entry::Session {
                session,
                fact: note.into(),
            };
            set.entries.extend(notes.into_iter().map(entry));
        });
    }

    /// Tells something that no task will: because the task that should was cut short.
    pub fn tell(&self, effect: Effect) {
        if self.shared.store.is_none() {
            self.shared.tell_now(vec![effect]);
        } else {
            let effects = &mut vec![effect];
            self.shared
                .lay_anywhere(|set| self.shared.lay_effects(set, effects));
        }
    }

    /// The secret of this name that is kept with the world; `fresh` becomes it when there is none.
    /// It is on disk when this returns.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn secret(&self, name: &'static str, fresh: [u8; 32]) -> Result<[u8; 32], OpenError> {
        let Some(store) = &self.shared.store else {
            return Ok(fresh);
        };
        self.checkpoint();
        if let Some(kept) = store.meta(name)? {
            let damaged = |_| OpenError(format!("the secret {name} in the store is damaged"));
            return kept.try_into().map_err(damaged);
        }
        self.shared.lay_loose(Entry::Meta {
            key: name,
            value: fresh.to_vec(),
        });
        self.flush();
        Ok(fresh)
    }

    /// Waits until everything committed so far is on disk, lazy writes included.
    pub fn flush(&self) {
        if self.shared.store.is_none() {
            return;
        }
        self.shared.flush_all_lazy();
        let target = self.epoch();
        self.shared.signal.wake();
        self.shared.wait_durable(target);
    }

    /// Flushes, then waits until LMDB itself is at that state.
    pub fn checkpoint(&self) {
        self.flush();
        if let Some(checkpointer) = self.shared.checkpointer.get() {
            checkpointer.wait_for(self.durable_epoch());
        }
    }

    /// Flushes, writes a last checkpoint and stops the engine's threads. Tasks that run later are
    /// not kept.
    pub fn close(&self) {
        self.flush();
        self.committer.stop();
        if let Some(checkpointer) = self.shared.checkpointer.get() {
            checkpointer.close();
        }
    }
}

/// Opening for tests that break things.
#[doc(hidden)]
impl Engine {
    /// As [`Engine::open`], with a journal that fails when `faults` say so.
    pub fn open_with_faults<W: World>(
        dir: &Path,
        world: &W,
        options: Options,
        sink: Arc<dyn EffectSink>,
        faults: Arc<Faults>,
    ) -> Result<Self, OpenError> {
        let journal_of =
            |journal| -> Box<dyn Journal> { Box::new(SimJournal::new(journal, faults)) };
        Self::start(dir, world, options, sink, journal_of)
    }
}

/// Opening for the seeded simulator: no threads, every step by hand.
#[doc(hidden)]
impl Engine {
    /// As [`Engine::open`], with the committer and the checkpointer stepped by hand, and `pause`
    /// called wherever another task could run. The journal syncs for the simulation only, and fails
    /// when `faults` say so.
    pub fn simulate<W: World>(
        dir: &Path,
        world: &W,
        options: Options,
        sink: Arc<dyn EffectSink>,
        pause: Pause,
        faults: Arc<Faults>,
    ) -> Result<Self, OpenError> {
        let (store, shared, journal) = prepare(dir, world, options, sink, Some(pause))?;
        let folder = dir.join(JOURNAL);
        let by_hand = Checkpointer::by_hand(store, &folder, &shared.options, failure(&shared));
        shared.set_checkpointer(by_hand);
        let journal = Box::new(SimJournal::new(journal, faults));
        let committer = Box::new(Committer::new(Arc::clone(&shared), journal));
        let committer = Keeper::new(&shared, Running::ByHand(committer));
        let engine = Self { shared, committer };
        engine.begin(world)?;
        engine.step_commit();
        Ok(engine)
    }

    /// One round of the committer.
    pub fn step_commit(&self) -> bool {
        match &mut *self.committer.running.lock() {
            Running::ByHand(committer) => {
                committer.look_for_lazy();
                committer.round()
            }
            _ => false,
        }
    }

    /// One checkpoint.
    pub fn step_checkpoint(&self) {
        if let Some(checkpointer) = self.shared.checkpointer.get() {
            checkpointer.step();
        }
    }
}

fn failure(shared: &Arc<Shared>) -> Arc<dyn Fn(String) + Send + Sync> {
    let shared = Arc::downgrade(shared);
    Arc::new(move |why| {
        if let Some(shared) = shared.upgrade() {
            shared.fail(why);
        } else {
            tracing::error!(why, "the store failed after the engine was dropped");
        }
    })
}

/// Recovers the store in `dir` and makes an engine's shared part from it.
fn prepare<W: World>(
    dir: &Path,
    world: &W,
    options: Options,
    sink: Arc<dyn EffectSink>,
    pause: Option<Pause>,
) -> Result<(Arc<Store>, Arc<Shared>, FileJournal), OpenError> {
    let fault = |e: StoreError| OpenError(format!("can't read the store: {e}"));
    let map = world.map();
    let mut store = Store::open(dir, W::NAME, &map, options.regions, options.store_bytes)?;
    store.keep_events(options.events_kept);
    let store = Arc::new(store);
    let (journal, epoch) = recovery::recover(&store, &dir.join(JOURNAL))?;
    let stored = store.partition().map_err(fault)?;
    let start = Start {
        epoch,
        next_id: store.id_limit().map_err(fault)?.max(1),
        next_dead: store.next_dead().map_err(fault)?,
        partition: stored.named(),
        store: Some(Arc::clone(&store)),
        pause,
    };
    let now_ms = options.start_ms;
    let shared = Shared::new(world, options, sink, start);
    restore_sessions(&store, &shared).map_err(fault)?;
    store.jobs(&map, |id, job| shared.put_stored_job(id, job, now_ms))?;
    Ok((store, Arc::new(shared), journal))
}

/// Goes on counting what sessions are told where the last run ended.
fn restore_sessions(store: &Store, shared: &Shared) -> Result<(), StoreError> {
    let archive = store.archive()?;
    let mut numbers = shared.lock(&shared.numbers);
    let mut members = shared.lock(&shared.members);
    numbers.restore_said(archive.newest);
    for saved in store.sessions()? {
        numbers.restore(saved.id, &saved.record, |channel| archive.count(channel));
        members.restore(saved.id, saved.channels());
    }
    Ok(())
}
