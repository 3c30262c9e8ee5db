//! Lives here: the model: the same world kept in plain maps, undone by keeping the whole of it
//! twice. It is slow and obviously right, and says what the engine must answer.
//! Not here: programs (`programs`).

use std::collections::{BTreeMap, VecDeque};

use world_data::{ObjectId, Point, Ref, Stop};

use crate::ground::{self, BANK, FUNDS, GENESIS_MARK, MAP, Thing, WALKERS};
use crate::programs::{Api, Either, End, Kept, Program, Saw, run};

/// A world in plain maps.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Model {
    pub(crate) objects: BTreeMap<ObjectId, Item>,
    pub(crate) names: BTreeMap<String, ObjectId>,
    /// What it has told.
    pub(crate) sent: Vec<u64>,
    /// The ids that the engine gave to what the running task makes: nothing else can know them.
    ids: VecDeque<ObjectId>,
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

    /// Runs a program to its end, whole or not at all; says what it was answered and whether it
    /// took effect. `made` are the ids that the engine gave out in the same run.
    pub(crate) fn execute(
        &mut self,
        program: &Program,
        mark: u32,
        known: &[ObjectId],
        made: impl IntoIterator<Item = ObjectId>,
    ) -> (Vec<Saw>, bool) {
        let before = self.clone();
        self.ids = made.into_iter().collect();
        let mut saw = Vec::new();
        let panics = matches!(program.end, End::Panic | End::PanicInside(_));
        let ends = if panics { End::Refuse } else { program.end };
        let program = Program {
            ops: program.ops.clone(),
            end: ends,
        };
        let commits = run(self, &program, mark, known, &mut saw).is_ok();
        self.ids.clear();
        if !commits {
            *self = before;
        }
        (saw, commits)
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
            .ids
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
        self.objects
            .remove(&id)
            .map(|_| ())
            .ok_or(Stop::Missing(id))
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
}
