//! Lives here: the proofs that what is left for later is done: once, at its time, wherever its
//! object is, whatever happens in between.
//! Not here: jobs among all else that may happen (`simulation`, `agreement`), the driver of the
//! clock (`actors`).

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tempfile::TempDir;
use world_data::job::{MAX_JOB_BYTES, MIN_PERIOD};
use world_data::{
    DeadLetter, Done, Engine, Fault, Home, JobId, ObjectId, Options, Owner, Pending, Point, Ref,
    RegionId, Replayed, Stop, Task, Worker,
};

use crate::ground::{Chore, Ground, Heard, Thing, bank, folder, must, options, run};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Jobs that many look for.
const JOBS: u64 = 200;
/// What the clock says when a yard begins.
const BEGIN: u64 = 1_000_000;

/// A world that jobs run in, on disk or in memory.
struct Yard {
    dir: Option<TempDir>,
    options: Options,
    engine: Engine,
    worker: Worker,
    heard: Arc<Heard>,
    /// The seeds of the jobs that had their turn, and when.
    turns: Vec<(u64, u64)>,
}

impl Yard {
    fn new(on_disk: bool) -> Self {
        Self::with(on_disk, options())
    }

    fn with(on_disk: bool, options: Options) -> Self {
        let dir = on_disk.then(|| folder(false));
        let heard = Arc::new(Heard::default());
        let engine = open(dir.as_ref(), &options, &heard);
        let worker = engine.worker();
        Self {
            dir,
            options,
            engine,
            worker,
            heard,
            turns: Vec::new(),
        }
    }

    /// Stops the world, and begins it again so much later. In memory there is no such thing.
    fn restart(&mut self, later: u64) {
        if self.dir.is_none() {
            return self.pass(later);
        }
        self.options.start_ms = self.engine.clock().now_ms() + later;
        self.engine.close();
        self.engine = open(None, &self.options, &self.heard);
        self.worker = self.engine.worker();
        self.engine = open(self.dir.as_ref(), &self.options, &self.heard);
        self.worker = self.engine.worker();
    }

    fn pass(&mut self, later: u64) {
        let clock = self.engine.clock();
        clock.advance(clock.now_ms() + later);
    }

