//! Lives here: the store: what is in LMDB and how it is read. Only this room names heed.
//! Not here: opening a folder and telling whose it is (`open`), the one write transaction
//! (`write`), when it is written (`checkpoint`).
//!
//! Invariant: LMDB always holds the world exactly as it stood after one epoch, `applied_epoch`.
//!
//! Tables: `meta` (text → bytes), `rows` (`home | id` → row), `where` (entity's id → home),
//! `names` (`home | name` → id), `dead` (number → letter); `sessions` (id → record), `outcomes`
//! (`session | command number mod 64, u8` → `number | outcome`), `events` (`session | number` →
//! payload, without one when it is not kept); `jobs` (object's id `|` job's number → row); `said`
//! (number → what was said, on all channels) and `channels` (name → how much was said there); all
//! numbers `u64`, big-endian, but for that `u8`.

mod channels;
mod copy;
mod draft;
mod fill;
mod look;
mod open;
mod pages;
mod sessions;
#[cfg(test)]
mod tests;
mod write;

use std::fs::File;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};

use heed::{Env, RoTxn, WithoutTls};
use metrics::{Counter, Gauge, counter, gauge};
use parking_lot::RwLock;

use crate::dead::MAX_DEAD_LETTERS;
use crate::engine::OpenError;
use crate::job::{Job, JobId};
use crate::line::{Home, Map};
use crate::object::ObjectId;
use crate::partition::Partition;
use crate::shared::ID_LIMIT;
pub(crate) use copy::{Copied, copy_store};
pub(crate) use fill::Fill;
pub(crate) use look::Look;
#[cfg(test)]
pub(crate) use look::tamper;
pub(crate) use open::{TABLES, held, lock_as_found};
use pages::{Pages, Read, Table};

/// The format of the tables. A store with a higher number is refused.
///
/// 2: with the tables of sessions; 3: with the table `jobs`; 4: with those of channels.
pub(crate) const FORMAT: u64 = 4;
/// Reading transactions that may be open at one time, over all threads.
const MAX_READERS: u32 = 1024;

/// The system's number for a failed write.
const EIO: i32 = 5;

/// Keys of `meta` that the store itself writes; no record may change them.
mod key {
    pub(super) const FORMAT: &str = "format";
    pub(super) const WORLD: &str = "world";
    pub(super) const WORLD_ID: &str = "world_id";
    pub(super) const MAP: &str = "map";
    pub(super) const APPLIED: &str = "applied_epoch";
    pub(super) const PARTITION: &str = "partition";
    pub(super) const NEXT_DEAD: &str = "next_dead";
}

/// Keys of `meta` that say whose the store is, and how far it is: no row of an export.
pub(crate) const OWN_KEYS: [&str; 5] = [
    key::FORMAT,
    key::WORLD,
    key::WORLD_ID,
    key::MAP,
    key::APPLIED,
];

/// Why the store can't be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The reserved map is full. Grown and tried again by the store itself; seen outside only
    /// when that did not help.
    #[error("the store's map of {limit} bytes is full and could not be enlarged enough")]
    Full { limit: usize },
    /// The disk is full; LMDB is as it was before.
    #[error(
        "no room on the disk to {0}. Make room and start again; all that was acknowledged is safe"
    )]
    NoSpace(&'static str),
    /// A write did not reach the disk; LMDB is as it was before.
    #[error(
        "the disk is full or failing: can't {0}. If it is full, make room and start again; all that \
         was acknowledged is safe"
    )]
    NotWritten(&'static str),
    /// LMDB refused; it is as it was before.
    #[error("can't {what}: {source}")]
    Lmdb {
        what: &'static str,
        source: heed::Error,
    },
    /// What stands in the store or in a record makes no sense.
    #[error("{0}")]
    Damaged(String),
}

