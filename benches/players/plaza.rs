//! Lives here: the world of `players/...`, where everybody walks about a spot of his own, and its
//! server. Not here: who plays (`drain`).
//!
//! Spots are the points of a grid, as far apart as it takes for the mean player to have 50 others in
//! view: fewer at the edges, more inside.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use world_data::{
    Caller, Entity, Kinds, Map, Object, ObjectId, Point, Step, Stop, Task, Tick, World,
};

use super::{CORES, HZ, IN_VIEW, stay_on};
use crate::client::{announce, wait_for_parent};

const METRES: f64 = 4096.0;
/// Metres per second, as in the meadow.
const SPEED: f64 = 6.0;
/// Metres that a player goes from his spot, at most.
const STROLL: f64 = 10.0;

/// Serves so many players on one core: what the child process does.
pub(crate) fn serve(players: &str) -> Result<()> {
    stay_on(CORES.0)?;
    let layout = Layout::new(players.parse().context("how many players?")?);
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut config = brightstar::config::Config::default();
    "127.0.0.1:0".clone_into(&mut config.server.listen);
    config.server.data = folder.path().join("plaza").display().to_string();
    config.server.socket_threads = 1;
    config.regions.workers = 1;
    config.regions.tick_hz = HZ;
    // Both would show players less, or move what is to be measured; here all of it counts.
    config.supervisor.mode = actors::SupervisorMode::Off;
    config.ladder.on = false;
    let server = brightstar::server::start(Plaza { layout }, &config, &[])?;
    announce(server.address());
    wait_for_parent();
    server.stop()?;
    Ok(())
}

/// Where players walk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    columns: usize,
    spacing: f64,
}

impl Layout {
    /// So far apart that the mean player has so many others in view.
    pub(super) fn new(players: usize) -> Self {
        let columns = (players as f64).sqrt().ceil().max(1.0) as usize;
        let at = |spacing| Self { columns, spacing };
        let (mut near, mut far) = (0.1, (METRES - 2.0 * STROLL) / columns as f64);
        for _ in 0..24 {
            let middle = f64::midpoint(near, far);
            if at(middle).in_view(players) >= IN_VIEW {
                near = middle;
            } else {
                far = middle;
            }
        }
        at(near)
    }

    fn spot(&self, player: usize) -> Point {
        let place = |n: usize| STROLL + n as f64 * self.spacing;
        Point::new(place(player % self.columns), place(player / self.columns))
    }

    /// How many others the mean player sees.
    fn in_view(&self, players: usize) -> f64 {
        let map = map();
        let mut here = vec![0_u32; map.cells() as usize];
        for player in 0..players {
            here[map.cell_at(self.spot(player)).0 as usize] += 1;
        }
        let sees = |player| {
            let cells = map.cells_within(self.spot(player), RADIUS);
            cells.map(|cell| here[cell.0 as usize]).sum::<u32>() - 1
        };
        let seen: u32 = (0..players).map(sees).sum();
        f64::from(seen) / players as f64
    }
}

/// Metres that a player sees.
const RADIUS: f64 = 96.0;

fn map() -> Map {
    Map::square(METRES)
}

struct Plaza {
    layout: Layout,
}

/// A player.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Walker {
    name: String,
    spot: Point,
    goal: Point,
}

impl Object for Walker {
    const KIND: u16 = 1;
    const NAME: &'static str = "walker";
}

impl World for Plaza {
    const NAME: &'static str = "plaza";
    type Command = ();
    type Reply = ();
    /// Metres from the spot to go to.
    type Input = [f64; 2];
    type Job = ();
    type View = String;

    fn map(&self) -> Map {
        map()
    }

    fn view_radius(&self) -> f64 {
        RADIUS
    }

    fn kinds(&self) -> Kinds {
        Kinds::new().with::<Walker>()
    }

    fn genesis(&self, _: &mut Task<'_>) -> Result<(), Stop> {
        Ok(())
    }

    fn login(&self, task: &mut Task<'_>, who: &Caller) -> Result<Option<ObjectId>, Stop> {
        let number = who.name.parse();
        let spot = self
            .layout
            .spot(number.map_err(|_| Stop::refused("no number"))?);
        let walker = Walker {
            name: who.name.clone(),
            spot,
            goal: spot,
        };
        Ok(Some(task.create_at(walker, spot)?.id()))
    }

    fn logout(&self, task: &mut Task<'_>, who: &Caller) -> Result<(), Stop> {
        who.you.map_or(Ok(()), |you| task.remove(you))
    }

    fn input(&self, task: &mut Task<'_>, who: &Caller, [x, y]: &[f64; 2]) -> Result<(), Stop> {
        let you = who.you.ok_or_else(|| Stop::refused("nobody"))?;
        task.update(world_data::Ref::<Walker>::new(you), |walker| {
            let (x, y) = (x.clamp(-STROLL, STROLL), y.clamp(-STROLL, STROLL));
            walker.goal = Point::new(walker.spot.x + x, walker.spot.y + y);
            Ok(())
        })
    }

    fn tick(&self, tick: &Tick<'_>, entity: Entity<'_>) -> Step {
        let Some(walker) = entity.get::<Walker>() else {
            return Step::Stay;
        };
        let next = entity.at().towards(walker.goal, SPEED * tick.seconds());
        if next != walker.goal {
            return Step::Go(next);
        }
        // There: on to somewhere else, so that nobody ever stands still.
        let mut random = tick.random(entity.id());
        let mut off = || (random.f64() * 2.0 - 1.0) * STROLL;
        let goal = Point::new(walker.spot.x + off(), walker.spot.y + off());
        Step::become_at(
            Walker {
                goal: map().clamp(goal),
                ..walker.clone()
            },
            next,
        )
    }

    fn view(&self, entity: Entity<'_>) -> Option<String> {
        entity.get::<Walker>().map(|walker| walker.name.clone())
    }
}
