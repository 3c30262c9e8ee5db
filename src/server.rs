//! Lives here: a running server: started on a thread of its own, stopped gracefully.
//! Not here: the command line and signals (`app`); tests and benches use this file without them.
//!
//! Invariant: what was acknowledged is on disk when [`Running::stop`] returns, and the data folder
//! is free again.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{fmt, io};

use actix_web::dev::ServerHandle;
use actix_web::rt::System;
use actix_web::{App, HttpServer};
use actors::{Post, Runtime};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use world_data::{Effect, EffectSink, Engine, OpenError, World};

use crate::admin::Admin;
use crate::config::{Config, ConfigError};
use crate::console::Last;
use crate::gateway::Doors;
use crate::http::{self, Host};
use crate::login::Logins;
use crate::page::Asset;
use crate::reload::Reload;
use crate::tls::Tls;
use crate::{metrics, tcp};

/// What ordinary requests, answered at once, may take when the server stops.
const REQUESTS_LIMIT_SECONDS: u64 = 1;
/// What a closed connection may take to say goodbye.
const GOODBYE_LIMIT: Duration = Duration::from_secs(1);
/// Connections per socket thread for plain HTTP, above those of the gateway.
const HTTP_CONNECTIONS: usize = 1_024;
/// The HTTP dispatcher asks a socket's writer for bytes when fewer than this are unsent: when all
/// are gone, so that what is sent is as new as can be. The writer makes its own batches.
const WRITE_AHEAD_BYTES: usize = 1;
/// How often the exporter of metrics tidies up.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// What threads that were told to end may take to let go of the engine.
const RELEASE_LIMIT: Duration = Duration::from_secs(5);

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is wrong. Change what it names.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address can't be listened on. Take another, or end who has it.
    #[error("can't listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    /// The world's data can't be opened; nothing was changed.
    #[error("can't open the data in {0}: {1}")]
    Open(String, OpenError),
    /// The system gave no thread.
    #[error("can't start: {0}")]
    Thread(#[from] io::Error),
}

/// Why a server ended otherwise than by a graceful stop.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// The server's own thread panicked; the log has its words.
    #[error("the server's thread panicked")]
    Panicked,
    /// The HTTP server failed.
    #[error("the HTTP server failed: {0}")]
    Http(#[from] io::Error),
    /// The graceful stop was not done within its limit. What was acknowledged is on disk; what was
    /// not is not all done, and clients may ask for it again after the next start.
    #[error("the stop took longer than server.shutdown_limit_seconds = {0}: {1}")]
    Unfinished(u64, String),
}

/// A server that runs. Dropping it stops it, too.
pub struct Running {
    address: SocketAddr,
    reload: Reload,
    stop: Option<oneshot::Sender<()>>,
    ended: Option<oneshot::Receiver<()>>,
    thread: Option<JoinHandle<Result<(), StopError>>>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Opens the world's data and serves it. Returns when clients can connect.
///
/// # Errors
/// When the configuration is wrong, the address is taken, or the data can't be opened.
pub fn start<W: World>(
    world: W,
    config: &Config,
    page: &'static [Asset],
) -> Result<Running, StartError> {
    config.check()?;
    let admin = Admin::new(&config.admin)?.map(Arc::new);
    let logins = Arc::new(Logins::new(config, W::NAME)?);
    let tls = Tls::new(&config.tls)?;
    let reload = Reload {
        logins: Arc::clone(&logins),
        admin: admin.clone(),
        tls: tls.clone(),
    };
    metrics::exporter();
    metrics::build_info(W::NAME);
    // The port first: it is taken or not at once, while recovery may be long.
    let address = config.address()?;
    let listener = tcp::listen(address).map_err(|error| StartError::Listen(address, error))?;
    let address = listener
        .local_addr()
        .map_err(|error| StartError::Listen(address, error))?;
    let post = Post::new();
    let (open, released) = sync_channel(0);
    let sink = Arc::new(Sink {
        post: Arc::clone(&post),
        _open: open,
    });
    let data = &config.server.data;
    let engine = Engine::open(
        Path::new(data),
        &world,
        config.engine_options(wall_ms()),
        sink,
    )
    .map_err(|error| StartError::Open(data.clone(), error))?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        world = W::NAME,
        %address,
        data,
        epoch = engine.durable_epoch(),
        "recovered"
    );
    let (stop, stopped) = oneshot::channel();
    let (at_end, ended) = oneshot::channel();
    let (ready, started) = sync_channel(1);
    let parts = Parts {
        world: Arc::new(world),
        config: config.clone(),
        page,
        listener,
        post,
        logins,
        admin,
        tls,
    };
    let thread = Builder::new().name("server".to_owned()).spawn(move || {
        let result = serve(engine, &released, parts, &ready, stopped);
        // Nobody waits for the end any more: then nobody has to be told.
        at_end.send(()).unwrap_or_default();
        result
    })?;
    let running = Running {
        address,
        reload,
        stop: Some(stop),
        ended: Some(ended),
        thread: Some(thread),
    };
    match started.recv() {
        Ok(Ok(())) => Ok(running),
        Ok(Err(error)) => Err(StartError::Thread(error)),
        Err(_) => Err(StartError::Thread(io::Error::other(
            "the server's thread panicked",
        ))),
    }
}

