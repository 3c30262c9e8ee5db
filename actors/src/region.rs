//! Lives here: the region actor: when work runs, when the region ticks, who is told of it.
//! Not here: what a task does (`work`, and the world), what survives this actor (`handle`), how
//! cells become bytes (`tracks`).
//!
//! Invariant: neither work nor ticks starve the other: work runs in short batches, and between two
//! of them every other actor of the thread, and the timers, have their turn.

mod beat;
mod change;
mod figures;
mod handle;
mod jobs;
mod strides;
mod todo;
mod tracks;
mod update;
mod views;
mod work;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, StreamHandler};
use futures_util::stream;
use tokio::time::Instant;
use world_data::{Interval, Scene, Worker, World};

pub(crate) use self::figures::{Figures, Part};
pub(crate) use self::handle::RegionHandle;
pub(crate) use self::strides::{PerRate, Rate, Rates};
pub(crate) use self::todo::Todo;
pub(crate) use self::update::{CellKey, CellUpdate, RegionTick};
pub(crate) use self::work::{Shared, Slot, Work};

use self::beat::{Due, beat};
use self::change::After;
use self::tracks::Tracks;
use crate::host::Host;

/// Pieces of work run in one go.
const BATCH: usize = 256;
/// Time one batch may take; a task that is running is not cut short.
const BATCH_TIME: Duration = Duration::from_millis(2);
/// Tasks between two looks at the clock.
const CLOCK_EVERY: usize = 16;
/// A tick that begins later than this counts as late.
const LATE: Duration = Duration::from_millis(50);
/// The most ticks' worth of time that one tick makes up for when others were skipped.
const CATCH_UP: u32 = 4;
/// How often a region without a map looks at its counts.
const COUNT_PERIOD: Duration = Duration::from_secs(1);

thread_local! {
    /// The engine's worker of this thread: one for all its regions. The number tells hosts apart,
    /// should one thread ever serve two.
    static WORKER: RefCell<Option<(uuid::Uuid, Rc<RefCell<Worker>>)>> = const { RefCell::new(None) };
}

fn worker_of<W: World>(host: &Host<W>) -> Rc<RefCell<Worker>> {
    WORKER.with_borrow_mut(|slot| match slot {
        Some((id, worker)) if *id == host.id => Rc::clone(worker),
        _ => {
            let worker = Rc::new(RefCell::new(host.engine.worker()));
            *slot = Some((host.id, Rc::clone(&worker)));
            worker
        }
    })
}

/// The actor of one region.
pub(crate) struct Region<W: World> {
    handle: Arc<RegionHandle<W>>,
    host: Arc<Host<W>>,
    worker: Rc<RefCell<Worker>>,
    tracks: Tracks,
    /// Whether the region has cells, and so ticks.
    ticks: bool,
    generation: u32,
    /// The part of a period by which its ticks come after the first region's.
    phase: f64,
    last_due: Option<Instant>,
    /// It has left everything to the next actor.
    left: bool,
}

/// There is work.
struct Woken;

impl<W: World> Region<W> {
    /// Starts the actor on this thread: where the one before has left off, or from nothing. `phase`
    /// spreads the ticks of regions that begin over the period, 0..1.
    pub(crate) fn launch(handle: Arc<RegionHandle<W>>, host: Arc<Host<W>>, phase: f64) {
        // Alive before its generation counts, so that the supervisor never starts it twice.
        handle.alive.store(true, Ordering::Release);
        host.region_turned.notify_waiters();
        let parked = handle.parked.lock().take();
        let Some(interval) = host.directory.placement().interval_of(handle.id) else {
            tracing::error!(region = handle.id.0, "a region that is no more was started");
            return;
        };
        // Hubs ask a new generation for everything: one that goes on is not new.
        let fresh = u32::from(parked.is_none() || handle.generation.load(Ordering::Acquire) == 0);
        let generation = handle.generation.fetch_add(fresh, Ordering::Release) + fresh;
        if let Some(parked) = &parked {
            Self::arrived(&host, &handle, parked);
        }
        handle.changing.store(false, Ordering::Release);
        let worker = worker_of(&host);
        let ticks = host.map.is_cell(interval.from);
        let last_due = parked.as_ref().and_then(|parked| parked.last_due);
        let tracks = parked.map_or_else(|| Tracks::new(interval), |parked| parked.tracks);
        Self {
            handle,
            host,
            worker,
            tracks,
            ticks,
            generation,
            phase,
            last_due,
            left: false,
        }
        .start();
    }

