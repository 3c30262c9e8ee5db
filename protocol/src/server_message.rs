//! Lives here: what the server says to a client, frames apart, and how it is written.
//! Not here: frames (`frame`); how a client reads it (`raw`).
//!
//! Invariant: a client that reads what is written here gets the same message back.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

use crate::codec::Codec;
use crate::error::{EncodeError, ErrorCode};
use crate::wire::{self, Kind, Secret};

/// A message of the server; generic over the world's payload (replies and events).
#[derive(Debug, Clone, PartialEq)]
pub enum ServerMessage<R> {
    /// The client is logged in.
    Welcome(Welcome),
    /// The outcome of a command, when durable.
    Reply {
        /// The command's number.
        seq: u64,
        /// The world's reply, or why there is none.
        outcome: Result<R, ReplyError>,
    },
    /// To this session.
    Event {
        /// Its number, from 1.
        n: u64,
        /// What.
        payload: R,
    },
    /// Heard on a channel.
    Channel {
        /// Its number, in one sequence with events.
        n: u64,
        /// The channel.
        name: String,
        /// The entity that said it; none: the world itself.
        from: Option<u64>,
        /// What.
        payload: R,
    },
    /// These cells are no longer in view.
    Forget(Vec<u64>),
    /// The answer to a ping.
    Pong {
        /// The ping's.
        nonce: u64,
        /// World time in milliseconds since the Unix epoch.
        server_ms: u64,
    },
    /// Go there and resume.
    Moved {
        /// Where.
        url: String,
        /// With this token.
        resume: String,
    },
    /// The socket is closed after this.
    Error {
        /// Why; it says whether to try again.
        code: ErrorCode,
        /// A word for people.
        message: String,
    },
}

/// What a client must know once it is logged in.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Welcome {
    /// Names the session.
    #[serde(with = "uuid::serde::hyphenated")]
    pub session: Uuid,
    /// Single-use token to resume the session with.
    pub resume: String,
    /// Whether this is a session resumed.
    pub resumed: bool,
    /// The highest number of a command that took effect; 0 if none did.
    pub last_command: u64,
    /// Ticks, and so at most frames, per second.
    pub tick_hz: u32,
    /// The side of a cell, in metres.
    pub cell: f64,
    /// How far the session sees, in metres.
    pub view_radius: f64,
    /// The session's own entity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub you: Option<u64>,
}

// By hand: tokens must not get into logs.
impl fmt::Debug for Welcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Welcome")
            .field("session", &self.session)
            .field("resume", &Secret)
            .field("resumed", &self.resumed)
            .field("last_command", &self.last_command)
            .field("you", &self.you)
            .finish_non_exhaustive()
    }
}

/// Why a command has no reply of the world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyError {
    /// Why.
    pub code: ErrorCode,
    /// The world's word, if `refused`.
    pub message: String,
}

impl<R> ServerMessage<R> {
    /// The kind's name, as it is written and as metrics label it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Welcome(_) => "welcome",
            Self::Reply { .. } => "reply",
            Self::Event { .. } => "event",
            Self::Channel { .. } => "channel",
            Self::Forget(_) => "forget",
            Self::Pong { .. } => "pong",
            Self::Moved { .. } => "moved",
            Self::Error { .. } => "error",
        }
    }
}

impl<R: Serialize> ServerMessage<R> {
    /// Writes the message.
    ///
    /// # Errors
    /// When the payload can't be written in this codec.
    pub fn encode(&self, codec: Codec) -> Result<Bytes, EncodeError> {
        let mut bytes = Vec::with_capacity(wire::USUAL_BYTES);
        wire::write(codec, &Wire(self), &mut bytes)?;
        Ok(bytes.into())
    }
}

/// The message as serde sees it.
struct Wire<M>(M);

impl<R: Serialize> Serialize for Wire<&ServerMessage<R>> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kind = self.0.kind();
        match self.0 {
            ServerMessage::Welcome(welcome) => (kind, welcome).serialize(serializer),
            ServerMessage::Reply {
                seq,
                outcome: Ok(payload),
            } => (kind, seq, "ok", payload).serialize(serializer),
            ServerMessage::Reply {
                seq,
                outcome: Err(error),
            } => (kind, seq, "error", error).serialize(serializer),
            ServerMessage::Event { n, payload } => (kind, n, payload).serialize(serializer),
            ServerMessage::Channel {
                n,
                name,
                from,
                payload,
            } => (kind, n, name, from, payload).serialize(serializer),
            ServerMessage::Forget(cells) => (kind, cells).serialize(serializer),
            ServerMessage::Pong { nonce, server_ms } => {
                (kind, nonce, server_ms).serialize(serializer)
            }
            ServerMessage::Moved { url, resume } => (kind, url, resume).serialize(serializer),
            ServerMessage::Error { code, message } => (kind, code, message).serialize(serializer),
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum ServerKind {
    Welcome,
    Reply,
    Event,
    Channel,
    Frame,
    Forget,
    Pong,
    Moved,
    Error,
}

impl Kind for ServerKind {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("frame", Self::Frame),
        ("reply", Self::Reply),
        ("event", Self::Event),
        ("channel", Self::Channel),
        ("forget", Self::Forget),
        ("pong", Self::Pong),
        ("welcome", Self::Welcome),
        ("moved", Self::Moved),
        ("error", Self::Error),
    ];
    const EXPECTED: &'static str = "a kind of message: welcome, reply, event, channel, frame, \
                                    forget, pong, moved or error";
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum ReplyKind {
    Ok,
    Error,
}

impl Kind for ReplyKind {
    const NAMES: &'static [(&'static str, Self)] = &[("ok", Self::Ok), ("error", Self::Error)];
    const EXPECTED: &'static str = "ok or error";
}
