//! Lives here: what a hub knows of one cell: its newest version, and the ways that lead there.
//! Not here: who sees the cell (`interest`).
//!
//! Invariant: from every version that a way is kept from, following it leads to what the cell is at
//! the version where the way ends.

use std::collections::VecDeque;
use std::mem;

use bytes::Bytes;

use crate::region::{CellKey, CellUpdate, PerRate, Rate};

/// Deltas kept per cell for sessions whose sockets are behind; who is further behind gets the
/// full cell.
pub(super) const DELTAS_KEPT: usize = 8;
/// Strides kept per cell and rate, for the same.
const STRIDES_KEPT: usize = 4;
/// Ticks of the hub that a stride may come later than it takes: if none comes until then, who waits
/// for one is told tick by tick.
const STRIDE_LATE: u64 = 2;

/// One cell in one codec.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) key: CellKey,
    /// Sessions that see it.
    pub(super) viewers: usize,
    /// Entities in it, as last heard.
    pub(super) count: usize,
    /// The newest version heard of; `None` until a full one has come.
    pub(super) version: Option<u64>,
    /// The way to the newest version.
    deltas: VecDeque<Delta>,
    strides: PerRate<Strides>,
    /// All of the cell at a version from which `deltas` lead on.
    full: Option<(u64, Bytes)>,
    /// The full cell was asked for and has not come.
    pub(super) asked: bool,
}

/// What leads from one version to a later one.
#[derive(Debug)]
struct Delta {
    since: u64,
    version: u64,
    bytes: Bytes,
}

/// The newest strides of one rate, and when the last of them came.
#[derive(Debug, Default)]
struct Strides {
    kept: VecDeque<Delta>,
    came: u64,
}

impl Slot {
    /// A cell that somebody begins to see, of which nothing is known.
    pub(super) fn new(key: CellKey) -> Self {
        Self {
            key,
            viewers: 1,
            count: 0,
            version: None,
            deltas: VecDeque::new(),
            strides: PerRate::default(),
            full: None,
            asked: true,
        }
    }

    pub(super) fn forget(&mut self) {
        (self.version, self.full) = (None, None);
        self.deltas.clear();
        self.strides = PerRate::default();
    }

    /// Adds to `parts` what leads a client from version `seen` to the newest or, at a `rate`, to
    /// where the last stride ended; at the hub's tick `now`. `false` if that takes a full cell, which
    /// is to be asked for.
    pub(super) fn catch_up(
        &mut self,
        seen: &mut Option<u64>,
        (rate, now): (Option<Rate>, u64),
        parts: &mut Vec<Bytes>,
    ) -> bool {
        let Some(newest) = self.version else {
            return true;
        };
        let stride = self.stride_end(rate, now);
        if *seen == Some(newest) || seen.zip(stride).is_some_and(|(seen, end)| seen >= end) {
            // What is newer than a stride's end is told with the next one.
            return true;
        }
        let target = stride.unwrap_or(newest);
        if seen.is_some_and(|seen| self.lead(seen, target, parts)) {
            *seen = Some(target);
            return true;
        }
        if let Some((version, full)) = &self.full {
            parts.push(full.clone());
            if self.lead(*version, newest, parts) {
                *seen = Some(newest);
                return true;
            }
            parts.pop();
        }
        mem::replace(&mut self.asked, true)
    }

    /// Whether a way leads from version `seen` to the newest, tick by tick.
    fn leads_on(&self, seen: u64) -> bool {
        self.version == Some(seen) || self.deltas.iter().any(|delta| delta.since == seen)
    }

    /// The version that strides of `rate` lead to, as long as they come.
    fn stride_end(&self, rate: Option<Rate>, now: u64) -> Option<u64> {
        let rate = rate?;
        let strides = &self.strides[rate as usize];
        let come = now <= strides.came + rate.ticks() + STRIDE_LATE;
        strides
            .kept
            .back()
            .filter(|_| come)
            .map(|stride| stride.version)
    }

    /// Adds to `parts` what leads from version `from` to version `to`, in as few steps as there are;
    /// `false`, and nothing added, if no way is kept.
    fn lead(&self, mut from: u64, to: u64, parts: &mut Vec<Bytes>) -> bool {
        let begun = parts.len();
        while from < to {
            let strides = self.strides.iter().rev().flat_map(|strides| &strides.kept);
            let mut steps = strides.chain(self.deltas.iter().rev());
            let Some(step) = steps.find(|step| step.since == from && step.version <= to) else {
                parts.truncate(begun);
                return false;
            };
            parts.push(step.bytes.clone());
            from = step.version;
        }
        from == to
    }

    /// Takes in what a region tells, at the hub's tick `now`; `false` if the full cell is to be asked
    /// for.
    pub(super) fn hear(&mut self, update: &CellUpdate, now: u64) -> bool {
        self.update(update);
        self.take_strides(update, now);
        self.count = update.count;
        self.version.is_some() || mem::replace(&mut self.asked, true)
    }

    fn take_strides(&mut self, update: &CellUpdate, now: u64) {
        for (strides, stride) in self.strides.iter_mut().zip(&update.strides) {
            let Some((since, bytes)) = stride else {
                continue;
            };
            // Only where the changes tick by tick lead to the same version.
            if self.version != Some(update.version) {
                continue;
            }
            if strides.kept.len() == STRIDES_KEPT {
                strides.kept.pop_front();
            }
            strides.kept.push_back(Delta {
                since: *since,
                version: update.version,
                bytes: bytes.clone(),
            });
            strides.came = now;
        }
    }

    fn update(&mut self, update: &CellUpdate) {
        match &update.delta {
            Some(delta) if self.version == Some(update.since) => {
                self.deltas.push_back(Delta {
                    since: update.since,
                    version: update.version,
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
            && !self.leads_on(*version)
        {
            self.full = None;
        }
    }
}
