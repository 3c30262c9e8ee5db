//! Lives here: what a batch is written to: LMDB's write transaction, or a draft of one (`draft`).
//! Not here: what is written (`write`, `sessions`).

use std::ops::{Bound, Deref};

use heed::types::Bytes;
use heed::{Database, PutFlags, RoTxn, RwTxn};

/// A table as LMDB opens it.
pub(super) type Db = Database<'static, Bytes, Bytes>;

/// A table, with its number in [`super::TABLES`].
#[derive(Clone, Copy)]
pub(super) struct Table {
    number: usize,
    db: Db,
}

impl Table {
    pub(super) fn new(number: usize, db: Db) -> Self {
        Self { number, db }
    }

    pub(super) fn number(self) -> usize {
        self.number
    }
}

impl Deref for Table {
    type Target = Db;

    fn deref(&self) -> &Db {
        &self.db
    }
}

/// Tables that can be looked into.
pub(super) trait Read {
    fn get(&self, table: Table, key: &[u8]) -> heed::Result<Option<&[u8]>>;
    /// The first key.
    fn first(&self, table: Table) -> heed::Result<Option<Vec<u8>>>;
    /// The last key.
    fn last(&self, table: Table) -> heed::Result<Option<Vec<u8>>>;
    fn len(&self, table: Table) -> heed::Result<u64>;
}

/// Tables that can be changed.
pub(super) trait Pages: Read {
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> heed::Result<()>;
    /// As `put`, of a key behind all others.
    fn append(&mut self, table: Table, key: &[u8], value: &[u8]) -> heed::Result<()>;
    fn delete(&mut self, table: Table, key: &[u8]) -> heed::Result<()>;
    /// Deletes the keys from `from` to `to`, both inclusive.
    fn delete_range(&mut self, table: Table, from: &[u8], to: &[u8]) -> heed::Result<()>;
}

impl Read for RoTxn<'_> {
    fn get(&self, table: Table, key: &[u8]) -> heed::Result<Option<&[u8]>> {
        table.db.get(self, key)
    }

    fn first(&self, table: Table) -> heed::Result<Option<Vec<u8>>> {
        Ok(table.db.first(self)?.map(|(key, _)| key.to_vec()))
    }

    fn last(&self, table: Table) -> heed::Result<Option<Vec<u8>>> {
        Ok(table.db.last(self)?.map(|(key, _)| key.to_vec()))
    }

    fn len(&self, table: Table) -> heed::Result<u64> {
        table.db.len(self)
    }
}

impl Read for RwTxn<'_> {
    fn get(&self, table: Table, key: &[u8]) -> heed::Result<Option<&[u8]>> {
        table.db.get(self, key)
    }

    fn first(&self, table: Table) -> heed::Result<Option<Vec<u8>>> {
        Ok(table.db.first(self)?.map(|(key, _)| key.to_vec()))
    }

    fn last(&self, table: Table) -> heed::Result<Option<Vec<u8>>> {
        Ok(table.db.last(self)?.map(|(key, _)| key.to_vec()))
    }

    fn len(&self, table: Table) -> heed::Result<u64> {
        table.db.len(self)
    }
}

impl Pages for RwTxn<'_> {
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> heed::Result<()> {
        table.db.put(self, key, value)
    }

    fn append(&mut self, table: Table, key: &[u8], value: &[u8]) -> heed::Result<()> {
        table.db.put_with_flags(self, PutFlags::APPEND, key, value)
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> heed::Result<()> {
        table.db.delete(self, key).map(|_| ())
    }

    fn delete_range(&mut self, table: Table, from: &[u8], to: &[u8]) -> heed::Result<()> {
        let range = (Bound::Included(from), Bound::Included(to));
        table.db.delete_range(self, &range).map(|_| ())
    }
}
