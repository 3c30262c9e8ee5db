//! Lives here: sessions in LMDB: their records, outcomes and events, written and read back.
//! Not here: what they mean (`session`), the transaction that they are written in (`write`).
//!
//! Invariant: of a session without a record nothing is kept; no more than the last outcomes, and
//! no more events than were asked for, and none that has arrived.

use heed::RoTxn;
use uuid::Uuid;

use super::channels::Archive;
use super::{Pages, Result, Store, Table, Tables, damaged, number};
use crate::batch::{Batch, SessionEdit};
use crate::effect::SessionId;
use crate::session::{OUTCOMES_KEPT, SavedSession, SessionRecord, Told, words};

/// Bytes of a session's id.
const ID: usize = 16;

impl Store {
    /// Sets how many events are kept per session, at least 1; the oldest make room.
    pub(crate) fn keep_events(&mut self, kept: usize) {
        self.events_kept = kept.max(1) as u64;
    }

    /// All sessions, as LMDB has them.
    pub(crate) fn sessions(&self) -> Result<Vec<SavedSession>> {
        self.read("read the sessions", |tables, txn| {
            let archive = tables.archive(txn)?;
            tables
                .sessions
                .iter(txn)?
                .map(|item| {
                    let (key, record) = item?;
                    tables.saved(txn, (key, record), (&archive, self.events_kept))
                })
                .collect()
        })
    }
}

impl Tables {
    fn saved(
        &self,
        txn: &RoTxn<'_>,
        (key, record): (&[u8], &[u8]),
        (archive, events_kept): (&Archive, u64),
    ) -> heed::Result<SavedSession> {
        let id = SessionId(Uuid::from_slice(key).map_err(damaged)?);
        let record = read_record(record)?;
        let mut outcomes = Vec::new();
        for item in self.outcomes.prefix_iter(txn, key)? {
            let (_, value) = item?;
            let (seq, outcome) = value.split_at_checked(8).ok_or_else(cut_short)?;
            let outcome = words::read_outcome(outcome).map_err(damaged)?;
            outcomes.push((number(Some(seq))?, outcome));
        }
        outcomes.sort_unstable_by_key(|(seq, _)| *seq);
        let (mut events, mut taken) = (Vec::new(), Vec::new());
        for item in self.events.prefix_iter(txn, key)? {
            let (key, payload) = item?;
            let n = number(key.get(ID..))?;
            taken.push(n);
            if n > record.acked && !payload.is_empty() {
                let payload = words::read_payload(payload).map_err(damaged)?;
                events.push((n, Told::Event(payload)));
            }
        }
        events.extend(archive.heard(&record, &taken, events_kept));
        events.sort_unstable_by_key(|(n, _)| *n);
        let more = (events.len() as u64).saturating_sub(events_kept);
        events.drain(..more as usize);
        Ok(SavedSession {
            id,
            newest: record.newest_with(|channel| archive.count(channel)),
            record,
            outcomes,
            events,
        })
    }

    pub(super) fn put_sessions(
        &self,
        to: &mut impl Pages,
        batch: &Batch<'_>,
        events_kept: u64,
    ) -> heed::Result<()> {
        let mut edits: Vec<_> = batch.sessions.iter().collect();
        edits.sort_unstable_by_key(|(id, _)| **id);
        for (id, edit) in edits {
            let key = id.0.into_bytes();
            if edit.wiped {
                remove(self.outcomes, to, &key, &[u8::MAX])?;
                remove(self.events, to, &key, &u64::MAX.to_be_bytes())?;
            }
            let before = to.get(self.sessions, &key)?.map(read_record).transpose()?;
            let mut failed = None;
            let count = |channel: &str| {
                self.count(to, channel).unwrap_or_else(|error| {
                    failed = Some(error);
                    0
                })
            };
            let after = edit.apply(before.clone(), count);
            if let Some(error) = failed {
                return Err(error);
            }
            let Some(record) = after else {
                to.delete(self.sessions, &key)?;
                continue;
            };
            if before.as_ref() != Some(&record) {
                self.put_record(to, &key, &record)?;
            }
            self.put_outcomes(to, &key, edit)?;
            let gone = |record: &SessionRecord| {
                record.acked.max(record.newest.saturating_sub(events_kept))
            };
            let gone_now = gone(&record);
            if before.is_some_and(|before| gone(&before) < gone_now) {
                remove(self.events, to, &key, &gone_now.to_be_bytes())?;
            }
            for (n, payload) in &edit.events {
                // Without a payload it still takes its number.
                if *n > gone_now {
                    to.put(self.events, &event_key(&key, *n), payload)?;
                }
            }
        }
        Ok(())
    }

    fn put_record(
        &self,
        to: &mut impl Pages,
        key: &[u8; ID],
        record: &SessionRecord,
    ) -> heed::Result<()> {
        let bytes = rmp_serde::to_vec_named(record).map_err(damaged)?;
        to.put(self.sessions, key, &bytes)
    }

    fn put_outcomes(
        &self,
        to: &mut impl Pages,
        key: &[u8; ID],
        edit: &SessionEdit<'_>,
    ) -> heed::Result<()> {
        let mut slot = [0; ID + 1];
        slot[..ID].copy_from_slice(key);
        let mut value = Vec::new();
        for (seq, outcome) in &edit.outcomes {
            slot[ID] = (seq % OUTCOMES_KEPT as u64) as u8;
            value.clear();
            value.extend_from_slice(&seq.to_be_bytes());
            value.extend_from_slice(outcome);
            to.put(self.outcomes, &slot, &value)?;
        }
        Ok(())
    }
}

fn event_key(session: &[u8; ID], n: u64) -> [u8; ID + 8] {
    let mut key = [0; ID + 8];
    key[..ID].copy_from_slice(session);
    key[ID..].copy_from_slice(&n.to_be_bytes());
    key
}

/// Removes what `table` has of a session, up to `last`.
fn remove(table: Table, to: &mut impl Pages, session: &[u8; ID], last: &[u8]) -> heed::Result<()> {
    let end = [session, last].concat();
    to.delete_range(table, session, &end)
}

fn read_record(bytes: &[u8]) -> heed::Result<SessionRecord> {
    rmp_serde::from_slice(bytes)
        .map_err(|e| damaged(format!("a session's record can't be read: {e}")))
}

fn cut_short() -> heed::Error {
    damaged("an outcome in the store is cut short")
}
