//! Lives here: when checkpoints are made, who waits for them, and what a failure does.
//! Not here: what they write (`store`), the journal's files (`journal`).

use std::path::PathBuf;
use std::sync::mpsc;

use tempfile::TempDir;

use super::*;
use crate::journal::{FRAME_HEAD, FileJournal, Journal};
use crate::line::{Home, Map};
use crate::object::ObjectId;
use crate::record::Change;

/// No test waits longer than this for something that must happen.
const PATIENCE: Duration = Duration::from_secs(20);
const NEVER: Duration = Duration::from_hours(1);

struct Room {
    dir: TempDir,
    store: Arc<Store>,
    journal: FileJournal,
    failures: mpsc::Receiver<String>,
    tell: mpsc::SyncSender<String>,
}

fn room() -> Room {
    let dir = tempfile::tempdir().unwrap();
    let world = dir.path().join("world");
    let store = Store::open(&world, "test", &Map::shards_only(4), 1, 64 << 20).unwrap();
    let store = Arc::new(store);
    let (journal, _) = crate::recovery::recover(&store, &world.join("journal")).unwrap();
    let (tell, failures) = mpsc::sync_channel(8);
    Room {
        dir,
        store,
        journal,
        failures,
        tell,
    }
}

impl Room {
    fn journal_dir(&self) -> PathBuf {
        self.dir.path().join("world").join("journal")
    }

    fn start(&self, interval: Duration, bytes: usize, limit: usize) -> Checkpointer {
        let options = Options {
            checkpoint_interval: interval,
            checkpoint_bytes: bytes,
            journal_limit_bytes: limit,
            ..Options::default()
        };
        let tell = self.tell.clone();
        let fatal = Arc::new(move |why| tell.send(why).unwrap());
        Checkpointer::start(
            Arc::clone(&self.store),
            &self.journal_dir(),
            &options,
            fatal,
        )
        .unwrap()
    }

    /// Appends an epoch to the journal and returns what is to be offered.
    fn epoch(&mut self, epoch: u64, size: usize) -> Arc<Vec<u8>> {
        let id = ObjectId::numbered(epoch, false);
        let mut framed = vec![0; FRAME_HEAD];
        Change::Put {
            id,
            home: Home(0),
            row: &vec![1; size],
        }
        .write(&mut framed);
        self.journal.append(epoch, &mut framed).unwrap();
        self.journal.sync().unwrap();
        Arc::new(framed)
    }

    fn rows(&self) -> usize {
        self.store.load_home(Home(0)).unwrap().rows.len()
    }

    fn segments(&self) -> usize {
        let entries = std::fs::read_dir(self.journal_dir()).unwrap();
        entries
            .filter(|e| e.as_ref().unwrap().path().extension().unwrap() == "log")
            .count()
    }
}

/// Waits for something that no call waits for.
fn eventually(mut what: impl FnMut() -> bool) {
    let from = now();
    while !what() {
        assert!(from.elapsed() < PATIENCE, "it did not happen");
        thread::yield_now();
    }
}

#[test]
fn a_checkpoint_comes_after_the_interval_or_enough_bytes_or_a_request() {
    let mut room = room();
    let checkpointer = room.start(Duration::from_millis(5), usize::MAX, usize::MAX);
    checkpointer.offer(1, room.epoch(1, 10)).unwrap();
    eventually(|| checkpointer.checkpointed_epoch() == 1);
    drop(checkpointer);

    let checkpointer = room.start(NEVER, 1000, usize::MAX);
    checkpointer.offer(2, room.epoch(2, 10)).unwrap();
    checkpointer.offer(3, room.epoch(3, 1000)).unwrap();
    eventually(|| checkpointer.checkpointed_epoch() == 3);
    checkpointer.offer(5, room.epoch(5, 10)).unwrap();
    assert_eq!(checkpointer.checkpointed_epoch(), 3);
    checkpointer.request();
    eventually(|| checkpointer.checkpointed_epoch() == 5);
    assert_eq!((room.store.applied_epoch(), room.rows()), (5, 4));
}

