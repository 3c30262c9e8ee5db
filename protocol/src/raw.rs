//! Lives here: how a client reads what the server says: messages whose payloads stay bytes until
//! somebody who knows their type asks.
//! Not here: the inside of frames (`frame_reader`).
//!
//! Invariant: a message that is handed out had exactly the elements its kind allows.

use std::fmt;

use bytes::Bytes;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::codec::Codec;
use crate::error::DecodeError;
use crate::json;
use crate::msgpack::Reader;
use crate::server_message::{ReplyKind, ServerKind, ServerMessage};
use crate::wire::{self, KindOf, Number};

/// A payload that is not decoded yet. It shares the bytes of its message.
#[derive(Clone, PartialEq, Eq)]
pub struct RawPayload {
    codec: Codec,
    bytes: Bytes,
}

impl RawPayload {
    pub(crate) fn new(codec: Codec, bytes: Bytes) -> Self {
        Self { codec, bytes }
    }

    /// Decodes the payload.
    ///
    /// # Errors
    /// When it is not a `T`; says what was wrong.
    pub fn decode<'a, T: Deserialize<'a>>(&'a self) -> Result<T, DecodeError> {
        wire::read_value(self.codec, &self.bytes)
    }

    /// The payload as it was sent.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// How it is written.
    pub fn codec(&self) -> Codec {
        self.codec
    }
}

impl fmt::Debug for RawPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.codec {
            Codec::Json => f.write_str(&String::from_utf8_lossy(&self.bytes)),
            Codec::MessagePack => write!(f, "{:02x?}", &self.bytes[..]),
        }
    }
}

/// What arrives at a client.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    /// Any message but a frame.
    Message(ServerMessage<RawPayload>),
    /// A frame, for [`crate::Frame::read`].
    Frame(Bytes),
}

impl Incoming {
    /// Reads a message. A frame is only recognized here.
    ///
    /// # Errors
    /// When the bytes are not exactly one message of a known kind; says what was wrong.
    pub fn decode(codec: Codec, bytes: Bytes) -> Result<Self, DecodeError> {
        if is_frame(codec, &bytes) {
            return Ok(Self::Frame(bytes));
        }
        let mut elements = Elements::read(codec, &bytes)?;
        let KindOf(kind) = elements.next("the kind of the message")?;
        if matches!(kind, ServerKind::Frame) {
            return Ok(Self::Frame(bytes));
        }
        message(kind, elements, |slice| {
            Ok(RawPayload::new(codec, bytes.slice_ref(slice)))
        })
        .map(Self::Message)
    }
}

impl<R: DeserializeOwned> ServerMessage<R> {
    /// Reads a message whose payloads are all of one type; a frame is an error here. Clients, to
    /// whom replies and events are of different types, use [`Incoming::decode`].
    ///
    /// # Errors
    /// When the bytes are not exactly one message of a known kind; says what was wrong.
    pub fn decode(codec: Codec, bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut elements = Elements::read(codec, bytes)?;
        let KindOf(kind) = elements.next("the kind of the message")?;
        message(kind, elements, |slice| wire::read_value(codec, slice))
    }
}

/// Whether a message begins as the server begins a frame: a fast way past the other kinds.
fn is_frame(codec: Codec, bytes: &[u8]) -> bool {
    match codec {
        Codec::MessagePack => bytes.starts_with(b"\x95\xa5frame"),
        Codec::Json => bytes.starts_with(b"[\"frame\","),
    }
}

