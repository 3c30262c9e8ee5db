//! Lives here: what is kept of a session so that it outlives the process: its record, and the facts
//! that change it. Not here: how it is told apart from sockets and hubs (`actors`), the rows in
//! LMDB (`store`), when a fact is laid down (`committer`).
//!
//! Invariant: a fact stands in the epoch of the task it tells of, and facts of one session are
//! written in commit order; so what is on disk of a session agrees with what is on disk of the world.

mod numbers;
pub(crate) mod value;
pub(crate) mod words;

use serde::{Deserialize, Serialize};

pub(crate) use self::numbers::Numbers;
use crate::effect::{Outcome, Payload, SessionId};
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
    /// The number of its newest event.
    pub newest: u64,
    /// Events up to this number have arrived.
    pub acked: u64,
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
                }
                record.pass = pass;
                record.pass_before = used;
                record.away_ms = None;
            }
            Fact::Away { at_ms } => record.away_ms = Some(at_ms),
            Fact::Heard { pass } if pass == record.pass => record.pass_before = None,
            Fact::Acked(n) => record.acked = record.acked.max(n),
            Fact::Closed(message) => record.closed = Some(message),
            Fact::Ended => return None,
            Fact::Began { .. } | Fact::Heard { .. } => {}
        }
        Some(record)
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
    /// Its events that are not acknowledged, by number, ascending.
    pub events: Vec<(u64, Payload)>,
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
