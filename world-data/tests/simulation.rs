//! Lives here: the simulation: lives of a small world, in which a seed decides who runs when, what
//! everybody does, and where the power is cut.
//! Not here: the scheduler (`baton`), what must be true of a life (`properties`), which seeds are
//! tried (`seeds`).

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use parking_lot::Mutex;
use tempfile::TempDir;
use world_data::{Class, Done, Durability, Engine, Faults, Home, Options, RegionId, Rng, Worker};

use crate::agreement::chore_of;
use crate::baton::Baton;
use crate::diary::{Counts, Deed, Diary, Listener};
use crate::draw::{Sort, program};
use crate::ground::{Chore, Ground, call, folder, options, reply, session};
use crate::model::Model;
use crate::on_engine::OnEngine;
use crate::programs::{Given, Program, run};
use crate::properties::Evidence;
use crate::snapshot::{snapshot, walkers};

/// Lives of one world.
const LIVES: usize = 3;
/// The session that jobs tell things.
const HOUSE: u128 = 0;
/// Most tasks of one client in one life.
const MOST_TASKS: usize = 30;

/// How a life ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Ending {
    /// The power is cut after so many actions of the house, with everybody at work.
    Cut(u32),
    /// A sync fails as if the power had been cut while the disk wrote.
    Torn(u64),
    /// The power is cut when everybody has finished.
    Idle,
    /// All is flushed first.
    Flushed,
    /// The world is closed.
    Closed,
}

/// A world over its lives.
struct Sim {
    rng: Rng,
    dir: TempDir,
    durability: Durability,
    faults: Arc<Faults>,
    /// When the next life begins.
    now_ms: u64,
    trace: u64,
}

/// One life of it.
struct Life {
    engine: Engine,
    baton: Arc<Baton>,
    diary: Arc<Mutex<Diary>>,
    faults: Arc<Faults>,
    clients: usize,
    ending: Ending,
}

/// Lives all lives of a seed.
///
/// # Errors
/// Says what was not as it must be.
pub(crate) fn live(seed: u64) -> Result<(Counts, u64), String> {
    let mut rng = Rng::with_seed(seed);
    let relaxed = rng.u32(0..6) == 0;
    let durability = if relaxed {
        Durability::Relaxed
    } else {
        Durability::Strict
    };
    let faults = Faults::new(rng.u64(..));
    let mut sim = Sim {
        rng,
        dir: folder(false),
        durability,
        faults,
        now_ms: options().start_ms,
        trace: 0,
    };
    let mut life = sim.open(Diary::first())?;
    let known = walkers(&mut life.engine.worker());
    let mut before = Model::genesis(&known);
    life.diary.lock().known = known;
    for _ in 0..LIVES {
        let memory = sim.run(&life)?;
        sim.trace = sim.trace.rotate_left(7) ^ life.baton.trace();
        let ending = life.ending;
        let mut page = std::mem::take(&mut *life.diary.lock());
        let next = page.turn_page();
        // Less than a period of most jobs, or more than several.
        let most = if sim.rng.bool() { 50 } else { 1000 };
        let down_ms = sim.rng.u64(0..most);
        sim.now_ms = life.engine.clock().now_ms() + down_ms;
        drop(life);
        life = sim.open(next)?;
        let mut after = snapshot(&mut life.engine.worker(), &page.known)?;
        for (id, (_, seed)) in &mut after.jobs {
            let chore = page.chores.get(id);
            *seed = *chore.ok_or_else(|| format!("nobody made {id:?}"))?;
        }
        let evidence = Evidence {
            diary: &page,
            before: &before,
            memory: memory.as_ref(),
            after: &after,
            restarted_ms: sim.now_ms,
            strict: durability == Durability::Strict,
            flushed: matches!(ending, Ending::Flushed | Ending::Closed),
        };
        evidence
            .check()
            .map_err(|why| format!("after {ending:?}: {why}"))?;
        sim.count(&life, &evidence);
        before = after;
    }
    let counts = std::mem::take(&mut life.diary.lock().counts);
    Ok((counts, sim.trace))
}

