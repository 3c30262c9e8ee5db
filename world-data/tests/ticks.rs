//! Lives here: the proof that a tick's result is the same however its work is spread.
//! Not here: the world that is ticked (`pasture`).

use rayon::ThreadPoolBuilder;

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
