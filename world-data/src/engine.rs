//! Lives here: the engine's outside: open, run a task, tick a region, stop.
//! Not here: what a task may do (`task`), how an epoch gets to disk (`committer`).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::effect::{Effect, EffectSink, Fault};
use crate::line::{Home, Map, Point};
use crate::object::{Kinds, ObjectId};
use crate::partition::{Interval, Partition};
use crate::task::{Stop, Task};
use crate::world::{Entity, World};

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
    /// Seeds all random numbers.
    pub seed: u64,
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
            seed: 0,
        }
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
    /// Names the task in dead letters: the session and the number of the command, say.
    pub origin: &'a dyn std::fmt::Debug,
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
}

/// Names a region while it lives; a split or merge makes new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RegionId(pub u64);

/// The regions of a partition, in line order.
#[derive(Debug)]
pub struct Regions {
    /// The cuts and the partition's epoch.
    pub partition: Partition,
    /// One per interval.
    pub list: Vec<(RegionId, Interval)>,
}

/// Follows an entity's position without a task: for interest.
#[derive(Debug)]
pub struct Watch {
    _todo: (),
}

#[expect(clippy::todo, reason = "skeleton")]
impl Watch {
    /// The position at the last commit; `None` when the entity is gone.
    pub fn at(&self) -> Option<Point> { todo!() }
}

/// The world's time, told from outside.
#[derive(Debug, Default)]
pub struct Clock {
    _todo: (),
}

#[expect(clippy::todo, unused_variables, reason = "skeleton")]
impl Clock {
    /// Sets the time: milliseconds since the Unix epoch. The host calls it every few milliseconds;
    /// it never goes back (an earlier value is ignored).
    pub fn advance(&self, now_ms: u64) { todo!() }
    /// The time, in milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> u64 { todo!() }
}

/// A world in memory and on disk. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    _todo: (),
}

#[expect(clippy::todo, unused_variables, reason = "skeleton")]
impl Engine {
    /// Opens the world in `dir`, making it if there is none: recovers, runs genesis if it never
    /// ran, starts the committer and the checkpointer.
    pub fn open<W: World>(dir: &Path, world: &W, options: Options, sink: Arc<dyn EffectSink>) -> Result<Self, OpenError> { todo!() }
    /// A world in memory only: effects leave at once, nothing is kept.
    pub fn in_memory<W: World>(world: &W, options: Options, sink: Arc<dyn EffectSink>) -> Result<Self, OpenError> { todo!() }
    /// A worker: what one thread runs tasks with.
    pub fn worker(&self) -> Worker { todo!() }
    /// The world's clock.
    pub fn clock(&self) -> &Clock { todo!() }
    /// The geometry.
    pub fn map(&self) -> &Map { todo!() }
    /// The regions as they are now.
    pub fn regions(&self) -> Arc<Regions> { todo!() }
    /// Follows an entity; keeps its cell in memory as long as the watch is held.
    pub fn watch(&self, id: ObjectId) -> Option<Arc<Watch>> { todo!() }
    /// All epochs up to this one are on disk.
    pub fn durable_epoch(&self) -> u64 { todo!() }
    /// Waits until everything committed so far is on disk.
    pub fn flush(&self) { todo!() }
    /// Flushes, writes a last checkpoint and stops the engine's threads.
    pub fn close(&self) { todo!() }
}

/// Runs tasks on one thread.
#[derive(Debug)]
pub struct Worker {
    _todo: (),
}

/// What changed in a region since it was last observed; see [`Worker::observe`].
#[derive(Debug)]
pub struct Scene<'a> {
    _todo: std::marker::PhantomData<&'a ()>,
}

/// An entity that is new in its cell, moved or changed.
#[derive(Debug, Clone, Copy)]
pub struct Moved<'a> {
    /// The entity as it stands now.
    pub entity: Entity<'a>,
    /// Its cell.
    pub cell: Home,
    /// Whether the object itself changed or is new in this cell (else it only moved).
    pub changed: bool,
}

/// An entity that is no longer in a cell.
#[derive(Debug, Clone, Copy)]
pub struct Gone {
    /// Which.
    pub id: ObjectId,
    /// The cell it left.
    pub from: Home,
    /// The cell it went to; `None` when it was removed.
    pub to: Option<Home>,
}

#[expect(clippy::todo, unused_variables, clippy::unused_self, reason = "skeleton")]
impl Scene<'_> {
    /// Entities that are new, moved or changed.
    pub fn moved(&self, see: impl FnMut(Moved<'_>)) { todo!() }
    /// Entities that left a cell.
    pub fn gone(&self) -> &[Gone] { todo!() }
    /// All entities of a cell of this region; loads it if need be.
    pub fn cell(&mut self, cell: Home, see: impl FnMut(Entity<'_>)) { todo!() }
    /// Live objects and entities in the region.
    pub fn counts(&self) -> (usize, usize) { todo!() }
}

/// What a tick did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ticked {
    /// Entities looked at.
    pub entities: usize,
    /// Entities that changed.
    pub changed: usize,
}

#[expect(clippy::todo, unused_variables, clippy::unused_self, reason = "skeleton")]
impl Worker {
    /// Runs one task to its end: as often as contention asks, then commits or leaves no trace.
    /// `conclude` is called once and may add one last effect, released with the task's own.
    pub fn execute<R>(
        &mut self,
        call: Call<'_>,
        body: impl FnMut(&mut Task<'_>) -> Result<R, Stop>,
        conclude: impl FnOnce(Done<R>) -> Option<Effect>,
    ) -> Report { todo!() }

    /// Ticks a region: every entity's [`World::tick`], in parallel where it pays, then the changes
    /// as one task. Does nothing for a region that no longer exists (`None`).
    pub fn tick<W: World>(&mut self, region: RegionId, world: &W, number: u64, seconds: f64) -> Option<Ticked> { todo!() }

    /// Shows what changed in a region since the last call, then forgets it. `None` as above.
    pub fn observe<R>(&mut self, region: RegionId, see: impl FnOnce(&mut Scene<'_>) -> R) -> Option<R> { todo!() }
}
