//! Lives here: `trait World`, what an author writes, and what its parallel tick sees and returns.
//! Not here: the transaction's own interface (`task`), and anything of sockets or actors.

use std::fmt::Debug;
use std::sync::Once;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::channel::Message;
use crate::effect::{Payload, SessionId};
use crate::job::JobId;
use crate::line::{Home, Map, Point};
use crate::object::{Kinds, Object, ObjectId, Value, typed};
use crate::task::{Stop, Task};

/// Who a task runs for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The session.
    pub session: SessionId,
    /// The name it logged in with: the same account has the same name for ever.
    pub name: String,
    /// The session's own entity, as [`World::login`] returned it.
    pub you: Option<ObjectId>,
}

/// The rules of a world. Handlers are plain single-threaded code; each call is a transaction that
/// may be run again, so they reach the world through [`Task`] only and keep nothing themselves.
pub trait World: Send + Sync + Sized + 'static {
    /// The world's name; a store of another world is refused.
    const NAME: &'static str;
    /// What a client asks, exactly once.
    type Command: DeserializeOwned + Serialize + Debug + Send + 'static;
    /// What it is answered.
    type Reply: Serialize + Send + Sync + 'static;
    /// What a client steers with: the newest wins.
    type Input: DeserializeOwned + Serialize + Debug + Send + 'static;
    /// What is to be done later: see [`Task::after`] and [`Task::every`]. `()` for a world that
    /// leaves nothing for later. Stored as objects are, so the type may grow in the same way.
    type Job: DeserializeOwned + Serialize + Debug + Send + 'static;
    /// What others see of an entity.
    type View: Serialize + Send + Sync + 'static;

    /// The geometry. Fixed for the life of a store.
    fn map(&self) -> Map;

    /// How far a session sees, in metres.
    fn view_radius(&self) -> f64 {
        96.0
    }

    /// How far [`World::tick`] looks from the entity it is called for, at most, in metres. Within it
    /// [`Tick::nearby`] shows entities whichever region they are in; regions pay for it with a
    /// picture of their cells that lie so near to a border.
    fn tick_radius(&self) -> f64 {
        0.0
    }

    /// The kinds of objects this world stores.
    fn kinds(&self) -> Kinds;

    /// Makes the world, once per store.
    fn genesis(&self, task: &mut Task<'_>) -> Result<(), Stop>;

    /// Puts the world in order at each start, before anybody logs in. Sessions of an earlier run are
    /// still there, as if they had lost their sockets: each is told of as away, unless it was before,
    /// and then comes back or is logged out.
    fn begin(&self, task: &mut Task<'_>) -> Result<(), Stop> {
        let _ = task;
        Ok(())
    }

    /// A session logs in; returns its own entity, if it has one. `who.you` is `None` here. Without a
    /// rule everybody may, and has none.
    fn login(&self, task: &mut Task<'_>, who: &Caller) -> Result<Option<ObjectId>, Stop> {
        let _ = (task, who);
        Ok(None)
    }

    /// A session's client is back on a new socket, or another client of its account has taken it
    /// over. It comes back however this ends: to keep it out, [`Task::close`] it.
    fn resume(&self, task: &mut Task<'_>, who: &Caller) -> Result<(), Stop> {
        let _ = (task, who);
        Ok(())
    }

    /// A session has no socket for now: it comes back or is logged out. Told once also when it was
    /// the server that went.
    fn away(&self, task: &mut Task<'_>, who: &Caller) -> Result<(), Stop> {
        let _ = (task, who);
        Ok(())
    }

    /// A session has logged out or its time to come back has passed. Told once, whatever crashes:
    /// the session is gone with this task, or still there to be logged out.
    fn logout(&self, task: &mut Task<'_>, who: &Caller) -> Result<(), Stop> {
        let _ = (task, who);
        Ok(())
    }

    /// A client's command. A world without a rule for commands fails each, with its words in a dead
    /// letter.
    fn command(
        &self,
        task: &mut Task<'_>,
        who: &Caller,
        command: &Self::Command,
    ) -> Result<Self::Reply, Stop> {
        let _ = (task, who);
        let name = Self::NAME;
        Err(Stop::Fault(format!(
            "the world {name} has no rule for command {command:?}"
        )))
    }

    /// A client's input. As with commands where the world has no rule.
    fn input(&self, task: &mut Task<'_>, who: &Caller, input: &Self::Input) -> Result<(), Stop> {
        let _ = (task, who);
        let name = Self::NAME;
        Err(Stop::Fault(format!(
            "the world {name} has no rule for input {input:?}"
        )))
    }

    /// A client wants to say something on a channel that it is a member of. What is returned is said
    /// there in the name of its own entity: the message itself (`Ok(message.clone().into())`), or
    /// another. A client that is no member is not asked for: its message is dropped.
    ///
    /// # Errors
    /// The message is dropped, and counted. By default all are.
    fn publish(
        &self,
        task: &mut Task<'_>,
        who: &Caller,
        channel: &str,
        message: &Message,
    ) -> Result<Payload, Stop> {
        let _ = (task, who, message);
        Err(Stop::refused(format!("nobody may speak on {channel}")))
    }

    /// The turn of a job: `this` is its name, and [`JobId::of`] the object that it belongs to. An
    /// [`after`](Task::after) job waits no more when its turn begins, an [`every`](Task::every) job
    /// waits for its next turn already; to end it, cancel `this`.
    ///
    /// # Errors
    /// The turn leaves no trace, and the job has had it all the same: an `every` job goes on with
    /// its next one. What is not a refusal is dead-lettered.
    fn job(&self, task: &mut Task<'_>, this: JobId, job: &Self::Job) -> Result<(), Stop> {
        let _ = task;
        Err(Stop::Fault(format!(
            "the world {} has no rule for job {} of object {}: {job:?}",
            Self::NAME,
            this.number(),
            this.of().raw()
        )))
    }

    /// What becomes of one entity in one tick. Called in parallel, for all entities of a region as
    /// they stood at the tick's start; must depend on its arguments only.
    fn tick(&self, tick: &Tick<'_>, entity: Entity<'_>) -> Step {
        let _ = (tick, entity);
        Step::Stay
    }

    /// What others see of an entity; `None` if it can't be seen.
    fn view(&self, entity: Entity<'_>) -> Option<Self::View>;
}

/// An object with a position, as it stands now.
#[derive(Debug, Clone, Copy)]
pub struct Entity<'a> {
    pub(crate) id: ObjectId,
    pub(crate) at: Point,
    pub(crate) value: &'a Value,
}

