//! Lives here: strides: what happened in a cell over two or four ticks, told as one change, for
//! sessions that see the cell from afar while their hub has too much to do.
//! Not here: changes tick by tick (`tracks`), who takes strides (`hub::interest`).
//!
//! Invariant: whoever holds the cell at the version a stride begins at and applies it knows what
//! the changes of all its ticks, one after another, would have told.

use rustc_hash::FxHashMap;
use world_data::{Home, ObjectId};

use super::tracks::Seen;

/// How much less often a cell is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rate {
    Half,
    Quarter,
}

impl Rate {
    pub(crate) const ALL: [Self; 2] = [Self::Half, Self::Quarter];

    /// The ticks of one stride.
    pub(crate) fn ticks(self) -> u64 {
        match self {
            Self::Half => 2,
            Self::Quarter => 4,
        }
    }
}

/// One of each rate.
pub(crate) type PerRate<T> = [T; Rate::ALL.len()];

/// The rates at which any hub takes strides, as they are kept in an atomic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Rates(pub(crate) u8);

impl Rates {
    pub(crate) fn with(self, rate: Rate) -> Self {
        Self(self.0 | 1 << rate as u8)
    }

    pub(crate) fn has(self, rate: Rate) -> bool {
        self.0 & 1 << rate as u8 != 0
    }
}

/// What has happened in a cell since a version.
#[derive(Debug, Default)]
pub(super) struct Window {
    pub(super) since: u64,
    seen: FxHashMap<ObjectId, Seen>,
    gone: FxHashMap<ObjectId, Option<Home>>,
}

impl Window {
    pub(super) fn since(version: u64) -> Self {
        Self {
            since: version,
            ..Self::default()
        }
    }

    /// Adds what one tick changed.
    pub(super) fn add(&mut self, seen: &[Seen], gone: &[(ObjectId, Option<Home>)]) {
        for (id, to) in gone {
            // Also one that came within the stride: others may have said that it comes here, and
            // listeners wait for it.
            self.seen.remove(id);
            self.gone.insert(*id, *to);
        }
        for seen in seen {
            self.gone.remove(&seen.id);
            let known = self.seen.entry(seen.id).or_insert(*seen);
            let view = known.view || seen.view;
            *known = Seen { view, ..*seen };
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.seen.is_empty() && self.gone.is_empty()
    }

    pub(super) fn seen(&self) -> impl Iterator<Item = Seen> {
        self.seen.values().copied()
    }

    pub(super) fn gone(&self) -> impl Iterator<Item = (ObjectId, Option<Home>)> {
        self.gone.iter().map(|(id, to)| (*id, *to))
    }
}

/// Whether a stride of cell `cell` ends at tick `number`. Not all cells' strides end at once, so that
/// no frame is much larger than the others.
pub(super) fn ends(cell: Home, number: u64, rate: Rate) -> bool {
    number.wrapping_add(cell.0).is_multiple_of(rate.ticks())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// A client's knowledge of the cell: where each is, and which view it has.
    type Known = BTreeMap<ObjectId, (f32, u32)>;

    fn apply(known: &mut Known, window: &Window, views: &BTreeMap<ObjectId, u32>) {
        for seen in window.seen() {
            let old = known.get(&seen.id).map(|(_, view)| *view);
            let view = if seen.view {
                Some(views[&seen.id])
            } else {
                old
            };
            let view = view.expect("who is not known comes with a view");
            known.insert(seen.id, (seen.x, view));
        }
        for (id, _) in window.gone() {
            known.remove(&id);
        }
    }

    proptest! {
        /// One stride tells what its ticks tell: entities come, move, look different and go, and come
        /// back, in any order.
        #[test]
        fn a_stride_tells_what_its_ticks_tell(
            begin in prop::collection::btree_set(1..6_u64, 0..5),
            ticks in prop::collection::vec(prop::collection::vec((1..6_u64, 0..4_u8), 0..6), 1..5),
        ) {
            let id = |raw| ObjectId::from_raw(raw).unwrap();
            let mut views: BTreeMap<ObjectId, u32> = begin.iter().map(|raw| (id(*raw), 0)).collect();
            let mut told: Known = views.keys().map(|id| (*id, (0.0, 0))).collect();
            let (mut stepwise, mut stride) = (told.clone(), Window::since(7));
            for (tick, acts) in ticks.iter().enumerate() {
                let (mut seen, mut gone) = (BTreeMap::new(), BTreeMap::new());
                for (raw, act) in acts {
                    let (id, x) = (id(*raw), tick as f32 + 1.0);
                    let known = views.contains_key(&id) && !gone.contains_key(&id);
                    match act {
                        // It goes.
                        0 if views.remove(&id).is_some() => {
                            seen.remove(&id);
                            gone.insert(id, Some(Home(*raw)));
                        }
                        // It only moves.
                        1 if known && !seen.contains_key(&id) => {
                            seen.insert(id, Seen { id, x, y: 0.0, view: false });
                        }
                        // It comes, or looks different.
                        2 | 3 => {
                            *views.entry(id).or_default() += 100 * (tick as u32 + 1);
                            gone.remove(&id);
                            seen.insert(id, Seen { id, x, y: 0.0, view: true });
                        }
                        _ => {}
                    }
                }
                let (seen, gone): (Vec<_>, Vec<_>) =
                    (seen.into_values().collect(), gone.into_iter().collect());
                let mut one = Window::since(7);
                one.add(&seen, &gone);
                apply(&mut stepwise, &one, &views);
                stride.add(&seen, &gone);
            }
            apply(&mut told, &stride, &views);
            prop_assert_eq!(told, stepwise);
        }
    }

    #[test]
    fn who_only_passed_is_told_of() {
        let (id, to) = (ObjectId::from_raw(1).unwrap(), Some(Home(9)));
        let seen = Seen {
            id,
            x: 1.0,
            y: 2.0,
            view: true,
        };
        let mut window = Window::since(0);
        assert!(window.is_empty());
        window.add(&[seen], &[]);
        window.add(&[], &[(id, to)]);
        assert_eq!(
            (window.seen().count(), window.gone().next()),
            (0, Some((id, to)))
        );
        assert!(!window.is_empty());
    }

    #[test]
    fn strides_of_neighbours_end_at_different_ticks() {
        for rate in Rate::ALL {
            for number in 0..8 {
                let ending = (0..16)
                    .filter(|cell| ends(Home(*cell), number, rate))
                    .count();
                assert_eq!(ending as u64, 16 / rate.ticks());
            }
        }
        let (none, both) = (
            Rates::default(),
            Rates::default().with(Rate::Half).with(Rate::Quarter),
        );
        assert!(
            Rate::ALL
                .iter()
                .all(|rate| both.has(*rate) && !none.has(*rate))
        );
        assert!(!none.with(Rate::Half).has(Rate::Quarter));
    }
}