impl Sim {
    /// Opens the world for a life.
    fn open(&mut self, diary: Diary) -> Result<Life, String> {
        let rng = &mut self.rng;
        let clients = rng.usize(2..5);
        let ending = match rng.u32(0..10) {
            0..4 => Ending::Cut(rng.u32(5..250)),
            4..7 => Ending::Torn(rng.u64(0..20)),
            7 => Ending::Idle,
            8 => Ending::Flushed,
            _ => Ending::Closed,
        };
        let baton = Baton::new(clients + 1, rng.u64(..));
        let options = Options {
            regions: [1, 3, 5, 16][rng.usize(0..4)],
            cache_objects: [8, 20, 1000][rng.usize(0..3)],
            durability: self.durability,
            seed: rng.u64(..),
            start_ms: self.now_ms,
            ..options()
        };
        let diary = Arc::new(Mutex::new(diary));
        let sink = Listener {
            diary: Arc::clone(&diary),
            faults: Arc::clone(&self.faults),
        };
        let pause = {
            let baton = Arc::clone(&baton);
            Arc::new(move || baton.pause())
        };
        // The last life may have ended before its fault came.
        self.faults.crash_after(u64::MAX);
        let (dir, faults) = (self.dir.path(), Arc::clone(&self.faults));
        let engine = Engine::simulate(dir, &Ground, options, Arc::new(sink), pause, faults)
            .map_err(|why| format!("it does not open again: {why}"))?;
        diary.lock().partition = Some(engine.regions().partition.clone());
        let faults = Arc::clone(&self.faults);
        Ok(Life {
            engine,
            baton,
            diary,
            faults,
            clients,
            ending,
        })
    }

    /// Lives a life to its end; returns what memory held if everybody had finished.
    fn run(&mut self, life: &Life) -> Result<Option<Model>, String> {
        let house = Rng::with_seed(self.rng.u64(..));
        let mut seeds: Vec<_> = (0..life.clients).map(|_| self.rng.u64(..)).collect();
        std::thread::scope(|threads| {
            threads.spawn(move || life.baton.run(0, || life.keep_house(house)));
            for client in 1..=life.clients {
                let rng = Rng::with_seed(seeds.pop().unwrap_or_default());
                threads.spawn(move || life.baton.run(client, || life.play(client as u128, rng)));
            }
        });
        if life.baton.hangs() {
            return Err("nobody gets on".into());
        }
        if let Some(why) = life.engine.failure()
            && !matches!(life.ending, Ending::Torn(_))
        {
            return Err(format!("the store failed: {why}"));
        }
        if life.baton.was_cut() || life.engine.failure().is_some() {
            return Ok(None);
        }
        if matches!(life.ending, Ending::Flushed | Ending::Closed) {
            life.engine.flush();
            life.engine.step_commit();
        }
        let memory = snapshot(&mut life.engine.worker(), &life.diary.lock().known.clone())?;
        if life.ending == Ending::Closed {
            life.engine.close();
        }
        Ok(Some(memory))
    }

    /// Counts what a life has shown.
    fn count(&self, life: &Life, evidence: &Evidence<'_>) {
        let mut diary = life.diary.lock();
        for (what, times) in evidence.tally() {
            *diary.counts.entry(what).or_default() += times;
        }
        let torn = self.faults.crashes();
        diary.counts.insert("syncs torn".into(), torn);
    }
}

impl Life {
    /// What a client does: one task after the other.
    fn play(&self, client: u128, mut rng: Rng) {
        let mut worker = self.engine.worker();
        for _ in 0..rng.usize(1..MOST_TASKS) {
            let sort = Sort::draw(&mut rng);
            let program = program(&mut rng, sort);
            let (given, from) = self.diary.lock().begin(None);
            let mark = given.mark;
            let (saw, now) = (RefCell::new(Vec::new()), Cell::new(0));
            let report = worker.execute(
                call(sort.class()),
                |task| {
                    saw.borrow_mut().clear();
                    now.set(task.now());
                    let mut api = OnEngine {
                        task,
                        session: session(client),
                    };
                    run(&mut api, &program, &given, &mut saw.borrow_mut())
                },
                |done| {
                    let failed = match done {
                        Done::Committed(()) => None,
                        Done::Ended(fault, why) => Some((fault, why)),
                    };
                    let deed = Deed {
                        sort,
                        program: program.clone(),
                        given: given.clone(),
                        now: now.get(),
                        saw: saw.take(),
                        fault: failed.as_ref().map(|(fault, _)| *fault),
                        store_failed: self.engine.failure().is_some(),
                        from,
                        to: None,
                        report: None,
                    };
                    let replies = self.conclude(deed) && sort.class() == Class::Durable;
                    replies.then(|| reply(session(client), u64::from(mark), failed))
                },
            );
            self.diary.lock().returned(mark, report);
            if rng.u32(0..8) == 0 {
                self.do_chores(&mut worker, 1);
            }
            if rng.u32(0..30) == 0 {
                let did = self.change_partition(&mut rng);
                self.diary.lock().count(did);
            }
            self.baton.pause();
        }
    }

