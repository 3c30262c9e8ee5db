//! Lives here: the one write transaction: a batch of rows brought into LMDB, and room made for it.
//! Not here: what is in the batch (`batch`), when it is written (`checkpoint`, `recovery`).
//!
//! Invariant: a batch and the number of its last epoch are committed together or not at all.

use std::sync::atomic::Ordering;

use super::{Pages, Result, Store, StoreError, Tables, key, number};
use crate::batch::Batch;
use crate::dead::MAX_DEAD_LETTERS;

/// The map is enlarged when a batch could fill more than this share of it, in percent.
const FULL_PERCENT: usize = 75;
/// LMDB writes whole pages and new copies of them: room per byte of a batch.
const ROOM_PER_BYTE: usize = 4;
/// Map sizes must be multiples of the system's page size; this is one for all systems.
pub(super) const MAP_GRAIN: usize = 64 << 10;
/// Times the map is enlarged for one batch before giving up.
const MAX_GROWTHS: usize = 8;

/// What applying a batch did.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Applied {
    /// Rows written or deleted.
    pub(crate) rows: usize,
    /// What became of dead letters.
    dead: Dead,
}

/// Dead letters after a batch.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Dead {
    /// There are so many.
    kept: u64,
    /// The oldest that were given up for newer ones.
    pushed_out: u64,
}

/// A row to write or delete, in the order of its key.
type Edit<'a> = (u64, u64, Option<&'a [u8]>);

impl Store {
    /// Brings LMDB up to `epoch`, in one fully synced transaction.
    ///
    /// # Errors
    /// LMDB is as it was before. [`StoreError::NoSpace`]: the disk is full.
    pub(crate) fn apply(&self, batch: &Batch<'_>, epoch: u64) -> Result<Applied> {
        let room = batch
            .bytes()
            .saturating_mul(ROOM_PER_BYTE)
            .saturating_add(MAP_GRAIN);
        self.make_room(room)?;
        for _ in 0..MAX_GROWTHS {
            match self.try_apply(batch, epoch) {
                Err(StoreError::Full { .. }) => self.grow(room)?,
                result => return self.applied(epoch, result),
            }
        }
        Err(StoreError::Full {
            limit: self.limit(),
        })
    }

    /// Enlarges the map if `room` more bytes could fill it.
    pub(super) fn make_room(&self, room: usize) -> Result<()> {
        if self.used().saturating_add(room) > self.limit() / 100 * FULL_PERCENT {
            self.grow(room)?;
        }
        Ok(())
    }

    fn applied(&self, epoch: u64, result: Result<Applied>) -> Result<Applied> {
        if let Ok(Applied { dead, .. }) = &result {
            self.applied.store(epoch, Ordering::Release);
            self.gauges.dead_letters.set(dead.kept as f64);
            self.gauges.dead_dropped.increment(dead.pushed_out);
        }
        self.publish();
        result
    }

    pub(super) fn try_apply(&self, batch: &Batch<'_>, epoch: u64) -> Result<Applied> {
        let _open = self.sizing.read();
        let write = || {
            let mut txn = self.env.write_txn()?;
            let dead = self
                .tables
                .put_batch(&mut txn, batch, epoch, self.events_kept)?;
            txn.commit().map(|()| dead)
        };
        check_meta(batch)?;
        let dead = write().map_err(StoreError::of("write a checkpoint to the store"))?;
        Ok(Applied {
            rows: batch.len(),
            dead,
        })
    }

    /// Bytes of the map in use.
    pub(super) fn used(&self) -> usize {
        let page = self.env.unnamed_database_stat().page_size as usize;
        (self.env.info().last_page_number + 1) * page
    }

    /// The size of the map.
    pub(super) fn limit(&self) -> usize {
        self.env.info().map_size
    }

