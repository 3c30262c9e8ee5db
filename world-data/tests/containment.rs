//! Lives here: the promise G7 on the real engine: one bad task harms nobody else.
//! Not here: what a bad task leaves behind (`guarantees`, G2), how much it may take (`bounds`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};
use world_data::{
    Class, Engine, Entity, Fault, Kinds, Map, NoClients, Object, OnFailure, Options, Point, Rng,
    Step, Stop, Task, Tick, World,
};

use crate::ground::{Ground, Thing, bank, folder, must, open, options, run, run_as};

/// Times that a thread lets others go on.
const CHANCES: u32 = 2_000;

#[test]
fn g7_a_panic_anywhere_in_a_task_ends_that_task_only() {
    let dir = folder(true);
    let engine = open(dir.path(), options()).unwrap();
    let mut worker = engine.worker();
    let at = Point::new(100.0, 100.0);
    let id = must(&mut worker, |task| task.create_at(Thing::new(1, 1), at)).id();
    for place in 0..5 {
        let (done, report) = run(&mut worker, |task| {
            task.update(bank(0), |thing| {
                thing.n += 1_000;
                assert!(place != 0, "in an update");
                Ok(())
            })?;
            task.read(bank(0), |_| assert!(place != 1, "in a read"))?;
            task.nearby(at, 5.0, |_| assert!(place != 2, "while looking around"))?;
            task.place(id, Point::new(1.0, 1.0))?;
            assert!(place != 3, "in the open");
            // A handler that makes a panic of every stop does not hide why it was stopped.
            task.get(bank(9_999)).map(drop).unwrap();
            Ok(())
        });
        assert_eq!(done.unwrap_err().0, Fault::Failed, "panic {place}");
        assert_eq!(report.attempts, 1);
        let (n, stands) = must(&mut worker, |task| {
            Ok((task.read(bank(0), |thing| thing.n)?, task.position(id)?))
        });
        assert_eq!((n, stands), (crate::ground::FUNDS, at), "panic {place}");
    }
    engine.checkpoint();
    assert_eq!(engine.dead_letters(None, 9).unwrap().len(), 5);
}

#[test]
fn g7_a_panic_while_concluding_takes_the_task_back() {
    let dir = folder(true);
    let engine = open(dir.path(), options()).unwrap();
    let mut worker = engine.worker();
    let add = |task: &mut Task<'_>| task.update(bank(0), |thing| Ok(thing.n += 1));
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        worker.execute(crate::ground::call(Class::Durable), add, |_| {
            panic!("in the host")
        });
    }));
    assert!(caught.is_err());
    let n = must(&mut worker, |task| task.read(bank(0), |thing| thing.n));
    assert_eq!(n, crate::ground::FUNDS);
}

#[test]
fn g7_a_task_that_asks_to_run_again_for_ever_is_given_up() {
    let dir = folder(true);
    let engine = open(
        dir.path(),
        Options {
            task_attempts: 7,
            ..options()
        },
    )
    .unwrap();
    let mut runs = 0;
    let (done, report) = run(&mut engine.worker(), |task| {
        runs += 1;
        task.update(bank(0), |thing| Ok(thing.n += 1))?;
        Err::<(), _>(Stop::Again)
    });
    assert_eq!(done.unwrap_err().0, Fault::Timeout);
    assert_eq!((runs, report.attempts), (7, 7));
    engine.checkpoint();
    assert!(
        engine.dead_letters(None, 1).unwrap()[0]
            .cause
            .contains("taken 7 times")
    );
}

#[test]
fn g7_a_slow_task_is_stopped_at_its_next_step_even_if_it_does_not_listen() {
    let dir = folder(true);
    let engine = open(dir.path(), options()).unwrap();
    let mut worker = engine.worker();
    let late = engine.clock().now_ms() + 101;
    let (done, _) = run(&mut worker, |task| {
        task.update(bank(0), |thing| Ok(thing.n += 1))?;
        engine.clock().advance(late);
        // It goes on, deaf to what it is told.
        for key in 0..crate::ground::BANK {
            drop(task.update(bank(key), |thing| Ok(thing.n += 1)));
        }
        Ok(())
    });
    let (fault, why) = done.unwrap_err();
    assert_eq!(fault, Fault::Timeout);
    assert!(why.contains("100ms"), "{why}");
    let n = must(&mut worker, |task| task.read(bank(0), |thing| thing.n));
    assert_eq!(n, crate::ground::FUNDS);
}

#[test]
fn g7_others_go_on_while_a_task_holds_its_region() {
    let dir = folder(true);
    let engine = open(
        dir.path(),
        Options {
            regions: 16,
            ..options()
        },
    )
    .unwrap();
    let partition = &engine.regions().partition;
    let region = |key| partition.index(bank(key).id().fixed_home(engine.map()).unwrap());
    let other = (1..crate::ground::BANK)
        .find(|key| region(*key) != region(0))
        .unwrap();
    let (held, release) = (AtomicU32::new(0), std::sync::Barrier::new(2));
    std::thread::scope(|threads| {
        threads.spawn(|| {
            must(&mut engine.worker(), |task| {
                task.get(bank(0))?;
                held.store(1, Ordering::SeqCst);
                release.wait();
                Ok(())
            });
        });
        while held.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        let mut worker = engine.worker();
        for _ in 0..100 {
            must(&mut worker, |task| {
                task.update(bank(other), |thing| Ok(thing.n += 1))
            });
        }
        engine.flush();
        release.wait();
    });
}

