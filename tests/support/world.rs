//! Lives here: the world of the whole-server tests: a yard with walkers, whose commands can do what
//! no good world's would.
//! Not here: a world to learn from; that is `examples/field.rs`.

use brightstar::world_data::{
    Caller, Entity, Kinds, Map, Object, ObjectId, Payload, Point, Ref, Step, Stop, Task, Tick,
    World,
};
use serde::{Deserialize, Serialize};

const SPEED: f64 = 5.0;

pub(crate) struct Yard;

#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Walker {
    name: String,
    target: Option<Point>,
    here: bool,
    /// How long its tick takes, in milliseconds: it makes its region busy, and no processor.
    #[serde(default)]
    drag: u64,
}

impl Object for Walker {
    const KIND: u16 = 1;
    const NAME: &'static str = "walker";
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Counter {
    value: u64,
}

impl Object for Counter {
    const KIND: u16 = 2;
    const NAME: &'static str = "counter";
}

/// Counters made at genesis: spread over all shards, so over several regions.
const COUNTERS: u64 = 64;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Command {
    /// Answers with the walker's place.
    Where,
    /// Counts up; answers with the new value.
    Count(u64),
    /// Counts all counters up at once; answers with the sum.
    CountAll,
    /// Sends the caller so many events.
    Events(u64),
    /// Is refused, with these words.
    Refuse(String),
    /// Panics.
    Panic,
    /// Panics until counter 0 has been counted; then it counts it on, and tells the caller.
    Brittle,
    /// Runs until its time is over.
    Spin,
    /// From now on the tick of the caller's walker takes so many milliseconds.
    Drag(u64),
    /// Ends the caller's session.
    Close,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Input {
    Go([f64; 2]),
}

#[derive(Serialize)]
pub(crate) struct View {
    name: String,
}

impl World for Yard {
    const NAME: &'static str = "yard";
    type Command = Command;
    type Reply = serde_json::Value;
    type Input = Input;
    type Job = ();
    type View = View;

    fn map(&self) -> Map {
        Map::square(512.0)
    }

    fn kinds(&self) -> Kinds {
        Kinds::new().with::<Walker>().with::<Counter>()
    }

    fn genesis(&self, task: &mut Task<'_>) -> Result<(), Stop> {
        for key in 0..COUNTERS {
            task.create_keyed(key, Counter::default())?;
        }
        Ok(())
    }

    fn login(&self, task: &mut Task<'_>, who: &Caller) -> Result<Option<ObjectId>, Stop> {
        if who.name == "nobody" {
            return Err(Stop::refused("nobody may not come in"));
        }
        let name = format!("walker/{}", who.name);
        let id = if let Some(id) = task.lookup(&name)? {
            id
        } else {
            let walker = Walker {
                name: who.name.clone(),
                ..Walker::default()
            };
            let id = task.create_at(walker, Point::new(256.0, 256.0))?.id();
            task.bind(&name, id)?;
            id
        };
        here(task, id, true)?;
        Ok(Some(id))
    }

    fn logout(&self, task: &mut Task<'_>, who: &Caller) -> Result<(), Stop> {
        who.you.map_or(Ok(()), |you| here(task, you, false))
    }

    fn command(
        &self,
        task: &mut Task<'_>,
        who: &Caller,
        command: &Command,
    ) -> Result<serde_json::Value, Stop> {
        let you = who.you.ok_or_else(|| Stop::refused("no walker"))?;
        match command {
            Command::Where => {
                let at = task.position(you)?;
                Ok(serde_json::json!([at.x, at.y]))
            }
            Command::Count(key) => count(task, *key).map(Into::into),
            Command::CountAll => (0..COUNTERS)
                .try_fold(0, |sum, key| Ok(sum + count(task, key)?))
                .map(u64::into),
            Command::Events(events) => {
                for event in 0..*events {
                    task.send(who.session, Payload::new(event));
                }
                Ok((*events).into())
            }
            Command::Refuse(words) => Err(Stop::refused(words.clone())),
            Command::Panic => panic!("a command of the tests panics"),
            Command::Brittle => {
                let counted = count(task, 0)?;
                assert!(counted > 1, "a brittle command breaks");
                task.send(who.session, Payload::new(counted));
                Ok(counted.into())
            }
            Command::Spin => loop {
                task.position(you)?;
            },
            Command::Drag(drag) => task.update(Ref::<Walker>::new(you), |walker| {
                walker.drag = *drag;
                Ok((*drag).into())
            }),
            Command::Close => {
                task.close(who.session, "closed by the yard");
                Ok(serde_json::Value::Null)
            }
        }
    }

    fn input(&self, task: &mut Task<'_>, who: &Caller, input: &Input) -> Result<(), Stop> {
        let Some(you) = who.you else { return Ok(()) };
        let Input::Go([x, y]) = *input;
        let target = task.map().clamp(Point::new(x, y));
        task.update(Ref::<Walker>::new(you), |walker| {
            walker.target = Some(target);
            Ok(())
        })
    }

    fn tick(&self, tick: &Tick<'_>, entity: Entity<'_>) -> Step {
        let walker = entity.get::<Walker>();
        let drag = walker.map_or(0, |walker| walker.drag);
        if drag > 0 {
            std::thread::sleep(std::time::Duration::from_millis(drag));
        }
        match walker.and_then(|walker| walker.target) {
            Some(target) if target != entity.at() => {
                Step::Go(entity.at().towards(target, SPEED * tick.seconds()))
            }
            _ => Step::Stay,
        }
    }

    fn view(&self, entity: Entity<'_>) -> Option<View> {
        let walker = entity.get::<Walker>()?;
        walker.here.then(|| View {
            name: walker.name.clone(),
        })
    }
}

fn here(task: &mut Task<'_>, id: ObjectId, here: bool) -> Result<(), Stop> {
    task.update(Ref::<Walker>::new(id), |walker| {
        walker.here = here;
        Ok(())
    })
}

fn count(task: &mut Task<'_>, key: u64) -> Result<u64, Stop> {
    task.update(Ref::<Counter>::keyed(key % COUNTERS), |counter| {
        counter.value += 1;
        Ok(counter.value)
    })
}
