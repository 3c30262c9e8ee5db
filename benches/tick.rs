//! Lives here: `tick/sheep`: ticks of 10,000 sheep, against a loop over a plain `Vec`; and
//! `tick/threads`: from how many slots on a second thread pays; and `tick/measuring`: what it costs
//! to measure a region, against what is measured. Not here: how sheep of the meadow behave; these are
//! simpler, so that ours and the floor run the very same step function.
//!
//! Both call `Lamb::step` for each lamb. The floor keeps lambs and positions in one `Vec` and
//! writes the results back in place, on one thread. Ours besides remembers which cells changed,
//! what to show, and what to write to disk; it is also asked what changed, as a server is after
//! each tick. Three shapes of ours: one region on one thread; one region whose tick is computed by
//! two (`2-threads`); four regions on two threads that do not wait for each other (`4-regions`),
//! between which lambs cross by tasks of their own. The last two are given two cores where the
//! floor has one, so 2 is the most that they can bring.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};
use rayon::{ThreadPool, ThreadPoolBuilder};
use serde::{Deserialize, Serialize};
use world_data::{
    Engine, Entity, Kinds, Map, NoClients, Object, Options, Point, RegionId, Rng, Step, Stop, Task,
    Tick, Worker, World,
};

use crate::harness::{Measure, Plan, compare, median, now, time};

const LAMBS: usize = 10_000;
pub(crate) const METRES: f64 = 2048.0;
pub(crate) const TICKS: usize = 100;
const SECONDS: f64 = 0.05;
const SPEED: f64 = 4.5;
const SEED: u64 = 7;
/// The parts of lambs that are on their way.
const MOODS: [(&str, f64); 2] = [("most-graze", 0.05), ("all-run", 1.0)];
/// Numbers of lambs around the one from which on a second thread pays.
const SIZES: [usize; 5] = [512, 1024, 2048, 4096, 8192];

pub(crate) fn run(plan: &Plan) -> Result<()> {
    if plan.wants_area("tick/sheep") {
        sheep(plan)?;
    }
    if plan.wants_area("tick/threads") {
        threads(plan)?;
    }
    if plan.wants_area("tick/measuring") {
        measuring(plan)?;
    }
    Ok(())
}

/// Ticks per second.
const HZ: u32 = 20;
/// Looks at the clock by which a region's actor knows how long the parts of a tick took.
const CLOCKS: u32 = 5;
/// A survey waits until so many times what the last one took was done.
const SURVEY_PART: f64 = 200.0;
/// The part of a region's time that measuring it may take.
const MEASURING_AT_MOST: f64 = 0.02;

/// What a region's actor does in a tick only to measure it, against the tick.
fn measuring(plan: &Plan) -> Result<()> {
    for (mood, restless) in MOODS {
        let id = format!("tick/measuring/10000/{mood}");
        if !plan.wants(&id) {
            continue;
        }
        let flock = Flock {
            lambs: LAMBS,
            restless,
            sight: 0.0,
        };
        let ticks = plan.times(TICKS);
        let (mut measured, mut floor) = (Ours::new(flock, 1, 1)?, Ours::new(flock, 1, 1)?);
        let measure = Measure::Time {
            at_most: Some(MEASURING_AT_MOST),
        };
        compare(
            plan,
            &id,
            measure,
            || measured.measuring(),
            || floor.ticks(ticks),
        )?;
    }
    Ok(())
}

fn sheep(plan: &Plan) -> Result<()> {
    let ticks = plan.times(TICKS);
    for (mood, restless) in MOODS {
        let goal = Measure::Time { at_most: Some(5.0) };
        let free = Measure::Time { at_most: None };
        let shapes = [
            ("", 1, 1, goal),
            ("/2-threads", 1, 2, free),
            ("/4-regions", 4, 1, free),
        ];
        for (shape, regions, threads, measure) in shapes {
            let id = format!("tick/sheep/10000/{mood}{shape}");
            if !plan.wants(&id) {
                continue;
            }
            let flock = Flock {
                lambs: LAMBS,
                restless,
                sight: 0.0,
            };
            let (mut ours, mut floor) = (Ours::new(flock, regions, threads)?, Floor::new(flock));
            compare(
                plan,
                &id,
                measure,
                || ours.ticks(ticks),
                || Ok(floor.ticks(ticks)),
            )?;
        }
    }
    Ok(())
}

