//! Lives here: the merge of many epochs into the newest version of every row.
//! Not here: writing them (`store`), collecting them (`checkpoint`, `recovery`).
//!
//! Invariant: merging epochs in order and applying the batch leaves LMDB as applying each epoch
//! in order would. Nothing is copied: the batch borrows from the records.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::line::Home;
use crate::object::ObjectId;
use crate::record::{Change, changes};

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
            }
        }
        Ok(())
    }

    /// The bytes of the records merged: an upper bound of the bytes of the rows.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Rows that applying the batch writes or deletes.
    pub(crate) fn len(&self) -> usize {
        self.rows.len() + self.names.len() + self.meta.len() + self.dead.len()
    }
}
