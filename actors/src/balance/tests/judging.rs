//! Lives here: changes that made ticks later: taken back once, and not made again for a while.

use std::time::Duration;

use super::sim::Sim;
use crate::balance::{Cause, Change};
use world_data::RegionId;

const MS: fn(u64) -> Duration = Duration::from_millis;

/// A host that makes one move at second 3, and whose ticks are `before` late until then.
fn moved(before: Duration) -> (Sim, Change) {
    let mut sim = Sim::fixed(2, &[0.45, 0.45], &[0, 0]);
    sim.lateness = vec![before; 2];
    sim.run(3);
    assert_eq!(sim.log.len(), 1, "{:?}", sim.log);
    let change = sim.log[0].1.change;
    (sim, change)
}

#[test]
fn a_move_that_made_ticks_later_is_taken_back_and_not_made_again() {
    let (mut sim, change) = moved(MS(8));
    let region = change.regions()[0];
    for other in &mut sim.regions {
        other.pinned = other.id != region.0;
    }
    sim.lateness = vec![MS(30), MS(3)];
    sim.run(7);
    let (at, verdict) = &sim.verdicts[0];
    assert!(!verdict.kept && *at == 8, "{:?}", sim.verdicts);
    assert!(verdict.reason.contains("8 ms before, 30 ms after"));
    let undo = &sim.log[1].1;
    let back = Change::Move { region, to: 0 };
    assert_eq!((undo.cause, undo.change), (Cause::Undo, back));
    sim.run(117);
    assert_eq!(sim.log.len(), 2, "not again for two minutes: {:?}", sim.log);
    sim.run(5);
    assert_eq!(sim.log[2].1.change, change, "then it is worth another try");
    sim.run(30);
    assert_eq!(sim.log.len(), 3, "no later than before: {:?}", sim.log);
}

#[test]
fn lateness_within_the_margin_is_no_reason() {
    for (before, after) in [(8, 17), (100, 120), (30, 5), (0, 10)] {
        let (mut sim, _) = moved(MS(before));
        sim.lateness = vec![MS(after); 2];
        sim.run(10);
        assert!(
            sim.verdicts[0].1.kept,
            "{before} to {after}: {:?}",
            sim.verdicts
        );
        assert_eq!(sim.decisions(Cause::Undo), 0);
    }
}

#[test]
fn the_pause_of_the_change_itself_does_not_count() {
    let (mut sim, _) = moved(MS(5));
    sim.lateness = vec![MS(50); 2];
    sim.run(2);
    sim.lateness = vec![MS(5); 2];
    sim.run(8);
    assert!(sim.verdicts[0].1.kept, "{:?}", sim.verdicts);
}

#[test]
fn more_load_of_others_explains_lateness() {
    let mut sim = Sim::fixed(2, &[0.45, 0.45, 0.1], &[0, 0, 1]);
    sim.lateness = vec![MS(5); 2];
    sim.run(3);
    assert_eq!(sim.log.len(), 1, "{:?}", sim.log);
    sim.lateness = vec![MS(60); 2];
    sim.cells[2] = 0.35;
    sim.run(7);
    assert!(sim.verdicts[0].1.kept, "{:?}", sim.verdicts);
    assert!(sim.verdicts[0].1.reason.contains("others"));
}

#[test]
fn a_full_thread_cannot_be_judged() {
    let mut sim = Sim::fixed(2, &[0.5, 0.5, 0.3], &[0, 0, 0]);
    sim.run(3);
    assert_eq!(sim.log.len(), 1, "{:?}", sim.log);
    sim.lateness = vec![MS(60); 2];
    sim.run(8);
    assert!(sim.log.iter().all(|(_, d)| d.cause != Cause::Undo));
}

#[test]
fn a_split_that_made_ticks_later_is_moved_back_and_merged() {
    let mut sim = Sim::new(2, 32, 2);
    sim.run(1);
    sim.cells[4..8].fill(0.2);
    sim.run(3);
    let split = sim.log[0].1.change;
    assert!(
        matches!(split, Change::Split { right_to: 1, .. }),
        "{:?}",
        sim.log
    );
    sim.lateness = vec![MS(40); 2];
    sim.run(8);
    let undone: Vec<_> = sim.log[1..]
        .iter()
        .map(|(_, d)| (d.cause, d.change))
        .collect();
    let (left, right) = (RegionId(1), RegionId(3));
    let steps = [
        (
            Cause::Undo,
            Change::Move {
                region: right,
                to: 0,
            },
        ),
        (Cause::Undo, Change::Merge { left, right }),
    ];
    assert_eq!(undone, steps);
    assert_eq!(sim.regions.len(), 2);
    sim.run(90);
    assert_eq!(
        sim.log.len(),
        3,
        "not split again for a while: {:?}",
        sim.log
    );
    sim.run(60);
    assert!(sim.log.len() > 3, "but later");
}

#[test]
fn a_merge_that_made_ticks_later_is_split_again() {
    let mut sim = Sim::new(2, 40, 20);
    for region in &mut sim.regions {
        region.worker = usize::from(region.id > 10);
    }
    while sim.log.is_empty() {
        sim.run(1);
    }
    let (Change::Merge { left, .. }, merged) = (sim.log[0].1.change, sim.log.len()) else {
        panic!("{:?}", sim.log);
    };
    assert_eq!(merged, 2, "one per worker");
    // Later merges would end the judgement of the first.
    for region in &mut sim.regions {
        region.pinned = region.id != left.0;
    }
    sim.lateness = vec![MS(40); 2];
    sim.run(7);
    let undo = sim.log.iter().find(|(_, d)| d.cause == Cause::Undo);
    let change = undo.map(|(_, d)| d.change);
    assert!(
        matches!(change, Some(Change::Split { region, .. }) if region == left),
        "{:?} {:?}",
        sim.log,
        sim.verdicts
    );
}

#[test]
fn what_an_operator_does_is_not_judged() {
    let mut sim = Sim::fixed(2, &[0.2, 0.2], &[0, 0]);
    sim.run(3);
    let region = RegionId(1);
    let number = sim.balancer.by_hand(Change::Move { region, to: 1 });
    sim.regions[0].worker = 1;
    sim.balancer.made(number, Duration::from_secs(3), &[region]);
    sim.lateness = vec![MS(80); 2];
    sim.run(30);
    assert!(
        sim.verdicts.is_empty() && sim.log.is_empty(),
        "{:?}",
        sim.log
    );
}

#[test]
fn a_change_that_is_followed_by_another_on_its_thread_is_kept() {
    let mut sim = Sim::fixed(2, &[0.16; 6], &[0; 6]);
    sim.run(4);
    assert_eq!(sim.log.len(), 2, "{:?}", sim.log);
    sim.run(1);
    let (_, verdict) = &sim.verdicts[0];
    assert!(
        verdict.kept && verdict.reason.contains("followed"),
        "{:?}",
        sim.verdicts
    );
}
