//! Lives here: the directory: which actor runs which region, and which hub is which.
//! Not here: why a region runs where it does (`supervisor`), which session is at which hub
//! (`accounts` for people, `post` for effects).
//!
//! Invariant: nobody else looks addresses up; whoever acts on one carries the partition epoch.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use parking_lot::{Mutex, RwLock};
use rustc_hash::FxHashMap;
use tokio::runtime::{Handle, RuntimeMetrics};
use world_data::{Engine, Home, Interval, Partition, RegionId, Regions, World};

use crate::hub::Request;
use crate::ladder::HubRung;
use crate::post::{Door, Post};
use crate::region::RegionHandle;

/// Who runs what, where.
#[derive(Debug)]
pub(crate) struct Directory<W: World> {
    placement: ArcSwap<Placement<W>>,
    /// Held while the engine's partition and the placement change together.
    changing: Mutex<()>,
    hubs: RwLock<Vec<Arc<HubDoor<W>>>>,
}

/// The regions of one partition and the threads they run on.
#[derive(Debug)]
pub(crate) struct Placement<W: World> {
    partition: Partition,
    /// In line order, as in the partition.
    pub(crate) regions: Vec<Arc<RegionHandle<W>>>,
}

/// How other threads reach a hub.
#[derive(Debug)]
pub(crate) struct HubDoor<W: World> {
    /// For effects and ticks.
    pub(crate) door: Arc<Door>,
    /// What other hubs ask of it. Bounded by the sessions: each is on one move at a time.
    requests: Mutex<VecDeque<Request<W>>>,
    /// Its sessions as it counted them last.
    census: Mutex<Census>,
    /// Where it stands on the ladder; the supervisor's to write.
    rung: AtomicUsize,
    /// The share of its thread that was used in the last second, as the bits of an `f64`; the
    /// supervisor's to write.
    load: AtomicU64,
    /// What its thread is busy with, sockets included; `None` in tests without a runtime.
    thread: Option<RuntimeMetrics>,
}

/// Cells in view of sessions whose entity is in another region: by that region and the cells'.
pub(crate) type Looks = FxHashMap<(RegionId, RegionId), usize>;

/// A hub's sessions with a socket, counted once per second.
#[derive(Debug, Default)]
pub(crate) struct Census {
    /// By region.
    pub(crate) sessions: FxHashMap<RegionId, usize>,
    /// What they see of other regions.
    pub(crate) looks: Looks,
    /// Where their entities are: x and y of each, in metres.
    pub(crate) people: Vec<f32>,
    /// (session, cell) pairs in view, and those of them that are not shown.
    pub(crate) subscriptions: usize,
    pub(crate) hidden: usize,
}

impl<W: World> Directory<W> {
    /// Places the regions as they were placed before, others round robin over `workers` threads.
    pub(crate) fn new(
        regions: &Regions,
        before: &world_data::Placement,
        workers: usize,
        queue_limit: usize,
    ) -> Self {
        let handle = |(index, (id, _)): (usize, &(RegionId, _))| {
            let known = before.get(id).copied().filter(|worker| *worker < workers);
            let worker = known.unwrap_or(index % workers);
            Arc::new(RegionHandle::new(*id, worker, queue_limit))
        };
        let placement = Placement {
            partition: regions.partition.clone(),
            regions: regions.list.iter().enumerate().map(handle).collect(),
        };
        Self {
            placement: ArcSwap::from_pointee(placement),
            changing: Mutex::default(),
            hubs: RwLock::default(),
        }
    }

    /// The regions as they are now.
    pub(crate) fn placement(&self) -> Guard<Arc<Placement<W>>> {
        self.placement.load()
    }

    /// Changes the engine's partition and lets everybody find the regions of the new one, `fresh`
    /// among them.
    ///
    /// # Errors
    /// As `change`, which changes the engine's; then nothing else has changed.
    pub(crate) fn repartition<R>(
        &self,
        engine: &Engine,
        change: impl FnOnce(&Engine) -> Result<R, String>,
        fresh: impl FnOnce(&R) -> Option<Arc<RegionHandle<W>>>,
    ) -> Result<R, String> {
        let _alone = self.changing.lock();
        let changed = change(engine)?;
        let regions = engine.regions();
        let old = self.placement.load_full();
        let fresh = fresh(&changed);
        let known = old.regions.iter().chain(&fresh);
        let by_id: FxHashMap<RegionId, _> = known.map(|region| (region.id, region)).collect();
        let ids = regions.list.iter().map(|(id, _)| id);
        self.placement.store(Arc::new(Placement {
            partition: regions.partition.clone(),
            regions: ids
                .filter_map(|id| by_id.get(id).map(|r| Arc::clone(r)))
                .collect(),
        }));
        Ok(changed)
    }

    /// All hubs, by number.
    pub(crate) fn hubs(&self) -> Vec<Arc<HubDoor<W>>> {
        self.hubs.read().clone()
    }

