//! A complete small world: a field to walk on and talk in. `cargo run --example field`.
//!
//! Not here: sockets, locks, storage, retries. A world is its objects and its rules; everything it
//! does goes through the `Task` it is given, and happens as a whole or not at all.

use std::process::ExitCode;

use brightstar::world_data::{
    Caller, Entity, Kinds, Map, Object, ObjectId, Payload, Point, Ref, Step, Stop, Task, Tick,
    World,
};
use serde::{Deserialize, Serialize};

/// Metres per second.
const SPEED: f64 = 5.0;
/// How far a voice carries, in metres.
const EARSHOT: f64 = 40.0;

struct Field;

/// What is stored of a person.
#[derive(Clone, Serialize, Deserialize)]
struct Walker {
    name: String,
    target: Option<Point>,
    listens: Option<brightstar::world_data::SessionId>,
}

impl Object for Walker {
    const KIND: u16 = 1;
    const NAME: &'static str = "walker";
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Command {
    /// Where am I?
    Where,
    /// Says something to everybody near; answered with how many heard it.
    Say(String),
}

#[derive(Serialize)]
#[serde(untagged)]
enum Reply {
    At(Point),
    Heard(usize),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Input {
    Go(f64, f64),
}

impl World for Field {
    const NAME: &'static str = "field";
    type Command = Command;
    type Reply = Reply;
    type Input = Input;
    type Job = ();
    type View = String;

    fn map(&self) -> Map {
        Map::square(512.0)
    }

    fn kinds(&self) -> Kinds {
        Kinds::new().with::<Walker>()
    }

    fn genesis(&self, _: &mut Task<'_>) -> Result<(), Stop> {
        Ok(())
    }

    fn login(&self, task: &mut Task<'_>, who: &Caller) -> Result<Option<ObjectId>, Stop> {
        let name = format!("walker/{}", who.name);
        if let Some(id) = task.lookup(&name)? {
            task.update(Ref::<Walker>::new(id), |walker| {
                walker.listens = Some(who.session);
                Ok(())
            })?;
            return Ok(Some(id));
        }
        let walker = Walker {
            name: who.name.clone(),
            target: None,
            listens: Some(who.session),
        };
        let at = Point::new(256.0 + task.random().f64(), 256.0);
        let id = task.create_at(walker, at)?.id();
        task.bind(&name, id)?;
        Ok(Some(id))
    }

    fn logout(&self, task: &mut Task<'_>, who: &Caller) -> Result<(), Stop> {
        let Some(you) = who.you else { return Ok(()) };
        task.update(Ref::<Walker>::new(you), |walker| {
            walker.listens = None;
            Ok(())
        })
    }

    fn command(&self, task: &mut Task<'_>, who: &Caller, command: &Command) -> Result<Reply, Stop> {
        let you = who.you.ok_or_else(|| Stop::refused("nobody"))?;
        let at = task.position(you)?;
        match command {
            Command::Where => Ok(Reply::At(at)),
            Command::Say(text) => {
                let mut ears = Vec::new();
                task.nearby(at, EARSHOT, |entity| {
                    ears.extend(entity.get::<Walker>().and_then(|walker| walker.listens));
                })?;
                for session in &ears {
                    task.send(*session, Payload::new((who.name.clone(), text.clone())));
                }
                Ok(Reply::Heard(ears.len()))
            }
        }
    }

    fn input(&self, task: &mut Task<'_>, who: &Caller, input: &Input) -> Result<(), Stop> {
        let Some(you) = who.you else { return Ok(()) };
        let Input::Go(x, y) = *input;
        let target = task.map().clamp(Point::new(x, y));
        task.update(Ref::<Walker>::new(you), |walker| {
            walker.target = Some(target);
            Ok(())
        })
    }

    fn tick(&self, tick: &Tick<'_>, entity: Entity<'_>) -> Step {
        match entity.get::<Walker>().and_then(|walker| walker.target) {
            Some(target) if target != entity.at() => {
                Step::Go(entity.at().towards(target, SPEED * tick.seconds()))
            }
            _ => Step::Stay,
        }
    }

    fn view(&self, entity: Entity<'_>) -> Option<String> {
        let walker = entity.get::<Walker>()?;
        walker.listens.map(|_| walker.name.clone())
    }
}

fn main() -> ExitCode {
    brightstar::run(Field)
}
