//! Lives here: the post: takes effects from the engine and lays them at the door of the hub that
//! holds their session. Not here: what a hub does with them (`hub`).
//!
//! Invariant: a session's effects arrive in commit order, also while it moves to another hub: its
//! route is switched only while no delivery is on its way.

use std::mem;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::Notify;
use world_data::RegionId;
use world_data::{Effect, EffectSink, SessionId};

use crate::region::RegionTick;

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
    pub(crate) fn route(&self, session: SessionId, hub: usize) {
        self.routes.write().sessions.insert(session, hub);
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
        let mut sorted: Vec<Vec<Effect>> = Vec::new();
        sorted.resize_with(routes.doors.len(), Vec::new);
        let mut unknown = 0_usize;
        for effect in effects {
            match routes.sessions.get(&effect.session()) {
                Some(hub) => sorted[*hub].push(effect),
                None => unknown += 1,
            }
        }
        for (door, effects) in routes.doors.iter().zip(sorted) {
            if !effects.is_empty() {
                door.take_effects(effects);
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
    pub(crate) effects: Vec<Effect>,
    /// Ticks of regions; each region's in order.
    pub(crate) ticks: Vec<Arc<RegionTick>>,
    /// Sessions some of whose effects did not fit.
    pub(crate) lost: FxHashSet<SessionId>,
    /// Regions some of whose ticks did not fit.
    pub(crate) missed: FxHashSet<RegionId>,
}

impl Door {
    fn take_effects(&self, mut effects: Vec<Effect>) {
        let mut inbox = self.inbox.lock();
        if inbox.effects.len() + effects.len() > DOOR_EFFECTS_LIMIT {
            inbox.lost.extend(effects.iter().map(Effect::session));
        } else if inbox.effects.is_empty() {
            mem::swap(&mut inbox.effects, &mut effects);
        } else {
            inbox.effects.append(&mut effects);
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
    pub(crate) fn take_in_effects(&self) -> Vec<Effect> {
        mem::take(&mut self.inbox.lock().effects)
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