impl<'a> Entity<'a> {
    /// Its id.
    pub fn id(self) -> ObjectId {
        self.id
    }

    /// Its position.
    pub fn at(self) -> Point {
        self.at
    }

    /// The object itself, if it is of type `T`.
    pub fn get<T: Object>(self) -> Option<&'a T> {
        typed(self.value)
    }
}

/// What becomes of an entity in a tick.
#[derive(Debug, Clone, Default)]
pub enum Step {
    /// Nothing.
    #[default]
    Stay,
    /// It moves.
    Go(Point),
    /// The object changes, and may move.
    Become(Changed, Option<Point>),
}

/// An object's new value, type erased.
#[derive(Debug, Clone)]
pub struct Changed(pub(crate) Value);

impl Step {
    /// The object becomes `object` and stays where it is.
    pub fn become_(object: impl Object) -> Self {
        Self::Become(Changed(std::sync::Arc::new(object)), None)
    }

    /// The object becomes `object` and moves to `at`.
    pub fn become_at(object: impl Object, at: Point) -> Self {
        Self::Become(Changed(std::sync::Arc::new(object)), Some(at))
    }
}

/// The state that a tick sees: the region's entities as they stood at its start.
#[derive(Clone, Copy)]
pub struct Tick<'a> {
    pub(crate) number: u64,
    pub(crate) now_ms: u64,
    pub(crate) seconds: f64,
    pub(crate) seed: u64,
    /// [`World::tick_radius`].
    pub(crate) reach: f64,
    /// Where the entity stands.
    pub(crate) at: Point,
    pub(crate) map: Map,
    pub(crate) scene: &'a dyn Scene,
}

impl Debug for Tick<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tick")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

/// What sums of distances may be off by, in metres.
const ROUNDING: f64 = 1e-6;

/// Cells of entities to look at.
pub(crate) trait Scene: Sync {
    fn visit(&self, cell: Home, see: &mut dyn FnMut(Entity<'_>));
}

impl Tick<'_> {
    /// The tick as it is for an entity at `at` that another region's tick brought here at
    /// `crossed_ms`: none at all if that was at this very time, else only what has passed since.
    pub(crate) fn of(&self, at: Point, crossed_ms: u64) -> Option<Self> {
        let passed = self.now_ms.saturating_sub(crossed_ms) as f64 / 1000.0;
        if passed >= self.seconds || crossed_ms == 0 {
            return Some(Self { at, ..*self });
        }
        (passed > 0.0).then_some(Self {
            seconds: passed,
            at,
            ..*self
        })
    }

    /// The tick's number in its region.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// World time, in milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// The world time that this tick covers, in seconds (dilated when the region is overloaded).
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// The geometry.
    pub fn map(&self) -> &Map {
        &self.map
    }

    /// Random numbers for one entity in this tick: the same however the work is spread.
    pub fn random(&self, id: ObjectId) -> fastrand::Rng {
        fastrand::Rng::with_seed(
            self.seed ^ self.number.rotate_left(40) ^ id.raw().wrapping_mul(0x9E37_79B9_7F4A_7C15),
        )
    }

    /// Shows every entity within `radius` metres of `point`, in an order that depends on where they
    /// are and on their ids only. Those of the region as they stand; those of other regions as they
    /// stood when that region's last tick ended, which is one tick ago at most.
    ///
    /// What lies farther than [`World::tick_radius`] from the entity that is ticked is shown only if
    /// it is in the same region: a world must not look so far, and is warned once.
    pub fn nearby(&self, point: Point, radius: f64, mut see: impl FnMut(Entity<'_>)) {
        if radius > self.reach || point != self.at {
            self.check_reach(point, radius);
        }
        for cell in self.map.cells_within(point, radius) {
            self.scene.visit(cell, &mut |entity| {
                if entity.at.distance(point) <= radius {
                    see(entity);
                }
            });
        }
    }

    fn check_reach(&self, point: Point, radius: f64) {
        static WARNED: Once = Once::new();
        if point.distance(self.at) + radius > self.reach + ROUNDING {
            WARNED.call_once(|| {
                tracing::warn!(
                    radius,
                    tick_radius = self.reach,
                    "a tick looks farther than the world says it does: it does not see all there is"
                );
            });
        }
    }
}
