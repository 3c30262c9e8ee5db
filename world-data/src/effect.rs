//! Lives here: effects: what a committed task does outside, and where they go.
//! Not here: when they are released (the committer), and how they reach a client (`actors`).
//!
//! Invariant: an effect exists only if its task committed (or was concluded as refused or
//! failed), and with strict durability is delivered only when it and all its task saw is on disk.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::channel::{Channel, Said};
use crate::object::ObjectId;

/// Something to be told to a client, in the world's own types, not encoded yet.
///
/// Replies and events are kept in `MessagePack` too: a client that comes back after the server was
/// started again is told from there, in its own codec. So use no types there that serialize
/// differently for people and for machines (`Uuid`, say): a JSON client would be told the bytes.
#[derive(Clone)]
pub struct Payload(Arc<dyn erased_serde::Serialize + Send + Sync>);

impl Payload {
    /// Wraps any serializable value.
    pub fn new(value: impl Serialize + Send + Sync + 'static) -> Self {
        Self(Arc::new(value))
    }
}

impl Serialize for Payload {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        erased_serde::serialize(&*self.0, serializer)
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Payload")
    }
}

/// Names a session for ever, over reconnects and restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionId(pub Uuid);

/// Why a command's outcome is an error. These are codes of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The world said no; the message is the world's.
    Refused,
    /// The task exceeded its budget of time or attempts.
    Timeout,
    /// The task panicked or met a fault in stored data; it was dead-lettered.
    Failed,
}

/// What came of a command.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It took effect; the payload is the world's reply.
    Ok(Payload),
    /// It left no trace in the world.
    Error {
        /// Why.
        fault: Fault,
        /// A word for the client.
        message: String,
    },
}

/// What a task does outside the world.
#[derive(Debug, Clone)]
pub enum Effect {
    /// The session's login task committed; `you` is its own entity or object. From here on the
    /// session is kept: its resume token is number 1.
    LoggedIn {
        /// Who.
        session: SessionId,
        /// The account's name.
        name: Box<str>,
        /// The session's own entity, if the world gave it one.
        you: Option<ObjectId>,
    },
    /// The session's login was refused or failed.
    LoginFailed {
        /// Who.
        session: SessionId,
        /// How it ended: only what the world refused is final.
        fault: Fault,
        /// Why, for the client.
        message: String,
    },
    /// The session's client is back: the world has been told, if it cared to hear.
    Resumed {
        /// Who.
        session: SessionId,
        /// The number of the token it is given.
        pass: u64,
        /// The number of the token it came with. `None`: it came by its name, and begins anew:
        /// outcomes and events of before are not kept any longer.
        used: Option<u64>,
    },
    /// The session has no client for now; the world has been told.
    Away {
        /// Who.
        session: SessionId,
    },
    /// The session's logout task has run: nothing is kept of it any longer.
    LoggedOut {
        /// Who.
        session: SessionId,
    },
    /// The outcome of the session's command `seq`.
    Reply {
        /// To whom.
        session: SessionId,
        /// The command's number.
        seq: u64,
        /// What came of it.
        outcome: Outcome,
    },
    /// An event for one session.
    Event {
        /// To whom.
        session: SessionId,
        /// Its number among the session's events, from 1 on: the engine's to give, when it leaves.
        /// 0: nobody of that name is logged in.
        n: u64,
        /// What.
        payload: Payload,
    },
    /// A session has become a member of a channel.
    Joined {
        /// Who.
        session: SessionId,
        /// Of which.
        channel: Channel,
        /// Messages said there so far, and on all channels: the engine's to say, when it leaves.
        /// `None`: it was a member before, or nobody of that name is logged in.
        at: Option<(u64, u64)>,
    },
    /// A session is no member of a channel any more.
    Left {
        /// Who.
        session: SessionId,
        /// Of which.
        channel: Channel,
        /// What it heard: the engine's to say, when it leaves. `None`: it was no member.
        heard: Option<Box<Heard>>,
    },
    /// Something is said on a channel: all who are members at this place in the order hear it, and
    /// each gives it the number behind that of its newest event.
    Said {
        /// Its number among all that is said on all channels, from 1 on: the engine's to give, when
        /// it leaves. 0: nobody hears it.
        number: u64,
        /// Its number among what is said on its channel.
        count: u64,
        /// What.
        said: Arc<Said>,
    },
    /// The session ends; its client is told why.
    Close {
        /// Whose.
        session: SessionId,
        /// A word for the client.
        message: String,
    },
}

/// What a session heard on a channel before it left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// So many messages.
    pub messages: u64,
    /// The last message said on all channels before it left.
    pub until: u64,
    /// Of the session's numbers, those that do not come from channels it is still in.
    pub own: u64,
    /// The number of the session's newest event.
    pub newest: u64,
}

impl Effect {
    /// The session that the effect is for; what is said on a channel is for all its members.
    pub fn session(&self) -> Option<SessionId> {
        Some(match self {
            Self::Said { .. } => return None,
            Self::LoggedIn { session, .. }
            | Self::LoginFailed { session, .. }
            | Self::Resumed { session, .. }
            | Self::Away { session }
            | Self::LoggedOut { session }
            | Self::Reply { session, .. }
            | Self::Event { session, .. }
            | Self::Joined { session, .. }
            | Self::Left { session, .. }
            | Self::Close { session, .. } => *session,
        })
    }
}

/// Receives effects when they may leave the process.
pub trait EffectSink: Send + Sync + 'static {
    /// Takes effects in commit order. Must not block: it is called on the committer's thread, or
    /// with regions locked. Must not call the engine.
    fn deliver(&self, effects: Vec<Effect>);
}

/// A sink that drops everything: for worlds without clients.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoClients;

impl EffectSink for NoClients {
    fn deliver(&self, _: Vec<Effect>) {}
}
