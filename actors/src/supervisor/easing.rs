//! Lives here: what is done where a crowd can't be cut: who climbs the ladder is found by what threads
//! were busy with, and told. Not here: when a rung is taken (`ladder`), what it does (`region`,
//! `hub`).
//!
//! Invariant: nobody is eased whose easing would not help.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustc_hash::FxHashMap;
use tokio::time::Instant;
use world_data::{RegionId, World};

use super::Fresh;
use crate::host::Host;
use crate::ladder::{self, Ladder, Strain, Turn};
use crate::region::RegionHandle;

/// The regions are slowed down that together make so much of what their thread does for ticks, the
/// busiest first: the others would not help.
const CULPRITS: f64 = 0.8;
/// Where ticks take less than this share of a thread, slowing them down does not help.
const HELPS: f64 = 0.05;

/// The ladders of one host.
pub(super) struct Easing<W: World> {
    host: Arc<Host<W>>,
    begun: Instant,
    regions: FxHashMap<RegionId, Ladder>,
}

/// A worker thread as the regions on it use it.
#[derive(Debug, Clone, Default)]
struct Thread {
    used: f64,
    /// What would be used if each of its slowed regions were one rung lower.
    lower: f64,
    /// What each of its regions does for ticks.
    ticks: Vec<(RegionId, f64)>,
}

impl Thread {
    /// Whether a region is one of those that make the thread's load.
    fn is_culprit(&self, id: RegionId) -> bool {
        let total: f64 = self.ticks.iter().map(|(_, ticks)| ticks).sum();
        let mut before = 0.0;
        for (region, ticks) in &self.ticks {
            if *region == id {
                return *ticks >= HELPS && before < total * CULPRITS;
            }
            before += ticks;
        }
        false
    }
}

impl<W: World> Easing<W> {
    pub(super) fn new(host: Arc<Host<W>>) -> Self {
        Self {
            host,
            begun: Instant::now(),
            regions: FxHashMap::default(),
        }
    }

    /// Looks at what threads were busy with, once per second; `relief` says which workers a change
    /// of partition or placement may relieve.
    pub(super) fn step(&mut self, fresh: impl Fn(RegionId) -> Fresh, relief: &[bool]) {
        if !self.host.settings.ladder.on {
            return;
        }
        let placement = self.host.directory.placement();
        let threads = self.threads(&placement.regions, fresh);
        let mut known = std::mem::take(&mut self.regions);
        let mut slowed = false;
        for region in &placement.regions {
            let rung = region.figures.rung.load(Ordering::Relaxed);
            // One that is new began as slow as the one it was cut from.
            let ladder = known.remove(&region.id);
            let mut ladder = ladder.unwrap_or_else(|| Ladder::at(rung));
            if let Some(thread) = threads.get(region.worker()) {
                let strain = Strain {
                    used: thread.used,
                    lower: thread.lower,
                    helps: thread.is_culprit(region.id),
                    relief: relief.get(region.worker()).copied().unwrap_or(false),
                };
                self.look(region, &mut ladder, strain);
            }
            slowed |= ladder.rung() > 0;
            self.regions.insert(region.id, ladder);
        }
        self.host.slowed.store(slowed, Ordering::Relaxed);
    }

    fn threads(
        &self,
        regions: &[Arc<RegionHandle<W>>],
        fresh: impl Fn(RegionId) -> Fresh,
    ) -> Vec<Thread> {
        let least = self.host.settings.ladder.least_dilation;
        let mut threads = vec![Thread::default(); self.host.workers().len()];
        for region in regions {
            let Some(thread) = threads.get_mut(region.worker()) else {
                continue;
            };
            let fresh = fresh(region.id);
            let rung = region.figures.rung.load(Ordering::Relaxed);
            let faster = ladder::dilation(rung.saturating_sub(1), least);
            let more = faster / ladder::dilation(rung, least) - 1.0;
            thread.used += fresh.all;
            thread.lower += fresh.all + fresh.ticks * more;
            thread.ticks.push((region.id, fresh.ticks));
        }
        for thread in &mut threads {
            thread.ticks.sort_by(|a, b| b.1.total_cmp(&a.1));
        }
        threads
    }

    fn look(&self, region: &RegionHandle<W>, ladder: &mut Ladder, strain: Strain) {
        let settings = &self.host.settings.ladder;
        let top = ladder::slowest(settings.least_dilation);
        let Some(turn) = ladder.look(self.begun.elapsed(), strain, top, settings) else {
            return;
        };
        region.figures.rung.store(ladder.rung(), Ordering::Relaxed);
        let (region, worker) = (region.id.0, region.worker());
        let dilation = ladder::dilation(ladder.rung(), settings.least_dilation);
        let used = strain.used;
        match turn {
            Turn::Up => tracing::warn!(
                region,
                worker,
                dilation,
                used,
                "a region that can't be cut or moved has too much to do: its time is slowed down"
            ),
            Turn::Down => tracing::info!(
                region,
                worker,
                dilation,
                used,
                "a region has less to do: its time runs faster"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
