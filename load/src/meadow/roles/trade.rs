//! Lives here: the role that gives gold to others wherever they are, so that most gifts are tasks
//! over two regions.

use rand::Rng;
use rand::rngs::SmallRng;

use super::wander::Wander;
use super::{Deed, Me, Role, gather};

/// How much it wants to have before it trades, and for how many seconds it gathers that.
const ENOUGH: i64 = 5;
const GATHER: f64 = 25.0;
/// It goes somewhere else so often, in seconds.
const MOVE_ON: f64 = 4.0;

/// Gives, and gives.
#[derive(Debug)]
pub(super) struct Trade {
    per_second: f64,
    began: Option<f64>,
    moved: f64,
    legs: Wander,
}

impl Trade {
    pub(super) fn new(per_second: f64, rng: &mut SmallRng) -> Self {
        Self {
            per_second,
            began: None,
            moved: 0.0,
            legs: Wander::new(rng),
        }
    }
}

impl Role for Trade {
    fn act(&mut self, me: &Me<'_>, rng: &mut SmallRng, deeds: &mut Vec<Deed>) -> f64 {
        let began = *self.began.get_or_insert(me.seconds);
        if me.purse < ENOUGH
            && me.seconds < began + GATHER
            && let Some(pause) = gather(me, deeds)
        {
            return pause;
        }
        if me.purse > 0
            && let Some((to, over)) = me.field.partner(me.mate, rng)
        {
            deeds.push(Deed::Give(to, over));
        }
        if me.seconds > self.moved + MOVE_ON {
            self.moved = me.seconds;
            self.legs.act(me, rng, deeds);
        }
        // From half to one and a half of the mean, so that no two keep step.
        rng.random_range(0.5..1.5) / self.per_second
    }
}
