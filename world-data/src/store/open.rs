//! Lives here: opening a world's folder: the lock, whose it is, making it when it is new.
//! Not here: bringing it up to the journal's end (`recovery`).
//!
//! Invariant: a folder that is not this world's is refused before a byte in it is changed; a new
//! store appears under its name only when it is whole.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use heed::types::Bytes;
use heed::{CommitOrAbort, Env, EnvFlags, EnvOpenOptions, RoTxn, WithoutTls};
use parking_lot::RwLock;
use uuid::Uuid;

use super::pages::{Db, Table};
use super::write::MAP_GRAIN;
use super::{FORMAT, Gauges, MAX_READERS, Store, Tables, key, number};
use crate::engine::OpenError;
use crate::line::Map;
use crate::partition::Partition;

pub(super) const STORE: &str = "store";
/// A store that is being made; whatever a crash left of it is of no use.
const UNFINISHED: &str = "store.new";
const LOCK: &str = "lock";
/// A lock that is taken is tried again, so often and after such a pause: whoever has just stopped, or
/// has forked and not yet become another program, holds it a moment longer.
const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(20);
const JOURNAL: &str = "journal";
pub(crate) const TABLES: [&str; 11] = [
    "meta", "rows", "where", "names", "dead", "sessions", "outcomes", "events", "jobs", "said",
    "channels",
];
/// Names in a folder that do not make it foreign: what a start that was cut short leaves, and
/// what a file system puts into its root.
const HARMLESS: [&str; 3] = [LOCK, UNFINISHED, "lost+found"];

type Result<T> = std::result::Result<T, OpenError>;

pub(super) fn fault(dir: &Path, what: impl std::fmt::Display) -> OpenError {
    OpenError(format!("can't open {}: {what}", dir.display()))
}

/// What `meta` says the store is.
pub(super) struct Identity {
    pub(super) format: u64,
    pub(super) world_id: Uuid,
    pub(super) applied: u64,
}

impl Store {
    /// Whether there is a store in `dir`.
    pub(crate) fn is_made(dir: &Path) -> bool {
        dir.join(STORE).is_dir()
    }

    /// Opens the store of `world` in `dir`, or makes it, cut into `regions`, if the folder is empty
    /// or not there. `store_bytes` is the address space reserved; it grows when it is needed.
    ///
    /// # Errors
    /// Says what was found, what was expected and what to do. A folder that is of another world,
    /// of a newer format or of something else altogether is left as it was.
    pub(crate) fn open(
        dir: &Path,
        world: &str,
        map: &Map,
        regions: usize,
        store_bytes: usize,
    ) -> Result<Self> {
        let there = survey(dir)?;
        let store = dir.join(STORE);
        // A folder we made has a lock; take it before looking in, since a running server writes.
        // Without one, look first: a foreign folder must not even get a lock.
        let early = if dir.join(LOCK).exists() {
            Some(lock(dir)?)
        } else {
            None
        };
        if there {
            peek(&store, world, map).map_err(|e| fault(dir, e))?;
        }
        let lock = match early {
            Some(lock) => lock,
            None => lock(dir)?,
        };
        if !there {
            make(dir, world, map, regions, store_bytes).map_err(|e| fault(dir, e))?;
        }
        let (env, tables, identity) =
            open_made(&store, world, map, store_bytes).map_err(|e| fault(dir, e))?;
        let store = Self {
            env,
            tables,
            sizing: RwLock::new(()),
            applied: AtomicU64::new(identity.applied),
            events_kept: u64::MAX,
            gauges: Gauges::new(),
            _lock: lock,
        };
        store.publish();
        tracing::info!(
            folder = %dir.display(),
            world,
            world_id = %identity.world_id,
            epoch = identity.applied,
            "the store is open",
        );
        Ok(store)
    }
}

/// Whether there is a store in the folder; makes the folder if need be.
fn survey(dir: &Path) -> Result<bool> {
    fs::create_dir_all(dir).map_err(|e| fault(dir, e))?;
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(dir).map_err(|e| fault(dir, e))? {
        let entry = entry.map_err(|e| fault(dir, e))?;
        names.insert(entry.file_name().to_string_lossy().into_owned());
    }
    if names.contains(STORE) {
        return Ok(true);
    }
    names.retain(|name| !HARMLESS.contains(&name.as_str()));
    if names.contains(JOURNAL) {
        let what = "it has a journal but no store. Put the folder \"store\" back, from a backup if \
                    need be, or choose another folder";
        return Err(fault(dir, what));
    }
    if let Some(name) = names.first() {
        let what = format!("it holds {name:?} but no world. Choose an empty folder");
        return Err(fault(dir, what));
    }
    Ok(false)
}

pub(super) fn lock(dir: &Path) -> Result<File> {
    let path = dir.join(LOCK);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path);
    lock_file(dir, file.map_err(|e| fault(dir, e))?)
}

/// Locks the folder if it has a lock, without making one.
pub(crate) fn lock_as_found(dir: &Path) -> Result<Option<File>> {
    must_be_made(dir)?;
    match File::open(dir.join(LOCK)) {
        Ok(file) => lock_file(dir, file).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(fault(dir, error)),
    }
}