    fn run_batch(&mut self) {
        let begun = Instant::now();
        let mut worker = self.worker.borrow_mut();
        let mut more = true;
        for turn in 1..=BATCH {
            let Some(work) = self.handle.pop() else {
                more = false;
                break;
            };
            work.run(&self.host, &mut worker);
            if turn % CLOCK_EVERY == 0 && begun.elapsed() > BATCH_TIME {
                break;
            }
        }
        drop(worker);
        let more = self.run_jobs() || more;
        self.handle.end_batch(more);
        self.handle.figures.busy(Part::Tasks, begun.elapsed());
    }

    /// Runs one tick and tells the hubs that listen.
    fn tick(&mut self, due: Due) -> Option<()> {
        let begun = Instant::now();
        let seconds = self.measure_lateness(due, begun);
        let (handle, host, tracks) = (&*self.handle, &*self.host, &mut self.tracks);
        let number = handle.figures.ticks.fetch_add(1, Ordering::Relaxed) + 1;
        let placement = host.directory.placement();
        for ((hub, key), want) in tracks.apply(handle.take_interest()) {
            // It came before its hub knew of a change.
            placement.at(key.cell).want_all([((hub, key), want)]);
        }
        let mut worker = self.worker.borrow_mut();
        worker.tick(handle.id, &*host.world, number, seconds)?;
        let generation = self.generation;
        let ticked = Instant::now();
        let surveys = number.is_multiple_of(host.settings.tick_hz.into());
        let (objects, entities, encoded) = worker.observe(handle.id, |scene| {
            survey(handle, host, tracks.interval(), scene, surveys);
            let rates = Rates(host.rates.load(Ordering::Relaxed));
            let updates = tracks.observe(scene, &*host.world, (number, rates));
            let encoded = Instant::now();
            // Told while the region is still held: an entity that goes on to another region is
            // announced there only after it was announced here, at every hub.
            tell(
                host,
                tracks,
                RegionTick {
                    region: handle.id,
                    generation,
                    updates,
                },
            );
            let (objects, entities) = scene.counts();
            (objects, entities, encoded)
        })?;
        drop(worker);
        let figures = &handle.figures;
        figures.objects.store(objects, Ordering::Relaxed);
        figures.entities.store(entities, Ordering::Relaxed);
        figures.busy(Part::Ticks, ticked - begun);
        figures.busy(Part::Encoding, encoded - ticked);
        figures.busy(Part::Sending, encoded.elapsed());
        let took = begun.elapsed();
        host.metrics.tick.record(took);
        host.metrics.ticks.increment(1);
        Some(())
    }

    /// Counts how late the tick is; returns the world time it covers, in seconds. Where time is
    /// slowed down, ticks are further apart, and each covers as much as before.
    fn measure_lateness(&mut self, due: Due, begun: Instant) -> f64 {
        let late = begun.saturating_duration_since(due.at);
        self.last_due = Some(due.at);
        let missed = u64::from(due.periods - 1) + u64::from(late > LATE);
        self.host.metrics.tick_late.record(late);
        self.handle.figures.tick_was_late_by(late);
        if missed > 0 {
            self.host.metrics.ticks_late.increment(missed);
            self.handle
                .figures
                .late
                .fetch_add(missed, Ordering::Relaxed);
        }
        self.host.settings.tick_period().as_secs_f64() * f64::from(due.periods.min(CATCH_UP))
    }

    /// A region without cells has nothing to tick, but is counted.
    fn count(&mut self) -> Option<()> {
        let figures = &self.handle.figures;
        let counts = self.worker.borrow_mut().observe(self.handle.id, |scene| {
            survey_loads(figures, scene);
            figures.held_with(scene.take_tasks_with());
            scene.counts()
        })?;
        self.handle
            .figures
            .objects
            .store(counts.0, Ordering::Relaxed);
        self.handle
            .figures
            .entities
            .store(counts.1, Ordering::Relaxed);
        Some(())
    }
}

