//! Lives here: the model: the same world kept in plain maps, undone by keeping the whole of it
//! twice. It is slow and obviously right, and says what the engine must answer.
//! Not here: programs (`programs`).

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use world_data::{JobId, ObjectId, Pending, Point, Ref, Stop};

use crate::ground::{self, BANK, FUNDS, GENESIS_MARK, MAP, Thing, WALKERS};
use crate::programs::{Api, Either, End, Given, Kept, Later, Program, Saw, run};

/// A world in plain maps.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Model {
    pub(crate) objects: BTreeMap<ObjectId, Item>,
    pub(crate) names: BTreeMap<String, ObjectId>,
    /// What it has told.
    pub(crate) sent: Vec<u64>,
    /// The jobs that wait, and the seeds of their chores.
    pub(crate) jobs: BTreeMap<JobId, (Pending, u64)>,
    /// The ids that the engine gave to what the running task makes: nothing else can know them.
    made: Made,
    now: u64,
}

/// What a run has made, in order: numbered objects and jobs.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Made {
    pub(crate) objects: VecDeque<ObjectId>,
    pub(crate) jobs: VecDeque<JobId>,
}

/// An object, and where it is if it is an entity.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Item {
    pub(crate) value: Either,
    pub(crate) at: Option<Point>,
}

impl Item {
    /// Whether the tick moves it: then its place is nobody's business but the tick's.
    pub(crate) fn has_legs(&self) -> bool {
        matches!(&self.value, Either::Thing(thing) if thing.legs.is_some())
    }
}

impl Model {
    /// The world after genesis, whose walkers got these ids.
    pub(crate) fn genesis(walkers: &[ObjectId]) -> Self {
        let mut model = Self::default();
        for key in 0..BANK {
            let value = Thing::new(FUNDS, GENESIS_MARK).wrap();
            model
                .objects
                .insert(ground::bank(key).id(), Item { value, at: None });
        }
        for number in 0..WALKERS {
            let (id, at) = (walkers[number as usize], ground::start_of(number));
            let item = Item {
                value: ground::walker(number).wrap(),
                at: Some(at),
            };
            model.objects.insert(id, item);
            model.names.insert(ground::walker_name(number), id);
        }
        model
    }

    /// Runs a program to its end, whole or not at all, at the time `now`; says what it was answered
    /// and whether it took effect. `made` are the ids that the engine gave out in the same run.
    ///
    /// # Errors
    /// It would be the turn of a job that has none.
    pub(crate) fn execute(
        &mut self,
        program: &Program,
        given: &Given,
        now: u64,
        made: Made,
    ) -> Result<(Vec<Saw>, bool), String> {
        if let Some((this, seed)) = given.this {
            self.pass_turn(this, now, seed)?;
        }
        let before = self.clone();
        (self.made, self.now) = (made, now);
        let mut saw = Vec::new();
        let panics = matches!(program.end, End::Panic | End::PanicInside(_));
        let ends = if panics { End::Refuse } else { program.end };
        let program = Program {
            ops: program.ops.clone(),
            end: ends,
        };
        let commits = run(self, &program, given, &mut saw).is_ok();
        if !commits {
            *self = before;
        }
        (self.made, self.now) = (Made::default(), 0);
        Ok((saw, commits))
    }

    /// A job has its turn, however that ends.
    ///
    /// # Errors
    /// It does not wait, or is not due, or is another chore.
    pub(crate) fn pass_turn(&mut self, this: JobId, now: u64, seed: u64) -> Result<(), String> {
        let waiting = self.jobs.get_mut(&this);
        let is_turn = |(job, chore): &&mut (Pending, u64)| job.due_ms <= now && *chore == seed;
        let Some((job, _)) = waiting.filter(is_turn) else {
            let is = self.jobs.get(&this);
            return Err(format!("{this:?} had a turn at {now}, and is {is:?}"));
        };
        match job.every {
            None => _ = self.jobs.remove(&this),
            Some(every) => {
                while job.due_ms <= now {
                    job.due_ms += every.as_millis() as u64;
                }
            }
        }
        Ok(())
    }

    /// The world begins again at `now`.
    pub(crate) fn restart(&mut self, now: u64) {
        for (job, _) in self.jobs.values_mut() {
            while let Some(every) = job.every.filter(|_| job.due_ms < now) {
                job.due_ms += every.as_millis() as u64;
            }
        }
    }

    /// Ticks everything once, all of it as it stood before: the model has no regions.
    pub(crate) fn tick(&mut self) {
        let before = self.clone();
        for (id, item) in &before.objects {
            let (Some(at), Either::Thing(thing)) = (item.at, &item.value) else {
                continue;
            };
            let is_near = |p: Point| p.distance(at) <= ground::NEAR;
            let all = before.objects.values();
            let near = all.filter(|other| other.at.is_some_and(is_near));
            let Some((changed, to)) = ground::step(thing, at, near.count()) else {
                continue;
            };
            let value = changed.map_or_else(|| item.value.clone(), Kept::wrap);
            let at = Some(to);
            self.objects.insert(*id, Item { value, at });
        }
    }

    fn item(&mut self, id: ObjectId) -> Result<&mut Item, Stop> {
        self.objects.get_mut(&id).ok_or(Stop::Missing(id))
    }