    /// Adds a hub, on its own thread; returns its number.
    pub(crate) fn add_hub(&self, post: &Post) -> (usize, Arc<HubDoor<W>>) {
        let mut hubs = self.hubs.write();
        let (index, door) = post.open_door();
        let door = Arc::new(HubDoor {
            door,
            requests: Mutex::default(),
            census: Mutex::default(),
            rung: AtomicUsize::new(0),
            load: AtomicU64::new(0),
            thread: Handle::try_current().ok().map(|handle| handle.metrics()),
        });
        hubs.push(Arc::clone(&door));
        (index, door)
    }

    /// How many sessions each region has.
    pub(crate) fn sessions_by_region(&self) -> FxHashMap<RegionId, usize> {
        let mut all = FxHashMap::default();
        for hub in self.hubs.read().iter() {
            for (region, count) in &hub.census.lock().sessions {
                *all.entry(*region).or_default() += count;
            }
        }
        all
    }

    /// What sessions see of regions that their entity is not in.
    pub(crate) fn looks(&self) -> Looks {
        let mut all = Looks::default();
        for hub in self.hubs.read().iter() {
            for (pair, cells) in &hub.census.lock().looks {
                *all.entry(*pair).or_default() += cells;
            }
        }
        all
    }

    /// Where the sessions' entities are.
    pub(crate) fn people(&self) -> Vec<f32> {
        let hubs = self.hubs.read();
        hubs.iter()
            .flat_map(|hub| hub.census.lock().people.clone())
            .collect()
    }

    /// Asks something of a hub.
    pub(crate) fn ask(&self, hub: usize, request: Request<W>) {
        let hubs = self.hubs.read();
        hubs[hub].requests.lock().push_back(request);
        hubs[hub].door.wake();
    }
}

impl<W: World> HubDoor<W> {
    /// Takes in a new count.
    pub(crate) fn counted(&self, census: Census) {
        *self.census.lock() = census;
    }

    /// How long its thread was busy so far.
    pub(crate) fn busy(&self) -> Duration {
        let thread = self.thread.as_ref();
        thread.map_or(Duration::ZERO, |thread| {
            thread.worker_total_busy_duration(0)
        })
    }

    /// How many pairs of a session and a cell in view it counted last, and its sessions by region.
    pub(crate) fn census(&self) -> (usize, FxHashMap<RegionId, usize>) {
        let census = self.census.lock();
        (census.subscriptions, census.sessions.clone())
    }

    /// How many pairs of a session and a cell in view were not shown when it counted last.
    pub(crate) fn hidden(&self) -> usize {
        self.census.lock().hidden
    }

    /// What it gives up.
    pub(crate) fn rung(&self) -> HubRung {
        HubRung::of(self.rung.load(Ordering::Relaxed))
    }

    /// The share of its thread that was used in the last second.
    pub(crate) fn load(&self) -> f64 {
        f64::from_bits(self.load.load(Ordering::Relaxed))
    }

    pub(crate) fn set_load(&self, load: f64) {
        self.load.store(load.to_bits(), Ordering::Relaxed);
    }

    pub(crate) fn set_rung(&self, rung: usize) {
        self.rung.store(rung, Ordering::Relaxed);
    }

    /// The oldest request.
    pub(crate) fn take_request(&self) -> Option<Request<W>> {
        self.requests.lock().pop_front()
    }
}

impl<W: World> Placement<W> {
    /// How often the partition has changed.
    pub(crate) fn epoch(&self) -> u64 {
        self.partition.epoch
    }

    /// The number, in line order, of the region that holds `home`.
    pub(crate) fn index(&self, home: Home) -> usize {
        self.partition.index(home)
    }

    /// The region that holds `home`.
    pub(crate) fn at(&self, home: Home) -> &Arc<RegionHandle<W>> {
        &self.regions[self.index(home)]
    }

    /// The region of this name, if it still lives.
    pub(crate) fn find(&self, id: RegionId) -> Option<&Arc<RegionHandle<W>>> {
        self.regions.iter().find(|region| region.id == id)
    }

    /// The part of the line of the region of this name, if it still lives.
    pub(crate) fn interval_of(&self, id: RegionId) -> Option<Interval> {
        let index = self.regions.iter().position(|region| region.id == id)?;
        Some(self.partition.interval(index))
    }

    /// The part of the line of the region at `index`, in line order.
    pub(crate) fn interval(&self, index: usize) -> Interval {
        self.partition.interval(index)
    }

    /// The regions with their parts of the line, in line order.
    pub(crate) fn list(&self) -> impl Iterator<Item = (&Arc<RegionHandle<W>>, Interval)> {
        let regions = self.regions.iter().enumerate();
        regions.map(|(index, region)| (region, self.interval(index)))
    }

    /// Which worker runs which region.
    pub(crate) fn workers(&self) -> world_data::Placement {
        let worker = |region: &Arc<RegionHandle<W>>| (region.id, region.worker());
        self.regions.iter().map(worker).collect()
    }
}
