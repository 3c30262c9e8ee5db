//! Lives here: `/admin`: the operator's orders over HTTP: who may give them, what they say, how they
//! are answered and logged.
//! Not here: carrying them out (`actors`), the page that gives them (`console`).
//!
//! Invariant: nothing of a request but its address and its token is looked at before the token was
//! found right; and every order is in the log with who gave it and what came of it.

mod chores;
mod failures;
mod host;
mod refusal;
mod refusals;
mod token;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL};
use actix_web::web::{self, Bytes, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use actors::{ChangeStatus, Order, Runtime};
use arc_swap::ArcSwap;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use world_data::{RegionId, World};

use crate::config::{self, ConfigError};
use crate::http::Host;
use failures::Failures;
pub(crate) use host::Backup;
use refusal::Refusal;
pub(crate) use token::Token;

/// An order is a few numbers.
const BODY_LIMIT: usize = 1_024;
/// What the log's lines about orders are found by.
const AUDIT: &str = "audit";

/// What `/admin` needs to know who may give orders. None of it when it is off.
pub(crate) struct Admin {
    file: String,
    token: ArcSwap<Token>,
    failures: Mutex<Failures>,
}

impl Admin {
    /// Reads the operator's token, if the configuration names a file with one.
    ///
    /// # Errors
    /// When the file can't be read, others may read it, or what it holds is no token.
    pub(crate) fn new(config: &config::Admin) -> Result<Option<Self>, ConfigError> {
        let file = config.token_file.clone();
        let token = Token::read(&file)?;
        Ok(token.map(|token| Self {
            file,
            token: ArcSwap::from_pointee(token),
            failures: Mutex::default(),
        }))
    }

    /// Reads the token again.
    ///
    /// # Errors
    /// As at the start; the token stays as it was.
    pub(crate) fn reload(&self) -> Result<(), ConfigError> {
        if let Some(token) = Token::read(&self.file)? {
            self.token.store(Arc::new(token));
            tracing::info!(target: AUDIT, file = self.file, "the operator's token is read");
        }
        Ok(())
    }

    /// Lets a request from `peer` in, if it has the token.
    fn enter(&self, peer: IpAddr, request: &HttpRequest) -> Result<(), Refusal> {
        let now = Instant::now();
        // Bucket by bucket its numbers stay true over a panic.
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if !failures.may_try(peer, now) {
            return Err(Refusal::too_fast());
        }
        let given = request.headers().get(AUTHORIZATION);
        if given.is_some_and(|given| self.token.load().is_in(given.as_bytes())) {
            return Ok(());
        }
        failures.count(peer, now);
        tracing::warn!(target: AUDIT, %peer, path = request.path(), "an order without the token");
        Err(Refusal::unauthorized())
    }
}

/// Adds the routes of `/admin`.
pub(crate) fn routes<W: World>(service: &mut ServiceConfig) {
    service
        .route("/admin/move", web::post().to(order::<W, Move>))
        .route("/admin/split", web::post().to(order::<W, Split>))
        .route("/admin/merge", web::post().to(order::<W, Merge>))
        .route("/admin/pin", web::post().to(order::<W, Pin>))
        .configure(chores::routes::<W>)
        .configure(refusals::routes::<W>)
        .configure(host::routes::<W>)
        .route("/admin/{other:.*}", web::route().to(unknown::<W>));
}

/// What may be asked for: a request's body.
trait Ask: DeserializeOwned + std::fmt::Debug + 'static {
    /// What it asks for.
    fn act(self) -> Act;
}

/// What is done then.
#[derive(Debug, Clone, Copy)]
enum Act {
    Order(Order),
    Pin { region: RegionId, pinned: bool },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    region: RegionId,
    worker: usize,
}

