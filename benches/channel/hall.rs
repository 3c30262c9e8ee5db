//! Lives here: the world of `channel/...`: a hall whose crier calls ten times a second, and sheep
//! around it, so that ticks have something to do; and its server. Not here: who listens (`ears`).

use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use world_data::{
    Caller, Entity, JobId, Kinds, Map, Object, ObjectId, Payload, Point, Step, Stop, Task, Tick,
    World,
};

use super::PER_SECOND;
use crate::client::{announce, wait_for_parent};

const CHANNEL: &str = "hall";
const METRES: f64 = 1024.0;
const SHEEP: usize = 2_000;
/// About as long as a line of talk.
const CALL: &str =
    "Hear, hear! The gates are open, the market is full, and there is bread for all.";

/// Serves until the parent process goes away.
pub(crate) fn serve() -> Result<()> {
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut config = brightstar::config::Config::default();
    "127.0.0.1:0".clone_into(&mut config.server.listen);
    config.server.data = folder.path().join("hall").display().to_string();
    let server = brightstar::server::start(Hall, &config, &[])?;
    announce(server.address());
    wait_for_parent();
    server.stop()?;
    Ok(())
}

struct Hall;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Sheep {
    turn: bool,
}

impl Object for Sheep {
    const KIND: u16 = 1;
    const NAME: &'static str = "sheep";
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Crier;

impl Object for Crier {
    const KIND: u16 = 2;
    const NAME: &'static str = "crier";
}

impl World for Hall {
    const NAME: &'static str = "hall";
    type Command = ();
    type Reply = ();
    type Input = ();
    type Job = ();
    type View = ();

    fn map(&self) -> Map {
        Map::square(METRES)
    }

    fn kinds(&self) -> Kinds {
        Kinds::new().with::<Sheep>().with::<Crier>()
    }

    fn genesis(&self, task: &mut Task<'_>) -> Result<(), Stop> {
        for _ in 0..SHEEP {
            let at = Point::new(task.random().f64() * METRES, task.random().f64() * METRES);
            task.create_at(Sheep::default(), at)?;
        }
        let crier = task.create(Crier)?;
        task.every(crier, Duration::from_secs(1) / PER_SECOND, &())?;
        Ok(())
    }

    fn job(&self, task: &mut Task<'_>, _: JobId, (): &()) -> Result<(), Stop> {
        task.publish(CHANNEL, Payload::new(CALL))
    }

    fn login(&self, task: &mut Task<'_>, who: &Caller) -> Result<Option<ObjectId>, Stop> {
        task.join(who.session, CHANNEL)?;
        Ok(None)
    }

    fn logout(&self, _: &mut Task<'_>, _: &Caller) -> Result<(), Stop> {
        Ok(())
    }

    fn command(&self, _: &mut Task<'_>, _: &Caller, (): &()) -> Result<(), Stop> {
        Ok(())
    }

    fn input(&self, _: &mut Task<'_>, _: &Caller, (): &()) -> Result<(), Stop> {
        Ok(())
    }

    fn tick(&self, tick: &Tick<'_>, entity: Entity<'_>) -> Step {
        let Some(sheep) = entity.get::<Sheep>() else {
            return Step::Stay;
        };
        let way = if sheep.turn { 0.2 } else { -0.2 };
        let at = Point::new(entity.at().x + way, entity.at().y);
        if tick.random(entity.id()).u8(..) == 0 {
            return Step::become_at(Sheep { turn: !sheep.turn }, at);
        }
        Step::Go(at)
    }

    fn view(&self, _: Entity<'_>) -> Option<()> {
        None
    }
}
