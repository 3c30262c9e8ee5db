//! Lives here: the role that walks about, gathers, gives and talks.

use rand::Rng;
use rand::rngs::SmallRng;

use super::{Deed, Me, NEAR, Role};
use crate::land::{Place, beside, distance};
use crate::meadow::{Command, METRES};

/// The pause between two wishes is from the first to the second, in seconds.
const PAUSE: std::ops::Range<f64> = 1.0..5.0;
/// The farthest that a bot goes at once, in metres.
const STRIDE: f64 = 30.0;

/// Walks about, gathers, gives and talks.
#[derive(Debug)]
pub(super) struct Wander {
    /// Where it wants to get to in the long run.
    goal: Place,
}

impl Wander {
    pub(super) fn new(rng: &mut SmallRng) -> Self {
        Self {
            goal: somewhere(rng),
        }
    }

    /// Wanders off towards a place.
    pub(super) fn towards(goal: Place) -> Self {
        Self { goal }
    }

    /// Goes on: to a coin nearby, or a stride towards the goal.
    fn walk(&mut self, me: &Me<'_>, rng: &mut SmallRng) -> Place {
        if distance(me.here, self.goal) < STRIDE {
            self.goal = somewhere(rng);
        }
        let coin = me.sight.nearest_coin(STRIDE);
        match coin.filter(|_| rng.random_bool(0.7)) {
            Some((_, at)) => at,
            None => self.stride(me.here, rng),
        }
    }

    /// A point nearby, more or less on the way to the goal.
    fn stride(&self, here: Place, rng: &mut SmallRng) -> Place {
        let ahead = (self.goal[1] - here[1]).atan2(self.goal[0] - here[0]);
        let angle = ahead + rng.random_range(-1.0..1.0);
        beside(here, angle, rng.random_range(0.3..1.0) * STRIDE).map(|v| v.clamp(0.0, METRES - 1.0))
    }
}

impl Role for Wander {
    fn act(&mut self, me: &Me<'_>, rng: &mut SmallRng, deeds: &mut Vec<Deed>) -> f64 {
        deeds.push(Deed::Go(self.walk(me, rng)));
        if let Some((coin, _)) = me.sight.nearest_coin(NEAR) {
            deeds.push(Deed::Ask("pick", Command::Pick(coin)));
            return rng.random_range(PAUSE);
        }
        match rng.random_range(0..100) {
            0..5 => {
                let text = format!("{} says {}", me.name, rng.random_range(0..1000));
                deeds.push(Deed::Ask("say", Command::Say(text)));
            }
            5..15 => deeds.push(Deed::Ask("me", Command::Me)),
            15..23 if me.purse > 0 => {
                deeds.extend(me.sight.someone(rng).map(|to| Deed::Give(to, false)));
            }
            23..25 if me.purse > 0 => deeds.push(Deed::Ask("drop", Command::Drop { gold: 1 })),
            _ => {}
        }
        rng.random_range(PAUSE)
    }
}

fn somewhere(rng: &mut SmallRng) -> Place {
    [rng.random_range(0.0..METRES), rng.random_range(0.0..METRES)]
}
