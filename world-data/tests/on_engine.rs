//! Lives here: programs' interface on a task of the engine: nothing but calls handed on.
//! Not here: the same on the model (`model`).

use std::time::Duration;

use world_data::{JobId, ObjectId, Owner, Pending, Point, Ref, SessionId, Stop, Task};

use crate::ground::{Chore, Thing};
use crate::programs::{Api, Kept, Later};

/// The engine's own task, with the session that it tells things.
pub(crate) struct OnEngine<'a, 'w> {
    pub(crate) task: &'a mut Task<'w>,
    pub(crate) session: SessionId,
}

impl Api for OnEngine<'_, '_> {
    fn get(&mut self, id: ObjectId) -> Result<Thing, Stop> {
        self.task.read(Ref::<Thing>::new(id), Thing::clone)
    }

    fn find<T: Kept>(&mut self, id: ObjectId, strict: bool) -> Result<Option<T>, Stop> {
        let found = if strict {
            self.task.find(Ref::<T>::new(id))?
        } else {
            self.task.find_kind(id)?
        };
        Ok(found.map(|object| T::clone(&object)))
    }

    fn update(
        &mut self,
        id: ObjectId,
        change: &mut dyn FnMut(&mut Thing) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        self.task.update(Ref::<Thing>::new(id), change)
    }

    fn create<T: Kept>(&mut self, object: T) -> Result<ObjectId, Stop> {
        self.task.create(object).map(Ref::id)
    }

    fn create_at(&mut self, thing: Thing, at: Point) -> Result<ObjectId, Stop> {
        self.task.create_at(thing, at).map(Ref::id)
    }

    fn create_keyed(&mut self, key: u64, thing: Thing) -> Result<ObjectId, Stop> {
        self.task.create_keyed(key, thing).map(Ref::id)
    }

    fn remove(&mut self, id: ObjectId) -> Result<(), Stop> {
        self.task.remove(id)
    }

    fn place(&mut self, id: ObjectId, at: Point) -> Result<(), Stop> {
        self.task.place(id, at)
    }

    fn position(&mut self, id: ObjectId) -> Result<Point, Stop> {
        self.task.position(id)
    }

    fn nearby(&mut self, at: Point, radius: f64) -> Result<Vec<(ObjectId, Point, i64)>, Stop> {
        let mut near = Vec::new();
        self.task
            .nearby(at, radius, |entity| match entity.get::<Thing>() {
                Some(thing) if thing.legs.is_none() => {
                    near.push((entity.id(), entity.at(), thing.n));
                }
                _ => {}
            })?;
        near.sort_by_key(|(id, ..)| *id);
        Ok(near)
    }

    fn bind(&mut self, name: &str, id: ObjectId) -> Result<(), Stop> {
        self.task.bind(name, id)
    }

    fn lookup(&mut self, name: &str) -> Result<Option<ObjectId>, Stop> {
        self.task.lookup(name)
    }

    fn unbind(&mut self, name: &str) -> Result<bool, Stop> {
        self.task.unbind(name)
    }

    fn names(
        &mut self,
        directory: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, ObjectId)>, Stop> {
        self.task.names(directory, after, limit)
    }

    fn send(&mut self, number: u64) {
        self.task
            .send(self.session, world_data::Payload::new(number));
    }

    fn schedule(&mut self, of: ObjectId, later: Later, again: bool) -> Result<JobId, Stop> {
        let time = Duration::from_millis(later.millis);
        let chore = Chore { seed: later.seed };
        let owner = if later.tied {
            Owner::tied(of)
        } else {
            of.into()
        };
        if again {
            self.task.every(owner, time, &chore)
        } else {
            self.task.after(owner, time, &chore)
        }
    }

    fn jobs(&mut self, of: ObjectId) -> Result<Vec<Pending>, Stop> {
        self.task.jobs(of)
    }

    fn cancel(&mut self, job: JobId) -> Result<(), Stop> {
        self.task.cancel(job)
    }
}
