//! Lives here: the reader of a WebSocket: bytes to messages, the hello, the rates, signs of life.
//! Not here: framing (`frame`), the session's own rules (`actors`).
//!
//! Invariant: while the session can't take more, the socket is not read; a client that breaks a
//! rule gets one error that names it, and is closed.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::web::Data;
use actors::{Cause, Hub, Incoming, Link, Refusal};
use bytes::Bytes;
use futures_util::StreamExt;
use protocol::{ClientMessage, ErrorCode};
use tokio::time::{Instant, timeout_at};
use world_data::World;

use super::Gateway;
use super::frame::{Decoder, Event, FrameError};
use super::socket::{End, Socket};
use crate::login::refused_behind;
use actors::bucket::{Bucket, Rate};

/// Reads a socket to its end.
pub(super) async fn read<W: World>(
    socket: Rc<Socket<W>>,
    hub: Hub<W>,
    payload: Payload,
    peer: IpAddr,
    gateway: Data<Gateway<W>>,
) {
    let guard = Guard(Rc::clone(&socket));
    let mut reader = Reader::new(socket, payload, gateway);
    // Boxed: what a login needs is not kept for the life of the socket.
    let end = match Box::pin(reader.log_in(hub, peer)).await {
        Ok(link) => reader.session(link).await,
        Err(end) => end,
    };
    guard.0.end(end);
    // What is left of the socket is held, not read: once the payload is dropped, the dispatcher
    // reads and throws away all that a client cares to send, for as long as it takes no answer.
    guard.0.written().await;
}

/// Ends the socket when its reader panics: it would hang otherwise.
struct Guard<W: World>(Rc<Socket<W>>);

impl<W: World> Drop for Guard<W> {
    fn drop(&mut self) {
        if !self.0.is_over() {
            self.0
                .end(Refusal::new(ErrorCode::Internal, "the server failed").into());
        }
    }
}

struct Reader<W: World> {
    socket: Rc<Socket<W>>,
    payload: Payload,
    decoder: Decoder,
    gateway: Data<Gateway<W>>,
    bucket: Bucket,
    /// When the socket was last read: near enough for rates, and asked for once per read.
    now: Instant,
}

impl<W: World> Reader<W> {
    fn new(socket: Rc<Socket<W>>, payload: Payload, gateway: Data<Gateway<W>>) -> Self {
        let now = Instant::now();
        Self {
            socket,
            payload,
            decoder: Decoder::new(gateway.limits.max_message_bytes),
            bucket: Bucket::new(now),
            gateway,
            now,
        }
    }

    /// Waits for the hello and logs the client in.
    async fn log_in(&mut self, hub: Hub<W>, peer: IpAddr) -> Result<Link<W>, End> {
        let seconds = self.gateway.limits.handshake_seconds;
        let deadline = Instant::now() + Duration::from_secs(seconds);
        let hello = match timeout_at(deadline, self.message()).await {
            Ok(Ok(ClientMessage::Hello(hello))) => hello,
            Ok(Ok(other)) => {
                let words = format!("the first message must be hello, not {}", other.kind());
                return Err(Refusal::new(ErrorCode::BadMessage, words).into());
            }
            Ok(Err(end)) => return Err(end),
            Err(_) => {
                let message = format!("no hello within {seconds} s (gateway.handshake_seconds)");
                let code = ErrorCode::TooSlow;
                return Err(Refusal {
                    code,
                    message,
                    cause: Cause::Handshake,
                }
                .into());
            }
        };
        let codec = self.socket.codec;
        let entry = self.gateway.logins.admit(hello, (peer, self.now), codec)?;
        let link = hub.enter(entry).await.inspect_err(refused_behind)?;
        self.socket.logged_in(link.clone());
        Ok(link)
    }

    /// Hands messages to the session until one side ends.
    async fn session(&mut self, link: Link<W>) -> End {
        let socket = Rc::clone(&self.socket);
        loop {
            let message = match self.message_or_sign_of_life().await {
                Ok(ClientMessage::Hello(_)) => {
                    let words = "hello may be said once, as the first message";
                    return Refusal::new(ErrorCode::BadMessage, words).into();
                }
                Ok(message) => message,
                Err(end) => return end,
            };
            // Taking a message may wait long, and the socket may go meanwhile.
            let taken = tokio::select! {
                biased;
                taken = link.receive(message) => taken,
                () = socket.gone() => return End::silent(Cause::Closed),
            };
            if let Err(refusal) = taken {
                return refusal.into();
            }
        }
    }

