//! Lives here: what a wandering bot wants, and whether the answers it gets can be true.
//! Not here: what it sees (`sight`).
//!
//! Invariant: once it has asked for its purse, the bot always knows what is in it: replies and
//! events come in the order in which they took effect.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use brightstar_client::{ClientError, Connection, Update};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::time::Instant;

use super::sight::Sight;
use super::{Command, Event, Input, METRES, Meadow, REACH, Reply};
use crate::bot::{Bot, Waiting};
use crate::run::Birth;
use crate::stats::Stats;

/// The pause between two wishes is from the first to the second, in seconds.
const PAUSE: std::ops::Range<f64> = 1.0..5.0;
/// The farthest that a bot goes at once, in metres.
const STRIDE: f64 = 30.0;
/// Bots first act within so many seconds of their arrival, so that they do not act together.
const FIRST: f64 = 4.0;
/// Inputs whose effect is awaited in frames; older ones are given up.
const MAX_INPUTS: usize = 32;
/// What is reached for lies at most so far away: a hand's breadth less than the reach.
const NEAR: f64 = REACH - 0.1;

/// A bot that walks about, gathers, gives and talks.
#[derive(Debug)]
pub(crate) struct Wanderer {
    name: String,
    you: Option<u64>,
    due: Instant,
    first: bool,
    /// Where it wants to get to in the long run.
    goal: [f64; 2],
    purse: Option<i64>,
    rng: SmallRng,
    sight: Sight,
    waiting: Waiting<Command>,
    inputs: VecDeque<(u64, Instant)>,
    stats: Rc<RefCell<Stats>>,
}

impl Wanderer {
    pub(crate) fn new(birth: Birth) -> Self {
        let mut rng = SmallRng::seed_from_u64(birth.seed);
        Self {
            you: birth.welcome.you,
            due: Instant::now(),
            first: true,
            goal: somewhere(&mut rng),
            purse: None,
            sight: Sight::new(&birth.welcome),
            waiting: Waiting::new(Rc::clone(&birth.stats)),
            inputs: VecDeque::new(),
            name: birth.name,
            stats: birth.stats,
            rng,
        }
    }

    fn wrong(&self, words: impl FnOnce() -> String) {
        let name = &self.name;
        self.stats
            .borrow_mut()
            .break_rule(|| format!("{name}: {}", words()));
    }

    async fn command(
        &mut self,
        connection: &mut Connection<Meadow>,
        kind: &'static str,
        command: Command,
    ) -> Result<(), ClientError> {
        let seq = connection.command(&command).await?;
        self.waiting.sent(seq, kind, self.due, command);
        Ok(())
    }

    /// Goes on: to a coin nearby, or a stride towards the goal.
    async fn walk(&mut self, connection: &mut Connection<Meadow>) -> Result<(), ClientError> {
        let here = self.sight.you().unwrap_or(self.goal);
        if distance(here, self.goal) < STRIDE {
            self.goal = somewhere(&mut self.rng);
        }
        let coin = self
            .sight
            .nearest_coin(STRIDE)
            .filter(|_| self.rng.random_bool(0.7));
        let target = coin.map_or_else(|| self.stride(here), |(_, at)| at);
        let seq = connection.input(&Input::Go(target)).await?;
        self.sight.walks_to(target);
        if self.inputs.len() == MAX_INPUTS {
            self.inputs.pop_front();
        }
        self.inputs.push_back((seq, self.due));
        let mut stats = self.stats.borrow_mut();
        if stats.measuring {
            stats.inputs += 1;
        }
        Ok(())
    }

    /// A point nearby, more or less on the way to the goal.
    fn stride(&mut self, [x, y]: [f64; 2]) -> [f64; 2] {
        let ahead = (self.goal[1] - y).atan2(self.goal[0] - x);
        let angle = ahead + self.rng.random_range(-1.0..1.0);
        let length = self.rng.random_range(0.3..1.0) * STRIDE;
        [x + angle.cos() * length, y + angle.sin() * length].map(|v| v.clamp(0.0, METRES - 1.0))
    }