    /// Enlarges the map to twice its size, or as much as `room` asks for.
    fn grow(&self, room: usize) -> Result<()> {
        let least = self.used().saturating_add(room) / FULL_PERCENT * 100;
        let from = self.limit();
        let size = from
            .saturating_mul(2)
            .max(least)
            .next_multiple_of(MAP_GRAIN);
        let _alone = self.sizing.write();
        // SAFETY: every transaction of this process is opened and ended while `sizing` is held for
        // reading, so none is open now.
        unsafe { self.env.resize(size) }.map_err(StoreError::of("enlarge the store's map"))?;
        tracing::info!(from, to = size, "the store's map was enlarged");
        Ok(())
    }

    pub(super) fn publish(&self) {
        self.gauges.bytes.set(self.used() as f64);
        self.gauges.limit.set(self.limit() as f64);
        self.gauges
            .readers
            .set(f64::from(self.env.info().number_of_readers));
    }
}

/// No record may change what the store itself says of itself.
pub(super) fn check_meta(batch: &Batch<'_>) -> Result<()> {
    match batch.meta.keys().find(|key| is_own(key)) {
        Some(key) => Err(StoreError::Damaged(format!(
            "a record would change {key} of the store"
        ))),
        None => Ok(()),
    }
}

fn is_own(key: &str) -> bool {
    matches!(
        key,
        key::FORMAT | key::WORLD | key::WORLD_ID | key::MAP | key::APPLIED
    )
}

impl Tables {
    /// Brings the tables up to `epoch`.
    pub(super) fn put_batch(
        &self,
        to: &mut impl Pages,
        batch: &Batch<'_>,
        epoch: u64,
        events_kept: u64,
    ) -> heed::Result<Dead> {
        self.check_order(to, epoch)?;
        self.put_rows(to, batch)?;
        self.put_names(to, batch)?;
        self.put_jobs(to, batch)?;
        let dead = self.put_rest(to, batch)?;
        // Behind the channels: how far a session has counted depends on them.
        self.put_channels(to, batch)?;
        self.put_sessions(to, batch, events_kept)?;
        to.put(self.meta, key::APPLIED.as_bytes(), &epoch.to_be_bytes())?;
        Ok(dead)
    }

    /// LMDB must not be set back to an earlier epoch.
    fn check_order(&self, to: &impl Pages, epoch: u64) -> heed::Result<()> {
        let applied = number(to.get(self.meta, key::APPLIED.as_bytes())?)?;
        if epoch < applied {
            let what = format!("epoch {epoch} is older than epoch {applied} in the store");
            return Err(super::damaged(what));
        }
        Ok(())
    }

    fn put_rows(&self, to: &mut impl Pages, batch: &Batch<'_>) -> heed::Result<()> {
        let edits = self.edits(to, batch)?;
        let last = to.last(self.rows)?;
        for (home, id, row) in edits {
            let mut key = [0; 16];
            key[..8].copy_from_slice(&home.to_be_bytes());
            key[8..].copy_from_slice(&id.to_be_bytes());
            match row {
                None => to.delete(self.rows, &key)?,
                // Behind the end LMDB is told so: it then fills pages instead of halving them,
                // which makes a new world's store half as large.
                Some(row) if last.as_ref().is_none_or(|last| last.as_slice() < &key) => {
                    to.append(self.rows, &key, row)?;
                }
                Some(row) => to.put(self.rows, &key, row)?,
            }
        }
        Ok(())
    }

