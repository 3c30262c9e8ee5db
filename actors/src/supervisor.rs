//! Lives here: the supervisor: starts region actors, makes dead ones anew, drives the clock and
//! measures loads. Not here: which region belongs where (later `balance`), what a region measures.
//!
//! Invariant: a region whose actor has died has a new one within a second, with the same queue.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, StreamHandler};
use actix_rt::ArbiterHandle;
use futures_util::stream::{self, Stream};
use metrics::{Gauge, gauge};
use tokio::time::{Instant, MissedTickBehavior, interval};
use world_data::World;

use crate::clock::{self, CLOCK_PERIOD};
use crate::host::Host;
use crate::region::{Region, RegionHandle};

/// How often loads are measured.
const MEASURE_PERIOD: Duration = Duration::from_secs(1);
/// How often the supervisor looks whether all actors live.
const LOOK_PERIOD: Duration = Duration::from_millis(100);
/// How much of a load is its newest measurement.
const SMOOTHING: f64 = 0.3;

/// The supervisor of one host.
pub(crate) struct Supervisor<W: World> {
    host: Arc<Host<W>>,
    workers: Vec<ArbiterHandle>,
    regions: Vec<Measured>,
    worker_loads: Vec<Gauge>,
    measured: Instant,
}

/// What the supervisor remembers of a region.
struct Measured {
    busy: Duration,
    /// The generation whose actor it has started.
    generation: u32,
    load: Gauge,
    objects: Gauge,
    entities: Gauge,
    queue: Gauge,
}

/// It is time to set the clock.
struct SetClock;
/// It is time to look who lives.
struct Look;
/// It is time to measure.
struct Measure;

impl<W: World> Supervisor<W> {
    pub(crate) fn new(host: Arc<Host<W>>, workers: Vec<ArbiterHandle>) -> Self {
        let regions = host
            .directory
            .placement()
            .regions
            .iter()
            .map(|r| Measured::new(r))
            .collect();
        let load = |worker: usize| gauge!("brightstar_worker_load", "worker" => worker.to_string());
        let worker_loads = (0..workers.len()).map(load).collect();
        Self {
            host,
            workers,
            regions,
            worker_loads,
            measured: Instant::now(),
        }
    }

    /// Starts every region that has no actor.
    fn look(&mut self) {
        let placement = self.host.directory.placement();
        let count = placement.regions.len() as f64;
        for (index, region) in placement.regions.iter().enumerate() {
            let known = &mut self.regions[index];
            let generation = region.generation.load(Ordering::Acquire);
            let stopping = region.stopping.load(Ordering::Acquire);
            // A start that is on its way has not raised the generation yet.
            if stopping || region.alive.load(Ordering::Acquire) || known.generation > generation {
                continue;
            }
            if generation > 0 {
                self.host.metrics.rebuilt.increment(1);
                tracing::error!(
                    region = region.id.0,
                    "a region's actor died; it is made anew"
                );
            }
            known.generation = generation + 1;
            let (handle, host) = (Arc::clone(region), Arc::clone(&self.host));
            let phase = index as f64 / count;
            if !self.workers[region.worker].spawn_fn(move || Region::launch(handle, host, phase)) {
                tracing::error!(worker = region.worker, "the worker's thread has ended");
            }
        }
    }

    fn measure(&mut self) {
        let now = Instant::now();
        let elapsed = (now - self.measured).as_secs_f64();
        self.measured = now;
        if elapsed <= 0.0 {
            return;
        }
        let placement = self.host.directory.placement();
        let mut workers = vec![0.0; self.workers.len()];
        for (region, known) in placement.regions.iter().zip(&mut self.regions) {
            let figures = &region.figures;
            let busy = figures.busy_total();
            let fresh = busy.saturating_sub(known.busy).as_secs_f64() / elapsed;
            known.busy = busy;
            let load = figures.load() * (1.0 - SMOOTHING) + fresh.min(1.0) * SMOOTHING;
            figures.set_load(load);
            workers[region.worker] += load;
            known.load.set(load);
            known
                .objects
                .set(figures.objects.load(Ordering::Relaxed) as f64);
            known
                .entities
                .set(figures.entities.load(Ordering::Relaxed) as f64);
            known.queue.set(region.waiting() as f64);
        }
        for (gauge, load) in self.worker_loads.iter().zip(workers) {
            gauge.set(load);
        }
        gauge!("brightstar_regions").set(placement.regions.len() as f64);
        let counts = self.host.session_counts();
        gauge!("brightstar_sessions", "state" => "connected").set(counts.connected as f64);
        gauge!("brightstar_sessions", "state" => "away").set(counts.away as f64);
        let subscriptions = self.host.subscriptions.load(Ordering::Relaxed);
        gauge!("brightstar_interest_subscriptions").set(subscriptions as f64);
    }
}

impl Measured {
    fn new<W: World>(region: &RegionHandle<W>) -> Self {
        let id = region.id.0.to_string();
        let worker = region.worker.to_string();
        Self {
            busy: Duration::ZERO,
            generation: 0,
            load: gauge!("brightstar_region_load", "region" => id.clone(), "worker" => worker),
            objects: gauge!("brightstar_region_objects", "region" => id.clone()),
            entities: gauge!("brightstar_region_entities", "region" => id.clone()),
            queue: gauge!("brightstar_region_queue", "region" => id),
        }
    }
}

/// A `word` every `period`; late ones are left out.
fn every<M>(period: Duration, word: fn() -> M) -> impl Stream<Item = M> {
    let mut timer = interval(period);
    timer.set_missed_tick_behavior(MissedTickBehavior::Skip);
    stream::poll_fn(move |cx| timer.poll_tick(cx).map(|_| Some(word())))
}

impl<W: World> Actor for Supervisor<W> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.add_stream(every(CLOCK_PERIOD, || SetClock));
        ctx.add_stream(every(LOOK_PERIOD, || Look));
        ctx.add_stream(every(MEASURE_PERIOD, || Measure));
    }
}

impl<W: World> StreamHandler<SetClock> for Supervisor<W> {
    fn handle(&mut self, _: SetClock, ctx: &mut Self::Context) {
        clock::set(self.host.engine.clock());
        if self.host.phase.stopped() {
            ctx.stop();
        }
    }
}

impl<W: World> StreamHandler<Look> for Supervisor<W> {
    fn handle(&mut self, _: Look, _: &mut Self::Context) {
        self.look();
    }
}

impl<W: World> StreamHandler<Measure> for Supervisor<W> {
    fn handle(&mut self, _: Measure, _: &mut Self::Context) {
        self.measure();
    }
}
