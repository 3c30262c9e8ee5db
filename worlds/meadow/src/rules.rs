//! Lives here: the rules of the meadow: what comes of logins, commands and inputs.
//! Not here: what animals do by themselves (`herd`), how the meadow began (`genesis`), talk (`talk`).
//!
//! Invariant: gold is made at genesis only. After that it changes hands, falls to the ground and
//! is picked up again, so `census` counts the same gold for ever.

use std::time::Duration;

use world_data::fair::{Reach, Speed};
use world_data::{
    Caller, Entity, JobId, Kinds, Map, Message, ObjectId, Owner, Payload, Point, Ref, Step, Stop,
    Task, Tick, World,
};

use crate::genesis::{self, Meadow};
use crate::herd;
use crate::talk::{self, WORLD};
use crate::things::{Coin, Job, Look, Mushroom, Player, Scenery, Sheep, Wolf, kinds};
use crate::words::{Command, Event, Input, Reply, View};

/// The side of the meadow, in metres.
pub(crate) const METRES: f64 = 2048.0;
/// How fast a player walks, in metres per second.
pub const SPEED: f64 = 6.0;
/// How far a player reaches, in metres.
pub const REACH: f64 = 3.0;
/// How far a voice is heard, in metres.
pub const EARSHOT: f64 = 40.0;
/// The longest text that can be said, in characters.
pub const MAX_TEXT: usize = 200;
/// How long the next mushroom takes to ripen.
const RIPEN: Duration = Duration::from_mins(1);

impl World for Meadow {
    const NAME: &'static str = "meadow";
    type Command = Command;
    type Reply = Reply;
    type Input = Input;
    type Job = Job;
    type View = View;

    fn map(&self) -> Map {
        Map::square(METRES)
    }

    fn tick_radius(&self) -> f64 {
        herd::SCENT
    }

    fn kinds(&self) -> Kinds {
        kinds()
    }

    fn genesis(&self, task: &mut Task<'_>) -> Result<(), Stop> {
        genesis::make(self, task)
    }

    /// A player comes back where he left, or, the first time, appears near a village: the one that his
    /// name asks for, as `ann@Larkfield` does.
    fn login(&self, task: &mut Task<'_>, who: &Caller) -> Result<Option<ObjectId>, Stop> {
        task.join(who.session, WORLD)?;
        let account = format!("player/{}", who.name);
        if let Some(id) = task.lookup(&account)? {
            task.update(Ref::<Player>::new(id), |player| {
                player.session = Some(who.session);
                player.target = None;
                Ok(())
            })?;
            return Ok(Some(id));
        }
        let at = genesis::spawn_point(task, &who.name);
        let session = Some(who.session);
        let player = Player {
            name: who.name.clone(),
            session,
            ..Player::default()
        };
        let id = task.create_at(player, at)?.id();
        task.bind(&account, id)?;
        Ok(Some(id))
    }

    /// Whoever can't see the meadow stops walking in it.
    fn away(&self, task: &mut Task<'_>, who: &Caller) -> Result<(), Stop> {
        task.update(you(who)?, |player| {
            player.target = None;
            Ok(())
        })
    }

    /// The body stays where it is, unseen, with its purse.
    fn logout(&self, task: &mut Task<'_>, who: &Caller) -> Result<(), Stop> {
        let you = you(who)?;
        // Run again from a dead letter: a later session of the same account may be playing by now.
        if task.get(you)?.session != Some(who.session) {
            return Ok(());
        }
        task.update(you, |player| {
            player.session = None;
            player.target = None;
            Ok(())
        })
    }

    fn command(&self, task: &mut Task<'_>, who: &Caller, command: &Command) -> Result<Reply, Stop> {
        let you = you(who)?;
        match command {
            Command::Pick(id) => pick(task, you, *id),
            Command::Drop { gold } => drop_gold(task, you, *gold),
            Command::Give { to, gold } => give(task, you, *to, *gold),
            Command::Say(text) => talk::say(task, you, text),
            Command::Me => me(task, you),
            Command::Census => census(task),
        }
    }

