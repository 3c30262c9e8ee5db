//! Lives here: changing the partition while tasks run: splitting a region, merging two.
//! Not here: when and why (`actors`), the cut points themselves (`partition`).
//!
//! Invariant: whoever finds a region retired finds the new table after looking again; what a
//! retired lane held is in a lane of the new table before the committer can look, so no epoch ever
//! lacks it. Rows do not move: they are by home, whatever the partition.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::MutexGuard;

use crate::engine::Engine;
use crate::lane::{Entry, Set};
use crate::line::Home;
use crate::partition::{Interval, Partition, RegionId};
use crate::picture::{Edge, Reach};
use crate::region::{Region, State};
use crate::shared::{Shared, Table};

/// The key of `meta` under which the partition stands.
pub(crate) const PARTITION: &str = "partition";
/// The key of `meta` under which the placement stands.
pub(crate) const PLACEMENT: &str = "placement";

/// Which worker runs which region.
pub type Placement = BTreeMap<RegionId, usize>;

impl Engine {
    /// Cuts a region in two, while tasks run. The left part keeps the name; returns the right
    /// part's. Durable with the epoch that is open.
    ///
    /// # Errors
    /// When there is no such region or it can't be cut there; nothing has changed then.
    pub fn split(&self, region: RegionId, at: Home) -> Result<RegionId, String> {
        self.repartition(|partition| {
            let place = partition.place_of(region);
            let (next, right) = partition.split(region, at)?;
            Ok((next, right, place.unwrap_or_default(), 1))
        })
    }

    /// Makes one region of two neighbours, while tasks run. The left one's name stays; returns the
    /// one that is gone. Durable with the epoch that is open.
    ///
    /// # Errors
    /// When there is no such region or it has no right neighbour; nothing has changed then.
    pub fn merge(&self, left: RegionId) -> Result<RegionId, String> {
        self.repartition(|partition| {
            let place = partition.place_of(left);
            let (next, gone) = partition.merge(left)?;
            Ok((next, gone, place.unwrap_or_default(), 2))
        })
    }

    /// The placement as it was kept last; what can't be read is left out.
    pub fn kept_placement(&self) -> Placement {
        let Some(store) = &self.shared().store else {
            return Placement::new();
        };
        let kept = match store.meta(PLACEMENT) {
            Ok(Some(bytes)) => serde_json::from_slice(&bytes).map_err(|e| e.to_string()),
            Ok(None) => Ok(Placement::new()),
            Err(error) => Err(error.to_string()),
        };
        kept.unwrap_or_else(|error| {
            tracing::warn!(
                error,
                "the placement can't be read; regions are spread anew"
            );
            Placement::new()
        })
    }

    /// Keeps the placement for the next start. Durable with the epoch that is open.
    pub fn keep_placement(&self, placement: &Placement) {
        match serde_json::to_vec(placement) {
            Ok(value) => self.shared().lay_loose(Entry::Meta {
                key: PLACEMENT,
                value,
            }),
            Err(error) => tracing::error!(%error, "the placement can't be written"),
        }
    }

    /// Replaces `old` regions from `place` on by what `plan` says: one by two, or two by one.
    fn repartition(
        &self,
        plan: impl FnOnce(&Partition) -> Result<(Partition, RegionId, usize, usize), String>,
    ) -> Result<RegionId, String> {
        let shared = self.shared();
        let _alone = shared.lock(&shared.repartition);
        let table = shared.table.load_full();
        let (next, named, place, old) = plan(&table.public.partition)?;
        let value = serde_json::to_vec(&next).map_err(|e| e.to_string())?;
        let regions = &table.regions[place..place + old];
        // In line order, as tasks do.
        let mut states: Vec<_> = regions.iter().map(|r| shared.lock(&r.state)).collect();
        for (at, state) in (place..).zip(&mut states) {
            // A region's dirty set is taken whole.
            shared.flush_lazy_of(&table, at, state);
        }
        // From here on the committer collects nothing: it would miss what is between two lanes.
        let collecting = shared.lock(&shared.collecting);
        let intervals = (place..=place + 2 - old).map(|at| (next.ids[at], next.interval(at)));
        let fresh = divide(&mut states, intervals, shared.reach);
        shared.take_over(regions, &fresh[0], value);
        shared.publish(&table, next, (place, old), fresh);
        drop(collecting);
        drop(states);
        shared.signal.wake();
        Ok(named)
    }
}

/// Empties the old states into new regions, by home.
fn divide(
    states: &mut [MutexGuard<'_, State>],
    intervals: impl Iterator<Item = (RegionId, Interval)>,
    reach: Reach,
) -> Vec<Arc<Region>> {
    let mut all = states[0].retire();
    for state in &mut states[1..] {
        state.retire().hand_over(&mut all, |_| true);
    }
    let intervals: Vec<_> = intervals.collect();
    let mut fresh = Vec::with_capacity(intervals.len());
    for (id, interval) in intervals.into_iter().rev() {
        let mut part = all.empty_like(Edge::new(reach, interval));
        all.hand_over(&mut part, |home| interval.contains(home));
        let region = Region::with(id, interval, part);
        // Before anybody can find it: neighbours see no moment without it.
        region.show(&mut region.state.lock());
        fresh.push(Arc::new(region));
    }
    fresh.reverse();
    fresh
}

impl Shared {
    /// Moves what the old lanes hold to the first new one, and adds the new partition.
    fn take_over(&self, old: &[Arc<Region>], first: &Region, partition: Vec<u8>) {
        if self.store.is_none() {
            return;
        }
        let mut sets: Vec<Set> = Vec::new();
        for region in old {
            self.lock(&region.lane).retire(&mut sets);
        }
        // What comes later is of a later epoch than what is inherited: slots do not know where in an
        // inherited set their rows stand, and could not make them void.
        self.epoch.fetch_add(1, Ordering::SeqCst);
        let mut lane = self.lock(&first.lane);
        lane.inherit(sets);
        lane.enter(self.epoch.load(Ordering::SeqCst));
        lane.open.entries.push(Entry::Meta {
            key: PARTITION,
            value: partition,
        });
        lane.told = true;
        first.flagged.store(true, Ordering::SeqCst);
    }

    /// Lets everybody find the new regions.
    fn publish(
        &self,
        table: &Table,
        next: Partition,
        (place, old): (usize, usize),
        fresh: Vec<Arc<Region>>,
    ) {
        let mut regions = table.regions.clone();
        for region in &fresh {
            self.note_due(region.next_due.load(Ordering::SeqCst));
        }
        regions.splice(place..place + old, fresh);
        self.table.store(Arc::new(Table::of(next, regions)));
        self.table_version.fetch_add(1, Ordering::SeqCst);
    }
}
