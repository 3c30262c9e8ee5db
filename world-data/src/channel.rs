//! Lives here: channels: what is said on one, who is a member of which as tasks see it, and their
//! bounds. Not here: the numbers of what is said (`session::numbers`), how it is kept (`store`), how
//! it reaches a client (`actors`).
//!
//! Invariant: who joins, leaves or asks for a session's channels holds the region of that session's
//! shard. So memberships change in the order of commits, and a task reads what was true when it ran.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};

use crate::effect::{Effect, Payload, SessionId};
use crate::object::ObjectId;
use crate::session::value::Value;
use crate::session::words;
use crate::task::Stop;

/// The longest name of a channel, in bytes.
pub const MAX_CHANNEL_NAME: usize = 64;
/// Channels that a session may be in.
pub const MAX_CHANNELS: usize = 32;
/// The most bytes of a message on a channel, as `MessagePack`: as many as are kept of an event.
pub const MAX_SAID_BYTES: usize = words::KEPT_BYTES;
/// Messages of all channels together that are kept on disk, for sessions that come back after a
/// crash: the newest.
pub const SAID_KEPT: u64 = 1 << 16;

/// A channel's name; cheap to share.
pub type Channel = Arc<str>;

/// Something said on a channel: one for all who hear it.
#[derive(Debug)]
pub struct Said {
    /// Where.
    pub channel: Channel,
    /// The entity or object that said it; `None`: the world.
    pub from: Option<ObjectId>,
    /// What.
    pub payload: Payload,
    /// The same as `MessagePack`, as it is kept.
    pub(crate) packed: Box<[u8]>,
}

impl Said {
    /// Something to be said, written down.
    ///
    /// # Errors
    /// [`Stop::Fault`] when the payload can't be written, or is too long: nobody could be told.
    pub fn new(channel: Channel, from: Option<ObjectId>, payload: Payload) -> Result<Self, Stop> {
        let mut packed = Vec::new();
        if !words::write(&mut packed, &payload) {
            let why = format!("what is said on channel {channel:?} can't be written");
            return Err(Stop::Fault(why));
        }
        if packed.len() > MAX_SAID_BYTES {
            return Err(Stop::Fault(format!(
                "what is said on channel {channel:?} has {} bytes, and at most {MAX_SAID_BYTES} are \
                 allowed",
                packed.len()
            )));
        }
        Ok(Self {
            channel,
            from,
            payload,
            packed: packed.into(),
        })
    }

    /// `length u8 | channel | from u64 (or u64::MAX) | MessagePack of the payload`.
    pub(crate) fn write(&self, into: &mut Vec<u8>) {
        into.push(self.channel.len() as u8);
        into.extend_from_slice(self.channel.as_bytes());
        let from = self.from.map_or(u64::MAX, ObjectId::raw);
        into.extend_from_slice(&from.to_le_bytes());
        into.extend_from_slice(&self.packed);
    }

    /// Reads back what [`Said::write`] wrote.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        let (channel, rest) = split_channel(bytes)?;
        let (from, packed) = rest
            .split_first_chunk()
            .ok_or("what was said is cut short")?;
        let from = match u64::from_le_bytes(*from) {
            u64::MAX => None,
            raw => Some(ObjectId::from_raw(raw).ok_or("what was said is from no object")?),
        };
        Ok(Self {
            channel: channel.into(),
            from,
            payload: words::read_payload(packed)?,
            packed: packed.into(),
        })
    }
}

/// The channel of what [`Said::write`] wrote, and what is behind it.
pub(crate) fn split_channel(bytes: &[u8]) -> Result<(&str, &[u8]), String> {
    let (length, rest) = bytes.split_first().ok_or("what was said is empty")?;
    let (name, rest) = rest
        .split_at_checked(usize::from(*length))
        .ok_or("the name of a channel is cut short")?;
    let name = std::str::from_utf8(name).map_err(|_| "the name of a channel is not UTF-8")?;
    Ok((name, rest))
}

/// A name as a channel may have it.
///
/// # Errors
/// It is empty or too long.
pub(crate) fn checked(channel: &str) -> Result<(), Stop> {
    if channel.is_empty() || channel.len() > MAX_CHANNEL_NAME {
        return Err(Stop::Fault(format!(
            "a channel's name of {} bytes: 1 to {MAX_CHANNEL_NAME} are allowed",
            channel.len()
        )));
    }
    Ok(())
}

