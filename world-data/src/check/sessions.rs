//! Lives here: the check of sessions: their records, outcomes and events.

use rustc_hash::{FxHashMap, FxHashSet};
use uuid::Uuid;

use super::graph::From;
use super::{Check, hex, number};
use crate::engine::OpenError;
use crate::mention::Mention;
use crate::session::{OUTCOMES_KEPT, SessionRecord, words};

/// Bytes of a session's id.
const ID: usize = 16;

/// What else is kept of sessions must agree with.
type Records = FxHashMap<Uuid, SessionRecord>;

impl Check<'_> {
    pub(super) fn sessions(&mut self) -> Result<(), OpenError> {
        let mut records = Records::default();
        let mut channels = self.channels()?;
        let mut names = FxHashSet::default();
        for item in self.look.rows("sessions", &[])? {
            let (key, record) = item?;
            let Ok(id) = Uuid::from_slice(key) else {
                self.damage("sessions", format!("{} is no session", hex(key)));
                continue;
            };
            self.told.counts.sessions += 1;
            let place = format!("session {id}");
            let record: SessionRecord = match rmp_serde::from_slice(record) {
                Ok(record) => record,
                Err(error) => {
                    self.damage(place, format!("its record can't be read: {error}"));
                    continue;
                }
            };
            if !names.insert(record.name.clone()) {
                let words = format!("{:?} has another session, too", record.name);
                self.damage(&place, words);
            }
            if let Err(why) = channels.enter(&record) {
                self.damage(&place, why);
            }
            let newest = record.newest_with(|channel| channels.count(channel));
            if record.acked > newest {
                let acked = record.acked;
                let words = format!("event {acked} has arrived and {newest} is the newest");
                self.damage(&place, words);
            }
            if record
                .pass_before
                .is_some_and(|before| before >= record.pass)
            {
                self.damage(&place, "its token is not newer than the one before");
            }
            if let Some(you) = record.you {
                self.note(&From::Session(id), vec![Mention::Id(you.raw())]);
            }
            records.insert(id, record);
        }
        self.empty_channels(channels);
        self.outcomes(&records)?;
        self.events(&records)
    }

    fn outcomes(&mut self, records: &Records) -> Result<(), OpenError> {
        for item in self.look.rows("outcomes", &[])? {
            let (key, value) = item?;
            self.told.counts.outcomes += 1;
            if let Err(why) = outcome(key, value, records) {
                self.damage(place(key), why);
            }
        }
        Ok(())
    }

    fn events(&mut self, records: &Records) -> Result<(), OpenError> {
        for item in self.look.rows("events", &[])? {
            let (key, payload) = item?;
            self.told.counts.events += 1;
            if let Err(why) = event(key, payload, records) {
                self.damage(place(key), why);
            }
        }
        Ok(())
    }
}

/// The session that a key begins with.
fn place(key: &[u8]) -> String {
    match session(key) {
        Some((id, _)) => format!("session {id}"),
        None => hex(key),
    }
}

fn session(key: &[u8]) -> Option<(Uuid, &[u8])> {
    let (id, rest) = key.split_at_checked(ID)?;
    Some((Uuid::from_slice(id).ok()?, rest))
}

fn owner<'k, 'r>(
    key: &'k [u8],
    records: &'r Records,
) -> Result<(&'r SessionRecord, &'k [u8]), String> {
    let (id, rest) = session(key).ok_or("an outcome or event of no session")?;
    let record = records.get(&id);
    Ok((
        record.ok_or("an outcome or event of a session that is gone")?,
        rest,
    ))
}

fn outcome(key: &[u8], value: &[u8], records: &Records) -> Result<(), String> {
    let (record, slot) = owner(key, records)?;
    let parts = value.split_at_checked(8);
    let parts = parts.and_then(|(seq, outcome)| Some((number(seq)?, outcome)));
    let (seq, outcome) = parts.ok_or("an outcome is cut short")?;
    if slot != [(seq % OUTCOMES_KEPT as u64) as u8] {
        return Err(format!(
            "the outcome of command {seq} stands in the place of another"
        ));
    }
    if seq > record.done {
        let done = record.done;
        return Err(format!(
            "command {seq} has an outcome and {done} is the last"
        ));
    }
    words::read_outcome(outcome)
        .map(|_| ())
        .map_err(|why| format!("the outcome of command {seq}: {why}"))
}

fn event(key: &[u8], payload: &[u8], records: &Records) -> Result<(), String> {
    let (record, n) = owner(key, records)?;
    let n = number(n).ok_or("an event without a number")?;
    if n == 0 || n > record.newest {
        let newest = record.newest;
        return Err(format!("event {n} is there and {newest} is the newest"));
    }
    if payload.is_empty() {
        // Too large to be kept: its number stands for it.
        return Ok(());
    }
    words::read_payload(payload)
        .map(|_| ())
        .map_err(|why| format!("event {n}: {why}"))
}
