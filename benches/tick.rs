//! Lives here: `tick/sheep`: a region's tick over 10,000 sheep, against a loop over a plain `Vec`.
//! Not here: how sheep of the meadow behave; these are simpler, so that ours and the floor run
//! the very same step function.
//!
//! Both call `Lamb::step` for each lamb. The floor keeps lambs and positions in one `Vec` and
//! writes the results back in place, on one thread. Ours may use all threads, and besides
//! remembers which cells changed, what to show, and what to write to disk; it is also asked what
//! changed, as a server is after each tick.

use std::sync::Arc;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use world_data::{
    Caller, Engine, Entity, Kinds, Map, NoClients, Object, ObjectId, Options, Point, RegionId, Rng,
    Step, Stop, Task, Tick, Worker, World,
};

use crate::harness::{Measure, Plan, compare, median, time};

const LAMBS: u64 = 10_000;
const METRES: f64 = 2048.0;
const TICKS: usize = 100;
const SECONDS: f64 = 0.05;
const SPEED: f64 = 4.5;
const SEED: u64 = 7;

pub(crate) fn run(plan: &Plan) -> Result<()> {
    if !plan.wants_area("tick/sheep") {
        return Ok(());
    }
    let ticks = plan.times(TICKS);
    for (name, restless) in [("most-graze", 0.05), ("all-run", 1.0)] {
        let id = format!("tick/sheep/10000/{name}");
        let goal = Measure::Time { at_most: Some(5.0) };
        let (mut ours, mut floor) = (Ours::new(restless)?, Floor::new(restless));
        compare(
            plan,
            &id,
            goal,
            || ours.ticks(ticks),
            || Ok(floor.ticks(ticks)),
        )?;
    }
    Ok(())
}

/// A sheep that runs to a goal, grazes there, and now and then has a new goal.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default)]
struct Lamb {
    goal: Option<Point>,
    /// The part of lambs that are on their way.
    restless: f64,
}

impl Object for Lamb {
    const KIND: u16 = 1;
    const NAME: &'static str = "lamb";
}

/// What a step brings.
enum Next {
    Stay,
    Go(Point),
    Become(Lamb, Point),
}

impl Lamb {
    fn step(&self, at: Point, seconds: f64, random: impl FnOnce() -> Rng) -> Next {
        if let Some(goal) = self.goal {
            let next = at.towards(goal, SPEED * seconds);
            if next != goal {
                return Next::Go(next);
            }
            return Next::Become(
                Self {
                    goal: None,
                    ..*self
                },
                next,
            );
        }
        let mut random = random();
        // The share on the way is kept: one goes when, on average, one arrives.
        let chance = if self.restless < 1.0 {
            self.restless / WALK_TICKS
        } else {
            1.0
        };
        if random.f64() >= chance {
            return Next::Stay;
        }
        let (east, south) = (random.f64() - 0.5, random.f64() - 0.5);
        let goal = Point::new(at.x + east * WALK_METRES, at.y + south * WALK_METRES);
        let goal = Point::new(
            goal.x.clamp(0.0, METRES - 1.0),
            goal.y.clamp(0.0, METRES - 1.0),
        );
        Next::Become(
            Self {
                goal: Some(goal),
                ..*self
            },
            at,
        )
    }
}

/// The side of the square in which the next goal lies, and how long the way there takes, about.
const WALK_METRES: f64 = 40.0;
const WALK_TICKS: f64 = WALK_METRES * 0.38 / (SPEED * SECONDS);

/// Where the lambs stand at first, and whether each is on its way.
fn lambs(restless: f64) -> Vec<(Point, Lamb)> {
    let mut random = Rng::with_seed(SEED);
    let mut place = || Point::new(random.f64() * METRES, random.f64() * METRES);
    let all: Vec<_> = (0..LAMBS).map(|_| (place(), place())).collect();
    all.into_iter()
        .enumerate()
        .map(|(n, (at, to))| {
            let walks = (n as f64 / LAMBS as f64) < restless;
            let goal = walks.then(|| at.towards(to, WALK_METRES * 0.38));
            (at, Lamb { goal, restless })
        })
        .collect()
}

