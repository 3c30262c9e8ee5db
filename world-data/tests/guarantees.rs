//! Lives here: the promises G1, G2, G3 and G5, each on the real engine: threads, disk and all.
//! Not here: G7 and G8 (`containment`, `bounds`), broken disks (`broken`), and the same promises
//! under a scheduler that tries harder (`simulation`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use world_data::{
    Class, Done, Durability, Effect, EffectSink, Engine, Fault, Faults, Home, Options, Payload,
    Point, Rng, Stop, Task, Worker,
};

use crate::ground::{
    BANK, FUNDS, Ground, Heard, Told, bank, call, folder, must, open, options, reply, run, session,
    told,
};
use crate::history::{Act, Entry, serial_order_exists};
use crate::snapshot::{difference, snapshot, walkers};

/// Threads at work at one time.
const THREADS: u64 = 4;
/// Tasks that each of them runs.
const TASKS: u32 = 400;

/// Moves funds between two things of the bank and reads a third, all in different shards; returns
/// what it did to their lists.
fn transfer(worker: &mut Worker, rng: &mut Rng, mark: u32) -> Option<Vec<Act<u64>>> {
    let (from, to, also) = (rng.u64(0..BANK), rng.u64(0..BANK), rng.u64(0..BANK));
    let amount = rng.i64(1..20);
    let (done, _) = run(worker, |task| {
        let mut acts = Vec::new();
        acts.push(Act::Read(also, task.get(bank(also))?.marks.clone()));
        for (key, amount) in [(from, -amount), (to, amount)] {
            task.update(bank(key), |thing| {
                acts.push(Act::Read(key, thing.marks.clone()));
                thing.n += amount;
                if thing.marks.last() != Some(&mark) {
                    thing.marks.push(mark);
                    acts.push(Act::Append(key, mark));
                }
                Ok(())
            })?;
        }
        Ok(acts)
    });
    done.ok()
}

fn funds(worker: &mut Worker) -> i64 {
    must(worker, |task| {
        (0..BANK)
            .map(|key| task.read(bank(key), |thing| thing.n))
            .sum()
    })
}

#[test]
fn g1_tasks_of_many_threads_are_serializable() {
    let dir = folder(true);
    let engine = open(
        dir.path(),
        Options {
            regions: 16,
            ..options()
        },
    )
    .unwrap();
    let clock = AtomicU64::new(1);
    let history = Mutex::new(Vec::new());
    std::thread::scope(|threads| {
        for thread in 0..THREADS {
            let (engine, clock, history) = (&engine, &clock, &history);
            threads.spawn(move || {
                let (mut worker, mut rng) = (engine.worker(), Rng::with_seed(thread));
                for number in 0..TASKS {
                    let mark = 1 + thread as u32 * TASKS + number;
                    let from = clock.fetch_add(1, Ordering::SeqCst);
                    let acts = transfer(&mut worker, &mut rng, mark);
                    let to = clock.fetch_add(1, Ordering::SeqCst);
                    history.lock().push(Entry {
                        from,
                        to,
                        acts: acts.unwrap(),
                    });
                }
            });
        }
    });
    let mut history = history.into_inner();
    let genesis = (0..BANK).map(|key| Act::Append(key, 0)).collect();
    history.push(Entry {
        from: 0,
        to: 0,
        acts: genesis,
    });
    // The lists as memory has them at the end, and as the disk gives them back.
    history.push(read_all(&mut engine.worker()));
    drop(engine);
    let engine = open(
        dir.path(),
        Options {
            regions: 5,
            ..options()
        },
    )
    .unwrap();
    let mut worker = engine.worker();
    history.push(read_all(&mut worker));
    serial_order_exists(&history).unwrap();
    assert_eq!(funds(&mut worker), BANK as i64 * FUNDS);
}

