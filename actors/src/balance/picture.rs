//! Lives here: one moment's loads, per region and thread, as the deciding parts look at them.
//! Not here: what was before (`memory`), what to do about it.

use std::time::Duration;

use rustc_hash::FxHashMap;
use world_data::RegionId;

use super::memory::Memory;
use super::policy::Policy;
use super::{RegionLoad, Snapshot};

/// A snapshot with what each region is thought to need.
#[derive(Debug)]
pub(super) struct Picture<'a> {
    pub(super) at: Duration,
    pub(super) policy: &'a Policy,
    pub(super) snapshot: &'a Snapshot,
    /// Per region, in line order: the share of a thread that it needs.
    pub(super) need: Vec<f64>,
    /// Per worker: what its regions need together.
    pub(super) threads: Vec<f64>,
    /// Per region: whom it talks to, and what that costs when it crosses threads.
    pub(super) border: Vec<Vec<(usize, f64)>>,
    index: FxHashMap<RegionId, usize>,
}

impl<'a> Picture<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, memory: &Memory, policy: &'a Policy) -> Self {
        let need: Vec<f64> = snapshot.regions.iter().map(|r| memory.need(r)).collect();
        let mut threads = vec![0.0; snapshot.lateness.len()];
        for (region, need) in snapshot.regions.iter().zip(&need) {
            if let Some(thread) = threads.get_mut(region.worker) {
                *thread += need;
            }
        }
        let index = snapshot.regions.iter().enumerate();
        let index: FxHashMap<_, _> = index.map(|(at, region)| (region.id, at)).collect();
        let cost = |(other, rate): &(RegionId, f64)| {
            Some((*index.get(other)?, rate.max(0.0) * policy.border_weight))
        };
        let border = snapshot.regions.iter();
        let border = border.map(|r| r.border.iter().filter_map(cost).collect());
        Self {
            at: snapshot.at,
            policy,
            snapshot,
            need,
            threads,
            border: border.collect(),
            index,
        }
    }

    pub(super) fn regions(&self) -> &'a [RegionLoad] {
        &self.snapshot.regions
    }

    pub(super) fn index(&self, id: RegionId) -> Option<usize> {
        self.index.get(&id).copied()
    }

    pub(super) fn region(&self, id: RegionId) -> Option<&'a RegionLoad> {
        self.index(id).map(|at| &self.regions()[at])
    }

    pub(super) fn mean(&self) -> f64 {
        self.threads.iter().sum::<f64>() / self.threads.len().max(1) as f64
    }

    pub(super) fn hottest(&self) -> f64 {
        self.threads.iter().copied().fold(0.0, f64::max)
    }

    /// The hottest thread's load as a multiple of the mean; 1 when nobody does anything.
    pub(super) fn spread(&self) -> f64 {
        let mean = self.mean();
        if mean > 0.0 {
            self.hottest() / mean
        } else {
            1.0
        }
    }

    /// Whether the region may be changed at all.
    pub(super) fn is_free(&self, region: &RegionLoad) -> bool {
        !region.pinned && region.worker < self.threads.len()
    }
}

/// `0.234` as `23 %`.
pub(super) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}
