//! Lives here: something said on a channel, on its way to all who hear it: one for the whole host,
//! encoded once per codec, by whoever comes first.
//! Not here: who hears it (`hub/channels`), which number it has for each (`session/events`).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use protocol::{ChannelPart, Codec};
use world_data::{ObjectId, Said};

/// Something said on a channel.
#[derive(Debug)]
pub(crate) struct Spoken {
    /// Its number among all that is said on all channels.
    pub(crate) number: u64,
    said: Arc<Said>,
    parts: [OnceLock<Option<Bytes>>; Codec::ALL.len()],
}

impl Spoken {
    pub(crate) fn new(number: u64, said: Arc<Said>) -> Arc<Self> {
        let parts = Default::default();
        Arc::new(Self {
            number,
            said,
            parts,
        })
    }

    /// Where it was said.
    pub(crate) fn channel(&self) -> &world_data::Channel {
        &self.said.channel
    }

    /// What all clients of a codec are sent, but for the number; `None` if it can't be written so.
    pub(crate) fn part(&self, codec: Codec) -> Option<Bytes> {
        self.parts[codec.index()]
            .get_or_init(|| self.encode(codec))
            .clone()
    }

    fn encode(&self, codec: Codec) -> Option<Bytes> {
        let Said {
            channel,
            from,
            payload,
            ..
        } = &*self.said;
        let from = from.map(ObjectId::raw);
        let write = || ChannelPart::encode(codec, channel, from, payload);
        // The world's own code: what it could write in MessagePack it may not in JSON. The message
        // is left out then, for all clients of that codec.
        match catch_unwind(AssertUnwindSafe(write)) {
            Ok(Ok(part)) => return Some(part.bytes().clone()),
            Ok(Err(error)) => {
                tracing::error!(%codec, %channel, %error, "a message on a channel can't be written");
            }
            Err(_) => tracing::error!(%codec, %channel, "writing a message on a channel panicked"),
        }
        None
    }
}
