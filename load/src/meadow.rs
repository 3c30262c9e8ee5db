//! Lives here: Meadow's pattern `wander`, and the meadow's payloads as its clients know them.
//! Not here: what one bot wants (`wanderer`), and what it sees and makes of it (`sight`).

mod sight;
mod wanderer;

use std::cell::Cell;

use anyhow::bail;
use brightstar_client::{Connection, World};
use serde::{Deserialize, Serialize};

use crate::report::Check;
use crate::run::{Birth, Pattern, must_ask};
use wanderer::Wanderer;

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
    Given { gold: i64 },
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

/// The pattern: everybody walks about, gathers, gives and talks.
#[derive(Debug, Default)]
pub(crate) struct Wander {
    /// All gold there was before.
    gold: Cell<i64>,
}

impl Pattern for Wander {
    type Bot = Wanderer;
    const WORLD: &'static str = "meadow";
    const NAME: &'static str = "wander";
    const LATENCY: &'static str =
        "from when the command was due, so waiting is not left out; commands are paced";

    async fn before(&self, control: &mut Connection<Meadow>) -> anyhow::Result<()> {
        self.gold.set(census(control).await?);
        Ok(())
    }

    fn bot(&self, birth: Birth) -> Wanderer {
        Wanderer::new(birth)
    }

    async fn after(&self, control: &mut Connection<Meadow>) -> anyhow::Result<Vec<Check>> {
        let (before, after) = (self.gold.get(), census(control).await?);
        Ok(vec![Check {
            name: "the census balances".into(),
            passed: before == after,
            detail: format!("{before} gold before, {after} after"),
        }])
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
