//! Lives here: what the balancer remembers of each region: its last seconds, when it changed, where
//! it came from, and which changes did harm. Not here: open judgements (`judge`).
//!
//! Invariant: it remembers regions of the newest snapshot only, and of each a bounded time.

use std::time::Duration;

use rustc_hash::FxHashMap;
use world_data::RegionId;

use super::policy::Policy;
use super::{Cause, Change, RegionLoad, Snapshot, UnderWay};

/// How much earlier than due a snapshot may come, as timers do.
const JITTER: Duration = Duration::from_millis(200);

/// What is remembered, of all regions.
#[derive(Debug, Default)]
pub(super) struct Memory {
    regions: FxHashMap<RegionId, Past>,
    /// Changes that did harm, and until when they are not made again.
    harmful: Vec<(Change, Duration)>,
    last: Option<Duration>,
}

/// One region's past.
#[derive(Debug, Clone)]
struct Past {
    worker: usize,
    /// What it took in each of the last seconds, the newest last.
    recent: [f64; 3],
    /// Since when it alone is over `split_over`.
    over_since: Option<Duration>,
    /// Its right neighbour, and since when the two are under `merge_under`.
    cold: Option<(RegionId, Duration)>,
    /// When it last moved, or failed to, and why.
    changed: Option<(Duration, Cause)>,
    /// Workers it left, and when.
    left: Vec<(usize, Duration)>,
    /// When the cut between it and its right neighbour was made, if by us.
    cut_made: Option<Duration>,
}

impl Past {
    fn new(region: &RegionLoad) -> Self {
        // Before the first look it did what its smoothed load says.
        let load = tame(region.load);
        Self {
            worker: region.worker,
            recent: [load; 3],
            over_since: None,
            cold: None,
            changed: None,
            left: Vec::new(),
            cut_made: None,
        }
    }

    /// The smoothed load, but within what the last three seconds showed: noise is smoothed, and
    /// yet a step counts in full after three seconds.
    fn need(&self, load: f64) -> f64 {
        let least = self.recent.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.recent.iter().copied().fold(0.0, f64::max);
        tame(load).clamp(least, most)
    }

    /// Takes its part of what its whole did.
    fn scale(mut self, share: f64) -> Self {
        self.recent = self.recent.map(|load| load * share);
        self.cold = None;
        self
    }
}

/// A load as it can be: measuring may divide by nothing.
fn tame(load: f64) -> f64 {
    if load.is_finite() { load.max(0.0) } else { 0.0 }
}

impl Memory {
    /// Takes a snapshot in.
    pub(super) fn observe(&mut self, snapshot: &Snapshot, policy: &Policy) {
        let now = snapshot.at;
        // What a snapshot shows began after the one before.
        let began = self.last.unwrap_or(now);
        self.last = Some(now);
        self.harmful.retain(|(_, until)| *until > now);
        let mut known = std::mem::take(&mut self.regions);
        for (at, region) in snapshot.regions.iter().enumerate() {
            let mut past = known
                .remove(&region.id)
                .unwrap_or_else(|| Past::new(region));
            let fresh = tame(region.fresh);
            past.worker = region.worker;
            past.recent = [past.recent[1], past.recent[2], fresh];
            past.left.retain(|(_, when)| now < *when + policy.no_return);
            past.over_since = if fresh.max(past.need(region.load)) > policy.split_over {
                past.over_since.or(Some(began))
            } else {
                None
            };
            let right = snapshot.regions.get(at + 1);
            past.cold =
                right
                    .filter(|right| is_cold(region, right, policy))
                    .map(|right| match past.cold {
                        Some((id, since)) if id == right.id => (id, since),
                        _ => (right.id, began),
                    });
            self.regions.insert(region.id, past);
        }
    }

    /// What a region is thought to need now, as a share of a thread.
    pub(super) fn need(&self, region: &RegionLoad) -> f64 {
        self.regions
            .get(&region.id)
            .map_or(0.0, |past| past.need(region.load))
    }

    /// The worker that a region was on when last seen.
    pub(super) fn worker(&self, id: RegionId) -> Option<usize> {
        self.regions.get(&id).map(|past| past.worker)
    }

    /// Whether a region has been too much for long enough.
    pub(super) fn is_over(&self, id: RegionId, now: Duration, policy: &Policy) -> bool {
        let since = self.regions.get(&id).and_then(|past| past.over_since);
        since.is_some_and(|since| now + JITTER >= since + policy.split_after)
    }

    /// Whether two neighbours have had little to do for long enough.
    pub(super) fn is_cold(
        &self,
        left: RegionId,
        right: RegionId,
        now: Duration,
        policy: &Policy,
    ) -> bool {
        let cold = self.regions.get(&left).and_then(|past| past.cold);
        cold.is_some_and(|(id, since)| id == right && now + JITTER >= since + policy.merge_after)
    }

