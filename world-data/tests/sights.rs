//! Lives here: the proof that ticks see over borders without a gap and without a double, while
//! somebody crosses and borders change. Not here: ticks in step (`ticks`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};
use world_data::{
    Engine, Entity, Home, Kinds, Map, NoClients, Object, Options, Point, Rng, Step, Stop, Task,
    Tick, World,
};

use crate::ground::{must, options};

/// Looks of watchers that a run takes.
const LOOKS: usize = 40_000;
/// The middle of the map, where four regions meet, in metres.
const MIDDLE: f64 = 64.0;

#[derive(Serialize, Deserialize, Clone, Default, PartialEq)]
enum Who {
    /// Goes round the middle, by tasks.
    Runner,
    /// Stands there and looks.
    #[default]
    Watcher,
}

impl Object for Who {
    const KIND: u16 = 1;
    const NAME: &'static str = "who";
}

/// Counts how often a watcher saw so many runners; three or more are as bad as two.
#[derive(Default)]
struct Crossroads([AtomicUsize; 3]);

impl World for Crossroads {
    const NAME: &'static str = "crossroads";
    type Command = ();
    type Reply = ();
    type Input = ();
    type Job = ();
    type View = ();

    fn map(&self) -> Map {
        Map {
            cell: 16.0,
            side: 8,
            shards: 4,
        }
    }

    fn tick_radius(&self) -> f64 {
        50.0
    }

    fn kinds(&self) -> Kinds {
        Kinds::new().with::<Who>()
    }

    fn genesis(&self, task: &mut Task<'_>) -> Result<(), Stop> {
        let runner = task.create_at(Who::Runner, corner(0, 3.0))?;
        task.bind("runner", runner.id())?;
        for number in 0..4 {
            task.create_at(Who::Watcher, corner(number, 20.0))?;
        }
        Ok(())
    }

    fn tick(&self, tick: &Tick<'_>, entity: Entity<'_>) -> Step {
        if entity.get() == Some(&Who::Watcher) {
            let mut runners = 0;
            tick.nearby(entity.at(), 50.0, |other| {
                runners += usize::from(other.get() == Some(&Who::Runner));
            });
            self.0[runners.min(2)].fetch_add(1, Ordering::Relaxed);
        }
        Step::Stay
    }

    fn view(&self, _: Entity<'_>) -> Option<()> {
        None
    }
}

/// A place in one of the four quarters, so far from the middle.
fn corner(number: usize, metres: f64) -> Point {
    let side = |high: bool| MIDDLE + if high { metres } else { -metres };
    Point::new(side(number & 1 == 1), side(number & 2 == 2))
}

fn looks(world: &Crossroads) -> [usize; 3] {
    [0, 1, 2].map(|runners| world.0[runners].load(Ordering::Relaxed))
}

#[test]
fn g6_who_crosses_a_border_is_seen_once_at_any_moment() {
    let world = Crossroads::default();
    let options = Options {
        regions: 5,
        ..options()
    };
    let engine = Engine::in_memory(&world, options, Arc::new(NoClients)).unwrap();
    let runner = must(&mut engine.worker(), |task| task.lookup("runner"));
    let runner = runner.unwrap();
    let list = engine.regions().list.clone();
    for (region, _) in &list {
        engine.worker().show(*region);
    }
    let (done, mut rounds, mut recuts) = (AtomicBool::new(false), 0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut worker = engine.worker();
            while looks(&world).iter().sum::<usize>() < LOOKS {
                for (region, _) in &engine.regions().list {
                    worker.tick(*region, &world, 1, 0.05);
                }
            }
            done.store(true, Ordering::Relaxed);
        });
        scope.spawn(|| {
            let mut rng = Rng::with_seed(9);
            while !done.load(Ordering::Relaxed) {
                let list = &engine.regions().list;
                let (region, interval) = list[rng.usize(..list.len())];
                let at = Home(rng.u64(interval.from.0..interval.to.0));
                let recut = if list.len() < 7 {
                    engine.split(region, at)
                } else {
                    engine.merge(region)
                };
                recuts += usize::from(recut.is_ok());
            }
        });
        let mut worker = engine.worker();
        while !done.load(Ordering::Relaxed) {
            rounds += 1;
            let to = corner([0, 1, 3, 2][rounds % 4], 3.0);
            must(&mut worker, |task| task.place(runner, to));
        }
    });
    let [none, one, more] = looks(&world);
    assert!(
        rounds > 500 && recuts > 100,
        "{rounds} rounds, {recuts} cuts"
    );
    assert_eq!((none, more), (0, 0), "of {one} looks");
}
