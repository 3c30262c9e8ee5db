//! Lives here: what all bots of a meadow know together: the regions, who is where, and who is still
//! there.
//! Not here: what one bot knows (`player`).

use std::cell::RefCell;

use rand::Rng;
use rand::rngs::SmallRng;
use rustc_hash::FxHashMap;
use tokio::time::Instant;

use super::coins::Coins;
use crate::land::{Partition, Place};
use crate::stats::Stats;

/// How often a mate is looked for who is in another region.
const TRIES: u32 = 16;

/// A bot as the others know it.
#[derive(Debug, Clone, Copy)]
struct Mate {
    part: usize,
    you: u64,
    place: Option<Place>,
    /// Whether it is still going to hear everything: from its birth until it leaves.
    here: bool,
}

/// What all bots know together.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) partition: RefCell<Partition>,
    /// Where the eyes of a bot that catches up put what they count: it is not about the server.
    pub(crate) scratch: RefCell<Stats>,
    mates: RefCell<Vec<Mate>>,
    numbers: RefCell<FxHashMap<u64, usize>>,
    pub(crate) coins: RefCell<Coins>,
    start: Instant,
}

impl Field {
    pub(crate) fn new() -> Self {
        Self {
            partition: RefCell::default(),
            scratch: RefCell::new(Stats::new()),
            mates: RefCell::default(),
            numbers: RefCell::default(),
            coins: RefCell::default(),
            start: Instant::now(),
        }
    }

    /// Seconds since the bots began: their common clock.
    pub(crate) fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// A bot is there; gives its place in the list.
    pub(crate) fn join(&self, part: usize, you: u64) -> usize {
        let mut mates = self.mates.borrow_mut();
        mates.push(Mate {
            part,
            you,
            place: None,
            here: true,
        });
        self.numbers.borrow_mut().insert(you, mates.len() - 1);
        mates.len() - 1
    }

    /// A bot is about to leave: what it is given from now on, it may not hear of.
    pub(crate) fn leave(&self, mate: usize) {
        self.mates.borrow_mut()[mate].here = false;
    }

    /// A bot is at this place; says whether it came there from another region. That is asked of the
    /// partition as it is now: a region that was split or merged is not one that somebody left.
    pub(crate) fn stands(&self, mate: usize, place: Place) -> bool {
        let before = self.mates.borrow_mut()[mate].place.replace(place);
        let partition = self.partition.borrow();
        let [from, to] = [before, Some(place)].map(|at| partition.region_at(at?));
        from.is_some() && to.is_some() && from != to
    }

    /// Whether this entity is a bot, and one that will hear what it is given.
    pub(crate) fn hears(&self, you: u64) -> Option<bool> {
        let number = *self.numbers.borrow().get(&you)?;
        Some(self.mates.borrow()[number].here)
    }

    /// Another bot of the same part, by chance, rather one in another region; says whether it is.
    pub(crate) fn partner(&self, mate: usize, rng: &mut SmallRng) -> Option<(u64, bool)> {
        let (mates, partition) = (self.mates.borrow(), self.partition.borrow());
        let region = |mate: &Mate| partition.region_at(mate.place?);
        let me = mates[mate];
        let (here, mut near) = (region(&me), None);
        for _ in 0..TRIES {
            let other = mates[rng.random_range(0..mates.len())];
            if other.part != me.part || !other.here || other.you == me.you {
                continue;
            }
            let there = region(&other);
            if here.is_some() && there.is_some() && there != here {
                return Some((other.you, true));
            }
            near = Some((other.you, false));
        }
        near
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::status::Region;

    fn field() -> Field {
        let field = Field::new();
        // The meadow's north-western quarter, and all the rest.
        let regions = [Region::bare(1, 0, 1024), Region::bare(2, 1024, 8192)];
        *field.partition.borrow_mut() = Partition::new(&regions);
        field
    }

    #[test]
    fn a_crossing_is_a_step_from_one_region_into_another() {
        let field = field();
        let mate = field.join(0, 5);
        let steps = [
            [1000.0, 500.0],
            [1010.0, 500.0],
            [1030.0, 500.0],
            [1020.0, 500.0],
        ];
        let crossed = steps.map(|place| field.stands(mate, place));
        assert_eq!(crossed, [false, false, true, true]);
        // Who stands in a region that is cut, or called something else, goes nowhere.
        let cut = [Region::bare(7, 0, 512), Region::bare(8, 512, 8192)];
        *field.partition.borrow_mut() = Partition::new(&cut);
        assert!(!field.stands(mate, [1020.0, 500.0]));
        *field.partition.borrow_mut() = Partition::default();
        assert!(!field.stands(mate, [1030.0, 500.0]));
    }

    #[test]
    fn partners_are_of_the_same_part_and_over_the_border_if_there_is_one() {
        let field = field();
        let [me, near, far] = [1, 2, 3].map(|you| field.join(0, you));
        field.join(1, 4);
        for (mate, place) in [
            (me, [10.0, 10.0]),
            (near, [20.0, 20.0]),
            (far, [2000.0, 9.0]),
        ] {
            field.stands(mate, place);
        }
        let mut rng = SmallRng::seed_from_u64(1);
        for _ in 0..50 {
            assert_eq!(field.partner(me, &mut rng), Some((3, true)));
        }
        field.leave(far);
        for _ in 0..50 {
            assert_eq!(field.partner(me, &mut rng), Some((2, false)));
        }
        assert_eq!(
            (field.hears(2), field.hears(3), field.hears(99)),
            (Some(true), Some(false), None)
        );
    }
}
