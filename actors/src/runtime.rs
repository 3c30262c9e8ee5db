//! Lives here: the runtime: starts the actors of one host, says how they are, and stops them.
//! Not here: the engine's own start and end (the caller's), the HTTP server (`src`).
//!
//! Invariant: what is started here is ended by `drain`, and in the order that loses nothing:
//! logins, clients, regions, threads.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::Actor;
use actix_rt::Arbiter;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};
use world_data::{Engine, RegionId, World};

use crate::changes::{ChangeStatus, Order, OrderError, SupervisorStatus, Word};
use crate::clock;
use crate::directory::HubDoor;
use crate::foul::Refused;
use crate::host::Host;
use crate::hub::Hub;
use crate::pass::{self, Signer};
use crate::post::Post;
use crate::region::{Part, RegionHandle};
use crate::settings::Settings;
use crate::status::{
    BorderStatus, BusyStatus, Dots, HubStatus, RegionStatus, Status, WorkerStatus,
};
use crate::supervisor::Supervisor;

/// What a drain left undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not all was done within the limit: {regions} regions were still at work, and {sessions} sessions \
     still had a socket"
)]
pub struct Undone {
    /// Sessions that could not be parted with.
    pub sessions: usize,
    /// Regions that had not done what they were handed.
    pub regions: usize,
}

/// How long regions tell where entities are after somebody asked, in milliseconds.
const DOTS_KEPT_MS: u64 = 5_000;
/// How often a drain looks whether all sessions have gone.
const DRAIN_LOOK: Duration = Duration::from_millis(10);
/// The share of a drain's time after which sessions are no longer waited for.
const PATIENCE: f64 = 0.75;

/// The actors of one host. Cheap to clone.
pub struct Runtime<W: World> {
    host: Arc<Host<W>>,
    threads: Arc<Mutex<Vec<Arbiter>>>,
}

impl<W: World> Clone for Runtime<W> {
    fn clone(&self) -> Self {
        Self {
            host: Arc::clone(&self.host),
            threads: Arc::clone(&self.threads),
        }
    }
}

impl<W: World> fmt::Debug for Runtime<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Runtime({})", self.host.id)
    }
}

impl<W: World> Runtime<W> {
    /// Starts worker threads, regions, supervisor and clock. Call inside an actix system. `post`
    /// is what the engine was opened with.
    ///
    /// # Errors
    /// When a thread can't be started, or what is kept of sessions can't be read.
    pub fn start(
        engine: Engine,
        world: Arc<W>,
        post: Arc<Post>,
        settings: Settings,
    ) -> io::Result<Self> {
        clock::set(engine.clock());
        let workers = settings.workers.max(1);
        let other = |e: &dyn fmt::Display| io::Error::other(e.to_string());
        let key = Signer::draw_key().map_err(|e| other(&e))?;
        let key = engine.secret(pass::KEY_NAME, key).map_err(|e| other(&e))?;
        let sessions = engine.sessions().map_err(|e| other(&e))?;
        let host = Host::new(engine, world, post, settings, key);
        for saved in &sessions {
            host.accounts.restore(saved.id, &saved.record);
        }
        if !sessions.is_empty() {
            let count = sessions.len();
            tracing::info!(count, "sessions of an earlier run wait for their clients");
        }
        let mut threads = Vec::with_capacity(workers + 1);
        for _ in 0..=workers {
            threads.push(Arbiter::try_new()?);
        }
        host.set_workers(threads[1..].iter().map(Arbiter::handle).collect());
        let shared = Arc::clone(&host);
        if !threads[0].spawn_fn(move || {
            // No socket lives here: this thread's hub is where they wait.
            Hub::of_this_thread(&shared).core().adopt(sessions);
            Supervisor::new(shared).start();
        }) {
            return Err(io::Error::other("the supervisor's thread ended at once"));
        }
        Ok(Self {
            host,
            threads: Arc::new(Mutex::new(threads)),
        })
    }

    /// This thread's hub, made on first use. Call on the threads that sockets live on.
    pub fn hub(&self) -> Hub<W> {
        Hub::of_this_thread(&self.host)
    }

