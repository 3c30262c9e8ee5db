//! Lives here: the palette: one small world and, in reading order, each call of a task once.
//! Learn the interface from it before you write a world or a test of your own.
//! Not here: what happens when tasks meet (`guarantees`, `simulation`).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use world_data::{
    Asked, Call, Caller, Class, Done, Effect, Engine, Entity, Fault, Kinds, Map, Object, ObjectId,
    Options, Outcome, Payload, Point, Ref, Step, Stop, Task, Tick, Worker, World,
};

use crate::ground::{Heard, Told, session};

/// A purse lives on no map: it is found by its owner's number.
#[derive(Serialize, Deserialize, Clone, Default)]
#[serde(default)]
struct Purse {
    gold: u64,
}

impl Object for Purse {
    const KIND: u16 = 1;
    const NAME: &'static str = "purse";
}

/// A hen stands somewhere.
#[derive(Serialize, Deserialize, Clone, Default)]
#[serde(default)]
struct Hen {
    eggs: u32,
    owner: Option<Ref<Purse>>,
}

impl Object for Hen {
    const KIND: u16 = 2;
    const NAME: &'static str = "hen";
}

/// The world: its geometry, its kinds of objects, its rules.
struct Yard;

impl World for Yard {
    const NAME: &'static str = "yard";
    type Command = String;
    type Reply = u64;
    type Input = ();
    type Job = ();
    type View = u32;

    fn map(&self) -> Map {
        Map::square(256.0)
    }

    fn kinds(&self) -> Kinds {
        Kinds::new().with::<Purse>().with::<Hen>()
    }

    fn genesis(&self, task: &mut Task<'_>) -> Result<(), Stop> {
        task.create_keyed(7, Purse { gold: 10 })?;
        Ok(())
    }

    fn login(&self, _: &mut Task<'_>, _: &Caller) -> Result<Option<ObjectId>, Stop> {
        Ok(None)
    }

    fn logout(&self, _: &mut Task<'_>, _: &Caller) -> Result<(), Stop> {
        Ok(())
    }

    fn command(&self, task: &mut Task<'_>, _: &Caller, what: &String) -> Result<u64, Stop> {
        match what.as_str() {
            "count" => task.read(Ref::keyed(7), |purse: &Purse| purse.gold),
            _ => Err(Stop::refused("nobody knows how")),
        }
    }

    fn input(&self, _: &mut Task<'_>, _: &Caller, (): &()) -> Result<(), Stop> {
        Ok(())
    }

    fn tick(&self, tick: &Tick<'_>, entity: Entity<'_>) -> Step {
        // Hens walk east, one metre a second.
        Step::Go(Point::new(entity.at().x + tick.seconds(), entity.at().y))
    }

    fn view(&self, entity: Entity<'_>) -> Option<u32> {
        entity.get::<Hen>().map(|hen| hen.eggs)
    }
}

/// A yard in memory, one who runs tasks in it, and one who hears what it tells.
fn yard() -> (Engine, Worker, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    let options = Options {
        regions: 4,
        start_ms: 1_000,
        ..Options::default()
    };
    let sink = Arc::clone(&heard);
    let engine = Engine::in_memory(&Yard, options, sink).unwrap();
    let worker = engine.worker();
    (engine, worker, heard)
}

