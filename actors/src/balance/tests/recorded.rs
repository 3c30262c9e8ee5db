//! Lives here: replays of recorded worlds: lines of `/v1/status`, one per second (regions only), in
//! `traces/`. `wander-700`: 700 bots walk about in the meadow, 16 regions; `rush-3000`: 3,000 bots
//! log in at once, 8 regions, and the machine is full. Two workers, no supervisor.
//!
//! The recorded loads are small, for sockets took most of the machine; so they are replayed as they
//! are, which must lead to no move at all, and scaled up until threads are hot.

use serde::Deserialize;

use super::sim::Sim;
use crate::balance::Cause;

const TRACES: [(&str, &str); 2] = [
    ("wander-700", include_str!("../traces/wander-700.jsonl")),
    ("rush-3000", include_str!("../traces/rush-3000.jsonl")),
];
/// Into how many cells a recorded region is divided; its load is taken as even.
const CELLS: usize = 8;
/// How much of a smoothed load is its newest measurement.
const SMOOTHING: f64 = 0.3;

#[derive(Deserialize)]
struct Line {
    regions: Vec<Region>,
}

#[derive(Deserialize)]
struct Region {
    worker: usize,
    load: f64,
}

fn lines(trace: &str) -> Vec<Line> {
    let lines = trace.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().unwrap()
}

/// What the regions took in each second, undone from the smoothing.
fn fresh(lines: &[Line]) -> Vec<Vec<f64>> {
    let unsmooth = |pair: &[Line]| {
        let regions = pair[0].regions.iter().zip(&pair[1].regions);
        let fresh = regions.map(|(before, now)| {
            let fresh = now.load - before.load * (1.0 - SMOOTHING);
            (fresh / SMOOTHING).max(0.0)
        });
        fresh.collect()
    };
    lines.windows(2).map(unsmooth).collect()
}

/// Replays a trace with all loads `scale` times as large.
fn replay(trace: &str, scale: f64) -> Sim {
    let lines = lines(trace);
    let count = lines[0].regions.len();
    let mut sim = Sim::new(2, count * CELLS, count);
    for (region, recorded) in sim.regions.iter_mut().zip(&lines[0].regions) {
        region.worker = recorded.worker;
    }
    for second in fresh(&lines) {
        let cells = second
            .iter()
            .flat_map(|load| [load * scale / CELLS as f64; CELLS]);
        sim.cells = cells.collect();
        sim.run(1);
    }
    sim
}

/// The most that all regions took together, as a mean of five seconds.
fn peak(trace: &str) -> f64 {
    let sums: Vec<f64> = fresh(&lines(trace))
        .iter()
        .map(|s| s.iter().sum())
        .collect();
    let means = sums.windows(5).map(|five| five.iter().sum::<f64>() / 5.0);
    means.fold(0.0, f64::max)
}

#[test]
fn a_recorded_world_with_room_is_not_stirred() {
    for (name, trace) in TRACES {
        let sim = replay(trace, 1.0);
        let stirred = sim.log.iter().find(|(_, d)| d.cause != Cause::Cold);
        assert!(stirred.is_none(), "{name}: {stirred:?}");
    }
}

#[test]
fn a_recorded_world_that_is_full_is_balanced_without_flapping() {
    let mut relieved = 0;
    for (name, trace) in TRACES {
        for full in [1.0, 1.2, 1.4, 1.6, 1.8] {
            let mut sim = replay(trace, full / peak(trace));
            let changes = sim.log.len() as u64;
            assert!(changes <= sim.now / 2, "{name} {full}: {:?}", sim.log);
            // The last second, for as long as it takes.
            let before = sim.log.len();
            let rest = full / sim.cells.iter().sum::<f64>();
            sim.cells.iter_mut().for_each(|cell| *cell *= rest);
            sim.run(90);
            relieved += sim.decisions(Cause::ThreadHot);
            let over = sim.over_optimum();
            assert!(over <= 1.10 || sim.hottest() <= 0.70 || sim.spread() <= 1.25);
            if sim.log[before..]
                .iter()
                .any(|(_, d)| d.cause == Cause::ThreadHot)
            {
                assert!(over <= 1.10, "{name} {full}: {over} {:?}", sim.threads());
            }
        }
    }
    assert!(relieved > 0, "there was something to do");
}
