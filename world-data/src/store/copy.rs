//! Lives here: a copy of LMDB as it stands, while others go on reading and writing it.
//! Not here: the folder that it is put into (`backup`).
//!
//! Invariant: the copy holds the world exactly as it stood after one epoch, as LMDB always does.

use std::fs;
use std::path::Path;

use heed::{CompactionOption, Env, EnvFlags, EnvOpenOptions, WithoutTls};

use super::open::{self, TABLES};
use super::{Result, Store, StoreError};
use crate::line::Map;

/// LMDB's file in its folder.
const DATA: &str = "data.mdb";

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Copied {
    /// The epoch after which the world stood so.
    pub(crate) epoch: u64,
    /// Bytes of the copy.
    pub(crate) bytes: u64,
}

impl Store {
    /// Copies LMDB into the empty folder `to`. It goes on being read and written meanwhile; what is
    /// freed is not used again until the copy is done, so the file grows by what is written.
    ///
    /// # Errors
    /// The copy is of no use then.
    pub(crate) fn copy(&self, to: &Path, world: &str, map: &Map) -> Result<Copied> {
        // The map can't be enlarged while it is copied, so that is done before.
        let used = self.used();
        self.make_room(used)?;
        let _open = self.sizing.read();
        copy_env(&self.env, to, world, map)
    }
}

/// Copies the store in the folder `store`, which another process may have open.
///
/// # Errors
/// The copy is of no use then.
pub(crate) fn copy_store(
    store: &Path,
    is_ours: bool,
    to: &Path,
    world: &str,
    map: &Map,
) -> Result<Copied> {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.max_dbs(TABLES.len() as u32);
    let flags = if is_ours {
        EnvFlags::READ_ONLY | EnvFlags::NO_LOCK
    } else {
        EnvFlags::READ_ONLY
    };
    // SAFETY: nothing is written. Either we hold the folder's lock, or LMDB's own table of readers
    // keeps its writer from what we read.
    let env = unsafe {
        options.flags(flags);
        options.open(store)
    };
    let env = env.map_err(StoreError::of("open the store to copy it"))?;
    open::identify_env(&env, world, map).map_err(StoreError::Damaged)?;
    copy_env(&env, to, world, map)
}

fn copy_env(env: &Env<WithoutTls>, to: &Path, world: &str, map: &Map) -> Result<Copied> {
    let what = "copy the store";
    let io = |error: std::io::Error| StoreError::of(what)(heed::Error::Io(error));
    let path = to.join(DATA);
    let file = env
        .copy_to_path(&path, CompactionOption::Enabled)
        .map_err(StoreError::of(what))?;
    file.sync_all().map_err(io)?;
    let bytes = file.metadata().map_err(io)?.len();
    fs::File::open(to)
        .and_then(|dir| dir.sync_all())
        .map_err(io)?;
    // What can't be read back is no backup.
    let copy = open::read_only(to).map_err(StoreError::of("read the copy back"))?;
    let identity = open::identify_env(&copy, world, map).map_err(StoreError::Damaged)?;
    copy.prepare_for_closing().wait();
    let epoch = identity.applied;
    Ok(Copied { epoch, bytes })
}
