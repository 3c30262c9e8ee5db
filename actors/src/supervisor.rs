//! Lives here: the supervisor: starts region actors, makes dead ones anew, drives the clock and
//! looks at the loads. Not here: what it makes of the loads (`steering`, by `balance`), what a
//! region measures (`region`).
//!
//! Invariant: a region whose actor has died has a new one within a second, with the same queue.

mod borders;
mod easing;
mod gauges;
mod steering;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, StreamHandler};
use futures_util::stream::{self, Stream};
use metrics::gauge;
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::time::{Instant, MissedTickBehavior, interval};
use world_data::{RegionId, World};

use self::borders::{BorderGauges, Borders};
use self::easing::Easing;
use self::gauges::Gauges;
use self::steering::Steering;
use crate::changes::Word;
use crate::clock::{self, CLOCK_PERIOD};
use crate::host::Host;
use crate::region::{Part, Region};

/// How often loads are measured.
const MEASURE_PERIOD: Duration = Duration::from_secs(1);
/// How often the supervisor looks whether all actors live.
const LOOK_PERIOD: Duration = Duration::from_millis(100);
/// How much of a load is its newest measurement.
const SMOOTHING: f64 = 0.3;

/// The supervisor of one host.
pub(crate) struct Supervisor<W: World> {
    host: Arc<Host<W>>,
    regions: FxHashMap<RegionId, Measured>,
    borders: Borders,
    gauges: Gauges,
    border_gauges: BorderGauges,
    steering: Steering<W>,
    easing: Easing<W>,
    measured: Instant,
}

/// What the supervisor remembers of a region.
#[derive(Debug, Default)]
struct Measured {
    busy: [Duration; 4],
    /// The generation whose actor it has started.
    generation: u32,
    /// The share of a thread that it took since the last look, and would have taken if time were
    /// not slowed down.
    fresh: Fresh,
}

/// Shares of a thread, of the time since the last look.
#[derive(Debug, Clone, Copy, Default)]
struct Fresh {
    /// Ticks and what they cause.
    ticks: f64,
    /// All that it did.
    all: f64,
    /// All that it would have done if time were not slowed down.
    undilated: f64,
}

/// It is time to set the clock.
struct SetClock;
/// It is time to look who lives.
struct Look;
/// It is time to measure.
struct Measure;

impl<W: World> Supervisor<W> {
    pub(crate) fn new(host: Arc<Host<W>>) -> Self {
        Self {
            borders: Borders::default(),
            gauges: Gauges::new(host.workers().len()),
            border_gauges: BorderGauges::new(),
            steering: Steering::new(Arc::clone(&host)),
            easing: Easing::new(Arc::clone(&host)),
            host,
            regions: FxHashMap::default(),
            measured: Instant::now(),
        }
    }

    /// Starts every region that has no actor.
    fn look(&mut self) {
        self.steering.look_for_stuck();
        let placement = self.host.directory.placement();
        let count = placement.regions.len() as f64;
        for (index, region) in placement.regions.iter().enumerate() {
            let known = self.regions.entry(region.id).or_default();
            let generation = region.generation.load(Ordering::Acquire);
            let busy = region.stopping.load(Ordering::Acquire)
                || region.changing.load(Ordering::Acquire)
                || region.alive.load(Ordering::Acquire);
            // A start that is on its way has not raised the generation yet.
            if busy || known.generation > generation {
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
            let Some(worker) = self.host.workers().get(region.worker()) else {
                continue;
            };
            if !worker.spawn_fn(move || Region::launch(handle, host, phase)) {
                tracing::error!(worker = region.worker(), "the worker's thread has ended");
            }
        }
    }

    /// Tells regions whose jobs are due. They are due when the clock says so, so nothing that looks
    /// at more than the clock would find them sooner.
    fn call_for_jobs(&self) {
        let due = self.host.engine.due();
        if due.is_empty() {
            return;
        }
        let placement = self.host.directory.placement();
        for region in due.iter().filter_map(|id| placement.find(*id)) {
            region.call_for_jobs();
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
        let living: FxHashSet<_> = placement.regions.iter().map(|region| region.id).collect();
        self.regions.retain(|id, _| living.contains(id));
        for region in &placement.regions {
            let known = self.regions.entry(region.id).or_default();
            known.measure(&region.figures, elapsed);
            known
                .fresh
                .dilate(region.dilation(&self.host.settings.ladder));
        }
        let looks = self.host.directory.looks();
        self.borders.measure(&placement, &living, looks, elapsed);
        self.gauges.show(&placement.regions, &living);
        self.border_gauges.show(&self.borders, &placement);
        self.show_counts(placement.regions.len());
        drop(placement);
        let fresh = |id| {
            self.regions
                .get(&id)
                .map_or_else(Fresh::default, |known| known.fresh)
        };
        let relief = self.steering.step(|id| fresh(id).undilated);
        let hubs = self.easing.measure_hubs(elapsed);
        self.easing.step(fresh, &relief, &hubs);
        self.gauges.show_ladder(&self.host);
    }

    fn show_counts(&self, regions: usize) {
        gauge!("brightstar_regions").set(regions as f64);
        let counts = self.host.session_counts();
        gauge!("brightstar_sessions", "state" => "connected").set(counts.connected as f64);
        gauge!("brightstar_sessions", "state" => "away").set(counts.away as f64);
        let subscriptions = self.host.subscriptions.load(Ordering::Relaxed);
        gauge!("brightstar_interest_subscriptions").set(subscriptions as f64);
        let hidden: usize = self
            .host
            .directory
            .hubs()
            .iter()
            .map(|hub| hub.hidden())
            .sum();
        gauge!("brightstar_interest_hidden").set(hidden as f64);
    }
}

impl Fresh {
    /// Works out what it would be without `dilation`.
    fn dilate(&mut self, dilation: f64) {
        self.undilated = self.all + self.ticks * (1.0 / dilation - 1.0);
    }
}

impl Measured {
    fn measure(&mut self, figures: &crate::region::Figures, elapsed: f64) {
        self.fresh = Fresh::default();
        for part in Part::ALL {
            let busy = figures.busy_total(part);
            let before = std::mem::replace(&mut self.busy[part as usize], busy);
            let fresh = busy.saturating_sub(before).as_secs_f64() / elapsed;
            let load = smooth(figures.load_of(part), fresh.min(1.0));
            figures.set_load(part, load);
            self.fresh.all += fresh;
            if part.is_of_ticks() {
                self.fresh.ticks += fresh;
            }
        }
        self.fresh.all = self.fresh.all.min(1.0);
        self.fresh.ticks = self.fresh.ticks.min(1.0);
        figures.set_fresh(self.fresh.all);
    }
}

fn smooth(old: f64, fresh: f64) -> f64 {
    old * (1.0 - SMOOTHING) + fresh * SMOOTHING
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
        if let Some(mut words) = self.host.words.hear() {
            ctx.add_stream(stream::poll_fn(move |cx| words.poll_recv(cx)));
        }
    }
}

impl<W: World> StreamHandler<SetClock> for Supervisor<W> {
    fn handle(&mut self, _: SetClock, ctx: &mut Self::Context) {
        clock::set(self.host.engine.clock());
        self.call_for_jobs();
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

impl<W: World> StreamHandler<Word> for Supervisor<W> {
    fn handle(&mut self, word: Word, _: &mut Self::Context) {
        match word {
            Word::Order(order, waits) => self.steering.order(order, waits),
            Word::Answer { number, result } => self.steering.answered(number, result),
        }
    }
}
