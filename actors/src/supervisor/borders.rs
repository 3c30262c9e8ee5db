//! Lives here: the traffic of each pair of regions, summed up once per second from what regions and
//! hubs have counted, and its gauges. Not here: the counting (`region::figures`, `hub`).
//!
//! Invariant: both regions of a pair are told the same, and only of regions that live.

use metrics::{Gauge, gauge};
use rustc_hash::{FxHashMap, FxHashSet};
use world_data::{RegionId, World};

use super::smooth;
use crate::border::{Pair, Traffic, pair};
use crate::directory::{Looks, Placement};

/// All traffic over borders.
#[derive(Debug, Default)]
pub(super) struct Borders {
    pairs: FxHashMap<Pair, Traffic>,
}

impl Borders {
    /// Takes in what was counted in the last `elapsed` seconds, and tells each region of its own.
    pub(super) fn measure<W: World>(
        &mut self,
        placement: &Placement<W>,
        living: &FxHashSet<RegionId>,
        looks: Looks,
        elapsed: f64,
    ) {
        let mut fresh: FxHashMap<Pair, Traffic> = FxHashMap::default();
        for region in &placement.regions {
            for (other, counts) in region.figures.take_border() {
                let traffic = fresh.entry(pair(region.id, other)).or_default();
                traffic.tasks += counts.tasks as f64 / elapsed;
                traffic.crossings += counts.crossings as f64 / elapsed;
            }
        }
        for ((from, to), cells) in looks {
            fresh.entry(pair(from, to)).or_default().subscriptions += cells as f64;
        }
        self.take(fresh, |(a, b)| living.contains(a) && living.contains(b));
        let mut told: FxHashMap<RegionId, Vec<(RegionId, Traffic)>> = FxHashMap::default();
        for ((a, b), traffic) in &self.pairs {
            told.entry(*a).or_default().push((*b, *traffic));
            told.entry(*b).or_default().push((*a, *traffic));
        }
        for region in &placement.regions {
            let mut border = told.remove(&region.id).unwrap_or_default();
            border.sort_unstable_by_key(|(id, _)| *id);
            *region.figures.border.lock() = border;
        }
    }

    fn take(&mut self, mut fresh: FxHashMap<Pair, Traffic>, lives: impl Fn(&Pair) -> bool) {
        for pair in self.pairs.keys() {
            fresh.entry(*pair).or_default();
        }
        for (pair, now) in fresh {
            let known = self.pairs.entry(pair).or_default();
            *known = known.with(now, smooth);
        }
        self.pairs
            .retain(|pair, traffic| lives(pair) && traffic.is_felt());
    }

    /// The sums over all pairs whose regions share a thread, and over all others.
    fn sums(&self, worker: &FxHashMap<RegionId, usize>) -> [Traffic; 2] {
        let mut sums = [Traffic::default(); 2];
        for ((a, b), traffic) in &self.pairs {
            let sum = &mut sums[usize::from(worker.get(a) != worker.get(b))];
            *sum = sum.with(*traffic, |x, y| x + y);
        }
        sums
    }
}

/// The gauges of all traffic: by kind, and by whether it stays on one thread.
pub(super) struct BorderGauges([[Gauge; 3]; 2]);

impl BorderGauges {
    pub(super) fn new() -> Self {
        let of = |kind: &'static str, threads: &'static str| gauge!("brightstar_border_traffic", "kind" => kind, "threads" => threads);
        Self(
            ["one", "two"].map(|threads| {
                ["tasks", "crossings", "subscriptions"].map(|kind| of(kind, threads))
            }),
        )
    }

    pub(super) fn show<W: World>(&self, borders: &Borders, placement: &Placement<W>) {
        let workers = placement.regions.iter().map(|r| (r.id, r.worker()));
        let sums = borders.sums(&workers.collect());
        for (gauges, sum) in self.0.iter().zip(sums) {
            let [tasks, crossings, subscriptions] = gauges;
            tasks.set(sum.tasks);
            crossings.set(sum.crossings);
            subscriptions.set(sum.subscriptions);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traffic(tasks: f64) -> Traffic {
        Traffic {
            tasks,
            ..Traffic::default()
        }
    }

    #[test]
    fn traffic_is_smoothed_and_forgotten_with_its_regions() {
        let (a, b, c) = (RegionId(1), RegionId(2), RegionId(3));
        let mut borders = Borders::default();
        let fresh = || FxHashMap::from_iter([((a, b), traffic(100.0)), ((b, c), traffic(10.0))]);
        borders.take(fresh(), |_| true);
        let first = borders.pairs[&(a, b)].tasks;
        assert!((first - 30.0).abs() < 1e-9, "{first}");
        for _ in 0..30 {
            borders.take(fresh(), |_| true);
        }
        assert!((borders.pairs[&(a, b)].tasks - 100.0).abs() < 1.0);
        let worker = FxHashMap::from_iter([(a, 0), (b, 0), (c, 1)]);
        let [one, two] = borders.sums(&worker);
        assert!((one.tasks - 100.0).abs() < 1.0 && (two.tasks - 10.0).abs() < 0.1);
        // Region 3 is no more.
        borders.take(fresh(), |(_, b)| *b != c);
        assert!(!borders.pairs.contains_key(&(b, c)));
        // Nobody acts over the border any more: it is forgotten after a while.
        for _ in 0..40 {
            borders.take(FxHashMap::default(), |_| true);
        }
        assert!(borders.pairs.is_empty());
    }
}