/// Runs a task: `body` may run more than once, the last closure is told how it ended.
fn task<R>(
    worker: &mut Worker,
    body: impl FnMut(&mut Task<'_>) -> Result<R, Stop>,
) -> Result<R, (Fault, String)> {
    let call = Call {
        kind: "command",
        class: Class::Durable,
        origin: &"the palette",
    };
    let mut ended = None;
    worker.execute(call, body, |done| {
        ended = Some(match done {
            Done::Committed(result) => Ok(result),
            Done::Ended(fault, why) => Err((fault, why)),
        });
        None
    });
    ended.unwrap()
}

#[test]
fn objects_are_made_read_changed_and_removed() {
    let (_engine, mut worker, _) = yard();
    let hen = task(&mut worker, |task| {
        // Without a position; with one; under a key of your own.
        let purse: Ref<Purse> = task.create(Purse { gold: 3 })?;
        let hen: Ref<Hen> = task.create_at(Hen::default(), Point::new(40.0, 40.0))?;
        let keyed: Ref<Purse> = task.create_keyed(8, Purse::default())?;
        assert_eq!(keyed, Ref::keyed(8));

        // Reading: to keep; through a closure, the cheapest way; what may be gone.
        assert_eq!(task.get(purse)?.gold, 3);
        assert_eq!(task.read(purse, |purse| purse.gold)?, 3);
        assert!(task.find(Ref::<Purse>::keyed(99))?.is_none());
        // An id that came from outside: nothing if it is of another kind.
        assert!(task.find_kind::<Hen>(purse.id())?.is_none());

        // Changing: the closure works on a copy, which counts if the closure says so.
        let eggs = task.update(hen, |hen| {
            hen.eggs += 2;
            hen.owner = Some(purse);
            Ok(hen.eggs)
        })?;
        assert_eq!(eggs, 2);
        let refused = task.update(hen, |hen| {
            hen.eggs = 1_000;
            Err::<(), _>(Stop::refused("no hen can do that"))
        });
        assert_eq!(refused, Err(Stop::refused("no hen can do that")));
        assert_eq!(task.get(hen)?.eggs, 2, "a task sees its own writes");

        task.remove(keyed.id())?;
        assert_eq!(task.get(keyed).err(), Some(Stop::Missing(keyed.id())));
        Ok(hen)
    });
    assert!(hen.unwrap().id().is_entity());
}

#[test]
fn entities_are_placed_and_looked_for() {
    let (engine, mut worker, _) = yard();
    let hen = task(&mut worker, |task| {
        let here = Point::new(40.0, 40.0);
        let hen = task.create_at(Hen::default(), here)?;
        task.create_at(Hen::default(), Point::new(200.0, 200.0))?;
        // A point off the map is taken to its edge.
        task.place(hen.id(), Point::new(-5.0, 40.0))?;
        assert_eq!(task.position(hen.id())?, Point::new(0.0, 40.0));
        task.place(hen.id(), here)?;

        let mut near = Vec::new();
        task.nearby(here, 20.0, |entity: Entity<'_>| {
            near.push((entity.id(), entity.at(), entity.get::<Hen>().is_some()));
        })?;
        assert_eq!(near, [(hen.id(), here, true)]);
        assert_eq!(task.map().metres(), 256.0);
        Ok(hen)
    })
    .unwrap();

    // Anybody may follow an entity without a task, and each region ticks its own.
    let watch = engine.watch(hen.id()).unwrap();
    for (region, _) in &engine.regions().list {
        worker.tick(*region, &Yard, 1, 0.5);
    }
    assert_eq!(watch.at(), Some(Point::new(40.5, 40.0)));
}

#[test]
fn names_are_bound_looked_up_and_listed() {
    let (_engine, mut worker, _) = yard();
    let purse = Ref::<Purse>::keyed(7).id();
    task(&mut worker, |task| {
        for name in ["player/bob", "player/ann", "player/cat", "shop"] {
            task.bind(name, purse)?;
        }
        assert_eq!(task.lookup("player/ann")?, Some(purse));
        assert!(task.unbind("player/cat")? && !task.unbind("player/cat")?);
        // In order, a page at a time.
        let first = task.names("player", None, 1)?;
        assert_eq!(first, [("player/ann".to_owned(), purse)]);
        let next = task.names("player", Some("player/ann"), 9)?;
        assert_eq!(next, [("player/bob".to_owned(), purse)]);
        Ok(())
    })
    .unwrap();
}

#[test]
fn what_a_task_tells_is_told_when_it_commits() {
    let (engine, mut worker, heard) = yard();
    let (ann, bob) = (session(1), session(2));
    let tell = |task: &mut Task<'_>| {
        task.send(ann, Payload::new(5));
        task.close(bob, "good night");
        // Time stands still in a task, and its dice fall the same when it runs again.
        assert_eq!(task.now(), 1_000);
        assert!(task.random().u32(1..=6) <= 6);
    };
    let refused = task(&mut worker, |task| {
        tell(task);
        Err::<(), _>(Stop::refused("not today"))
    });
    assert_eq!(refused, Err((Fault::Refused, "not today".into())));
    assert_eq!(heard.all(), [], "what did not happen is not told");

    task(&mut worker, |task| {
        tell(task);
        Ok(())
    })
    .unwrap();
    assert_eq!(heard.all(), [Told::Event(ann, 5), Told::Close(bob)]);
    assert_eq!(engine.clock().now_ms(), 1_000, "the host tells the time");
}

#[test]
fn a_command_is_a_task_whose_reply_is_its_last_effect() {
    let (_engine, mut worker, heard) = yard();
    let who = Caller {
        session: session(1),
        name: "ann".into(),
        you: None,
    };
    for (seq, command) in (1..).zip(["count", "fly"]) {
        let command = command.to_owned();
        let call = Call {
            kind: "command",
            class: Class::Durable,
            origin: &Asked::new(&who, seq, &command),
        };
        worker.execute(
            call,
            |task| Yard.command(task, &who, &command),
            |done| {
                let outcome = match done {
                    Done::Committed(gold) => Outcome::Ok(Payload::new(gold)),
                    Done::Ended(fault, message) => Outcome::Error { fault, message },
                };
                Some(Effect::Reply {
                    session: who.session,
                    seq,
                    outcome,
                })
            },
        );
    }
    let replies = [
        Told::Reply(session(1), 1, None),
        Told::Reply(session(1), 2, Some(Fault::Refused)),
    ];
    assert_eq!(heard.all(), replies);
}
