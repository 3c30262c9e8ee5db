//! Lives here: the promise G8 on the real engine: each bound, and what happens when it is met.
//! Not here: the bounds of actors and sockets.

use std::path::Path;
use std::sync::Arc;

use world_data::task::{MAX_EFFECTS, MAX_NAME};
use world_data::{
    Class, Engine, Entity, Fault, Kinds, Map, NoClients, Options, Payload, Point, Rng, Stop, Task,
    World,
};

use crate::ground::{
    Ground, Heard, Thing, bank, folder, must, open, options, run, run_as, session,
};

/// Objects made by one task.
const AT_ONCE: u64 = 500;
/// So many that a home holds few objects: it is read whole, for whichever of them is asked for.
const SHARDS: u32 = 1 << 16;

/// A world of many small shards and no map.
struct Wide;

impl World for Wide {
    const NAME: &'static str = "wide";
    type Command = ();
    type Reply = ();
    type Input = ();
    type Job = ();
    type View = ();

    fn map(&self) -> Map {
        Map::shards_only(SHARDS)
    }

    fn kinds(&self) -> Kinds {
        Kinds::new().with::<Thing>()
    }

    fn genesis(&self, task: &mut Task<'_>) -> Result<(), Stop> {
        let nowhere = task.create_at(Thing::default(), Point::default());
        assert!(
            matches!(nowhere, Err(Stop::Fault(_))),
            "there is no map to stand on"
        );
        Ok(())
    }

    fn view(&self, _: Entity<'_>) -> Option<()> {
        None
    }
}

fn open_wide(dir: &Path, options: Options) -> Engine {
    Engine::open(dir, &Wide, options, Arc::new(NoClients)).unwrap()
}

/// Makes a world of `objects` with room for `room`, and looks at some of them again.
fn a_world_larger_than_memory(objects: u64, room: usize) {
    let dir = folder(true);
    let options = Options {
        cache_objects: room,
        regions: 16,
        store_bytes: 1 << 30,
        ..options()
    };
    let engine = open_wide(dir.path(), options.clone());
    let mut worker = engine.worker();
    let (mut most, first) = (0, 1_000);
    for from in (0..objects).step_by(AT_ONCE as usize) {
        must(&mut worker, |task| {
            for key in from..(from + AT_ONCE).min(objects) {
                task.create_keyed(first + key, Thing::new(key as i64, 1))?;
            }
            Ok(())
        });
        most = most.max(engine.live_objects());
    }
    // Twice the room, and what the running task brings along.
    let limit = 2 * room + 2 * AT_ONCE as usize * (1 + objects as usize / SHARDS as usize);
    assert!(
        most <= limit,
        "{most} objects were in memory, more than {limit}"
    );
    let look = |engine: &Engine, seed| {
        let (mut worker, mut rng) = (engine.worker(), Rng::with_seed(seed));
        for _ in 0..500 {
            let key = rng.u64(0..objects);
            let class = if rng.bool() {
                Class::Durable
            } else {
                Class::Lazy
            };
            let (done, _) = run_as(&mut worker, class, |task| {
                task.update(bank(first + key), |thing| {
                    thing.steps += 1;
                    Ok((thing.n, thing.marks.clone()))
                })
            });
            assert_eq!(done.unwrap(), (key as i64, vec![1]));
        }
    };
    look(&engine, 1);
    engine.close();
    drop((worker, engine));
    let engine = open_wide(dir.path(), options);
    look(&engine, 2);
    let (mut worker, mut rng) = (engine.worker(), Rng::with_seed(1));
    let key = first + rng.u64(0..objects);
    let steps = must(&mut worker, |task| {
        task.read(bank(key), |thing| thing.steps)
    });
    assert!(
        steps > 0,
        "what was written before a home was evicted is there"
    );
}

#[test]
fn g8_a_world_may_be_larger_than_memory() {
    a_world_larger_than_memory(100_000, 5_000);
    if std::env::var_os("BRIGHTSTAR_LONG").is_some() {
        a_world_larger_than_memory(2_000_000, 100_000);
    }
}

#[test]
fn g8_a_task_has_no_more_effects_than_allowed() {
    let dir = folder(true);
    let heard = Arc::new(Heard::default());
    let engine =
        Engine::open(dir.path(), &Ground, options(), Arc::clone(&heard) as Arc<_>).unwrap();
    let mut worker = engine.worker();
    let mut send = |times| {
        run(&mut worker, |task| {
            (0..times).for_each(|_| task.send(session(1), Payload::new(1)));
            task.update(bank(0), |thing| Ok(thing.n += 1))
        })
        .0
    };
    assert_eq!(send(MAX_EFFECTS + 1).unwrap_err().0, Fault::Failed);
    send(MAX_EFFECTS).unwrap();
    engine.close();
    assert_eq!(heard.events().len(), MAX_EFFECTS);
}

#[test]
fn g8_names_are_of_bounded_length() {
    let dir = folder(true);
    let engine = open(dir.path(), options()).unwrap();
    let mut worker = engine.worker();
    let id = bank(0).id();
    let longest = "n".repeat(MAX_NAME);
    must(&mut worker, |task| task.bind(&longest, id));
    for name in [String::new(), "n".repeat(MAX_NAME + 1)] {
        let (done, _) = run(&mut worker, |task| task.bind(&name, id));
        assert_eq!(done.unwrap_err().0, Fault::Failed, "{}", name.len());
    }
    engine.close();
    drop((worker, engine));
    let engine = open(dir.path(), options()).unwrap();
    assert_eq!(
        must(&mut engine.worker(), |task| task.lookup(&longest)),
        Some(id)
    );
}

#[test]
fn g8_a_journal_that_is_full_makes_commits_wait_and_nothing_is_lost() {
    let dir = folder(true);
    let options = Options {
        journal_limit_bytes: 20_000,
        ..options()
    };
    let engine = open(dir.path(), options.clone()).unwrap();
    std::thread::scope(|threads| {
        for thread in 0..2 {
            let mut worker = engine.worker();
            threads.spawn(move || {
                for mark in 1..300 {
                    must(&mut worker, |task| {
                        task.update(bank(thread), |thing| Ok(thing.marks.push(mark)))
                    });
                }
            });
        }
    });
    engine.flush();
    drop(engine);
    let engine = open(dir.path(), options).unwrap();
    for key in 0..2 {
        let marks = must(&mut engine.worker(), |task| {
            Ok(task.get(bank(key))?.marks.clone())
        });
        assert!(marks.into_iter().eq(0..300));
    }
}

#[test]
fn g8_points_and_radii_that_make_no_sense_are_harmless() {
    let engine = Engine::in_memory(&Ground, options(), Arc::new(world_data::NoClients)).unwrap();
    let mut worker = engine.worker();
    let odd = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        -1e300,
        1e300,
        f64::MIN_POSITIVE,
    ];
    for (x, y) in odd.into_iter().flat_map(|x| odd.map(|y| (x, y))) {
        let at = Point::new(x, y);
        must(&mut worker, |task| {
            let id = task.create_at(Thing::default(), at)?.id();
            let stands = task.position(id)?;
            let side = task.map().metres();
            assert!((0.0..side).contains(&stands.x) && (0.0..side).contains(&stands.y));
            for radius in odd {
                task.nearby(at, radius, |_| ())?;
            }
            task.remove(id)
        });
    }
}