    async fn wish(&mut self, connection: &mut Connection<Meadow>) -> Result<(), ClientError> {
        if let Some((coin, _)) = self.sight.nearest_coin(NEAR) {
            return self.command(connection, "pick", Command::Pick(coin)).await;
        }
        match self.rng.random_range(0..100) {
            0..5 => {
                let text = format!("{} says {}", self.name, self.rng.random_range(0..1000));
                self.command(connection, "say", Command::Say(text)).await
            }
            5..15 => self.command(connection, "me", Command::Me).await,
            15..23 if self.purse > Some(0) => match self.sight.someone(&mut self.rng) {
                Some(to) => {
                    self.command(connection, "give", Command::Give { to, gold: 1 })
                        .await
                }
                None => Ok(()),
            },
            23..25 if self.purse > Some(0) => {
                self.command(connection, "drop", Command::Drop { gold: 1 })
                    .await
            }
            _ => Ok(()),
        }
    }

    /// Compares a reply with what was asked and with the purse.
    fn judge(&mut self, asked: &Command, reply: &Reply) {
        let sound = match asked {
            Command::Pick(_) => match (reply.gold, reply.mushrooms) {
                (Some(gold), None) => self.change_purse(gold) && gold > 0,
                (None, Some(_)) => true,
                _ => false,
            },
            Command::Drop { gold } => self.change_purse(-gold) && reply.id.is_some(),
            Command::Give { gold, .. } => {
                self.change_purse(-gold) && self.purse.is_none_or(|left| reply.gold == Some(left))
            }
            Command::Say(_) => true,
            Command::Me => {
                let known = self.purse;
                self.purse = reply.gold;
                reply.gold.is_some()
                    && known.is_none_or(|known| reply.gold == Some(known))
                    && reply.id == self.you
                    && reply.name.as_ref() == Some(&self.name)
                    && reply
                        .at
                        .is_some_and(|at| at.iter().all(|v| (0.0..METRES).contains(v)))
            }
            Command::Census => false,
        };
        if !sound {
            let purse = self.purse;
            self.wrong(|| format!("{asked:?} was answered with {reply:?}, purse {purse:?}"));
        }
    }

    /// Adds to the purse, if it is known; says whether it can be so.
    fn change_purse(&mut self, gold: i64) -> bool {
        self.purse = self.purse.map(|purse| purse + gold);
        self.purse.is_none_or(|purse| purse >= 0)
    }

    fn input_took_effect(&mut self, newest: u64) {
        let mut stats = self.stats.borrow_mut();
        while let Some((_, due)) = self.inputs.pop_front_if(|(seq, _)| *seq <= newest) {
            if stats.measuring {
                stats.input_latency.record(due.elapsed());
            }
        }
    }
}

impl Bot for Wanderer {
    type World = Meadow;

    fn due(&self) -> Option<Instant> {
        Some(self.due)
    }

    async fn act(&mut self, connection: &mut Connection<Meadow>) -> Result<(), ClientError> {
        let pause = if self.first {
            self.command(connection, "me", Command::Me).await?;
            self.first = false;
            self.rng.random_range(0.0..FIRST)
        } else {
            self.walk(connection).await?;
            self.wish(connection).await?;
            self.rng.random_range(PAUSE)
        };
        self.due += Duration::from_secs_f64(pause);
        Ok(())
    }

    async fn hear(
        &mut self,
        update: Update<Meadow>,
        _: &mut Connection<Meadow>,
        going: bool,
    ) -> Result<(), ClientError> {
        match update {
            Update::Reply { seq, outcome } => {
                if let Some((asked, Some(reply))) = self.waiting.answered(seq, outcome) {
                    self.judge(&asked, &reply);
                }
            }
            Update::Frame(frame) => {
                let newest = self.sight.see(frame, going, &mut self.stats.borrow_mut())?;
                self.input_took_effect(newest);
            }
            Update::Forget(cells) => self.sight.forget(&cells),
            Update::Event { event, .. } => {
                self.stats.borrow_mut().events += 1;
                match event {
                    Event::Given { gold } => {
                        self.change_purse(gold);
                    }
                    Event::Said { text } => {
                        if text.is_empty() {
                            self.wrong(|| "heard nothing being said".into());
                        }
                    }
                }
            }
            Update::Channel { .. }
            | Update::Pong { .. }
            | Update::Moved { .. }
            | Update::Lagged(_) => {}
        }
        Ok(())
    }

    fn unanswered(&self) -> usize {
        self.waiting.len()
    }
}

fn somewhere(rng: &mut SmallRng) -> [f64; 2] {
    [rng.random_range(0.0..METRES), rng.random_range(0.0..METRES)]
}

fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}