impl Running {
    /// Where it listens; with the port it got, if it was told to take any.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Reads again what came from files: keys of tokens, the certificate, and the
    /// operator's token. Nobody's session
    /// or connection ends by it. `false` when something could not be read: that stays as it was,
    /// and the log says what.
    pub fn reload(&self) -> bool {
        self.reload.run()
    }

    /// Begins a graceful stop and returns at once; [`Self::stop`] waits for it.
    pub fn begin_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // When nobody listens, the server has ended already.
            stop.send(()).unwrap_or_default();
        }
    }

    /// Waits until the server has ended, for whatever reason.
    pub async fn ended(&mut self) {
        if let Some(ended) = &mut self.ended {
            // An error: the thread is gone without a word, so it has ended as well.
            ended.await.unwrap_or_default();
            self.ended = None;
        }
    }

    /// Stops gracefully: no new logins, clients are told, everything is flushed.
    ///
    /// # Errors
    /// When the server had failed before, or not all was done within
    /// `server.shutdown_limit_seconds`.
    pub fn stop(mut self) -> Result<(), StopError> {
        self.begin_stop();
        self.join()
    }

    fn join(&mut self) -> Result<(), StopError> {
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(StopError::Panicked),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.begin_stop();
        if let Err(error) = self.join() {
            tracing::error!(%error, "the server had failed");
        }
    }
}

/// What a server is made of, besides the engine.
struct Parts<W: World> {
    world: Arc<W>,
    config: Config,
    page: &'static [Asset],
    listener: TcpListener,
    post: Arc<Post>,
    logins: Arc<Logins>,
    admin: Option<Arc<Admin>>,
    tls: Option<Arc<Tls>>,
}

/// Where the engine's effects go. The engine alone holds it, until it is dropped.
struct Sink {
    post: Arc<Post>,
    _open: SyncSender<()>,
}

impl EffectSink for Sink {
    fn deliver(&self, effects: Vec<Effect>) {
        self.post.deliver(effects);
    }
}

/// Runs the server on this thread until it is stopped, then closes the engine.
///
/// `released` is disconnected when nobody has the engine any more.
fn serve<W: World>(
    engine: Engine,
    released: &Receiver<()>,
    parts: Parts<W>,
    ready: &SyncSender<io::Result<()>>,
    stopped: oneshot::Receiver<()>,
) -> Result<(), StopError> {
    let system = System::new();
    let result = system.block_on(run(&engine, parts, ready, stopped));
    System::current().stop();
    let ended = system.run();
    close(&engine, &result);
    tracing::info!(epoch = engine.durable_epoch(), "stopped");
    drop(engine);
    // Threads that were told to end may hold the engine, and so the folder, a moment longer.
    if released.recv_timeout(RELEASE_LIMIT) != Err(RecvTimeoutError::Disconnected) {
        tracing::warn!("the data folder is not free yet: somebody still has the engine");
    }
    result.and(ended.map_err(StopError::Http))
}

/// Closes the engine. When regions are still at work it can't be waited for without a limit.
fn close(engine: &Engine, stopped: &Result<(), StopError>) {
    if !matches!(stopped, Err(StopError::Unfinished(..))) {
        return engine.close();
    }
    let (closed, wait) = sync_channel(1);
    let engine = engine.clone();
    let thread = Builder::new().name("closing".to_owned()).spawn(move || {
        engine.close();
        // Nobody waits any more: then nobody has to be told.
        closed.send(()).unwrap_or_default();
    });
    if thread.is_err() || wait.recv_timeout(RELEASE_LIMIT).is_err() {
        tracing::error!(
            "regions are still at work: the last second of what ticks changed may be lost"
        );
    }
}

