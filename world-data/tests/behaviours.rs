//! Lives here: what whoever comes from Darkstar relies on without saying so: how the world begins,
//! names that are not bound, references to what is gone, what a task sees of its own and of others'
//! changes. Not here: what has a file of its own (`guarantees`, `jobs`, `containment`); all of them
//! are listed in `docs/behaviours.md`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use world_data::{
    Engine, Entity, Fault, Kinds, Map, NoClients, Object, OpenError, Options, Point, Ref, Stop,
    Task, Worker, World,
};

use crate::ground::{Chore, FUNDS, Thing, bank, folder, must, open, options, run, session};

/// Threads that want the same.
const THREADS: usize = 4;

/// A trunk holds words of its own, and other trunks by reference.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(default)]
struct Trunk {
    labels: Vec<Vec<String>>,
    inside: Vec<Ref<Trunk>>,
}

impl Object for Trunk {
    const KIND: u16 = 1;
    const NAME: &'static str = "trunk";
}

/// A world that counts how often it is made.
struct Attic {
    refuses: bool,
    made: &'static AtomicU32,
}

impl World for Attic {
    const NAME: &'static str = "attic";
    type Command = ();
    type Reply = ();
    type Input = ();
    type Job = ();
    type View = ();

    fn map(&self) -> Map {
        Map::shards_only(4)
    }

    fn kinds(&self) -> Kinds {
        Kinds::new().with::<Trunk>()
    }

    fn genesis(&self, task: &mut Task<'_>) -> Result<(), Stop> {
        self.made.fetch_add(1, Ordering::SeqCst);
        let trunk = task.create(Trunk::default())?;
        task.bind("first", trunk.id())?;
        if self.refuses {
            return Err(Stop::refused("not today"));
        }
        Ok(())
    }

    fn view(&self, _: Entity<'_>) -> Option<()> {
        None
    }
}

fn attic(
    dir: &std::path::Path,
    refuses: bool,
    made: &'static AtomicU32,
) -> Result<Engine, OpenError> {
    Engine::open(
        dir,
        &Attic { refuses, made },
        options(),
        Arc::new(NoClients),
    )
}

fn refused<R: std::fmt::Debug>(ended: Result<R, (Fault, String)>) -> String {
    let (fault, why) = ended.unwrap_err();
    assert_eq!(fault, Fault::Refused);
    why
}

#[test]
fn a_world_is_made_once_per_store_and_wholly_or_not_at_all() {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let dir = folder(true);
    attic(dir.path(), true, &MADE).unwrap_err();
    assert_eq!(MADE.swap(0, Ordering::SeqCst), 1);

    // What was refused left nothing: the world is made now, from its beginning.
    let engine = attic(dir.path(), false, &MADE).unwrap();
    let mut worker = engine.worker();
    let first = must(&mut worker, |task| task.lookup("first")).unwrap();
    must(&mut worker, |task| task.remove(first));
    drop((worker, engine));
    for _ in 0..2 {
        let engine = attic(dir.path(), false, &MADE).unwrap();
        let found = must(&mut engine.worker(), |task| {
            task.find(Ref::<Trunk>::new(first))
        });
        assert_eq!(found, None, "nobody made it again");
    }
    assert_eq!(MADE.load(Ordering::SeqCst), 1);
}

#[test]
fn objects_within_an_object_are_its_own_and_referenced_ones_are_stored_once() {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let dir = folder(true);
    let engine = attic(dir.path(), false, &MADE).unwrap();
    let labels = vec![vec!["a".to_owned(), "b".to_owned()], vec![]];
    let (outer, other, inner) = must(&mut engine.worker(), |task| {
        let inner = task.create(Trunk::default())?;
        let holds = |labels: &Vec<_>| Trunk {
            labels: labels.clone(),
            inside: vec![inner],
        };
        let outer = task.create(holds(&labels))?;
        Ok((outer, task.create(holds(&labels))?, inner))
    });
    drop(engine);
    let engine = attic(dir.path(), false, &MADE).unwrap();
    let mut worker = engine.worker();
    must(&mut worker, |task| {
        // What one of them changes within is its own; what both refer to is one and the same.
        let held = task.get(outer)?.inside[0];
        task.update(held, |trunk| Ok(trunk.labels.push(vec!["seen".into()])))?;
        task.update(outer, |trunk| Ok(trunk.labels[0].clear()))?;
        assert_eq!(task.get(other)?.labels, labels);
        let held = task.get(other)?.inside[0];
        assert_eq!(held, inner);
        assert_eq!(task.get(held)?.labels, [["seen"]]);
        // A trunk may hold itself.
        task.update(inner, |trunk| Ok(trunk.inside.push(inner)))
    });
    drop((worker, engine));
    let engine = attic(dir.path(), false, &MADE).unwrap();
    let inner = must(&mut engine.worker(), |task| {
        let held = task.get(outer)?.inside[0];
        let inner = task.get(held)?.inside[0];
        task.get(inner)
    });
    assert_eq!(inner.labels, [["seen"]]);
}