    /// Gives all that is due its turn, with `body` in the place of the world's rule.
    fn work(
        &mut self,
        mut body: impl FnMut(&mut Task<'_>, JobId, &Chore) -> Result<(), Stop>,
    ) -> Vec<Result<(), Fault>> {
        let mut ends = Vec::new();
        while let Some(region) = self.engine.due().first() {
            let had = Cell::new(None);
            self.worker.run_job(
                *region,
                |task, this, chore: &Chore| {
                    had.set(Some((chore.seed, task.now())));
                    body(task, this, chore)
                },
                |_, done| {
                    ends.push(match done {
                        Done::Committed(()) => Ok(()),
                        Done::Ended(fault, _) => Err(fault),
                    });
                },
            );
            assert!(ends.len() < 1_000, "turns are had again and again");
            self.turns
                .extend(had.take().map(|(seed, now)| (seed, now - BEGIN)));
        }
        ends
    }

    /// Lets time pass in small steps; jobs that are due do nothing but have their turn.
    fn let_pass(&mut self, until: u64) {
        while self.engine.clock().now_ms() < BEGIN + until {
            self.pass(10);
            self.work(|_, _, _| Ok(()));
        }
    }

    fn jobs(&mut self, of: ObjectId) -> Vec<Pending> {
        must(&mut self.worker, |task| task.jobs(of))
    }

    fn dead_letters(&self) -> Vec<DeadLetter> {
        self.engine.dead_letters(None, 10).unwrap()
    }
}

fn open(dir: Option<&TempDir>, options: &Options, heard: &Arc<Heard>) -> Engine {
    let (options, sink) = (options.clone(), Arc::clone(heard));
    match dir {
        None => Engine::in_memory(&Ground, options, sink),
        Some(dir) => Engine::open(dir.path(), &Ground, options, sink),
    }
    .unwrap()
}

/// A yard in memory, and one on disk: what is said of jobs holds for both.
fn both(proof: impl Fn(&mut Yard)) {
    for on_disk in [false, true] {
        proof(&mut Yard::new(on_disk));
    }
}

fn account() -> Ref<Thing> {
    bank(1)
}

fn after(yard: &mut Yard, of: impl Into<Owner> + Copy, delay: u64, seed: u64) -> JobId {
    must(&mut yard.worker, |task| {
        task.after(of, ms(delay), &Chore { seed })
    })
}

fn every(yard: &mut Yard, of: impl Into<Owner> + Copy, period: u64, seed: u64) -> JobId {
    must(&mut yard.worker, |task| {
        task.every(of, ms(period), &Chore { seed })
    })
}

fn refused<R: std::fmt::Debug>(ended: Result<R, (Fault, String)>) -> String {
    let (fault, why) = ended.unwrap_err();
    assert_eq!(fault, Fault::Refused);
    why
}

#[test]
fn a_job_runs_once_at_its_time_and_not_before() {
    both(|yard| {
        after(yard, account(), 30, 2);
        after(yard, account(), 10, 1);
        yard.pass(9);
        assert_eq!(yard.engine.due(), []);
        assert_eq!(yard.work(|_, _, _| Ok(())), []);
        yard.let_pass(100);
        assert_eq!(yard.turns, [(1, 19), (2, 39)]);
        assert_eq!(yard.engine.pending_jobs(), 0);
    });
}

#[test]
fn a_job_that_is_scheduled_in_an_aborted_task_is_not_there() {
    both(|yard| {
        let ended = run(&mut yard.worker, |task| {
            task.after(account(), ms(10), &Chore { seed: 1 })?;
            task.every(account(), ms(10), &Chore { seed: 2 })?;
            Err::<(), _>(Stop::refused("no"))
        });
        refused(ended.0);
        yard.let_pass(50);
        assert_eq!((&yard.turns[..], yard.engine.pending_jobs()), (&[][..], 0));
    });
}

#[test]
fn periodic_jobs_go_on_on_their_phase_after_a_restart_without_a_burst() {
    both(|yard| {
        every(yard, account(), 100, 7);
        yard.let_pass(250);
        assert_eq!(yard.turns, [(7, 100), (7, 200)]);
        yard.turns.clear();
        if yard.dir.is_none() {
            return;
        }
        // Turns at 300, 400 … 1100 are missed.
        yard.restart(900);
        assert_eq!(yard.engine.due(), [], "nothing is made up for");
        yard.let_pass(1450);
        assert_eq!(yard.turns, [(7, 1200), (7, 1300), (7, 1400)]);
        // Another restart between two turns misses none.
        yard.restart(20);
        yard.turns.clear();
        yard.let_pass(1550);
        assert_eq!(yard.turns, [(7, 1500)]);
    });
}

#[test]
fn periodic_jobs_that_come_late_run_once_and_go_on_on_their_phase() {
    both(|yard| {
        every(yard, account(), 100, 7);
        yard.pass(555);
        yard.let_pass(750);
        assert_eq!(yard.turns, [(7, 565), (7, 605), (7, 705)]);
    });
}

#[test]
fn a_single_job_whose_time_passes_while_the_server_is_down_runs_as_soon_as_it_is_up() {
    let mut yard = Yard::new(true);
    after(&mut yard, account(), 100, 3);
    yard.restart(5_000);
    yard.work(|_, _, _| Ok(()));
    assert_eq!(yard.turns, [(3, 5_000)]);
    yard.restart(5_000);
    yard.work(|_, _, _| Ok(()));
    assert_eq!(yard.turns.len(), 1, "and never again");
}

#[test]
fn a_cancel_in_an_aborted_task_changes_nothing() {
    both(|yard| {
        let (once, often) = (after(yard, account(), 10, 1), every(yard, account(), 10, 2));
        let before = yard.jobs(account().id());
        let ended = run(&mut yard.worker, |task| {
            task.cancel(once)?;
            task.cancel(often)?;
            assert_eq!(
                task.jobs(account().id())?,
                [],
                "a task sees its own cancels"
            );
            Err::<(), _>(Stop::refused("no"))
        });
        refused(ended.0);
        assert_eq!(yard.jobs(account().id()), before);
        yard.pass(10);
        yard.work(|_, _, _| Ok(()));
        assert_eq!(yard.turns, [(1, 10), (2, 10)]);

        must(&mut yard.worker, |task| task.cancel(often));
        yard.restart(0);
        yard.let_pass(100);
        assert_eq!(yard.turns.len(), 2);
    });
}

#[test]
fn a_second_cancel_is_refused() {
    both(|yard| {
        let job = every(yard, account(), 10, 1);
        must(&mut yard.worker, |task| task.cancel(job));
        assert_eq!(
            refused(run(&mut yard.worker, |task| task.cancel(job)).0),
            "no_such_job"
        );
        let other = every(yard, account(), 10, 1);
        let twice = run(&mut yard.worker, |task| {
            task.cancel(other)?;
            task.cancel(other)
        });
        assert_eq!(refused(twice.0), "no_such_job");
        assert_eq!(yard.engine.pending_jobs(), 1, "the whole task is refused");
        let once = after(yard, account(), 0, 1);
        yard.work(|_, _, _| Ok(()));
        assert_eq!(
            refused(run(&mut yard.worker, |task| task.cancel(once)).0),
            "no_such_job"
        );
    });
}

#[test]
fn a_job_can_cancel_itself() {
    both(|yard| {
        every(yard, account(), 10, 1);
        yard.pass(10);
        // A cancel in a turn that fails changes nothing, as in any task.
        yard.work(|task, this, _| {
            task.cancel(this)?;
            Err(Stop::refused("no"))
        });
        yard.pass(10);
        yard.work(|task, this, _| task.cancel(this));
        yard.let_pass(100);
        assert_eq!(yard.turns, [(1, 10), (1, 20)]);
        // A single job waits no more when it has its turn.
        after(yard, account(), 10, 2);
        yard.pass(10);
        assert_eq!(
            yard.work(|task, this, _| task.cancel(this)),
            [Err(Fault::Refused)]
        );
    });
}

#[test]
fn a_job_and_its_end_are_one_task() {
    both(|yard| {
        after(yard, account(), 10, 1);
        yard.pass(10);
        let mut runs = 0;
        let ends = yard.work(|task, this, _| {
            runs += 1;
            assert_eq!(
                task.jobs(this.of())?,
                [],
                "its own turn is over when it begins"
            );
            task.update(account(), |thing| Ok(thing.n += 5))?;
            // Found taken, once: it is run again as any task is.
            if runs == 1 { Err(Stop::Again) } else { Ok(()) }
        });
        assert_eq!((runs, &ends[..]), (2, &[Ok(())][..]));
        yard.restart(0);
        yard.let_pass(100);
        assert_eq!(must(&mut yard.worker, |task| task.get(account())).n, 105);
    });
}

#[test]
fn a_job_that_fails_for_good_is_dead_lettered_and_goes_on_with_its_next_turn() {
    let mut yard = Yard::new(true);
    every(&mut yard, account(), 10, 41);
    after(&mut yard, account(), 10, 42);
    yard.pass(10);
    let ends = yard.work(|task, _, _| {
        task.update(account(), |thing| Ok(thing.n = 0))?;
        std::panic::resume_unwind(Box::new("a test asked for it"))
    });
    assert_eq!(ends, [Err(Fault::Failed); 2]);
    let letters = yard.dead_letters();
    assert_eq!(letters.len(), 2);
    for (letter, seed) in letters.iter().zip([42, 41]) {
        assert_eq!(letter.kind, "job");
        assert_eq!(
            letter.payload_json().unwrap(),
            format!("{{\"seed\":{seed}}}")
        );
        assert!(letter.cause.contains("a test asked for it"), "{letter:?}");
    }
    // A replay is the same turn again, at another time; nothing waits longer or shorter for it.
    let waits = yard.jobs(account().id());
    let replayed = yard.engine.replay(&Ground, letters[0].number);
    assert!(matches!(replayed, Ok(Replayed::Done(_))), "{replayed:?}");
    assert_eq!(yard.dead_letters().len(), 1);
    assert_eq!(yard.jobs(account().id()), waits);
    assert_eq!(must(&mut yard.worker, |task| task.get(account())).n, 100);
    yard.restart(0);
    assert_eq!(yard.heard.events(), [42]);
    yard.let_pass(20);
    assert_eq!(
        yard.turns[2..],
        [(41, 20)],
        "the periodic one goes on, the other is over"
    );
}

#[test]
fn what_a_job_refuses_leaves_no_trace_and_no_letter() {
    let mut yard = Yard::new(true);
    after(&mut yard, account(), 10, 1);
    yard.pass(10);
    let ends = yard.work(|task, _, _| {
        task.update(account(), |thing| Ok(thing.n = 0))?;
        task.remove(bank(999).id())
    });
    assert_eq!(ends, [Err(Fault::Refused)]);
    assert_eq!(must(&mut yard.worker, |task| task.get(account())).n, 100);
    assert_eq!(
        (yard.dead_letters().len(), yard.engine.pending_jobs()),
        (0, 0)
    );
}

/// The region that is told of as due, and the one that holds a point.
fn due_region(yard: &Yard) -> Option<RegionId> {
    yard.engine.due().first().copied()
}

fn region_at(yard: &Yard, at: Point) -> RegionId {
    let home = yard.engine.map().cell_at(at);
    let regions = yard.engine.regions();
    regions.list[regions.partition.index(home)].0
}

#[test]
fn a_job_goes_where_its_object_goes() {
    for on_disk in [false, true] {
        let yard = &mut Yard::with(
            on_disk,
            Options {
                regions: 16,
                ..options()
            },
        );
        let (here, there) = (Point::new(5.0, 5.0), Point::new(250.0, 5.0));
        assert_ne!(region_at(yard, here), region_at(yard, there));
        let walker = must(&mut yard.worker, |task| {
            task.create_at(Thing::new(0, 1), here)
        });
        every(yard, walker, 10, 1);
        // A move that is taken back takes the job back, too.
        let ended = run(&mut yard.worker, |task| {
            task.place(walker.id(), there)?;
            Err::<(), _>(Stop::refused("no"))
        });
        refused(ended.0);
        yard.pass(10);
        assert_eq!(due_region(yard), Some(region_at(yard, here)));
        must(&mut yard.worker, |task| task.place(walker.id(), there));
        assert_eq!(due_region(yard), Some(region_at(yard, there)));
        yard.work(|_, _, _| Ok(()));
        yard.restart(10);
        yard.pass(10);
        assert_eq!(due_region(yard), Some(region_at(yard, there)));
        yard.work(|_, _, _| Ok(()));
        // There and back again in one task.
        must(&mut yard.worker, |task| {
            task.place(walker.id(), here)?;
            task.place(walker.id(), there)
        });
        yard.restart(10);
        yard.pass(10);
        assert_eq!(due_region(yard), Some(region_at(yard, there)));
    }
}

/// Each region lays down what it knows, in line order: one that comes later must not bring back what
/// one before it has ended.
#[test]
fn a_job_that_goes_elsewhere_and_ends_there_at_once_is_gone_after_a_restart() {
    let regions = 16;
    let yard = &mut Yard::with(
        true,
        Options {
            regions,
            ..options()
        },
    );
    let corners = [Point::new(5.0, 5.0), Point::new(250.0, 5.0)];
    for number in 0..400 {
        // From the line's beginning to its end, and the other way.
        let (from, to) = (corners[number % 2], corners[1 - number % 2]);
        let walker = must(&mut yard.worker, |task| {
            task.create_at(Thing::new(0, 1), from)
        });
        let job = every(yard, walker, 1_000, number as u64);
        // There and back again in one task, then there for good.
        must(&mut yard.worker, |task| {
            task.place(walker.id(), to)?;
            task.place(walker.id(), from)
        });
        must(&mut yard.worker, |task| task.place(walker.id(), to));
        must(&mut yard.worker, |task| task.cancel(job));
    }
    assert_eq!(yard.engine.pending_jobs(), 0);
    yard.restart(0);
    assert_eq!(yard.engine.pending_jobs(), 0, "none came back");
}

#[test]
fn jobs_stay_with_their_objects_when_regions_are_split_and_merged() {
    both(|yard| {
        let at = [
            Point::new(5.0, 5.0),
            Point::new(250.0, 250.0),
            Point::new(250.0, 5.0),
        ];
        let walkers = must(&mut yard.worker, |task| {
            let made: Result<Vec<_>, _> = at
                .iter()
                .map(|at| task.create_at(Thing::new(0, 1), *at))
                .collect();
            made
        });
        for (seed, walker) in (1..).zip(&walkers) {
            every(yard, *walker, 10, seed);
        }
        // Within its region it walks on, so where it was made is no longer where it is.
        must(&mut yard.worker, |task| {
            task.place(walkers[0].id(), Point::new(40.0, 5.0))
        });
        for cut in 1..60 {
            let regions = yard.engine.regions();
            let region = regions.list[regions.partition.index(Home(cut))].0;
            assert!(
                yard.engine.split(region, Home(cut)).is_ok()
                    || regions.partition.starts.contains(&Home(cut))
            );
        }
        yard.pass(10);
        for region in yard.engine.due() {
            let found = yard.worker.run_job(
                region,
                |task, this, _: &Chore| {
                    let at = task.position(this.of())?;
                    let home = task.map().cell_at(at);
                    let regions = yard.engine.regions();
                    assert_eq!(regions.list[regions.partition.index(home)].0, region);
                    Ok(())
                },
                |_, done| assert!(matches!(done, Done::Committed(())), "{done:?}"),
            );
            assert!(found.is_some());
        }
        assert_eq!(yard.engine.due(), []);
        while yard.engine.merge(yard.engine.regions().list[0].0).is_ok() {}
        assert_eq!(yard.engine.regions().list.len(), 1);
        yard.pass(10);
        yard.work(|_, _, _| Ok(()));
        let mut turns: Vec<_> = yard.turns.iter().map(|(seed, _)| *seed).collect();
        turns.sort_unstable();
        assert_eq!(turns, [1, 2, 3]);
    });
}

#[test]
fn a_tied_job_ends_with_its_object_and_another_outlives_it() {
    both(|yard| {
        let here = Point::new(5.0, 5.0);
        let make = |task: &mut Task<'_>| task.create_at(Thing::new(0, 1), here);
        let (walker, plain) = must(&mut yard.worker, |task| {
            Ok((make(task)?, task.create(Thing::new(0, 1))?))
        });
        for (of, seed) in [(walker.id(), 1), (plain.id(), 3)] {
            every(yard, Owner::tied(of), 10, seed);
            every(yard, of, 10, seed + 1);
        }
        let ended = run(&mut yard.worker, |task| {
            task.remove(walker.id())?;
            Err::<(), _>(Stop::refused("no"))
        });
        refused(ended.0);
        assert_eq!(
            yard.engine.pending_jobs(),
            4,
            "a removal that is taken back ends nothing"
        );
        must(&mut yard.worker, |task| {
            task.remove(walker.id())?;
            task.remove(plain.id())
        });
        yard.restart(0);
        yard.pass(10);
        yard.work(|_, _, _| Ok(()));
        let mut turns: Vec<_> = yard.turns.iter().map(|(seed, _)| *seed).collect();
        turns.sort_unstable();
        assert_eq!(turns, [2, 4]);
        // It is still found by its object, and can be cancelled.
        for of in [walker.id(), plain.id()] {
            let [job] = yard.jobs(of)[..] else {
                panic!("one job waits")
            };
            assert!(!job.tied && job.every == Some(ms(10)));
            must(&mut yard.worker, |task| task.cancel(job.id));
        }
        assert_eq!(yard.engine.pending_jobs(), 0);
    });
}

#[test]
fn each_turn_is_had_once_however_many_look_for_it() {
    let yard = Yard::with(
        true,
        Options {
            regions: 4,
            ..options()
        },
    );
    let mut worker = yard.engine.worker();
    must(&mut worker, |task| {
        for seed in 0..JOBS {
            task.after(bank(seed % 16), ms(seed / 10), &Chore { seed })?;
        }
        Ok(())
    });
    yard.engine.clock().advance(BEGIN + JOBS);
    let had = Mutex::new(Vec::new());
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                let mut worker = yard.engine.worker();
                while let Some(region) = yard.engine.due().first() {
                    let seen = Cell::new(0);
                    worker.run_job(
                        *region,
                        |task, _, chore: &Chore| {
                            seen.set(chore.seed);
                            task.update(bank(chore.seed % 7), |thing| Ok(thing.n += 1))
                        },
                        |_, done| {
                            assert!(matches!(done, Done::Committed(())), "{done:?}");
                            had.lock().push(seen.get());
                        },
                    );
                }
            });
        }
    });
    let mut had = had.into_inner();
    had.sort_unstable();
    assert!(had.iter().copied().eq(0..JOBS), "{had:?}");
    let funds: i64 = (0..7)
        .map(|key| must(&mut worker, |task| task.get(bank(key))).n)
        .sum();
    assert_eq!(funds, 700 + JOBS as i64);
}

