//! Lives here: what all actors of one host share.
//! Not here: how it is started and stopped (`runtime`).

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use actix_rt::ArbiterHandle;
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;
use world_data::{Engine, Map, World};

use crate::accounts::Accounts;
use crate::changes::{Log, Words};
use crate::directory::Directory;
use crate::foul::Fouls;
use crate::metrics::Metrics;
use crate::post::Post;
use crate::settings::Settings;
use crate::status::SessionCounts;

/// What all actors of one host share.
pub(crate) struct Host<W: World> {
    /// Names this process.
    pub(crate) id: Uuid,
    /// The world's state.
    pub(crate) engine: Engine,
    /// The world's rules.
    pub(crate) world: Arc<W>,
    /// The geometry.
    pub(crate) map: Map,
    /// The numbers.
    pub(crate) settings: Settings,
    /// Where effects go.
    pub(crate) post: Arc<Post>,
    /// Who is logged in.
    pub(crate) accounts: Accounts,
    /// Who runs what, where.
    pub(crate) directory: Directory<W>,
    /// Who was refused what.
    pub(crate) fouls: Fouls,
    /// What is counted.
    pub(crate) metrics: Metrics,
    /// When it started.
    pub(crate) started: Instant,
    /// How far it has come in stopping.
    pub(crate) phase: Phase,
    /// Told when a region's actor has started or ended.
    pub(crate) region_turned: Notify,
    /// Sessions with a socket.
    pub(crate) connected: AtomicUsize,
    /// (session, cell) pairs in view.
    pub(crate) subscriptions: AtomicUsize,
    /// The worker threads.
    workers: OnceLock<Vec<ArbiterHandle>>,
    /// The newest changes of partition and placement.
    pub(crate) changes: Log,
    /// Orders to the supervisor, and word of what became of changes.
    pub(crate) words: Words,
    /// The [`Rates`](crate::region::Rates) of all hubs.
    pub(crate) rates: AtomicU8,
    /// Whether time is slowed down anywhere.
    pub(crate) slowed: AtomicBool,
    /// Until when somebody wants to see dots, in milliseconds of world time.
    pub(crate) dots_until: AtomicU64,
}

impl<W: World> Host<W> {
    /// A host whose regions have no actors yet; resume tokens are signed with `key`.
    pub(crate) fn new(
        engine: Engine,
        world: Arc<W>,
        post: Arc<Post>,
        settings: Settings,
        key: [u8; 32],
    ) -> Arc<Self> {
        let workers = settings.workers.max(1);
        let before = engine.kept_placement();
        let (regions, limit) = (engine.regions(), settings.queue_limit);
        let directory = Directory::new(&regions, &before, workers, limit);
        Arc::new(Self {
            id: Uuid::new_v4(),
            map: *engine.map(),
            engine,
            world,
            settings,
            post,
            accounts: Accounts::new(&key),
            directory,
            fouls: Fouls::new(),
            metrics: Metrics::new(),
            started: Instant::now(),
            phase: Phase::default(),
            region_turned: Notify::new(),
            connected: AtomicUsize::new(0),
            subscriptions: AtomicUsize::new(0),
            workers: OnceLock::new(),
            changes: Log::default(),
            words: Words::new(),
            rates: AtomicU8::new(0),
            slowed: AtomicBool::new(false),
            dots_until: AtomicU64::new(0),
        })
    }

    /// Says which threads run regions, once.
    pub(crate) fn set_workers(&self, workers: Vec<ArbiterHandle>) {
        if self.workers.set(workers).is_err() {
            tracing::error!("the workers were set twice");
        }
    }

    /// The threads that run regions.
    pub(crate) fn workers(&self) -> &[ArbiterHandle] {
        self.workers.get().map_or(&[], Vec::as_slice)
    }

    /// How many sessions there are. The two counts are taken one after the other.
    pub(crate) fn session_counts(&self) -> SessionCounts {
        let connected = self.connected.load(Ordering::Relaxed);
        let away = self.accounts.count().saturating_sub(connected);
        SessionCounts { connected, away }
    }
}

/// How far a host has come in stopping; each step includes those before it.
#[derive(Debug, Default)]
pub(crate) struct Phase {
    draining: AtomicBool,
    forced: AtomicBool,
    stopped: AtomicBool,
}

impl Phase {
    /// No logins; sessions end as soon as they are answered.
    pub(crate) fn draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Sessions end at once.
    pub(crate) fn forced(&self) -> bool {
        self.forced.load(Ordering::Acquire)
    }

    /// Everything ends.
    pub(crate) fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    pub(crate) fn force(&self) {
        self.forced.store(true, Ordering::Release);
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }
}
