//! Lives here: a look at a world's folder that changes nothing in it: LMDB as it is, and on top of
//! it, in memory, what the journal has and LMDB has not.
//! Not here: what is made of it (`check`, `inspect`, `export`).
//!
//! Invariant: no file of the folder is written, made or removed; and while the folder is looked at,
//! no server of ours has it.

use std::fs::File;
use std::path::Path;

#[cfg(test)]
use heed::EnvOpenOptions;
use heed::{Env, WithoutTls};
use uuid::Uuid;

use super::draft::Draft;
use super::open::{self, TABLES};
use super::pages::{Read, Table};
use super::write::check_meta;
use super::{FORMAT, key, number};
use crate::batch::Batch;
use crate::engine::{JOURNAL, OpenError};
use crate::journal::{Epoch, replay};
use crate::line::{Home, Map};
use crate::object::ObjectId;
use crate::partition::Partition;

/// Bytes of the journal's records that are merged at once.
const BATCH_BYTES: usize = 64 << 20;

/// What a row is found under, and the row.
pub(crate) type Pair<'a> = (&'a [u8], &'a [u8]);

/// A folder that is looked at.
pub(crate) struct Look {
    draft: Draft,
    tables: [Table; TABLES.len()],
    /// The world's own id.
    pub(crate) world_id: Uuid,
    /// The epoch that LMDB holds.
    pub(crate) applied: u64,
    /// The epoch that is looked at.
    pub(crate) epoch: u64,
    /// What of the journal can't be read: epochs from there on are not looked at.
    pub(crate) journal_fault: Option<String>,
    _env: Env<WithoutTls>,
    _lock: Option<File>,
}

impl Look {
    /// Opens the folder of `world`.
    ///
    /// # Errors
    /// When there is no such world in the folder, another process has it, or LMDB can't be read.
    pub(crate) fn open(
        dir: &Path,
        world: &str,
        map: &Map,
        events_kept: usize,
    ) -> Result<Self, OpenError> {
        let lock = open::lock_as_found(dir)?;
        let fault = |e: String| open::fault(dir, e);
        let path = dir.join(open::STORE);
        let env =
            open::read_only(&path).map_err(|e| fault(format!("its store can't be read: {e}")))?;
        let identity = open::identify_env(&env, world, map).map_err(fault)?;
        if identity.format != FORMAT {
            let words = format!(
                "its format is {}, and this program looks at format {FORMAT} only. Serve it once: \
                 then it is brought to that",
                identity.format
            );
            return Err(fault(words));
        }
        let lmdb = |e: heed::Error| fault(format!("its store can't be read: {e}"));
        let tables = open::open_tables(&env).map_err(lmdb)?;
        let txn = env.clone().static_read_txn().map_err(lmdb)?;
        let mut look = Self {
            draft: Draft::new(txn),
            tables: tables.all(),
            world_id: identity.world_id,
            applied: identity.applied,
            epoch: identity.applied,
            journal_fault: None,
            _env: env,
            _lock: lock,
        };
        if let Err(why) = look.apply_journal(&tables, dir, events_kept as u64) {
            look.journal_fault = Some(why);
        }
        Ok(look)
    }

    fn apply_journal(
        &mut self,
        tables: &super::Tables,
        dir: &Path,
        events_kept: u64,
    ) -> Result<(), String> {
        let epochs = replay(&dir.join(JOURNAL), self.applied).map_err(|e| e.to_string())?;
        let (mut waiting, mut bytes, mut end) = (Vec::new(), 0, Ok(()));
        for epoch in epochs {
            match epoch {
                Ok(epoch) => {
                    bytes += epoch.payload().len();
                    waiting.push(epoch);
                }
                Err(error) => {
                    end = Err(error.to_string());
                    break;
                }
            }
            if bytes >= BATCH_BYTES {
                self.apply(tables, &waiting, events_kept)?;
                waiting.clear();
                bytes = 0;
            }
        }
        self.apply(tables, &waiting, events_kept)?;
        end
    }

