//! Lives here: what is kept of a session so that it outlives the process: its record, and the facts
//! that change it. Not here: how it is told apart from sockets and hubs (`actors`), the rows in
//! LMDB (`store`), when a fact is laid down (`committer`).
//!
//! Invariant: a fact stands in the epoch of the task it tells of, and facts of one session are
//! written in commit order; so what is on disk of a session agrees with what is on disk of the world.

mod numbers;
pub(crate) mod value;
pub(crate) mod words;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub(crate) use self::numbers::{Aside, Noted, Numbers};
use crate::channel::{Channel, Said};
use crate::effect::{Heard, Outcome, Payload, SessionId};
use crate::object::ObjectId;

/// Outcomes kept of each session: those of its last commands. As many as may be unanswered, so that
/// whatever a client can ask again is there.
pub const OUTCOMES_KEPT: usize = 64;

/// What is kept of a session besides its outcomes and events.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionRecord {
    /// The account's name.
    pub name: String,
    /// The session's own entity or object.
    pub you: Option<ObjectId>,
    /// When it logged in, in milliseconds since the Unix epoch.
    pub login_ms: u64,
    /// Since when it has been away, as far as the world was told.
    pub away_ms: Option<u64>,
    /// The number of its newest resume token.
    pub pass: u64,
    /// The token that the newest one was given for, as long as its client has not shown that it has
    /// the newest: a crash in between must not lock it out.
    pub pass_before: Option<u64>,
    /// The world has ended it, with this word for its client; it is still to be logged out.
    pub closed: Option<String>,
    /// The highest command number that is concluded.
    pub done: u64,
    /// The number of its newest event that was for it alone.
    pub newest: u64,
    /// Events up to this number have arrived.
    pub acked: u64,
    /// Of its numbers, those that were not heard on channels that it is in now.
    own: u64,
    /// The channels it is in.
    channels: Vec<Membership>,
    /// The channels it has left of which it may not have been told all, the last ones.
    left: Vec<Stay>,
    /// What was said up to this number is not told any more.
    horizon: u64,
}

/// Channels left that are remembered of each session until all that was heard there has arrived.
const LEFT_KEPT: usize = 64;

/// That a session is in a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Membership {
    channel: String,
    /// Messages that had been said there when it joined.
    at: u64,
    /// Messages that had been said on all channels when it joined.
    since: u64,
}

/// That a session was in a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stay {
    channel: String,
    /// It heard what was said behind this number, counted over all channels ...
    since: u64,
    /// ... and up to this one.
    until: u64,
    /// The number of its newest event when it left.
    newest: u64,
}

/// Something that becomes true of a session; `committer` writes them, in commit order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fact {
    /// It logged in.
    Began {
        name: String,
        you: Option<ObjectId>,
        at_ms: u64,
    },
    /// Its client has a socket again, and is given token `pass`. `used` is the token it came with;
    /// `None`: it came by its name, and begins anew, with no outcomes and events.
    Resumed { pass: u64, used: Option<u64> },
    /// It has no socket.
    Away { at_ms: u64 },
    /// The client of token `pass` has been heard of since it was given it.
    Heard { pass: u64 },
    /// Events up to this number have arrived.
    Acked(u64),
    /// It is in a channel from now on, where `at` messages have been said; on all channels `since`.
    Joined {
        channel: String,
        at: u64,
        since: u64,
    },
    /// It is in a channel no more: see [`Heard`].
    Left {
        channel: String,
        messages: u64,
        until: u64,
        own: u64,
        newest: u64,
    },
    /// The world has ended it.
    Closed(String),
    /// It is logged out: nothing is kept of it.
    Ended,
}

impl Fact {
    /// Whether outcomes and events of before are void.
    pub(crate) fn wipes(&self) -> bool {
        matches!(
            self,
            Self::Began { .. } | Self::Resumed { used: None, .. } | Self::Ended
        )
    }

    pub(crate) fn left(channel: &str, heard: &Heard) -> Self {
        let Heard {
            messages,
            until,
            own,
            newest,
        } = *heard;
        Self::Left {
            channel: channel.to_owned(),
            messages,
            until,
            own,
            newest,
        }
    }
}

impl SessionRecord {
    /// The record after one more fact; `None` when there is none any more, or never was.
    pub(crate) fn after(record: Option<Self>, fact: Fact) -> Option<Self> {
        if let Fact::Began { name, you, at_ms } = fact {
            return Some(Self {
                name,
                you,
                login_ms: at_ms,
                pass: 1,
                ..Self::default()
            });
        }
        let mut record = record?;
        match fact {
            Fact::Resumed { pass, used } => {
                if used.is_none() {
                    (record.done, record.newest, record.acked) = (0, 0, 0);
                    record.own = 0;
                    record.left.clear();
                }
                record.pass = pass;
                record.pass_before = used;
                record.away_ms = None;
            }
            Fact::Away { at_ms } => record.away_ms = Some(at_ms),
            Fact::Heard { pass } if pass == record.pass => record.pass_before = None,
            Fact::Acked(n) => {
                record.acked = record.acked.max(n);
                record.left.retain(|stay| stay.newest > n);
            }
            Fact::Joined { channel, at, since } => record.join(channel, at, since),
            Fact::Left {
                channel,
                messages,
                until,
                own,
                newest,
            } => {
                record.own = own;
                record.leave(channel, messages, (until, newest));
            }
            Fact::Closed(message) => record.closed = Some(message),
            Fact::Ended => return None,
            Fact::Began { .. } | Fact::Heard { .. } => {}
        }
        Some(record)
    }

