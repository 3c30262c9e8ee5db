//! Lives here: which regions change worker so that hot threads are relieved. The whole way is
//! thought out each second, and only its first steps are handed out: the next second knows more.
//! Not here: regions that are too big to move (`splits`).
//!
//! Invariant: no thread takes part in two moves of one step, and a step is independent of the
//! planned ones before it that were not handed out.

use super::memory::Memory;
use super::picture::{Picture, percent};
use super::{Cause, Change, Proposal};

/// The most moves that are thought ahead.
const MOST_LEGS: usize = 256;
/// A plan is drafted with each of these, and the best is taken: an exchange is preferred where the
/// best single move takes less than this part of the load away.
const EXCHANGE_UNDER: [f64; 3] = [0.0, 0.02, 0.10];
/// The least part of a thread's load that an exchange takes off it. Several small steps may make
/// one plan that is worth it.
const LEAST_EXCHANGE: f64 = 0.01;
/// The most moves in one exchange.
const MOST_HOPS: usize = 4;
/// For how many regions of a thread, the heaviest, and to how many threads, the coolest, an
/// exchange is looked for.
const MOST_TRIED: usize = 8;
/// Relief below this share of a thread is no relief: it keeps rounding errors from moving things.
const DUST: f64 = 0.001;

/// One planned move.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leg {
    region: usize,
    from: usize,
    to: usize,
    gain: f64,
    /// The thread that the plan relieves by it.
    relieves: usize,
}

/// A region, and where it goes.
type Hop = (usize, usize);

/// A way to relieve one thread: a region goes, and perhaps others make room for it.
#[derive(Debug, Clone)]
struct Way {
    hops: Vec<Hop>,
    gain: f64,
    /// What decides between ways: the gain in load and border traffic, less what moving costs.
    worth: f64,
}

impl Way {
    fn better(self, other: Option<Self>) -> Self {
        match other {
            Some(other) if other.worth >= self.worth => other,
            _ => self,
        }
    }
}

/// A placement that is being thought about.
#[derive(Clone)]
struct Draft<'a> {
    picture: &'a Picture<'a>,
    memory: &'a Memory,
    threads: Vec<f64>,
    worker: Vec<usize>,
    /// Per worker, the regions that may still move, by need.
    movable: Vec<Vec<usize>>,
    /// The way here.
    legs: Vec<Leg>,
}

/// Thinks out the moves that bring all threads as near to the mean as they get. They are made one
/// by one, and end as soon as all threads are under the cool thresholds. Leaves out the threads
/// whose relief is not worth it.
pub(super) fn plan(picture: &Picture<'_>, memory: &Memory) -> Vec<Leg> {
    let empty = Draft::new(picture, memory);
    let drafts = EXCHANGE_UNDER.map(|share| empty.clone().worth_it(share));
    let best = drafts.into_iter().min_by(|a, b| {
        let (a, b) = (a.heat(), b.heat());
        a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
    });
    best.map(|draft| draft.legs).unwrap_or_default()
}

/// The first moves of a plan, at most one per thread.
pub(super) fn propose(picture: &Picture<'_>, legs: Vec<Leg>, free: &[bool]) -> Vec<Proposal> {
    let mut free = free.to_vec();
    let mut proposals = Vec::new();
    for leg in legs {
        let both_free = free[leg.from] && free[leg.to];
        // Also a leg that has to wait keeps its threads: later legs were planned behind it.
        free[leg.from] = false;
        free[leg.to] = false;
        if both_free {
            proposals.push(proposal(picture, leg));
        }
    }
    proposals
}

fn proposal(picture: &Picture<'_>, leg: Leg) -> Proposal {
    let region = &picture.regions()[leg.region];
    let reason = format!(
        "worker {} is at {}, {:.2} times the mean; region {} ({}) goes to worker {} at {}",
        leg.relieves,
        percent(picture.threads[leg.relieves]),
        picture.threads[leg.relieves] / picture.mean(),
        region.id.0,
        percent(picture.need[leg.region]),
        leg.to,
        percent(picture.threads[leg.to]),
    );
    Proposal {
        change: Change::Move {
            region: region.id,
            to: leg.to,
        },
        cause: Cause::ThreadHot,
        from: leg.from,
        to: leg.to,
        left: 1.0,
        gain: leg.gain,
        reason,
    }
}

