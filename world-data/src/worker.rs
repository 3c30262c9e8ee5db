//! Lives here: running a task to its end: attempts, panics, outcomes, memory. Turns of jobs
//! are in `jobs`.
//! Not here: a single run's reads and writes (`run`), ticks (`tick`), what is kept of a task that is
//! given up (`dead`).
//!
//! Invariant: this is the only place where a task is run again.

mod jobs;

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use metrics::counter;

use crate::dead::{DeadLetter, End};
use crate::effect::{Effect, Fault};
use crate::engine::{Call, Class, Done, Limit, Report};
use crate::object::ObjectId;
use crate::run::{Run, Runner, flush_lazy};
use crate::shared::{Shared, Table};
use crate::tally::{Kind, Tally};
use crate::task::{Stop, Task};
use crate::watch::Watch;
use crate::world::World;

/// Homes looked at in one go when memory is over its limit.
const EVICT_LOOK: usize = 128;
/// Memory may exceed its limit by this factor before tasks wait for a checkpoint.
const MEMORY_SLACK: usize = 2;
/// Runs in which a task may find that it needs yet another region; then it gets them all, and ends.
const MOST_GROWTHS: u32 = 32;
/// The name that says that genesis ran.
pub(crate) const GENESIS: &str = "brightstar/genesis";
/// Time that genesis may take.
const GENESIS_BUDGET: Duration = Duration::from_mins(10);

/// Runs tasks on one thread.
pub struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) table: Arc<Table>,
    version: u64,
    number: u64,
    serial: u64,
    pub(crate) run: Run,
    pub(crate) tally: Tally,
    /// The dead letter that the running task is run from.
    again: Option<DeadLetter>,
}

