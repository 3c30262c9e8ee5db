//! Lives here: `Task`, the transaction as an author sees it, and `Stop`, how one ends early.
//! Its channels are in `channels`, its jobs in `jobs`.
//! Not here: locks and undoing (`run`), attempts and commit (`engine`).

mod channels;
mod jobs;

use std::ops::Bound;
use std::sync::Arc;

use crate::effect::{Effect, Payload, SessionId};
use crate::line::{Home, Map, Point};
use crate::object::{Object, ObjectId, Ref, typed, typed_arc};
use crate::run::{Runner, Spot};
use crate::world::Entity;

/// The longest name that can be bound, in bytes: an LMDB key, less the home.
pub const MAX_NAME: usize = 256;
/// The most effects one task may have.
pub const MAX_EFFECTS: usize = 100_000;

/// Why a task's code stops before its end. Pass it on with `?`.
///
/// The engine remembers a stop that it caused itself, so swallowing one commits nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The world says no; the client is told the message. Nothing is written.
    Refused(String),
    /// The object does not exist; if the task does not handle it, its client is refused `gone`.
    Missing(ObjectId),
    /// The object is of another kind, stored data can't be read, or a bound is exceeded.
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
    pub(crate) on: Runner<'w>,
}

type Result<T> = std::result::Result<T, Stop>;

#[cold]
fn wrong_kind<T: Object>(id: ObjectId, kind: Option<u16>) -> Stop {
    let kind = kind.unwrap_or_default();
    Stop::Fault(format!(
        "object {} is of kind {kind}, not {} ({})",
        id.raw(),
        T::KIND,
        T::NAME
    ))
}

