//! Lives here: the proof that a tick's result is the same however its work is spread, over threads
//! and over regions.
//! Not here: the world that is ticked (`pasture`).

use std::sync::Barrier;

use rayon::ThreadPoolBuilder;
use world_data::{Engine, Rng, Worker};

use crate::ground::tick_in_step;
use crate::pasture::{self, Pasture};

const TICKS: u64 = 1000;

/// What 1,000 ticks make of the pasture on a pool of so many threads, how often a goat went from
/// one region to another, and in how many parts a tick was computed at least, after the first.
fn after_ticks(threads: usize) -> (u64, usize, usize) {
    let world = Pasture { goats: 1600 };
    // Two of them share the map.
    let engine = pasture::open(world, 3);
    let regions = engine.regions();
    let pool = ThreadPoolBuilder::new().num_threads(threads).build();
    let mut worker = engine.worker();
    let (mut crossings, mut parts) = (0, usize::MAX);
    pool.unwrap().install(|| {
        for number in 1..=TICKS {
            engine.clock().advance(engine.clock().now_ms() + 50);
            for (region, interval) in &regions.list[..2] {
                let ticked = worker.tick(*region, &world, number, 0.05).unwrap();
                if number > 1 {
                    parts = parts.min(ticked.parts);
                }
                let gone = worker.observe(*region, |scene| {
                    let to = scene.gone().iter().filter_map(|gone| gone.to);
                    to.filter(|to| !interval.contains(*to)).count()
                });
                crossings += gone.unwrap();
            }
        }
    });
    (pasture::hash(&mut worker), crossings, parts)
}

#[test]
fn g6_the_number_of_threads_changes_nothing() {
    let (one, crossings, parts) = after_ticks(1);
    assert!(crossings > 500, "goats crossed {crossings} times");
    assert!(parts >= 4, "a tick was computed in {parts} parts");
    for threads in [2, 4] {
        assert_eq!(after_ticks(threads).0, one, "{threads} threads");
    }
}

/// Goats for regions in step.
const HERD: Pasture = Pasture { goats: 500 };

fn pass_time(engine: &Engine) {
    engine.clock().advance(engine.clock().now_ms() + 50);
}

/// What 1,000 ticks in step make of the pasture, with `between` called before each.
fn in_step(regions: usize, mut between: impl FnMut(&Engine, &mut Worker, u64)) -> u64 {
    let engine = pasture::open(HERD, regions);
    let mut worker = engine.worker();
    for number in 1..=TICKS {
        pass_time(&engine);
        between(&engine, &mut worker, number);
        tick_in_step(&engine, &mut worker, &HERD, number);
    }
    pasture::hash(&mut worker)
}

/// Cuts a region at random, or joins two.
fn recut(engine: &Engine, rng: &mut Rng) {
    let list = &engine.regions().list;
    let (region, interval) = list[rng.usize(..list.len())];
    let at = world_data::Home(rng.u64(interval.from.0..interval.to.0));
    // Not every cut and every join is possible: the next one will be.
    let _refused = if rng.bool() {
        engine.split(region, at)
    } else {
        engine.merge(region)
    };
}

#[test]
fn g6_borders_change_nothing_for_ticks_in_step() {
    let one = in_step(1, |_, _, _| {});
    // 4 and 16 of them share the map.
    for regions in [5, 18] {
        assert_eq!(in_step(regions, |_, _, _| {}), one, "{regions} regions");
    }
    let mut rng = Rng::with_seed(5);
    let (mut least, mut most) = (usize::MAX, 0);
    let recut = in_step(9, |engine, _, _| {
        recut(engine, &mut rng);
        let regions = engine.regions().list.len();
        (least, most) = (least.min(regions), most.max(regions));
    });
    assert_eq!(recut, one, "borders that change");
    assert!(least + 4 < most, "{least} to {most} regions");
}

/// As in a server of two threads, but for the barriers: pictures are all of one tick.
#[test]
fn g6_threads_that_tick_regions_in_step_change_nothing() {
    let one = in_step(1, |_, _, _| {});
    let engine = pasture::open(HERD, 18);
    let (regions, barrier) = (engine.regions(), Barrier::new(2));
    std::thread::scope(|scope| {
        for turn in 0..2 {
            let (engine, barrier, list) = (&engine, &barrier, &regions.list);
            scope.spawn(move || {
                let mut worker = engine.worker();
                let mine = || list.iter().map(|(id, _)| *id).skip(turn).step_by(2);
                for number in 1..=TICKS {
                    mine().for_each(|region| worker.show(region));
                    if barrier.wait().is_leader() {
                        pass_time(engine);
                    }
                    barrier.wait();
                    let begin = |region| worker.begin_tick(region, &HERD, number, 0.05).unwrap();
                    let begun: Vec<_> = mine().map(begin).collect();
                    barrier.wait();
                    for begun in begun {
                        worker.end_tick(begun);
                    }
                    barrier.wait();
                }
            });
        }
    });
    assert_eq!(pasture::hash(&mut engine.worker()), one);
}