impl Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let number = shared.workers.fetch_add(1, Ordering::Relaxed);
        let version = shared.table_version.load(Ordering::SeqCst);
        let table = shared.table.load_full();
        Self {
            shared,
            table,
            version,
            number,
            serial: 0,
            run: Run::default(),
            tally: Tally::default(),
            again: None,
        }
    }

    #[inline]
    pub(crate) fn refresh(&mut self) {
        let version = self.shared.table_version.load(Ordering::SeqCst);
        if version != self.version {
            self.version = version;
            self.table = self.shared.table.load_full();
        }
    }

    /// Runs one task to its end: as often as contention asks, then commits or leaves no trace.
    /// `conclude` is called once and may add one last effect, released with the task's own.
    pub fn execute<R>(
        &mut self,
        call: Call<'_>,
        body: impl FnMut(&mut Task<'_>) -> Result<R, Stop>,
        conclude: impl FnOnce(Done<R>) -> Option<Effect>,
    ) -> Report {
        let (kind, limit) = self.tally.find(call.kind, &self.shared.options);
        let report = self.attempts(call, limit, body, conclude);
        self.end_task(kind, &report);
        report
    }

    /// Counts a task that has ended, and makes room if there is too little.
    fn end_task(&mut self, kind: Kind, report: &Report) {
        self.tally.add(kind, report);
        if self.shared.live.load(Ordering::Relaxed) > self.shared.options.cache_objects {
            self.relieve_memory();
        }
    }

    /// As [`Worker::execute`], for what a dead letter asks for: the commit drops the letter.
    pub(crate) fn execute_again<R>(
        &mut self,
        letter: DeadLetter,
        call: Call<'_>,
        body: impl FnMut(&mut Task<'_>) -> Result<R, Stop>,
        conclude: impl FnOnce(Done<R>) -> Option<Effect>,
    ) {
        self.again = Some(letter);
        self.execute(call, body, conclude);
        self.again = None;
    }

    fn attempts<R>(
        &mut self,
        call: Call<'_>,
        limit: Limit,
        mut body: impl FnMut(&mut Task<'_>) -> Result<R, Stop>,
        conclude: impl FnOnce(Done<R>) -> Option<Effect>,
    ) -> Report {
        self.refresh();
        self.serial += 1;
        // Serials differ between workers, and are never 0.
        let serial = self.number << 40 | (self.serial & ((1 << 40) - 1));
        let now_ms = self.shared.clock.now_ms();
        let budget_ms = limit.budget.as_millis() as u64;
        self.run.needed.clear();
        let mut attempts = 0;
        loop {
            attempts += 1;
            if std::mem::take(&mut self.run.stale) {
                self.run.needed.clear();
                self.refresh();
            }
            let (shared, table) = (&*self.shared, &*self.table);
            self.run.begin(shared, serial, now_ms, budget_ms);
            let mut task = Task {
                on: Runner::new(shared, table, &mut self.run),
            };
            task.on.lock_needed();
            // The undo log makes the state whole again, whatever a panic interrupted.
            let result = catch_unwind(AssertUnwindSafe(|| body(&mut task)));
            let Task { on } = task;
            let result = match (result, &on.run.stop) {
                // What the engine stopped is stopped, even if its code made a panic of it.
                (_, Some(stop)) => Err(stop.clone()),
                (Ok(result), None) => result,
                (Err(panic), None) => Err(Stop::Fault(format!("panic: {}", panic_text(&*panic)))),
            };
            let again = matches!(result, Err(Stop::Again));
            if again && attempts < limit.attempts {
                if attempts == MOST_GROWTHS {
                    on.run.needed = (0..table.regions.len()).collect();
                }
                // Dropped, it is undone.
                drop(on);
                continue;
            }
            let done = match result {
                Ok(value) if shared.failed.get().is_none() => Done::Committed(value),
                Ok(_) => Done::Ended(Fault::Failed, "the store has failed".into()),
                Err(stop) => shared.give_up(&call, &stop, (attempts, limit), self.again.as_ref()),
            };
            if let (Done::Committed(_), Some(letter)) = (&done, &self.again) {
                on.run.unburied = Some(letter.number);
            }
            return finish(on, call, attempts, done, conclude);
        }
    }

    /// Runs genesis unless this store has seen it, then lets the world begin this run.
    pub(crate) fn genesis<W: World>(&mut self, world: &W) -> Result<(), String> {
        let call = Call {
            kind: "genesis",
            class: Class::Durable,
            origin: &W::NAME,
        };
        let mut outcome = Ok(());
        let (kind, limit) = self.tally.find(call.kind, &self.shared.options);
        let limit = Limit {
            budget: GENESIS_BUDGET,
            ..limit
        };
        let report = self.attempts(
            call,
            limit,
            |task| {
                if task.lookup(GENESIS)?.is_none() {
                    world.genesis(task)?;
                    let mark = ObjectId::from_raw(0).unwrap_or_else(|| unreachable!("0 < 2^53"));
                    task.bind(GENESIS, mark)?;
                }
                world.begin(task)
            },
            |done| {
                if let Done::Ended(fault, why) = done {
                    outcome = Err(format!("genesis ended as {fault:?}: {why}"));
                }
                None
            },
        );
        self.tally.add(kind, &report);
        outcome
    }

    pub(crate) fn watch(&mut self, id: ObjectId) -> Option<Arc<Watch>> {
        loop {
            self.refresh();
            self.run.begin(&self.shared, 0, 0, u64::MAX);
            let mut on = Runner::new(&self.shared, &self.table, &mut self.run);
            let spot = on.locate(id).ok().flatten();
            if on.run.stale {
                continue;
            }
            return spot.filter(|_| id.is_entity()).map(|spot| {
                let slot = on.slot(spot);
                let at = slot.at;
                Arc::clone(slot.watch.get_or_insert_with(|| Arc::new(Watch::new(at))))
            });
        }
    }

    /// Drops idle homes until memory is under its limit; waits for a checkpoint when too much is
    /// not in LMDB yet.
    #[cold]
    fn relieve_memory(&self) {
        let shared = &self.shared;
        let limit = shared.options.cache_objects;
        let Some(checkpointer) = shared.checkpointer.get() else {
            return;
        };
        let safe = checkpointer.checkpointed_epoch();
        let regions = &self.table.regions;
        for _ in 0..regions.len() {
            if shared.live.load(Ordering::Relaxed) <= limit {
                return;
            }
            let at = shared.evict_from.fetch_add(1, Ordering::Relaxed) % regions.len();
            let Some(mut state) = regions[at].state.try_lock() else {
                continue;
            };
            let mut objects = 0;
            let homes = state.evict(EVICT_LOOK, safe, |id| {
                objects += 1;
                if id.is_entity() {
                    shared.places.forget(id);
                }
            });
            drop(state);
            shared.live.fetch_sub(objects, Ordering::Relaxed);
            shared.homes.fetch_sub(homes, Ordering::Relaxed);
            shared.metrics.homes_evicted.increment(homes as u64);
        }
        if shared.live.load(Ordering::Relaxed) > limit {
            checkpointer.request();
        }
        if shared.live.load(Ordering::Relaxed) > limit.saturating_mul(MEMORY_SLACK) {
            let epoch = shared.epoch.load(Ordering::SeqCst);
            shared.flush_all_lazy();
            shared.wait_durable(epoch);
            checkpointer.wait_for(shared.durable.load(Ordering::SeqCst));
        }
    }
}

/// Commits what a task did, or only what is to be told of how it ended.
fn finish<R>(
    mut on: Runner<'_>,
    call: Call<'_>,
    attempts: u32,
    done: Done<R>,
    conclude: impl FnOnce(Done<R>) -> Option<Effect>,
) -> Report {
    let fault = match &done {
        Done::Committed(_) => None,
        Done::Ended(fault, _) => {
            on.undo();
            on.keep_turn();
            Some(*fault)
        }
    };
    match conclude(done) {
        // A session is there before its login's own events, which are numbered for it.
        Some(effect @ Effect::LoggedIn { .. }) => on.run.effects.insert(0, effect),
        Some(effect) => on.run.effects.push(effect),
        None => {}
    }
    let regions = on.held.len() as u32;
    if regions > 1 && fault.is_none() {
        on.note_pairs();
    }
    let epoch = on.commit(call.class);
    Report {
        attempts,
        regions,
        epoch,
        fault,
    }
}

impl Shared {
    /// Decides what a stop means for the client, and keeps a dead letter of what should not have
    /// happened. A task that was run from a letter goes back into it, whatever stopped it.
    #[cold]
    fn give_up<R>(
        &self,
        call: &Call<'_>,
        stop: &Stop,
        (attempts, limit): (u32, Limit),
        again: Option<&DeadLetter>,
    ) -> Done<R> {
        let (fault, cause) = match stop {
            Stop::Refused(message) => (Fault::Refused, message.clone()),
            Stop::Missing(_) => (Fault::Refused, "gone".into()),
            Stop::Timeout => (
                Fault::Timeout,
                format!("exceeded its budget of {:?}", limit.budget),
            ),
            Stop::Again => (
                Fault::Timeout,
                format!("regions were taken {attempts} times"),
            ),
            Stop::Fault(cause) => (Fault::Failed, cause.clone()),
        };
        if fault == Fault::Refused && again.is_none() {
            return Done::Ended(fault, cause);
        }
        if cause.starts_with("panic: ") {
            counter!("brightstar_task_panics_total", "kind" => call.kind).increment(1);
        }
        let end = End {
            fault,
            cause: &cause,
            attempts,
        };
        self.bury(call, &end, again);
        let told = match fault {
            // What went wrong inside is for the operator, not for the client.
            Fault::Failed if again.is_none() => "the server failed to run this".to_owned(),
            _ => cause,
        };
        Done::Ended(fault, told)
    }

    /// Lays the lazy writes of all regions into their lanes.
    pub(crate) fn flush_all_lazy(&self) {
        let table = self.table.load_full();
        for at in 0..table.regions.len() {
            if table.regions[at].lazy_since.load(Ordering::Relaxed) != 0 {
                let mut state = self.lock(&table.regions[at].state);
                if !state.retired {
                    self.flush_lazy_of(&table, at, &mut state);
                }
            }
        }
    }

    /// Lays the lazy writes that have waited long enough, of regions that are not busy: busy ones do
    /// it themselves.
    pub(crate) fn flush_old_lazy(&self) {
        let table = self.table.load();
        let now = self.clock.now_ms();
        for (at, region) in table.regions.iter().enumerate() {
            if region.has_waited(now)
                && let Some(mut state) = region.state.try_lock()
                && !state.retired
            {
                self.flush_lazy_of(&table, at, &mut state);
            }
        }
    }

    pub(crate) fn flush_lazy_of(&self, table: &Table, at: usize, state: &mut crate::region::State) {
        let region = &table.regions[at];
        let mut lane = self.lock(&region.lane);
        lane.told = true;
        region.flagged.store(true, Ordering::SeqCst);
        let epoch = self.epoch.load(Ordering::SeqCst);
        lane.enter(epoch);
        flush_lazy(state, &mut lane, epoch);
        region.lazy_since.store(0, Ordering::Relaxed);
        drop(lane);
        self.signal.wake();
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    if let Some(text) = panic.downcast_ref::<&str>() {
        text
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text
    } else {
        "without a message"
    }
}
