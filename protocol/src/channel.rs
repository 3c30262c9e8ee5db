//! Lives here: messages heard on a channel as the server writes them: what is the same for all who
//! hear one is encoded once.
//! Not here: reading them (`raw`), and who hears what (`actors`).
//!
//! Invariant: a message composed here has the bytes that [`ServerMessage::Channel`] would have.
//!
//! [`ServerMessage::Channel`]: crate::ServerMessage::Channel

use bytes::Bytes;
use serde::Serialize;

use crate::codec::Codec;
use crate::error::EncodeError;
use crate::{json, msgpack, wire};

/// What all hear of a message on a channel: all of it but its number. Encoded, cheap to share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelPart(Bytes);

impl ChannelPart {
    /// Encodes what was said on channel `name`, by the entity `from` or the world itself.
    ///
    /// # Errors
    /// When the payload can't be written in this codec.
    pub fn encode(
        codec: Codec,
        name: &str,
        from: Option<u64>,
        payload: &impl Serialize,
    ) -> Result<Self, EncodeError> {
        let mut bytes = Vec::with_capacity(wire::USUAL_BYTES);
        match codec {
            Codec::MessagePack => {
                wire::write(codec, &name, &mut bytes)?;
                match from {
                    Some(from) => msgpack::write_uint(&mut bytes, from),
                    None => msgpack::write_nil(&mut bytes),
                }
                wire::write(codec, payload, &mut bytes)?;
            }
            Codec::Json => {
                wire::write(codec, &name, &mut bytes)?;
                bytes.push(b',');
                match from {
                    Some(from) => json::write_uint(&mut bytes, from),
                    None => bytes.extend_from_slice(b"null"),
                }
                bytes.push(b',');
                wire::write(codec, payload, &mut bytes)?;
                bytes.push(b']');
            }
        }
        Ok(Self(bytes.into()))
    }

    /// The encoded part.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }
}

/// The longest head of a message on a channel, in either codec.
pub const MAX_CHANNEL_HEAD: usize = 40;

/// Writes what stands before a [`ChannelPart`] of the same codec: the kind, and the message's number
/// among a session's events.
pub fn write_channel_head(codec: Codec, n: u64, into: &mut Vec<u8>) {
    match codec {
        Codec::MessagePack => {
            into.extend_from_slice(b"\x95\xa7channel");
            msgpack::write_uint(into, n);
        }
        Codec::Json => {
            into.extend_from_slice(b"[\"channel\",");
            json::write_uint(into, n);
            into.push(b',');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ServerMessage;

    #[test]
    fn a_message_in_parts_has_the_bytes_of_a_whole_one() {
        for codec in Codec::ALL {
            for n in [1, 127, 128, 70_000, 1 << 40] {
                for from in [None, Some(0), Some(5), Some(1 << 52)] {
                    let whole = ServerMessage::Channel {
                        n,
                        name: "wörld \"1\"".to_owned(),
                        from,
                        payload: ("hi", 7.5),
                    };
                    let part =
                        ChannelPart::encode(codec, "wörld \"1\"", from, &("hi", 7.5)).unwrap();
                    let mut bytes = Vec::new();
                    write_channel_head(codec, n, &mut bytes);
                    assert!(bytes.len() <= MAX_CHANNEL_HEAD);
                    bytes.extend_from_slice(part.bytes());
                    assert_eq!(bytes, whole.encode(codec).unwrap(), "{codec}");
                }
            }
        }
    }
}