/// Counts who crossed to other regions; now and then notes tasks over others, where the load lies
/// and, when somebody wants to see them, where entities are.
fn survey<W: World>(
    handle: &RegionHandle<W>,
    host: &Host<W>,
    interval: Interval,
    scene: &mut Scene<'_>,
    surveys: bool,
) {
    let left = scene.gone().iter().filter_map(|gone| gone.to);
    let mut left = left.filter(|to| !interval.contains(*to)).peekable();
    if left.peek().is_some() {
        let placement = host.directory.placement();
        handle
            .figures
            .crossed(left.map(|home| placement.at(home).id));
    }
    if !surveys {
        return;
    }
    handle.figures.held_with(scene.take_tasks_with());
    survey_loads(&handle.figures, scene);
    let wanted = host.dots_until.load(Ordering::Relaxed) > host.engine.clock().now_ms();
    let mut dots = Vec::new();
    if wanted {
        scene.all(|entity| {
            let at = entity.at();
            dots.extend([at.x as f32, at.y as f32]);
        });
    }
    *handle.figures.dots.lock() = dots;
}

/// Notes where the load lies, if enough was done since the last time.
fn survey_loads(figures: &Figures, scene: &Scene<'_>) {
    if figures.wants_survey() {
        let begun = Instant::now();
        *figures.weights.lock() = scene.weights();
        figures.surveyed(begun.elapsed());
    }
}

fn tell<W: World>(host: &Host<W>, tracks: &mut Tracks, tick: RegionTick) {
    // The first tick of an actor tells every hub that what the last one knew is gone.
    let first = tracks.introduce();
    if tick.updates.is_empty() && !first {
        return;
    }
    let tick = Arc::new(tick);
    for (hub, door) in host.post.doors().iter().enumerate() {
        if first || tracks.is_heard_by(hub) {
            door.take_tick(Arc::clone(&tick));
        }
    }
}

impl<W: World> Actor for Region<W> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let handle = Arc::clone(&self.handle);
        ctx.add_stream(Box::pin(stream::unfold(handle, |handle| async move {
            handle.woken().await;
            Some((Woken, handle))
        })));
        let (handle, host, ticks) = (Arc::clone(&self.handle), Arc::clone(&self.host), self.ticks);
        let period = move || {
            if ticks {
                let normal = host.settings.tick_period();
                normal.div_f64(handle.dilation(&host.settings.ladder))
            } else {
                COUNT_PERIOD
            }
        };
        let first = match self.last_due {
            Some(last) => last + period(),
            None => Instant::now() + period().mul_f64(self.phase),
        };
        ctx.add_stream(Box::pin(beat(first, period)));
        // There may be work of before, and nobody who wakes us for it.
        self.handle.wake();
    }
}

impl<W: World> StreamHandler<Woken> for Region<W> {
    fn handle(&mut self, _: Woken, ctx: &mut Self::Context) {
        if self.left {
            return;
        }
        self.run_batch();
        if let Some(todo) = self.handle.take_todo()
            && self.change(todo) == After::Stop
        {
            ctx.stop();
            return;
        }
        if self.handle.stopping.load(Ordering::Acquire) && self.handle.waiting() == 0 {
            ctx.stop();
        }
    }
}

impl<W: World> StreamHandler<Due> for Region<W> {
    fn handle(&mut self, due: Due, ctx: &mut Self::Context) {
        if self.left {
            return;
        }
        let lives = if self.ticks {
            self.tick(due)
        } else {
            self.count()
        };
        if lives.is_none() {
            tracing::warn!(
                region = self.handle.id.0,
                "the engine no longer has this region"
            );
            ctx.stop();
        }
    }
}

impl<W: World> Drop for Region<W> {
    fn drop(&mut self) {
        if self.left {
            return;
        }
        self.handle.alive.store(false, Ordering::Release);
        self.host.region_turned.notify_waiters();
    }
}