    fn apply(
        &mut self,
        tables: &super::Tables,
        epochs: &[Epoch],
        events_kept: u64,
    ) -> Result<(), String> {
        let Some(last) = epochs.last() else {
            return Ok(());
        };
        let mut batch = Batch::default();
        for epoch in epochs {
            let merged = batch.merge(epoch.payload());
            merged
                .map_err(|e| format!("the record of epoch {} can't be read: {e}", epoch.number))?;
        }
        check_meta(&batch).map_err(|e| e.to_string())?;
        tables
            .put_batch(&mut self.draft, &batch, last.number, events_kept)
            .map_err(|e| format!("the journal does not fit the store: {e}"))?;
        self.epoch = last.number;
        Ok(())
    }

    /// The rows of a table whose keys begin with `prefix`, in the order of their keys.
    ///
    /// # Errors
    /// When LMDB can't be read; an item is an error then, too.
    pub(crate) fn rows<'a>(
        &'a self,
        table: &str,
        prefix: &'a [u8],
    ) -> Result<impl Iterator<Item = Result<Pair<'a>, OpenError>> + 'a, OpenError> {
        let rows = self.draft.rows(self.table(table)?, prefix).map_err(text)?;
        Ok(rows.map(|item| item.map_err(text)))
    }

    /// One row.
    ///
    /// # Errors
    /// When LMDB can't be read.
    pub(crate) fn get(&self, table: &str, key: &[u8]) -> Result<Option<&[u8]>, OpenError> {
        self.draft.get(self.table(table)?, key).map_err(text)
    }

    /// The number of the next dead letter, if it was ever noted.
    ///
    /// # Errors
    /// When LMDB can't be read, or it is no number.
    pub(crate) fn next_dead(&self) -> Result<Option<u64>, OpenError> {
        let noted = self.get("meta", key::NEXT_DEAD.as_bytes())?;
        noted
            .map(|noted| number(Some(noted)).map_err(text))
            .transpose()
    }

    /// The home of an object: where it must be, or, for an entity, where the store says it is.
    ///
    /// # Errors
    /// When LMDB can't be read.
    pub(crate) fn home_of(&self, id: ObjectId, map: &Map) -> Result<Option<Home>, OpenError> {
        if let Some(home) = id.fixed_home(map) {
            return Ok(Some(home));
        }
        let place = self.get("where", &id.raw().to_be_bytes())?;
        place
            .map(|home| number(Some(home)).map(Home).map_err(text))
            .transpose()
    }

    /// The partition.
    ///
    /// # Errors
    /// When it is not there or can't be read.
    pub(crate) fn partition(&self) -> Result<Partition, OpenError> {
        let json = self.get("meta", key::PARTITION.as_bytes())?;
        serde_json::from_slice(json.unwrap_or_default())
            .map_err(|e| OpenError(format!("the partition can't be read: {e}")))
    }

    fn table(&self, name: &str) -> Result<Table, OpenError> {
        let place = TABLES.iter().position(|table| *table == name);
        place
            .map(|place| self.tables[place])
            .ok_or_else(|| OpenError(format!("there is no table {name:?}")))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "a function for map_err")]
fn text(error: heed::Error) -> OpenError {
    OpenError(format!("the store can't be read: {error}"))
}

/// Changes a row of a closed folder behind everybody's back.
#[cfg(test)]
pub(crate) fn tamper(dir: &Path, table: &str, key: &[u8], value: Option<&[u8]>) {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.max_dbs(TABLES.len() as u32).map_size(64 << 20);
    // SAFETY: the test's own folder, which nobody has open.
    let env = unsafe { options.open(dir.join(open::STORE)) }.unwrap();
    let tables = open::open_tables(&env).unwrap().all();
    let place = TABLES.iter().position(|name| *name == table).unwrap();
    let mut txn = env.write_txn().unwrap();
    match value {
        Some(value) => tables[place].put(&mut txn, key, value).unwrap(),
        None => assert!(tables[place].delete(&mut txn, key).unwrap()),
    }
    txn.commit().unwrap();
    env.prepare_for_closing().wait();
}
