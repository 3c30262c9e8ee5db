//! Lives here: the proving ground, the small world that all proofs run on, and how they open it.
//! Not here: what is run on it (`programs`) and what is expected (`model`).
//!
//! Invariant: every change that a task makes to a thing adds the task's mark to it, so a thing's
//! marks are the history of its writers.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use world_data::{
    Call, Class, Done, Effect, EffectSink, Engine, Entity, Fault, JobId, Kinds, Map, NoClients,
    Object, OnFailure, OpenError, Options, Outcome, Payload, Point, Ref, Report, SessionId, Step,
    Stop, Task, Tick, Worker, World,
};

use crate::programs::Either;

/// What the ground is full of: a number and the marks of all that wrote it.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(default)]
pub(crate) struct Thing {
    pub(crate) n: i64,
    pub(crate) marks: Vec<u32>,
    /// A thing with legs is moved by the tick: this many metres east and south.
    pub(crate) legs: Option<(f64, f64)>,
    pub(crate) steps: u32,
}

impl Object for Thing {
    const KIND: u16 = 1;
    const NAME: &'static str = "thing";
}

/// Another kind, to be mistaken for a thing.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(default)]
pub(crate) struct Note {
    pub(crate) text: String,
}

impl Object for Note {
    const KIND: u16 = 2;
    const NAME: &'static str = "note";
}

/// A job: it does what its seed says.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub(crate) struct Chore {
    pub(crate) seed: u64,
}

/// Keyed things that genesis makes and nobody removes.
pub(crate) const BANK: u64 = 16;
/// What each of them begins with.
pub(crate) const FUNDS: i64 = 100;
/// Walkers that genesis makes and nobody removes; the odd ones have legs.
pub(crate) const WALKERS: u64 = 10;
/// The mark of genesis.
pub(crate) const GENESIS_MARK: u32 = 0;

/// How far a thing looks in its tick, in metres.
pub(crate) const NEAR: f64 = 8.0;

/// The proving ground: 8 × 8 cells and 16 shards.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ground;

/// Its geometry.
pub(crate) const MAP: Map = Map {
    cell: 32.0,
    side: 8,
    shards: 16,
};

impl Thing {
    pub(crate) fn new(n: i64, mark: u32) -> Self {
        Self {
            n,
            marks: vec![mark],
            ..Self::default()
        }
    }
}

/// Forgets what the tick did to a thing with legs.
pub(crate) fn mask(value: &mut Either) {
    if let Either::Thing(thing) = value
        && thing.legs.is_some()
    {
        (thing.legs, thing.steps) = (Some((0.0, 0.0)), 0);
    }
}

/// Where genesis puts walker `number`.
pub(crate) fn start_of(number: u64) -> Point {
    Point::new(12.0 + 25.0 * number as f64, 250.0 - 24.0 * number as f64)
}

/// What walker `number` is at first.
pub(crate) fn walker(number: u64) -> Thing {
    let legs = (number % 2 == 1).then_some((9.0 + number as f64, 5.0));
    Thing {
        legs,
        ..Thing::new(0, GENESIS_MARK)
    }
}

pub(crate) fn walker_name(number: u64) -> String {
    format!("walker/{number}")
}

impl World for Ground {
    const NAME: &'static str = "ground";
    type Command = ();
    type Reply = ();
    type Input = ();
    type Job = Chore;
    type View = i64;

    fn map(&self) -> Map {
        MAP
    }

    fn tick_radius(&self) -> f64 {
        NEAR
    }

    fn kinds(&self) -> Kinds {
        Kinds::new().with::<Thing>().with::<Note>()
    }

    fn genesis(&self, task: &mut Task<'_>) -> Result<(), Stop> {
        for key in 0..BANK {
            task.create_keyed(key, Thing::new(FUNDS, GENESIS_MARK))?;
        }
        for number in 0..WALKERS {
            let walker = task.create_at(walker(number), start_of(number))?;
            task.bind(&walker_name(number), walker.id())?;
        }
        Ok(())
    }

    /// Tests that give a job its turn bring their own rule; this is that of replays.
    fn job(&self, task: &mut Task<'_>, this: JobId, chore: &Chore) -> Result<(), Stop> {
        task.send(session(0), Payload::new(chore.seed));
        task.get(Ref::<Thing>::new(this.of())).map(|_| ())
    }

    fn tick(&self, tick: &Tick<'_>, entity: Entity<'_>) -> Step {
        let Some(thing) = entity.get::<Thing>() else {
            return Step::Stay;
        };
        let mut near = 0;
        tick.nearby(entity.at(), NEAR, |_| near += 1);
        step(thing, entity.at(), near).map_or(Step::Stay, |(thing, at)| match thing {
            None => Step::Go(at),
            Some(thing) => Step::become_at(thing, at),
        })
    }

    fn view(&self, entity: Entity<'_>) -> Option<i64> {
        entity.get::<Thing>().map(|thing| thing.n)
    }
}

