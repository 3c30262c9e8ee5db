//! Lives here: a bot of the meadow: it does what its role wants, and looks whether the answers can
//! be true.
//! Not here: what it wants (`roles`), what it sees (`sight`), and what is in its purse (`purse`).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use brightstar_client::{ClientError, Connection, EncodedFrame, Retry, Update, Welcome};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::time::Instant;

use super::catch_up::CatchUp;
use super::field::Field;
use super::hearing::{Heard, Hearing};
use super::purse::Purse;
use super::roles::{Deed, Me, Role, role};
use super::sight::Sight;
use super::{Command, Event, Input, METRES, Meadow, Reply};
use crate::bot::{Bot, Break};
use crate::run::Birth;
use crate::scenario::Pattern;
use crate::stats::{Rule, Stats};
use crate::waiting::Waiting;

/// Bots first act within so many seconds of their arrival, so that they do not act together.
const FIRST: f64 = 4.0;
/// Inputs whose effect is awaited in frames; older ones are given up.
const MAX_INPUTS: usize = 32;
/// Bots that talk to all: the first few, so that what is heard grows with the bots and no faster.
const TALKERS: u32 = 4;
/// One deed of theirs in so many is a word to all.
const TALK_EVERY: u32 = 8;
/// The channel that all hear.
const WORLD: &str = "world";

/// A bot in the meadow.
#[derive(Debug)]
pub(crate) struct Player {
    name: String,
    you: Option<u64>,
    mate: usize,
    due: Instant,
    first: bool,
    talks: bool,
    purse: Purse,
    rng: SmallRng,
    sight: Sight,
    waiting: Waiting<Command>,
    inputs: VecDeque<(u64, Instant)>,
    newest_input: u64,
    wish: Option<Break>,
    catching_up: Option<CatchUp>,
    /// Half a tick: frames at least so far apart come as they are sent.
    pace: Duration,
    hearing: Hearing,
    deeds: Vec<Deed>,
    role: Box<dyn Role>,
    field: Rc<Field>,
    stats: Rc<RefCell<Stats>>,
}

impl Player {
    pub(crate) fn new(birth: Birth, pattern: &Pattern, part: usize, field: Rc<Field>) -> Self {
        let mut rng = SmallRng::seed_from_u64(birth.seed);
        let you = birth.welcome.you;
        Self {
            mate: field.join(part, you.unwrap_or_default()),
            role: role(pattern, birth.number, &mut rng),
            you,
            due: Instant::now(),
            first: true,
            talks: birth.number < TALKERS,
            purse: Purse::default(),
            sight: Sight::new(&birth.welcome),
            waiting: Waiting::new(Rc::clone(&birth.stats)),
            inputs: VecDeque::new(),
            newest_input: 0,
            hearing: Hearing::default(),
            wish: None,
            catching_up: None,
            pace: Duration::from_secs_f64(0.5 / f64::from(birth.welcome.tick_hz.max(1))),
            deeds: Vec::new(),
            name: birth.name,
            stats: birth.stats,
            field,
            rng,
        }
    }

