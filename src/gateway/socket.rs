//! Lives here: `Socket`: what the reader and the writer of one WebSocket share.
//! Not here: what either does with it.
//!
//! Invariant: a socket ends once; the session is told so exactly once, whichever side saw it first.

use std::cell::{Cell, OnceCell, RefCell};
use std::sync::Arc;
use std::task::Waker;

use actors::{Cause, Link, Refusal};
use bytes::{Bytes, BytesMut};
use protocol::Codec;
use tokio::sync::Notify;
use world_data::World;

use super::counters::{Counters, ended_without_session};
use super::doors::Permit;

/// One WebSocket; lives on its thread.
pub(super) struct Socket<W: World> {
    pub(super) codec: Codec,
    pub(super) counters: Arc<Counters>,
    /// Bytes that the socket has not taken yet, whole WebSocket frames.
    pub(super) out: RefCell<BytesMut>,
    /// The session, once the client has logged in.
    link: OnceCell<Link<W>>,
    /// The newest ping to answer: one answer is enough for several (RFC 6455, 5.5.3).
    pong: Cell<Option<Bytes>>,
    ping: Cell<bool>,
    /// How it ends, from the reader to the writer.
    end: Cell<Option<End>>,
    /// The writer, when it waits for one of the above.
    writer: Cell<Option<Waker>>,
    /// Tells the reader that there is nothing more to read for.
    gone: Notify,
    over: Cell<bool>,
    /// Tells the reader that the last words are written, or never will be.
    written: Notify,
    all_written: Cell<bool>,
    _permit: Permit,
}

/// How a socket ends.
#[derive(Debug)]
pub(super) struct End {
    /// What the client is told before the close frame.
    pub(super) refusal: Option<Refusal>,
    /// What it is counted as.
    pub(super) cause: Cause,
}

impl End {
    /// Nobody has to be told anything.
    pub(super) fn silent(cause: Cause) -> Self {
        Self {
            refusal: None,
            cause,
        }
    }
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> Self {
        Self {
            cause: refusal.cause,
            refusal: Some(refusal),
        }
    }
}

/// What the writer has to say besides what the session says.
pub(super) struct Signals {
    pub(super) pong: Option<Bytes>,
    pub(super) ping: bool,
    pub(super) end: Option<End>,
}

impl<W: World> Socket<W> {
    pub(super) fn new(codec: Codec, counters: Arc<Counters>, permit: Permit) -> Self {
        Self {
            codec,
            counters,
            out: RefCell::default(),
            link: OnceCell::new(),
            pong: Cell::default(),
            ping: Cell::default(),
            end: Cell::default(),
            writer: Cell::default(),
            gone: Notify::new(),
            over: Cell::default(),
            written: Notify::new(),
            all_written: Cell::default(),
            _permit: permit,
        }
    }

    /// The session, once there is one.
    pub(super) fn link(&self) -> Option<&Link<W>> {
        self.link.get()
    }

    /// The client has logged in. If its socket has gone meanwhile, the session is told at once.
    pub(super) fn logged_in(&self, link: Link<W>) {
        if self.over.get() {
            link.closed(Cause::Closed);
        } else if self.link.set(link).is_ok() {
            self.wake_writer();
        }
    }

    /// Answers a ping of the client.
    pub(super) fn answer_ping(&self, bytes: Bytes) {
        self.pong.set(Some(bytes));
        self.wake_writer();
    }

    /// Asks the client for a sign of life.
    pub(super) fn ask_for_life(&self) {
        self.ping.set(true);
        self.wake_writer();
    }

    /// The reader's end: the session is told, and the writer says the last words.
    pub(super) fn end(&self, end: End) {
        if self.finish(end.cause) {
            self.end.set(Some(end));
            self.wake_writer();
        }
    }

    /// The writer's end: the session is told, and the reader stops. `false` if it was over already.
    pub(super) fn finish(&self, cause: Cause) -> bool {
        if self.over.replace(true) {
            return false;
        }
        match self.link.get() {
            Some(link) => link.closed(cause),
            None => ended_without_session(cause),
        }
        self.gone.notify_one();
        true
    }

    /// Whether the socket has ended.
    pub(super) fn is_over(&self) -> bool {
        self.over.get()
    }

    /// Waits until the writer is at its end. One waiter only.
    pub(super) async fn gone(&self) {
        while !self.over.get() {
            self.gone.notified().await;
        }
    }

    /// The writer's very end: there is nothing left to write, or nobody to write to.
    pub(super) fn writer_ended(&self) {
        self.all_written.set(true);
        self.written.notify_one();
    }

    /// Waits until the writer has ended. One waiter only.
    pub(super) async fn written(&self) {
        while !self.all_written.get() {
            self.written.notified().await;
        }
    }

    /// Takes what the writer has to say, and remembers whom to wake for more.
    pub(super) fn signals(&self, writer: &Waker) -> Signals {
        let waker = self.writer.take().filter(|old| old.will_wake(writer));
        self.writer.set(waker.or_else(|| Some(writer.clone())));
        Signals {
            pong: self.pong.take(),
            ping: self.ping.replace(false),
            end: self.end.take(),
        }
    }

    fn wake_writer(&self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }
}