#[test]
fn a_name_that_is_not_bound_is_bound_by_one_of_many_who_miss_it() {
    const NAMES: usize = 200;
    let dir = folder(true);
    let regions = 16;
    let engine = open(
        dir.path(),
        Options {
            regions,
            ..options()
        },
    )
    .unwrap();
    let bound = Mutex::new(Vec::new());
    std::thread::scope(|threads| {
        for _ in 0..THREADS {
            threads.spawn(|| {
                let mut worker = engine.worker();
                for number in 0..NAMES {
                    let name = format!("lots/{number}");
                    let mine = must(&mut worker, |task| {
                        if task.lookup(&name)?.is_some() {
                            return Ok(None);
                        }
                        let lot = task.create(Thing::new(number as i64, 1))?.id();
                        task.bind(&name, lot)?;
                        Ok(Some(lot))
                    });
                    bound.lock().extend(mine.map(|lot| (name, lot)));
                }
            });
        }
    });
    let mut bound = bound.into_inner();
    bound.sort();
    assert_eq!(bound.len(), NAMES, "each is bound once");
    for (name, lot) in bound {
        let found = must(&mut engine.worker(), |task| task.lookup(&name));
        assert_eq!(found, Some(lot), "and stays bound to what bound it");
    }
}

#[test]
fn an_object_is_removed_once() {
    let dir = folder(true);
    let engine = open(dir.path(), options()).unwrap();
    let mut worker = engine.worker();
    let thing = must(&mut worker, |task| task.create(Thing::new(1, 1))).id();
    let twice = run(&mut worker, |task| {
        task.update(bank(1), |thing| Ok(thing.n = 0))?;
        task.remove(thing)?;
        task.remove(thing)
    });
    assert_eq!(refused(twice.0), "gone");
    let both = must(&mut worker, |task| {
        Ok((
            task.get(bank(1))?.n,
            task.find(Ref::<Thing>::new(thing))?.is_some(),
        ))
    });
    assert_eq!(
        both,
        (FUNDS, true),
        "the task left no trace, the first removal neither"
    );
    must(&mut worker, |task| task.remove(thing));
    assert_eq!(
        refused(run(&mut worker, |task| task.remove(thing)).0),
        "gone"
    );
}

#[test]
fn a_reference_to_what_is_gone_finds_nothing_and_never_another() {
    let dir = folder(true);
    let engine = open(dir.path(), options()).unwrap();
    let at = Point::new(40.0, 40.0);
    let gone = must(&mut engine.worker(), |task| {
        let gone = [
            task.create(Thing::new(1, 1))?,
            task.create_at(Thing::new(1, 1), at)?,
        ];
        task.bind("gone", gone[0].id())?;
        Ok(gone)
    });
    must(&mut engine.worker(), |task| {
        gone.iter().try_for_each(|thing| task.remove(thing.id()))
    });
    let look = |worker: &mut Worker| {
        for thing in gone {
            assert_eq!(refused(run(worker, |task| task.get(thing)).0), "gone");
            let update = run(worker, |task| task.update(thing, |thing| Ok(thing.n = 7)));
            assert_eq!(refused(update.0), "gone");
            assert_eq!(must(worker, |task| task.find(thing)), None);
            let place = run(worker, |task| task.place(thing.id(), at));
            assert!(matches!(place.0, Err((Fault::Refused | Fault::Failed, _))));
        }
        // Names are the author's own: one stays bound until he unbinds it.
        let named = must(worker, |task| task.lookup("gone"));
        assert_eq!(named, Some(gone[0].id()));
    };
    let make = |worker: &mut Worker| {
        for _ in 0..1_000 {
            let made = must(worker, |task| {
                Ok([
                    task.create(Thing::new(2, 2))?,
                    task.create_at(Thing::new(2, 2), at)?,
                ])
            });
            assert!(made.iter().all(|made| !gone.contains(made)));
        }
    };
    look(&mut engine.worker());
    make(&mut engine.worker());
    look(&mut engine.worker());
    drop(engine);
    let engine = open(dir.path(), options()).unwrap();
    make(&mut engine.worker());
    look(&mut engine.worker());
}

