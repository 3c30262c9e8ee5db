//! Lives here: which cells the sessions of one hub see, and what the hub knows of those cells.
//! Not here: who encodes cells (`region::tracks`), which session is where (`hub`).
//!
//! Invariant: a session's knowledge of a cell is a version; what it is sent leads from there to
//! the newest version, or replaces all it knew. Nothing is queued per session: a slow one reads
//! the same few deltas later, or the full cell when they are gone.

mod nearest;
mod slot;

use std::mem;

use bytes::Bytes;
use protocol::Codec;
use rustc_hash::FxHashMap;
use world_data::{Home, Interval, Map, Point, World};

use self::slot::Slot;
use super::pace::Pace;
use crate::directory::Placement;
use crate::region::{CellKey, CellUpdate, Rate};

/// What is further away than this part of the view's radius is seen from afar.
const FAR: f64 = 0.5;
/// Ticks of the hub after which it is looked again which cells are near enough.
const LOOK_EVERY: u64 = 20;
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
    /// The hub's tick.
    pub(super) now: u64,
    /// The rate of far cells, where it is not the full one.
    pub(super) rate: Option<Rate>,
    /// Entities that a session is shown, where not all can be.
    pub(super) nearest: Option<usize>,
}

/// A cell in a session's view.
#[derive(Debug)]
struct InView {
    cell: Home,
    slot: usize,
    /// The version the client has; `None` if it has none.
    seen: Option<u64>,
    /// Whether it is seen from afar.
    far: bool,
    /// Whether it is left out, since those nearer by hold enough.
    hidden: bool,
}

/// What one session sees.
#[derive(Debug, Default)]
pub(crate) struct Sight {
    /// Where the view was last looked at.
    centre: Option<Point>,
    cells: Vec<InView>,
    /// The hub's tick when it was last looked which cells are near enough.
    looked: u64,
    /// Whether cells are left out.
    narrow: bool,
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

    /// How many of them are not shown.
    pub(crate) fn hidden(&self) -> usize {
        self.cells.iter().filter(|seen| seen.hidden).count()
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
        let mut forget = if still {
            Vec::new()
        } else {
            self.go_to(at, (map, radius), codec, slots)
        };
        // Not all sessions in one tick: each since it came.
        let due = slots.now >= self.looked + LOOK_EVERY;
        if due {
            self.looked = slots.now;
        }
        if slots.nearest.is_some() && (due || !still) || self.narrow && due {
            forget.extend(self.narrow(at, map, slots));
        }
        forget
    }

    fn go_to(
        &mut self,
        at: Point,
        (map, radius): (&Map, f64),
        codec: Codec,
        slots: &mut Slots,
    ) -> Vec<u64> {
        self.centre = Some(at);
        let mut forget = Vec::new();
        self.cells.retain_mut(|seen| {
            let distance = map.distance_to_cell(at, seen.cell);
            seen.far = distance > radius * FAR;
            let stays = distance <= radius * LEAVE;
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
                    far: map.distance_to_cell(at, cell) > radius * FAR,
                    hidden: false,
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

    /// Adds to `parts` what leads from what the client knows to the newest; far cells are told at
    /// their own rate.
    pub(crate) fn catch_up(&mut self, slots: &mut Slots, parts: &mut Vec<Bytes>) {
        for seen in self.cells.iter_mut().filter(|seen| !seen.hidden) {
            let rate = slots.rate.filter(|_| seen.far);
            slots.catch_up(seen.slot, &mut seen.seen, rate, parts);
        }
    }
}

impl Slots {
    fn enter(&mut self, key: CellKey) -> usize {
        if let Some(slot) = self.index.get(&key) {
            self.all[*slot].viewers += 1;
            return *slot;
        }
        let slot = Slot::new(key);
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
        let slot = &mut self.all[*at];
        if !slot.hear(update, self.now) {
            self.wants.push((slot.key, true));
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

    fn catch_up(
        &mut self,
        at: usize,
        seen: &mut Option<u64>,
        rate: Option<Rate>,
        parts: &mut Vec<Bytes>,
    ) {
        let slot = &mut self.all[at];
        if !slot.catch_up(seen, (rate, self.now), parts) {
            self.wants.push((slot.key, true));
        }
    }
}

#[cfg(test)]
mod tests;
