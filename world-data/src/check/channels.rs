//! Lives here: the check of channels: how much was said on each, and what was said last.
//! Not here: who is a member (`sessions`).

use rustc_hash::FxHashMap;

use super::{Check, hex, number};
use crate::channel::{MAX_CHANNEL_NAME, SAID_KEPT, Said};
use crate::engine::OpenError;
use crate::session::SessionRecord;

/// Channels as the store has them, to be compared with what sessions say.
#[derive(Debug, Default)]
pub(super) struct Channels {
    /// By name: how much was said there, and whether a session is in it.
    counts: FxHashMap<String, (u64, bool)>,
    /// The number of the last message on all channels.
    newest: u64,
}

impl Channels {
    /// Takes note of the channels that a session is in.
    pub(super) fn enter(&mut self, record: &SessionRecord) -> Result<(), String> {
        for (channel, at) in record.memberships() {
            let Some((count, has_members)) = self.counts.get_mut(channel) else {
                return Err(format!("it is in channel {channel:?}, which is not there"));
            };
            *has_members = true;
            if at > *count {
                return Err(format!(
                    "it came to channel {channel:?} at message {at}, and {count} is the last"
                ));
            }
        }
        // What was heard on a channel left ended there; of one that it is in it goes on.
        let wrong = record.stays().find(|(_, since, _)| *since > self.newest);
        wrong.map_or(Ok(()), |(channel, since, _)| {
            let newest = self.newest;
            Err(format!(
                "it came to channel {channel:?} at message {since} of all, and {newest} is the last"
            ))
        })
    }

    /// How much was said on a channel.
    pub(super) fn count(&self, channel: &str) -> u64 {
        self.counts.get(channel).map_or(0, |(count, _)| *count)
    }
}

impl Check<'_> {
    pub(super) fn channels(&mut self) -> Result<Channels, OpenError> {
        let mut channels = Channels::default();
        for item in self.look.rows("channels", &[])? {
            let (key, count) = item?;
            self.told.counts.channels += 1;
            let (Ok(name), Some(count)) = (std::str::from_utf8(key), number(count)) else {
                let words = format!("{} is not a name with a number", hex(key));
                self.damage("channels", words);
                continue;
            };
            if name.is_empty() || name.len() > MAX_CHANNEL_NAME {
                let words = format!("its name is {} bytes long", name.len());
                self.damage(format!("channel {name:?}"), words);
            }
            channels.counts.insert(name.to_owned(), (count, false));
        }
        let mut oldest = None;
        for item in self.look.rows("said", &[])? {
            let (key, said) = item?;
            self.told.counts.said += 1;
            let Some(number) = number(key) else {
                self.damage("said", format!("{} is no number", hex(key)));
                continue;
            };
            channels.newest = number;
            oldest.get_or_insert(number);
            if let Err(why) = Said::read(said) {
                self.damage(format!("message {number}"), why);
            }
        }
        if oldest.is_some_and(|oldest| channels.newest - oldest >= SAID_KEPT) {
            let words = format!("more than the last {SAID_KEPT} messages are kept");
            self.damage("said", words);
        }
        Ok(channels)
    }

    /// Behind the sessions: a channel that nobody is in is none.
    pub(super) fn empty_channels(&mut self, channels: Channels) {
        let mut empty: Vec<_> = channels
            .counts
            .into_iter()
            .filter_map(|(name, (_, has_members))| (!has_members).then_some(name))
            .collect();
        empty.sort_unstable();
        for name in empty {
            self.damage(format!("channel {name:?}"), "nobody is in it");
        }
    }
}
