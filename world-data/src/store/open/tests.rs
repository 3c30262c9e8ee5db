//! Lives here: what a folder must be to be opened, and that any other is left as it was.
//! Not here: what is written into it later (`store`'s tests).

use std::collections::BTreeMap;

use super::*;
use crate::record::Change;
use crate::shared::ID_LIMIT;
use crate::store::tests::{SIZE, apply, map, open};

/// Every file below `dir` with its bytes.
fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.display().to_string(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// Opening fails, says all of `words`, and leaves every byte as it was.
fn check_refused(dir: &Path, words: &[&str]) {
    let before = contents(dir);
    let error = open(dir).unwrap_err();
    for word in words {
        assert!(error.contains(word), "{word:?} is not in {error:?}");
    }
    assert!(error.contains(&dir.display().to_string()), "{error}");
    assert!(contents(dir) == before, "the folder was changed");
}

fn set_meta(store: &Store, key: &str, value: &[u8]) {
    let mut txn = store.env.write_txn().unwrap();
    store
        .tables
        .meta
        .put(&mut txn, key.as_bytes(), value)
        .unwrap();
    txn.commit().unwrap();
}

#[test]
fn a_new_folder_becomes_a_world_and_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("data").join("meadow");
    let store = open(&dir).unwrap();
    assert_eq!((store.applied_epoch(), store.id_limit().unwrap()), (0, 0));
    assert_eq!(store.partition().unwrap(), Partition::even(&map(), 4));
    assert_eq!(store.next_dead().unwrap(), 1);
    apply(
        &store,
        7,
        &[Change::Meta {
            key: ID_LIMIT,
            value: &9u64.to_le_bytes(),
        }],
    );
    drop(store);
    let store = open(&dir).unwrap();
    assert_eq!((store.applied_epoch(), store.id_limit().unwrap()), (7, 9));
}

#[test]
fn what_a_start_cut_short_leaves_does_not_stand_in_the_way() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("lock"), "").unwrap();
    fs::create_dir(dir.path().join("lost+found")).unwrap();
    fs::create_dir(dir.path().join("store.new")).unwrap();
    fs::write(dir.path().join("store.new/data.mdb"), "half").unwrap();
    open(dir.path()).unwrap();
    assert!(!dir.path().join("store.new").exists());
}

#[test]
fn a_second_open_is_refused_until_the_first_ends() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path()).unwrap();
    let error = open(dir.path()).unwrap_err();
    assert!(
        error.contains("another process") && error.contains("Stop that one"),
        "{error}"
    );
    drop(first);
    open(dir.path()).unwrap();
}

#[test]
fn another_world_map_or_format_is_refused_untouched() {
    let dir = tempfile::tempdir().unwrap();
    let other = Store::open(dir.path(), "ledger", &Map::shards_only(8), 1, SIZE).unwrap();
    drop(other);
    check_refused(dir.path(), &["\"ledger\"", "\"meadow\"", "another folder"]);

    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path(), "meadow", &Map::square(4096.0), 1, SIZE).unwrap());
    check_refused(dir.path(), &["its map is", "side: 128", "side: 16"]);

    let dir = tempfile::tempdir().unwrap();
    let newer = (FORMAT + 1).to_be_bytes();
    set_meta(&open(dir.path()).unwrap(), key::FORMAT, &newer);
    check_refused(dir.path(), &["format is 5", "knows 4", "newer"]);
}

#[test]
fn a_store_from_before_sessions_were_kept_is_opened_and_keeps_them() {
    let (dir, newer) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let newer = open(newer.path()).unwrap();
    let path = dir.path().join("store");
    fs::create_dir(&path).unwrap();
    // SAFETY: nobody else has the new file open.
    let env = unsafe { options(SIZE).open(&path) }.unwrap();
    let txn = env.write_txn().unwrap();
    let made = env.create_databases_and_commit(txn, |opener, txn| {
        for name in ["rows", "where", "names", "dead"] {
            opener.create_database::<Bytes, Bytes>(txn, Some(name))?;
        }
        let meta = opener.create_database::<Bytes, Bytes>(txn, Some("meta"))?;
        let read = newer.env.read_txn()?;
        for item in newer.tables.meta.iter(&read)? {
            let (key, value) = item?;
            meta.put(txn, key, value)?;
        }
        meta.put(txn, key::FORMAT.as_bytes(), &1u64.to_be_bytes())?;
        Ok::<_, heed::Error>(CommitOrAbort::<(), ()>::Commit(()))
    });
    made.unwrap();
    env.prepare_for_closing().wait();

    for _ in 0..2 {
        let store = open(dir.path()).unwrap();
        assert_eq!(store.sessions().unwrap().len(), 0);
        let format = store.meta(key::FORMAT).unwrap().unwrap();
        assert_eq!(format, FORMAT.to_be_bytes());
    }
}

#[test]
fn a_foreign_folder_is_refused_untouched() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.txt"), "years of work").unwrap();
    check_refused(dir.path(), &["\"thesis.txt\"", "empty folder"]);

    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("journal")).unwrap();
    fs::write(dir.path().join("journal/00000000000000000001.log"), "x").unwrap();
    check_refused(dir.path(), &["journal but no store", "backup"]);

    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("store")).unwrap();
    fs::write(dir.path().join("store/data.mdb"), vec![7; 65536]).unwrap();
    check_refused(dir.path(), &["not readable as LMDB"]);

    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("store")).unwrap();
    check_refused(dir.path(), &["not readable as LMDB"]);
}

#[test]
fn a_foreign_lmdb_is_refused_untouched() {
    for table in ["meta", "accounts"] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        fs::create_dir(&path).unwrap();
        let mut options = heed::EnvOpenOptions::new();
        // SAFETY: nobody else has the new file open.
        let env = unsafe { options.map_size(1 << 20).max_dbs(2).open(&path) }.unwrap();
        let txn = env.write_txn().unwrap();
        let made = env.create_databases_and_commit(txn, |opener, txn| {
            opener
                .create_database::<Bytes, Bytes>(txn, Some(table))?
                .put(txn, b"a", b"b")?;
            Ok::<_, heed::Error>(heed::CommitOrAbort::<(), ()>::Commit(()))
        });
        made.unwrap();
        env.prepare_for_closing().wait();
        check_refused(dir.path(), &["not a world of Brightstar"]);
    }
}
