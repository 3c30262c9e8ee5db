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
use world_data::{Done, Engine, Fault, ObjectId, Options, Rng, Worker};

use crate::draw::{Sort, program};
use crate::ground::{Ground, Heard, call, folder, options, session, tick_in_step};
use crate::model::Model;
use crate::on_engine::OnEngine;
use crate::programs::{Saw, run};
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
            6 => self.reopen(rng.usize(1..20))?,
            7..9 => {
                let now = self.engine.clock().now_ms();
                self.engine.clock().advance(now + rng.u64(0..3000));
            }
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
        let (known, mark) = (&self.known, self.mark);
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
                run(&mut api, &program, mark, known, &mut saw.borrow_mut())
            },
            |done| {
                if let Done::Ended(how, _) = done {
                    fault = Some(how);
                }
                None
            },
        );
        let saw = saw.into_inner();
        let made = made(&saw);
        let (expected, commits) = self.model.execute(&program, mark, known, made.clone());
        if saw != expected || commits != fault.is_none() || fault == Some(Fault::Timeout) {
            return Err(format!(
                "{program:?}\nsaw      {saw:?} and ended with {fault:?}\nexpected {expected:?}"
            ));
        }
        self.known.extend(made);
        self.mark += 1;
        Ok(())
    }

    fn reopen(&mut self, regions: usize) -> Result<(), String> {
        let Some(dir) = &self.dir else { return Ok(()) };
        self.engine.close();
        self.options.regions = regions;
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
        self.reopen(3)?;
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

/// Numbered objects that a run made, in order.
pub(crate) fn made(saw: &[Saw]) -> Vec<ObjectId> {
    let made = saw.iter().filter_map(|saw| {
        if let Saw::Made(id) = saw {
            Some(*id)
        } else {
            None
        }
    });
    made.filter(|id| !is_keyed(*id)).collect()
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