fn read_all(worker: &mut Worker) -> Entry<u64> {
    let acts = must(worker, |task| {
        let list = |key| Ok(Act::Read(key, task.get(bank(key))?.marks.clone()));
        (0..BANK).map(list).collect::<Result<Vec<_>, Stop>>()
    });
    Entry {
        from: u64::MAX - 1,
        to: u64::MAX,
        acts,
    }
}

/// The ways in which a task can end without taking effect.
fn failures() -> [(&'static str, Fault); 6] {
    [
        ("refused", Fault::Refused),
        ("missing", Fault::Refused),
        ("panic", Fault::Failed),
        ("panic inside", Fault::Failed),
        ("wrong kind", Fault::Failed),
        ("slow", Fault::Timeout),
    ]
}

#[test]
fn g2_a_task_that_does_not_commit_leaves_no_trace() {
    let dir = folder(true);
    let heard = Arc::new(Heard::default());
    let engine =
        Engine::open(dir.path(), &Ground, options(), Arc::clone(&heard) as Arc<_>).unwrap();
    let mut worker = engine.worker();
    let known = walkers(&mut worker);
    let before = snapshot(&mut worker, &known).unwrap();
    for (number, (how, fault)) in (1..).zip(failures()) {
        worker.execute(
            call(Class::Durable),
            |task| {
                task.send(session(1), Payload::new(99));
                task.update(bank(1), |thing| {
                    thing.n = 0;
                    Ok(())
                })?;
                task.place(known[0], Point::new(250.0, 3.0))?;
                task.remove(known[2])?;
                task.create_at(crate::ground::Thing::default(), Point::new(1.0, 1.0))?;
                task.bind("dir/trace", known[3])?;
                match how {
                    "refused" => return Err(Stop::refused("no")),
                    "missing" => drop(task.get(bank(50))?),
                    "panic" => panic!("on purpose"),
                    "panic inside" => task.update(bank(2), |_| panic!("on purpose"))?,
                    "wrong kind" => drop(task.get(note())?),
                    _ => engine.clock().advance(engine.clock().now_ms() + 101),
                }
                task.get(bank(3)).map(drop)
            },
            |done| match done {
                Done::Committed(()) => panic!("{how} committed"),
                Done::Ended(with, why) => {
                    assert_eq!(with, fault, "{how}: {why}");
                    Some(reply(session(1), number, Some((with, why))))
                }
            },
        );
        let after = snapshot(&mut worker, &known).unwrap();
        assert_eq!(difference(&before, &after, true), None, "{how}");
    }
    engine.close();
    // But the error its client gets, and nothing else.
    let faults = (1..).zip(failures());
    let expected: Vec<_> = faults
        .map(|(seq, (_, fault))| Told::Reply(session(1), seq, Some(fault)))
        .collect();
    assert_eq!(heard.all(), expected);
    drop((worker, engine));
    let engine = open(dir.path(), options()).unwrap();
    let after = snapshot(&mut engine.worker(), &known).unwrap();
    assert_eq!(difference(&before, &after, true), None, "on disk");
    // What should not have happened is kept for the operator, the newest first.
    let letters = engine.dead_letters(None, 10).unwrap();
    let numbers: Vec<_> = letters.iter().map(|letter| letter.number).collect();
    assert_eq!(numbers, [4, 3, 2, 1]);
    let cause = |at: usize| &letters[at].cause;
    assert!(cause(3).contains("on purpose") && letters[3].kind == "command");
    assert!(cause(1).contains("is of kind 1, not 2") && cause(0).contains("budget"));
}

fn note() -> world_data::Ref<crate::ground::Note> {
    world_data::Ref::new(bank(4).id())
}

/// Notes for each reply which epoch was on disk when it left.
struct Early {
    engine: Mutex<Option<Engine>>,
    replies: Mutex<Vec<(u64, u64)>>,
}

impl EffectSink for Early {
    fn deliver(&self, effects: Vec<Effect>) {
        let durable = self.engine.lock().as_ref().map_or(0, Engine::durable_epoch);
        for effect in &effects {
            if let Told::Reply(_, seq, None) = told(effect) {
                self.replies.lock().push((seq, durable));
            }
        }
    }
}

#[test]
fn g3_strict_effects_leave_when_their_epoch_is_on_disk() {
    let dir = folder(true);
    let early = Arc::new(Early {
        engine: Mutex::new(None),
        replies: Mutex::default(),
    });
    let engine =
        Engine::open(dir.path(), &Ground, options(), Arc::clone(&early) as Arc<_>).unwrap();
    *early.engine.lock() = Some(engine.clone());
    let epochs = Mutex::new(vec![0; 1 + (THREADS as usize) * 200]);
    std::thread::scope(|threads| {
        for thread in 0..THREADS {
            let (mut worker, epochs) = (engine.worker(), &epochs);
            threads.spawn(move || {
                for number in 1..=200 {
                    let seq = thread * 200 + number;
                    let report = worker.execute(
                        call(Class::Durable),
                        |task| mark(task, thread, seq as u32),
                        |_| Some(reply(session(u128::from(thread)), seq, None)),
                    );
                    epochs.lock()[seq as usize] = report.epoch;
                }
            });
        }
    });
    engine.close();
    early.engine.lock().take();
    let (replies, epochs) = (early.replies.lock(), epochs.lock());
    assert_eq!(replies.len(), THREADS as usize * 200);
    for (seq, durable) in &*replies {
        assert!(epochs[*seq as usize] <= *durable, "reply {seq} left early");
    }
}

fn mark(task: &mut Task<'_>, key: u64, mark: u32) -> Result<(), Stop> {
    task.update(bank(key), |thing| {
        thing.marks.push(mark);
        Ok(())
    })
}

/// Marks things of the bank from several threads until the disk fails at the `syncs`-th sync;
/// returns what each thread was told of.
fn until_the_disk_fails(durability: Durability, syncs: u64) -> Vec<(u64, Vec<u64>, Vec<u32>)> {
    let dir = folder(true);
    let (heard, faults) = (Arc::new(Heard::default()), Faults::new(syncs));
    let options = Options {
        durability,
        regions: 16,
        ..options()
    };
    let (at, sink) = (dir.path(), Arc::clone(&heard) as Arc<_>);
    let engine =
        Engine::open_with_faults(at, &Ground, options.clone(), sink, Arc::clone(&faults)).unwrap();
    faults.crash_after(syncs);
    std::thread::scope(|threads| {
        for key in 0..THREADS {
            let mut worker = engine.worker();
            let engine = &engine;
            threads.spawn(move || {
                for seq in 1..=100_000 {
                    let done = |done: Done<()>| match done {
                        Done::Committed(()) => Some(reply(session(u128::from(key)), seq, None)),
                        Done::Ended(..) => None,
                    };
                    worker.execute(
                        call(Class::Durable),
                        |task| mark(task, key, seq as u32),
                        done,
                    );
                    if engine.failure().is_some() {
                        return;
                    }
                }
                panic!("the disk never failed");
            });
        }
    });
    drop(engine);
    let engine = open(dir.path(), options).unwrap();
    let mut worker = engine.worker();
    let of_thread = |key| {
        let told = heard.all().into_iter().filter_map(|told| match told {
            Told::Reply(to, seq, _) if to == session(u128::from(key)) => Some(seq),
            _ => None,
        });
        (
            key,
            told.collect(),
            must(&mut worker, |task| Ok(task.get(bank(key))?.marks.clone())),
        )
    };
    (0..THREADS).map(of_thread).collect()
}

#[test]
fn g3_what_was_told_survives_a_disk_that_fails_and_relaxed_keeps_a_prefix() {
    for syncs in [0, 1, 7, 30] {
        for (key, told, marks) in until_the_disk_fails(Durability::Strict, syncs) {
            let kept = marks.last().copied().unwrap_or(0);
            assert!(
                told.last().is_none_or(|last| *last <= u64::from(kept)),
                "{key} lost {kept}"
            );
            assert!(
                marks.into_iter().eq(0..=kept),
                "the marks of {key} have a hole"
            );
        }
        for (key, told, marks) in until_the_disk_fails(Durability::Relaxed, syncs) {
            assert!(told.into_iter().is_sorted(), "{key}");
            let kept = marks.len() as u32;
            assert!(
                marks.into_iter().eq(0..kept),
                "the marks of {key} have a hole"
            );
        }
    }
}

#[test]
fn g5_a_session_hears_in_commit_order() {
    for durability in [Durability::Strict, Durability::Relaxed] {
        let dir = folder(true);
        let heard = Arc::new(Heard::default());
        let options = Options {
            durability,
            regions: 16,
            ..options()
        };
        let engine =
            Engine::open(dir.path(), &Ground, options, Arc::clone(&heard) as Arc<_>).unwrap();
        std::thread::scope(|threads| {
            for thread in 0..THREADS {
                let mut worker = engine.worker();
                threads.spawn(move || {
                    for seq in 1..=TASKS {
                        worker.execute(
                            call(Class::Durable),
                            |task| {
                                // Everybody counts on one thing, from a region of its own.
                                task.get(bank(1 + thread))?;
                                let count = task.update(bank(0), |thing| {
                                    thing.n += 1;
                                    Ok(thing.n - FUNDS)
                                })?;
                                task.send(session(99), Payload::new(count));
                                Ok(())
                            },
                            |_| Some(reply(session(u128::from(thread)), seq.into(), None)),
                        );
                    }
                });
            }
        });
        engine.close();
        let counts: Vec<_> = heard.events();
        assert!(
            counts.into_iter().eq(1..=THREADS * u64::from(TASKS)),
            "{durability:?}"
        );
        for thread in 0..THREADS {
            let replies = heard.all().into_iter().filter_map(|told| match told {
                Told::Reply(to, seq, _) if to == session(u128::from(thread)) => Some(seq),
                _ => None,
            });
            assert!(
                replies.eq(1..=u64::from(TASKS)),
                "session {thread}, {durability:?}"
            );
        }
    }
}

#[test]
fn g6_a_partition_that_changed_under_load_changed_nothing_else_and_survives_a_restart() {
    let dir = folder(true);
    let engine = open(dir.path(), options()).unwrap();
    let before = funds(&mut engine.worker());
    let done = AtomicU64::new(0);
    std::thread::scope(|threads| {
        for thread in 0..THREADS {
            let (engine, done) = (&engine, &done);
            threads.spawn(move || {
                let (mut worker, mut rng) = (engine.worker(), Rng::with_seed(thread));
                for mark in 0..TASKS {
                    if transfer(&mut worker, &mut rng, mark).is_some() {
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        let mut rng = Rng::with_seed(9);
        for turn in 0.. {
            let regions = engine.regions();
            let (region, interval) = regions.list[rng.usize(0..regions.list.len())];
            // Refused where there is nothing to cut or no neighbour: then the next turn will do.
            let _refused = if rng.bool() {
                let at = rng.u64(interval.from.0..interval.to.0);
                engine.split(region, Home(at)).err()
            } else {
                engine.merge(region).err()
            };
            if turn > 100 && done.load(Ordering::Relaxed) >= THREADS * u64::from(TASKS) / 2 {
                break;
            }
        }
    });
    assert_eq!(done.load(Ordering::Relaxed), THREADS * u64::from(TASKS));
    assert_eq!(funds(&mut engine.worker()), before);
    let partition = engine.regions().partition.clone();
    assert!(partition.epoch > 20, "{partition:?}");
    let world = snapshot(&mut engine.worker(), &[]).unwrap();
    engine.close();
    drop(engine);
    let engine = open(dir.path(), options()).unwrap();
    assert_eq!(engine.regions().partition, partition);
    let after = snapshot(&mut engine.worker(), &[]).unwrap();
    assert_eq!(difference(&world, &after, false), None);
}