#[test]
fn g8_jobs_have_limits_and_say_what_happens_when_they_are_met() {
    let bytes = 10 * 300;
    let yard = &mut Yard::with(
        false,
        Options {
            job_bytes: bytes,
            ..options()
        },
    );
    let mut made = 0;
    let why = loop {
        match run(&mut yard.worker, |task| {
            task.after(account(), ms(10), &Chore { seed: 1 })
        })
        .0
        {
            Ok(_) => made += 1,
            ended => break refused(ended),
        }
    };
    assert_eq!(why, "too_many_jobs");
    assert!((8..13).contains(&made), "{made} jobs in {bytes} bytes");
    yard.pass(10);
    yard.work(|_, _, _| Ok(()));
    after(yard, account(), 10, 2);

    let fails = |yard: &mut Yard, body: &mut dyn FnMut(&mut Task<'_>) -> Result<JobId, Stop>| {
        let (fault, _) = run(&mut yard.worker, body).0.unwrap_err();
        assert_eq!(fault, Fault::Failed);
    };
    fails(yard, &mut |task| {
        task.every(account(), MIN_PERIOD / 2, &Chore { seed: 1 })
    });
    fails(yard, &mut |task| {
        task.after(account(), ms(10), &"not a chore")
    });
    let nobody = run(&mut yard.worker, |task| {
        task.after(bank(999), ms(1), &Chore { seed: 1 })
    });
    assert_eq!(refused(nobody.0), "gone");
    const { assert!(MAX_JOB_BYTES > 1024) };
}