/// Whether another process has the folder open now.
pub(crate) fn held(dir: &Path) -> Result<bool> {
    must_be_made(dir)?;
    match File::open(dir.join(LOCK)) {
        Ok(file) => Ok(matches!(file.try_lock(), Err(TryLockError::WouldBlock))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(fault(dir, error)),
    }
}

fn must_be_made(dir: &Path) -> Result<()> {
    if Store::is_made(dir) {
        return Ok(());
    }
    Err(fault(dir, "there is no world in it"))
}

fn lock_file(dir: &Path, file: File) -> Result<File> {
    for patience in (0..LOCK_TRIES).rev() {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if patience > 0 => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::WouldBlock) => break,
            Err(TryLockError::Error(error)) => {
                return Err(fault(dir, format!("it can't be locked: {error}")));
            }
        }
    }
    let what = "another process has it open. Stop that one first, or choose another folder";
    Err(fault(dir, what))
}

pub(super) fn options(store_bytes: usize) -> EnvOpenOptions<WithoutTls> {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    let size = store_bytes.max(MAP_GRAIN).next_multiple_of(MAP_GRAIN);
    options
        .map_size(size)
        .max_readers(MAX_READERS)
        .max_dbs(TABLES.len() as u32);
    options
}

/// Makes the store under another name, then gives it its own.
fn make(
    dir: &Path,
    world: &str,
    map: &Map,
    regions: usize,
    store_bytes: usize,
) -> std::result::Result<(), String> {
    let path = dir.join(UNFINISHED);
    let io = |e: std::io::Error| format!("can't make the store: {e}");
    if path.exists() {
        fs::remove_dir_all(&path).map_err(io)?;
    }
    fs::create_dir(&path).map_err(io)?;
    let text = |e: heed::Error| format!("can't make the store: {e}");
    // SAFETY: the folder is locked and was made by us just now; nobody else maps the file.
    let env = unsafe { options(store_bytes).open(&path) }.map_err(text)?;
    let partition = Partition::even(map, regions);
    let values = [
        (key::FORMAT, FORMAT.to_be_bytes().to_vec()),
        (key::WORLD, world.as_bytes().to_vec()),
        (key::WORLD_ID, Uuid::new_v4().into_bytes().to_vec()),
        (
            key::MAP,
            serde_json::to_vec(map).map_err(|e| e.to_string())?,
        ),
        (
            key::PARTITION,
            serde_json::to_vec(&partition).map_err(|e| e.to_string())?,
        ),
        (key::APPLIED, 0u64.to_be_bytes().to_vec()),
    ];
    let txn = env.write_txn().map_err(text)?;
    let made = env.create_databases_and_commit(txn, |opener, txn| {
        for name in TABLES {
            let table = opener.create_database::<Bytes, Bytes>(txn, Some(name))?;
            if name == TABLES[0] {
                for (key, value) in &values {
                    table.put(txn, key.as_bytes(), value)?;
                }
            }
        }
        Ok::<_, heed::Error>(CommitOrAbort::<(), ()>::Commit(()))
    });
    made.map_err(text)?;
    env.prepare_for_closing().wait();
    fs::rename(&path, dir.join(STORE)).map_err(io)?;
    File::open(dir).and_then(|d| d.sync_all()).map_err(io)
}

/// Looks whose store it is without changing a byte of it.
fn peek(store: &Path, world: &str, map: &Map) -> std::result::Result<(), String> {
    let env =
        read_only(store).map_err(|e| format!("the store in it is not readable as LMDB: {e}"))?;
    let result = identify_env(&env, world, map).map(|_| ());
    env.prepare_for_closing().wait();
    result
}

/// Opens LMDB without writing a byte, not even to its table of readers.
pub(super) fn read_only(store: &Path) -> heed::Result<Env<WithoutTls>> {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.max_dbs(TABLES.len() as u32);
    // SAFETY: nothing is written; either we hold the folder's lock or it has none, so no server of
    // ours writes to the file while we read.
    unsafe {
        options.flags(EnvFlags::READ_ONLY | EnvFlags::NO_LOCK);
        options.open(store)
    }
}

/// Whose an open LMDB is.
pub(super) fn identify_env(
    env: &Env<WithoutTls>,
    world: &str,
    map: &Map,
) -> std::result::Result<Identity, String> {
    let text = |e: heed::Error| format!("the store in it can't be read: {e}");
    let txn = env.read_txn().map_err(text)?;
    let opened = env.open_databases_and_commit(txn, |opener, txn| {
        let table = opener.open_database::<Bytes, Bytes>(txn, Some(TABLES[0]))?;
        Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(table))
    });
    let table = opened.map_err(text)?.commit().flatten();
    let table = table.ok_or("the store in it is not a world of Brightstar")?;
    let txn = env.read_txn().map_err(text)?;
    identify(table, &txn, world, map)
}