fn message<'a, R>(
    kind: ServerKind,
    mut elements: Elements<'a>,
    payload: impl Fn(&'a [u8]) -> Result<R, DecodeError>,
) -> Result<ServerMessage<R>, DecodeError> {
    let from = &mut elements;
    let message = match kind {
        ServerKind::Welcome => ServerMessage::Welcome(from.next("the object of welcome")?),
        ServerKind::Reply => {
            let Number(seq) = from.next::<Number<1>>("the number of the reply")?;
            let KindOf(kind) = from.next("ok or error of the reply")?;
            let outcome = match kind {
                ReplyKind::Ok => Ok(payload(from.slice("the payload of the reply")?)?),
                ReplyKind::Error => Err(from.next("the error of the reply")?),
            };
            ServerMessage::Reply { seq, outcome }
        }
        ServerKind::Event => {
            let Number(n) = from.next::<Number<1>>("the number of the event")?;
            ServerMessage::Event {
                n,
                payload: payload(from.slice("the payload of the event")?)?,
            }
        }
        ServerKind::Channel => {
            let Number(n) = from.next::<Number<1>>("the number of the message")?;
            let name = from.next("the name of the channel")?;
            let sender = from.next::<Option<Number<0>>>("the sender of the message")?;
            let payload = payload(from.slice("the payload of the message")?)?;
            ServerMessage::Channel {
                n,
                name,
                from: sender.map(|id| id.0),
                payload,
            }
        }
        ServerKind::Frame => return Err(DecodeError::new("a frame is read as a Frame")),
        ServerKind::Forget => ServerMessage::Forget(from.next("the cells to forget")?),
        ServerKind::Pong => {
            let Number(nonce) = from.next::<Number<0>>("the nonce of pong")?;
            let Number(server_ms) = from.next::<Number<0>>("the time of pong")?;
            ServerMessage::Pong { nonce, server_ms }
        }
        ServerKind::Moved => {
            let url = from.next("the url of moved")?;
            ServerMessage::Moved {
                url,
                resume: from.next("the token of moved")?,
            }
        }
        ServerKind::Error => {
            let code = from.next("the code of the error")?;
            ServerMessage::Error {
                code,
                message: from.next("the message of the error")?,
            }
        }
    };
    elements.end()?;
    Ok(message)
}

/// The most elements that any message of the server has.
const MAX_ELEMENTS: usize = 5;

/// The elements of a message's array, each still encoded.
struct Elements<'a> {
    codec: Codec,
    count: usize,
    taken: usize,
    slices: [&'a [u8]; MAX_ELEMENTS],
}

impl<'a> Elements<'a> {
    fn read(codec: Codec, bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut elements = Self {
            codec,
            count: 0,
            taken: 0,
            slices: [&[]; MAX_ELEMENTS],
        };
        match codec {
            Codec::MessagePack => {
                let mut reader = Reader::new(bytes);
                for _ in 0..reader.array()? {
                    elements.push(&bytes[reader.skip()?])?;
                }
                reader.end()?;
            }
            Codec::Json => {
                json::check(bytes)?;
                let mut parser = serde_json::Deserializer::from_slice(bytes);
                parser
                    .deserialize_seq(ElementsVisitor(&mut elements))
                    .map_err(DecodeError::new)?;
                parser.end().map_err(DecodeError::new)?;
            }
        }
        Ok(elements)
    }

    fn push(&mut self, slice: &'a [u8]) -> Result<(), DecodeError> {
        let place = self.slices.get_mut(self.count).ok_or_else(too_many)?;
        *place = slice;
        self.count += 1;
        Ok(())
    }

    fn slice(&mut self, name: &'static str) -> Result<&'a [u8], DecodeError> {
        if self.taken == self.count {
            return Err(DecodeError::new(format_args!("{name} is missing")));
        }
        self.taken += 1;
        Ok(self.slices[self.taken - 1])
    }

    fn next<T: Deserialize<'a>>(&mut self, name: &'static str) -> Result<T, DecodeError> {
        wire::read_value(self.codec, self.slice(name)?)
    }

    fn end(&self) -> Result<(), DecodeError> {
        if self.taken == self.count {
            Ok(())
        } else {
            Err(too_many())
        }
    }
}

fn too_many() -> DecodeError {
    DecodeError::new("the message has more elements than its kind allows")
}

struct ElementsVisitor<'e, 'a>(&'e mut Elements<'a>);

impl<'a> Visitor<'a> for ElementsVisitor<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message: an array whose first element is its kind")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(element) = elements.next_element::<&'a RawValue>()? {
            self.0
                .push(element.get().as_bytes())
                .map_err(A::Error::custom)?;
        }
        Ok(())
    }
}