    fn join(&mut self, channel: String, at: u64, since: u64) {
        // Told again after a beginning anew: from there on it counts.
        self.channels.retain(|member| member.channel != channel);
        self.channels.push(Membership { channel, at, since });
    }

    fn leave(&mut self, channel: String, messages: u64, (until, newest): (u64, u64)) {
        let place = self.channels.iter().position(|m| m.channel == channel);
        let Some(Membership { since, .. }) = place.map(|place| self.channels.remove(place)) else {
            return;
        };
        if messages == 0 || newest <= self.acked {
            return;
        }
        if self.left.len() == LEFT_KEPT {
            self.horizon = self.horizon.max(self.left.remove(0).until);
        }
        self.left.push(Stay {
            channel,
            since,
            until,
            newest,
        });
    }

    /// Of its numbers, those that were not heard on channels that it is in now.
    pub(crate) fn own(&self) -> u64 {
        // A record of before there were channels does not say; then all are its own.
        if self.own == 0 { self.newest } else { self.own }
    }

    /// Notes that `own` of its numbers were not heard on channels that it is in now.
    pub(crate) fn note_own(&mut self, own: u64) {
        self.own = self.own().max(own);
    }

    /// The number of its newest event, when `count` messages have been said on each channel.
    pub(crate) fn newest_with(&self, mut count: impl FnMut(&str) -> u64) -> u64 {
        let heard = |member: &Membership| count(&member.channel).saturating_sub(member.at);
        self.own() + self.channels.iter().map(heard).sum::<u64>()
    }

    /// The channels it is in, each with the messages that had been said there when it joined.
    pub(crate) fn memberships(&self) -> impl Iterator<Item = (&str, u64)> {
        let members = self.channels.iter();
        members.map(|member| (member.channel.as_str(), member.at))
    }

    /// The channels it is in.
    pub fn channels(&self) -> impl Iterator<Item = &str> {
        self.channels.iter().map(|member| member.channel.as_str())
    }

    /// What it has heard on channels: of each stay the channel, and which numbers, counted over all
    /// channels: those behind the first up to the second.
    pub(crate) fn stays(&self) -> impl Iterator<Item = (&str, u64, u64)> {
        let now = self.channels.iter();
        let now = now.map(|member| (member.channel.as_str(), member.since, u64::MAX));
        let left = self.left.iter();
        let left = left.map(|stay| (stay.channel.as_str(), stay.since, stay.until));
        now.chain(left)
            .map(|(channel, since, until)| (channel, since.max(self.horizon), until))
    }
}

/// A session of an earlier run, as it is found at the start.
#[derive(Debug)]
pub struct SavedSession {
    /// Which.
    pub id: SessionId,
    /// What is known of it.
    pub record: SessionRecord,
    /// What came of its last commands, by number, ascending; at most [`OUTCOMES_KEPT`].
    pub outcomes: Vec<(u64, Outcome)>,
    /// The number of its newest event, what it heard on channels included.
    pub newest: u64,
    /// Its events that are not acknowledged, by number, ascending, with what it heard on channels.
    pub events: Vec<(u64, Told)>,
}

/// What has a number among a session's events.
#[derive(Debug, Clone)]
pub enum Told {
    /// An event, for the session alone.
    Event(Payload),
    /// Something that was said on a channel: with its number there is on all channels.
    Said(u64, Arc<Said>),
}

impl SavedSession {
    /// The channels it is in.
    pub fn channels(&self) -> Vec<Channel> {
        self.record.channels().map(Channel::from).collect()
    }
}

/// Something of a session that no task tells of, and that may be lost by a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// The client of this token has been heard of.
    Heard(u64),
    /// Events up to this number have arrived.
    Acked(u64),
}

impl From<Note> for Fact {
    fn from(note: Note) -> Self {
        match note {
            Note::Heard(pass) => Self::Heard { pass },
            Note::Acked(n) => Self::Acked(n),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(facts: impl IntoIterator<Item = Fact>) -> Option<SessionRecord> {
        facts.into_iter().fold(None, SessionRecord::after)
    }

    fn began() -> Fact {
        Fact::Began {
            name: "ann".into(),
            you: None,
            at_ms: 7,
        }
    }

    #[test]
    fn the_token_before_counts_until_its_client_is_heard_of() {
        let resumed = |pass, used| Fact::Resumed { pass, used };
        let record = after([began(), resumed(2, Some(1))]).unwrap();
        assert_eq!((record.pass, record.pass_before), (2, Some(1)));
        let lost = after([began(), resumed(2, Some(1)), resumed(3, Some(1))]).unwrap();
        assert_eq!((lost.pass, lost.pass_before), (3, Some(1)));
        let heard = [began(), resumed(2, Some(1)), Fact::Heard { pass: 2 }];
        assert_eq!(after(heard).unwrap().pass_before, None);
        let late = [began(), resumed(2, Some(1)), Fact::Heard { pass: 1 }];
        assert_eq!(after(late).unwrap().pass_before, Some(1));
        let by_name = [began(), resumed(2, Some(1)), resumed(3, None)];
        assert_eq!(after(by_name).unwrap().pass_before, None);
    }

    #[test]
    fn nothing_is_known_of_a_session_before_its_login_and_after_its_logout() {
        assert_eq!(after([Fact::Away { at_ms: 1 }]), None);
        assert_eq!(after([began(), Fact::Ended]), None);
        assert_eq!(after([began(), Fact::Ended, Fact::Acked(1)]), None);
        let away = after([began(), Fact::Away { at_ms: 9 }]).unwrap();
        assert_eq!((away.login_ms, away.away_ms), (7, Some(9)));
    }
}
