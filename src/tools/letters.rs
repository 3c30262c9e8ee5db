//! Lives here: what can be asked about dead letters, and its answer as JSON: the same from a folder
//! and from `/admin`.
//! Not here: how a person is told (`dead`), how a letter is kept and replayed (`world-data`).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use world_data::{DeadError, DeadLetter, Engine, Replayed, World};

/// Letters in one answer, if nobody says how many.
const LIST_DEFAULT: usize = 20;
/// Letters in one answer, at most.
pub(crate) const LIST_LIMIT: usize = 200;

/// The newest letters, the newest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct List {
    /// Only letters below this number.
    pub(crate) before: Option<u64>,
    /// At most so many; [`LIST_LIMIT`] at most.
    pub(crate) limit: Option<usize>,
}

/// A letter with what was asked.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Show {
    pub(crate) number: u64,
}

/// Runs again what a letter asks for.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replay {
    pub(crate) number: u64,
}

/// Drops a letter, or all.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub(crate) enum Drop {
    /// One.
    Number(u64),
    /// All there are: `{"all": true}`.
    All(bool),
}

/// Something that can be asked about dead letters.
pub(crate) trait Question: Serialize {
    /// Where below `/admin` it is asked.
    const PATH: &'static str;

    /// Finds the answer; may wait for the disk.
    ///
    /// # Errors
    /// As the engine says.
    fn answer<W: World>(&self, engine: &Engine, world: &W) -> Result<Value, DeadError>;
}

impl Question for List {
    const PATH: &'static str = "dead/list";

    fn answer<W: World>(&self, engine: &Engine, _: &W) -> Result<Value, DeadError> {
        let limit = self.limit.unwrap_or(LIST_DEFAULT).min(LIST_LIMIT);
        let letters = engine.dead_letters(self.before, limit + 1)?;
        let more = letters.len() > limit;
        let letters: Vec<_> = letters.iter().take(limit).map(told).collect();
        Ok(json!({ "letters": letters, "more": more }))
    }
}

impl Question for Show {
    const PATH: &'static str = "dead/show";

    fn answer<W: World>(&self, engine: &Engine, _: &W) -> Result<Value, DeadError> {
        let letter = engine.dead_letter(self.number)?;
        let mut told = told(&letter);
        let payload = letter.payload_json();
        told["payload"] = payload.map_or(Value::Null, |json| value(&json));
        Ok(told)
    }
}

impl Question for Replay {
    const PATH: &'static str = "dead/replay";

    fn answer<W: World>(&self, engine: &Engine, world: &W) -> Result<Value, DeadError> {
        Ok(match engine.replay(world, self.number)? {
            Replayed::Done(reply) => json!({ "outcome": "done", "reply": value(&reply) }),
            Replayed::Again(fault, cause) => {
                json!({ "outcome": "again", "fault": fault, "cause": cause })
            }
        })
    }
}

impl Question for Drop {
    const PATH: &'static str = "dead/drop";

    fn answer<W: World>(&self, engine: &Engine, _: &W) -> Result<Value, DeadError> {
        let dropped = match *self {
            Self::Number(number) => engine.drop_dead_letter(number).map(|()| 1)?,
            Self::All(true) => engine.drop_dead_letters()?,
            Self::All(false) => 0,
        };
        Ok(json!({ "dropped": dropped }))
    }
}

fn told(letter: &DeadLetter) -> Value {
    serde_json::to_value(letter).unwrap_or_default()
}

fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_default()
}