/// One region by two threads, against the same region by one: below 1 the second thread pays.
fn threads(plan: &Plan) -> Result<()> {
    for (does, restless, sight) in [
        ("graze", 0.05, 0.0),
        ("run", 1.0, 0.0),
        ("look", 0.05, 40.0),
    ] {
        for lambs in SIZES {
            let id = format!("tick/threads/{lambs}/{does}");
            if !plan.wants(&id) {
                continue;
            }
            let flock = Flock {
                lambs,
                restless,
                sight,
            };
            let ticks = plan.times(TICKS * SIZES[4] / lambs);
            let (mut two, mut one) = (Ours::new(flock, 1, 2)?, Ours::new(flock, 1, 1)?);
            let measure = Measure::Time { at_most: None };
            compare(plan, &id, measure, || two.ticks(ticks), || one.ticks(ticks))?;
        }
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
fn lambs(flock: Flock) -> Vec<(Point, Lamb)> {
    let Flock {
        lambs, restless, ..
    } = flock;
    let mut random = Rng::with_seed(SEED);
    let mut place = || Point::new(random.f64() * METRES, random.f64() * METRES);
    let all: Vec<_> = (0..lambs).map(|_| (place(), place())).collect();
    all.into_iter()
        .enumerate()
        .map(|(n, (at, to))| {
            let walks = (n as f64 / lambs as f64) < restless;
            let goal = walks.then(|| at.towards(to, WALK_METRES * 0.38));
            (at, Lamb { goal, restless })
        })
        .collect()
}

#[derive(Clone, Copy)]
pub(crate) struct Flock {
    pub(crate) lambs: usize,
    pub(crate) restless: f64,
    /// How far each lamb looks around in each tick, in metres; 0: not at all.
    pub(crate) sight: f64,
}

impl World for Flock {
    const NAME: &'static str = "flock";
    type Command = ();
    type Reply = ();
    type Input = ();
    type Job = ();
    type View = ();

    fn map(&self) -> Map {
        Map::square(METRES)
    }

    fn kinds(&self) -> Kinds {
        Kinds::new().with::<Lamb>()
    }

    fn genesis(&self, task: &mut Task<'_>) -> Result<(), Stop> {
        for (at, lamb) in lambs(*self) {
            task.create_at(lamb, at)?;
        }
        Ok(())
    }

    fn tick(&self, tick: &Tick<'_>, entity: Entity<'_>) -> Step {
        let Some(lamb) = entity.get::<Lamb>() else {
            return Step::Stay;
        };
        if self.sight > 0.0 {
            let mut near = 0;
            tick.nearby(entity.at(), self.sight, |_| near += 1);
            std::hint::black_box(near);
        }
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

/// The engine with all lambs in so many regions of the map.
pub(crate) struct Ours {
    flock: Flock,
    engine: Engine,
    /// One per thread, with the regions that are its.
    shares: Vec<(Worker, Vec<RegionId>)>,
    /// The threads that compute a tick, if there are several.
    pool: Option<ThreadPool>,
    number: u64,
}

/// Threads that four regions are spread over.
const WORKERS: usize = 2;

impl Ours {
    pub(crate) fn new(flock: Flock, regions: usize, threads: usize) -> Result<Self> {
        let options = Options {
            // One more, for what has no position, if the map is to be cut.
            regions: if regions > 1 { regions + 1 } else { 1 },
            parallel_from: if threads > 1 { 1 } else { usize::MAX },
            ..Options::default()
        };
        let engine = Engine::in_memory(&flock, options, Arc::new(NoClients))?;
        let map = flock.map();
        let cells = engine.regions().list.clone();
        let cells = cells
            .iter()
            .filter(|(_, interval)| map.is_cell(interval.from));
        let cells: Vec<_> = cells.map(|(id, _)| *id).collect();
        ensure!(
            cells.len() == regions,
            "the map has {} regions",
            cells.len()
        );
        let share = cells.len().div_ceil(WORKERS);
        let shares = cells.chunks(share);
        let shares = shares.map(|share| (engine.worker(), share.to_vec()));
        let pool = ThreadPoolBuilder::new().num_threads(threads);
        Ok(Self {
            flock,
            shares: shares.collect(),
            engine,
            pool: (threads > 1).then(|| pool.build()).transpose()?,
            number: 0,
        })
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The time of one tick of all regions.
    pub(crate) fn ticks(&mut self, count: usize) -> Result<f64> {
        let numbers = self.number + 1..self.number + 1 + count as u64;
        self.number += count as u64;
        let flock = self.flock;
        let took = match &mut self.shares[..] {
            [(worker, regions)] => {
                let region = regions[0];
                let one = |number| match &self.pool {
                    // As in a server, the thread that ticks is none of the pool's.
                    Some(pool) => time(|| pool.install(|| tick(worker, region, &flock, number))).0,
                    None => time(|| tick(worker, region, &flock, number)).0,
                };
                median(numbers.map(one).map(|took| took.as_secs_f64()).collect())
            }
            // They do not wait for each other, as threads of a server do not.
            shares => {
                let run = |(worker, regions): &mut (Worker, Vec<RegionId>)| {
                    for number in numbers.clone() {
                        for region in &*regions {
                            tick(worker, *region, &flock, number);
                        }
                    }
                };
                let (took, ()) = time(|| {
                    std::thread::scope(|scope| {
                        let run = &run;
                        for share in shares {
                            scope.spawn(move || run(share));
                        }
                    });
                });
                took.as_secs_f64() / count as f64
            }
        };
        self.check()?;
        Ok(took)
    }

    /// The time that measuring takes of one tick: its looks at the clock, and its part of a survey.
    fn measuring(&mut self) -> Result<f64> {
        self.number += 1;
        let (worker, regions) = &mut self.shares[0];
        let (tick, ticked) = time(|| worker.tick(regions[0], &self.flock, self.number, SECONDS));
        ticked.context("the region ticks")?;
        let survey = worker.observe(regions[0], |scene| {
            time(|| (scene.weights(), scene.take_tasks_with())).0
        });
        let survey = survey.context("the region is there")?;
        let busy = AtomicU64::new(0);
        let (clocks, ()) = time(|| {
            let mut last = now();
            for _ in 0..CLOCKS * HZ {
                let next = now();
                busy.fetch_add((next - last).as_nanos() as u64, Ordering::Relaxed);
                last = next;
            }
        });
        let clocks = clocks.as_secs_f64() / f64::from(HZ);
        let survey = survey.as_secs_f64() / f64::from(HZ);
        // As the region's actor: at most once per second, and no sooner than it is worth it.
        Ok(clocks + survey.min(tick.as_secs_f64() / SURVEY_PART))
    }

    /// Nobody is missing.
    fn check(&mut self) -> Result<()> {
        let mut lambs = 0;
        for (region, _) in &self.engine.regions().list {
            let count = self.shares[0].0.observe(*region, |scene| scene.counts().1);
            lambs += count.context("a region is missing")?;
        }
        ensure!(lambs == self.flock.lambs, "there are {lambs} lambs");
        Ok(())
    }
}

/// One tick of a region, and the question what changed.
fn tick(worker: &mut Worker, region: RegionId, flock: &Flock, number: u64) -> Option<usize> {
    worker.tick(region, flock, number, SECONDS)?;
    worker.observe(region, |scene| {
        let mut moved = 0;
        scene.moved(|_| moved += 1);
        moved
    })
}

/// The plain `Vec`.
struct Floor {
    lambs: Vec<(Point, Lamb)>,
    number: u64,
}

impl Floor {
    fn new(flock: Flock) -> Self {
        Self {
            lambs: lambs(flock),
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