struct Flock(f64);

impl World for Flock {
    const NAME: &'static str = "flock";
    type Command = ();
    type Reply = ();
    type Input = ();
    type View = ();

    fn map(&self) -> Map {
        Map::square(METRES)
    }

    fn kinds(&self) -> Kinds {
        Kinds::new().with::<Lamb>()
    }

    fn genesis(&self, task: &mut Task<'_>) -> Result<(), Stop> {
        for (at, lamb) in lambs(self.0) {
            task.create_at(lamb, at)?;
        }
        Ok(())
    }

    fn login(&self, _: &mut Task<'_>, _: &Caller) -> Result<Option<ObjectId>, Stop> {
        Ok(None)
    }

    fn logout(&self, _: &mut Task<'_>, _: &Caller) -> Result<(), Stop> {
        Ok(())
    }

    fn command(&self, _: &mut Task<'_>, _: &Caller, (): &()) -> Result<(), Stop> {
        Ok(())
    }

    fn input(&self, _: &mut Task<'_>, _: &Caller, (): &()) -> Result<(), Stop> {
        Ok(())
    }

    fn tick(&self, tick: &Tick<'_>, entity: Entity<'_>) -> Step {
        let Some(lamb) = entity.get::<Lamb>() else {
            return Step::Stay;
        };
        match lamb.step(entity.at(), tick.seconds(), || tick.random(entity.id())) {
            Next::Stay => Step::Stay,
            Next::Go(at) => Step::Go(at),
            Next::Become(lamb, at) => Step::become_at(lamb, at),
        }
    }

    fn view(&self, _: Entity<'_>) -> Option<()> {
        Some(())
    }
}

/// The engine with all lambs in one region.
struct Ours {
    world: Flock,
    worker: Worker,
    region: RegionId,
    number: u64,
}

impl Ours {
    fn new(restless: f64) -> Result<Self> {
        let world = Flock(restless);
        let options = Options {
            regions: 1,
            ..Options::default()
        };
        let engine = Engine::in_memory(&world, options, Arc::new(NoClients))?;
        let region = engine.regions().list[0].0;
        Ok(Self {
            world,
            worker: engine.worker(),
            region,
            number: 0,
        })
    }

    /// The median time of one tick.
    fn ticks(&mut self, count: usize) -> Result<f64> {
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            self.number += 1;
            let (took, seen) = time(|| {
                let ticked = self
                    .worker
                    .tick(self.region, &self.world, self.number, SECONDS);
                let moved = self.worker.observe(self.region, |scene| {
                    let mut moved = 0;
                    scene.moved(|_| moved += 1);
                    moved
                });
                ticked.map(|ticked| ticked.entities).zip(moved)
            });
            ensure!(
                seen.is_some_and(|(entities, _)| entities as u64 == LAMBS),
                "lambs are missing"
            );
            times.push(took.as_secs_f64());
        }
        Ok(median(times))
    }
}

/// The plain `Vec`.
struct Floor {
    lambs: Vec<(Point, Lamb)>,
    number: u64,
}

impl Floor {
    fn new(restless: f64) -> Self {
        Self {
            lambs: lambs(restless),
            number: 0,
        }
    }

    fn ticks(&mut self, count: usize) -> f64 {
        let times = (0..count).map(|_| {
            self.number += 1;
            let number = self.number;
            let (took, ()) = time(|| {
                for (n, (at, lamb)) in self.lambs.iter_mut().enumerate() {
                    // The same mix of seed and number that a tick's own random numbers use.
                    let mix = (n as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                    let random = || Rng::with_seed(SEED ^ number.rotate_left(40) ^ mix);
                    match lamb.step(*at, SECONDS, random) {
                        Next::Stay => {}
                        Next::Go(next) => *at = next,
                        Next::Become(next, there) => (*lamb, *at) = (next, there),
                    }
                }
            });
            took.as_secs_f64()
        });
        median(times.collect())
    }
}
