//! Lives here: making a store of rows that are given: in a folder of its own, under its name only when
//! it is whole. Not here: which rows (`export`).
//!
//! Invariant: until `finish` has returned there is no store in the folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use heed::types::Bytes;
use heed::{CommitOrAbort, Env, WithoutTls};
use uuid::Uuid;

use super::open::{self, TABLES};
use super::write::MAP_GRAIN;
use super::{FORMAT, Result, StoreError, Table, key};
use crate::engine::OpenError;
use crate::line::Map;

/// The store's folder until it is whole. A server refuses a folder with this in it.
const UNFINISHED: &str = "store.unfinished";
/// Bytes of rows that are written together.
const BATCH_BYTES: usize = 16 << 20;
/// Room that a batch may take in LMDB, per byte.
const ROOM_PER_BYTE: usize = 4;

/// A store that is being made.
pub(crate) struct Fill {
    dir: PathBuf,
    env: Env<WithoutTls>,
    tables: [Table; TABLES.len()],
    /// By the number of their tables.
    rows: Vec<(usize, Vec<u8>, Vec<u8>)>,
    bytes: usize,
    is_done: bool,
    _lock: File,
}

impl Fill {
    /// Begins a store in an empty folder, or in one that is not there.
    pub(crate) fn begin(
        dir: &Path,
        store_bytes: usize,
        (world, id): (&str, Uuid),
        (map, epoch): (&Map, u64),
    ) -> std::result::Result<Self, OpenError> {
        let io = |e: std::io::Error| open::fault(dir, e);
        fs::create_dir_all(dir).map_err(io)?;
        if fs::read_dir(dir).map_err(io)?.next().is_some() {
            let what = "it is not empty. Choose an empty folder";
            return Err(open::fault(dir, what));
        }
        let lock = open::lock(dir)?;
        let path = dir.join(UNFINISHED);
        fs::create_dir(&path).map_err(io)?;
        let lmdb = |e: heed::Error| open::fault(dir, format!("can't make the store: {e}"));
        // SAFETY: the folder is locked and was made by us just now; nobody else maps the file.
        let env = unsafe { open::options(store_bytes).open(&path) }.map_err(lmdb)?;
        let txn = env.write_txn().map_err(lmdb)?;
        let made = env.create_databases_and_commit(txn, |opener, txn| {
            for name in TABLES {
                opener.create_database::<Bytes, Bytes>(txn, Some(name))?;
            }
            Ok::<_, heed::Error>(CommitOrAbort::<(), ()>::Commit(()))
        });
        made.map_err(lmdb)?;
        let tables = open::open_tables(&env).map_err(lmdb)?.all();
        let mut fill = Self {
            dir: dir.to_owned(),
            env,
            tables,
            rows: Vec::new(),
            bytes: 0,
            is_done: false,
            _lock: lock,
        };
        let map = serde_json::to_vec(map).map_err(|e| open::fault(dir, e))?;
        for (key, value) in [
            (key::FORMAT, &FORMAT.to_be_bytes()[..]),
            (key::WORLD, world.as_bytes()),
            (key::WORLD_ID, id.as_bytes()),
            (key::MAP, &map),
            (key::APPLIED, &epoch.to_be_bytes()),
        ] {
            fill.put("meta", key.as_bytes(), value)?;
        }
        Ok(fill)
    }

    /// Puts a row into a table.
    pub(crate) fn put(&mut self, table: &str, key: &[u8], row: &[u8]) -> Result<()> {
        let place = TABLES.iter().position(|name| *name == table);
        let unknown = || StoreError::Damaged(format!("there is no table {table:?}"));
        self.bytes += key.len() + row.len();
        let row = (place.ok_or_else(unknown)?, key.to_vec(), row.to_vec());
        self.rows.push(row);
        if self.bytes >= BATCH_BYTES {
            self.write()?;
        }
        Ok(())
    }

    fn write(&mut self) -> Result<()> {
        let what = "write the store";
        let room = (self.bytes + MAP_GRAIN).saturating_mul(ROOM_PER_BYTE);
        let info = self.env.info();
        let page = self.env.unnamed_database_stat().page_size as usize;
        let used = (info.last_page_number + 1) * page;
        if used + room > info.map_size {
            let size = (2 * info.map_size).max(used + room);
            // SAFETY: this is the only place that opens transactions, and none is open.
            unsafe { self.env.resize(size.next_multiple_of(MAP_GRAIN)) }
                .map_err(StoreError::of("enlarge the store's map"))?;
        }
        let mut txn = self.env.write_txn().map_err(StoreError::of(what))?;
        for (table, key, row) in self.rows.drain(..) {
            let put = self.tables[table].put(&mut txn, &key, &row);
            put.map_err(StoreError::of(what))?;
        }
        self.bytes = 0;
        txn.commit().map_err(StoreError::of(what))
    }

    /// Gives the store its name.
    pub(crate) fn finish(mut self) -> std::result::Result<(), OpenError> {
        self.write()?;
        let io = |e: std::io::Error| open::fault(&self.dir, e);
        fs::rename(self.dir.join(UNFINISHED), self.dir.join(open::STORE)).map_err(io)?;
        File::open(&self.dir)
            .and_then(|dir| dir.sync_all())
            .map_err(io)?;
        self.is_done = true;
        Ok(())
    }
}

impl Drop for Fill {
    /// What was not finished is of no use to anybody.
    fn drop(&mut self) {
        if !self.is_done
            && let Err(error) = fs::remove_dir_all(self.dir.join(UNFINISHED))
        {
            tracing::warn!(%error, folder = %self.dir.display(), "what was begun can't be removed");
        }
    }
}
