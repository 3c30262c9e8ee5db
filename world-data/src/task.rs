//! Lives here: `Task`, the transaction as an author sees it, and `Stop`, how one ends early.
//! Not here: locks, attempts and commit (`engine`).

use std::sync::Arc;

use crate::effect::SessionId;
use crate::line::{Map, Point};
use crate::object::{Object, ObjectId, Ref};
use crate::effect::Payload;
use crate::world::Entity;

/// Why a task's code stops before its end. Pass it on with `?`.
///
/// The engine remembers a stop that it caused itself, so swallowing one commits nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The world says no; the client is told the message. Nothing is written.
    Refused(String),
    /// The object does not exist.
    Missing(ObjectId),
    /// The object exists but is of another kind, or stored data can't be read.
    Fault(String),
    /// The budget of time is exceeded.
    Timeout,
    /// A region is taken: the engine runs the task again.
    Again,
}

impl Stop {
    /// The world says no.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::Refused(message.into())
    }
}

/// A running transaction: everything a handler may touch.
#[derive(Debug)]
pub struct Task<'w> {
    _todo: std::marker::PhantomData<&'w ()>,
}

type Result<T> = std::result::Result<T, Stop>;

#[expect(unused_variables, clippy::todo, reason = "skeleton")]
impl Task<'_> {
    /// Reads an object.
    ///
    /// # Errors
    /// [`Stop::Missing`] if it does not exist.
    pub fn get<T: Object>(&mut self, r: Ref<T>) -> Result<Arc<T>> { todo!() }
    /// Reads an object, `None` if it does not exist.
    pub fn find<T: Object>(&mut self, r: Ref<T>) -> Result<Option<Arc<T>>> { todo!() }
    /// Reads an object of any kind by type: `None` if it does not exist or is of another kind.
    pub fn find_kind<T: Object>(&mut self, id: ObjectId) -> Result<Option<Arc<T>>> { todo!() }
    /// Reads through a closure, without taking a reference count: the cheapest read.
    pub fn read<T: Object, R>(&mut self, r: Ref<T>, see: impl FnOnce(&T) -> R) -> Result<R> { todo!() }
    /// Changes an object. When the closure stops, nothing is changed.
    pub fn update<T: Object, R>(&mut self, r: Ref<T>, change: impl FnOnce(&mut T) -> Result<R>) -> Result<R> { todo!() }
    /// Makes an object without a position.
    pub fn create<T: Object>(&mut self, object: T) -> Result<Ref<T>> { todo!() }
    /// Makes an entity: an object with a position.
    pub fn create_at<T: Object>(&mut self, object: T, at: Point) -> Result<Ref<T>> { todo!() }
    /// Makes the object of this kind under `key`; refused as a fault if there is one.
    pub fn create_keyed<T: Object>(&mut self, key: u64, object: T) -> Result<Ref<T>> { todo!() }
    /// Removes an object.
    pub fn remove(&mut self, id: ObjectId) -> Result<()> { todo!() }
    /// Binds a name (at most 256 bytes) to an object. Names up to their last `/` share a home.
    pub fn bind(&mut self, name: &str, id: ObjectId) -> Result<()> { todo!() }
    /// The object bound to a name.
    pub fn lookup(&mut self, name: &str) -> Result<Option<ObjectId>> { todo!() }
    /// Unbinds a name; says whether it was bound.
    pub fn unbind(&mut self, name: &str) -> Result<bool> { todo!() }
    /// The names in `directory` (all that begin with `directory/` and have no further `/`), in
    /// order, from `after` on (exclusive), at most `limit`.
    pub fn names(&mut self, directory: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, ObjectId)>> { todo!() }
    /// Moves an entity.
    pub fn place(&mut self, id: ObjectId, at: Point) -> Result<()> { todo!() }
    /// The position of an entity.
    pub fn position(&mut self, id: ObjectId) -> Result<Point> { todo!() }
    /// Shows every entity within `radius` metres of `point`, across regions.
    pub fn nearby(&mut self, point: Point, radius: f64, see: impl FnMut(Entity<'_>)) -> Result<()> { todo!() }
    /// World time, in milliseconds since the Unix epoch; one instant for the whole task.
    pub fn now(&self) -> u64 { todo!() }
    /// Random numbers, seeded per task: the same when it runs again.
    pub fn random(&mut self) -> &mut fastrand::Rng { todo!() }
    /// Sends an event to a session, if the task commits.
    pub fn send(&mut self, to: SessionId, event: Payload) { todo!() }
    /// Ends a session, if the task commits.
    pub fn close(&mut self, session: SessionId, message: impl Into<String>) { todo!() }
    /// The geometry.
    pub fn map(&self) -> &Map { todo!() }
}