#[test]
fn waiting_brings_lmdb_up_to_what_was_offered_and_no_further() {
    let mut room = room();
    let checkpointer = room.start(NEVER, usize::MAX, usize::MAX);
    assert!(checkpointer.wait_for(100), "nothing was offered");
    for epoch in 1..=5 {
        checkpointer
            .offer(epoch * 10, room.epoch(epoch * 10, 10))
            .unwrap();
    }
    assert!(checkpointer.wait_for(9));
    assert_eq!(checkpointer.checkpointed_epoch(), 0);
    assert!(checkpointer.wait_for(12));
    assert_eq!((checkpointer.checkpointed_epoch(), room.rows()), (50, 5));
}

#[test]
fn closing_writes_what_waits_and_dropping_does_not() {
    let mut room = room();
    let checkpointer = room.start(NEVER, usize::MAX, usize::MAX);
    checkpointer.offer(1, room.epoch(1, 10)).unwrap();
    checkpointer.close();
    checkpointer.close();
    assert_eq!(room.store.applied_epoch(), 1);
    let late = checkpointer.offer(2, room.epoch(2, 10));
    assert!(late.unwrap_err().to_string().contains("closed"));
    drop(checkpointer);

    let checkpointer = room.start(NEVER, usize::MAX, usize::MAX);
    checkpointer.offer(3, room.epoch(3, 10)).unwrap();
    drop(checkpointer);
    assert_eq!(room.store.applied_epoch(), 1);
    let (_, next) = crate::recovery::recover(&room.store, &room.journal_dir()).unwrap();
    assert_eq!((next, room.rows()), (4, 3), "the journal had the rest");
}

#[test]
fn who_offers_too_much_waits_for_lmdb() {
    let mut room = room();
    let limit = 10_000;
    let checkpointer = room.start(NEVER, usize::MAX, limit);
    for epoch in 1..=50 {
        // One alone may be larger than the limit.
        let size = if epoch == 25 { 3 * limit } else { 3000 };
        checkpointer.offer(epoch, room.epoch(epoch, size)).unwrap();
        let backlog = checkpointer.shared.state.lock().backlog();
        assert!(backlog <= limit || epoch == 25, "{backlog} bytes wait");
        assert!(checkpointer.checkpointed_epoch() + 4 >= epoch);
    }
    checkpointer.close();
    assert_eq!(room.rows(), 50);
}

#[test]
fn segments_go_when_lmdb_has_them() {
    let mut room = room();
    let checkpointer = room.start(NEVER, usize::MAX, usize::MAX);
    for epoch in 1..=10 {
        checkpointer
            .offer(epoch, room.epoch(epoch, 6 << 20))
            .unwrap();
    }
    assert_eq!(room.segments(), 5);
    assert!(checkpointer.wait_for(10));
    eventually(|| room.segments() == 1);
}

#[test]
fn a_failure_is_told_once_and_wakes_everybody() {
    let mut room = room();
    let checkpointer = room.start(NEVER, usize::MAX, 1000);
    let mut senseless = vec![0; FRAME_HEAD];
    senseless.push(99);
    senseless.resize(600, 0);
    checkpointer.offer(1, Arc::new(senseless)).unwrap();
    let next = room.epoch(2, 600);
    // Waits for room that never comes.
    let error = checkpointer.offer(2, next).unwrap_err().to_string();
    assert!(
        error.contains("epoch 1") && error.contains("unknown change 99"),
        "{error}"
    );
    let told = room.failures.recv_timeout(PATIENCE).unwrap();
    assert!(told.contains("a checkpoint failed"), "{told}");
    assert!(!checkpointer.wait_for(1));
    checkpointer.close();
    assert!(room.failures.try_recv().is_err(), "told twice");
    assert_eq!(room.store.applied_epoch(), 0);
}

#[test]
fn a_journal_that_cant_be_released_stops_the_checkpointer() {
    let mut room = room();
    let epoch = room.epoch(1, 10);
    std::fs::rename(room.journal_dir(), room.dir.path().join("away")).unwrap();
    std::fs::write(room.journal_dir(), "a file, not a folder").unwrap();
    let checkpointer = room.start(NEVER, usize::MAX, usize::MAX);
    checkpointer.offer(1, epoch).unwrap();
    assert!(!checkpointer.wait_for(1));
    let told = room.failures.recv_timeout(PATIENCE).unwrap();
    assert!(told.contains("list") && told.contains("journal"), "{told}");
}
