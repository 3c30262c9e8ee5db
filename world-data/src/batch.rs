//! Lives here: the merge of many epochs into the newest version of every row.
//! Not here: writing them (`store`), collecting them (`checkpoint`, `recovery`).
//!
//! Invariant: merging epochs in order and applying the batch leaves LMDB as applying each epoch
//! in order would. Nothing is copied: the batch borrows from the records.

use std::collections::{BTreeMap, VecDeque};

use rustc_hash::FxHashMap;

use crate::channel::{self, SAID_KEPT};
use crate::effect::SessionId;
use crate::job::JobId;
use crate::line::Home;
use crate::object::ObjectId;
use crate::record::{Change, changes};
use crate::session::{Fact, OUTCOMES_KEPT, SessionRecord};

/// The newest version of everything that some epochs changed.
#[derive(Debug, Default)]
pub(crate) struct Batch<'a> {
    /// By object: its home and row, or `None` when it was removed last. With the home, for an
    /// object without a position; where an entity's row stands is known to LMDB alone.
    pub(crate) rows: FxHashMap<ObjectId, Row<'a>>,
    /// By home and name: its target, or `None` when it was unbound last.
    pub(crate) names: FxHashMap<(Home, &'a str), Option<ObjectId>>,
    /// By key.
    pub(crate) meta: BTreeMap<&'a str, &'a [u8]>,
    /// By number.
    pub(crate) dead: BTreeMap<u64, &'a [u8]>,
    /// By session.
    pub(crate) sessions: FxHashMap<SessionId, SessionEdit<'a>>,
    /// What was said on channels, by number, ascending: the newest.
    pub(crate) said: VecDeque<(u64, &'a [u8])>,
    /// By name: how much has been said on a channel, or `None` when it has no members any more.
    pub(crate) channels: FxHashMap<String, Option<u64>>,
    /// By name: its row, or `None` when it waits no more.
    pub(crate) jobs: FxHashMap<JobId, Option<&'a [u8]>>,
    bytes: usize,
}

/// What became of an object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    /// Where it lives now, or lived.
    pub(crate) home: Home,
    /// Its row; `None` when it was removed.
    pub(crate) row: Option<&'a [u8]>,
}

impl<'a> Batch<'a> {
    /// Adds the record of the next epoch.
    ///
    /// # Errors
    /// Names the offset at which the record can't be read; the batch must not be applied.
    pub(crate) fn merge(&mut self, record: &'a [u8]) -> Result<(), String> {
        self.bytes += record.len();
        for change in changes(record) {
            match change?.0 {
                Change::Put { id, home, row } => {
                    self.rows.insert(
                        id,
                        Row {
                            home,
                            row: Some(row),
                        },
                    );
                }
                Change::Remove { id, home } => {
                    self.rows.insert(id, Row { home, row: None });
                }
                Change::Bind { home, name, id } => {
                    self.names.insert((home, name), Some(id));
                }
                Change::Unbind { home, name } => {
                    self.names.insert((home, name), None);
                }
                Change::Meta { key, value } => {
                    self.meta.insert(key, value);
                }
                Change::Dead { number, letter } => {
                    self.dead.insert(number, letter);
                }
                Change::Fact { session, fact } => self.fact(session, fact)?,
                Change::Outcome {
                    session,
                    seq,
                    outcome,
                } => self.edit(session).outcome(seq, outcome),
                Change::Event {
                    session,
                    n,
                    own,
                    payload,
                } => {
                    let edit = self.edit(session);
                    edit.events.push_back((n, payload));
                    edit.own = own;
                }
                Change::Said {
                    number,
                    count,
                    said,
                } => self.hear((number, count), said)?,
                Change::Quiet { channel } => self.count(channel, None),
                Change::Job { id, row } => {
                    self.jobs.insert(id, Some(row));
                }
                Change::Drop { id } => {
                    self.jobs.insert(id, None);
                }
            }
        }
        Ok(())
    }

    fn fact(&mut self, session: SessionId, fact: &[u8]) -> Result<(), String> {
        let fact: Fact = rmp_serde::from_slice(fact)
            .map_err(|e| format!("a fact of a session can't be read: {e}"))?;
        if let Fact::Joined { channel, at, .. } = &fact {
            self.count(channel, Some(*at));
        }
        self.edit(session).fact(fact);
        Ok(())
    }

    fn hear(&mut self, (number, count): (u64, u64), said: &'a [u8]) -> Result<(), String> {
        let (channel, _) = channel::split_channel(said)?;
        self.count(channel, Some(count));
        if self.said.len() as u64 == SAID_KEPT {
            self.said.pop_front();
        }
        self.said.push_back((number, said));
        Ok(())
    }

    /// Notes how much has been said on a channel.
    fn count(&mut self, channel: &str, count: Option<u64>) {
        match self.channels.get_mut(channel) {
            Some(known) => *known = count,
            None => {
                self.channels.insert(channel.to_owned(), count);
            }
        }
    }

    fn edit(&mut self, session: SessionId) -> &mut SessionEdit<'a> {
        self.sessions.entry(session).or_default()
    }

    /// The bytes of the records merged: an upper bound of the bytes of the rows.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Rows that applying the batch writes or deletes.
    pub(crate) fn len(&self) -> usize {
        let kept = self.sessions.len() + self.jobs.len() + self.said.len() + self.channels.len();
        self.rows.len() + self.names.len() + self.meta.len() + self.dead.len() + kept
    }
}

/// What some epochs changed of a session.
#[derive(Debug, Default)]
pub(crate) struct SessionEdit<'a> {
    /// Outcomes and events of before are void.
    pub(crate) wiped: bool,
    /// In commit order.
    pub(crate) facts: Vec<Fact>,
    /// Those of its last commands, by number, ascending.
    pub(crate) outcomes: VecDeque<(u64, &'a [u8])>,
    /// By number, ascending; without bytes: it is not kept, and only its number counts.
    pub(crate) events: VecDeque<(u64, &'a [u8])>,
    /// At the last event: numbers that were not heard on channels that it was in then.
    own: u64,
}

impl<'a> SessionEdit<'a> {
    fn fact(&mut self, fact: Fact) {
        if fact.wipes() {
            self.wiped = true;
            self.outcomes.clear();
            self.events.clear();
            self.own = 0;
        }
        self.facts.push(fact);
    }

    fn outcome(&mut self, seq: u64, outcome: &'a [u8]) {
        self.outcomes.push_back((seq, outcome));
        if self.outcomes.len() > OUTCOMES_KEPT {
            self.outcomes.pop_front();
        }
    }

    /// What the session's record becomes; `None` when nothing is kept of it. `count` says how much
    /// has been said on a channel.
    pub(crate) fn apply(
        &self,
        record: Option<SessionRecord>,
        count: impl FnMut(&str) -> u64,
    ) -> Option<SessionRecord> {
        let facts = self.facts.iter().cloned();
        let mut record = facts.fold(record, SessionRecord::after)?;
        let last = |list: &VecDeque<(u64, _)>| list.back().map_or(0, |(number, _)| *number);
        record.done = record.done.max(last(&self.outcomes));
        // First: what a record of before there were channels says of it, the next line changes.
        record.note_own(self.own);
        record.newest = record.newest.max(last(&self.events));
        // A client can't have heard what is still to come.
        record.acked = record.acked.min(record.newest_with(count));
        Some(record)
    }
}
