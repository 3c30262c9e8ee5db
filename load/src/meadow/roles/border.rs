//! Lives here: the role that walks to and fro over a border between two regions with gold in its
//! purse, and at each turn gives some to a partner over the border, drops some and picks it up.
//!
//! Invariant: what is dropped is picked up before it walks on, so that only a thief can have it;
//! and where the border is, is asked at every turn: it may have moved.

use rand::Rng;
use rand::rngs::SmallRng;

use super::{Deed, Me, Role, SOON, gather, walk_time};
use crate::land::{Edge, Place, distance};
use crate::meadow::{Command, METRES, Reply};

/// How far to the left or right of an edge's middle a bot crosses it, in metres.
const LANE: f64 = 14.0;
/// How much it wants to have before it goes to the border, and for how many seconds it gathers.
const ENOUGH: i64 = 5;
const GATHER: f64 = 25.0;
/// The longest way at once, in metres: on a longer one the border may move.
const LEG: f64 = 40.0;

/// Walks to and fro over a border, and trades there.
#[derive(Debug)]
pub(super) struct Border {
    metres: f64,
    lane: f64,
    edge: Option<Edge>,
    /// Whether it is on its way to the far side.
    over: bool,
    began: Option<f64>,
    /// Whether it has dropped gold and waits to be told which coin that is.
    dropped: bool,
    coin: Option<u64>,
}

impl Border {
    pub(super) fn new(metres: f64, rng: &mut SmallRng) -> Self {
        Self {
            metres,
            lane: rng.random_range(-LANE..LANE),
            edge: None,
            over: rng.random_bool(0.5),
            began: None,
            dropped: false,
            coin: None,
        }
    }

    /// Where it turns on the side it is on its way to.
    fn turning_point(&self, edge: &Edge) -> Place {
        let ahead = if self.over { self.metres } else { -self.metres };
        let [x, y] = edge.point(ahead);
        let [dx, dy] = edge.across;
        [x + dy * self.lane, y + dx * self.lane].map(|v| v.clamp(0.0, METRES - 1.0))
    }

    /// At a turning point: gives, and drops something to pick up.
    fn trade(&mut self, me: &Me<'_>, rng: &mut SmallRng, deeds: &mut Vec<Deed>) {
        let mut left = me.purse;
        if left > 1
            && let Some((to, over)) = me.field.partner(me.mate, rng)
        {
            deeds.push(Deed::Give(to, over));
            left -= 1;
        }
        if left > 0 {
            let gold = rng.random_range(1..=left);
            deeds.push(Deed::Ask("drop", Command::Drop { gold }));
            self.dropped = true;
        }
    }
}

impl Role for Border {
    fn act(&mut self, me: &Me<'_>, rng: &mut SmallRng, deeds: &mut Vec<Deed>) -> f64 {
        let began = *self.began.get_or_insert(me.seconds);
        if let Some(coin) = self.coin.take() {
            deeds.push(Deed::Ask("pick", Command::Pick(coin)));
        } else if self.dropped && me.unanswered > 0 {
            return SOON;
        }
        self.dropped = false;
        if me.purse < ENOUGH
            && me.seconds < began + GATHER
            && let Some(pause) = gather(me, deeds)
        {
            return pause;
        }
        let partition = me.field.partition.borrow();
        if self.edge.is_none_or(|edge| !partition.divides(&edge)) {
            self.edge = partition.nearest_edge(me.here);
        }
        let Some(edge) = self.edge else {
            // One region has it all, for now.
            return 1.0;
        };
        let to = self.turning_point(&edge);
        let way = distance(me.here, to);
        if way > 1.0 {
            let part = (LEG / way).min(1.0);
            let leg = [0, 1].map(|i| me.here[i] + (to[i] - me.here[i]) * part);
            deeds.push(Deed::Go(leg));
            return walk_time(me.here, leg);
        }
        self.over = !self.over;
        self.trade(me, rng, deeds);
        if self.dropped {
            return SOON;
        }
        let to = self.turning_point(&edge);
        deeds.push(Deed::Go(to));
        walk_time(me.here, to)
    }

    fn answered(&mut self, asked: &Command, reply: &Reply) {
        if matches!(asked, Command::Drop { .. }) {
            self.coin = reply.id;
        }
    }
}
