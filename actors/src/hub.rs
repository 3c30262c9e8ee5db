//! Lives here: the hub: the sessions whose sockets live on one thread, and what is done for all of
//! them: effects, time, moves. Not here: one socket's own business (`link`), how sessions come
//! (`enter`), what they see (`interest`).
//!
//! Invariant: everything of a hub is on its thread; other threads reach it through its door. No
//! borrow of a cell is held over an await, or over a call that may borrow it again.

mod channels;
mod enter;
mod frames;
mod interest;
mod moves;
mod pace;
mod serve;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, StreamHandler};
use bytes::Bytes;
use futures_util::stream;
use rustc_hash::FxHashMap;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use uuid::Uuid;
use world_data::RegionId;
use world_data::{SessionId, World};

use self::channels::Audience;
use self::enter::Entering;
pub use self::enter::Entry;
pub(crate) use self::interest::Sight;
use self::interest::Slots;
use self::moves::Arriving;
pub(crate) use self::moves::Request;
pub(crate) use self::serve::reply;
use crate::directory::HubDoor;
use crate::host::Host;
use crate::session::Session;

/// This thread's hub: the sessions whose sockets live here. Cheap to clone, stays on its thread.
pub struct Hub<W: World>(Rc<HubCore<W>>);

impl<W: World> Clone for Hub<W> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<W: World> std::fmt::Debug for Hub<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hub({})", self.0.index)
    }
}

/// What a hub knows.
pub(crate) struct HubCore<W: World> {
    pub(crate) index: usize,
    pub(crate) host: Arc<Host<W>>,
    door: Arc<HubDoor<W>>,
    sessions: RefCell<FxHashMap<SessionId, Session<W>>>,
    /// Logins that run.
    entering: RefCell<FxHashMap<SessionId, Entering>>,
    /// Sessions on their way here from another hub.
    arriving: RefCell<FxHashMap<SessionId, Arriving>>,
    /// Who of the sessions here is in which channel.
    audience: RefCell<Audience>,
    slots: RefCell<Slots>,
    /// How often each region's actor was started, as far as heard.
    generations: RefCell<FxHashMap<RegionId, u32>>,
    /// Sessions whose end was waiting for their last answer, which has come.
    answered: RefCell<Vec<SessionId>>,
    /// The number of the hub's tick: what frames are numbered by.
    tick: Cell<u64>,
    /// The tick at which sessions were last counted.
    counted: Cell<u64>,
    /// (session, cell) pairs in view at the last tick.
    subscriptions: Cell<usize>,
    /// Kept from frame to frame for its room.
    parts: RefCell<Vec<Bytes>>,
}

thread_local! {
    /// The hubs of this thread, by host: one, but in tests.
    static HUBS: RefCell<FxHashMap<Uuid, Rc<dyn Any>>> = RefCell::default();
}

impl<W: World> Hub<W> {
    /// This thread's hub of `host`, made on first use.
    pub(crate) fn of_this_thread(host: &Arc<Host<W>>) -> Self {
        let known = HUBS.with_borrow(|hubs| hubs.get(&host.id).map(Rc::clone));
        if let Some(core) = known.and_then(|core| core.downcast::<HubCore<W>>().ok()) {
            return Self(core);
        }
        let core = HubCore::new(Arc::clone(host));
        let any: Rc<dyn Any> = Rc::<HubCore<W>>::clone(&core);
        HUBS.with_borrow_mut(|hubs| hubs.insert(host.id, any));
        HubActor {
            core: Rc::clone(&core),
            begun: None,
        }
        .start();
        Self(core)
    }

    pub(crate) fn core(&self) -> &Rc<HubCore<W>> {
        &self.0
    }
}

