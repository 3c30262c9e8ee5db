//! Lives here: loads that move about or swing: a drifting crowd, marching columns, periods around
//! the cooldown, noise. What must hold: no flapping, few changes, balanced again at the end. That
//! nothing goes back within a minute is refused by the simulator.

use world_data::{Map, Point};

use super::sim::Sim;
use crate::balance::Cause;

/// One change per this many seconds and worker is not flapping.
const SECONDS_PER_CHANGE: u64 = 8;

fn assert_calm(sim: &Sim, since: u64) {
    let changes = sim.log.iter().filter(|(at, _)| *at > since).count() as u64;
    let most = (sim.now - since) * sim.lateness.len() as u64 / SECONDS_PER_CHANGE;
    assert!(changes <= most, "{changes} of {most}: {:?}", sim.log);
}

/// `load` around one cell of the line, thinning out over `width` cells.
fn hill(cells: &mut [f64], centre: f64, width: f64, load: f64) {
    let weight = |cell: usize| (-((cell as f64 - centre) / width).powi(2)).exp();
    let total: f64 = (0..cells.len()).map(weight).sum();
    for (at, cell) in cells.iter_mut().enumerate() {
        *cell += load * weight(at) / total;
    }
}

#[test]
fn a_crowd_that_drifts_is_followed() {
    for workers in [2, 4] {
        let mut sim = Sim::new(workers, 256, 8 * workers);
        let load = |centre| {
            let mut cells = vec![0.15 * workers as f64 / 256.0; 256];
            hill(&mut cells, centre, 12.0, 0.8);
            cells
        };
        let mut hot_seconds = 0;
        for second in 0..600_u64 {
            sim.cells = load(20.0 + second as f64 * 0.35);
            sim.run(1);
            hot_seconds += u64::from(second > 10 && sim.hottest() > 0.85);
        }
        assert!(hot_seconds < 30, "{workers}: {hot_seconds} s too hot");
        assert_calm(&sim, 0);
        sim.run(90);
        assert!(
            sim.over_optimum() <= 1.10 || sim.hottest() <= 0.7,
            "{:?}",
            sim.threads()
        );
    }
}

#[test]
fn swinging_loads_do_not_make_it_flap() {
    for period in [4, 8, 10, 12, 16, 20, 24, 30, 40, 60, 90] {
        let mut sim = Sim::new(2, 64, 16);
        for second in 0..720_u64 {
            sim.cells = vec![0.3 / 64.0; 64];
            let (on, off) = if second % period < period / 2 {
                (0.0, 16.0)
            } else {
                (16.0, 0.0)
            };
            hill(&mut sim.cells, on + 2.0, 1.0, 0.55);
            hill(&mut sim.cells, off + 10.0, 1.0, 0.25);
            sim.run(1);
        }
        assert_calm(&sim, 0);
    }
}

#[test]
fn noise_does_not_make_it_flap() {
    for (workers, base) in [(2, 0.66), (2, 0.72), (3, 0.6), (8, 0.68)] {
        let mut sim = Sim::new(workers, 16 * workers, 8 * workers);
        sim.noise = 0.5;
        let cells = sim.cells.len();
        sim.cells = (0..cells)
            .map(|cell| base / 16.0 * if cell % 7 < 3 { 1.2 } else { 0.85 })
            .collect();
        sim.run(600);
        let late = sim
            .log
            .iter()
            .filter(|(at, d)| *at > 60 && d.cause != Cause::Cold);
        let late = late.count();
        assert!(late <= workers, "{late} changes: {:?}", sim.log);
    }
}

#[test]
fn eight_columns_march_outwards_and_all_threads_bear_them() {
    let map = Map {
        cell: 32.0,
        side: 16,
        shards: 1,
    };
    for workers in [2, 4] {
        let mut sim = Sim::new(workers, 256, 8 * workers);
        let middle = map.metres() / 2.0;
        for second in 0..240_u64 {
            sim.cells = vec![0.1 * workers as f64 / 256.0; 256];
            for column in 0..8 {
                let way = f64::from(column) * std::f64::consts::FRAC_PI_4;
                for rank in 0..10_u64 {
                    let far = (second as f64 - rank as f64 * 3.0).max(0.0);
                    let at = Point::new(middle + way.cos() * far, middle + way.sin() * far);
                    let load = 0.4 * workers as f64 / 80.0;
                    sim.cells[map.cell_at(at).0 as usize] += load;
                }
            }
            sim.run(1);
        }
        assert_calm(&sim, 0);
        sim.run(60);
        assert!(
            sim.over_optimum() <= 1.10 || sim.hottest() <= 0.7,
            "{:?}",
            sim.threads()
        );
        assert!(sim.decisions(Cause::RegionHot) >= 1 || workers == 2);
    }
}

#[test]
fn a_steady_skew_is_balanced_once() {
    for workers in [2, 3, 5, 8, 16] {
        let cells = 32 * workers;
        let mut sim = Sim::new(workers, cells, 4 * workers);
        // Zipf: a few cells have most of it.
        let weight = |at: usize| 1.0 / (1.0 + ((at * 37) % cells) as f64);
        let total: f64 = (0..cells).map(weight).sum();
        let share = 0.55 * workers as f64 / total;
        sim.cells = (0..cells).map(|at| (weight(at) * share).min(0.5)).collect();
        sim.run(90);
        let settled = sim.log.len();
        assert!(
            sim.over_optimum() <= 1.10 || sim.hottest() <= 0.7,
            "{:?}",
            sim.threads()
        );
        assert!(
            sim.decisions(Cause::ThreadHot) <= sim.regions.len(),
            "{:?}",
            sim.log
        );
        sim.run(300);
        let later = &sim.log[settled..];
        assert!(
            later.iter().all(|(_, d)| d.cause == Cause::Cold),
            "{later:?}"
        );
    }
}
