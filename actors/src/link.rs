//! Lives here: `Link`, one socket's hold on a session: what the gateway's reader and writer call.
//! Not here: bytes and sockets (`src/gateway`), and what is done for all sessions at once (`hub`).
//!
//! Invariant: a link acts on its session only as long as its socket is the session's.

use std::fmt;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{Either, select};
use metrics::counter;
use protocol::{ClientMessage, ErrorCode, ServerMessage};
use tokio::time::Instant;
use world_data::{Message, Note, Payload, SessionId, World};

use crate::directory::Placement;
use crate::hub::{HubCore, reply};
use crate::refusal::{Cause, Refusal};
use crate::region::Work;
use crate::session::{Core, Ending, Farewell, Left, Next, Rate, Session, Socket, Told, Turn};

/// A message from a client of world `W`.
pub type Incoming<W> = ClientMessage<<W as World>::Command, <W as World>::Input, Message>;

/// What the writer sends next.
#[derive(Debug)]
pub enum Outgoing {
    /// A message to encode in the session's codec.
    Message(ServerMessage<Payload>),
    /// A message on a channel: its number, and what is behind that, encoded already
    /// ([`protocol::ChannelPart`]).
    Channel(u64, Bytes),
    /// A frame, encoded already.
    Frame(Bytes),
    /// The end: tell the client why, if there is a refusal (after `bye` there is none), and close
    /// the socket. Everything the client was still to be told has been handed out before.
    Close(Option<Refusal>),
}

/// One socket's hold on a session; stays on its thread. Cloned for the reader and the writer.
pub struct Link<W: World> {
    hub: Rc<HubCore<W>>,
    id: SessionId,
    socket: Rc<Socket>,
}

impl<W: World> Clone for Link<W> {
    fn clone(&self) -> Self {
        let (hub, socket) = (Rc::clone(&self.hub), Rc::clone(&self.socket));
        Self {
            hub,
            id: self.id,
            socket,
        }
    }
}

impl<W: World> fmt::Debug for Link<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({})", self.id.0)
    }
}

impl<W: World> Link<W> {
    pub(crate) fn new(hub: Rc<HubCore<W>>, id: SessionId, socket: Rc<Socket>) -> Self {
        Self { hub, id, socket }
    }

    /// Takes a message from the socket. Waits while the session's window is full or its region
    /// hands work back: meanwhile the gateway does not read the socket.
    ///
    /// # Errors
    /// The socket ends: stop reading. The writer is handed what was still to be said and then this
    /// refusal, by [`Link::next`].
    pub async fn receive(&self, message: Incoming<W>) -> Result<(), Refusal> {
        let received = Instant::now();
        if let Some(pass) = self.socket.unheard.take() {
            // In an epoch no later than that of whatever comes of the message.
            self.hub.host.engine.note([(self.id, Note::Heard(pass))]);
        }
        let rate = match &message {
            ClientMessage::Input { .. } => Rate::Inputs,
            ClientMessage::Publish { .. } => Rate::Publishes,
            _ => Rate::Commands,
        };
        self.until_open().await?;
        let settings = &self.hub.host.settings;
        let result = match self.with(|session| session.core.admit(rate, received, settings)) {
            Some(Ok(())) => self.take(message, received).await,
            Some(Err(refusal)) => Err(refusal),
            None => self.until_open().await,
        };
        if let Err(refusal) = &result {
            self.end(refusal.clone());
        }
        result
    }

    async fn take(&self, message: Incoming<W>, received: Instant) -> Result<(), Refusal> {
        match message {
            ClientMessage::Command { seq, payload } => self.command(seq, payload, received).await,
            ClientMessage::Input { seq, payload } => self.input(seq, payload).await,
            ClientMessage::Ack(n) => {
                self.with(|session| session.core.events.acknowledge(n));
                Ok(())
            }
            ClientMessage::Ping(nonce) => {
                let server_ms = self.hub.host.engine.clock().now_ms();
                self.push(ServerMessage::Pong { nonce, server_ms });
                Ok(())
            }
            ClientMessage::Bye => {
                if self.with(|_| ()).is_some() {
                    self.hub.end_when_answered(self.id, Ending::Leave(None));
                }
                Ok(())
            }
            ClientMessage::Hello(_) => Err(Refusal::bad_message(
                "hello is said once, as the first message",
            )),
            ClientMessage::Publish { channel, payload } => self.publish(channel, payload).await,
        }
    }