#[test]
fn what_was_read_stays_as_it_was_read_and_only_an_update_is_a_change() {
    let dir = folder(true);
    let engine = open(dir.path(), options()).unwrap();
    let mut worker = engine.worker();
    let before = must(&mut worker, |task| {
        let before = task.get(bank(1))?;
        task.update(bank(1), |thing| Ok(thing.n += 5))?;
        assert_eq!(
            before.n, FUNDS,
            "a task's own change is not in what it read before"
        );
        assert_eq!(
            task.get(bank(1))?.n,
            FUNDS + 5,
            "and is in what it reads now"
        );
        // A copy is the author's own: whatever he does to it is no change of the world.
        let mut copy = Thing::clone(&before);
        copy.n = -1;
        // Nor is what an update did before it gave up.
        let given_up = task.update(bank(1), |thing| {
            thing.n = -2;
            Err::<(), _>(Stop::refused("no"))
        });
        assert!(given_up.is_err());
        Ok(before)
    });
    must(&mut worker, |task| {
        task.update(bank(1), |thing| Ok(thing.n += 5))
    });
    assert_eq!(
        before.n, FUNDS,
        "kept beyond its task it is still what was read"
    );
    drop((worker, engine));
    let engine = open(dir.path(), options()).unwrap();
    assert_eq!(
        must(&mut engine.worker(), |task| task.get(bank(1))).n,
        FUNDS + 10
    );
}

#[test]
fn a_task_that_runs_again_sees_the_world_as_it_is_then_and_keeps_nothing_of_before() {
    let dir = folder(true);
    let task_attempts = u32::MAX;
    let engine = open(
        dir.path(),
        Options {
            task_attempts,
            ..options()
        },
    )
    .unwrap();
    let (mut runs, mut dice) = (0, Vec::new());
    std::thread::scope(|threads| {
        let (begun, has_begun) = std::sync::mpsc::sync_channel(1);
        let other = &engine;
        threads.spawn(move || {
            has_begun.recv().unwrap();
            must(&mut other.worker(), |task| {
                task.update(bank(1), |thing| Ok(thing.n += 1))
            });
        });
        must(&mut engine.worker(), |task| {
            runs += 1;
            dice.push(task.random().u64(..));
            task.update(bank(2), |thing| Ok(thing.marks.push(9)))?;
            task.send(session(1), world_data::Payload::new(1_u64));
            let seen = task.get(bank(1))?.n;
            if runs == 1 {
                assert_eq!(seen, FUNDS);
                begun.send(()).unwrap();
            }
            // Until the other's change is there; the other gets on only because this one lets go.
            if seen == FUNDS {
                Err(Stop::Again)
            } else {
                Ok(())
            }
        });
    });
    assert!(runs > 1);
    assert!(
        dice.iter().all(|die| *die == dice[0]),
        "chance is the same in each run"
    );
    let marks = must(&mut engine.worker(), |task| task.get(bank(2)))
        .marks
        .clone();
    assert_eq!(marks, [0, 9], "one run of {runs} counts");
}

#[test]
fn each_turn_of_a_periodic_job_is_had_once_however_many_look_for_it() {
    const JOBS: u64 = 40;
    const PERIOD: u64 = 10;
    const ROUNDS: u64 = 60;
    let dir = folder(false);
    let engine = open(
        dir.path(),
        Options {
            regions: 4,
            ..options()
        },
    )
    .unwrap();
    must(&mut engine.worker(), |task| {
        for seed in 0..JOBS {
            task.every(
                bank(seed % 16),
                Duration::from_millis(PERIOD),
                &Chore { seed },
            )?;
        }
        Ok(())
    });
    let begin = engine.clock().now_ms();
    let had = Mutex::new(FxHashMap::<u64, u64>::default());
    for round in 1..=ROUNDS {
        engine.clock().advance(begin + round * PERIOD);
        std::thread::scope(|threads| {
            for _ in 0..THREADS {
                threads.spawn(|| {
                    let mut worker = engine.worker();
                    while let Some(region) = engine.due().first() {
                        let seen = std::cell::Cell::new(None);
                        worker.run_job(
                            *region,
                            |_, _, chore: &Chore| {
                                seen.set(Some(chore.seed));
                                Ok(())
                            },
                            |_, _| {},
                        );
                        if let Some(seed) = seen.take() {
                            *had.lock().entry(seed).or_default() += 1;
                        }
                    }
                });
            }
        });
        let had = had.lock();
        assert!(
            (0..JOBS).all(|seed| had.get(&seed) == Some(&round)),
            "one turn each in round {round}: {had:?}"
        );
    }
}
