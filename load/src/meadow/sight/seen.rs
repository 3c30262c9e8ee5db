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
    pub(super) kind: Kind,
    /// Where each cell that shows it says it is, the cell it was shown in last first.
    places: [Place; PLACES],
    /// Where it was when last only one cell showed it.
    last: (f32, f32),
    /// How far it may come beyond its speed, in metres.
    credit: f32,
    /// When that was so, in seconds since the bot's beginning.
    at: f32,
}

/// The cells that may show an entity at once: one, for a moment two, around a corner and with
/// regions that are late even more. What is beyond is forgotten. Small, since bots know hundreds
/// of thousands of entities.
const PLACES: usize = 4;
/// No cell.
const NONE: u64 = u64::MAX;

#[derive(Debug, Clone, Copy)]
struct Place {
    cell: u64,
    at: (f32, f32),
}

const NOWHERE: Place = Place {
    cell: NONE,
    at: (0.0, 0.0),
};

impl Seen {
    /// An entity that is new in view, and in no cell yet.
    pub(super) fn new(x: f32, y: f32, now: f32) -> Self {
        Self {
            kind: Kind::Other,
            places: [NOWHERE; PLACES],
            last: (x, y),
            credit: BURST,
            at: now,
        }
    }

    /// Where it is.
    pub(super) fn at(&self) -> [f64; 2] {
        let (x, y) = self.places[0].at;
        [f64::from(x), f64::from(y)]
    }

    /// How many cells show it: one, for a moment two or none.
    pub(super) fn count(&self) -> usize {
        self.places
            .iter()
            .filter(|place| place.cell != NONE)
            .count()
    }

    /// The cells that show it.
    pub(super) fn cells(&self) -> Vec<u64> {
        let cells = self.places.iter().map(|place| place.cell);
        cells.filter(|cell| *cell != NONE).collect()
    }

    pub(super) fn is_in(&self, cell: u64) -> bool {
        self.places.iter().any(|place| place.cell == cell)
    }

    /// These cells show it no longer.
    pub(super) fn leave(&mut self, gone: impl Fn(u64) -> bool) {
        let mut left = [NOWHERE; PLACES];
        let stay = self.places.iter().filter(|place| !gone(place.cell));
        for (place, stays) in left.iter_mut().zip(stay) {
            *place = *stays;
        }
        self.places = left;
        // Each of several cells has told its own part of the way, in no order.
        self.credit = BURST;
    }

    /// No cell shows it, and this one is to.
    pub(super) fn expect_in(&mut self, cell: u64) {
        let at = self.last;
        self.places = [NOWHERE; PLACES];
        self.places[0] = Place { cell, at };
    }

    /// A cell shows it at `at`; says how far that was if it was too far. As long as two cells show
    /// it, one of them is older, and nothing is said: a full cell and what followed may begin with
    /// where it was long ago.
    pub(super) fn go(&mut self, cell: u64, at: (f32, f32), now: f32) -> Option<f32> {
        if let Some(place) = self.places.iter_mut().find(|place| place.cell == cell) {
            place.at = at;
        } else {
            self.places.rotate_right(1);
            self.places[0] = Place { cell, at };
        }
        if self.places[1].cell != NONE {
            return None;
        }
        // Not `hypot`, whose care for huge numbers costs more than all else here.
        let way = {
            let (x, y) = (at.0 - self.last.0, at.1 - self.last.1);
            (x * x + y * y).sqrt()
        };
        let credit = self.credit + (now - self.at).min(LONGEST) * FAST - way;
        (self.last, self.at) = (at, now);
        // Who was too fast once is not called so again for the same way.
        self.credit = if credit < 0.0 {
            BURST
        } else {
            credit.min(BURST)
        };
        (credit < 0.0).then_some(way)
    }
}
