//! Lives here: the rules one by one, on hosts small enough to think through.

use std::time::Duration;

use super::sim::Sim;
use crate::balance::{Cause, Change};
use world_data::RegionId;

#[test]
fn of_two_equal_regions_the_one_goes_that_talks_to_the_other_worker() {
    for friend in [1, 2] {
        let mut sim = Sim::fixed(2, &[0.3, 0.3, 0.3, 0.2], &[0, 0, 0, 1]);
        sim.border.insert((friend, 4), 2000.0);
        sim.run(10);
        let first = sim.log[0].1.change;
        let region = RegionId(friend);
        assert_eq!(first, Change::Move { region, to: 1 });
    }
}

#[test]
fn a_move_whose_border_traffic_costs_more_than_it_gains_is_not_made() {
    let mut sim = Sim::fixed(2, &[0.3, 0.3, 0.3, 0.4], &[0, 0, 0, 1]);
    let quiet = |sim: &mut Sim| {
        sim.run(30);
        sim.log.len()
    };
    for pair in [(1, 2), (2, 3), (1, 3)] {
        sim.border.insert(pair, 9000.0);
    }
    assert_eq!(quiet(&mut sim), 0, "{:?}", sim.log);
    sim.border.clear();
    assert_eq!(quiet(&mut sim), 1, "{:?}", sim.log);
}

#[test]
fn relief_of_less_than_a_twentieth_is_not_worth_a_move() {
    // 0.96 and 0.66: a move of 0.04 would leave 0.92.
    let mut sim = Sim::fixed(2, &[0.92, 0.04, 0.46], &[0, 0, 1]);
    sim.run(60);
    assert_eq!(sim.decisions(Cause::ThreadHot), 0, "{:?}", sim.log);
    // 0.06 of 0.96 is.
    let mut sim = Sim::fixed(2, &[0.90, 0.06, 0.46], &[0, 0, 1]);
    sim.run(60);
    assert_eq!(sim.decisions(Cause::ThreadHot), 1, "{:?}", sim.log);
}

#[test]
fn two_regions_change_places_where_no_move_alone_helps() {
    let mut sim = Sim::fixed(2, &[0.5, 0.5, 0.3, 0.2], &[0, 0, 1, 1]);
    sim.run(30);
    assert!((sim.hottest() - 0.8).abs() < 1e-9, "{:?}", sim.threads());
    assert_eq!(sim.log.len(), 2, "{:?}", sim.log);
}

