//! Lives here: how the meadow began, and where new players appear.
//! Not here: what happens afterwards (`rules`, `herd`).
//!
//! Invariant: the same seed makes the same meadow. All gold that will ever be is made here.

use std::f64::consts::TAU;

use world_data::{Point, Rng, Stop, Task};

use crate::rules::METRES;
use crate::things::{Coin, Look, Mushroom, Scenery, Sheep, Wolf};

const SEED: u64 = 1898;
/// A coin is worth 1 gold up to this.
const MOST_GOLD: u64 = 5;
/// Sheep in a flock.
const FLOCK: u32 = 15;
/// How far a flock is spread, in metres.
const FLOCK_METRES: f64 = 30.0;
/// Trees in a grove.
const GROVE: u32 = 12;
/// How far a grove is spread, in metres.
const GROVE_METRES: f64 = 60.0;
/// How far from its well a village reaches, in metres: nothing grows there.
const VILLAGE_METRES: f64 = 40.0;
/// Every so many coins one lies near a village, where players begin.
const COIN_NEAR_VILLAGE_EVERY: u32 = 3;
/// How far from the village that is at most, in metres.
const COIN_NEAR_METRES: f64 = 150.0;

/// How far from the village's well the sheep of a fair stand at most, in metres.
const FAIR_METRES: f64 = 30.0;
/// The village of the fair, in [`VILLAGES`].
const FAIR: usize = 4;

/// The villages' names, as whoever wants to begin in one says it: `ann@Larkfield`.
pub const VILLAGE_NAMES: [&str; 5] = [
    "Wellbrook",
    "Larkfield",
    "Thornby",
    "Hazelcombe",
    "Aldermere",
];
/// The wells of the villages.
pub const VILLAGES: [Point; 5] = [
    Point::new(1024.0, 1040.0),
    Point::new(470.0, 540.0),
    Point::new(1560.0, 450.0),
    Point::new(520.0, 1530.0),
    Point::new(1590.0, 1570.0),
];

/// The world: how much of everything it begins with. Read at genesis only: a meadow that is
/// stored already stays as it is.
#[derive(Debug, Clone)]
pub struct Meadow {
    /// Coins on the ground, of 1 to 5 gold each.
    pub coins: u32,
    /// Mushrooms.
    pub mushrooms: u32,
    /// Sheep, in flocks.
    pub sheep: u32,
    /// More sheep, tied to posts in Aldermere: a fair. When people come among them they
    /// watch, and that is work.
    pub fair: u32,
    /// Wolves.
    pub wolves: u32,
    /// Trees, in groves; as many bushes and twice as many flowers.
    pub trees: u32,
    /// Whether there are villages.
    pub villages: bool,
}

impl Default for Meadow {
    fn default() -> Self {
        Self {
            coins: 3000,
            mushrooms: 250,
            sheep: 1500,
            fair: 0,
            wolves: 2,
            trees: 300,
            villages: true,
        }
    }
}

impl Meadow {
    /// A meadow with nothing in it but grass: for tests and benches.
    pub fn bare() -> Self {
        Self {
            coins: 0,
            mushrooms: 0,
            sheep: 0,
            fair: 0,
            wolves: 0,
            trees: 0,
            villages: false,
        }
    }
}

