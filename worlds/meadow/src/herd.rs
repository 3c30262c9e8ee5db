//! Lives here: what animals do by themselves, one step of one animal at a time.
//! Not here: when a tick runs, and over which threads it is spread (the engine).
//!
//! Invariant: a step depends on the tick and the animal only, so any number of threads gives the
//! same meadow. Most sheep graze most of the time, and then a step costs next to nothing.

use world_data::{Entity, Point, Rng, Step, Tick};

use crate::things::{Player, Sheep, Wolf};

/// Animals look around every so many ticks, not all in the same one: looking costs more than
/// walking, and five times a second is often enough.
const LOOK_EVERY: u64 = 4;
/// A grazing sheep strolls on at one look in so many.
const STROLL_ONE_IN: u32 = 50;
/// How far a sheep strolls at most, in metres.
const STROLL_METRES: f64 = 6.0;
/// How fast it strolls, in metres per second.
const STROLL_SPEED: f64 = 1.0;
/// How near a player may come before a sheep runs, in metres.
const SHY_OF_PLAYERS: f64 = 8.0;
/// How near a wolf may come before a sheep runs, in metres.
const SHY_OF_WOLVES: f64 = 14.0;
/// A tied sheep looks for strangers every so many ticks, as long as there are none.
const GLANCE_EVERY: u64 = 20;
/// A tied sheep is afraid of a player until nobody is nearer than this, in metres.
const CALM: f64 = 16.0;
/// How far a sheep runs before it looks where to go next, in metres.
const FLIGHT_METRES: f64 = 12.0;
/// How fast a sheep runs: slower than a player, in metres per second.
const FLIGHT_SPEED: f64 = 4.5;
/// How far a wolf scents a sheep, in metres: nothing looks farther.
pub(crate) const SCENT: f64 = 40.0;
const _: () = assert!(SHY_OF_WOLVES <= SCENT && CALM <= SCENT && SHY_OF_PLAYERS <= SCENT);
/// How near a wolf must come to have caught a sheep, which it then lets go, in metres.
const CATCH: f64 = 1.2;
/// How fast a wolf hunts, in metres per second.
const HUNT_SPEED: f64 = 5.0;
/// How fast a wolf roams, in metres per second.
const ROAM_SPEED: f64 = 2.0;
/// How far a wolf roams at a time, at most, in metres.
const ROAM_METRES: f64 = 200.0;
/// How long a wolf rests after a catch, in milliseconds.
const REST_MS: u64 = 20_000;

/// One step of a sheep: it flees from whoever comes near, strolls now and then, mostly grazes.
pub(crate) fn sheep(tick: &Tick<'_>, entity: Entity<'_>, sheep: &Sheep) -> Step {
    if sheep.tied {
        return tied_sheep(tick, entity, sheep);
    }
    let (id, at) = (entity.id(), entity.at());
    let looks = looks(tick, entity, LOOK_EVERY);
    if looks && let Some(danger) = danger(tick, at) {
        let goal = tick.map().clamp(away(at, danger));
        let next = at.towards(goal, FLIGHT_SPEED * tick.seconds());
        return Step::become_at(
            Sheep {
                goal: Some(goal),
                scared: true,
                ..Sheep::default()
            },
            next,
        );
    }
    if let Some(goal) = sheep.goal {
        let speed = if sheep.scared {
            FLIGHT_SPEED
        } else {
            STROLL_SPEED
        };
        let next = at.towards(goal, speed * tick.seconds());
        let arrives = next == goal;
        return if arrives {
            Step::become_at(Sheep::default(), next)
        } else {
            Step::Go(next)
        };
    }
    if !looks {
        return Step::Stay;
    }
    let mut random = tick.random(id);
    if random.u32(..STROLL_ONE_IN) != 0 {
        return Step::Stay;
    }
    let goal = Some(around(tick, at, STROLL_METRES, &mut random));
    Step::become_(Sheep {
        goal,
        ..Sheep::default()
    })
}

/// One step of a sheep that is tied to a post. It can't flee: from when somebody comes near until all
/// have gone it watches them, at every tick. That is what a crowd among tied sheep costs.
fn tied_sheep(tick: &Tick<'_>, entity: Entity<'_>, sheep: &Sheep) -> Step {
    let range = if sheep.scared { CALM } else { SHY_OF_PLAYERS };
    if !sheep.scared && !looks(tick, entity, GLANCE_EVERY) {
        return Step::Stay;
    }
    let scared = nearest(tick, entity.at(), range, is_playing).is_some();
    if scared == sheep.scared {
        return Step::Stay;
    }
    Step::become_(Sheep {
        scared,
        ..sheep.clone()
    })
}

