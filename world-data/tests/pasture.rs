//! Lives here: the pasture, a world whose goats live by the tick alone, and what is left of it in
//! one number. Not here: what is shown on it (`ticks`).
//!
//! Goats are touchy on purpose: each draws dice in each tick, and sums up what it sees in floating
//! point, so that one die more or another order of the same goats makes another pasture.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use world_data::{
    Engine, Entity, Kinds, Map, NoClients, Object, Options, Point, Rng, Step, Stop, Task, Tick,
    Worker, World,
};

use crate::ground::{must, options};

/// The side of the pasture, in metres: 16 × 16 cells.
const METRES: f64 = 512.0;
/// How far a goat sees, in metres.
const SIGHT: f64 = 12.0;
/// How far a goat that walks gets in a tick, in metres.
const STEP: f64 = 1.5;
/// A goat that lies gets up in one tick of so many, and one that walks lies down.
const ONE_IN: u32 = 400;
const SEED: u64 = 11;

/// A goat lies, or walks where its nose points.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(default)]
struct Goat {
    walks: bool,
    /// Where its nose points, in radians.
    nose: f64,
    /// What it has seen so far, summed up.
    seen: f64,
}

impl Object for Goat {
    const KIND: u16 = 1;
    const NAME: &'static str = "goat";
}

/// So many goats, one in three of them on its legs at first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pasture {
    pub(crate) goats: usize,
}

impl World for Pasture {
    const NAME: &'static str = "pasture";
    type Command = ();
    type Reply = ();
    type Input = ();
    type Job = ();
    type View = ();

    fn map(&self) -> Map {
        Map {
            shards: 16,
            ..Map::square(METRES)
        }
    }

    fn tick_radius(&self) -> f64 {
        SIGHT
    }

    fn kinds(&self) -> Kinds {
        Kinds::new().with::<Goat>()
    }

    fn genesis(&self, task: &mut Task<'_>) -> Result<(), Stop> {
        let mut random = Rng::with_seed(SEED);
        for number in 0..self.goats {
            let at = Point::new(random.f64() * METRES, random.f64() * METRES);
            let goat = Goat {
                walks: number % 3 == 0,
                nose: random.f64() * std::f64::consts::TAU,
                seen: 0.0,
            };
            task.create_at(goat, at)?;
        }
        Ok(())
    }

    fn tick(&self, tick: &Tick<'_>, entity: Entity<'_>) -> Step {
        let Some(goat) = entity.get::<Goat>() else {
            return Step::Stay;
        };
        let turns = tick.random(entity.id()).u32(..ONE_IN) == 0;
        if turns {
            return Step::become_(Goat {
                walks: !goat.walks,
                ..goat.clone()
            });
        }
        if goat.walks {
            walk(tick, entity, goat)
        } else {
            Step::Stay
        }
    }

    fn view(&self, _: Entity<'_>) -> Option<()> {
        Some(())
    }
}

/// A goat on its legs shies at what is near, and turns back at the pasture's edge.
fn walk(tick: &Tick<'_>, entity: Entity<'_>, goat: &Goat) -> Step {
    let (at, mut seen) = (entity.at(), 0.0);
    tick.nearby(at, SIGHT, |other| {
        let sees = other.get::<Goat>().map_or(0.0, |other| other.nose);
        seen += (other.at().distance(at) + sees) / 3.0;
    });
    let nose = goat.nose + (seen * 0.37).sin() * 0.1;
    let to = Point::new(at.x + STEP * nose.cos(), at.y + STEP * nose.sin());
    let is_outside = tick.map().clamp(to) != to;
    if is_outside {
        let nose = nose + 2.0;
        return Step::become_(Goat {
            nose,
            ..goat.clone()
        });
    }
    // Some steps change the goat, others only where it stands.
    if (tick.number() + entity.id().raw()).is_multiple_of(3) {
        return Step::Go(to);
    }
    let seen = goat.seen + seen;
    let goat = Goat {
        nose,
        seen,
        ..*goat
    };
    Step::become_at(goat, to)
}

/// The pasture in memory, cut into `regions`; a tick as large as here is worth several threads.
pub(crate) fn open(pasture: Pasture, regions: usize) -> Engine {
    let options = Options {
        regions,
        parallel_from: pasture.goats,
        ..options()
    };
    Engine::in_memory(&pasture, options, Arc::new(NoClients)).unwrap()
}

/// Everything that can be known of the goats, in one number.
pub(crate) fn hash(worker: &mut Worker) -> u64 {
    let mut goats = must(worker, |task| {
        let (middle, mut goats) = (Point::new(METRES / 2.0, METRES / 2.0), Vec::new());
        task.nearby(middle, METRES, |entity| {
            let goat = entity.get::<Goat>().unwrap();
            let (at, bits) = (entity.at(), f64::to_bits);
            let place = [at.x, at.y, goat.nose, goat.seen].map(bits);
            goats.push((entity.id(), goat.walks, place));
        })?;
        Ok(goats)
    });
    goats.sort_unstable();
    let mut hasher = DefaultHasher::new();
    goats.hash(&mut hasher);
    hasher.finish()
}
