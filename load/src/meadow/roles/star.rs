//! Lives here: the role that marches in one of eight columns, from the middle outwards and back.

use std::f64::consts::TAU;

use rand::rngs::SmallRng;

use super::{Deed, Me, Role, gather, walk_time};
use crate::land::{Place, beside, distance};
use crate::meadow::{Command, METRES};

const MIDDLE: Place = [METRES / 2.0, METRES / 2.0];
const COLUMNS: u32 = 8;
/// How far a marcher goes before he thinks again, in metres.
const LEG: f64 = 30.0;
/// How far apart two marchers of a column walk at least, in metres.
const APART: f64 = 2.0;

/// Marches.
#[derive(Debug)]
pub(super) struct Star {
    metres: f64,
    number: u32,
    column: Option<u32>,
    outwards: bool,
    asked: f64,
}

impl Star {
    pub(super) fn new(metres: f64, number: u32) -> Self {
        Self {
            metres,
            number,
            column: None,
            outwards: true,
            asked: 0.0,
        }
    }

    /// The column whose line passes nearest; in the middle, where all begin, by number.
    fn choose(&self, here: Place) -> u32 {
        let radius = distance(here, MIDDLE);
        if radius < 100.0 {
            return self.number % COLUMNS;
        }
        let off = |column: &u32| distance(here, Self::point(*column, radius));
        (0..COLUMNS)
            .min_by(|a, b| off(a).total_cmp(&off(b)))
            .unwrap_or_default()
    }

    fn point(column: u32, radius: f64) -> Place {
        beside(MIDDLE, TAU * f64::from(column) / f64::from(COLUMNS), radius)
    }
}

impl Role for Star {
    fn act(&mut self, me: &Me<'_>, _: &mut SmallRng, deeds: &mut Vec<Deed>) -> f64 {
        let column = self.column.unwrap_or_else(|| self.choose(me.here));
        self.column = Some(column);
        let radius = distance(me.here, MIDDLE);
        if radius >= self.metres - LEG / 2.0 {
            self.outwards = false;
        } else if radius <= LEG {
            self.outwards = true;
        }
        let leg = if self.outwards { LEG } else { -LEG };
        let next = (radius + leg).clamp(0.0, self.metres);
        // Side by side, so that a column is as wide as a road.
        let lane = f64::from(self.number / COLUMNS % 5) * APART;
        let to = Self::point(column, next).map(|v| (v + lane).clamp(0.0, METRES - 1.0));
        let mut picks = Vec::new();
        if gather(me, &mut picks).is_some() {
            let is_pick = |deed: &Deed| matches!(deed, Deed::Ask(..));
            deeds.extend(picks.into_iter().filter(is_pick));
        }
        if me.seconds > self.asked + 5.0 {
            self.asked = me.seconds;
            deeds.push(Deed::Ask("me", Command::Me));
        }
        deeds.push(Deed::Go(to));
        walk_time(me.here, to)
    }
}
