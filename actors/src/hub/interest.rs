//! Lives here: which cells the sessions of one hub see, and what the hub knows of those cells.
//! Not here: who encodes cells (`region::tracks`), which session is where (`hub`).
//!
//! Invariant: a session's knowledge of a cell is a version; what it is sent leads from there to
//! the newest version, or replaces all it knew. Nothing is queued per session: a slow one reads
//! the same few deltas later, or the full cell when they are gone.

use std::collections::VecDeque;
use std::mem;

use bytes::Bytes;
use protocol::Codec;
use rustc_hash::FxHashMap;
use world_data::{Home, Interval, Map, Point, World};

use super::pace::Pace;
use crate::directory::Placement;
use crate::region::{CellKey, CellUpdate};

/// Deltas kept per cell for sessions whose sockets are behind; who is further behind gets the
/// full cell.
const DELTAS_KEPT: usize = 8;
/// Cells leave the view at this multiple of the radius at which they enter.
const LEAVE: f64 = 1.1;
/// Metres an entity may move before its session's view is looked at again.
const STRIDE: f64 = 4.0;

/// The cells that any session of the hub sees, per codec.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    all: Vec<Slot>,
    free: Vec<usize>,
    index: FxHashMap<CellKey, usize>,
    /// What regions are to be told at the end of the hub's tick, in order.
    wants: Vec<(CellKey, bool)>,
}

#[derive(Debug)]
struct Slot {
    key: CellKey,
    /// Sessions that see it.
    viewers: usize,
    /// The newest version heard of; `None` until a full one has come.
    version: Option<u64>,
    /// The way to the newest version.
    deltas: VecDeque<Delta>,
    /// All of the cell at a version from which `deltas` lead on.
    full: Option<(u64, Bytes)>,
    /// The full cell was asked for and has not come.
    asked: bool,
}

#[derive(Debug)]
struct Delta {
    since: u64,
    bytes: Bytes,
}

/// A cell in a session's view.
#[derive(Debug)]
struct InView {
    cell: Home,
    slot: usize,
    /// The version the client has; `None` if it has none.
    seen: Option<u64>,
}

/// What one session sees.
#[derive(Debug, Default)]
pub(crate) struct Sight {
    /// Where the view was last looked at.
    centre: Option<Point>,
    cells: Vec<InView>,
    /// How often it is told.
    pub(super) pace: Pace,
}

impl Sight {
    /// How many cells are in view.
    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    /// The cells in view.
    pub(crate) fn cells(&self) -> impl Iterator<Item = Home> {
        self.cells.iter().map(|seen| seen.cell)
    }

    /// Follows the entity to `at`; returns the cells that the client is to forget.
    pub(crate) fn follow(
        &mut self,
        at: Point,
        (map, radius): (&Map, f64),
        codec: Codec,
        slots: &mut Slots,
    ) -> Vec<u64> {
        let still = self.centre.is_some_and(|centre| {
            centre.distance(at) <= STRIDE && map.cell_at(centre) == map.cell_at(at)
        });
        if still {
            return Vec::new();
        }
        self.centre = Some(at);
        let mut forget = Vec::new();
        self.cells.retain(|seen| {
            let stays = map.distance_to_cell(at, seen.cell) <= radius * LEAVE;
            if !stays {
                slots.leave(seen.slot);
                if seen.seen.is_some() {
                    forget.push(seen.cell.0);
                }
            }
            stays
        });
        for cell in map.cells_within(at, radius) {
            if !self.cells.iter().any(|seen| seen.cell == cell) {
                let slot = slots.enter(CellKey { cell, codec });
                self.cells.push(InView {
                    cell,
                    slot,
                    seen: None,
                });
            }
        }
        forget
    }

    /// Sees nothing any more.
    pub(crate) fn close(&mut self, slots: &mut Slots) {
        for seen in self.cells.drain(..) {
            slots.leave(seen.slot);
        }
        self.centre = None;
    }

    /// Adds to `parts` what leads from what the client knows to the newest.
    pub(crate) fn catch_up(&mut self, slots: &mut Slots, parts: &mut Vec<Bytes>) {
        for seen in &mut self.cells {
            slots.catch_up(seen.slot, &mut seen.seen, parts);
        }
    }
}