#[test]
fn threads_are_relieved_from_above_the_hot_to_below_the_cool_thresholds() {
    // Hot, and then balanced far below 1.25, where it would not have begun.
    let mut sim = Sim::fixed(2, &[0.1; 14], &[0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
    sim.run(30);
    assert!(sim.spread() < 1.01, "{:?}", sim.threads());
    // 0.72 and 0.6 are not uneven enough to begin.
    let mut sim = Sim::fixed(2, &[0.12; 11], &[0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
    sim.run(30);
    assert_eq!(sim.log.len(), 0);
    // 0.69 and 0 are not hot enough to begin.
    let mut sim = Sim::fixed(2, &[0.23; 3], &[0, 0, 0]);
    sim.run(29);
    assert_eq!(sim.log.len(), 0);
}

#[test]
fn a_region_that_moved_stays_for_the_cooldown() {
    let mut sim = Sim::fixed(3, &[0.4, 0.5, 0.1], &[0, 0, 2]);
    sim.run(3);
    let region = RegionId(1);
    assert_eq!(sim.log[0].1.change, Change::Move { region, to: 1 });
    // It has grown too much for a thread it shares; the other one there is pinned.
    sim.regions[2].pinned = true;
    sim.regions[2].worker = 1;
    sim.cells[2] = 0.6;
    sim.run(9);
    assert_eq!(sim.log.len(), 1, "{:?}", sim.log);
    sim.run(3);
    assert_eq!(sim.log[1].1.change, Change::Move { region, to: 2 });
}

#[test]
fn what_was_not_made_is_not_asked_for_again_at_once() {
    let mut sim = Sim::fixed(2, &[0.45, 0.45], &[0, 0]);
    sim.slow = true;
    sim.run(3);
    assert_eq!(sim.log.len(), 1, "{:?}", sim.log);
    sim.leave_out_waiting();
    sim.run(1);
    sim.leave_out_waiting();
    // The other region was tried in its place; now both rest.
    assert_ne!(sim.log[0].1.change, sim.log[1].1.change);
    sim.run(8);
    assert_eq!(sim.log.len(), 2, "{:?}", sim.log);
    sim.run(1);
    assert_eq!(sim.log[2].1.change, sim.log[0].1.change);
}

#[test]
fn a_worker_with_a_change_under_way_takes_part_in_no_other() {
    let mut sim = Sim::fixed(2, &[0.3, 0.3, 0.3], &[0, 0, 0]);
    sim.run(2);
    let by_hand = Change::Move {
        region: RegionId(1),
        to: 1,
    };
    let number = sim.balancer.by_hand(by_hand);
    sim.run(5);
    assert_eq!(sim.log.len(), 0, "{:?}", sim.log);
    sim.balancer.not_made(number, Duration::from_secs(7));
    sim.run(1);
    assert_eq!(sim.log.len(), 1);
    assert_ne!(sim.log[0].1.change, by_hand, "it rests for the cooldown");
}

#[test]
fn relief_is_expected_where_a_change_would_help_and_nowhere_else() {
    // Two regions share a thread, and the other thread has room.
    let mut sim = Sim::fixed(2, &[0.5, 0.45, 0.1], &[0, 0, 1]);
    sim.run(1);
    assert_eq!(sim.relief, [true, false]);
    // One region is all that its thread does: it would only take the load along.
    let mut sim = Sim::fixed(2, &[0.95, 0.1], &[0, 1]);
    sim.run(5);
    assert_eq!((&sim.relief[..], sim.log.len()), (&[false, false][..], 0));
    // It can be cut, or could, were it not pinned.
    for pinned in [false, true] {
        let mut sim = Sim::new(2, 8, 1);
        sim.cells[2..6].fill(0.24);
        sim.regions[0].pinned = pinned;
        sim.run(1);
        assert_eq!(sim.relief, [!pinned, false]);
    }
    // All are full.
    let mut sim = Sim::fixed(2, &[0.5, 0.5, 0.5, 0.5], &[0, 0, 1, 1]);
    sim.run(5);
    assert_eq!(sim.relief, [false, false]);
    // Something is under way.
    sim.balancer.by_hand(Change::Move {
        region: RegionId(1),
        to: 1,
    });
    sim.run(1);
    assert_eq!(sim.relief, [true, true]);
}

#[test]
fn loads_that_are_no_numbers_do_no_harm() {
    let mut sim = Sim::fixed(
        2,
        &[f64::NAN, 0.3, f64::INFINITY, 0.3, 0.3],
        &[0, 0, 0, 0, 0],
    );
    sim.cuttable = false;
    sim.run(20);
    assert!(sim.decisions(Cause::ThreadHot) <= 5);
}
#[test]
fn regions_that_leave_a_full_thread_show_late_what_they_need() {
    // Five regions need 1.46 of a thread and get 1.0: as long as they share it, moving two of them
    // looks like enough. A seed of the properties once stopped there.
    let loads = [0.233, 0.284, 0.45, 0.236, 0.194, 0.45, 0.092];
    let mut sim = Sim::fixed(3, &loads, &[2, 0, 2, 2, 0, 2, 2]);
    sim.run(30);
    assert!(
        sim.over_optimum() <= 1.10,
        "{:?} {:?}",
        sim.threads(),
        sim.log
    );
}
