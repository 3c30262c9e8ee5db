//! Lives here: flash crowds: half of all go to one place, stay, and disperse. And worlds in which
//! nothing happens.

use super::sim::Sim;
use crate::balance::Cause;

/// How soon a hot spot is balanced, in seconds.
const SOON: u64 = 5;

/// A world in which each thread needs `base`, spread over all cells.
fn world(workers: usize, cells: usize, regions: usize, base: f64) -> Sim {
    let mut sim = Sim::new(workers, cells, regions);
    sim.cells = vec![base * workers as f64 / cells as f64; cells];
    sim.run(20);
    assert_eq!(sim.log.len(), 0, "it was calm");
    sim
}

fn add(sim: &mut Sim, cells: std::ops::Range<usize>, load: f64) {
    let each = load / cells.len() as f64;
    for cell in cells {
        sim.cells[cell] += each;
    }
}

/// A crowd comes; after five seconds, and as long as it stays, the host is balanced.
fn crowd(workers: usize, base: f64, crowd: f64, cells: std::ops::Range<usize>) {
    let mut sim = world(workers, 256, 8 * workers, base);
    let before = sim.cells.clone();
    add(&mut sim, cells.clone(), crowd);
    let hot = sim.hottest();
    assert!(hot > 0.7, "the crowd makes a thread hot: {hot}");
    sim.run(SOON);
    for second in SOON..60 {
        let (over, spread) = (sim.over_optimum(), sim.spread());
        let at = format!("{workers} workers, crowd {crowd} at {cells:?}, second {second}");
        // Many small regions go one by one: a worker takes part in one change per second.
        let near = over <= 1.10 || (workers > 2 && second < 20);
        assert!(near, "{at}: {over} of the optimum {:?}", sim.log);
        assert!(
            sim.hottest() < 0.85 * hot.min(1.0),
            "{at}: {:?}",
            sim.threads()
        );
        if workers == 2 {
            assert!(spread <= 1.15, "{at}: spread {spread}");
        }
        sim.run(1);
    }
    assert!(sim.decisions(Cause::RegionHot) >= 1, "{:?}", sim.log);
    let moves = sim.decisions(Cause::ThreadHot);
    assert!(moves <= 8 * workers, "{moves} moves");
    sim.cells = before;
    sim.run(240);
    assert!(sim.regions.len() <= 8 * workers, "what was split is merged");
    assert!(sim.last_decision() < sim.now - 30, "{:?}", sim.log.last());
}

#[test]
fn a_crowd_in_one_region_is_cut_and_spread_in_five_seconds() {
    for at in [0, 5, 37, 100, 131, 200, 251] {
        crowd(2, 0.2, 0.7, at..at + 5);
        crowd(2, 0.05, 0.9, at..at + 4);
        crowd(4, 0.2, 0.75, at..at + 4);
    }
}

#[test]
fn a_crowd_that_is_soon_gone_leaves_its_cuts_for_a_minute() {
    let mut sim = world(2, 64, 4, 0.01);
    let calm = sim.cells.clone();
    add(&mut sim, 4..12, 0.8);
    sim.run(6);
    sim.cells = calm;
    // The simulator refuses a merge that comes too soon.
    sim.balancer.policy.keep_per_worker = 1;
    sim.run(90);
    assert!(sim.decisions(Cause::RegionHot) > 0 && sim.decisions(Cause::Cold) > 0);
}

#[test]
fn a_crowd_for_four_threads_is_cut_three_times() {
    let mut sim = world(4, 256, 8, 0.02);
    add(&mut sim, 64..96, 2.4);
    sim.run(SOON);
    assert!(
        sim.over_optimum() <= 1.10,
        "{:?} {:?}",
        sim.threads(),
        sim.log
    );
    assert!(sim.hottest() < 0.75, "{:?}", sim.threads());
}

#[test]
fn a_crowd_over_several_regions_of_one_worker_is_spread_by_moves() {
    let mut sim = world(2, 256, 16, 0.1);
    for region in (0..16).step_by(4) {
        add(&mut sim, region * 16..region * 16 + 16, 0.22);
    }
    assert!(sim.hottest() > 0.9);
    sim.run(SOON);
    assert!(
        sim.over_optimum() <= 1.10,
        "{:?} {:?}",
        sim.threads(),
        sim.log
    );
    assert!(sim.decisions(Cause::ThreadHot) <= 3, "{:?}", sim.log);
    assert_eq!(sim.decisions(Cause::RegionHot), 0);
}

#[test]
fn a_crowd_that_cannot_be_cut_has_its_thread_to_itself() {
    let mut sim = world(2, 64, 8, 0.3);
    add(&mut sim, 10..11, 0.6);
    sim.run(60);
    let cell = sim.regions.iter().find(|r| (r.from..r.to).contains(&10));
    let own = sim.threads()[cell.unwrap().worker];
    assert!(own < 0.68, "{:?} {:?}", sim.threads(), sim.log);
    assert!(sim.last_decision() < 40, "{:?}", sim.log);
}

#[test]
fn a_world_that_is_not_hot_is_left_alone_however_uneven() {
    let mut sim = world(2, 64, 8, 0.3);
    sim.run(100);
    assert_eq!(sim.log.len(), 0);
    // All on one worker, but that has room.
    add(&mut sim, 0..8, 0.2);
    add(&mut sim, 16..24, 0.15);
    sim.run(300);
    assert!(sim.spread() > 1.3, "{}", sim.spread());
    assert_eq!(sim.log.len(), 0);
}

#[test]
fn an_idle_world_keeps_a_few_regions_per_worker_and_its_map_s_end() {
    let mut sim = Sim::new(3, 300, 60);
    sim.map_end = 150;
    sim.run(400);
    assert_eq!(
        sim.decisions(Cause::ThreadHot) + sim.decisions(Cause::RegionHot),
        0
    );
    for worker in 0..3 {
        let count = sim.regions.iter().filter(|r| r.worker == worker).count();
        assert!((4..=7).contains(&count), "{count} on worker {worker}");
    }
    assert!(sim.regions.iter().any(|r| r.from == 150));
    assert!(sim.last_decision() < 340, "{:?}", sim.log.last());
}
