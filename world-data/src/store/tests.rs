//! Lives here: that LMDB holds what was applied, and has room for it.
//! Not here: what a folder must be (`open`), the journal's part (`recovery`), when it is written (`checkpoint`).

use std::path::Path;

use super::*;
use crate::batch::Batch;
use crate::line::Map;
use crate::record::Change;

pub(super) const SIZE: usize = 16 << 20;

pub(super) fn map() -> Map {
    Map::square(512.0)
}

pub(super) fn open(dir: &Path) -> std::result::Result<Store, String> {
    Store::open(dir, "meadow", &map(), 4, SIZE).map_err(|e| e.to_string())
}

pub(super) fn apply(store: &Store, epoch: u64, changes: &[Change<'_>]) {
    let mut record = Vec::new();
    for change in changes {
        change.write(&mut record);
    }
    let mut batch = Batch::default();
    batch.merge(&record).unwrap();
    store.apply(&batch, epoch).unwrap();
}

fn entity(number: u64) -> ObjectId {
    ObjectId::numbered(number, true)
}

/// LMDB made by another program, with a table of the same name as one of ours.
#[test]
fn a_moving_entity_leaves_exactly_one_row() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let id = entity(5);
    let put = |home| Change::Put {
        id,
        home: Home(home),
        row: b"row",
    };
    apply(&store, 1, &[put(1), put(2), put(3)]);
    apply(&store, 2, &[put(9)]);
    apply(&store, 3, &[put(4), put(9)]);
    apply(&store, 4, &[put(200)]);
    let homes = || -> Vec<u64> {
        (0..map().line())
            .filter(|h| !store.load_home(Home(*h)).unwrap().rows.is_empty())
            .collect()
    };
    assert_eq!(homes(), [200]);
    assert_eq!(store.locate(id).unwrap(), Some(Home(200)));
    // The record names the home where it was last, not the one that LMDB knows.
    apply(&store, 5, &[put(17), Change::Remove { id, home: Home(17) }]);
    assert!(homes().is_empty());
    assert_eq!(store.locate(id).unwrap(), None);
    apply(&store, 6, &[Change::Remove { id, home: Home(17) }]);
    assert!(homes().is_empty());
}

#[test]
fn names_and_objects_of_a_home_come_back_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let ids: Vec<_> = (1..=3).map(|n| ObjectId::numbered(n, false)).collect();
    let bind = |home, name, id| Change::Bind {
        home: Home(home),
        name,
        id,
    };
    let put = |home, id| Change::Put {
        id,
        home: Home(home),
        row: b"r",
    };
    apply(
        &store,
        1,
        &[
            bind(300, "b", ids[0]),
            bind(300, "a", ids[1]),
            bind(301, "a", ids[2]),
            put(300, ids[2]),
            put(300, ids[0]),
            put(301, ids[1]),
        ],
    );
    apply(
        &store,
        2,
        &[
            Change::Unbind {
                home: Home(300),
                name: "b",
            },
            bind(300, "", ids[0]),
        ],
    );
    let home = store.load_home(Home(300)).unwrap();
    assert_eq!(
        home.names,
        [(String::new(), ids[0]), ("a".to_owned(), ids[1])]
    );
    assert_eq!(
        home.rows,
        [(ids[0], b"r".to_vec()), (ids[2], b"r".to_vec())]
    );
}

#[test]
fn the_map_grows_before_it_is_full() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), "meadow", &map(), 4, 256 << 10).unwrap();
    let before = store.limit();
    let row = [7; 500];
    for epoch in 1..=20u64 {
        let all: Vec<_> = (0..500)
            .map(|n| Change::Put {
                id: entity(epoch * 1000 + n),
                home: Home(n % 256),
                row: &row,
            })
            .collect();
        apply(&store, epoch, &all);
        assert!(store.used() <= store.limit());
    }
    assert!(store.limit() > before * 8, "{}", store.limit());
    let count = |store: &Store| -> usize {
        (0..256)
            .map(|h| store.load_home(Home(h)).unwrap().rows.len())
            .sum()
    };
    assert_eq!(count(&store), 10_000);
    drop(store);
    // Opened again with too small a size, what is there is there and what comes finds room.
    let store = Store::open(dir.path(), "meadow", &map(), 4, 256 << 10).unwrap();
    apply(
        &store,
        21,
        &[Change::Put {
            id: entity(1),
            home: Home(0),
            row: &row,
        }],
    );
    assert_eq!(count(&store), 10_001);
}

