//! Lives here: the directory: which actor runs which region, and which hub is which.
//! Not here: why a region runs where it does (`supervisor`), which session is at which hub
//! (`accounts` for people, `post` for effects).
//!
//! Invariant: nobody else looks addresses up; whoever acts on one carries the partition epoch.

use std::collections::VecDeque;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use parking_lot::{Mutex, RwLock};
use world_data::{Home, Partition, World};
use world_data::{RegionId, Regions};

use crate::hub::Request;
use crate::post::{Door, Post};
use crate::region::RegionHandle;

/// Who runs what, where.
#[derive(Debug)]
pub(crate) struct Directory<W: World> {
    placement: ArcSwap<Placement<W>>,
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
}

impl<W: World> Directory<W> {
    /// Spreads the regions round robin over `workers` threads.
    pub(crate) fn new(regions: &Regions, workers: usize, queue_limit: usize) -> Self {
        let handle = |(index, (id, interval)): (usize, &(RegionId, _))| {
            Arc::new(RegionHandle::new(
                *id,
                *interval,
                index % workers,
                queue_limit,
            ))
        };
        let placement = Placement {
            partition: regions.partition.clone(),
            regions: regions.list.iter().enumerate().map(handle).collect(),
        };
        Self {
            placement: ArcSwap::from_pointee(placement),
            hubs: RwLock::default(),
        }
    }

    /// The regions as they are now.
    pub(crate) fn placement(&self) -> Guard<Arc<Placement<W>>> {
        self.placement.load()
    }

    /// Adds a hub; returns its number.
    pub(crate) fn add_hub(&self, post: &Post) -> (usize, Arc<HubDoor<W>>) {
        let mut hubs = self.hubs.write();
        let (index, door) = post.open_door();
        let door = Arc::new(HubDoor {
            door,
            requests: Mutex::default(),
        });
        hubs.push(Arc::clone(&door));
        (index, door)
    }

    /// Asks something of a hub.
    pub(crate) fn ask(&self, hub: usize, request: Request<W>) {
        let hubs = self.hubs.read();
        hubs[hub].requests.lock().push_back(request);
        hubs[hub].door.wake();
    }
}

impl<W: World> HubDoor<W> {
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
}
