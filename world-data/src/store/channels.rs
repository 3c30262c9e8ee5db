//! Lives here: channels in LMDB: how much was said on each, and what was said last, over all of
//! them. Not here: who is a member (`sessions`), the transaction (`write`).
//!
//! Invariant: no more than the last [`SAID_KEPT`] messages are kept, each once, however many heard
//! it; nothing is kept of a channel without members but what was said.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use heed::RoTxn;
use rustc_hash::FxHashMap;

use super::{Pages, Read, Result, Store, Tables, damaged, number};
use crate::batch::Batch;
use crate::channel::{SAID_KEPT, Said};
use crate::session::{SessionRecord, Told};

/// What was said on channels, as LMDB has it.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    /// By channel: how much was said there while it had members.
    counts: FxHashMap<String, u64>,
    /// By channel: what was said there, with its number on all channels, ascending.
    said: FxHashMap<String, Vec<(u64, Arc<Said>)>>,
    /// The number of the last message on all channels.
    pub(crate) newest: u64,
}

impl Archive {
    /// How much was said on a channel.
    pub(crate) fn count(&self, channel: &str) -> u64 {
        self.counts.get(channel).copied().unwrap_or_default()
    }

    /// What a session heard on channels and has not acknowledged, with its numbers; `taken` are the
    /// numbers of its own events, ascending. At most `limit`, counted with those.
    ///
    /// The session's numbers are without a gap. So from the newest one down, each that is not taken
    /// by an event is that of the last message which has none yet.
    pub(crate) fn heard(
        &self,
        record: &SessionRecord,
        taken: &[u64],
        limit: u64,
    ) -> Vec<(u64, Told)> {
        let mut heard: Vec<_> = record
            .stays()
            .flat_map(|(channel, since, until)| self.between(channel, (since, until), limit))
            .collect();
        heard.sort_unstable_by_key(|(number, _)| *number);
        let newest = record.newest_with(|channel| self.count(channel));
        let oldest = record.acked.max(newest.saturating_sub(limit));
        let mut free = (oldest + 1..=newest)
            .rev()
            .filter(|n| taken.binary_search(n).is_err());
        let mut told = Vec::new();
        while let Some((number, said)) = heard.pop()
            && let Some(n) = free.next()
        {
            told.push((n, Told::Said(number, said)));
        }
        told.reverse();
        told
    }

    /// The last of what was said on a channel behind one number and up to another.
    fn between(
        &self,
        channel: &str,
        (since, until): (u64, u64),
        limit: u64,
    ) -> impl Iterator<Item = (u64, Arc<Said>)> {
        let said = self.said.get(channel).map_or(&[][..], Vec::as_slice);
        let first = said.partition_point(|(number, _)| *number <= since);
        let end = said.partition_point(|(number, _)| *number <= until);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let stay = &said[first.min(end)..end];
        stay[stay.len().saturating_sub(limit)..]
            .iter()
            .map(|(number, said)| (*number, Arc::clone(said)))
    }
}

impl Store {
    /// What was said on channels, as LMDB has it.
    pub(crate) fn archive(&self) -> Result<Archive> {
        self.read("read what was said on channels", Tables::archive)
    }
}

impl Tables {
    pub(super) fn archive(&self, txn: &RoTxn<'_>) -> heed::Result<Archive> {
        let mut archive = Archive::default();
        for item in self.channels.iter(txn)? {
            let (name, count) = item?;
            let name = std::str::from_utf8(name).map_err(damaged)?;
            archive.counts.insert(name.to_owned(), number(Some(count))?);
        }
        for item in self.said.iter(txn)? {
            let (key, said) = item?;
            let said = Arc::new(Said::read(said).map_err(damaged)?);
            archive.newest = number(Some(key))?;
            let channel = archive.said.entry(said.channel.to_string());
            channel.or_default().push((archive.newest, said));
        }
        Ok(archive)
    }

    /// How much was said on a channel.
    pub(super) fn count(&self, from: &impl Read, channel: &str) -> heed::Result<u64> {
        let count = from.get(self.channels, channel.as_bytes())?;
        count.map_or(Ok(0), |count| number(Some(count)))
    }

    pub(super) fn put_channels(&self, to: &mut impl Pages, batch: &Batch<'_>) -> heed::Result<()> {
        let mut counts: Vec<_> = batch.channels.iter().collect();
        counts.sort_unstable();
        for (name, count) in counts {
            match count {
                Some(count) => to.put(self.channels, name.as_bytes(), &count.to_be_bytes())?,
                None => to.delete(self.channels, name.as_bytes())?,
            }
        }
        for (number, said) in &batch.said {
            to.put(self.said, &number.to_be_bytes(), said)?;
        }
        let Some((newest, _)) = batch.said.back() else {
            return Ok(());
        };
        if let Some(gone) = newest.checked_sub(SAID_KEPT) {
            to.delete_range(self.said, &[0; 8], &gone.to_be_bytes())?;
        }
        Ok(())
    }
}