/// One step of a wolf: it runs after the nearest sheep, lets it go when it has caught it, rests,
/// and roams.
pub(crate) fn wolf(tick: &Tick<'_>, entity: Entity<'_>, wolf: &Wolf) -> Step {
    let (id, at) = (entity.id(), entity.at());
    if tick.now_ms() < wolf.rests_until_ms {
        return Step::Stay;
    }
    if looks(tick, entity, LOOK_EVERY) {
        match nearest_sheep(tick, at) {
            Some(prey) if at.distance(prey) < CATCH => {
                let rests_until_ms = tick.now_ms() + REST_MS;
                return Step::become_(Wolf {
                    rests_until_ms,
                    ..Wolf::default()
                });
            }
            Some(prey) => {
                return run(
                    tick,
                    at,
                    Wolf {
                        goal: Some(prey),
                        hunts: true,
                        ..*wolf
                    },
                );
            }
            None if wolf.goal.is_none() => {
                let goal = around(tick, at, ROAM_METRES, &mut tick.random(id));
                return run(
                    tick,
                    at,
                    Wolf {
                        goal: Some(goal),
                        hunts: false,
                        ..*wolf
                    },
                );
            }
            None => {}
        }
    }
    let Some(goal) = wolf.goal else {
        return Step::Stay;
    };
    let next = at.towards(goal, speed(wolf) * tick.seconds());
    let arrives = next == goal;
    if arrives {
        Step::become_at(
            Wolf {
                goal: None,
                ..*wolf
            },
            next,
        )
    } else {
        Step::Go(next)
    }
}

fn run(tick: &Tick<'_>, at: Point, wolf: Wolf) -> Step {
    let step = speed(&wolf) * tick.seconds();
    let next = wolf.goal.map_or(at, |goal| at.towards(goal, step));
    Step::become_at(wolf, next)
}

fn speed(wolf: &Wolf) -> f64 {
    if wolf.hunts { HUNT_SPEED } else { ROAM_SPEED }
}

fn looks(tick: &Tick<'_>, entity: Entity<'_>, every: u64) -> bool {
    (tick.number() + entity.id().raw()).is_multiple_of(every)
}

fn is_playing(other: Entity<'_>) -> bool {
    let player = other.get::<Player>();
    player.is_some_and(|player| player.session.is_some())
}

/// The nearest thing to flee from.
fn danger(tick: &Tick<'_>, at: Point) -> Option<Point> {
    nearest(tick, at, SHY_OF_WOLVES, |other| {
        other.get::<Wolf>().is_some()
            || is_playing(other) && other.at().distance(at) <= SHY_OF_PLAYERS
    })
}

fn nearest_sheep(tick: &Tick<'_>, at: Point) -> Option<Point> {
    nearest(tick, at, SCENT, |other| other.get::<Sheep>().is_some())
}

fn nearest(
    tick: &Tick<'_>,
    at: Point,
    radius: f64,
    wanted: impl Fn(Entity<'_>) -> bool,
) -> Option<Point> {
    let mut best: Option<(f64, u64, Point)> = None;
    tick.nearby(at, radius, |other| {
        if wanted(other) {
            // Of two equally near ones the lower id counts, in whatever order they are shown.
            let this = (other.at().distance(at), other.id().raw(), other.at());
            if best.is_none_or(|best| (this.0, this.1) < (best.0, best.1)) {
                best = Some(this);
            }
        }
    });
    best.map(|(_, _, point)| point)
}

/// The place to run to from `danger`.
fn away(at: Point, danger: Point) -> Point {
    let distance = at.distance(danger);
    if distance == 0.0 {
        return Point::new(at.x + FLIGHT_METRES, at.y);
    }
    let part = FLIGHT_METRES / distance;
    Point::new(
        at.x + (at.x - danger.x) * part,
        at.y + (at.y - danger.y) * part,
    )
}

fn around(tick: &Tick<'_>, at: Point, metres: f64, random: &mut Rng) -> Point {
    let (east, south) = (random.f64() * 2.0 - 1.0, random.f64() * 2.0 - 1.0);
    tick.map()
        .clamp(Point::new(at.x + east * metres, at.y + south * metres))
}