    /// Writes a deed down, unless it unwinds because the power was cut.
    fn conclude(&self, deed: Deed) -> bool {
        let mut diary = self.diary.lock();
        if self.baton.was_cut() {
            return false;
        }
        let how = deed
            .fault
            .map_or("committed".into(), |fault| format!("{fault:?}"));
        diary.count(format!("{:?} {how}", deed.sort).to_lowercase());
        diary.take_in(&deed);
        diary.deeds.push(deed);
        true
    }

    /// Gives jobs that are due their turns, at most so many of each region; anybody may, at any
    /// time, the same ones as others.
    fn do_chores(&self, worker: &mut Worker, most: usize) {
        for region in self.engine.due() {
            for _ in 0..most {
                if !self.do_chore(worker, region) {
                    break;
                }
            }
        }
    }

    /// Gives a job its turn; says whether one had it.
    fn do_chore(&self, worker: &mut Worker, region: RegionId) -> bool {
        let begun: RefCell<Option<(Program, Given, u64)>> = RefCell::new(None);
        let (saw, now) = (RefCell::new(Vec::new()), Cell::new(0));
        let mut mark = None;
        let report = worker.run_job(
            region,
            |task, this, chore: &Chore| {
                let this = Some((this, chore.seed));
                let mut begun = begun.borrow_mut();
                let is_known = begun
                    .as_ref()
                    .is_some_and(|(_, given, _)| given.this == this);
                if !is_known {
                    let (given, from) = self.diary.lock().begin(this);
                    *begun = Some((chore_of(chore), given, from));
                }
                saw.borrow_mut().clear();
                now.set(task.now());
                let mut api = OnEngine {
                    task,
                    session: session(HOUSE),
                };
                let (program, given, _) = begun.as_ref().expect("it has just begun");
                run(&mut api, program, given, &mut saw.borrow_mut())
            },
            |_, done| {
                let fault = match done {
                    Done::Committed(()) => None,
                    Done::Ended(fault, _) => Some(fault),
                };
                let (program, given, from) = begun.take().expect("a turn that ends has begun");
                mark = Some(given.mark);
                self.conclude(Deed {
                    sort: Sort::Chore,
                    program,
                    given,
                    now: now.get(),
                    saw: saw.take(),
                    fault,
                    store_failed: self.engine.failure().is_some(),
                    from,
                    to: None,
                    report: None,
                });
            },
        );
        if let (Some(mark), Some(report)) = (mark, report) {
            self.diary.lock().returned(mark, report);
        }
        report.is_some()
    }

    /// Cuts a region, or joins two; anybody may, at any time.
    fn change_partition(&self, rng: &mut Rng) -> &'static str {
        let regions = self.engine.regions();
        let (region, interval) = regions.list[rng.usize(0..regions.list.len())];
        if rng.bool() {
            let merged = self.engine.merge(region);
            return if merged.is_ok() { "merge" } else { "no merge" };
        }
        let at = Home(rng.u64(interval.from.0..interval.to.0));
        if self.engine.split(region, at).is_ok() {
            self.diary.lock().cut(at);
            "split"
        } else {
            "no split"
        }
    }

    /// What the house does while clients play: commits, checkpoints, ticks, time, and the end.
    fn keep_house(&self, mut rng: Rng) {
        if let Ending::Torn(syncs) = self.ending {
            self.faults.crash_after(syncs);
        }
        let mut worker = self.engine.worker();
        let mut actions = 0;
        while self.baton.alive() > 1 {
            actions += 1;
            let is_cut = matches!(self.ending, Ending::Cut(after) if actions > after);
            if is_cut || self.engine.failure().is_some() {
                self.baton.cut();
                return;
            }
            let regions = self.engine.regions();
            let (region, _) = regions.list[rng.usize(0..regions.list.len())];
            let now = self.engine.clock().now_ms();
            let did = match rng.u32(0..20) {
                0..9 => {
                    self.engine.step_commit();
                    "commit"
                }
                9 => {
                    self.engine.step_checkpoint();
                    "checkpoint"
                }
                10..13 => {
                    for (region, _) in &regions.list {
                        worker.tick(*region, &Ground, actions.into(), 0.05);
                    }
                    "tick"
                }
                13 if rng.bool() => {
                    self.do_chores(&mut worker, 3);
                    "chores"
                }
                13 => {
                    worker.observe(region, |scene| scene.moved(|_| {}));
                    "observation"
                }
                14..17 => {
                    self.engine.clock().advance(now + rng.u64(0..40));
                    "time passes"
                }
                18..20 => self.change_partition(&mut rng),
                17 if rng.u32(0..8) == 0 => {
                    self.engine.clock().advance(now + 1500);
                    "time jumps"
                }
                _ => "rest",
            };
            self.diary.lock().count(did);
            self.baton.pause();
        }
    }
}