    fn insert(&mut self, value: Either, at: Option<Point>) -> ObjectId {
        let id = self
            .made
            .objects
            .pop_front()
            .expect("the engine made as many objects");
        let old = self.objects.insert(id, Item { value, at });
        assert!(old.is_none(), "the engine gave out {id:?} twice");
        id
    }

    fn thing(&mut self, id: ObjectId) -> Result<&mut Thing, Stop> {
        match &mut self.item(id)?.value {
            Either::Thing(thing) => Ok(thing),
            Either::Note(_) => Err(Stop::Fault("not a thing".into())),
        }
    }
}

fn directory_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(directory, _)| directory)
}

fn fault<T>(why: &str) -> Result<T, Stop> {
    Err(Stop::Fault(why.into()))
}

impl Api for Model {
    fn get(&mut self, id: ObjectId) -> Result<Thing, Stop> {
        self.thing(id).cloned()
    }

    fn find<T: Kept>(&mut self, id: ObjectId, strict: bool) -> Result<Option<T>, Stop> {
        let Some(item) = self.objects.get(&id) else {
            return Ok(None);
        };
        match T::unwrap(&item.value) {
            None if strict => fault("of another kind"),
            found => Ok(found.cloned()),
        }
    }

    fn update(
        &mut self,
        id: ObjectId,
        change: &mut dyn FnMut(&mut Thing) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let mut thing = self.thing(id)?.clone();
        change(&mut thing)?;
        self.item(id)?.value = Either::Thing(thing);
        Ok(())
    }

    fn create<T: Kept>(&mut self, object: T) -> Result<ObjectId, Stop> {
        Ok(self.insert(object.wrap(), None))
    }

    fn create_at(&mut self, thing: Thing, at: Point) -> Result<ObjectId, Stop> {
        Ok(self.insert(thing.wrap(), Some(MAP.clamp(at))))
    }

    fn create_keyed(&mut self, key: u64, thing: Thing) -> Result<ObjectId, Stop> {
        let id = Ref::<Thing>::keyed(key).id();
        if self.objects.contains_key(&id) {
            return fault("exists");
        }
        self.objects.insert(
            id,
            Item {
                value: thing.wrap(),
                at: None,
            },
        );
        Ok(id)
    }

    fn remove(&mut self, id: ObjectId) -> Result<(), Stop> {
        self.objects.remove(&id).ok_or(Stop::Missing(id))?;
        self.jobs.retain(|job, (is, _)| job.of() != id || !is.tied);
        Ok(())
    }

    fn place(&mut self, id: ObjectId, at: Point) -> Result<(), Stop> {
        if !id.is_entity() {
            return fault("no position");
        }
        self.item(id)?.at = Some(MAP.clamp(at));
        Ok(())
    }

    fn position(&mut self, id: ObjectId) -> Result<Point, Stop> {
        if !id.is_entity() {
            return fault("no position");
        }
        self.item(id)?.at.ok_or(Stop::Missing(id))
    }

    fn nearby(&mut self, at: Point, radius: f64) -> Result<Vec<(ObjectId, Point, i64)>, Stop> {
        let without_legs = self.objects.iter().filter(|(_, item)| !item.has_legs());
        let near = without_legs.filter_map(|(id, item)| match (&item.value, item.at) {
            (Either::Thing(thing), Some(is)) if is.distance(at) <= radius => {
                Some((*id, is, thing.n))
            }
            _ => None,
        });
        Ok(near.collect())
    }

    fn bind(&mut self, name: &str, id: ObjectId) -> Result<(), Stop> {
        if name.is_empty() || name.len() > world_data::task::MAX_NAME {
            return fault("too long");
        }
        self.names.insert(name.into(), id);
        Ok(())
    }

    fn lookup(&mut self, name: &str) -> Result<Option<ObjectId>, Stop> {
        Ok(self.names.get(name).copied())
    }

    fn unbind(&mut self, name: &str) -> Result<bool, Stop> {
        Ok(self.names.remove(name).is_some())
    }

    fn names(
        &mut self,
        directory: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, ObjectId)>, Stop> {
        let inside = self.names.iter().filter(|(name, _)| {
            directory_of(name) == directory && after.is_none_or(|after| name.as_str() > after)
        });
        Ok(inside
            .take(limit)
            .map(|(name, id)| (name.clone(), *id))
            .collect())
    }

    fn send(&mut self, number: u64) {
        self.sent.push(number);
    }

    fn schedule(&mut self, of: ObjectId, later: Later, again: bool) -> Result<JobId, Stop> {
        self.item(of)?;
        let made = self.made.jobs.pop_front();
        let id = made.expect("the engine made as many jobs");
        let job = Pending {
            id,
            due_ms: self.now + later.millis,
            every: again.then(|| Duration::from_millis(later.millis)),
            tied: later.tied,
        };
        let old = self.jobs.insert(id, (job, later.seed));
        assert!(old.is_none(), "the engine gave out {id:?} twice");
        Ok(id)
    }

    fn jobs(&mut self, of: ObjectId) -> Result<Vec<Pending>, Stop> {
        let jobs = self.jobs.values().map(|(job, _)| *job);
        Ok(jobs.filter(|job| job.id.of() == of).collect())
    }

    fn cancel(&mut self, job: JobId) -> Result<(), Stop> {
        let waited = self.jobs.remove(&job);
        waited.map(|_| ()).ok_or(Stop::refused("no_such_job"))
    }
}
