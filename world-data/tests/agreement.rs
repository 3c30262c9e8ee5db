//! Lives here: the property that programs run alike on the engine and on the model, one after the
//! other: same answers, same state, in memory and after the disk gave it back.
//! Not here: programs that run at the same time (`simulation`).

use std::cell::RefCell;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use tempfile::TempDir;
use world_data::{Done, Engine, Fault, Home, JobId, ObjectId, Options, Rng, Worker};

use crate::draw::{Sort, program};
use crate::ground::{Chore, Ground, Heard, call, folder, options, session, tick_in_step};
use crate::model::{Made, Model};
use crate::on_engine::OnEngine;
use crate::programs::{Given, Program, Saw, run};
use crate::snapshot::{difference, snapshot, walkers};

/// Histories that are tried in memory, and on disk.
const IN_MEMORY: u32 = 400;
const ON_DISK: u32 = 300;
/// The most steps of one.
const MOST_STEPS: usize = 80;
/// Cells and shards are read again and again where there is room for so few objects.
const TIGHT: usize = 4;
/// Nothing ever leaves memory.
const ROOMY: usize = 1000;

/// A world, the same world as a model, and what is known of both.
struct Pair {
    dir: Option<TempDir>,
    options: Options,
    heard: Arc<Heard>,
    engine: Engine,
    worker: Worker,
    model: Model,
    known: Vec<ObjectId>,
    mark: u32,
    tick: u64,
}

impl Pair {
    fn new(on_disk: bool, regions: usize, cache_objects: usize) -> Self {
        let dir = on_disk.then(|| folder(false));
        let heard = Arc::new(Heard::default());
        let options = Options {
            regions,
            cache_objects,
            ..options()
        };
        let engine = open(dir.as_ref(), options.clone(), &heard);
        let mut worker = engine.worker();
        let known = walkers(&mut worker);
        let model = Model::genesis(&known);
        Self {
            dir,
            options,
            heard,
            engine,
            worker,
            model,
            known,
            mark: 1,
            tick: 0,
        }
    }

    fn step(&mut self, seed: u64) -> Result<(), String> {
        let mut rng = Rng::with_seed(seed);
        match rng.u32(0..40) {
            // What is not in memory does not tick.
            0..4 if self.options.cache_objects >= ROOMY => self.tick(),
            4..6 => self.engine.checkpoint(),
            6 => self.reopen(rng.usize(1..20), rng.u64(0..500))?,
            7..9 => {
                let now = self.engine.clock().now_ms();
                self.engine.clock().advance(now + rng.u64(0..3000));
            }
            9..14 => {
                let now = self.engine.clock().now_ms();
                self.engine.clock().advance(now + rng.u64(0..200));
                self.do_chores()?;
            }
            14 => self.change_partition(&mut rng),
            _ => self.run(&mut rng)?,
        }
        Ok(())
    }

    fn tick(&mut self) {
        self.tick += 1;
        self.engine
            .clock()
            .advance(self.engine.clock().now_ms() + 50);
        tick_in_step(&self.engine, &mut self.worker, &Ground, self.tick);
        self.model.tick();
    }

    fn run(&mut self, rng: &mut Rng) -> Result<(), String> {
        let sort = Sort::draw(rng);
        let program = program(rng, sort);
        let given = self.given(None);
        let saw = RefCell::new(Vec::new());
        let mut fault = None;
        self.worker.execute(
            call(sort.class()),
            |task| {
                saw.borrow_mut().clear();
                let mut api = OnEngine {
                    task,
                    session: session(1),
                };
                run(&mut api, &program, &given, &mut saw.borrow_mut())
            },
            |done| {
                if let Done::Ended(how, _) = done {
                    fault = Some(how);
                }
                None
            },
        );
        self.compare_run(&program, &given, &saw.into_inner(), fault)
    }

    /// Gives every job that is due its turn.
    fn do_chores(&mut self) -> Result<(), String> {
        let mut due = self.engine.due();
        while let Some(region) = due.first().copied() {
            let mut given = self.given(None);
            let (saw, program) = (RefCell::new(Vec::new()), RefCell::new(None));
            let mut ended = None;
            let report = self.worker.run_job(
                region,
                |task, this, chore: &Chore| {
                    saw.borrow_mut().clear();
                    given.this = Some((this, chore.seed));
                    let mut program = program.borrow_mut();
                    let program = program.insert(chore_of(chore));
                    let mut api = OnEngine {
                        task,
                        session: session(1),
                    };
                    run(&mut api, program, &given, &mut saw.borrow_mut())
                },
                |_, done| ended = Some(done),
            );
            let (Some(_), Some(program), Some(done)) = (report, program.take(), ended) else {
                return Err(format!("{region:?} was due, and no job of it was"));
            };
            let fault = match done {
                Done::Committed(()) => None,
                Done::Ended(fault, _) => Some(fault),
            };
            self.compare_run(&program, &given, &saw.into_inner(), fault)?;
            due = self.engine.due();
        }
        Ok(())
    }