    /// Whether a region may move to a worker: not too soon, not back, and not where it did harm.
    pub(super) fn may_move(&self, id: RegionId, to: usize, now: Duration, policy: &Policy) -> bool {
        self.is_rested(id, now, policy)
            && !self.regions[&id].left.iter().any(|(from, _)| *from == to)
            && !self.did_harm(|change| *change == Change::Move { region: id, to })
    }

    /// Whether a region may move at all.
    pub(super) fn is_rested(&self, id: RegionId, now: Duration, policy: &Policy) -> bool {
        self.regions
            .get(&id)
            .is_some_and(|past| match past.changed {
                Some((when, _)) => now >= when + policy.cooldown,
                None => true,
            })
    }

    /// Whether a region may be split: a hot spot is served at once, unless splitting did harm.
    pub(super) fn may_split(&self, id: RegionId) -> bool {
        !self.did_harm(|change| matches!(change, Change::Split { region, .. } if *region == id))
    }

    /// Whether two neighbours may be merged: the cut is not young, and neither was just moved,
    /// unless to be merged.
    pub(super) fn may_merge(
        &self,
        left: RegionId,
        right: RegionId,
        now: Duration,
        policy: &Policy,
    ) -> bool {
        let rested = |id| {
            self.is_rested(id, now, policy)
                || matches!(self.regions[&id].changed, Some((_, Cause::Cold)))
        };
        let is_young = |past: &Past| past.cut_made.is_some_and(|at| now < at + policy.no_return);
        rested(left)
            && rested(right)
            && !self.regions.get(&left).is_some_and(is_young)
            && !self
                .did_harm(|change| matches!(change, Change::Merge { left: l, .. } if *l == left))
    }

    /// Remembers a change that did harm.
    pub(super) fn harmed(&mut self, change: Change, until: Duration) {
        self.harmful.push((change, until));
    }

    fn did_harm(&self, is_it: impl Fn(&Change) -> bool) -> bool {
        self.harmful.iter().any(|(change, _)| is_it(change))
    }

    /// Notes a change that was made.
    pub(super) fn made(&mut self, done: &UnderWay, at: Duration, became: &[RegionId]) {
        match done.change {
            Change::Move { region, to } => self.moved(region, to, at, done.cause),
            Change::Split {
                region, right_to, ..
            } => {
                if let [_, right] = *became {
                    self.split(region, right, done, at);
                    // The right part counts as moved if it was sent elsewhere.
                    if self.worker(right).is_some_and(|from| from != right_to) {
                        self.moved(right, right_to, at, done.cause);
                    }
                }
            }
            Change::Merge { left, right } => self.merged(left, right, done, at),
        }
    }

    fn moved(&mut self, id: RegionId, to: usize, at: Duration, cause: Cause) {
        if let Some(past) = self.regions.get_mut(&id) {
            let from = std::mem::replace(&mut past.worker, to);
            past.left.push((from, at));
            past.changed = Some((at, cause));
        }
    }

    fn merged(&mut self, left: RegionId, right: RegionId, done: &UnderWay, at: Duration) {
        let Some(part) = self.regions.remove(&right) else {
            return;
        };
        if let Some(past) = self.regions.get_mut(&left) {
            for (sum, part) in past.recent.iter_mut().zip(part.recent) {
                *sum += part;
            }
            past.left.extend(part.left);
            past.cut_made = part.cut_made;
            past.cold = None;
            past.over_since = None;
            past.changed = Some((at, done.cause));
        }
    }

    /// Both parts take over their whole's past, the time it has been too much as well: a crowd that
    /// needs four parts is cut three times in three seconds, not in nine.
    fn split(&mut self, left: RegionId, right: RegionId, done: &UnderWay, at: Duration) {
        let Some(whole) = self.regions.remove(&left) else {
            return;
        };
        self.regions
            .insert(right, whole.clone().scale(1.0 - done.left));
        let mut part = whole.scale(done.left);
        part.cut_made = Some(at);
        self.regions.insert(left, part);
    }

    /// Notes that a change could not be made: its regions are left alone for a while.
    pub(super) fn not_made(&mut self, left_out: &UnderWay, at: Duration) {
        for id in left_out.change.regions() {
            if let Some(past) = self.regions.get_mut(&id) {
                past.changed = Some((at, left_out.cause));
                past.over_since = None;
                past.cold = None;
            }
        }
    }
}

fn is_cold(left: &RegionLoad, right: &RegionLoad, policy: &Policy) -> bool {
    let load = |region: &RegionLoad| tame(region.load).max(tame(region.fresh));
    load(left) + load(right) < policy.merge_under
}
