//! Lives here: regions that act over their border from two threads: brought together when loads allow,
//! and not stirred by it.

use proptest::prelude::*;
use world_data::RegionId;

use super::properties::config;
use super::sim::Sim;
use crate::balance::{Cause, Change};

/// Traffic that takes 8 % of a thread when it crosses threads.
const BUSY: f64 = 4000.0;

#[test]
fn two_regions_that_talk_are_brought_together_when_loads_allow() {
    let mut sim = Sim::fixed(2, &[0.3, 0.1, 0.15, 0.25], &[0, 0, 1, 1]);
    sim.run(30);
    assert_eq!(sim.log.len(), 0, "nobody talks");
    sim.border.insert((1, 3), BUSY);
    sim.run(30);
    // The lighter one goes to the other.
    let (region, to) = (RegionId(3), 0);
    let changes: Vec<_> = sim.log.iter().map(|(_, d)| (d.change, d.cause)).collect();
    assert_eq!(changes, [(Change::Move { region, to }, Cause::Border)]);
    // For minutes nothing stirs them again, and when they fall silent nothing has to.
    sim.run(200);
    sim.border.clear();
    sim.run(200);
    assert_eq!(sim.log.len(), 1, "{:?}", sim.log);
}

#[test]
fn regions_that_talk_stay_apart_when_a_thread_would_be_too_full() {
    let mut sim = Sim::fixed(2, &[0.45, 0.1, 0.45, 0.1], &[0, 0, 1, 1]);
    sim.border.insert((1, 3), BUSY);
    sim.run(60);
    assert_eq!(sim.log.len(), 0, "{:?}", sim.log);
}

#[test]
fn little_talk_moves_nobody() {
    let mut sim = Sim::fixed(2, &[0.3, 0.1, 0.15, 0.25], &[0, 0, 1, 1]);
    sim.border.insert((1, 3), 0.6 * BUSY);
    sim.run(60);
    assert_eq!(sim.log.len(), 0, "{:?}", sim.log);
}

#[test]
fn a_region_goes_where_most_of_its_friends_are() {
    let mut sim = Sim::fixed(3, &[0.1, 0.3, 0.3, 0.3, 0.2], &[0, 1, 1, 2, 0]);
    for (friend, part) in [(2, 0.7), (3, 0.7), (4, 1.2)] {
        sim.border.insert((1, friend), part * BUSY);
    }
    // A pair at home holds it back, but not enough.
    sim.border.insert((1, 5), 0.1 * BUSY);
    sim.regions[1].pinned = true;
    sim.regions[2].pinned = true;
    sim.cells[1] = 0.2;
    sim.cells[2] = 0.2;
    sim.run(30);
    let first = sim.log[0].1.change;
    let region = RegionId(1);
    assert_eq!(first, Change::Move { region, to: 1 }, "{:?}", sim.log);
}

/// Two that talk and together are too much: relief takes them apart, and talking does not bring
/// them back while they are.
#[test]
fn talking_and_relief_do_not_play_with_a_region() {
    let mut sim = Sim::fixed(2, &[0.2, 0.25, 0.1, 0.1], &[0, 1, 1, 0]);
    sim.border.insert((1, 2), BUSY);
    sim.run(30);
    assert_eq!(sim.decisions(Cause::Border), 1, "{:?}", sim.log);
    // Both grow: 0.8 on one thread.
    sim.cells[0] = 0.4;
    sim.cells[1] = 0.45;
    sim.run(240);
    let after = sim.log.iter().filter(|(at, _)| *at > 30);
    let after: Vec<_> = after.map(|(at, d)| (at, d.cause)).collect();
    assert!(after.len() <= 3, "{after:?}");
    assert!(sim.last_decision() < 120, "{after:?}");
    assert!(sim.spread() < 1.25, "{:?}", sim.threads());
}

proptest! {
    #![proptest_config(config(64))]

    /// Whoever talks to whom, and however loads lie: a constant load is left in peace.
    #[test]
    fn constant_talk_over_constant_loads_is_left_in_peace(
        workers in 2..5_usize,
        full in 0.1..0.9_f64,
        regions in prop::collection::vec((0.01..1.0_f64, 0..4_usize), 4..24),
        talk in prop::collection::vec((0..24_u64, 0..24_u64, 0.2..4.0_f64), 1..24),
    ) {
        let total: f64 = regions.iter().map(|region| region.0).sum();
        let load = |weight: f64| (weight / total * full * workers as f64).min(0.45);
        let loads: Vec<f64> = regions.iter().map(|region| load(region.0)).collect();
        let placement: Vec<usize> = regions.iter().map(|region| region.1 % workers).collect();
        let mut sim = Sim::fixed(workers, &loads, &placement);
        let count = loads.len() as u64;
        for (a, b, rate) in talk {
            let (a, b) = (1 + a % count, 1 + b % count);
            if a != b {
                sim.border.insert((a.min(b), a.max(b)), rate * BUSY);
            }
        }
        sim.run(360);
        prop_assert!(sim.last_decision() < 240, "still deciding: {:?}", sim.log.last());
        let made = sim.decisions(Cause::Border);
        prop_assert!(made <= 2 * loads.len(), "{made} moves for talk");
    }
}
