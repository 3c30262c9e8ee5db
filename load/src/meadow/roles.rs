//! Lives here: what a player wants, as decisions: where he stands and what he has in, deeds out.
//! Not here: how deeds are done, and whether what comes of them can be true (`player`).
//!
//! Invariant: a role touches no socket and reads no clock, so that each can be tested by hand.

mod border;
mod broken;
mod crowd;
mod star;
mod trade;
mod wander;

use std::fmt;
use std::time::Duration;

use rand::rngs::SmallRng;

use super::field::Field;
use super::sight::Sight;
use super::{Command, REACH, Reply, SPEED};
use crate::land::{Place, distance};
use crate::scenario::Pattern;

/// What lies at most so far away is reached for: a hand's breadth less than the reach.
const NEAR: f64 = REACH - 0.1;
/// How far a coin may lie for which one goes out of one's way.
const WORTH_IT: f64 = 60.0;
/// Nobody is asked again sooner than this, in seconds.
const SOON: f64 = 0.2;

/// A player as his role sees him.
#[derive(Debug)]
pub(crate) struct Me<'a> {
    pub(crate) name: &'a str,
    /// His place among the bots.
    pub(crate) mate: usize,
    pub(crate) here: Place,
    /// Gold he knows to have.
    pub(crate) purse: i64,
    pub(crate) sight: &'a Sight,
    pub(crate) field: &'a Field,
    /// Commands under way.
    pub(crate) unanswered: usize,
    /// The bots' common clock, in seconds.
    pub(crate) seconds: f64,
}

/// What a player does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Deed {
    Go(Place),
    Ask(&'static str, Command),
    /// Gives a piece of gold to somebody, who may be in another region.
    Give(u64, bool),
    /// Drops the socket and comes back.
    Vanish(Duration),
    /// Does not read for a while.
    Stall(Duration),
}

/// What a player wants.
pub(crate) trait Role: fmt::Debug {
    /// Decides what to do now; gives the pause until it is asked again, in seconds.
    fn act(&mut self, me: &Me<'_>, rng: &mut SmallRng, deeds: &mut Vec<Deed>) -> f64;

    /// A command was answered.
    fn answered(&mut self, _: &Command, _: &Reply) {}

    /// Within how many seconds of its arrival it first acts.
    fn first_pause(&self, usual: f64) -> f64 {
        usual
    }

    /// Whether it goes on when the server closes its socket.
    fn expects_trouble(&self) -> bool {
        false
    }
}

/// The role of a bot of this pattern.
pub(crate) fn role(pattern: &Pattern, number: u32, rng: &mut SmallRng) -> Box<dyn Role> {
    match *pattern {
        Pattern::Wander => Box::new(wander::Wander::new(rng)),
        Pattern::Crowd {
            place,
            metres,
            stay,
            ..
        } => Box::new(crowd::Crowd::new(place, metres, stay.as_secs_f64(), rng)),
        Pattern::Star { metres } => Box::new(star::Star::new(metres, number)),
        Pattern::Border { metres } => Box::new(border::Border::new(metres, rng)),
        Pattern::Trade { per_second } => Box::new(trade::Trade::new(per_second, rng)),
        Pattern::Reconnect { every, away } => Box::new(broken::Vanisher::new(every, away, rng)),
        Pattern::Slow { every, stall } => Box::new(broken::Sleeper::new(every, stall, rng)),
    }
}

/// Picks up a coin within reach, or goes to one that is worth it; gives the pause, or none when no
/// coin is.
fn gather(me: &Me<'_>, deeds: &mut Vec<Deed>) -> Option<f64> {
    if let Some((coin, _)) = me.sight.nearest_coin(NEAR) {
        deeds.push(Deed::Ask("pick", Command::Pick(coin)));
        return Some(SOON);
    }
    let (_, at) = me.sight.nearest_coin(WORTH_IT)?;
    deeds.push(Deed::Go(at));
    Some(walk_time(me.here, at))
}

/// How long the way takes, in seconds, and a tick or two on top.
fn walk_time(from: Place, to: Place) -> f64 {
    (distance(from, to) / SPEED + 0.1).max(SOON)
}

#[cfg(test)]
mod tests;
