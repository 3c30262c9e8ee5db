//! Lives here: one entity as a bot has seen it last: where, in which cells, and how far it may come.
//! Not here: all the others (`sight`).

use crate::meadow::SPEED;

/// How fast an entity may be over a while without being called wrong, in metres per second.
const FAST: f32 = 1.25 * SPEED as f32;
/// How far an entity may come beyond that, in metres: what it walks in a second, since ticks and
/// frames are not spaced evenly.
const BURST: f32 = SPEED as f32;
/// The longest time without news of an entity after which it may be as far as it could have come.
/// Regions may be late, and who stands still is not told of.
const LONGEST: f32 = 10.0;
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Player,
    Coin,
    Other,
}

/// An entity as it was last seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) kind: Kind,
    pub(super) cells: Cells,
    /// How far it may come beyond its speed, in metres.
    credit: f32,
    /// When that was so, in seconds since the bot's beginning.
    at: f32,
}

impl Seen {
    /// An entity that is new in view.
    pub(super) fn new(x: f32, y: f32, now: f32) -> Self {
        Self {
            x,
            y,
            kind: Kind::Other,
            cells: Cells::EMPTY,
            credit: BURST,
            at: now,
        }
    }

    /// It is shown in one more cell. Two regions tell of a crossing each in its own tick, and a cell
    /// that comes into view may be a tick older than its neighbour: for a moment the entity stands
    /// where it was. That way there and back is nobody's speed.
    pub(super) fn cross(&mut self) {
        self.credit = BURST;
    }

    /// Takes in a move; says how far it was if it was too far.
    pub(super) fn go(&mut self, x: f32, y: f32, now: f32) -> Option<f32> {
        // Not `hypot`, whose care for huge numbers costs more than all else here.
        let way = {
            let (x, y) = (x - self.x, y - self.y);
            (x * x + y * y).sqrt()
        };
        let credit = self.credit + (now - self.at).min(LONGEST) * FAST - way;
        (self.x, self.y, self.at) = (x, y, now);
        // Who was too fast once is not called so again for the same way.
        self.credit = if credit < 0.0 {
            BURST
        } else {
            credit.min(BURST)
        };
        (credit < 0.0).then_some(way)
    }
}

/// No cell.
const NONE: u64 = u64::MAX;

/// The cells that an entity is in: one, for a moment two. Of a third, which is wrong anyway, it
/// is not noted where it was before. Small, since bots know hundreds of thousands of entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cells(pub(super) [u64; 2]);

impl Cells {
    pub(super) const EMPTY: Self = Self([NONE; 2]);

    pub(super) fn has(self, cell: u64) -> bool {
        self.0.contains(&cell)
    }

    pub(super) fn add(&mut self, cell: u64) {
        if !self.has(cell) {
            let other = if self.0[0] == NONE {
                self.0[1]
            } else {
                self.0[0]
            };
            self.0 = [cell, other];
        }
    }

    pub(super) fn remove(&mut self, gone: impl Fn(u64) -> bool) {
        for place in &mut self.0 {
            if gone(*place) {
                *place = NONE;
            }
        }
    }

    pub(super) fn count(self) -> usize {
        self.0.iter().filter(|cell| **cell != NONE).count()
    }
}