impl<W: World> HubCore<W> {
    fn new(host: Arc<Host<W>>) -> Rc<Self> {
        let (index, door) = host.directory.add_hub(&host.post);
        // Frames are numbered by world time, so that numbers go on over restarts and are about
        // the same at all hubs.
        let hz = u64::from(host.settings.tick_hz);
        let tick = Cell::new(host.engine.clock().now_ms() * hz / 1000);
        Rc::new(Self {
            index,
            host,
            door,
            sessions: RefCell::default(),
            entering: RefCell::default(),
            arriving: RefCell::default(),
            audience: RefCell::default(),
            slots: RefCell::default(),
            generations: RefCell::default(),
            answered: RefCell::default(),
            tick,
            counted: Cell::new(0),
            subscriptions: Cell::new(0),
            parts: RefCell::default(),
        })
    }

    /// Calls `act` with the session, if it is here.
    pub(crate) fn with<R>(
        &self,
        id: SessionId,
        act: impl FnOnce(&mut Session<W>) -> R,
    ) -> Option<R> {
        self.sessions.borrow_mut().get_mut(&id).map(act)
    }
}

/// The actor that drives a hub.
struct HubActor<W: World> {
    core: Rc<HubCore<W>>,
    /// When its first tick was due, and the number before that tick's.
    begun: Option<(Instant, u64)>,
}

/// There is something at the door.
struct Woken;
/// A tick is due.
struct Due(Instant);

impl<W: World> HubActor<W> {
    fn period(&self) -> Duration {
        self.core.host.settings.tick_period()
    }
}

/// The periods from the first tick, due at `begun`, to the one that was due at `due` and runs at `now`.
///
/// A tick that is late has the number of the newest that is due: its frames show what regions did
/// until now, and a client that counts by an older number sees everybody run.
fn periods_between(begun: Instant, due: Instant, now: Instant, period: Duration) -> u64 {
    let since = |at: Instant| (at - begun).as_secs_f64() / period.as_secs_f64();
    // Timers are exact to a millisecond only, so what was due is rounded, and never counted twice.
    (since(due).round() as u64).max(since(now).floor() as u64)
}

impl<W: World> Actor for HubActor<W> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let door = Arc::clone(&self.core.door.door);
        ctx.add_stream(Box::pin(stream::unfold(door, |door| async move {
            door.woken().await;
            Some((Woken, door))
        })));
        let period = self.period();
        let mut timer = interval_at(Instant::now() + period, period);
        timer.set_missed_tick_behavior(MissedTickBehavior::Skip);
        ctx.add_stream(stream::poll_fn(move |cx| {
            timer.poll_tick(cx).map(|due| Some(Due(due)))
        }));
    }
}

/// Runs a step of the hub. A panic in it is a bug, which costs that step and not the sessions of
/// the whole thread.
fn guarded(step: &'static str, run: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(run)).is_err() {
        tracing::error!(step, "the hub panicked; it goes on");
    }
}

impl<W: World> StreamHandler<Woken> for HubActor<W> {
    fn handle(&mut self, _: Woken, _: &mut Self::Context) {
        guarded("look", || self.core.look());
    }
}

impl<W: World> StreamHandler<Due> for HubActor<W> {
    fn handle(&mut self, Due(due): Due, ctx: &mut Self::Context) {
        let (begun, first) = *self.begun.get_or_insert((due, self.core.tick.get()));
        let passed = periods_between(begun, due, Instant::now(), self.period());
        self.core.tick.set(first + 1 + passed);
        guarded("tick", || self.core.tick());
        if self.core.host.phase.stopped() {
            HUBS.with_borrow_mut(|hubs| hubs.remove(&self.core.host.id));
            ctx.stop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_tick_is_numbered_by_when_it_runs() {
        let (begun, period) = (Instant::now(), Duration::from_millis(50));
        let number = |due: u64, now: u64| {
            let at = |ms| begun + Duration::from_millis(ms);
            periods_between(begun, at(due), at(now), period)
        };
        let numbers = [(0, 0), (0, 49), (0, 50), (0, 1049), (1100, 1101)];
        assert_eq!(
            numbers.map(|(due, now)| number(due, now)),
            [0, 0, 1, 20, 22]
        );
        // A millisecond off the beat, both ways.
        assert_eq!(
            [(51, 52), (99, 100)].map(|(due, now)| number(due, now)),
            [1, 2]
        );
    }
}