    fn given(&self, this: Option<(JobId, u64)>) -> Given {
        Given {
            mark: self.mark,
            known: self.known.clone(),
            this,
        }
    }

    /// Has the model do the same, and compares the answers.
    fn compare_run(
        &mut self,
        program: &Program,
        given: &Given,
        saw: &[Saw],
        fault: Option<Fault>,
    ) -> Result<(), String> {
        let (made, now) = (made(saw), self.engine.clock().now_ms());
        let objects = made.objects.clone();
        let (expected, commits) = self.model.execute(program, given, now, made)?;
        if saw != expected || commits != fault.is_none() || fault == Some(Fault::Timeout) {
            return Err(format!(
                "{program:?}\nsaw      {saw:?} and ended with {fault:?}\nexpected {expected:?}"
            ));
        }
        self.known.extend(objects);
        self.mark += 1;
        Ok(())
    }

    fn change_partition(&mut self, rng: &mut Rng) {
        let regions = self.engine.regions();
        let (region, interval) = regions.list[rng.usize(0..regions.list.len())];
        let cut = Home(rng.u64(interval.from.0..interval.to.0));
        // Not every region can be cut there or has a right neighbour.
        let changed = if rng.bool() {
            self.engine.merge(region).is_ok()
        } else {
            self.engine.split(region, cut).is_ok()
        };
        let count = self.engine.regions().list.len();
        assert_eq!(changed, count != regions.list.len());
    }

    fn reopen(&mut self, regions: usize, later: u64) -> Result<(), String> {
        let Some(dir) = &self.dir else { return Ok(()) };
        self.engine.close();
        self.options.regions = regions;
        self.options.start_ms = self.engine.clock().now_ms() + later;
        self.model.restart(self.options.start_ms);
        self.engine = closed(&self.options, &self.heard);
        self.worker = self.engine.worker();
        self.engine = open(Some(dir), self.options.clone(), &self.heard);
        self.worker = self.engine.worker();
        self.compare()
    }

    fn compare(&mut self) -> Result<(), String> {
        let found = snapshot(&mut self.worker, &self.known)?;
        difference(&self.model, &found, true).map_or(Ok(()), Err)
    }

    fn finish(mut self) -> Result<(), String> {
        self.compare()?;
        self.reopen(3, 70)?;
        if self.heard.events() != self.model.sent {
            return Err(format!(
                "told {:?}, not {:?}",
                self.heard.events(),
                self.model.sent
            ));
        }
        Ok(())
    }
}

/// Numbered objects and jobs that a run made, in order.
pub(crate) fn made(saw: &[Saw]) -> Made {
    let mut made = Made::default();
    for saw in saw {
        match saw {
            Saw::Made(id) if !is_keyed(*id) => made.objects.push_back(*id),
            Saw::Job(id) => made.jobs.push_back(*id),
            _ => {}
        }
    }
    made
}

/// What a chore does.
pub(crate) fn chore_of(chore: &Chore) -> Program {
    program(&mut Rng::with_seed(chore.seed), Sort::Chore)
}

/// Keyed ids are the upper half.
fn is_keyed(id: ObjectId) -> bool {
    id.raw() >= 1 << 52
}

/// A world to hold on to while the folder of another one is free.
fn closed(options: &Options, heard: &Arc<Heard>) -> Engine {
    open(None, options.clone(), heard)
}

fn open(dir: Option<&TempDir>, options: Options, heard: &Arc<Heard>) -> Engine {
    let sink = Arc::clone(heard);
    match dir {
        None => Engine::in_memory(&Ground, options, sink),
        Some(dir) => Engine::open(dir.path(), &Ground, options, sink),
    }
    .unwrap()
}

fn try_histories(cases: u32, seed: u64, on_disk: bool) {
    let config = Config {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..Config::default()
    };
    println!("{cases} histories from seed {seed}");
    let steps = vec(any::<u64>(), 1..MOST_STEPS);
    let shape = (
        steps,
        select(vec![1_usize, 3, 16]),
        select(vec![TIGHT, 30, ROOMY]),
    );
    let result = TestRunner::new(config).run(&shape, |(steps, regions, room)| {
        let mut pair = Pair::new(on_disk, regions, room);
        for seed in steps {
            pair.step(seed).map_err(TestCaseError::fail)?;
        }
        pair.finish().map_err(TestCaseError::fail)
    });
    if let Err(why) = result {
        panic!("{why}");
    }
}

#[test]
fn programs_run_alike_on_a_world_in_memory_and_on_the_model() {
    try_histories(IN_MEMORY, 1, false);
}

#[test]
fn programs_run_alike_on_a_world_on_disk_and_on_the_model() {
    try_histories(ON_DISK, 2, true);
}