impl<'a> Draft<'a> {
    fn new(picture: &'a Picture<'a>, memory: &'a Memory) -> Self {
        let mut movable = vec![Vec::new(); picture.threads.len()];
        for (at, region) in picture.regions().iter().enumerate() {
            let rested = memory.is_rested(region.id, picture.at, picture.policy);
            if picture.is_free(region) && rested && picture.need[at] > DUST {
                movable[region.worker].push(at);
            }
        }
        for regions in &mut movable {
            regions.sort_by(|a, b| picture.need[*a].total_cmp(&picture.need[*b]));
        }
        Self {
            picture,
            memory,
            threads: picture.threads.clone(),
            worker: picture.regions().iter().map(|r| r.worker).collect(),
            movable,
            legs: Vec::new(),
        }
    }

    /// The hottest thread's load, and the sum of the squares of all: less is better.
    fn heat(&self) -> (f64, f64) {
        let hottest = self.threads.iter().copied().fold(0.0, f64::max);
        (hottest, self.threads.iter().map(|load| load * load).sum())
    }

    /// Relieves threads, but for those that gain too little by it: these are left as they are, and
    /// the rest is thought out anew without them.
    fn worth_it(self, exchange_under: f64) -> Self {
        let (mean, part) = (self.picture.mean(), 1.0 - self.picture.policy.min_gain);
        // A thread below the mean is only relieved of what the plan itself brings it.
        let is_hot = |load: &f64| *load > mean;
        // None gets below the mean: nearer than that to it, there is nothing to gain.
        let hopeless = |load: &f64| is_hot(load) && load * part < mean;
        let mut left_alone: Vec<bool> = self.threads.iter().map(hopeless).collect();
        if !self
            .threads
            .iter()
            .any(|load| is_hot(load) && !hopeless(load))
        {
            return self;
        }
        loop {
            let draft = self.clone().relieve(exchange_under, left_alone.clone());
            let failed: Vec<usize> = draft
                .legs
                .iter()
                .map(|leg| leg.relieves)
                .filter(|at| is_hot(&self.threads[*at]))
                .filter(|at| draft.threads[*at] > self.threads[*at] * part)
                .collect();
            if failed.is_empty() {
                return draft;
            }
            for thread in failed {
                left_alone[thread] = true;
            }
        }
    }

    /// Takes load off the hottest thread, again and again.
    fn relieve(mut self, exchange_under: f64, mut stuck: Vec<bool>) -> Self {
        let mean = self.picture.mean();
        while self.legs.len() < MOST_LEGS {
            let hottest = (0..self.threads.len())
                .filter(|thread| !stuck[*thread])
                .max_by(|a, b| self.threads[*a].total_cmp(&self.threads[*b]));
            let Some(thread) = hottest else { break };
            let load = self.threads[thread];
            if load <= mean {
                break;
            }
            let mut way = self.best_move(thread, &[]);
            if way
                .as_ref()
                .is_none_or(|way| way.gain < exchange_under * load)
            {
                way = self.best_exchange(thread).or(way);
            }
            match way {
                Some(way) => self.take(thread, &way),
                None => stuck[thread] = true,
            }
        }
        self
    }

    fn take(&mut self, relieves: usize, way: &Way) {
        for &(region, to) in &way.hops {
            self.legs.push(Leg {
                region,
                from: self.worker[region],
                to,
                gain: way.gain,
                relieves,
            });
            self.go(region, to);
        }
    }

    /// The best region to take off `from`, and where to, once `hops` are made.
    fn best_move(&self, from: usize, hops: &[Hop]) -> Option<Way> {
        let threads = self.threads_after(hops);
        let mut best: Option<Way> = None;
        for &goes in &self.movable[from] {
            if hops.iter().any(|(region, _)| *region == goes) {
                continue;
            }
            let need = self.picture.need[goes];
            for to in (0..threads.len()).filter(|to| *to != from) {
                let gain = threads[from] - (threads[from] - need).max(threads[to] + need);
                if gain < DUST {
                    continue;
                }
                let worth = gain + self.traffic(goes, to, hops) - self.traffic(goes, from, hops);
                if worth > DUST && self.may(goes, to) {
                    let way = Way {
                        hops: vec![(goes, to)],
                        gain,
                        worth: worth - self.cost(goes),
                    };
                    best = Some(way.better(best));
                }
            }
        }
        best
    }