    /// Everybody may speak to all, under his own name.
    fn publish(
        &self,
        _: &mut Task<'_>,
        who: &Caller,
        _: &str,
        message: &Message,
    ) -> Result<Payload, Stop> {
        talk::to_all(who, &message.read::<String>()?)
    }

    /// Inputs only set the target: the tick moves, so no input makes anybody faster.
    fn input(&self, task: &mut Task<'_>, who: &Caller, input: &Input) -> Result<(), Stop> {
        let target = match *input {
            Input::Go([x, y]) if x.is_finite() && y.is_finite() => {
                Some(task.map().clamp(Point::new(x, y)))
            }
            Input::Go(_) => return Err(Stop::refused("bad_target")),
            Input::Stop => None,
        };
        task.update(you(who)?, |player| {
            player.target = target;
            Ok(())
        })
    }

    fn job(&self, task: &mut Task<'_>, this: JobId, job: &Job) -> Result<(), Stop> {
        match job {
            Job::Ripen => task.update(Ref::<Mushroom>::new(this.of()), |mushroom| {
                mushroom.ripe_at_ms = None;
                Ok(())
            }),
        }
    }

    fn tick(&self, tick: &Tick<'_>, entity: Entity<'_>) -> Step {
        if let Some(player) = entity.get::<Player>() {
            walk(tick, entity.at(), player)
        } else if let Some(sheep) = entity.get::<Sheep>() {
            herd::sheep(tick, entity, sheep)
        } else if let Some(wolf) = entity.get::<Wolf>() {
            herd::wolf(tick, entity, wolf)
        } else {
            Step::Stay
        }
    }

    fn view(&self, entity: Entity<'_>) -> Option<View> {
        if let Some(player) = entity.get::<Player>() {
            return player.session.map(|_| View::Player {
                name: player.name.clone(),
            });
        }
        if let Some(coin) = entity.get::<Coin>() {
            return Some(View::Coin { gold: coin.gold });
        }
        if let Some(mushroom) = entity.get::<Mushroom>() {
            return mushroom.ripe_at_ms.is_none().then_some(View::Mushroom);
        }
        if let Some(Scenery { look, n }) = entity.get().cloned() {
            return Some(match look {
                Look::Tree => View::Tree { n },
                Look::Bush => View::Bush { n },
                Look::Flower => View::Flower { n },
                Look::House => View::House { n },
                Look::Stall => View::Stall { n },
                Look::Well => View::Well,
            });
        }
        if entity.get::<Sheep>().is_some() {
            return Some(View::Sheep);
        }
        entity.get::<Wolf>().map(|_| View::Wolf)
    }
}

/// The player that a session plays: `login` gave every session one.
fn you(who: &Caller) -> Result<Ref<Player>, Stop> {
    let id = who
        .you
        .ok_or_else(|| Stop::Fault(format!("{} plays nobody", who.name)))?;
    Ok(Ref::new(id))
}

/// One step of a walking player.
fn walk(tick: &Tick<'_>, at: Point, player: &Player) -> Step {
    let Some(target) = player.target else {
        return Step::Stay;
    };
    let next = Speed::new(SPEED).step(at, target, tick.seconds());
    if next == target {
        Step::become_at(
            Player {
                target: None,
                ..player.clone()
            },
            next,
        )
    } else {
        Step::Go(next)
    }
}

