//! Lives here: the post: takes effects from the engine and lays them at the door of the hub that
//! holds their session. Not here: what a hub does with them (`hub`).
//!
//! What is said on a channel goes to every hub once; which of its sessions hear it is the hub's to
//! know.
//!
//! Invariant: a session's effects arrive in commit order, also while it moves to another hub: its
//! route is switched only while no delivery is on its way, and what was said on channels before that
//! is the old hub's to tell it, what is said later the new one's.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::Notify;
use world_data::RegionId;
use world_data::{Channel, Effect, EffectSink, SessionId};

use crate::region::RegionTick;
use crate::spoken::Spoken;

/// Effects that may wait at one hub's door. Above it the sessions whose effects no longer fit are
/// ended: a hub that is so far behind would only fall further.
const DOOR_EFFECTS_LIMIT: usize = 1 << 20;
/// Ticks of regions that may wait at one hub's door. Above it a tick is dropped, and the hub asks
/// for the region's cells in full.
const DOOR_TICKS_LIMIT: usize = 4096;

/// Where effects go: made before the engine, which is opened with it.
#[derive(Debug, Default)]
pub struct Post {
    routes: RwLock<Routes>,
    /// The number of the last message on a channel that was laid at the doors. Written while routes
    /// are held to read.
    spoken: AtomicU64,
}

/// What the post lays at a door.
#[derive(Debug, Clone)]
pub(crate) enum Parcel {
    /// Something for one session.
    Effect(Effect),
    /// Something said on a channel.
    Spoken(Arc<Spoken>),
}

#[derive(Debug, Default)]
struct Routes {
    doors: Vec<Arc<Door>>,
    sessions: FxHashMap<SessionId, usize>,
}

impl Post {
    /// A post with no hub yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Adds a hub; returns its number and its door.
    pub(crate) fn open_door(&self) -> (usize, Arc<Door>) {
        let mut routes = self.routes.write();
        let door = Arc::<Door>::default();
        routes.doors.push(Arc::clone(&door));
        (routes.doors.len() - 1, door)
    }

    /// The doors of all hubs, by number.
    pub(crate) fn doors(&self) -> Vec<Arc<Door>> {
        self.routes.read().doors.clone()
    }

    /// From now on the session's effects go to hub `hub`; all earlier ones are at their door.
    /// Returns the number of the last message on a channel that is at all doors.
    pub(crate) fn route(&self, session: SessionId, hub: usize) -> u64 {
        let mut routes = self.routes.write();
        routes.sessions.insert(session, hub);
        self.spoken.load(Ordering::Relaxed)
    }

    /// From now on the session's effects are dropped.
    pub(crate) fn forget(&self, session: SessionId) {
        self.routes.write().sessions.remove(&session);
    }
}

impl EffectSink for Post {
    fn deliver(&self, effects: Vec<Effect>) {
        // Held to the end, so that a session's route never changes between look-up and door.
        let routes = self.routes.read();
        let mut sorted: Vec<Vec<Parcel>> = Vec::new();
        sorted.resize_with(routes.doors.len(), Vec::new);
        let mut unknown = 0_usize;
        for effect in effects {
            let Some(session) = effect.session() else {
                self.lay_spoken(effect, &mut sorted);
                continue;
            };
            match routes.sessions.get(&session) {
                Some(hub) => sorted[*hub].push(Parcel::Effect(effect)),
                None => unknown += 1,
            }
        }
        for (door, parcels) in routes.doors.iter().zip(sorted) {
            if !parcels.is_empty() {
                door.take_parcels(parcels);
            }
        }
        if unknown > 0 {
            tracing::debug!(
                effects = unknown,
                "dropped effects for sessions that are gone"
            );
        }
    }
}

impl Post {
    fn lay_spoken(&self, effect: Effect, sorted: &mut [Vec<Parcel>]) {
        let Effect::Said { number, said, .. } = effect else {
            return;
        };
        // Without a number nobody was there to hear it.
        if number > 0 {
            self.spoken.store(number, Ordering::Relaxed);
            let spoken = Spoken::new(number, said);
            for parcels in sorted {
                parcels.push(Parcel::Spoken(Arc::clone(&spoken)));
            }
        }
    }
}

/// What other threads lay down for a hub.
#[derive(Debug, Default)]
pub(crate) struct Door {
    inbox: Mutex<Inbox>,
    wake: Notify,
}

/// The things at a hub's door.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// In commit order.
    pub(crate) parcels: Vec<Parcel>,
    /// Ticks of regions; each region's in order.
    pub(crate) ticks: Vec<Arc<RegionTick>>,
    /// Sessions some of whose effects did not fit.
    pub(crate) lost: FxHashSet<SessionId>,
    /// Channels on which something was said that did not fit.
    pub(crate) lost_on: FxHashSet<Channel>,
    /// Regions some of whose ticks did not fit.
    pub(crate) missed: FxHashSet<RegionId>,
}

impl Door {
    fn take_parcels(&self, mut parcels: Vec<Parcel>) {
        let mut inbox = self.inbox.lock();
        if inbox.parcels.len() + parcels.len() > DOOR_EFFECTS_LIMIT {
            for parcel in &parcels {
                match parcel {
                    Parcel::Effect(effect) => inbox.lost.extend(effect.session()),
                    Parcel::Spoken(spoken) => {
                        inbox.lost_on.insert(Channel::clone(spoken.channel()));
                    }
                }
            }
        } else if inbox.parcels.is_empty() {
            mem::swap(&mut inbox.parcels, &mut parcels);
        } else {
            inbox.parcels.append(&mut parcels);
        }
        drop(inbox);
        self.wake();
    }

    /// Lays down a region's tick.
    pub(crate) fn take_tick(&self, tick: Arc<RegionTick>) {
        let mut inbox = self.inbox.lock();
        if inbox.ticks.len() < DOOR_TICKS_LIMIT {
            inbox.ticks.push(tick);
        } else {
            inbox.missed.insert(tick.region);
        }
        drop(inbox);
        self.wake();
    }

    /// Takes in what is there.
    pub(crate) fn take_in(&self) -> Inbox {
        mem::take(&mut self.inbox.lock())
    }

    /// Takes in the effects only.
    pub(crate) fn take_in_effects(&self) -> Vec<Parcel> {
        mem::take(&mut self.inbox.lock().parcels)
    }

    /// Tells the hub to look.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Waits until there is something to look at.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }
}
