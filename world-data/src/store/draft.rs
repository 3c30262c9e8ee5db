//! Lives here: a draft: what LMDB would hold after some batches, with the changes in memory and
//! LMDB as it is. For looking at a folder without changing it.
//! Not here: what a batch changes (`write`, `sessions`): the same code writes both.
//!
//! Invariant: a key that is in `changes` hides what LMDB has under it.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::Bound;

use heed::{RoTxn, WithoutTls};

use super::TABLES;
use super::pages::{Pages, Read, Table};

type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;
type Pair<'a> = (&'a [u8], &'a [u8]);

/// Tables as they are in LMDB, and what is to be changed in them.
pub(super) struct Draft {
    txn: RoTxn<'static, WithoutTls>,
    /// By the table's number. `None`: deleted.
    changes: [Changes; TABLES.len()],
}

impl Draft {
    pub(super) fn new(txn: RoTxn<'static, WithoutTls>) -> Self {
        let changes = std::array::from_fn(|_| Changes::new());
        Self { txn, changes }
    }

    fn changes(&self, table: Table) -> &Changes {
        &self.changes[table.number()]
    }

    fn change(&mut self, table: Table, key: &[u8], value: Option<&[u8]>) {
        self.changes[table.number()].insert(key.to_vec(), value.map(<[u8]>::to_vec));
    }

    /// The rows of a table whose keys begin with `prefix`, in the order of their keys.
    pub(super) fn rows<'a>(
        &'a self,
        table: Table,
        prefix: &'a [u8],
    ) -> heed::Result<impl Iterator<Item = heed::Result<Pair<'a>>> + 'a> {
        let from = if prefix.is_empty() {
            Bound::Unbounded
        } else {
            Bound::Included(prefix)
        };
        let stored = table.range(&self.txn, &(from, Bound::Unbounded))?;
        let changed = self
            .changes(table)
            .range::<[u8], _>((from, Bound::Unbounded));
        let merged = Merged {
            stored: stored.peekable(),
            changed: changed
                .map(|(key, value)| (key.as_slice(), value.as_deref()))
                .peekable(),
        };
        // An error is an item of its own, and goes through.
        Ok(merged.take_while(move |item| {
            item.as_ref()
                .map_or(true, |(key, _)| key.starts_with(prefix))
        }))
    }
}

struct Merged<S: Iterator, C: Iterator> {
    stored: Peekable<S>,
    changed: Peekable<C>,
}

impl<'a, S, C> Iterator for Merged<S, C>
where
    S: Iterator<Item = heed::Result<Pair<'a>>>,
    C: Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
{
    type Item = heed::Result<Pair<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let stored = match self.stored.peek() {
                Some(Ok((key, _))) => Some(*key),
                Some(Err(_)) => return self.stored.next(),
                None => None,
            };
            let Some((key, value)) = self.changed.peek().copied() else {
                return self.stored.next();
            };
            if stored.is_some_and(|stored| stored < key) {
                return self.stored.next();
            }
            if stored == Some(key) {
                self.stored.next();
            }
            self.changed.next();
            if let Some(value) = value {
                return Some(Ok((key, value)));
            }
        }
    }
}

impl Read for Draft {
    fn get(&self, table: Table, key: &[u8]) -> heed::Result<Option<&[u8]>> {
        match self.changes(table).get(key) {
            Some(changed) => Ok(changed.as_deref()),
            None => table.get(&self.txn, key),
        }
    }

    fn first(&self, table: Table) -> heed::Result<Option<Vec<u8>>> {
        let first = self.rows(table, &[])?.next().transpose()?;
        Ok(first.map(|(key, _)| key.to_vec()))
    }

    fn last(&self, table: Table) -> heed::Result<Option<Vec<u8>>> {
        let changes = self.changes(table);
        let mut stored = None;
        for item in table.rev_iter(&self.txn)? {
            let (key, _) = item?;
            if !changes.get(key).is_some_and(Option::is_none) {
                stored = Some(key);
                break;
            }
        }
        let changed = changes.iter().rev().find(|(_, value)| value.is_some());
        let changed = changed.map(|(key, _)| key.as_slice());
        Ok(stored.max(changed).map(<[u8]>::to_vec))
    }

    fn len(&self, table: Table) -> heed::Result<u64> {
        let mut count = 0;
        for item in self.rows(table, &[])? {
            item?;
            count += 1;
        }
        Ok(count)
    }
}

impl Pages for Draft {
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> heed::Result<()> {
        self.change(table, key, Some(value));
        Ok(())
    }

    fn append(&mut self, table: Table, key: &[u8], value: &[u8]) -> heed::Result<()> {
        self.put(table, key, value)
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> heed::Result<()> {
        self.change(table, key, None);
        Ok(())
    }

    fn delete_range(&mut self, table: Table, from: &[u8], to: &[u8]) -> heed::Result<()> {
        let mut keys = Vec::new();
        let range = (Bound::Included(from), Bound::Included(to));
        for item in table.range(&self.txn, &range)? {
            keys.push(item?.0.to_vec());
        }
        let changed = self.changes(table).range::<[u8], _>(range);
        keys.extend(changed.map(|(key, _)| key.clone()));
        for key in keys {
            self.change(table, &key, None);
        }
        Ok(())
    }
}