impl Task<'_> {
    #[inline]
    fn spot(&mut self, id: ObjectId) -> Result<Spot> {
        self.on.locate(id)?.ok_or(Stop::Missing(id))
    }

    /// Reads an object.
    ///
    /// # Errors
    /// [`Stop::Missing`] if it does not exist.
    pub fn get<T: Object>(&mut self, r: Ref<T>) -> Result<Arc<T>> {
        self.find(r)?.ok_or(Stop::Missing(r.id()))
    }

    /// Reads an object, `None` if it does not exist.
    ///
    /// # Errors
    /// [`Stop::Fault`] if it is of another kind.
    pub fn find<T: Object>(&mut self, r: Ref<T>) -> Result<Option<Arc<T>>> {
        let Some(spot) = self.on.locate(r.id())? else {
            return Ok(None);
        };
        let value = self.on.note_read(spot).value.clone();
        let kind = value.as_ref().map(|value| value.kind());
        match value.and_then(typed_arc) {
            Some(object) => Ok(Some(object)),
            None => Err(wrong_kind::<T>(r.id(), kind)),
        }
    }

    /// Reads an object by an id that came from outside: `None` if it does not exist or is of
    /// another kind.
    pub fn find_kind<T: Object>(&mut self, id: ObjectId) -> Result<Option<Arc<T>>> {
        let Some(spot) = self.on.locate(id)? else {
            return Ok(None);
        };
        Ok(self.on.note_read(spot).value.clone().and_then(typed_arc))
    }

    /// Reads through a closure, without taking a reference count: the cheapest read.
    ///
    /// # Errors
    /// [`Stop::Missing`] if it does not exist, [`Stop::Fault`] if it is of another kind.
    pub fn read<T: Object, R>(&mut self, r: Ref<T>, see: impl FnOnce(&T) -> R) -> Result<R> {
        let spot = self.spot(r.id())?;
        let value = self.on.note_read(spot).value.as_ref();
        match value.and_then(typed) {
            Some(object) => Ok(see(object)),
            None => Err(wrong_kind::<T>(r.id(), value.map(|value| value.kind()))),
        }
    }

    /// Changes an object. When the closure stops, nothing is changed.
    ///
    /// # Errors
    /// [`Stop::Missing`] if it does not exist, [`Stop::Fault`] if it is of another kind, or what
    /// the closure returns.
    pub fn update<T: Object, R>(
        &mut self,
        r: Ref<T>,
        change: impl FnOnce(&mut T) -> Result<R>,
    ) -> Result<R> {
        let spot = self.spot(r.id())?;
        let value = self.on.note_read(spot).value.as_ref();
        let Some(object) = value.and_then(typed::<T>) else {
            return Err(wrong_kind::<T>(r.id(), value.map(|value| value.kind())));
        };
        let mut object = object.clone();
        let result = change(&mut object)?;
        self.on.write(spot, Arc::new(object));
        Ok(result)
    }

    /// Makes an object without a position.
    pub fn create<T: Object>(&mut self, object: T) -> Result<Ref<T>> {
        self.on.go_on()?;
        let id = ObjectId::numbered(self.on.shared.next_id(&mut self.on.run.ids), false);
        self.create_as(id, Point::default(), object)
    }

    /// Makes an entity: an object with a position. It has one for life.
    ///
    /// # Errors
    /// [`Stop::Fault`] in a world without a map.
    pub fn create_at<T: Object>(&mut self, object: T, at: Point) -> Result<Ref<T>> {
        self.on.go_on()?;
        if self.map().cells() == 0 {
            return Err(Stop::Fault("a world without a map has no entities".into()));
        }
        let id = ObjectId::numbered(self.on.shared.next_id(&mut self.on.run.ids), true);
        let at = self.map().clamp(at);
        self.create_as(id, at, object)
    }

    /// Makes the object of this kind under `key`.
    ///
    /// # Errors
    /// [`Stop::Fault`] if there is one.
    pub fn create_keyed<T: Object>(&mut self, key: u64, object: T) -> Result<Ref<T>> {
        let r = Ref::<T>::keyed(key);
        if self.on.locate(r.id())?.is_some() {
            return Err(Stop::Fault(format!("{} {key} exists already", T::NAME)));
        }
        self.create_as(r.id(), Point::default(), object)
    }

    fn create_as<T: Object>(&mut self, id: ObjectId, at: Point, object: T) -> Result<Ref<T>> {
        let home = id
            .fixed_home(self.map())
            .unwrap_or_else(|| self.map().cell_at(at));
        self.on.create(id, home, at, Arc::new(object))?;
        Ok(Ref::new(id))
    }

    /// Removes an object.
    ///
    /// # Errors
    /// [`Stop::Missing`] if it does not exist.
    pub fn remove(&mut self, id: ObjectId) -> Result<()> {
        let spot = self.spot(id)?;
        self.on.leave_jobs(spot)?;
        self.on.remove(spot);
        Ok(())
    }

    /// Binds a name to an object, in place of what it was bound to. A name is 1 to [`MAX_NAME`]
    /// bytes long. Names that are equal up to their last `/` (a directory) share a home: they are
    /// listed in order, and live in memory together.
    ///
    /// # Errors
    /// [`Stop::Fault`] if the name is too long or empty.
    pub fn bind(&mut self, name: &str, id: ObjectId) -> Result<()> {
        if name.is_empty() || name.len() > MAX_NAME {
            return Err(Stop::Fault(format!(
                "a name of {} bytes can't be bound: 1 to {MAX_NAME} are allowed",
                name.len()
            )));
        }
        let home = self.home_of_name(directory_of(name));
        self.on.set_name(home, name, Some(id))?;
        Ok(())
    }

    /// The object bound to a name.
    pub fn lookup(&mut self, name: &str) -> Result<Option<ObjectId>> {
        let home = self.home_of_name(directory_of(name));
        let (_, names) = self.on.names(home)?;
        Ok(names.get(name).copied())
    }

    /// Unbinds a name; says whether it was bound.
    pub fn unbind(&mut self, name: &str) -> Result<bool> {
        let home = self.home_of_name(directory_of(name));
        self.on.set_name(home, name, None)
    }

    /// The names in `directory` (`directory/` and no further `/`), in order, from behind `after`
    /// on, at most `limit`.
    pub fn names(
        &mut self,
        directory: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, ObjectId)>> {
        let home = self.home_of_name(directory);
        let (_, names) = self.on.names(home)?;
        let from = match after {
            Some(after) => Bound::Excluded(after),
            None => Bound::Unbounded,
        };
        Ok(names
            .range::<str, _>((from, Bound::Unbounded))
            .filter(|(name, _)| directory_of(name) == directory)
            .take(limit)
            .map(|(name, id)| (name.to_string(), *id))
            .collect())
    }

    fn home_of_name(&self, directory: &str) -> Home {
        home_of_directory(self.map(), directory)
    }

    /// Moves an entity; a point off the map is taken to its edge.
    ///
    /// # Errors
    /// [`Stop::Missing`] if it does not exist, [`Stop::Fault`] if it has no position.
    pub fn place(&mut self, id: ObjectId, at: Point) -> Result<()> {
        let spot = self.entity_spot(id)?;
        self.on.place(spot, at)
    }

    /// The position of an entity.
    ///
    /// # Errors
    /// As [`Task::place`].
    pub fn position(&mut self, id: ObjectId) -> Result<Point> {
        let spot = self.entity_spot(id)?;
        Ok(self.on.note_read(spot).at)
    }

    fn entity_spot(&mut self, id: ObjectId) -> Result<Spot> {
        if !id.is_entity() {
            return Err(Stop::Fault(format!("object {} has no position", id.raw())));
        }
        self.spot(id)
    }

    /// Shows every entity within `radius` metres of `point`, across regions, cell by cell.
    pub fn nearby(
        &mut self,
        point: Point,
        radius: f64,
        mut see: impl FnMut(Entity<'_>),
    ) -> Result<()> {
        let map = *self.map();
        for cell in map.cells_within(point, radius) {
            self.on.go_on()?;
            let held = self.on.home(cell)?;
            let state = &self.on.held[held].state;
            let mut lazy = state.was_left_lazily(cell);
            for at in state.members(cell) {
                let slot = &state.slots[*at as usize];
                if slot.at.distance(point) <= radius
                    && let Some(entity) = slot.entity()
                {
                    lazy |= slot.lazy;
                    see(entity);
                }
            }
            self.on.note_read_lazy(lazy);
        }
        Ok(())
    }

    /// World time, in milliseconds since the Unix epoch; one instant for the whole task.
    pub fn now(&self) -> u64 {
        self.on.run.now_ms
    }

    /// Random numbers, seeded per task: the same when it runs again.
    pub fn random(&mut self) -> &mut fastrand::Rng {
        &mut self.on.run.rng
    }

    /// Sends an event to a session, if the task commits.
    pub fn send(&mut self, to: SessionId, event: Payload) {
        self.effect(Effect::Event {
            session: to,
            n: 0,
            payload: event,
        });
    }

    /// Ends a session, if the task commits.
    pub fn close(&mut self, session: SessionId, message: impl Into<String>) {
        self.effect(Effect::Close {
            session,
            message: message.into(),
        });
    }

    fn effect(&mut self, effect: Effect) {
        let run = &mut *self.on.run;
        if run.effects.len() == MAX_EFFECTS {
            let why = format!("a task may have at most {MAX_EFFECTS} effects");
            run.stop.get_or_insert(Stop::Fault(why));
        } else {
            run.effects.push(effect);
        }
    }

    /// The geometry.
    pub fn map(&self) -> &Map {
        &self.on.shared.map
    }
}

/// A name up to its last `/`; all of a name without one is in the directory "".
/// Where the names of a directory live.
fn home_of_directory(map: &Map, directory: &str) -> Home {
    // FNV-1a: homes of names are stored, so how they are found must never change.
    let hash = directory
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
        });
    map.shard_of(hash)
}

/// Where a name lives.
pub(crate) fn home_of_name(map: &Map, name: &str) -> Home {
    home_of_directory(map, directory_of(name))
}

fn directory_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(directory, _)| directory)
}