/// Coins go into the purse; mushrooms are counted, and left to grow again.
fn pick(task: &mut Task<'_>, you: Ref<Player>, id: u64) -> Result<Reply, Stop> {
    let gone = || Stop::refused("gone");
    let id = ObjectId::from_raw(id).ok_or_else(gone)?;
    if let Some(coin) = task.find_kind::<Coin>(id)? {
        check_reach(task, you, id)?;
        task.remove(id)?;
        task.update(you, |player| {
            player.gold += coin.gold;
            Ok(())
        })?;
        return Ok(Reply::Gold { gold: coin.gold });
    }
    let mushroom = task.find_kind::<Mushroom>(id)?.ok_or_else(gone)?;
    if mushroom.ripe_at_ms.is_some() {
        return Err(gone());
    }
    check_reach(task, you, id)?;
    let ripe_at_ms = Some(task.now() + RIPEN.as_millis() as u64);
    task.after(Owner::tied(id), RIPEN, &Job::Ripen)?;
    task.update(Ref::<Mushroom>::new(id), |mushroom| {
        mushroom.ripe_at_ms = ripe_at_ms;
        Ok(())
    })?;
    let mushrooms = task.update(you, |player| {
        player.mushrooms = player.mushrooms.saturating_add(1);
        Ok(player.mushrooms)
    })?;
    Ok(Reply::Mushrooms { mushrooms })
}

fn check_reach(task: &mut Task<'_>, you: Ref<Player>, id: ObjectId) -> Result<(), Stop> {
    let (here, there) = (task.position(you.id())?, task.position(id)?);
    Reach::new(REACH).check(here, there)
}

fn drop_gold(task: &mut Task<'_>, you: Ref<Player>, gold: i64) -> Result<Reply, Stop> {
    let gold = pay(task, you, gold)?.0;
    let at = task.position(you.id())?;
    let id = task.create_at(Coin { gold }, at)?.id();
    Ok(Reply::Dropped { id })
}

fn give(task: &mut Task<'_>, you: Ref<Player>, to: u64, gold: i64) -> Result<Reply, Stop> {
    let nobody = || Stop::refused("no_such_player");
    let to = ObjectId::from_raw(to).ok_or_else(nobody)?;
    if to == you.id() {
        return Err(Stop::refused("yourself"));
    }
    let (gold, left) = pay(task, you, gold)?;
    // The id is a client's word: look at what it names before it is taken for a player.
    let friend = task.find_kind::<Player>(to)?.ok_or_else(nobody)?;
    task.update(Ref::<Player>::new(to), |friend| {
        friend.gold += gold;
        Ok(())
    })?;
    if let Some(session) = friend.session {
        let name = task.read(you, |player| player.name.clone())?;
        task.send(
            session,
            Payload::new(Event::Given {
                from: you.id(),
                name,
                gold,
            }),
        );
    }
    Ok(Reply::Gold { gold: left })
}

/// Takes gold out of a purse; returns how much, and what is left.
fn pay(task: &mut Task<'_>, you: Ref<Player>, gold: i64) -> Result<(u64, u64), Stop> {
    let gold = u64::try_from(gold).ok().filter(|gold| *gold > 0);
    let gold = gold.ok_or_else(|| Stop::refused("bad_amount"))?;
    task.update(you, |player| {
        let left = player
            .gold
            .checked_sub(gold)
            .ok_or_else(|| Stop::refused("insufficient"))?;
        player.gold = left;
        Ok((gold, left))
    })
}

fn me(task: &mut Task<'_>, you: Ref<Player>) -> Result<Reply, Stop> {
    let Point { x, y } = task.position(you.id())?;
    let player = task.get(you)?;
    Ok(Reply::Me {
        id: you.id(),
        name: player.name.clone(),
        gold: player.gold,
        mushrooms: player.mushrooms,
        at: [x, y],
    })
}

/// Counts by looking at everything in the meadow, in one task: no counter that could be wrong.
fn census(task: &mut Task<'_>) -> Result<Reply, Stop> {
    let (mut gold, mut players) = (0, 0);
    let middle = Point::new(METRES / 2.0, METRES / 2.0);
    task.nearby(middle, METRES, |entity| {
        if let Some(player) = entity.get::<Player>() {
            gold += player.gold;
            players += u32::from(player.session.is_some());
        } else if let Some(coin) = entity.get::<Coin>() {
            gold += coin.gold;
        }
    })?;
    Ok(Reply::Census { gold, players })
}