    /// The next message. A client that is silent is asked for a sign of life, and given up when
    /// it gives none.
    async fn message_or_sign_of_life(&mut self) -> Result<Incoming<W>, End> {
        let mut asked = false;
        loop {
            if let Some(message) = self.decoded()? {
                return Ok(message);
            }
            let limits = &self.gateway.limits;
            let seconds = if asked {
                limits.ping_timeout_seconds
            } else {
                limits.ping_interval_seconds
            };
            match timeout_at(Instant::now() + Duration::from_secs(seconds), self.fill()).await {
                Ok(filled) => {
                    filled?;
                    asked = false;
                }
                Err(_) if asked => {
                    let words = format!(
                        "no answer to a ping within {seconds} s (gateway.ping_timeout_seconds)"
                    );
                    return Err(Refusal::new(ErrorCode::TooSlow, words).into());
                }
                Err(_) => {
                    asked = true;
                    self.socket.ask_for_life();
                }
            }
        }
    }

    /// The next message, however long it takes.
    async fn message(&mut self) -> Result<Incoming<W>, End> {
        loop {
            if let Some(message) = self.decoded()? {
                return Ok(message);
            }
            self.fill().await?;
        }
    }

    /// Reads what the socket has.
    async fn fill(&mut self) -> Result<(), End> {
        let chunk = tokio::select! {
            biased;
            chunk = self.payload.next() => chunk,
            () = self.socket.gone() => None,
        };
        match chunk {
            Some(Ok(bytes)) => {
                self.now = Instant::now();
                self.decoder.push(&bytes);
                Ok(())
            }
            Some(Err(_)) | None => Err(End::silent(Cause::Closed)),
        }
    }

    /// The next message among the bytes that are here. Takes care of all else that they hold.
    fn decoded(&mut self) -> Result<Option<Incoming<W>>, End> {
        loop {
            let Some(event) = self.decoder.next().map_err(|error| refused(&error))? else {
                return Ok(None);
            };
            self.count()?;
            match event {
                Event::Text(bytes) => return self.decode(true, &bytes).map(Some),
                Event::Binary(bytes) => return self.decode(false, &bytes).map(Some),
                Event::Ping(bytes) => self.socket.answer_ping(bytes),
                Event::Fragment | Event::Pong => {}
                Event::Close => return Err(End::silent(Cause::Closed)),
            }
        }
    }

    fn decode(&self, text: bool, bytes: &Bytes) -> Result<Incoming<W>, End> {
        let codec = self.socket.codec;
        if text != codec.is_text() {
            let kind = if codec.is_text() { "text" } else { "binary" };
            let words = format!("this socket speaks {codec}: messages are {kind}");
            return Err(Refusal::new(ErrorCode::BadMessage, words).into());
        }
        let message: Incoming<W> = ClientMessage::decode(codec, bytes)
            .map_err(|error| Refusal::new(ErrorCode::BadMessage, error.to_string()))?;
        self.socket.counters.received::<W>(&message, bytes.len());
        Ok(message)
    }

    /// Counts everything that comes against the socket's rate, control frames too.
    fn count(&mut self) -> Result<(), End> {
        let rate = Rate {
            per_second: self.gateway.limits.messages_per_second,
            burst: self.gateway.limits.message_burst,
        };
        if self.bucket.take(rate, self.now) {
            return Ok(());
        }
        let words = format!(
            "a socket may send {} messages per second (gateway.messages_per_second)",
            rate.per_second
        );
        Err(Refusal::new(ErrorCode::TooFast, words).into())
    }
}

fn refused(error: &FrameError) -> Refusal {
    let words = error.to_string();
    match error {
        FrameError::TooLarge { .. } => Refusal::new(
            ErrorCode::TooLarge,
            format!("{words} (gateway.max_message_bytes)"),
        ),
        FrameError::Broken(_) => Refusal::new(ErrorCode::BadMessage, words),
    }
}