    /// The world's state.
    pub fn engine(&self) -> &Engine {
        &self.host.engine
    }

    /// The `most` sessions that the world has refused most often, those first.
    pub fn refused(&self, most: usize) -> Vec<Refused> {
        self.host.fouls.worst(most)
    }

    /// The world's rules.
    pub fn world(&self) -> &W {
        &self.host.world
    }

    /// How things stand.
    pub fn status(&self) -> Status {
        let host = &*self.host;
        let placement = host.directory.placement();
        let mut workers: Vec<WorkerStatus> = (0..host.settings.workers.max(1))
            .map(|worker| WorkerStatus {
                worker,
                load: 0.0,
                fresh: 0.0,
            })
            .collect();
        let sessions = host.directory.sessions_by_region();
        let mut regions = Vec::with_capacity(placement.regions.len());
        for (region, interval) in placement.list() {
            let figures = &region.figures;
            let worker = region.worker();
            workers[worker].load += figures.load();
            workers[worker].fresh += figures.fresh();
            let pause = figures.pause_micros.load(Ordering::Relaxed);
            let border = figures.border.lock();
            let border = border.iter().map(|(region, traffic)| BorderStatus {
                region: *region,
                rate: traffic.rate(),
                tasks: traffic.tasks,
                crossings: traffic.crossings,
                subscriptions: traffic.subscriptions,
            });
            regions.push(RegionStatus {
                id: region.id,
                from: interval.from.0,
                to: interval.to.0,
                worker,
                load: figures.load(),
                objects: figures.objects.load(Ordering::Relaxed),
                entities: figures.entities.load(Ordering::Relaxed),
                queue: region.waiting(),
                ticks: figures.ticks.load(Ordering::Relaxed),
                late: figures.late.load(Ordering::Relaxed),
                busy: BusyStatus {
                    tasks: figures.load_of(Part::Tasks),
                    ticks: figures.load_of(Part::Ticks),
                    encoding: figures.load_of(Part::Encoding),
                    sending: figures.load_of(Part::Sending),
                },
                sessions: sessions.get(&region.id).copied().unwrap_or(0),
                pinned: region.pinned.load(Ordering::Relaxed),
                dilation: region.dilation(&host.settings.ladder),
                lateness_ms: figures.lateness().as_secs_f64() * 1000.0,
                border: border.collect(),
                last_pause_ms: (pause > 0).then_some(pause as f64 / 1000.0),
            });
        }
        Status {
            host: host.id,
            world: W::NAME,
            ready: self.ready(),
            partition_epoch: placement.epoch(),
            uptime_seconds: host.started.elapsed().as_secs_f64(),
            workers,
            regions,
            hubs: self.hubs(),
            sessions: host.session_counts(),
            supervisor: SupervisorStatus {
                mode: host.settings.supervisor,
                changes: host.changes.all(),
            },
        }
    }

    fn hubs(&self) -> Vec<HubStatus> {
        let doors = self.host.directory.hubs();
        let status = |(hub, door): (usize, &Arc<HubDoor<W>>)| HubStatus {
            hub,
            load: door.load(),
            rung: door.rung().name(),
        };
        doors.iter().enumerate().map(status).collect()
    }

    /// Carries an operator's order out; returns what came of it.
    ///
    /// # Errors
    /// When the order names what is not there, or can't be carried out as things are.
    pub async fn order(&self, order: Order) -> Result<ChangeStatus, OrderError> {
        let (sender, answer) = oneshot::channel();
        let busy = |_| OrderError::Refused("too many orders wait: try again".to_owned());
        self.host
            .words
            .say(Word::Order(order, sender))
            .map_err(busy)?;
        let stopping = |_| OrderError::Refused("the host is stopping".to_owned());
        answer.await.map_err(stopping)?
    }