impl StoreError {
    /// The error that an LMDB call made while doing `what`.
    fn of(what: &'static str) -> impl Fn(heed::Error) -> Self {
        move |source| match &source {
            heed::Error::Mdb(heed::MdbError::MapFull) => Self::Full { limit: 0 },
            heed::Error::Io(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                Self::NoSpace(what)
            }
            // LMDB's word for a write that was cut short, as by a disk that fills up.
            heed::Error::Io(error) if error.raw_os_error() == Some(EIO) => Self::NotWritten(what),
            _ => Self::Lmdb { what, source },
        }
    }
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

type Result<T> = std::result::Result<T, StoreError>;

/// What a home holds in LMDB, in key order.
#[derive(Debug, Default)]
pub(crate) struct HomeRows {
    /// Objects with their rows.
    pub(crate) rows: Vec<(ObjectId, Vec<u8>)>,
    /// Names with their targets.
    pub(crate) names: Vec<(String, ObjectId)>,
}

/// A world's rows in LMDB. Reads may be made on any thread; only the checkpointer's writes.
pub(crate) struct Store {
    env: Env<WithoutTls>,
    tables: Tables,
    /// LMDB's map may be moved only while no transaction is open: each holds this for reading.
    sizing: RwLock<()>,
    applied: AtomicU64,
    /// Events kept per session.
    events_kept: u64,
    gauges: Gauges,
    /// Held for the life of the store: no second process may open the folder.
    _lock: File,
}

#[derive(Clone, Copy)]
struct Tables {
    meta: Table,
    rows: Table,
    places: Table,
    names: Table,
    dead: Table,
    sessions: Table,
    outcomes: Table,
    events: Table,
    jobs: Table,
    said: Table,
    channels: Table,
}

struct Gauges {
    bytes: Gauge,
    limit: Gauge,
    readers: Gauge,
    dead_letters: Gauge,
    dead_dropped: Counter,
}

impl Gauges {
    fn new() -> Self {
        Self {
            bytes: gauge!("brightstar_store_bytes"),
            limit: gauge!("brightstar_store_limit_bytes"),
            readers: gauge!("brightstar_store_readers"),
            dead_letters: gauge!("brightstar_dead_letters"),
            dead_dropped: counter!("brightstar_dead_letters_dropped_total"),
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.env.path())
            .finish_non_exhaustive()
    }
}

impl Store {
    /// The last epoch that LMDB holds.
    pub(crate) fn applied_epoch(&self) -> u64 {
        self.applied.load(Ordering::Acquire)
    }

    /// The partition as it stands in LMDB.
    pub(crate) fn partition(&self) -> Result<Partition> {
        let json = self.meta(key::PARTITION)?;
        let json = json.ok_or_else(|| StoreError::Damaged("the store has no partition".into()))?;
        let read = serde_json::from_slice(&json);
        read.map_err(|e| StoreError::Damaged(format!("the partition can't be read: {e}")))
    }

    /// The end of the object numbers that are reserved, as [`ID_LIMIT`] says; 0 for a new store.
    pub(crate) fn id_limit(&self) -> Result<u64> {
        let Some(value) = self.meta(ID_LIMIT)? else {
            return Ok(0);
        };
        let value = value.try_into().map(u64::from_le_bytes);
        value.map_err(|_| StoreError::Damaged(format!("{ID_LIMIT} in the store is not 8 bytes")))
    }

    /// The number of the next dead letter: above every one that was ever stored.
    pub(crate) fn next_dead(&self) -> Result<u64> {
        self.read("read dead letters", |tables, txn| tables.next_dead(txn))
    }

    /// Everything that lives in `home`.
    pub(crate) fn load_home(&self, home: Home) -> Result<HomeRows> {
        self.read("load a home", |tables, txn| {
            let prefix = home.0.to_be_bytes();
            let mut found = HomeRows::default();
            for item in tables.rows.prefix_iter(txn, &prefix)? {
                let (key, row) = item?;
                found.rows.push((id_at(key.get(8..))?, row.to_vec()));
            }
            for item in tables.names.prefix_iter(txn, &prefix)? {
                let (key, id) = item?;
                let name = String::from_utf8(key[8..].to_vec()).map_err(damaged)?;
                found.names.push((name, id_at(Some(id))?));
            }
            Ok(found)
        })
    }

