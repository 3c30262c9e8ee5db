//! Lives here: the gateway: `GET /v1/ws`, where a request becomes a WebSocket.
//! Not here: what is done with messages; that is the session's (`actors`).
//!
//! The parts: `doors` (who may open a socket), `frame` (bytes to messages), `reader` and `writer`
//! (one socket's two directions), `socket` (what they share), `bucket` (rates), `counters`.
//!
//! Invariant: nothing that a client sends can end in a panic, in memory without bound, or in
//! another client's waiting.

mod counters;
mod doors;
mod frame;
mod origin;
mod reader;
mod socket;
mod writer;

use std::rc::Rc;
use std::sync::Arc;

use actix_http::ws::handshake;
use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::SEC_WEBSOCKET_PROTOCOL;
use actix_web::{HttpRequest, HttpResponse, web};
use actors::{Refusal, Runtime};
use protocol::{Codec, ErrorCode};
use tokio::time::Instant;
use world_data::World;

use counters::Counters;
pub(crate) use doors::{Doors, network};
pub use frame::{Decoded, websocket_events};
use socket::Socket;
use writer::Writer;

use crate::config;
use crate::http::Host;
use crate::login::Logins;

/// What every socket thread needs to open sockets.
pub(crate) struct Gateway<W: World> {
    runtime: Runtime<W>,
    limits: config::Gateway,
    doors: Arc<Doors>,
    logins: Arc<Logins>,
    counters: Arc<Counters>,
}

impl<W: World> Gateway<W> {
    /// A gateway to the sessions of a host.
    pub(crate) fn new(host: &Host<W>) -> Self {
        Self {
            runtime: host.runtime.clone(),
            limits: host.config.gateway.clone(),
            doors: Arc::clone(&host.doors),
            logins: Arc::clone(&host.logins),
            counters: Arc::new(Counters::new()),
        }
    }
}

/// Opens a WebSocket, or says in HTTP why not.
pub(crate) async fn connect<W: World>(
    request: HttpRequest,
    payload: web::Payload,
    gateway: web::Data<Gateway<W>>,
) -> HttpResponse {
    match open(&request, payload, gateway) {
        Ok(response) => response,
        Err(refusal) => refuse(&refusal),
    }
}

fn open<W: World>(
    request: &HttpRequest,
    payload: web::Payload,
    gateway: web::Data<Gateway<W>>,
) -> Result<HttpResponse, Refusal> {
    origin::check(request, &gateway.limits.origins)?;
    let asked = subprotocols(request);
    let codec = Codec::negotiate(asked.as_deref())
        .map_err(|error| Refusal::new(ErrorCode::Unsupported, error.to_string()))?;
    let mut response = handshake(request.head())
        .map_err(|error| Refusal::new(ErrorCode::BadMessage, error.to_string()))?;
    let peer = request
        .peer_addr()
        .ok_or_else(|| Refusal::new(ErrorCode::Internal, "the socket has no address"))?
        .ip();
    let permit = gateway.doors.enter(peer, Instant::now())?;
    if asked.is_some() {
        response.insert_header((SEC_WEBSOCKET_PROTOCOL, codec.subprotocol()));
    }
    let socket = Rc::new(Socket::new(codec, Arc::clone(&gateway.counters), permit));
    let response = response
        .message_body(BoxBody::new(Writer::new(Rc::clone(&socket))))
        .map_err(|error| Refusal::new(ErrorCode::Internal, error.to_string()))?;
    let hub = gateway.runtime.hub();
    let reader = reader::read(socket, hub, payload.into_inner(), peer, gateway);
    // Detached: the reader ends by itself, when the socket does.
    drop(actix_web::rt::spawn(reader));
    Ok(response.into())
}

/// What the client asks for, over all headers of that name; `None` when it asks for nothing.
fn subprotocols(request: &HttpRequest) -> Option<String> {
    let mut all: Option<String> = None;
    for header in request.headers().get_all(SEC_WEBSOCKET_PROTOCOL) {
        let names = String::from_utf8_lossy(header.as_bytes());
        match &mut all {
            Some(all) => {
                all.push(',');
                all.push_str(&names);
            }
            None => all = Some(names.into_owned()),
        }
    }
    all
}

/// A refusal before there is a WebSocket: the error of the protocol as the body of an HTTP answer.
fn refuse(refusal: &Refusal) -> HttpResponse {
    counters::ended_without_session(refusal.cause);
    let status = match refusal.code {
        ErrorCode::TooFast => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::Overloaded | ErrorCode::Draining => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::BadLogin => StatusCode::FORBIDDEN,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    };
    HttpResponse::build(status).json(("error", refusal.code, &refusal.message))
}