    fn wrong(&self, rule: Rule, words: impl FnOnce() -> String) {
        let name = &self.name;
        self.stats
            .borrow_mut()
            .violate(rule, || format!("{name}: {}", words()));
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

    async fn go(
        &mut self,
        connection: &mut Connection<Meadow>,
        to: [f64; 2],
    ) -> Result<(), ClientError> {
        let seq = connection.input(&Input::Go(to)).await?;
        self.sight.walks_to(to);
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

    /// Asks the role what it wants, and does it; gives the pause in seconds.
    async fn play(&mut self, connection: &mut Connection<Meadow>) -> Result<f64, ClientError> {
        let Some(here) = self.sight.you() else {
            // Nothing was seen yet: the first frame is on its way.
            return Ok(0.1);
        };
        let mut deeds = std::mem::take(&mut self.deeds);
        let me = Me {
            name: &self.name,
            mate: self.mate,
            here,
            purse: self.purse.gold(),
            sight: &self.sight,
            field: &self.field,
            unanswered: self.waiting.len(),
            seconds: self.field.seconds(),
        };
        let pause = self.role.act(&me, &mut self.rng, &mut deeds);
        for deed in deeds.drain(..) {
            match deed {
                Deed::Go(to) => self.go(connection, to).await?,
                Deed::Ask(kind, command) => self.command(connection, kind, command).await?,
                Deed::Give(to, over) => {
                    self.stats.borrow_mut().deeds.trades_over_borders += u64::from(over);
                    let give = Command::Give { to, gold: 1 };
                    self.command(connection, "give", give).await?;
                }
                Deed::Vanish(away) => self.wish = Some(Break::Drop(away)),
                Deed::Stall(time) => self.wish = Some(Break::Stall(time)),
            }
        }
        self.deeds = deeds;
        if self.talks && self.rng.random_ratio(1, TALK_EVERY) {
            connection.publish(WORLD, "hello, all").await?;
        }
        Ok(pause)
    }

    /// Compares a reply with what was asked and with the purse.
    fn judge(&mut self, seq: u64, asked: &Command, reply: &Reply) {
        let before = self.purse;
        let (rule, sound) = match *asked {
            Command::Pick(_) => match (reply.gold, reply.mushrooms) {
                (Some(gold), None) => (Rule::Gold, self.purse.change(seq, gold) && gold > 0),
                (None, Some(_)) => (Rule::Words, true),
                _ => (Rule::Words, false),
            },
            Command::Drop { gold } => {
                let sound = self.purse.change(seq, -gold) && reply.id.is_some();
                (Rule::Gold, sound)
            }
            Command::Give { gold, to } => {
                self.gave(to, gold);
                let sound = self.purse.change(seq, -gold) && self.purse.is(seq, reply.gold);
                (Rule::Gold, sound)
            }
            Command::Say(_) => (Rule::Words, true),
            Command::Me if !self.is_me(reply) => (Rule::Words, false),
            Command::Me => (Rule::Gold, self.purse.told(seq, reply.gold)),
            Command::Census => (Rule::Words, false),
        };
        if !sound {
            let words = format!("{asked:?} was answered with {reply:?}, before: {before:?}");
            self.wrong(rule, || words);
        }
        if let Some(words) = self.track_coin(asked, reply) {
            self.wrong(Rule::Doubled, || words);
        }
        self.role.answered(asked, reply);
    }

    /// What was dropped or picked up; says what is wrong with that.
    fn track_coin(&self, asked: &Command, reply: &Reply) -> Option<String> {
        let mut coins = self.field.coins.borrow_mut();
        match *asked {
            Command::Drop { gold } => coins.drop(reply.id?, gold),
            Command::Pick(coin) => coins.pick(coin, reply.gold?),
            _ => None,
        }
    }

    fn is_me(&self, reply: &Reply) -> bool {
        let on_map = |at: [f64; 2]| at.iter().all(|v| (0.0..METRES).contains(v));
        reply.id == self.you
            && reply.name.as_ref() == Some(&self.name)
            && reply.at.is_some_and(on_map)
    }

    /// Gold went to somebody, who may be one of the bots.
    fn gave(&self, to: u64, gold: i64) {
        let sums = &mut self.stats.borrow_mut().gold;
        match self.field.hears(to) {
            Some(true) => sums.given += gold,
            Some(false) => sums.given_late += gold,
            None => {}
        }
    }

    /// Looks at the number of an event: each is one more than the one before.
    fn count_event(&mut self, n: u64) {
        match self.hearing.heard(n) {
            Heard::Next => {}
            // The server keeps so many events and no more.
            Heard::GivenUp(missing) => {
                self.stats.borrow_mut().deeds.events_given_up += missing;
                self.purse.forget();
            }
            Heard::Lost(missing) => {
                self.wrong(Rule::Lost, || format!("{missing} events before event {n}"));
            }
        }
    }

    fn hear_event(&mut self, event: &Event) {
        self.stats.borrow_mut().events += 1;
        match event {
            Event::Given { from, gold } => {
                self.purse.receive(*gold);
                if self.field.hears(*from).is_some() {
                    self.stats.borrow_mut().gold.received += gold;
                }
            }
            Event::Said { text } if text.is_empty() => {
                self.wrong(Rule::Words, || "heard nothing being said".into());
            }
            Event::Said { .. } => {}
        }
    }

    fn hear_frame(&mut self, frame: EncodedFrame, going: bool) -> Result<(), ClientError> {
        let newest = match &mut self.catching_up {
            Some(catching_up) => {
                let newest =
                    CatchUp::see((frame, going), &mut self.sight, &self.field, &self.stats)?;
                if catching_up.is_done() {
                    self.catching_up = None;
                }
                newest
            }
            None => self
                .stats
                .borrow_mut()
                .looking(|stats| self.sight.see(frame, going, stats))?,
        };
        if newest < self.newest_input {
            let before = self.newest_input;
            self.wrong(Rule::Reordered, || {
                format!("a frame with input {newest} after one with input {before}")
            });
        }
        self.newest_input = newest;
        self.input_took_effect(newest);
        if let Some(here) = self.sight.you()
            && self.field.stands(self.mate, here)
        {
            let mut stats = self.stats.borrow_mut();
            stats.deeds.crossings += u64::from(stats.measuring);
        }
        Ok(())
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

impl Bot for Player {
    type World = Meadow;

    fn due(&self) -> Option<Instant> {
        Some(self.due)
    }

    async fn act(&mut self, connection: &mut Connection<Meadow>) -> Result<(), ClientError> {
        let pause = if self.first {
            self.first = false;
            self.command(connection, "me", Command::Me).await?;
            self.rng.random_range(0.0..self.role.first_pause(FIRST))
        } else {
            if self.purse.is_unknown() && self.waiting.len() == 0 {
                self.command(connection, "me", Command::Me).await?;
            }
            self.play(connection).await?
        };
        self.due += Duration::from_secs_f64(pause);
        Ok(())
    }

    fn wants_break(&mut self) -> Option<Break> {
        self.wish.take()
    }

    fn outlives(&self, error: &ClientError) -> bool {
        self.role.expects_trouble() && error.retry() != Retry::Never
    }

    fn back(&mut self, welcome: Option<&Welcome>) {
        self.due = Instant::now();
        self.inputs.clear();
        self.hearing.interrupted();
        match welcome {
            Some(welcome) => {
                // On a new socket all is shown anew.
                self.sight = Sight::new(welcome);
                self.catching_up = None;
                self.newest_input = 0;
                if let Some(newest) = self.waiting.interrupt() {
                    self.purse.wait_for(newest);
                }
            }
            None => self.catching_up = Some(CatchUp::new(self.pace)),
        }
    }

    /// The body and the purse are the same, but what of the open commands was done it can't know.
    fn begin_anew(&mut self, welcome: &Welcome) {
        if welcome.you != self.you {
            let (before, now) = (self.you, welcome.you);
            self.wrong(Rule::Words, || {
                format!("played {before:?} and plays {now:?} after a new login")
            });
        }
        self.due = Instant::now();
        self.sight = Sight::new(welcome);
        let spent = self.waiting.abandon().map(|asked| match asked {
            Command::Give { gold, .. } | Command::Drop { gold } => gold,
            _ => 0,
        });
        self.purse.begin_anew(spent.sum());
        self.hearing = Hearing::default();
        self.catching_up = None;
        self.inputs.clear();
        self.newest_input = 0;
    }

    async fn hear(
        &mut self,
        update: Update<Meadow>,
        _: &mut Connection<Meadow>,
        going: bool,
    ) -> Result<(), ClientError> {
        match update {
            Update::Reply { seq, outcome } => {
                if let Some(words) = self.hearing.answered(self.purse.is_late(seq)) {
                    self.wrong(Rule::Lost, || words);
                }
                if let Some((asked, Some(reply))) = self.waiting.answered(seq, outcome) {
                    self.judge(seq, &asked, &reply);
                }
            }
            Update::Frame(frame) => self.hear_frame(frame, going)?,
            Update::Forget(cells) => self.sight.forget(&cells),
            Update::Event { n, event } => {
                self.count_event(n);
                self.hear_event(&event);
            }
            Update::Channel { n, .. } => self.count_event(n),
            Update::Pong { .. } | Update::Moved { .. } | Update::Lagged(_) => {}
        }
        Ok(())
    }

    fn unanswered(&self) -> usize {
        self.waiting.len()
    }

    async fn halt(&mut self, connection: &mut Connection<Meadow>) -> Result<(), ClientError> {
        self.field.leave(self.mate);
        connection.input(&Input::Stop).await?;
        Ok(())
    }

    /// Asks for the purse when nothing is under way any more: it must hold what the bot knows.
    async fn last_words(&mut self, connection: &mut Connection<Meadow>) -> Result<(), ClientError> {
        self.field.leave(self.mate);
        self.due = Instant::now();
        self.command(connection, "me", Command::Me).await
    }
}