    /// The rows to write and delete, in key order; updates where entities are.
    fn edits<'a>(&self, to: &mut impl Pages, batch: &Batch<'a>) -> heed::Result<Vec<Edit<'a>>> {
        let mut edits: Vec<Edit<'a>> = Vec::with_capacity(batch.rows.len());
        let mut entities = Vec::new();
        for (id, row) in &batch.rows {
            if id.is_entity() {
                entities.push((id.raw(), *row));
            } else {
                edits.push((row.home.0, id.raw(), row.row));
            }
        }
        entities.sort_unstable_by_key(|(id, _)| *id);
        for (id, change) in entities {
            let place = id.to_be_bytes();
            // What the record calls the home before is of no use: the entity may have moved many
            // times since LMDB last heard of it.
            let old = to.get(self.places, &place)?;
            let old = old.map(|home| number(Some(home))).transpose()?;
            let new = change.row.map(|_| change.home.0);
            if old != new {
                match new {
                    Some(home) => to.put(self.places, &place, &home.to_be_bytes())?,
                    None => to.delete(self.places, &place)?,
                }
                edits.extend(old.map(|home| (home, id, None)));
            }
            edits.extend(new.map(|home| (home, id, change.row)));
        }
        edits.sort_unstable_by_key(|(home, id, _)| (*home, *id));
        Ok(edits)
    }

    fn put_names(&self, to: &mut impl Pages, batch: &Batch<'_>) -> heed::Result<()> {
        let mut names: Vec<_> = batch.names.iter().collect();
        names.sort_unstable_by_key(|(name, _)| **name);
        let mut key = Vec::new();
        for ((home, name), id) in names {
            key.clear();
            key.extend_from_slice(&home.0.to_be_bytes());
            key.extend_from_slice(name.as_bytes());
            match id {
                Some(id) => to.put(self.names, &key, &id.raw().to_be_bytes())?,
                None => to.delete(self.names, &key)?,
            }
        }
        Ok(())
    }

    fn put_jobs(&self, to: &mut impl Pages, batch: &Batch<'_>) -> heed::Result<()> {
        let mut jobs: Vec<_> = batch.jobs.iter().collect();
        jobs.sort_unstable_by_key(|(id, _)| **id);
        for (id, row) in jobs {
            let mut key = [0; 16];
            key[..8].copy_from_slice(&id.of.raw().to_be_bytes());
            key[8..].copy_from_slice(&id.number.to_be_bytes());
            match row {
                Some(row) => to.put(self.jobs, &key, row)?,
                None => to.delete(self.jobs, &key)?,
            }
        }
        Ok(())
    }

    fn put_rest(&self, to: &mut impl Pages, batch: &Batch<'_>) -> heed::Result<Dead> {
        for (key, value) in &batch.meta {
            to.put(self.meta, key.as_bytes(), value)?;
        }
        if batch.dead.is_empty() {
            let kept = to.len(self.dead)?;
            return Ok(Dead {
                kept,
                pushed_out: 0,
            });
        }
        self.put_dead(to, batch)
    }

    fn put_dead(&self, to: &mut impl Pages, batch: &Batch<'_>) -> heed::Result<Dead> {
        let next = self.next_dead(to)?;
        for (number, _) in batch.dead.iter().filter(|(_, letter)| letter.is_empty()) {
            to.delete(self.dead, &number.to_be_bytes())?;
        }
        let letters = batch.dead.iter().filter(|(_, letter)| !letter.is_empty());
        // Only the newest can stay, so older ones need not be written first.
        let skip = letters.clone().count().saturating_sub(MAX_DEAD_LETTERS);
        for (number, letter) in letters.skip(skip) {
            to.put(self.dead, &number.to_be_bytes(), letter)?;
        }
        let above = to.len(self.dead)?.saturating_sub(MAX_DEAD_LETTERS as u64);
        for _ in 0..above {
            let Some(oldest) = to.first(self.dead)? else {
                break;
            };
            to.delete(self.dead, &oldest)?;
        }
        // A number is given once, even when its letter was dropped: an operator may have noted it.
        let newest = batch.dead.last_key_value().map_or(0, |(number, _)| *number);
        let next = next.max(newest + 1).to_be_bytes();
        to.put(self.meta, key::NEXT_DEAD.as_bytes(), &next)?;
        Ok(Dead {
            kept: to.len(self.dead)?,
            pushed_out: skip as u64 + above,
        })
    }
}