/// One tick of a thing with `near` entities around it, itself included: what becomes of it, and
/// where it goes.
pub(crate) fn step(thing: &Thing, at: Point, near: usize) -> Option<(Option<Thing>, Point)> {
    let (east, south) = thing.legs.filter(|_| near <= 3)?;
    let to = MAP.clamp(Point::new(at.x + east, at.y + south));
    if to.distance(at) + 1e-9 < east.hypot(south) {
        // It has come to the edge, and turns.
        let legs = Some((-south, east));
        return Some((
            Some(Thing {
                legs,
                steps: thing.steps + 1,
                ..thing.clone()
            }),
            at,
        ));
    }
    if thing.steps.is_multiple_of(2) || near == 2 {
        return Some((
            Some(Thing {
                steps: thing.steps + 1,
                ..thing.clone()
            }),
            to,
        ));
    }
    Some((None, to))
}

/// A folder for a world; in memory where there is such a place, since what is simulated needs no
/// disk.
pub(crate) fn folder(on_disk: bool) -> TempDir {
    let memory = Path::new("/dev/shm");
    if on_disk || !memory.is_dir() {
        return tempfile::tempdir().unwrap();
    }
    tempfile::tempdir_in(memory).unwrap()
}

/// Options for tests: a failed store does not end the process.
pub(crate) fn options() -> Options {
    Options {
        regions: 3,
        store_bytes: 64 << 20,
        start_ms: 1_000_000,
        on_failure: Some(OnFailure(Arc::new(|_| {}))),
        ..Options::default()
    }
}

/// A sink that keeps what it is given, in order.
#[derive(Debug, Default)]
pub(crate) struct Heard(Mutex<Vec<Told>>);

/// One effect, as far as tests look at it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Told {
    Event(SessionId, u64),
    Reply(SessionId, u64, Option<Fault>),
    Close(SessionId),
}

impl Heard {
    pub(crate) fn all(&self) -> Vec<Told> {
        self.0.lock().clone()
    }

    /// The events alone.
    pub(crate) fn events(&self) -> Vec<u64> {
        let event = |told| {
            if let Told::Event(_, number) = told {
                Some(number)
            } else {
                None
            }
        };
        self.all().into_iter().filter_map(event).collect()
    }
}

/// What a test needs of an effect.
pub(crate) fn told(effect: &Effect) -> Told {
    match effect {
        Effect::Event {
            session, payload, ..
        } => {
            let number = serde_json::to_value(payload).unwrap().as_u64();
            Told::Event(*session, number.expect("tests send numbers"))
        }
        Effect::Reply {
            session,
            seq,
            outcome,
        } => {
            let fault = match outcome {
                Outcome::Ok(_) => None,
                Outcome::Error { fault, .. } => Some(*fault),
            };
            Told::Reply(*session, *seq, fault)
        }
        Effect::Close { session, .. } => Told::Close(*session),
        other => panic!("no test does this: {other:?}"),
    }
}

impl EffectSink for Heard {
    fn deliver(&self, effects: Vec<Effect>) {
        self.0.lock().extend(effects.iter().map(told));
    }
}

/// Opens the ground for tests that are not about effects.
pub(crate) fn open(dir: &Path, options: Options) -> Result<Engine, OpenError> {
    Engine::open(dir, &Ground, options, Arc::new(NoClients))
}

pub(crate) fn bank(key: u64) -> Ref<Thing> {
    Ref::keyed(key)
}

/// Any session will do.
pub(crate) fn session(number: u128) -> SessionId {
    SessionId(uuid::Uuid::from_u128(number))
}

pub(crate) fn call(class: Class) -> Call<'static> {
    Call {
        kind: "command",
        class,
        origin: &"a test",
    }
}

/// The reply that tells a client of a task's end.
pub(crate) fn reply(to: SessionId, seq: u64, failed: Option<(Fault, String)>) -> Effect {
    let outcome = match failed {
        None => Outcome::Ok(Payload::new(seq)),
        Some((fault, message)) => Outcome::Error { fault, message },
    };
    Effect::Reply {
        session: to,
        seq,
        outcome,
    }
}

/// Runs a durable task and returns what came of it.
pub(crate) fn run<R>(
    worker: &mut Worker,
    body: impl FnMut(&mut Task<'_>) -> Result<R, Stop>,
) -> (Result<R, (Fault, String)>, Report) {
    run_as(worker, Class::Durable, body)
}

/// Runs a task of a class and returns what came of it.
pub(crate) fn run_as<R>(
    worker: &mut Worker,
    class: Class,
    body: impl FnMut(&mut Task<'_>) -> Result<R, Stop>,
) -> (Result<R, (Fault, String)>, Report) {
    let mut result = None;
    let report = worker.execute(call(class), body, |done| {
        result = Some(match done {
            Done::Committed(value) => Ok(value),
            Done::Ended(fault, why) => Err((fault, why)),
        });
        None
    });
    (result.expect("a task is concluded once"), report)
}

/// Runs a task that must commit.
pub(crate) fn must<R>(
    worker: &mut Worker,
    body: impl FnMut(&mut Task<'_>) -> Result<R, Stop>,
) -> R {
    run(worker, body).0.expect("this task must commit")
}

/// One tick of all regions in step: each sees all others as they stood before it.
pub(crate) fn tick_in_step<W: World>(engine: &Engine, worker: &mut Worker, world: &W, number: u64) {
    let list = &engine.regions().list;
    for (region, _) in list {
        worker.show(*region);
    }
    let begun = list
        .iter()
        .map(|(region, _)| worker.begin_tick(*region, world, number, 0.05).unwrap());
    let begun: Vec<_> = begun.collect();
    for begun in begun {
        worker.end_tick(begun);
    }
}