/// Reads `meta` and compares it with what is expected.
fn identify(
    meta: Db,
    txn: &RoTxn<'_>,
    world: &str,
    map: &Map,
) -> std::result::Result<Identity, String> {
    let get = |key: &str| -> std::result::Result<Vec<u8>, String> {
        let value = meta.get(txn, key.as_bytes()).map_err(|e| e.to_string())?;
        let value = value.ok_or_else(|| {
            format!("the store in it is not a world of Brightstar: it has no {key:?}")
        })?;
        Ok(value.to_vec())
    };
    let format = number(Some(&get(key::FORMAT)?)).map_err(|e| e.to_string())?;
    if format > FORMAT {
        return Err(format!(
            "its format is {format} and this program knows {FORMAT}: a newer Brightstar made it. \
             Use that one, or choose another folder"
        ));
    }
    let name = get(key::WORLD)?;
    if name != world.as_bytes() {
        return Err(format!(
            "it holds the world {:?}, not {world:?}. Choose another folder",
            String::from_utf8_lossy(&name)
        ));
    }
    let stored: Map = json(key::MAP, &get(key::MAP)?)?;
    if stored != *map {
        return Err(format!(
            "its map is {stored:?} but this program's is {map:?}, and homes would change their \
             meaning. Use the program that made it, or choose another folder"
        ));
    }
    let partition: Partition = json(key::PARTITION, &get(key::PARTITION)?)?;
    partition
        .check(map)
        .map_err(|e| format!("its partition is damaged: {e}"))?;
    let world_id = Uuid::from_slice(&get(key::WORLD_ID)?).map_err(|e| e.to_string())?;
    let applied = number(Some(&get(key::APPLIED)?)).map_err(|e| e.to_string())?;
    Ok(Identity {
        format,
        world_id,
        applied,
    })
}

fn json<T: serde::de::DeserializeOwned>(key: &str, bytes: &[u8]) -> std::result::Result<T, String> {
    serde_json::from_slice(bytes).map_err(|e| format!("its {key} can't be read: {e}"))
}

/// Adds the tables that an older format did not have: all they are told is what comes from now on.
fn upgrade(env: &Env<WithoutTls>) -> heed::Result<()> {
    let txn = env.write_txn()?;
    let upgraded = env.create_databases_and_commit(txn, |opener, txn| {
        let meta = opener.create_database::<Bytes, Bytes>(txn, Some(TABLES[0]))?;
        if number(meta.get(txn, key::FORMAT.as_bytes())?)? == FORMAT {
            return Ok(CommitOrAbort::Abort(()));
        }
        for name in &TABLES[1..] {
            opener.create_database::<Bytes, Bytes>(txn, Some(name))?;
        }
        meta.put(txn, key::FORMAT.as_bytes(), &FORMAT.to_be_bytes())?;
        Ok::<_, heed::Error>(CommitOrAbort::<(), ()>::Commit(()))
    });
    upgraded.map(|_| ())
}

/// Opens a store known to be ours.
fn open_made(
    store: &Path,
    world: &str,
    map: &Map,
    store_bytes: usize,
) -> std::result::Result<(Env<WithoutTls>, Tables, Identity), String> {
    let text = |e: heed::Error| format!("the store can't be opened: {e}");
    // SAFETY: the folder is locked by us, so no other server of ours maps the file.
    let env = unsafe { options(store_bytes).open(store) }.map_err(text)?;
    env.clear_stale_readers().map_err(text)?;
    upgrade(&env).map_err(text)?;
    let tables = open_tables(&env).map_err(text)?;
    let txn = env.read_txn().map_err(text)?;
    let identity = identify(*tables.meta, &txn, world, map)?;
    drop(txn);
    Ok((env, tables, identity))
}

/// Gives tables their numbers, in order.
fn numbered() -> impl FnMut(Option<Db>) -> Option<Table> {
    let mut numbers = 0..;
    move |db| Some(Table::new(numbers.next()?, db?))
}

/// Opens the tables that every store of today's format has.
pub(super) fn open_tables(env: &Env<WithoutTls>) -> heed::Result<Tables> {
    let txn = env.read_txn()?;
    let opened = env.open_databases_and_commit(txn, |opener, txn| {
        let open = |name: &str| {
            let table = opener.open_database::<Bytes, Bytes>(txn, Some(name))?;
            table.ok_or_else(|| super::damaged(format!("the table {name:?} is missing")))
        };
        let mut all = [None; TABLES.len()];
        for (table, name) in all.iter_mut().zip(TABLES) {
            *table = Some(open(name)?);
        }
        Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(all))
    });
    let missing = || super::damaged("the store's tables were not opened");
    let [
        Some(meta),
        Some(rows),
        Some(places),
        Some(names),
        Some(dead),
        Some(sessions),
        Some(outcomes),
        Some(events),
        Some(jobs),
        Some(said),
        Some(channels),
    ] = opened?.commit().ok_or_else(missing)?.map(numbered())
    else {
        return Err(missing());
    };
    Ok(Tables {
        meta,
        rows,
        places,
        names,
        dead,
        sessions,
        outcomes,
        events,
        jobs,
        said,
        channels,
    })
}
