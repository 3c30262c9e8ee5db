//! Lives here: the run of the simulation over many seeds, and the seeds that have failed once.
//! Not here: the simulation (`simulation`).

use parking_lot::Mutex;

use crate::diary::Counts;
use crate::simulation::live;

/// Seeds that a run tries, unless `BRIGHTSTAR_SEEDS` says otherwise.
const SEEDS: u64 = 200;
/// Seeds that have failed once.
const FAILED_ONCE: [u64; 0] = [];
fn seeds() -> u64 {
    std::env::var("BRIGHTSTAR_SEEDS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(SEEDS)
}

fn must_live(seed: u64) -> Counts {
    match live(seed) {
        Ok((counts, _)) => counts,
        Err(why) => panic!("seed {seed}: {why}"),
    }
}

#[test]
fn every_life_of_every_seed_keeps_every_promise() {
    let first = std::env::var("BRIGHTSTAR_SEED")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(0);
    let seeds: Vec<_> = FAILED_ONCE
        .into_iter()
        .chain(first..first + seeds())
        .collect();
    let counts = Mutex::new(Counts::new());
    // Two at a time: each has one thread at work at a time.
    let (odd, even) = seeds.split_at(seeds.len() / 2);
    let counts = &counts;
    std::thread::scope(|threads| {
        for half in [odd, even] {
            threads.spawn(move || {
                for seed in half {
                    let of_seed = must_live(*seed);
                    let mut counts = counts.lock();
                    for (what, times) in of_seed {
                        *counts.entry(what).or_default() += times;
                    }
                }
            });
        }
    });
    let counts = counts.lock();
    println!("{} seeds: {counts:#?}", seeds.len());
    if seeds.len() as u64 >= SEEDS {
        for what in MUST_HAPPEN {
            assert!(
                counts.get(what).is_some_and(|n| *n > 0),
                "never happened: {what}"
            );
        }
    }
}

/// What would make a run of all seeds empty if it never happened.
const MUST_HAPPEN: [&str; 33] = [
    "transfer committed",
    "readall committed",
    "look committed",
    "walk committed",
    "lazy committed",
    "churn committed",
    "mixed committed",
    "plan committed",
    "chore committed",
    "chore refused",
    "chore failed",
    "chores of an earlier life",
    "chores come again",
    "chores come again after a restart",
    "chores kept",
    "doomed refused",
    "doomed failed",
    "transfer timeout",
    "run again",
    "over several regions",
    "commit",
    "checkpoint",
    "tick",
    "observation",
    "time jumps",
    "syncs torn",
    "lives with all finished",
    "lives cut short",
    "durable tasks lost",
    "lazy tasks lost",
    "tasks told of",
    "readers told of",
    "tasks kept",
];

#[test]
fn a_seed_replays_exactly() {
    for seed in [3, 14] {
        let (a, b) = (live(seed).unwrap(), live(seed).unwrap());
        assert_eq!(a, b, "seed {seed}");
    }
}