/// Makes the meadow.
pub(crate) fn make(meadow: &Meadow, task: &mut Task<'_>) -> Result<(), Stop> {
    let random = &mut Rng::with_seed(SEED);
    if meadow.villages {
        for well in VILLAGES {
            village(task, random, well)?;
        }
    }
    for n in 0..meadow.coins {
        let gold = random.u64(1..=MOST_GOLD);
        let at = if n.is_multiple_of(COIN_NEAR_VILLAGE_EVERY) {
            let well = VILLAGES[random.usize(..VILLAGES.len())];
            around(random, well, COIN_NEAR_METRES)
        } else {
            outside(random)
        };
        task.create_at(Coin { gold }, at)?;
    }
    for _ in 0..meadow.mushrooms {
        task.create_at(Mushroom::default(), outside(random))?;
    }
    for at in in_groups(random, meadow.sheep, FLOCK, FLOCK_METRES) {
        task.create_at(Sheep::default(), at)?;
    }
    for _ in 0..meadow.wolves {
        task.create_at(Wolf::default(), outside(random))?;
    }
    for at in in_groups(random, meadow.trees, GROVE, GROVE_METRES) {
        scenery(task, random, Look::Tree, at)?;
        let at = outside(random);
        scenery(task, random, Look::Bush, at)?;
        for _ in 0..2 {
            let at = outside(random);
            scenery(task, random, Look::Flower, at)?;
        }
    }
    for _ in 0..meadow.fair {
        // As likely in any part of the disc.
        let metres = FAIR_METRES * random.f64().sqrt();
        let at = beside(VILLAGES[FAIR], random.f64(), metres);
        let tied = true;
        task.create_at(
            Sheep {
                tied,
                ..Sheep::default()
            },
            at,
        )?;
    }
    Ok(())
}

/// A well in the middle, stalls around it, houses around them.
fn village(task: &mut Task<'_>, random: &mut Rng, well: Point) -> Result<(), Stop> {
    scenery(task, random, Look::Well, well)?;
    for (look, count, metres) in [(Look::Stall, 4, 11.0), (Look::House, 7, 27.0)] {
        let first = random.f64();
        for n in 0..count {
            let turn = (f64::from(n) + first + random.f64() * 0.3) / f64::from(count);
            let at = beside(well, turn, metres + random.f64() * 5.0);
            scenery(task, random, look, at)?;
        }
    }
    Ok(())
}

fn scenery(task: &mut Task<'_>, random: &mut Rng, look: Look, at: Point) -> Result<(), Stop> {
    let at = task.map().clamp(at);
    task.create_at(
        Scenery {
            look,
            n: random.u8(..4),
        },
        at,
    )?;
    Ok(())
}

/// Where a new player of this name appears: between the stalls and the houses of the village that
/// stands behind an `@` in it, so that friends begin together; without one, of any.
pub(crate) fn spawn_point(task: &mut Task<'_>, name: &str) -> Point {
    let village = name.rsplit_once('@').map(|(_, village)| village);
    let chosen = VILLAGE_NAMES.iter().position(|name| Some(*name) == village);
    let random = task.random();
    let well = VILLAGES[chosen.unwrap_or_else(|| random.usize(..VILLAGES.len()))];
    let at = beside(well, random.f64(), 14.0 + random.f64() * 8.0);
    task.map().clamp(at)
}

/// Places in groups of `size`, each group around a place of its own.
fn in_groups(random: &mut Rng, count: u32, size: u32, metres: f64) -> Vec<Point> {
    let mut middle = outside(random);
    (0..count)
        .map(|n| {
            if n.is_multiple_of(size) {
                middle = outside(random);
            }
            around(random, middle, metres)
        })
        .collect()
}

/// A place anywhere outside the villages.
fn outside(random: &mut Rng) -> Point {
    loop {
        let at = Point::new(random.f64() * METRES, random.f64() * METRES);
        if VILLAGES
            .iter()
            .all(|well| well.distance(at) > VILLAGE_METRES)
        {
            return at;
        }
    }
}

/// A place within `metres` of `middle`, more often near than far.
fn around(random: &mut Rng, middle: Point, metres: f64) -> Point {
    let at = beside(middle, random.f64(), random.f64() * metres);
    Point::new(at.x.clamp(0.0, METRES - 1.0), at.y.clamp(0.0, METRES - 1.0))
}

/// The place `metres` from `middle` in a direction given in turns.
fn beside(middle: Point, turn: f64, metres: f64) -> Point {
    let (sin, cos) = (turn * TAU).sin_cos();
    Point::new(middle.x + metres * cos, middle.y + metres * sin)
}