/// What a client published, of any type.
#[derive(Debug, Clone, PartialEq)]
pub struct Message(Value);

impl Message {
    /// The message as a value of the world's own type.
    ///
    /// # Errors
    /// [`Stop::Refused`]: it is of another type.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Stop> {
        let refused = |why: String| Stop::Refused(format!("the message can't be read: {why}"));
        let packed = rmp_serde::to_vec_named(&self.0).map_err(|e| refused(e.to_string()))?;
        rmp_serde::from_slice(&packed).map_err(|e| refused(e.to_string()))
    }
}

impl From<Message> for Payload {
    fn from(message: Message) -> Self {
        Self::new(message.0)
    }
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self)
    }
}

/// Who is a member of which channels, of all sessions that are logged in, as of the last commit.
#[derive(Debug, Default)]
pub(crate) struct Members(FxHashMap<SessionId, Vec<Channel>>);

impl Members {
    /// The channels of a session.
    pub(crate) fn of(&self, session: SessionId) -> Vec<Channel> {
        self.0.get(&session).cloned().unwrap_or_default()
    }

    /// Takes over a session of an earlier run.
    pub(crate) fn restore(&mut self, session: SessionId, channels: Vec<Channel>) {
        self.0.insert(session, channels);
    }

    /// Whether [`Members::note`] has anything to do for the effect.
    pub(crate) fn concerns(effect: &Effect) -> bool {
        matches!(
            effect,
            Effect::LoggedIn { .. }
                | Effect::LoggedOut { .. }
                | Effect::Joined { .. }
                | Effect::Left { .. }
        )
    }

    /// Takes note of an effect that is committed.
    pub(crate) fn note(&mut self, effect: &Effect) {
        match effect {
            Effect::LoggedIn { session, .. } => {
                self.0.insert(*session, Vec::new());
            }
            Effect::LoggedOut { session } => {
                self.0.remove(session);
            }
            // Who is not logged in is a member of nothing.
            Effect::Joined {
                session, channel, ..
            } => {
                if let Some(channels) = self.0.get_mut(session)
                    && !channels.contains(channel)
                {
                    channels.push(Channel::clone(channel));
                }
            }
            Effect::Left {
                session, channel, ..
            } => {
                if let Some(channels) = self.0.get_mut(session) {
                    channels.retain(|name| name != channel);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_comes_back_as_it_was_kept() {
        for from in [None, ObjectId::from_raw(7)] {
            let said = Said::new("world".into(), from, Payload::new(("hi", 7))).unwrap();
            let mut bytes = Vec::new();
            said.write(&mut bytes);
            let read = Said::read(&bytes).unwrap();
            assert_eq!((&*read.channel, read.from), ("world", from));
            assert_eq!(read.packed, said.packed);
            assert_eq!(serde_json::to_string(&read.payload).unwrap(), r#"["hi",7]"#);
            for end in 0..bytes.len() {
                assert!(Said::read(&bytes[..end]).is_err(), "{end}");
            }
        }
    }

    #[test]
    fn what_is_too_long_is_refused_before_anybody_hears_it() {
        let said = |bytes| Said::new("c".into(), None, Payload::new("x".repeat(bytes)));
        assert!(said(MAX_SAID_BYTES - 5).is_ok());
        assert!(matches!(said(MAX_SAID_BYTES), Err(Stop::Fault(why)) if why.contains("65536")));
    }

    #[test]
    fn a_message_is_read_as_any_type_it_could_be() {
        #[derive(Debug, PartialEq, Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Talk {
            Say(String),
            Wave { at: [f64; 2] },
            Nod,
        }
        let read = |json: &str| {
            let message: Message = serde_json::from_str(json).unwrap();
            message.read::<Talk>()
        };
        assert_eq!(read(r#"{"say":"hi"}"#), Ok(Talk::Say("hi".into())));
        let wave = Talk::Wave { at: [1.0, 2.5] };
        assert_eq!(read(r#"{"wave":{"at":[1,2.5]}}"#), Ok(wave));
        assert_eq!(read(r#""nod""#), Ok(Talk::Nod));
        assert!(matches!(read("17"), Err(Stop::Refused(_))));
    }
}
