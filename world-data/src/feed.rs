//! Lives here: what changed in a region since it was last observed.
//! Not here: showing it (`tick`), who is told (`actors`).

use crate::line::{Home, Point};
use crate::object::{ObjectId, Value};
use crate::region::Slot;
use crate::world::Entity;

/// Departures that a region remembers between two observations; above, all must be shown anew.
pub(crate) const MAX_GONE: usize = 65_536;

/// What changed since the region was last observed.
#[derive(Default)]
pub(crate) struct Feed {
    /// Off until somebody observes.
    pub(crate) on: bool,
    pub(crate) moved: Vec<u32>,
    pub(crate) gone: Vec<Gone>,
    pub(crate) overflowed: bool,
}

impl Feed {
    pub(crate) fn left(&mut self, gone: Gone) {
        if !self.on {
            return;
        }
        if self.gone.len() == MAX_GONE {
            self.overflowed = true;
        } else {
            self.gone.push(gone);
        }
    }
}

/// What an observer has yet to hear of an entity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum News {
    None,
    Moved,
    Changed,
}

/// An entity that is no longer in a cell.
#[derive(Debug, Clone)]
pub struct Gone {
    /// Which.
    pub id: ObjectId,
    /// The cell it left.
    pub from: Home,
    /// The cell it went to; `None` when it was removed.
    pub to: Option<Home>,
    /// As it stood, when it was new or changed since the last observation.
    news: Option<(Point, Value)>,
}

impl Gone {
    /// An entity that leaves `from`; `news` and `value` are its slot's as it leaves.
    pub(crate) fn new(slot: &Slot, from: Home, to: Option<Home>) -> Self {
        let value = slot.value.as_ref();
        let news = value.filter(|_| slot.news == News::Changed);
        Self {
            id: slot.id,
            from,
            to,
            news: news.map(|value| (slot.at, Value::clone(value))),
        }
    }

    /// The entity as it stood, when it was new or changed since the last observation: it may have
    /// come and gone between two of them, so that nobody was shown it in this cell.
    pub fn unseen(&self) -> Option<Entity<'_>> {
        self.news.as_ref().map(|(at, value)| Entity {
            id: self.id,
            at: *at,
            value,
        })
    }
}