#[test]
fn a_map_that_fills_in_the_middle_of_a_batch_grows_too() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), "meadow", &map(), 4, 256 << 10).unwrap();
    // Each row takes a page of its own, which the size of the batch does not tell.
    let row = vec![7; 2100];
    let all: Vec<_> = (0..2000)
        .map(|n| Change::Put {
            id: entity(n * 7919 % 2000 + 1),
            home: Home(n % 256),
            row: &row,
        })
        .collect();
    let mut record = Vec::new();
    for change in &all {
        change.write(&mut record);
    }
    let mut batch = Batch::default();
    batch.merge(&record).unwrap();
    assert!(matches!(
        store.try_apply(&batch, 1),
        Err(StoreError::Full { .. })
    ));
    assert_eq!(store.applied_epoch(), 0);
    assert!(store.load_home(Home(0)).unwrap().rows.is_empty());
    assert_eq!(store.apply(&batch, 1).unwrap().rows, 2000);
}

/// Readers and the checkpointer that enlarges the map do not meet.
#[test]
fn reads_go_on_while_the_map_grows() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), "meadow", &map(), 4, 256 << 10).unwrap();
    apply(
        &store,
        1,
        &[Change::Put {
            id: entity(1),
            home: Home(3),
            row: b"here",
        }],
    );
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(store.locate(entity(1)).unwrap(), Some(Home(3)));
                    assert_eq!(store.load_home(Home(3)).unwrap().rows[0].1, b"here");
                }
            });
        }
        for epoch in 2..=12u64 {
            let row = vec![1; 1000 << (epoch / 2)];
            let all: Vec<_> = (0..50)
                .map(|n| Change::Put {
                    id: entity(epoch * 100 + n),
                    home: Home(9),
                    row: &row,
                })
                .collect();
            apply(&store, epoch, &all);
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn dead_letters_are_bounded_and_the_newest_stay() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let most = MAX_DEAD_LETTERS as u64;
    for (epoch, numbers) in [
        (1, 1..=most),
        (2, most + 1..=most + 5),
        (3, most + 6..=3 * most),
    ] {
        let all: Vec<_> = numbers
            .map(|number| Change::Dead {
                number,
                letter: b"{}",
            })
            .collect();
        apply(&store, epoch, &all);
        assert_eq!(
            store
                .tables
                .dead
                .len(&store.env.read_txn().unwrap())
                .unwrap(),
            most
        );
    }
    let newest = store.dead_letters(None, 2).unwrap();
    assert_eq!(
        newest.iter().map(|(n, _)| *n).collect::<Vec<_>>(),
        [3 * most, 3 * most - 1]
    );
    assert_eq!(store.next_dead().unwrap(), 3 * most + 1);
}

#[test]
fn a_record_may_not_change_what_the_store_is_nor_set_it_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    apply(&store, 5, &[]);
    assert!(
        store
            .apply(&Batch::default(), 4)
            .unwrap_err()
            .to_string()
            .contains("older")
    );
    let mut record = Vec::new();
    Change::Meta {
        key: "world",
        value: b"other",
    }
    .write(&mut record);
    let mut batch = Batch::default();
    batch.merge(&record).unwrap();
    assert!(
        store
            .apply(&batch, 6)
            .unwrap_err()
            .to_string()
            .contains("change world")
    );
    assert_eq!(store.applied_epoch(), 5);
}
