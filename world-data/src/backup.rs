//! Lives here: backups: a world's folder copied into a new one, while its server runs or not.
//! Not here: copying LMDB (`store::copy`), bringing a backup up to date at its start (`recovery`).
//!
//! Invariant: a backup is a state that the world really had, after one epoch; and the folder of one
//! that was cut short holds nothing that could be taken for a world, or for an empty folder.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use parking_lot::Mutex;

use crate::engine::{Engine, JOURNAL, OpenError};
use crate::store::{Copied, StoreError, copy_store, held, lock_as_found};
use crate::world::World;

/// The store, until it is whole. A server refuses a folder with this in it.
const UNFINISHED: &str = "store.unfinished";
const STORE: &str = "store";

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The world can't be read; it is as it was.
    #[error(transparent)]
    World(#[from] OpenError),
    /// The folder for the backup is there already, and not empty; it was left as it was.
    #[error("{0} is there and not empty: a backup needs a folder of its own")]
    Taken(String),
    /// The backup can't be written. What there is of it can be deleted.
    #[error("can't write the backup to {0}: {1}")]
    Write(String, String),
    /// Another backup of this world is being made.
    #[error("another backup is being made: wait for it")]
    Busy,
}

/// A backup that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backup {
    /// The epoch up to which the world was copied.
    pub epoch: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Whether it was made beside a running server, so from its last checkpoint.
    pub beside: bool,
}

/// One backup at a time: each keeps LMDB from using again what was freed.
static BUSY: Mutex<()> = Mutex::new(());

impl Engine {
    /// Copies the world into the new folder `to`, while it runs: as it stands after everything that
    /// was committed before this was called, and perhaps some of what was committed since.
    ///
    /// # Errors
    /// The world goes on in any case.
    pub fn backup<W: World>(&self, world: &W, to: &Path) -> Result<Backup, BackupError> {
        let none = || OpenError("a world in memory only has nothing to back up".into());
        let store = self.shared().store.as_ref().ok_or_else(none)?;
        let _alone = BUSY.try_lock().ok_or(BackupError::Busy)?;
        let to = Target::new(to)?;
        self.checkpoint();
        if let Some(why) = self.failure() {
            return Err(OpenError(why.to_owned()).into());
        }
        let copied = to.finish(|folder| store.copy(folder, W::NAME, &world.map()))?;
        Ok(Backup {
            epoch: copied.epoch,
            bytes: copied.bytes,
            beside: false,
        })
    }
}

/// Copies the world in `dir` into the new folder `to`. A server may have it open: then it is copied
/// as of its last checkpoint, which is no older than `engine.checkpoint_interval_ms` and what a
/// checkpoint takes. Otherwise it is copied with its journal, so with everything that was ever
/// acknowledged.
///
/// # Errors
/// The world is as it was in any case.
pub fn backup<W: World>(dir: &Path, world: &W, to: &Path) -> Result<Backup, BackupError> {
    let map = world.map();
    let lock = if held(dir)? {
        None
    } else {
        Some(lock_as_found(dir)?)
    };
    let to = Target::new(to)?;
    let ours = lock.is_some();
    let journal = if ours { to.copy_journal(dir)? } else { 0 };
    let copied = to.finish(|folder| copy_store(&dir.join(STORE), ours, folder, W::NAME, &map))?;
    Ok(Backup {
        epoch: copied.epoch,
        bytes: copied.bytes + journal,
        beside: !ours,
    })
}

/// The folder that a backup is put into.
struct Target<'a>(&'a Path);

impl<'a> Target<'a> {
    fn new(path: &'a Path) -> Result<Self, BackupError> {
        let this = Self(path);
        fs::create_dir_all(path).map_err(|e| this.fault(&e))?;
        let mut there = fs::read_dir(path).map_err(|e| this.fault(&e))?;
        if there.next().is_some() {
            return Err(BackupError::Taken(path.display().to_string()));
        }
        fs::create_dir(path.join(UNFINISHED)).map_err(|e| this.fault(&e))?;
        Ok(this)
    }

    fn fault(&self, why: &dyn std::fmt::Display) -> BackupError {
        BackupError::Write(self.0.display().to_string(), why.to_string())
    }

    /// Copies the segments of a journal that nobody writes; returns their bytes.
    fn copy_journal(&self, dir: &Path) -> Result<u64, BackupError> {
        let copy = || -> io::Result<u64> {
            let (from, to) = (dir.join(JOURNAL), self.0.join(JOURNAL));
            if !from.is_dir() {
                return Ok(0);
            }
            fs::create_dir(&to)?;
            let mut bytes = 0;
            for entry in fs::read_dir(from)? {
                let path = entry?.path();
                if path.extension().is_some_and(|ending| ending == "log") {
                    let name = path.file_name().unwrap_or_default();
                    bytes += fs::copy(&path, to.join(name))?;
                    File::open(to.join(name))?.sync_all()?;
                }
            }
            File::open(to)?.sync_all()?;
            Ok(bytes)
        };
        copy().map_err(|e| self.fault(&e))
    }

    /// Fills the store's folder, then gives it its name.
    fn finish(
        &self,
        fill: impl FnOnce(&Path) -> Result<Copied, StoreError>,
    ) -> Result<Copied, BackupError> {
        let unfinished = self.0.join(UNFINISHED);
        let copied = fill(&unfinished).map_err(|e| self.fault(&e))?;
        let name = || -> io::Result<()> {
            fs::rename(&unfinished, self.0.join(STORE))?;
            File::open(self.0)?.sync_all()?;
            match self.0.canonicalize()?.parent() {
                Some(parent) => File::open(parent)?.sync_all(),
                None => Ok(()),
            }
        };
        name().map_err(|e| self.fault(&e))?;
        Ok(copied)
    }
}