    /// The best way to relieve `from` where no single move does: a region goes to a thread that
    /// makes room for it. That is several moves, and between them the other thread has more than
    /// it should.
    fn best_exchange(&self, from: usize) -> Option<Way> {
        let least = LEAST_EXCHANGE * self.threads[from];
        let mut coolest: Vec<usize> = (0..self.threads.len())
            .filter(|to| self.threads[from] - self.threads[*to] > least)
            .collect();
        coolest.sort_by(|a, b| self.threads[*a].total_cmp(&self.threads[*b]));
        let mut best: Option<Way> = None;
        for &goes in self.movable[from].iter().rev().take(MOST_TRIED) {
            let coolest = coolest.iter().copied().take(MOST_TRIED);
            for to in coolest.filter(|to| self.may(goes, *to)) {
                let ways = self.swaps(from, goes, to).into_iter().flatten();
                for way in ways.chain(self.make_room(from, goes, to)) {
                    if way.gain > least {
                        best = Some(way.better(best));
                    }
                }
            }
        }
        best
    }

    /// `goes` changes places with each of the two regions on `to` with which it would leave the two
    /// threads most alike.
    fn swaps(&self, from: usize, goes: usize, to: usize) -> [Option<Way>; 2] {
        let need = &self.picture.need;
        let ideal = need[goes] - (self.threads[from] - self.threads[to]) / 2.0;
        let there = &self.movable[to];
        let above = there.partition_point(|at| need[*at] < ideal);
        let below = above.checked_sub(1).map(|at| there[at]);
        [below, there.get(above).copied()].map(|comes| {
            let comes = comes.filter(|comes| self.may(*comes, from))?;
            self.way(from, vec![(goes, to), (comes, from)])
        })
    }

    /// `goes` goes to `to`, and that thread is relieved in turn, as it would be if it were so.
    fn make_room(&self, from: usize, goes: usize, to: usize) -> Option<Way> {
        let mut hops = vec![(goes, to)];
        while hops.len() < MOST_HOPS
            && let Some(next) = self.best_move(to, &hops)
        {
            hops.extend(next.hops);
        }
        self.way(from, hops)
    }

    /// Weighs a way to relieve `from`.
    fn way(&self, from: usize, hops: Vec<Hop>) -> Option<Way> {
        let threads = self.threads_after(&hops);
        let touched = hops.iter().map(|(_, to)| threads[*to]);
        let gain = self.threads[from] - touched.fold(threads[from], f64::max);
        let mut worth = gain;
        for (at, &(region, to)) in hops.iter().enumerate() {
            let before = &hops[..at];
            worth += self.traffic(region, to, before)
                - self.traffic(region, self.worker[region], before)
                - self.cost(region);
        }
        let costs: f64 = hops.iter().map(|(region, _)| self.cost(*region)).sum();
        (gain > DUST && worth + costs > DUST).then_some(Way { hops, gain, worth })
    }

    fn threads_after(&self, hops: &[Hop]) -> Vec<f64> {
        let mut threads = self.threads.clone();
        for &(region, to) in hops {
            threads[self.worker[region]] -= self.picture.need[region];
            threads[to] += self.picture.need[region];
        }
        threads
    }

    /// What it would cost to have the region's border traffic with `worker` cross threads, once
    /// `hops` are made.
    fn traffic(&self, region: usize, worker: usize, hops: &[Hop]) -> f64 {
        let is_there = |other: usize| match hops.iter().find(|(moved, _)| *moved == other) {
            Some((_, to)) => *to == worker,
            None => self.worker[other] == worker,
        };
        let there = self.picture.border[region].iter();
        there
            .filter(|(other, _)| is_there(*other))
            .map(|(_, cost)| cost)
            .sum()
    }

    fn cost(&self, region: usize) -> f64 {
        self.picture.policy.move_cost * (1.0 + self.picture.need[region])
    }

    fn may(&self, region: usize, to: usize) -> bool {
        let id = self.picture.regions()[region].id;
        self.memory
            .may_move(id, to, self.picture.at, self.picture.policy)
    }

    fn go(&mut self, region: usize, to: usize) {
        let need = self.picture.need[region];
        let from = std::mem::replace(&mut self.worker[region], to);
        self.threads[from] -= need;
        self.threads[to] += need;
        // Nothing is moved twice in one plan.
        self.movable[from].retain(|at| *at != region);
    }
}
