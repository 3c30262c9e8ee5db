//! Lives here: `Watch`, an entity's position as anybody may read it without a task, and `Places`,
//! where each live entity is. Not here: who watches what (interest, in `actors`).

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use rustc_hash::FxHashMap;

use crate::line::{Home, Point};
use crate::object::ObjectId;

/// Follows an entity's position without a task: for interest.
#[derive(Debug)]
pub struct Watch {
    /// Both coordinates as `f32` bits, so that they are read as one; `GONE` when removed.
    at: AtomicU64,
}

const GONE: u64 = u64::MAX;

impl Watch {
    pub(crate) fn new(at: Point) -> Self {
        let watch = Self {
            at: AtomicU64::new(0),
        };
        watch.set(at);
        watch
    }

    pub(crate) fn set(&self, at: Point) {
        let bits = u64::from((at.x as f32).to_bits()) << 32 | u64::from((at.y as f32).to_bits());
        self.at.store(bits, Ordering::Relaxed);
    }

    pub(crate) fn set_gone(&self) {
        self.at.store(GONE, Ordering::Relaxed);
    }

    /// The position at the last commit, to a millimetre or so; `None` when the entity is gone.
    pub fn at(&self) -> Option<Point> {
        let bits = self.at.load(Ordering::Relaxed);
        let part = |bits: u64| f64::from(f32::from_bits(bits as u32));
        (bits != GONE).then(|| Point::new(part(bits >> 32), part(bits & 0xFFFF_FFFF)))
    }
}

const SHARDS: usize = 64;

/// The homes of live entities. Written only by whoever holds the region's lock.
pub(crate) struct Places([RwLock<FxHashMap<ObjectId, Home>>; SHARDS]);

impl Places {
    pub(crate) fn new() -> Self {
        Self(std::array::from_fn(|_| RwLock::default()))
    }

    fn shard(&self, id: ObjectId) -> &RwLock<FxHashMap<ObjectId, Home>> {
        &self.0[id.raw() as usize % SHARDS]
    }

    pub(crate) fn get(&self, id: ObjectId) -> Option<Home> {
        self.shard(id).read().get(&id).copied()
    }

    pub(crate) fn set(&self, id: ObjectId, home: Home) {
        self.shard(id).write().insert(id, home);
    }

    pub(crate) fn forget(&self, id: ObjectId) {
        self.shard(id).write().remove(&id);
    }
}