async fn run<W: World>(
    engine: &Engine,
    parts: Parts<W>,
    ready: &SyncSender<io::Result<()>>,
    stopped: oneshot::Receiver<()>,
) -> Result<(), StopError> {
    let config = parts.config;
    let started = Runtime::start(
        engine.clone(),
        parts.world,
        parts.post,
        config.actor_settings(),
    )
    .and_then(|runtime| {
        let doors = Doors::new(config.gateway.clone());
        let host = Host {
            runtime,
            doors,
            config: config.clone(),
            map: *engine.map(),
            logins: parts.logins,
            admin: parts.admin,
            console: Arc::new(Last::default()),
            stop: Arc::default(),
        };
        let server = http_server(host.clone(), parts.listener, parts.page, parts.tls)?;
        Ok((host, server))
    });
    let (host, server) = match started {
        Ok(started) => started,
        Err(error) => {
            // The starter is told; it is who returns the error.
            ready.send(Err(error)).unwrap_or_default();
            return Ok(());
        }
    };
    host.runtime.started().await;
    let handle = server.handle();
    let server = actix_web::rt::spawn(server);
    let upkeep = actix_web::rt::spawn(keep_metrics_up());
    ready.send(Ok(())).unwrap_or_default();
    let failed = tokio::select! {
        _ = stopped => None,
        () = host.stop.notified() => None,
        ended = server => Some(ended),
    };
    upkeep.abort();
    if let Some(ended) = failed {
        ended.map_err(io::Error::other)??;
        return Err(io::Error::other("the HTTP server ended by itself").into());
    }
    drain(&host, &handle).await
}

/// The graceful stop: bounded by `server.shutdown_limit_seconds`, then by what HTTP may take.
///
/// # Errors
/// When not all was done within the limit.
async fn drain<W: World>(host: &Host<W>, handle: &ServerHandle) -> Result<(), StopError> {
    let limit = host.config.shutdown_limit();
    let deadline = Instant::now() + limit;
    tracing::info!(
        sockets = host.doors.sockets(),
        limit_seconds = limit.as_secs(),
        "draining"
    );
    host.doors.close();
    let done = host.runtime.drain(limit).await;
    if timeout_at(deadline, host.doors.emptied()).await.is_err() {
        tracing::warn!(sockets = host.doors.sockets(), "sockets are cut off");
    }
    handle.stop(true).await;
    done.map_err(|undone| StopError::Unfinished(limit.as_secs(), undone.to_string()))
}

fn http_server<W: World>(
    host: Host<W>,
    listener: TcpListener,
    page: &'static [Asset],
    tls: Option<Arc<Tls>>,
) -> io::Result<actix_web::dev::Server> {
    let gateway = &host.config.gateway;
    let (threads, most) = (
        host.config.socket_threads(),
        gateway.max_sockets + HTTP_CONNECTIONS,
    );
    let head_limit = Duration::from_secs(gateway.handshake_seconds);
    let sockets = tcp::Tuning::new(gateway);
    let server = HttpServer::new(move || {
        let host = host.clone();
        App::new().configure(move |service| http::routes(service, &host, page))
    })
    .workers(threads)
    .max_connections(most)
    .client_request_timeout(head_limit)
    .tls_handshake_timeout(head_limit)
    .client_disconnect_timeout(GOODBYE_LIMIT)
    .h1_write_buffer_size(WRITE_AHEAD_BYTES)
    .shutdown_timeout(REQUESTS_LIMIT_SECONDS)
    .disable_signals()
    .on_connect(move |socket, _| sockets.apply(socket));
    let server = match tls.map(Tls::server_config).transpose() {
        Ok(None) => server.listen(listener)?,
        Ok(Some(config)) => server.listen_rustls_0_23(listener, config)?,
        Err(error) => return Err(io::Error::other(error)),
    };
    Ok(server.run())
}

/// The wall time, in milliseconds since the Unix epoch.
#[expect(
    clippy::disallowed_methods,
    reason = "the wall time that the world's clock begins with"
)]
pub(crate) fn wall_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

async fn keep_metrics_up() {
    let mut interval = tokio::time::interval(UPKEEP_INTERVAL);
    loop {
        interval.tick().await;
        metrics::exporter().run_upkeep();
    }
}