impl Ask for Move {
    fn act(self) -> Act {
        let Self { region, worker } = self;
        Act::Order(Order::Move { region, worker })
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Split {
    region: RegionId,
}

impl Ask for Split {
    fn act(self) -> Act {
        let Self { region } = self;
        Act::Order(Order::Split { region })
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Merge {
    region: RegionId,
}

impl Ask for Merge {
    fn act(self) -> Act {
        let Self { region } = self;
        Act::Order(Order::Merge { region })
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pin {
    region: RegionId,
    pinned: bool,
}

impl Ask for Pin {
    fn act(self) -> Act {
        let Self { region, pinned } = self;
        Act::Pin { region, pinned }
    }
}

async fn order<W: World, A: Ask>(
    request: HttpRequest,
    payload: Payload,
    host: Data<Host<W>>,
) -> HttpResponse {
    let done = async {
        let peer = enter(&request, &host)?;
        let act = read::<A>(payload).await?.act();
        // On its own: a client that goes away neither stops an order halfway nor hides its outcome.
        let carried = carry_out(host.runtime.clone(), peer, act);
        actix_web::rt::spawn(carried)
            .await
            .map_err(|_| Refusal::internal())?
    };
    match done.await {
        Ok(None) => tell(Ok(Nothing {})),
        done => tell(done),
    }
}

/// Everything else below `/admin`.
async fn unknown<W: World>(request: HttpRequest, host: Data<Host<W>>) -> HttpResponse {
    match enter(&request, &host) {
        Ok(_) => Refusal::unknown_route().answer(),
        Err(refusal) => refusal.answer(),
    }
}

/// Who asks, if they may.
fn enter<W: World>(request: &HttpRequest, host: &Host<W>) -> Result<IpAddr, Refusal> {
    let admin = host.admin.as_ref().ok_or_else(Refusal::off)?;
    let peer = request.peer_addr().ok_or_else(Refusal::internal)?.ip();
    admin.enter(peer, request)?;
    if host.doors.are_closed() {
        return Err(Refusal::draining());
    }
    Ok(peer)
}

async fn read<A: DeserializeOwned>(payload: Payload) -> Result<A, Refusal> {
    let body: Bytes = payload
        .to_bytes_limited(BODY_LIMIT)
        .await
        .map_err(|_| Refusal::too_large(BODY_LIMIT))?
        .map_err(|error| Refusal::bad_request(&error))?;
    // Serde would take a list of the fields' values, too.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(Refusal::bad_request(&"an order is a JSON object"));
    }
    serde_json::from_slice(&body).map_err(|error| Refusal::bad_request(&error))
}

/// Carries an order out and logs it, whatever comes of it.
async fn carry_out<W: World>(
    runtime: Runtime<W>,
    peer: IpAddr,
    act: Act,
) -> Result<Option<ChangeStatus>, Refusal> {
    tracing::info!(target: AUDIT, %peer, ?act, "ordered");
    let done = match act {
        Act::Order(order) => runtime.order(order).await.map(Some),
        Act::Pin { region, pinned } => runtime.pin(region, pinned).map(|()| None),
    };
    match &done {
        Ok(Some(change)) => tracing::info!(
            target: AUDIT, %peer, ?act, number = change.number, state = ?change.state, "answered"
        ),
        Ok(None) => tracing::info!(target: AUDIT, %peer, ?act, "done"),
        Err(error) => tracing::info!(target: AUDIT, %peer, ?act, %error, "refused"),
    }
    Ok(done?)
}

/// The answer where there is nothing to tell.
#[derive(serde::Serialize)]
struct Nothing {}

/// What an order came to, as an answer.
fn tell<T: serde::Serialize>(done: Result<T, Refusal>) -> HttpResponse {
    match done {
        Ok(told) => answer().json(told),
        Err(refusal) => refusal.answer(),
    }
}

fn answer() -> actix_web::HttpResponseBuilder {
    let mut answer = HttpResponse::Ok();
    answer.insert_header((CACHE_CONTROL, "no-store"));
    answer
}
