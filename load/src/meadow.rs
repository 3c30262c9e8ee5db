//! Lives here: a run in the meadow: who plays which part, what must be so before and after; and the
//! meadow's payloads as its clients know them.
//! Not here: what a bot does (`player`), wants (`roles`), and sees (`sight`).

mod catch_up;
mod coins;
mod field;
mod hearing;
mod player;
mod purse;
mod roles;
mod sight;
mod villages;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use brightstar_client::{Connection, World};
use serde::{Deserialize, Serialize};

use crate::land::Partition;
use crate::run::{Birth, Pattern, Plan, Stay, must_ask, unix_ms};
use crate::scenario::{self, Part, Scenario};
use crate::stats::{Rule, Stats};
use crate::status::{Asker, Status};
use crate::verdict::Check;
use field::Field;
use player::Player;
use villages::Names;

/// The side of the meadow, in metres.
const METRES: f64 = 2048.0;
/// How fast anything may move, in metres per second.
const SPEED: f64 = 6.0;
/// How far a player reaches, in metres.
const REACH: f64 = 3.0;

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Command {
    Pick(u64),
    Drop { gold: i64 },
    Give { to: u64, gold: i64 },
    Say(String),
    Me,
    Census,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Input {
    Go([f64; 2]),
    Stop,
}

/// Any reply: the fields of all of them. Which must be there depends on what was asked.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Reply {
    gold: Option<i64>,
    mushrooms: Option<u64>,
    id: Option<u64>,
    name: Option<String>,
    at: Option<[f64; 2]>,
    players: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Event {
    Said { text: String },
    Given { from: u64, gold: i64 },
}

/// The meadow as its bots see it.
#[derive(Debug)]
pub(crate) struct Meadow;

impl World for Meadow {
    type Command = Command;
    type Reply = Reply;
    type Input = Input;
    type Event = Event;
}

/// Who plays which part.
#[derive(Debug)]
pub(crate) struct Mix {
    scenario: Scenario,
    field: Rc<Field>,
    /// How bots are named whose village matters.
    names: RefCell<Names>,
    /// All gold there was before.
    gold: Cell<i64>,
    /// Walks over borders that there must be.
    min_crossings: u64,
}

impl Mix {
    pub(crate) fn new(scenario: Scenario, min_crossings: u64) -> Self {
        Self {
            min_crossings,
            names: RefCell::default(),
            scenario,
            field: Rc::new(Field::new()),
            gold: Cell::new(0),
        }
    }

    /// The part of a bot, and the bot's number in it.
    fn part(&self, number: u32) -> (usize, &Part, u32) {
        let mut rest = number;
        for (n, part) in self.scenario.parts.iter().enumerate() {
            if rest < part.bots {
                return (n, part, rest);
            }
            rest -= part.bots;
        }
        unreachable!("bots are numbered below their count");
    }

    /// Whether enough borders were crossed to say that crossing them costs nothing.
    fn crossings(&self, stats: &Stats) -> Option<Check> {
        let crossings = stats.deeds.crossings;
        (self.min_crossings > 0).then(|| Check {
            name: "enough borders between regions were crossed".into(),
            passed: crossings >= self.min_crossings,
            detail: format!("{crossings} times, {} needed", self.min_crossings),
        })
    }

    /// Who belongs to a crowd begins near its place; who wanders while there will be one, elsewhere.
    fn name_of(&self, part: &Part, who: (usize, u32)) -> Option<String> {
        let names = self.names.borrow();
        let place = |part: &Part| match part.pattern {
            scenario::Pattern::Crowd { place, .. } => Some(place),
            _ => None,
        };
        if let Some(place) = place(part) {
            return Some(names.near(place, who));
        }
        let crowd = self.scenario.parts.iter().find_map(place);
        let wanders = part.pattern == scenario::Pattern::Wander;
        crowd
            .filter(|_| wanders)
            .map(|place| names.elsewhere(place, who))
    }

    /// Whether gold that bots gave each other arrived, once each. What was given to one who was
    /// leaving may have come after it had gone.
    fn gifts(stats: &Stats) -> Check {
        let gold = stats.gold;
        let certain = gold.given..=gold.given + gold.given_late;
        // A bot that has failed or was given up some events did not hear of everything.
        let deeds = &stats.deeds;
        let comparable =
            stats.error_count() == 0 && deeds.events_given_up == 0 && deeds.sessions_ended == 0;
        let received = gold.received;
        let detail = if comparable {
            format!("{} given, {received} received", gold.given)
        } else {
            "not compared, since some bots could not hear of all they were given".into()
        };
        Check {
            name: "what bots gave each other arrived, and nothing else".into(),
            passed: !comparable || certain.contains(&received),
            detail,
        }
    }
}

impl Pattern for Mix {
    type Bot = Player;
    const WORLD: &'static str = "meadow";
    const RULES: &'static [(Rule, &'static str)] = &[
        (Rule::Lost, "no reply and no event is lost"),
        (
            Rule::Doubled,
            "nothing comes twice, and no coin is picked up twice",
        ),
        (Rule::Reordered, "nothing overtakes what came before it"),
        (
            Rule::Sight,
            "everybody is seen once, without a gap, where they can be",
        ),
        (
            Rule::Gold,
            "purses hold what their owners know, so each command took effect once",
        ),
        (Rule::Words, "what bots were told agrees with the rules"),
    ];
    const LATENCY: &'static str =
        "from when the command was due, so waiting is not left out; commands are paced";

    fn name(&self) -> String {
        self.scenario.name.clone()
    }

    async fn before(&self, control: &mut Connection<Meadow>) -> anyhow::Result<()> {
        self.gold.set(census(control).await?);
        Ok(())
    }

    async fn prepare(&self, plan: &Plan) -> anyhow::Result<()> {
        let borders = |part: &Part| matches!(part.pattern, scenario::Pattern::Border { .. });
        if self.scenario.parts.iter().any(borders) {
            let status = Asker::new(&plan.url).ask().await;
            let status = status.context("where borders are is known by the server's status")?;
            ensure!(!status.regions.is_empty(), "the server tells of no regions");
            self.look(&status);
        }
        let now = (unix_ms() / 1000.0) as u64;
        self.names.replace(Names::new(&plan.common.names, now));
        Ok(())
    }

    fn look(&self, status: &Status) {
        *self.field.partition.borrow_mut() = Partition::new(&status.regions);
    }

    fn stay(&self, number: u32) -> Stay {
        let (n, part, place) = self.part(number);
        // Others come within a second.
        let mut within = Duration::from_secs(1);
        if let scenario::Pattern::Crowd { within: theirs, .. } = part.pattern {
            // They log in over the first half of that time, and walk in the other.
            within = theirs.mul_f64(0.5);
        }
        let offset = within.mul_f64(f64::from(place) / f64::from(part.bots));
        Stay {
            name: self.name_of(part, (n, place)),
            comes: part.start.map(|start| start + offset),
            goes: part.stop,
        }
    }

    fn bot(&self, birth: Birth) -> Player {
        let (n, part, _) = self.part(birth.number);
        Player::new(birth, &part.pattern, n, Rc::clone(&self.field))
    }

    async fn after(
        &self,
        control: &mut Connection<Meadow>,
        stats: &RefCell<Stats>,
    ) -> anyhow::Result<Vec<Check>> {
        let (before, after) = (self.gold.get(), census(control).await?);
        let census = Check {
            name: "the census balances".into(),
            passed: before == after,
            detail: format!("{before} gold before, {after} after"),
        };
        let stats = stats.borrow();
        let mut checks = vec![census, Self::gifts(&stats)];
        checks.extend(self.crossings(&stats));
        Ok(checks)
    }
}

async fn census(control: &mut Connection<Meadow>) -> anyhow::Result<i64> {
    match must_ask(control, &Command::Census).await? {
        Reply {
            gold: Some(gold),
            players: Some(_),
            ..
        } => Ok(gold),
        other => bail!("census was answered with {other:?}"),
    }
}