    async fn command(
        &self,
        seq: u64,
        payload: W::Command,
        received: Instant,
    ) -> Result<(), Refusal> {
        match self
            .with(|session| session.core.commands.turn(seq))
            .transpose()?
        {
            Some(Turn::Run) => {}
            Some(Turn::Done(outcome)) => {
                self.push(reply(seq, outcome));
                return Ok(());
            }
            Some(Turn::Underway) | None => return Ok(()),
        }
        let window = self.hub.host.settings.window;
        while self.with(|s| s.core.commands.unanswered() >= window) == Some(true) {
            self.socket.reader.notified().await;
        }
        let mut waiting = Some(payload);
        let handed = self
            .hub
            .until_handed(self.id, Some(&self.socket), |core, placement| {
                let Some(payload) = waiting.take() else {
                    return true;
                };
                let shared = Arc::clone(&core.shared);
                match core.hand(
                    placement,
                    Work::Command {
                        shared,
                        seq,
                        payload,
                        received,
                    },
                ) {
                    Ok(()) => {
                        core.commands.accept(received);
                        true
                    }
                    Err(work) => {
                        if let Work::Command { payload, .. } = work {
                            waiting = Some(payload);
                        }
                        false
                    }
                }
            });
        if handed.await {
            Ok(())
        } else {
            self.until_open().await
        }
    }

    /// Hands what a client says on a channel to its region: only there it is known, in the order of
    /// the session's work, whether it is a member.
    async fn publish(&self, channel: String, message: Message) -> Result<(), Refusal> {
        let mut waiting = Some((channel, message));
        let handed = self
            .hub
            .until_handed(self.id, Some(&self.socket), |core, placement| {
                let Some((channel, message)) = waiting.take() else {
                    return true;
                };
                let work = Work::Publish {
                    shared: Arc::clone(&core.shared),
                    said: Box::new((channel, message)),
                };
                if let Err(Work::Publish { said, .. }) = core.hand(placement, work) {
                    waiting = Some(*said);
                }
                waiting.is_none()
            });
        if handed.await {
            Ok(())
        } else {
            self.until_open().await
        }
    }

    async fn input(&self, seq: u64, payload: W::Input) -> Result<(), Refusal> {
        let mut waiting = Some((seq, payload));
        let handed = self
            .hub
            .until_handed(self.id, Some(&self.socket), |core, placement| {
                let Some(input) = waiting.take() else {
                    return true;
                };
                match core.leave_input(placement, input) {
                    Ok(Left::Queued) => {}
                    Ok(Left::Replaced) => self.hub.host.metrics.inputs_replaced.increment(1),
                    Err(input) => waiting = Some(input),
                }
                waiting.is_none()
            });
        if handed.await {
            Ok(())
        } else {
            self.until_open().await
        }
    }

    /// What to send next; waits until there is something. Call it when the socket can take more:
    /// a frame is composed at that moment, of what is newest. Never call it twice at once.
    pub async fn next(&self) -> Outgoing {
        loop {
            if let Some(outgoing) = self.try_next() {
                return outgoing;
            }
            self.socket.writer.notified().await;
        }
    }

    /// As [`Link::next`], but `None` when there is nothing to send at this moment: for batching.
    pub fn try_next(&self) -> Option<Outgoing> {
        let events = |n| {
            self.with(|session| session.core.events.next_to(n))
                .flatten()
        };
        loop {
            match self.socket.pop(&events) {
                Some(Next::Message(message)) => {
                    if matches!(message, ServerMessage::Welcome(_)) && self.with(|_| ()).is_some() {
                        self.hub.host.accounts.handed(self.id);
                    }
                    return Some(Outgoing::Message(message));
                }
                Some(Next::Told(n, told)) => {
                    if let Some(outgoing) = self.tell(n, told) {
                        return Some(outgoing);
                    }
                }
                None => break,
            }
        }
        if let Some(Farewell(why)) = self.socket.ended() {
            return Some(Outgoing::Close(why));
        }
        self.with(|session| {
            while let Some((n, told)) = session.core.events.next() {
                if let Some(outgoing) = self.tell(n, told) {
                    return Some(outgoing);
                }
            }
            let due = self.socket.frame_due.replace(false);
            due.then(|| Outgoing::Frame(self.hub.compose(session, &self.socket)))
        })
        .flatten()
    }

