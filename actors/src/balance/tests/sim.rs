//! Lives here: a simulator of loads that obeys the balancer: cells with needs, regions as intervals
//! of them, threads that can be full. It refuses every decision that breaks the rules, so that all
//! tests that use it check them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use world_data::{Home, Interval, RegionId};

use super::optimum;
use crate::balance::{
    Balancer, Cause, Change, Cut, Decision, Policy, RegionLoad, Snapshot, Verdict,
};

/// As in the supervisor: how much of a load is its newest measurement.
const SMOOTHING: f64 = 0.3;
/// Regions do not go back to a worker that they left within this.
const NO_RETURN: u64 = 60;

/// A region as the simulator keeps it.
#[derive(Debug, Clone)]
pub(super) struct Region {
    pub(super) id: u64,
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) worker: usize,
    pub(super) pinned: bool,
    pub(super) load: f64,
    pub(super) fresh: f64,
}

/// A host with a balancer.
#[derive(Debug)]
pub(super) struct Sim {
    pub(super) now: u64,
    pub(super) balancer: Balancer,
    pub(super) regions: Vec<Region>,
    pub(super) lateness: Vec<Duration>,
    pub(super) cells: Vec<f64>,
    pub(super) map_end: usize,
    /// Whether regions can be cut.
    pub(super) cuttable: bool,
    /// Border traffic by the two regions' ids, the lower one first.
    pub(super) border: BTreeMap<(u64, u64), f64>,
    /// How much a second's load is off, at most: 0.2 is ±20 %.
    pub(super) noise: f64,
    /// Answer decisions one second late.
    pub(super) slow: bool,
    pub(super) log: Vec<(u64, Decision)>,
    pub(super) verdicts: Vec<(u64, Verdict)>,
    /// Per worker, whether a change may relieve it, as of the newest second.
    pub(super) relief: Vec<bool>,
    waiting: Vec<Decision>,
    left: BTreeMap<(u64, usize), u64>,
    /// When the cuts were made that we made.
    cuts: BTreeMap<usize, u64>,
    moved: BTreeMap<u64, u64>,
    last_id: u64,
    chance: SmallRng,
}

impl Sim {
    /// `regions` even parts of `cells` cells, spread over `workers` round robin.
    pub(super) fn new(workers: usize, cells: usize, regions: usize) -> Self {
        let region = |at: usize| Region {
            id: at as u64 + 1,
            from: cells * at / regions,
            to: cells * (at + 1) / regions,
            worker: at % workers,
            pinned: false,
            load: 0.0,
            fresh: 0.0,
        };
        Self {
            now: 0,
            balancer: Balancer::new(Policy::default()),
            regions: (0..regions).map(region).collect(),
            lateness: vec![Duration::from_millis(1); workers],
            cells: vec![0.0; cells],
            map_end: cells,
            cuttable: true,
            border: BTreeMap::new(),
            noise: 0.0,
            slow: false,
            log: Vec::new(),
            verdicts: Vec::new(),
            relief: Vec::new(),
            waiting: Vec::new(),
            left: BTreeMap::new(),
            cuts: BTreeMap::new(),
            moved: BTreeMap::new(),
            last_id: regions as u64,
            chance: SmallRng::seed_from_u64(1),
        }
    }

    /// One region per cell, none of which can be cut: `loads[i]` on worker `placed[i]`.
    pub(super) fn fixed(workers: usize, loads: &[f64], placed: &[usize]) -> Self {
        let mut sim = Self::new(workers, loads.len(), loads.len());
        sim.cells = loads.to_vec();
        for (region, worker) in sim.regions.iter_mut().zip(placed) {
            region.worker = *worker;
        }
        sim
    }

