//! Lives here: the writer of a WebSocket: the response's body, from which the HTTP dispatcher pulls
//! bytes whenever the socket has taken all it was given.
//! Not here: reading (`reader`), and what is worth sending (`Link::next`).
//!
//! Why pulled: a frame is composed when the socket can take it, so nothing grows old in a queue, an
//! idle socket needs neither task nor channel, and what waits goes out in one write.
//!
//! Invariant: no more than [`BATCH_BYTES`] and one message wait here.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actors::{Cause, Link, Outgoing, Refusal};
use bytes::{Bytes, BytesMut};
use protocol::{Codec, ErrorCode, MAX_CHANNEL_HEAD, ServerMessage, write_channel_head};
use world_data::{Payload, World};

use super::frame::{self, Opcode};
use super::socket::{End, Socket};

/// Bytes that are collected from waiting messages for one write.
const BATCH_BYTES: usize = 16 * 1024;

/// Close codes of RFC 6455, 7.4.1, and of the IANA registry.
const NORMAL: u16 = 1000;
const GOING_AWAY: u16 = 1001;
const POLICY: u16 = 1008;
const TOO_BIG: u16 = 1009;
const INTERNAL: u16 = 1011;
const TRY_AGAIN_LATER: u16 = 1013;

/// The body of a WebSocket's response.
pub(super) struct Writer<W: World> {
    socket: Rc<Socket<W>>,
    /// Moves messages from the session into `Socket::out`, once there is a session.
    pump: Option<Pin<Box<dyn Future<Output = End>>>>,
    /// The close frame is written: only `Socket::out` has to go.
    closing: bool,
}

impl<W: World> Writer<W> {
    pub(super) fn new(socket: Rc<Socket<W>>) -> Self {
        Self {
            socket,
            pump: None,
            closing: false,
        }
    }

    /// Writes everything that is to be said now into `Socket::out`.
    fn fill(&mut self, cx: &mut Context<'_>) {
        let signals = self.socket.signals(cx.waker());
        if let Some(bytes) = signals.pong {
            frame::write(&mut self.socket.out.borrow_mut(), Opcode::Pong, &bytes);
        }
        if signals.ping {
            frame::write(&mut self.socket.out.borrow_mut(), Opcode::Ping, &[]);
        }
        if let Some(end) = signals.end {
            self.close(end);
            return;
        }
        if self.pump.is_none()
            && let Some(link) = self.socket.link()
        {
            self.pump = Some(Box::pin(pump(link.clone(), Rc::clone(&self.socket))));
        }
        if let Some(pump) = &mut self.pump
            && let Poll::Ready(end) = pump.as_mut().poll(cx)
        {
            self.socket.finish(end.cause);
            self.close(end);
        }
    }

    fn close(&mut self, end: End) {
        // The pump holds the link; it is not asked again.
        self.pump = None;
        self.closing = true;
        let out = &mut *self.socket.out.borrow_mut();
        let Some(refusal) = end.refusal else {
            frame::write_close(out, NORMAL, "");
            return;
        };
        let (code, reason) = (close_code(refusal.code), refusal.code.as_str());
        let error = ServerMessage::<()>::Error {
            code: refusal.code,
            message: refusal.message,
        };
        match error.encode(self.socket.codec) {
            Ok(bytes) => {
                self.socket.counters.sent(&error, bytes.len());
                frame::write(out, opcode(self.socket.codec), &bytes);
            }
            Err(error) => tracing::error!(%error, "an error message can't be encoded"),
        }
        frame::write_close(out, code, reason);
    }
}

/// Moves the session's messages into `Socket::out`, whenever there is room, until the session ends.
async fn pump<W: World>(link: Link<W>, socket: Rc<Socket<W>>) -> End {
    loop {
        // Nobody has to wake us: the body is polled when the socket has taken what is there.
        poll_fn(|_| {
            if socket.out.borrow().len() < BATCH_BYTES {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
        match link.next().await {
            Outgoing::Frame(bytes) => {
                socket.counters.sent_frame(bytes.len());
                frame::write(&mut socket.out.borrow_mut(), opcode(socket.codec), &bytes);
            }
            Outgoing::Channel(n, part) => write_channel(&socket, n, &part),
            Outgoing::Message(message) => {
                if let Err(refusal) = write(&socket, &message) {
                    return refusal.into();
                }
            }
            Outgoing::Close(Some(refusal)) => return refusal.into(),
            Outgoing::Close(None) => return End::silent(Cause::Bye),
        }
    }
}

fn write<W: World>(socket: &Socket<W>, message: &ServerMessage<Payload>) -> Result<(), Refusal> {
    let bytes = message.encode(socket.codec).map_err(|error| {
        // A mistake in the world's types; the client can only be told that it is ours.
        tracing::error!(kind = message.kind(), codec = %socket.codec, %error, "not sent");
        Refusal::new(
            ErrorCode::Internal,
            format!("a {} can't be encoded", message.kind()),
        )
    })?;
    socket.counters.sent(message, bytes.len());
    frame::write(&mut socket.out.borrow_mut(), opcode(socket.codec), &bytes);
    Ok(())
}

/// Writes a message on a channel: a head of its own before what all who hear it are sent.
fn write_channel<W: World>(socket: &Socket<W>, n: u64, part: &[u8]) {
    let mut head = Vec::with_capacity(MAX_CHANNEL_HEAD);
    write_channel_head(socket.codec, n, &mut head);
    socket.counters.sent_channel(head.len() + part.len());
    let out = &mut *socket.out.borrow_mut();
    frame::write_parts(out, opcode(socket.codec), &head, part);
}

fn opcode(codec: Codec) -> Opcode {
    if codec.is_text() {
        Opcode::Text
    } else {
        Opcode::Binary
    }
}

fn close_code(code: ErrorCode) -> u16 {
    match code {
        ErrorCode::TooLarge => TOO_BIG,
        ErrorCode::Draining => GOING_AWAY,
        ErrorCode::Overloaded | ErrorCode::TooFast | ErrorCode::TooSlow => TRY_AGAIN_LATER,
        ErrorCode::Internal | ErrorCode::Failed | ErrorCode::Timeout => INTERNAL,
        ErrorCode::BadMessage
        | ErrorCode::BadLogin
        | ErrorCode::TakenOver
        | ErrorCode::Unsupported
        | ErrorCode::Refused => POLICY,
    }
}

impl<W: World> MessageBody for Writer<W> {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        let writer = self.get_mut();
        if !writer.closing {
            writer.fill(cx);
        }
        // The buffer is given away whole, so that an idle socket holds none.
        let bytes: BytesMut = writer.socket.out.take();
        if !bytes.is_empty() {
            return Poll::Ready(Some(Ok(bytes.freeze())));
        }
        if writer.closing {
            Poll::Ready(None)
        } else {
            Poll::Pending
        }
    }
}

impl<W: World> Drop for Writer<W> {
    fn drop(&mut self) {
        // The connection is gone, whatever the reason; if nobody knew, it was the other side.
        self.socket.finish(Cause::Closed);
        self.socket.writer_ended();
    }
}
