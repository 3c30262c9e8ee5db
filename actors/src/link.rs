//! Lives here: `Link`, one socket's hold on a session: what the gateway's reader and writer call.
//! Not here: bytes and sockets (`src/gateway`), and the session's own rules (`session`).

use bytes::Bytes;
use protocol::{ClientMessage, ServerMessage};
use serde::de::IgnoredAny;
use world_data::{Payload, World};

use crate::refusal::{Cause, Refusal};

/// A message from a client of world `W`. Nobody can be a member of a channel yet, so what is
/// published is not decoded.
pub type Incoming<W> = ClientMessage<<W as World>::Command, <W as World>::Input, IgnoredAny>;

/// What the writer sends next.
#[derive(Debug)]
pub enum Outgoing {
    /// A message to encode in the session's codec.
    Message(ServerMessage<Payload>),
    /// A frame, encoded already.
    Frame(Bytes),
    /// The end: tell the client why, if there is a refusal (after `bye` there is none), and close
    /// the socket. Everything the client was still to be told has been handed out before.
    Close(Option<Refusal>),
}

/// One socket's hold on a session; stays on its thread. Cloned for the reader and the writer.
#[derive(Debug)]
pub struct Link<W: World>(std::marker::PhantomData<std::rc::Rc<W>>);

impl<W: World> Clone for Link<W> {
    fn clone(&self) -> Self {
        Self(std::marker::PhantomData)
    }
}

#[expect(
    clippy::todo,
    unused_variables,
    clippy::unused_async,
    clippy::unused_self,
    reason = "signatures first; bodies within the hour"
)]
impl<W: World> Link<W> {
    /// Takes a message from the socket. Waits while the session's window is full or its region
    /// hands work back: meanwhile the gateway does not read the socket.
    ///
    /// # Errors
    /// Ends the socket: tell the client, close, and call [`Link::closed`] with the refusal's cause.
    pub async fn receive(&self, message: Incoming<W>) -> Result<(), Refusal> {
        todo!()
    }

    /// What to send next; waits until there is something. Call it when the socket can take more:
    /// a frame is composed at that moment, of what is newest. Never call it twice at once.
    pub async fn next(&self) -> Outgoing {
        todo!()
    }

    /// As [`Link::next`], `None` when there is nothing to send at this moment: for batching.
    pub fn try_next(&self) -> Option<Outgoing> {
        todo!()
    }

    /// The socket has gone (for whatever reason, also after [`Outgoing::Close`]): counts it in
    /// `brightstar_disconnects_total` and lets the session linger. Only the first call counts.
    pub fn closed(&self, cause: Cause) {
        todo!()
    }
}