    /// Lets so many seconds pass with the loads as they are.
    pub(super) fn run(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.second();
        }
    }

    fn second(&mut self) {
        self.now += 1;
        self.measure();
        for decision in std::mem::take(&mut self.waiting) {
            self.make(&decision);
        }
        let snapshot = self.snapshot();
        let step = self.balancer.step(&snapshot);
        let verdicts = step.verdicts.into_iter().map(|v| (self.now, v));
        self.verdicts.extend(verdicts);
        self.relief = step.relief;
        self.refuse_two_per_worker(&step.decisions);
        for decision in step.decisions {
            self.log.push((self.now, decision.clone()));
            if self.slow {
                self.waiting.push(decision);
            } else {
                self.make(&decision);
            }
        }
        self.assert_partition();
    }

    /// What a region needs in truth.
    pub(super) fn need(&self, region: &Region) -> f64 {
        self.cells[region.from..region.to].iter().sum()
    }

    /// What each thread needs in truth.
    pub(super) fn threads(&self) -> Vec<f64> {
        let mut threads = vec![0.0; self.lateness.len()];
        for region in &self.regions {
            threads[region.worker] += self.need(region);
        }
        threads
    }

    pub(super) fn hottest(&self) -> f64 {
        self.threads().into_iter().fold(0.0, f64::max)
    }

    pub(super) fn spread(&self) -> f64 {
        let threads = self.threads();
        self.hottest() * threads.len() as f64 / threads.iter().sum::<f64>()
    }

    /// How much hotter the hottest thread is than it would be in the best placement.
    pub(super) fn over_optimum(&self) -> f64 {
        let needs: Vec<f64> = self.regions.iter().map(|r| self.need(r)).collect();
        self.hottest() / optimum::hottest(&needs, self.lateness.len())
    }

    pub(super) fn decisions(&self, cause: Cause) -> usize {
        self.log.iter().filter(|(_, d)| d.cause == cause).count()
    }

    /// The last second in which something was decided.
    pub(super) fn last_decision(&self) -> u64 {
        self.log.last().map_or(0, |(at, _)| *at)
    }

    fn measure(&mut self) {
        let threads = self.threads();
        for at in 0..self.regions.len() {
            let off = 1.0 + self.noise * self.chance.random_range(-1.0..=1.0);
            let need = self.need(&self.regions[at]) * off;
            let region = &mut self.regions[at];
            // A full thread gives nobody all that it needs.
            region.fresh = need / threads[region.worker].max(1.0);
            region.load += (region.fresh - region.load) * SMOOTHING;
        }
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            at: Duration::from_secs(self.now),
            lateness: self.lateness.clone(),
            map_end: Home(self.map_end as u64),
            regions: self.regions.iter().map(|r| self.region_load(r)).collect(),
        }
    }

    fn region_load(&self, region: &Region) -> RegionLoad {
        let interval = Interval {
            from: Home(region.from as u64),
            to: Home(region.to as u64),
        };
        let loads = (region.from..region.to).map(|cell| (Home(cell as u64), self.cells[cell]));
        let loads: Vec<_> = loads.collect();
        let border = self.border.iter().filter_map(|((a, b), rate)| {
            let other = (*a == region.id)
                .then_some(*b)
                .or_else(|| (*b == region.id).then_some(*a));
            other.map(|other| (RegionId(other), *rate))
        });
        RegionLoad {
            id: RegionId(region.id),
            interval,
            worker: region.worker,
            load: region.load,
            fresh: region.fresh,
            pinned: region.pinned,
            cut: self.cuttable.then(|| Cut::best(interval, &loads)).flatten(),
            border: border.collect(),
        }
    }

    pub(super) fn at(&self, id: RegionId) -> usize {
        let at = self.regions.iter().position(|r| r.id == id.0);
        at.unwrap_or_else(|| panic!("there is no {id:?}"))
    }

    /// Carries a decision out, if it may be, and says so to the balancer.
    pub(super) fn make(&mut self, decision: &Decision) {
        for id in decision.change.regions() {
            assert!(!self.regions[self.at(id)].pinned, "{decision:?}");
        }
        assert!(decision.gain.is_finite() && !decision.reason.is_empty());
        let became = self.apply(decision);
        let now = Duration::from_secs(self.now);
        self.balancer.made(decision.number, now, &became);
    }

    /// Says that what waits to be carried out will not be.
    pub(super) fn leave_out_waiting(&mut self) {
        for decision in std::mem::take(&mut self.waiting) {
            let now = Duration::from_secs(self.now);
            self.balancer.not_made(decision.number, now);
        }
    }

    fn apply(&mut self, decision: &Decision) -> Vec<RegionId> {
        match decision.change {
            Change::Move { region, to } => {
                let at = self.at(region);
                let from = self.regions[at].worker;
                assert_eq!((decision.from, decision.to), (from, to));
                if decision.cause != Cause::Undo {
                    self.refuse_early_or_back(region, to);
                }
                self.note_move(region, from);
                self.regions[at].worker = to;
                vec![region]
            }
            Change::Split {
                region,
                at,
                right_to,
            } => vec![region, self.split(region, at.0 as usize, right_to)],
            Change::Merge { left, right } => {
                let at = self.at(left);
                let gone = self.regions.remove(at + 1);
                let cut = self.cuts.remove(&gone.from).unwrap_or(0);
                let is_old = cut == 0 || self.now - cut >= NO_RETURN;
                assert!(is_old || decision.cause == Cause::Undo, "{decision:?}");
                let kept = &mut self.regions[at];
                assert_eq!(gone.id, right.0, "neighbours");
                assert_eq!(gone.worker, kept.worker, "on one worker");
                assert_ne!(gone.from, self.map_end, "never over the map's end");
                kept.to = gone.to;
                kept.load += gone.load;
                kept.fresh += gone.fresh;
                vec![left]
            }
        }
    }

    fn split(&mut self, region: RegionId, at: usize, right_to: usize) -> RegionId {
        self.last_id += 1;
        self.cuts.insert(at, self.now);
        let left = self.at(region);
        let whole = self.regions[left].clone();
        assert!(whole.from < at && at < whole.to, "a cut is inside");
        let need = self.need(&whole);
        let part = |from: usize, to: usize| {
            let need_of_part: f64 = self.cells[from..to].iter().sum();
            let share = if need > 0.0 { need_of_part / need } else { 0.5 };
            Region {
                from,
                to,
                load: whole.load * share,
                fresh: whole.fresh * share,
                ..whole.clone()
            }
        };
        let (a, mut b) = (part(whole.from, at), part(at, whole.to));
        b.id = self.last_id;
        b.worker = right_to;
        self.regions[left] = a;
        self.regions.insert(left + 1, b);
        if whole.worker != right_to {
            self.note_move(RegionId(self.last_id), whole.worker);
        }
        RegionId(self.last_id)
    }

    fn note_move(&mut self, region: RegionId, from: usize) {
        self.left.insert((region.0, from), self.now);
        self.moved.insert(region.0, self.now);
    }

    fn refuse_early_or_back(&self, region: RegionId, to: usize) {
        if let Some(left) = self.left.get(&(region.0, to)) {
            assert!(self.now - left >= NO_RETURN, "{region:?} goes back to {to}");
        }
        if let Some(moved) = self.moved.get(&region.0) {
            assert!(self.now - moved >= 10, "{region:?} moves again too soon");
        }
    }

    fn refuse_two_per_worker(&self, decisions: &[Decision]) {
        let mut seen = BTreeSet::new();
        let under_way = if self.slow { &self.waiting[..] } else { &[] };
        for decision in under_way.iter().chain(decisions) {
            for worker in BTreeSet::from([decision.from, decision.to]) {
                assert!(worker < self.lateness.len());
                assert!(seen.insert(worker), "two changes at once: {decisions:?}");
            }
        }
    }

    fn assert_partition(&self) {
        assert_eq!(self.regions[0].from, 0);
        assert_eq!(self.regions.last().unwrap().to, self.cells.len());
        assert!(self.regions.iter().all(|r| r.from < r.to));
        assert!(self.regions.windows(2).all(|p| p[0].to == p[1].from));
    }
}
