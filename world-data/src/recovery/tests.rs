//! Lives here: that LMDB and journal together are the history, wherever it was cut.
//! Not here: torn and damaged journals byte by byte (`journal`).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::checkpoint::Checkpointer;
use crate::engine::Options;
use crate::journal::sim::{Faults, SimJournal};
use crate::journal::{FRAME_HEAD, Journal};
use crate::line::{Home, Map};
use crate::object::ObjectId;
use crate::record::Change;

const MAP: Map = Map {
    cell: 32.0,
    side: 4,
    shards: 4,
};

fn open(dir: &Path) -> Arc<Store> {
    Arc::new(Store::open(dir, "test", &MAP, 2, 64 << 20).unwrap())
}

fn framed(changes: &[Change<'_>]) -> Vec<u8> {
    let mut framed = vec![0; FRAME_HEAD];
    for change in changes {
        change.write(&mut framed);
    }
    framed
}

/// What the store must hold: a plain model of rows and names.
#[derive(Debug, Clone, Default, PartialEq)]
struct Model {
    rows: BTreeMap<ObjectId, (Home, Vec<u8>)>,
    names: BTreeMap<(Home, String), ObjectId>,
}

impl Model {
    /// Changes a few things at random, as one epoch, and returns its record.
    fn epoch(&mut self, rng: &mut fastrand::Rng) -> Vec<u8> {
        let mut record = vec![0; FRAME_HEAD];
        let mut touched = Vec::new();
        for _ in 0..rng.usize(1..8) {
            let id = ObjectId::numbered(rng.u64(1..20), rng.bool());
            if touched.contains(&id) {
                continue;
            }
            touched.push(id);
            let home = id.fixed_home(&MAP).unwrap_or_else(|| Home(rng.u64(..16)));
            let there = self.rows.contains_key(&id);
            if there && rng.u8(..4) == 0 {
                self.rows.remove(&id);
                Change::Remove { id, home }.write(&mut record);
            } else {
                let row = vec![rng.u8(..); rng.usize(1..60)];
                Change::Put {
                    id,
                    home,
                    row: &row,
                }
                .write(&mut record);
                self.rows.insert(id, (home, row));
            }
        }
        let (home, name) = (Home(rng.u64(16..20)), format!("n{}", rng.u8(..5)));
        if rng.bool() {
            let id = ObjectId::numbered(1, false);
            Change::Bind {
                home,
                name: &name,
                id,
            }
            .write(&mut record);
            self.names.insert((home, name), id);
        } else {
            Change::Unbind { home, name: &name }.write(&mut record);
            self.names.remove(&(home, name));
        }
        record
    }

    fn of(store: &Store) -> Self {
        let mut model = Self::default();
        for home in (0..MAP.line()).map(Home) {
            let found = store.load_home(home).unwrap();
            for (id, row) in found.rows {
                assert!(
                    model.rows.insert(id, (home, row)).is_none(),
                    "{id:?} has two rows"
                );
                assert!(!id.is_entity() || store.locate(id).unwrap() == Some(home));
            }
            model
                .names
                .extend(found.names.into_iter().map(|(name, id)| ((home, name), id)));
        }
        model
    }
}

#[test]
fn a_new_world_begins_at_epoch_one() {
    let dir = tempfile::tempdir().unwrap();
    let (_, next) = recover(&open(dir.path()), &dir.path().join("journal")).unwrap();
    assert_eq!(next, 1);
}

/// Crashes at random places under random epochs and checkpoints; each time what was acknowledged
/// is there, exactly, or with the one epoch that was under way.
#[test]
fn whatever_crashes_the_history_goes_on() {
    for seed in 0..25 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let dir = tempfile::tempdir().unwrap();
        let journal_dir = dir.path().join("journal");
        let faults = Faults::new(seed);
        let (mut acknowledged, mut under_way) = (Model::default(), None);
        for _ in 0..6 {
            let store = open(dir.path());
            let (journal, next) = recover(&store, &journal_dir).unwrap();
            let found = Model::of(&store);
            assert!(
                found == acknowledged || Some(&found) == under_way.as_ref(),
                "seed {seed}"
            );
            acknowledged = found;
            let mut journal = SimJournal::new(journal, Arc::clone(&faults));
            let fatal = Arc::new(|why: String| panic!("{why}"));
            let checkpointer =
                Checkpointer::by_hand(store, &journal_dir, &Options::default(), fatal);
            faults.crash_after(rng.u64(..12));
            let mut epoch = next;
            loop {
                let mut model = acknowledged.clone();
                let mut record = model.epoch(&mut rng);
                journal.append(epoch, &mut record).unwrap();
                if journal.sync().is_err() {
                    under_way = Some(model);
                    break;
                }
                acknowledged = model;
                checkpointer.offer(epoch, Arc::new(record)).unwrap();
                if rng.u8(..4) == 0 {
                    checkpointer.step();
                    assert_eq!(checkpointer.checkpointed_epoch(), epoch);
                }
                epoch += rng.u64(1..4);
            }
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

#[test]
fn recovering_twice_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (journal_dir, aside) = (dir.path().join("journal"), dir.path().join("aside"));
    let mut model = Model::default();
    let store = open(dir.path());
    let (mut journal, _) = recover(&store, &journal_dir).unwrap();
    let mut rng = fastrand::Rng::with_seed(1);
    for epoch in 1..50 {
        journal.append(epoch, &mut model.epoch(&mut rng)).unwrap();
        journal.sync().unwrap();
    }
    copy(&journal_dir, &aside);
    assert_eq!(recover(&store, &journal_dir).unwrap().1, 50);
    assert_eq!(Model::of(&store), model);
    // As if the machine had stopped before the journal was released.
    fs::remove_dir_all(&journal_dir).unwrap();
    copy(&aside, &journal_dir);
    assert_eq!(recover(&store, &journal_dir).unwrap().1, 50);
    // And as if it had stopped before LMDB knew how far it was.
    for epoch in replay(&aside, 0).unwrap() {
        let epoch = epoch.unwrap();
        let mut batch = Batch::default();
        batch.merge(epoch.payload()).unwrap();
        store.apply(&batch, 49).unwrap();
    }
    assert_eq!(Model::of(&store), model);
}

#[test]
fn a_record_that_makes_no_sense_is_named_and_nothing_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let journal_dir = dir.path().join("journal");
    let store = open(dir.path());
    let (mut journal, _) = recover(&store, &journal_dir).unwrap();
    let id = ObjectId::numbered(1, false);
    let home = id.fixed_home(&MAP).unwrap();
    let mut good = framed(&[Change::Put {
        id,
        home,
        row: b"good",
    }]);
    journal.append(1, &mut good).unwrap();
    let mut bad = [good.as_slice(), &[99][..], &[0; 20]].concat();
    journal.append(2, &mut bad).unwrap();
    journal.sync().unwrap();
    for _ in 0..2 {
        let error = recover(&store, &journal_dir).unwrap_err().to_string();
        assert!(
            error.contains("epoch 2") && error.contains("unknown change 99"),
            "{error}"
        );
    }
}