impl Slots {
    fn enter(&mut self, key: CellKey) -> usize {
        if let Some(slot) = self.index.get(&key) {
            self.all[*slot].viewers += 1;
            return *slot;
        }
        let slot = Slot {
            key,
            viewers: 1,
            version: None,
            deltas: VecDeque::new(),
            full: None,
            asked: true,
        };
        let at = self.free.pop().unwrap_or(self.all.len());
        if at == self.all.len() {
            self.all.push(slot);
        } else {
            self.all[at] = slot;
        }
        self.index.insert(key, at);
        self.wants.push((key, true));
        at
    }

    fn leave(&mut self, at: usize) {
        let slot = &mut self.all[at];
        slot.viewers -= 1;
        if slot.viewers == 0 {
            self.index.remove(&slot.key);
            self.wants.push((slot.key, false));
            slot.forget();
            self.free.push(at);
        }
    }

    /// Takes in what a region tells of a cell.
    pub(crate) fn update(&mut self, update: &CellUpdate) {
        let Some(at) = self.index.get(&update.key) else {
            // A word of before came to its region after that of now.
            self.wants.push((update.key, false));
            return;
        };
        {
            let slot = &mut self.all[*at];
            slot.update(update);
            if slot.version.is_none() && !mem::replace(&mut slot.asked, true) {
                self.wants.push((slot.key, true));
            }
        }
    }

    /// Something of the cells in `interval` was missed: asks for all of them in full.
    pub(crate) fn ask_again(&mut self, interval: Interval) {
        for at in self.index.values() {
            let slot = &mut self.all[*at];
            if interval.contains(slot.key.cell) {
                slot.forget();
                slot.asked = true;
                self.wants.push((slot.key, true));
            }
        }
    }

    /// Tells the regions what was wanted since the last call: one message for each.
    pub(crate) fn tell<W: World>(&mut self, hub: usize, stamp: u64, placement: &Placement<W>) {
        if self.wants.is_empty() {
            return;
        }
        let mut wants = mem::take(&mut self.wants);
        // Stable: the last word on a cell stays the last.
        wants.sort_by_key(|(key, _)| placement.index(key.cell));
        for wants in
            wants.chunk_by(|(a, _), (b, _)| placement.index(a.cell) == placement.index(b.cell))
        {
            placement
                .at(wants[0].0.cell)
                .want(hub, stamp, wants.iter().copied());
        }
        wants.clear();
        self.wants = wants;
    }

    fn catch_up(&mut self, at: usize, seen: &mut Option<u64>, parts: &mut Vec<Bytes>) {
        let slot = &mut self.all[at];
        if slot.version.is_none() || *seen == slot.version {
            return;
        }
        if let Some(from) = slot.way_from(*seen) {
            parts.extend(slot.deltas.range(from..).map(|delta| delta.bytes.clone()));
            *seen = slot.version;
        } else if let Some((version, full)) = &slot.full
            && let Some(from) = slot.way_from(Some(*version))
        {
            parts.push(full.clone());
            parts.extend(slot.deltas.range(from..).map(|delta| delta.bytes.clone()));
            *seen = slot.version;
        } else if !mem::replace(&mut slot.asked, true) {
            self.wants.push((slot.key, true));
        }
    }
}

impl Slot {
    fn forget(&mut self) {
        (self.version, self.full) = (None, None);
        self.deltas.clear();
    }

    /// Where in `deltas` the way from version `seen` to the newest begins.
    fn way_from(&self, seen: Option<u64>) -> Option<usize> {
        let seen = seen?;
        if self.version == Some(seen) {
            return Some(self.deltas.len());
        }
        self.deltas.iter().position(|delta| delta.since == seen)
    }

    fn update(&mut self, update: &CellUpdate) {
        match &update.delta {
            Some(delta) if self.version == Some(update.since) => {
                self.deltas.push_back(Delta {
                    since: update.since,
                    bytes: delta.clone(),
                });
                self.version = Some(update.version);
            }
            // It does not lead on from what we have: only a full cell helps.
            Some(_) => self.forget(),
            None => {}
        }
        if let Some(full) = &update.full {
            self.full = Some((update.version, full.clone()));
            self.asked = false;
            if self.version != Some(update.version) {
                self.deltas.clear();
                self.version = Some(update.version);
            }
        }
        while self.deltas.len() > DELTAS_KEPT {
            self.deltas.pop_front();
        }
        // A full cell from which no way leads on is of no use.
        if let Some((version, _)) = &self.full
            && self.way_from(Some(*version)).is_none()
        {
            self.full = None;
        }
    }
}

#[cfg(test)]
mod tests;
