//! Lives here: what holds for any loads: a constant load is soon left in peace, near the optimum,
//! and pins and one change per worker hold in any weather.

use proptest::prelude::*;

use super::sim::Sim;
use crate::balance::Cause;

/// How far over the optimum a hot host may stay.
const NEAR: f64 = 1.10;

/// Workers, how much of them all is needed together, and regions: weight and worker.
type Placed = (usize, f64, Vec<(f64, usize)>);

fn placed(max_workers: usize, regions: usize) -> impl Strategy<Value = Placed> {
    (2..=max_workers).prop_flat_map(move |workers| {
        let region = (0.01..1.0_f64, 0..workers);
        let regions = prop::collection::vec(region, 2..=regions);
        (Just(workers), 0.1..0.95_f64, regions)
    })
}

/// A host on which the regions need `full` of all threads together.
fn host((workers, full, regions): Placed) -> Sim {
    let total: f64 = regions.iter().map(|region| region.0).sum();
    // What alone is over half a thread would be split, and here nothing can be.
    let load = |region: &(f64, usize)| (region.0 / total * full * workers as f64).min(0.45);
    let loads: Vec<f64> = regions.iter().map(load).collect();
    let placement: Vec<usize> = regions.iter().map(|region| region.1).collect();
    Sim::fixed(workers, &loads, &placement)
}

/// A constant load is left in peace, and near the optimum if it was hot.
fn settles(mut sim: Sim) -> Result<(), TestCaseError> {
    sim.run(220);
    let last = sim.log.last();
    prop_assert!(sim.last_decision() < 160, "still deciding: {last:?}");
    let moves = sim.decisions(Cause::ThreadHot);
    prop_assert!(moves <= 2 * sim.cells.len(), "{moves} moves");
    if moves > 0 {
        let over = sim.over_optimum();
        let changes: Vec<_> = sim.log.iter().map(|(at, d)| (at, d.change)).collect();
        prop_assert!(
            over <= NEAR,
            "{over} of the optimum: {:?} {changes:?}",
            sim.threads()
        );
    }
    Ok(())
}

pub(super) fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        rng_seed: prop::test_runner::RngSeed::Fixed(3),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn few_regions_come_near_the_exhaustive_optimum(placed in placed(4, 10)) {
        settles(host(placed))?;
    }

    #[test]
    fn many_regions_come_near_the_improved_optimum(placed in placed(16, 64)) {
        settles(host(placed))?;
    }

    /// Loads that can be cut, constant too.
    #[test]
    fn a_constant_load_over_cells_is_left_in_peace(
        workers in 1..6_usize,
        regions in 1..24_usize,
        cells in prop::collection::vec(prop_oneof![3 => Just(0.0), 1 => 0.0..0.3_f64], 24..64),
    ) {
        let mut sim = Sim::new(workers, cells.len(), regions);
        sim.map_end = cells.len() / 2;
        sim.cells = cells;
        sim.run(500);
        // Merges take half a minute each time they halve the regions.
        prop_assert!(sim.last_decision() < 400, "still deciding: {:?}", sim.log.last());
    }

    /// The simulator refuses what breaks a rule; here are pins and late answers.
    #[test]
    fn pins_and_one_change_per_worker_hold_in_any_weather(
        workers in 1..9_usize,
        regions in 1..20_usize,
        slow in any::<bool>(),
        pinned in prop::collection::vec(any::<bool>(), 20),
        weather in prop::collection::vec(prop::collection::vec(0.0..0.4_f64, 20), 12),
    ) {
        let mut sim = Sim::new(workers, 20, regions);
        sim.slow = slow;
        for (region, pinned) in sim.regions.iter_mut().zip(pinned) {
            region.pinned = pinned;
        }
        let before: Vec<_> = pinned_places(&sim);
        for cells in weather {
            sim.cells = cells;
            sim.run(9);
        }
        prop_assert_eq!(before, pinned_places(&sim));
    }
}

fn pinned_places(sim: &Sim) -> Vec<(u64, usize, usize, usize)> {
    let pinned = sim.regions.iter().filter(|r| r.pinned);
    pinned.map(|r| (r.id, r.from, r.to, r.worker)).collect()
}