    /// What a client is sent of something with a number; `None` if its codec has no words for it.
    fn tell(&self, n: u64, told: Told) -> Option<Outgoing> {
        match told {
            Told::Event(payload) => Some(Outgoing::Message(ServerMessage::Event { n, payload })),
            Told::Spoken(spoken) => {
                let part = spoken.part(self.socket.codec)?;
                Some(Outgoing::Channel(n, part))
            }
        }
    }

    /// Ends the socket from the gateway's side: what was still to be said and then `refusal` is
    /// handed to the writer. The session lingers.
    pub fn end(&self, refusal: Refusal) {
        if self.with(|_| ()).is_some() {
            self.hub.end_socket(self.id, Some(refusal));
        }
    }

    /// The socket has gone, for whatever reason, also after [`Outgoing::Close`]: the session
    /// lingers, if it has not ended. Counts the end in `brightstar_disconnects_total`: by the
    /// reason it ended for, else by `cause`. Only the first call counts.
    pub fn closed(&self, cause: Cause) {
        if self.socket.closed.replace(true) {
            return;
        }
        let cause = match self.socket.ended() {
            Some(Farewell(Some(refusal))) => refusal.cause,
            Some(Farewell(None)) => Cause::Bye,
            None => cause,
        };
        counter!("brightstar_disconnects_total", "cause" => cause.as_str()).increment(1);
        self.hub.closed(self.id, &self.socket);
    }

    /// Calls `act` with the session, if this link's socket is its.
    fn with<R>(&self, act: impl FnOnce(&mut Session<W>) -> R) -> Option<R> {
        let act = |session: &mut Session<W>| session.is_at(&self.socket).then(|| act(session));
        self.hub.with(self.id, act).flatten()
    }

    fn push(&self, message: ServerMessage<Payload>) {
        let depth = self.socket.push(message);
        self.hub.host.metrics.outbox.record(depth as f64);
        if depth > self.hub.host.settings.control_lane && self.with(|_| ()).is_some() {
            self.hub.overflow(self.id);
        }
    }

    /// Waits while the session is about to end.
    ///
    /// # Errors
    /// When the socket has ended with a refusal.
    async fn until_open(&self) -> Result<(), Refusal> {
        loop {
            match self.socket.ended() {
                Some(Farewell(Some(refusal))) => return Err(refusal),
                Some(Farewell(None)) => return Ok(()),
                None if self.with(|session| session.ending.is_none()) == Some(true) => {
                    return Ok(());
                }
                None => self.socket.reader.notified().await,
            }
        }
    }
}

impl<W: World> HubCore<W> {
    /// Calls `offer` until it has handed its work to the session's region, waiting while that is
    /// full. `false` if the session has gone or `socket` is no longer its.
    pub(crate) async fn until_handed(
        &self,
        id: SessionId,
        socket: Option<&Rc<Socket>>,
        mut offer: impl FnMut(&mut Core<W>, &Placement<W>) -> bool,
    ) -> bool {
        let mut attempt = || {
            let placement = self.host.directory.placement();
            self.with(id, |session| {
                if socket.is_some_and(|socket| !session.is_at(socket)) {
                    return None;
                }
                let handed = offer(&mut session.core, &placement);
                Some((!handed).then(|| Arc::clone(session.core.region(&placement))))
            })
            .flatten()
        };
        loop {
            let region = match attempt() {
                None => return false,
                Some(None) => return true,
                Some(Some(region)) => region,
            };
            self.host.metrics.work_refused.increment(1);
            // Enabled before the next attempt, so that room made in between is not missed.
            let mut room = pin!(region.room());
            room.as_mut().enable();
            match attempt() {
                None => return false,
                Some(None) => return true,
                Some(Some(again)) if again.id != region.id => {}
                Some(Some(_)) => match socket {
                    None => room.await,
                    Some(socket) => match select(room, pin!(socket.reader.notified())).await {
                        Either::Left(_) | Either::Right(_) => {}
                    },
                },
            }
        }
    }
}

/// A refusal that names a limit on sockets, for the gateway's own checks.
impl Refusal {
    /// A message larger than `limit` bytes.
    pub fn too_large(limit: usize) -> Self {
        Self::new(
            ErrorCode::TooLarge,
            format!("a message has at most {limit} bytes"),
        )
    }
}