    /// Leaves a region as it is, where it is, or lets it be changed again.
    ///
    /// # Errors
    /// When there is no such region.
    pub fn pin(&self, region: RegionId, pinned: bool) -> Result<(), OrderError> {
        let placement = self.host.directory.placement();
        let unknown = || OrderError::Unknown(format!("there is no region {}", region.0));
        let region = placement.find(region).ok_or_else(unknown)?;
        region.pinned.store(pinned, Ordering::Relaxed);
        Ok(())
    }

    /// Where entities are, at most so many of each sort. Regions tell once per second, and only
    /// while somebody asks.
    pub fn dots(&self, most: usize) -> Dots {
        let host = &*self.host;
        let until = host.engine.clock().now_ms() + DOTS_KEPT_MS;
        host.dots_until.store(until, Ordering::Relaxed);
        let mut dots = Dots {
            people: host.directory.people(),
            others: Vec::new(),
        };
        for region in &host.directory.placement().regions {
            dots.others.extend(region.figures.dots.lock().iter());
        }
        for list in [&mut dots.people, &mut dots.others] {
            thin_out(list, most);
        }
        dots
    }

    /// Whether all regions run and logins are accepted.
    pub fn ready(&self) -> bool {
        !self.host.phase.draining() && self.all_regions(true)
    }

    /// Waits until all regions run: from then on [`Runtime::ready`] holds, until it is drained.
    pub async fn started(&self) {
        loop {
            let mut turned = std::pin::pin!(self.host.region_turned.notified());
            turned.as_mut().enable();
            if self.all_regions(true) {
                return;
            }
            turned.await;
        }
    }

    /// Stops: no new logins; each client gets the error `draining` once its window is answered, or
    /// when most of `limit` has passed; then regions and threads end. Sessions are away then, and can
    /// be resumed after the next start. Closing the engine is the caller's.
    ///
    /// # Errors
    /// When `limit` has passed before all was done: what was handed over to regions and not begun is
    /// not done, and its clients were not answered. They may ask again after the next start.
    pub async fn drain(&self, limit: Duration) -> Result<(), Undone> {
        let begun = Instant::now();
        self.host.phase.drain();
        self.until_empty(begun + limit.mul_f64(PATIENCE)).await;
        if self.busy() > 0 {
            self.host.phase.force();
            self.until_empty(begun + limit).await;
        }
        let sessions = self.busy();
        for region in &self.host.directory.placement().regions {
            region.stopping.store(true, Ordering::Release);
            region.wake();
        }
        loop {
            let mut ended = std::pin::pin!(self.host.region_turned.notified());
            ended.as_mut().enable();
            if self.all_regions(false) {
                break;
            }
            if timeout_at(begun + limit, ended).await.is_err() {
                break;
            }
        }
        self.host.phase.stop();
        for thread in self.threads.lock().drain(..) {
            thread.stop();
        }
        let regions = self.regions_alive();
        if sessions + regions > 0 {
            return Err(Undone { sessions, regions });
        }
        Ok(())
    }

    fn regions_alive(&self) -> usize {
        let placement = self.host.directory.placement();
        let alive = |region: &&Arc<RegionHandle<W>>| region.alive.load(Ordering::Acquire);
        placement.regions.iter().filter(alive).count()
    }

    fn all_regions(&self, alive: bool) -> bool {
        let placement = self.host.directory.placement();
        placement
            .regions
            .iter()
            .all(|region| region.alive.load(Ordering::Acquire) == alive)
    }

    async fn until_empty(&self, end: Instant) {
        let mut look = interval(DRAIN_LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while self.busy() > 0 && Instant::now() < end {
            look.tick().await;
        }
    }

    /// Sessions that have a socket, or that come, move or go.
    fn busy(&self) -> usize {
        self.host.connected.load(Ordering::Relaxed) + self.host.accounts.unsettled()
    }
}

/// Leaves out evenly what is beyond `most` pairs.
fn thin_out(pairs: &mut Vec<f32>, most: usize) {
    let count = pairs.len() / 2;
    if count > most {
        let kept = (0..most).map(|n| n * count / most.max(1));
        *pairs = kept
            .flat_map(|n| [pairs[2 * n], pairs[2 * n + 1]])
            .collect();
    }
}

#[cfg(test)]
mod tests;
