//! Lives here: the role that comes to one place with many others, mills about, and goes again.
//! Not here: that its bots are born near that place, and at one time (`meadow`, `scenario`).

use std::f64::consts::TAU;

use rand::Rng;
use rand::rngs::SmallRng;

use super::wander::Wander;
use super::{Deed, Me, Role, gather, walk_time};
use crate::land::{Place, beside, distance};
use crate::meadow::{Command, METRES};

/// How far from the place those who disperse are on their way to, in metres.
const AWAY: f64 = 400.0;
/// The pause between two steps of one who mills about, in seconds.
const PAUSE: std::ops::Range<f64> = 1.0..3.0;

/// Comes to a place, stays and goes.
#[derive(Debug)]
pub(super) struct Crowd {
    place: Place,
    metres: f64,
    stay: f64,
    /// When it was first there, by the common clock.
    came: Option<f64>,
    /// What it does once it has stayed long enough.
    after: Wander,
}

impl Crowd {
    pub(super) fn new(place: Place, metres: f64, stay: f64, rng: &mut SmallRng) -> Self {
        let away = beside(place, rng.random_range(0.0..TAU), AWAY);
        Self {
            place,
            metres,
            stay,
            came: None,
            after: Wander::towards(away.map(|v| v.clamp(0.0, METRES - 1.0))),
        }
    }

    /// A place in the crowd: as likely in any part of its disc.
    fn step(&self, rng: &mut SmallRng) -> Place {
        let radius = self.metres * rng.random::<f64>().sqrt();
        beside(self.place, rng.random_range(0.0..TAU), radius).map(|v| v.clamp(0.0, METRES - 1.0))
    }
}

impl Role for Crowd {
    fn act(&mut self, me: &Me<'_>, rng: &mut SmallRng, deeds: &mut Vec<Deed>) -> f64 {
        let there = distance(me.here, self.place) <= self.metres + 1.0;
        if there && self.came.is_none() {
            self.came = Some(me.seconds);
        }
        match self.came {
            Some(came) if me.seconds > came + self.stay => return self.after.act(me, rng, deeds),
            None => {
                let to = self.step(rng);
                deeds.push(Deed::Go(to));
                return walk_time(me.here, to).min(1.0);
            }
            Some(_) => {}
        }
        match rng.random_range(0..10) {
            0 => deeds.push(Deed::Ask(
                "say",
                Command::Say(format!("{} is here", me.name)),
            )),
            1..3 if me.purse > 0 => {
                deeds.extend(me.sight.someone(rng).map(|to| Deed::Give(to, false)));
            }
            3 => deeds.push(Deed::Ask("me", Command::Me)),
            4 if gather(me, deeds).is_some() => return rng.random_range(PAUSE),
            _ => {}
        }
        deeds.push(Deed::Go(self.step(rng)));
        rng.random_range(PAUSE)
    }

    /// A crowd comes at once.
    fn first_pause(&self, _: f64) -> f64 {
        0.2
    }
}
