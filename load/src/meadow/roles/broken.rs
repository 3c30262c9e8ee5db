//! Lives here: the roles that harm their own sockets: one drops it with commands under way and
//! resumes, one stops reading for a while. In between both wander.

use std::time::Duration;

use rand::Rng;
use rand::rngs::SmallRng;

use super::wander::Wander;
use super::{Deed, Me, Role, SOON, gather};
use crate::meadow::Command;

/// A wave of those who vanish is so long, in seconds.
const WAVE: f64 = 1.0;
/// Gifts under way when the socket goes.
const GIFTS: i64 = 3;

/// Drops its socket in every wave.
#[derive(Debug)]
pub(super) struct Vanisher {
    every: f64,
    away: Duration,
    /// When in the wave.
    offset: f64,
    next: Option<f64>,
    legs: Wander,
}

impl Vanisher {
    pub(super) fn new(every: Duration, away: Duration, rng: &mut SmallRng) -> Self {
        Self {
            every: every.as_secs_f64(),
            away,
            offset: rng.random_range(0.0..WAVE),
            next: None,
            legs: Wander::new(rng),
        }
    }
}

impl Role for Vanisher {
    fn act(&mut self, me: &Me<'_>, rng: &mut SmallRng, deeds: &mut Vec<Deed>) -> f64 {
        // Waves are by the common clock: all vanish together.
        let wave = (me.seconds / self.every).ceil() * self.every + self.offset;
        let next = *self.next.get_or_insert(wave);
        if me.seconds < next {
            let pause = if me.purse < GIFTS {
                gather(me, deeds)
            } else {
                None
            };
            let pause = pause.unwrap_or_else(|| self.legs.act(me, rng, deeds));
            return pause.min(next - me.seconds).max(SOON);
        }
        self.next = None;
        for _ in 0..GIFTS.min(me.purse) {
            if let Some((to, over)) = me.field.partner(me.mate, rng) {
                deeds.push(Deed::Give(to, over));
            }
        }
        deeds.push(Deed::Ask(
            "say",
            Command::Say(format!("{} vanishes", me.name)),
        ));
        deeds.push(Deed::Vanish(self.away));
        SOON
    }
}

/// Stops reading now and then.
#[derive(Debug)]
pub(super) struct Sleeper {
    every: f64,
    stall: Duration,
    next: Option<f64>,
    legs: Wander,
}

impl Sleeper {
    pub(super) fn new(every: Duration, stall: Duration, rng: &mut SmallRng) -> Self {
        Self {
            every: every.as_secs_f64(),
            stall,
            next: None,
            legs: Wander::new(rng),
        }
    }
}

impl Role for Sleeper {
    fn act(&mut self, me: &Me<'_>, rng: &mut SmallRng, deeds: &mut Vec<Deed>) -> f64 {
        let first = me.seconds + rng.random_range(0.0..self.every);
        let next = *self.next.get_or_insert(first);
        if me.seconds < next {
            return self
                .legs
                .act(me, rng, deeds)
                .min(next - me.seconds)
                .max(SOON);
        }
        // With a command under way its latency would be the bot's doing.
        if me.unanswered == 0 {
            self.next = Some(next + self.every);
            deeds.push(Deed::Stall(self.stall));
        }
        SOON
    }

    fn expects_trouble(&self) -> bool {
        true
    }
}