/// A task removed an entity and was then refused; another one that looked for it in between took it
/// for gone without waiting for the region.
#[test]
fn g7_a_removal_is_no_news_before_its_task_commits() {
    let engine = Engine::in_memory(&Ground, options(), Arc::new(NoClients)).unwrap();
    let at = Point::new(100.0, 100.0);
    let create = |task: &mut Task<'_>| task.create_at(Thing::new(1, 1), at);
    let thing = must(&mut engine.worker(), create);
    let stage = AtomicU32::new(0);
    let reach = |to| {
        while stage.load(Ordering::SeqCst) < to {
            std::thread::yield_now();
        }
    };
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let (done, _) = run(&mut engine.worker(), |task| {
                task.remove(thing.id())?;
                stage.store(1, Ordering::SeqCst);
                reach(2);
                // The other one has a chance to look, and must not get an answer yet.
                (0..CHANCES).for_each(|_| std::thread::yield_now());
                Err::<(), _>(Stop::refused("it stays"))
            });
            assert_eq!(done.unwrap_err().0, Fault::Refused);
        });
        let mut worker = engine.worker();
        reach(1);
        stage.store(2, Ordering::SeqCst);
        let found = must(&mut worker, |task| task.find(thing));
        assert!(found.is_some(), "it was never gone");
    });
}

#[test]
fn g7_tasks_that_want_each_others_regions_all_end() {
    let dir = folder(true);
    let engine = open(
        dir.path(),
        Options {
            regions: 16,
            ..options()
        },
    )
    .unwrap();
    let most = AtomicU32::new(0);
    std::thread::scope(|threads| {
        for thread in 0..4 {
            let (mut worker, most) = (engine.worker(), &most);
            threads.spawn(move || {
                let mut rng = Rng::with_seed(thread);
                for _ in 0..300 {
                    let mut keys: Vec<u64> = (0..crate::ground::BANK).collect();
                    rng.shuffle(&mut keys);
                    let (done, report) = run_as(&mut worker, Class::Durable, |task| {
                        keys.iter()
                            .try_for_each(|key| task.update(bank(*key), |thing| Ok(thing.n += 1)))
                    });
                    done.unwrap();
                    most.fetch_max(report.attempts, Ordering::Relaxed);
                }
            });
        }
    });
    // The regions a task is known to need only grow.
    assert!(most.into_inner() <= 17);
    let n = must(&mut engine.worker(), |task| {
        task.read(bank(0), |thing| thing.n)
    });
    assert_eq!(n, crate::ground::FUNDS + 4 * 300);
}

/// An object that panics when it is stored, ticked or looked at, as it is told.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Bomb {
    stored: bool,
    ticked: bool,
}

impl Serialize for Bomb {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        assert!(!self.stored, "an object that can't be stored");
        (self.stored, self.ticked).serialize(serializer)
    }
}

impl Object for Bomb {
    const KIND: u16 = 1;
    const NAME: &'static str = "bomb";
}

struct Minefield;

impl World for Minefield {
    const NAME: &'static str = "minefield";
    type Command = ();
    type Reply = ();
    type Input = ();
    type Job = ();
    type View = ();

    fn map(&self) -> Map {
        Map::square(128.0)
    }

    fn kinds(&self) -> Kinds {
        Kinds::new().with::<Bomb>()
    }

    fn genesis(&self, task: &mut Task<'_>) -> Result<(), Stop> {
        for number in 0..4 {
            let bomb = Bomb {
                ticked: number == 1,
                ..Bomb::default()
            };
            let id = task.create_at(bomb, Point::new(10.0, 10.0))?.id();
            task.bind(&format!("bomb/{number}"), id)?;
        }
        Ok(())
    }

    fn tick(&self, _: &Tick<'_>, entity: Entity<'_>) -> Step {
        assert!(
            entity.get::<Bomb>().is_some_and(|bomb| !bomb.ticked),
            "a bomb that ticks"
        );
        Step::Go(Point::new(50.0, 10.0))
    }

    fn view(&self, _: Entity<'_>) -> Option<()> {
        None
    }
}

#[test]
fn g7_a_panic_in_a_tick_is_one_entitys_own() {
    let engine = Engine::in_memory(
        &Minefield,
        Options {
            regions: 1,
            ..options()
        },
        Arc::new(NoClients),
    )
    .unwrap();
    let mut worker = engine.worker();
    let (region, _) = engine.regions().list[0];
    let ticked = worker.tick(region, &Minefield, 1, 0.05).unwrap();
    assert_eq!((ticked.entities, ticked.changed), (4, 3));
    let east = must(&mut worker, |task| {
        let mut east = Vec::new();
        for (_, id) in task.names("bomb", None, 9)? {
            east.push(task.position(id)?.x);
        }
        Ok(east)
    });
    assert_eq!(east, [50.0, 10.0, 50.0, 50.0]);
}

/// An object whose own code panics while it is written to the journal is a fault of the world's
/// code that no task can be blamed for any more: the world must stop as if the disk had failed, not
/// look alive and tell nobody anything.
#[test]
fn g7_an_object_that_can_not_be_stored_stops_the_world_loudly() {
    let dir = folder(true);
    let (tell, told) = std::sync::mpsc::sync_channel(4);
    let on_failure = OnFailure(Arc::new(move |why| drop(tell.send(why.to_owned()))));
    let options = Options {
        on_failure: Some(on_failure),
        ..options()
    };
    let engine = Engine::open(dir.path(), &Minefield, options, Arc::new(NoClients)).unwrap();
    let mut worker = engine.worker();
    must(&mut worker, |task| {
        task.create(Bomb {
            stored: true,
            ..Bomb::default()
        })
    });
    let why = told.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(why.contains("committer panicked"), "{why}");
    // Nobody waits for what will not come, and nothing more is taken.
    engine.flush();
    let (done, _) = run(&mut worker, |task| task.create(Bomb::default()));
    assert_eq!(done.unwrap_err().0, Fault::Failed);
    engine.close();
    assert!(told.try_recv().is_err(), "a failure is told once");
}
