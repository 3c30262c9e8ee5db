//! Lives here: what a client says to the server, written and read.
//! Not here: what becomes of it (`src/gateway`, the session actor).
//!
//! Invariant: a decoded message has exactly the elements its kind allows, and numbers in range.

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Serialize, Serializer};

use crate::codec::Codec;
use crate::error::{DecodeError, EncodeError};
use crate::wire::{self, Kind, KindOf, Number, Secret};

/// A client's message; generic over the world's commands, inputs and published payloads.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientMessage<C, I, P> {
    /// The first message: who is there.
    Hello(Hello),
    /// Do this, exactly once.
    Command {
        /// 1, 2, 3 … over the session's whole life.
        seq: u64,
        /// What.
        payload: C,
    },
    /// Steer so; the newest wins.
    Input {
        /// The client's own number; it comes back in frames.
        seq: u64,
        /// How.
        payload: I,
    },
    /// Say this on a channel.
    Publish {
        /// The channel's name.
        channel: String,
        /// What.
        payload: P,
    },
    /// Events up to this number have arrived.
    Ack(u64),
    /// Answer with this number.
    Ping(u64),
    /// Log out.
    Bye,
}

/// Who is there: a guest's name, a token, or a session to resume.
#[derive(Clone, PartialEq, Eq, Default, Serialize)]
pub struct Hello {
    /// The name of a guest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A JWT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The resume token of a session that has lost its socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume: Option<String>,
    /// With `resume`: the number of the last event seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<u64>,
}

// By hand: tokens must not get into logs.
impl fmt::Debug for Hello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hello")
            .field("name", &self.name)
            .field("token", &self.token.as_ref().map(|_| Secret))
            .field("resume", &self.resume.as_ref().map(|_| Secret))
            .field("last", &self.last)
            .finish()
    }
}

impl Hello {
    /// A guest's hello.
    pub fn guest(name: impl Into<String>) -> Self {
        Self {
            name: Some(name.into()),
            ..Self::default()
        }
    }

    /// The hello that resumes a session; `last` is the number of the last event seen.
    pub fn resume(token: impl Into<String>, last: u64) -> Self {
        Self {
            resume: Some(token.into()),
            last: Some(last),
            ..Self::default()
        }
    }
}

impl<C, I, P> ClientMessage<C, I, P> {
    /// The kind's name, as it is written and as metrics label it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Hello(_) => "hello",
            Self::Command { .. } => "command",
            Self::Input { .. } => "input",
            Self::Publish { .. } => "publish",
            Self::Ack(_) => "ack",
            Self::Ping(_) => "ping",
            Self::Bye => "bye",
        }
    }
}

impl<C: Serialize, I: Serialize, P: Serialize> ClientMessage<C, I, P> {
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

impl<'de, C: Deserialize<'de>, I: Deserialize<'de>, P: Deserialize<'de>> ClientMessage<C, I, P> {
    /// Reads a message in one pass over its bytes.
    ///
    /// # Errors
    /// When the bytes are not exactly one message of a known kind; says what was wrong.
    pub fn decode(codec: Codec, bytes: &'de [u8]) -> Result<Self, DecodeError> {
        wire::read::<Wire<Self>>(codec, bytes).map(|message| message.0)
    }
}

/// The message as serde sees it. Private, so that nobody reads one past the checks of `wire::read`.
struct Wire<M>(M);

impl<C: Serialize, I: Serialize, P: Serialize> Serialize for Wire<&ClientMessage<C, I, P>> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kind = self.0.kind();
        match self.0 {
            ClientMessage::Hello(hello) => (kind, hello).serialize(serializer),
            ClientMessage::Command { seq, payload } => (kind, seq, payload).serialize(serializer),
            ClientMessage::Input { seq, payload } => (kind, seq, payload).serialize(serializer),
            ClientMessage::Publish { channel, payload } => {
                (kind, channel, payload).serialize(serializer)
            }
            ClientMessage::Ack(number) | ClientMessage::Ping(number) => {
                (kind, number).serialize(serializer)
            }
            ClientMessage::Bye => (kind,).serialize(serializer),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum ClientKind {
    Hello,
    Command,
    Input,
    Publish,
    Ack,
    Ping,
    Bye,
}

impl Kind for ClientKind {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("input", Self::Input),
        ("command", Self::Command),
        ("ack", Self::Ack),
        ("ping", Self::Ping),
        ("publish", Self::Publish),
        ("hello", Self::Hello),
        ("bye", Self::Bye),
    ];
    const EXPECTED: &'static str =
        "a kind of message: hello, command, input, publish, ack, ping or bye";
}

impl<'de, C, I, P> Deserialize<'de> for Wire<ClientMessage<C, I, P>>
where
    C: Deserialize<'de>,
    I: Deserialize<'de>,
    P: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(MessageVisitor(PhantomData))
    }
}

struct MessageVisitor<M>(PhantomData<M>);

impl<'de, C, I, P> Visitor<'de> for MessageVisitor<ClientMessage<C, I, P>>
where
    C: Deserialize<'de>,
    I: Deserialize<'de>,
    P: Deserialize<'de>,
{
    type Value = Wire<ClientMessage<C, I, P>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message: an array whose first element is its kind")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let from = &mut elements;
        let KindOf(kind) = wire::next(from, "the kind of the message")?;
        let message = match kind {
            ClientKind::Hello => ClientMessage::Hello(wire::next(from, "the object of hello")?),
            ClientKind::Command => ClientMessage::Command {
                seq: wire::next::<Number<1>, _>(from, "the number of the command")?.0,
                payload: wire::next(from, "the payload of the command")?,
            },
            ClientKind::Input => ClientMessage::Input {
                seq: wire::next::<Number<1>, _>(from, "the number of the input")?.0,
                payload: wire::next(from, "the payload of the input")?,
            },
            ClientKind::Publish => ClientMessage::Publish {
                channel: wire::next(from, "the channel to publish to")?,
                payload: wire::next(from, "the payload to publish")?,
            },
            ClientKind::Ack => {
                ClientMessage::Ack(wire::next::<Number<0>, _>(from, "the number of ack")?.0)
            }
            ClientKind::Ping => {
                ClientMessage::Ping(wire::next::<Number<0>, _>(from, "the nonce of ping")?.0)
            }
            ClientKind::Bye => ClientMessage::Bye,
        };
        wire::end(from)?;
        Ok(Wire(message))
    }
}

// By hand, since a derived one takes an array for a struct as well.
impl<'de> Deserialize<'de> for Hello {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HelloVisitor)
    }
}

struct HelloVisitor;

impl<'de> Visitor<'de> for HelloVisitor {
    type Value = Hello;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hello's object, with name, token, or resume and last")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Hello, A::Error> {
        let mut hello = Hello::default();
        while let Some(field) = fields.next_key::<String>()? {
            let was_there = match field.as_str() {
                "name" => set(&mut hello.name, fields.next_value()?),
                "token" => set(&mut hello.token, fields.next_value()?),
                "resume" => set(&mut hello.resume, fields.next_value()?),
                "last" => {
                    let last = fields.next_value::<Option<Number<0>>>()?;
                    set(&mut hello.last, last.map(|Number(number)| number))
                }
                _ => {
                    fields.next_value::<IgnoredAny>()?;
                    false
                }
            };
            if was_there {
                return Err(A::Error::custom(format_args!("hello has `{field}` twice")));
            }
        }
        Ok(hello)
    }
}

/// Sets a field and says whether it was set before.
fn set<T>(field: &mut Option<T>, value: Option<T>) -> bool {
    std::mem::replace(field, value).is_some()
}
