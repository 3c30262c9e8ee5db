//! Lives here: the partition: the ordered cut points that divide the line into regions.
//! Not here: which thread or host runs a region (placement, in `actors`), nor a region's state.
//!
//! Invariant: the regions of a partition cover the line exactly, in order, without a gap.

use serde::{Deserialize, Serialize};

use crate::line::{Home, Map};

/// The most regions one host may own.
pub const MAX_REGIONS: usize = 4096;

/// An interval `[from, to)` of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Interval {
    /// The first home inside.
    pub from: Home,
    /// The first home behind the end.
    pub to: Home,
}

impl Interval {
    /// Whether `home` lies inside.
    pub fn contains(&self, home: Home) -> bool {
        self.from <= home && home < self.to
    }
}

/// Names a region. A split keeps the name for the left part, a merge that of the left one; a name
/// that is gone is never given again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RegionId(pub u64);

/// The ordered cut points of the line, and the epoch of the partition: how often it has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// How often the partition has changed.
    pub epoch: u64,
    /// The first home of each region, ascending; the first is 0.
    pub starts: Vec<Home>,
    /// The end of the line.
    pub end: Home,
    /// The regions' names, in line order. Stores of before there were names have none.
    #[serde(default)]
    pub ids: Vec<RegionId>,
    /// The number of the next name.
    #[serde(default)]
    pub next_id: u64,
}

impl Partition {
    /// Divides the line into `regions` parts: as even as possible, the map and the shards each
    /// by their share, so that few regions hold both. At least 1 region and at most
    /// [`MAX_REGIONS`], one per home.
    pub fn even(map: &Map, regions: usize) -> Self {
        let line = map.line();
        let regions = (regions.clamp(1, MAX_REGIONS) as u64).min(line);
        let (cells, shards) = (map.cells(), u64::from(map.shards));
        let mut starts = Vec::new();
        if cells == 0 || regions == 1 {
            cut(&mut starts, 0, line, regions);
        } else {
            // Entities tick and shards do not: one part in eight is for the shards.
            let behind = (regions / 8).clamp(1, shards);
            let before = (regions - behind).min(cells);
            cut(&mut starts, 0, cells, before);
            cut(&mut starts, cells, shards, behind);
        }
        Self {
            epoch: 0,
            starts,
            end: Home(line),
            ids: Vec::new(),
            next_id: 0,
        }
        .named()
    }

    /// Gives names to regions that have none.
    pub(crate) fn named(mut self) -> Self {
        if self.ids.is_empty() {
            self.ids = (1..=self.starts.len() as u64).map(RegionId).collect();
            self.next_id = self.starts.len() as u64 + 1;
        }
        self
    }

    /// The place of a region in line order.
    pub fn place_of(&self, id: RegionId) -> Option<usize> {
        self.ids.iter().position(|other| *other == id)
    }

    /// Cuts a region in two at `at`; returns the partition and the right part's name.
    ///
    /// # Errors
    /// When there is no such region, `at` does not lie inside of it, or there are
    /// [`MAX_REGIONS`] already.
    pub fn split(&self, id: RegionId, at: Home) -> Result<(Self, RegionId), String> {
        let place = self.find(id)?;
        let interval = self.interval(place);
        if !interval.contains(at) || at == interval.from {
            return Err(format!(
                "region {} lies from {} to {}: it can't be cut at {}",
                id.0, interval.from.0, interval.to.0, at.0
            ));
        }
        if self.len() >= MAX_REGIONS {
            return Err(format!(
                "there are {MAX_REGIONS} regions, the most there may be"
            ));
        }
        let mut next = self.clone();
        let right = RegionId(self.next_id);
        next.starts.insert(place + 1, at);
        next.ids.insert(place + 1, right);
        next.next_id += 1;
        next.epoch += 1;
        Ok((next, right))
    }

    /// Drops the cut behind a region; returns the partition and the name that is gone.
    ///
    /// # Errors
    /// When there is no such region, or it is the last of the line.
    pub fn merge(&self, left: RegionId) -> Result<(Self, RegionId), String> {
        let place = self.find(left)?;
        let Some(gone) = self.ids.get(place + 1).copied() else {
            return Err(format!("region {} is the last of the line", left.0));
        };
        let mut next = self.clone();
        next.starts.remove(place + 1);
        next.ids.remove(place + 1);
        next.epoch += 1;
        Ok((next, gone))
    }

    fn find(&self, id: RegionId) -> Result<usize, String> {
        self.place_of(id)
            .ok_or_else(|| format!("there is no region {}", id.0))
    }

    /// The number of regions.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether there is no region: never, for a partition that was made by this type.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// The index of the region that holds `home`.
    pub fn index(&self, home: Home) -> usize {
        self.starts
            .partition_point(|start| *start <= home)
            .saturating_sub(1)
    }

    /// The interval of the region at `index`.
    pub fn interval(&self, index: usize) -> Interval {
        let to = self.starts.get(index + 1).copied().unwrap_or(self.end);
        Interval {
            from: self.starts[index],
            to,
        }
    }

    /// Whether this partition covers the line of `map` exactly.
    ///
    /// # Errors
    /// Names the first fault.
    pub fn check(&self, map: &Map) -> Result<(), String> {
        if self.starts.first() != Some(&Home(0)) {
            return Err("the first region does not begin at 0".into());
        }
        if self.end != Home(map.line()) {
            return Err(format!(
                "the line ends at {}, not at {}",
                map.line(),
                self.end.0
            ));
        }
        if let Some(pair) = self.starts.windows(2).find(|pair| pair[0] >= pair[1]) {
            return Err(format!(
                "cuts {} and {} are out of order",
                pair[0].0, pair[1].0
            ));
        }
        if self.starts.last().is_some_and(|last| *last >= self.end) {
            return Err("the last region is empty".into());
        }
        let mut ids = self.ids.clone();
        ids.sort_unstable();
        ids.dedup();
        let one_each = ids.len() == self.starts.len() && self.ids.len() == ids.len();
        let named = one_each && ids.iter().all(|id| id.0 < self.next_id);
        if !named && !self.ids.is_empty() {
            return Err("the regions' names are not one for each".into());
        }
        Ok(())
    }
}

fn cut(starts: &mut Vec<Home>, from: u64, length: u64, parts: u64) {
    starts.extend((0..parts).map(|part| Home(from + length * part / parts)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_partitions_cover_the_line() {
        for map in [Map::square(2048.0), Map::shards_only(64), Map::square(32.0)] {
            for regions in [1, 2, 3, 7, 16, 100, 5000] {
                let partition = Partition::even(&map, regions);
                partition.check(&map).unwrap();
                for index in 0..partition.len() {
                    let interval = partition.interval(index);
                    assert_eq!(partition.index(interval.from), index);
                    assert_eq!(partition.index(Home(interval.to.0 - 1)), index);
                }
            }
        }
    }

    #[test]
    fn a_faulty_partition_is_named() {
        let map = Map::shards_only(10);
        let mut partition = Partition::even(&map, 2);
        partition.starts[1] = Home(0);
        assert!(partition.check(&map).unwrap_err().contains("out of order"));
        partition.starts = vec![Home(0), Home(10)];
        assert!(partition.check(&map).unwrap_err().contains("empty"));
    }
}