    /// Shows every job, in the order of their names. Its home is that of its object, or, if that is
    /// gone, the shard of the object's number.
    pub(crate) fn jobs(&self, map: &Map, mut see: impl FnMut(JobId, Job)) -> Result<()> {
        self.read("read jobs", |tables, txn| {
            for item in tables.jobs.iter(txn)? {
                let (key, row) = item?;
                let (of, number) = (id_at(key.get(..8))?, number(key.get(8..))?);
                let place = if of.is_entity() {
                    tables.places.get(txn, &of.raw().to_be_bytes())?
                } else {
                    None
                };
                let home = match place {
                    Some(home) => Home(self::number(Some(home))?),
                    None => map.shard_of(of.raw()),
                };
                let job = Job::read(home, row).map_err(|why| {
                    damaged(format!("job {number} of object {}: {why}", of.raw()))
                })?;
                see(JobId { of, number }, job);
            }
            Ok(())
        })
    }

    /// The home of an entity, if it is in LMDB.
    pub(crate) fn locate(&self, id: ObjectId) -> Result<Option<Home>> {
        self.read("look up a place", |tables, txn| {
            let found = tables.places.get(txn, &id.raw().to_be_bytes())?;
            found.map(|home| Ok(Home(number(Some(home))?))).transpose()
        })
    }

    /// A value of `meta`.
    pub(crate) fn meta(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.read("read meta", |tables, txn| {
            Ok(tables.meta.get(txn, key.as_bytes())?.map(<[u8]>::to_vec))
        })
    }

    /// The newest dead letters below `before`, the newest first, at most `limit`.
    pub(crate) fn dead_letters(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Vec<u8>)>> {
        self.read("read dead letters", |tables, txn| {
            let before = before.map(u64::to_be_bytes);
            let end = match &before {
                Some(before) => Bound::Excluded(&before[..]),
                None => Bound::Unbounded,
            };
            let newest = tables.dead.rev_range(txn, &(Bound::Unbounded, end))?;
            let newest = newest.take(limit.min(MAX_DEAD_LETTERS));
            newest
                .map(|item| {
                    let (key, letter) = item?;
                    Ok((number(Some(key))?, letter.to_vec()))
                })
                .collect()
        })
    }

    /// Runs `see` in a short reading transaction.
    fn read<R>(
        &self,
        what: &'static str,
        see: impl FnOnce(&Tables, &RoTxn<'_>) -> heed::Result<R>,
    ) -> Result<R> {
        let _open = self.sizing.read();
        let txn = self.env.read_txn().map_err(StoreError::of(what))?;
        see(&self.tables, &txn).map_err(StoreError::of(what))
    }
}

impl Tables {
    /// All of them, in the order of [`TABLES`].
    fn all(&self) -> [Table; TABLES.len()] {
        [
            self.meta,
            self.rows,
            self.places,
            self.names,
            self.dead,
            self.sessions,
            self.outcomes,
            self.events,
            self.jobs,
            self.said,
            self.channels,
        ]
    }

    fn next_dead(&self, from: &impl Read) -> heed::Result<u64> {
        let kept = match from.last(self.dead)? {
            Some(newest) => number(Some(&newest))? + 1,
            None => 1,
        };
        match from.get(self.meta, key::NEXT_DEAD.as_bytes())? {
            Some(noted) => Ok(kept.max(number(Some(noted))?)),
            None => Ok(kept),
        }
    }
}

/// A big-endian number that is a whole key or value.
fn number(bytes: Option<&[u8]>) -> heed::Result<u64> {
    let bytes = bytes.and_then(|b| b.try_into().ok());
    bytes
        .map(u64::from_be_bytes)
        .ok_or_else(|| damaged("a number in the store is not 8 bytes"))
}

fn id_at(bytes: Option<&[u8]>) -> heed::Result<ObjectId> {
    ObjectId::from_raw(number(bytes)?).ok_or_else(|| damaged("an object id is out of range"))
}

fn damaged(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> heed::Error {
    heed::Error::Decoding(error.into())
}
