//! Lives here: what the journal survives and what it must not pass over: torn tails, flipped bits,
//! missing segments, full disks, reused files.
//! Not here: the journal's way into LMDB (`recovery`).

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::frame::{self, END, HEADER};
use super::*;

pub(super) type Epochs = Vec<(u64, Vec<u8>)>;

fn framed(payload: &[u8]) -> Vec<u8> {
    [&[0; FRAME_HEAD], payload].concat()
}

pub(super) fn put(
    journal: &mut impl Journal,
    epoch: u64,
    payload: &[u8],
) -> Result<(), JournalError> {
    let mut framed = framed(payload);
    journal.append(epoch, &mut framed)?;
    assert_eq!(
        &framed[FRAME_HEAD..],
        payload,
        "the caller's record stays as it was"
    );
    journal.sync()
}

pub(super) fn read(dir: &Path, applied: u64) -> Result<Epochs, JournalError> {
    replay(dir, applied)?
        .map(|e| e.map(|e| (e.number, e.payload().to_vec())))
        .collect()
}

pub(super) fn begin(dir: &Path, last: u64) -> FileJournal {
    FileJournal::begin(dir, last).unwrap()
}

fn logs(dir: &Path) -> Vec<PathBuf> {
    segment::list(dir)
        .unwrap()
        .into_iter()
        .map(|s| s.path)
        .collect()
}

fn spares(dir: &Path) -> usize {
    let names = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    names
        .filter(|p| p.extension().is_some_and(|e| e == "spare"))
        .count()
}

/// A journal of three epochs, with the offsets at which its frames begin and end.
struct Three {
    dir: TempDir,
    file: PathBuf,
    bytes: Vec<u8>,
    epochs: Epochs,
    starts: Vec<usize>,
}

fn three() -> Three {
    let dir = tempfile::tempdir().unwrap();
    let epochs = vec![
        (3, b"the first epoch".to_vec()),
        (4, Vec::new()),
        (9, b"the last epoch, which is longer".to_vec()),
    ];
    let mut journal = begin(dir.path(), 2);
    let mut starts = vec![HEADER];
    for (epoch, payload) in &epochs {
        put(&mut journal, *epoch, payload).unwrap();
        starts.push(journal.at as usize);
    }
    let file = logs(dir.path()).remove(0);
    let mut bytes = fs::read(&file).unwrap();
    bytes.truncate(starts[3] + 2 * END);
    Three {
        dir,
        file,
        bytes,
        epochs,
        starts,
    }
}

impl Three {
    /// What is read when the file holds `bytes`.
    fn with(&self, bytes: &[u8]) -> Result<Epochs, JournalError> {
        // Not `fs::write`: cutting a file to nothing first costs a millisecond each time.
        let file = File::options().write(true).open(&self.file).unwrap();
        file.write_all_at(bytes, 0).unwrap();
        file.set_len(bytes.len() as u64).unwrap();
        read(self.dir.path(), 2)
    }
}

#[test]
fn epochs_come_back_as_written_and_those_applied_are_left_out() {
    let three = three();
    assert_eq!(three.with(&three.bytes).unwrap(), three.epochs);
    assert_eq!(read(three.dir.path(), 3).unwrap(), three.epochs[1..]);
    assert_eq!(read(three.dir.path(), 9).unwrap(), []);
    assert_eq!(read(Path::new("/nowhere/at/all"), 0).unwrap(), []);
}

#[test]
fn a_tail_torn_at_any_byte_loses_the_last_record_only() {
    let three = three();
    let last = three.starts[2]..three.starts[3];
    let whole = frame::padded(FRAME_HEAD + three.epochs[2].1.len());
    assert_eq!(last.len(), whole);
    for cut in last.start..last.start + FRAME_HEAD + three.epochs[2].1.len() {
        let mut bytes = three.bytes.clone();
        bytes.truncate(cut);
        assert_eq!(
            three.with(&bytes).unwrap(),
            three.epochs[..2],
            "cut at {cut}"
        );
        bytes.resize(three.bytes.len(), 0);
        assert_eq!(
            three.with(&bytes).unwrap(),
            three.epochs[..2],
            "zeros from {cut}"
        );
        bytes.truncate(cut);
        bytes.resize(three.bytes.len(), 0xA5);
        assert_eq!(
            three.with(&bytes).unwrap(),
            three.epochs[..2],
            "stale from {cut}"
        );
        // The start of the write is missing, its end is there.
        let mut bytes = three.bytes.clone();
        bytes[last.start..=cut].fill(0xA5);
        assert_eq!(
            three.with(&bytes).unwrap(),
            three.epochs[..2],
            "stale up to {cut}"
        );
    }
}

#[test]
fn no_flipped_bit_passes_unseen() {
    let three = three();
    let payload_ends: Vec<_> = (0..3)
        .map(|at| three.starts[at] + FRAME_HEAD + three.epochs[at].1.len())
        .collect();
    for at in 0..three.bytes.len() {
        for bit in 0..8 {
            let mut bytes = three.bytes.clone();
            bytes[at] ^= 1 << bit;
            let result = three.with(&bytes);
            let frame = three.starts.iter().rposition(|start| *start <= at);
            match frame {
                // The header's last four bytes say nothing.
                None if at >= HEADER - 4 => assert_eq!(result.unwrap(), three.epochs),
                None => assert_damage(&result, 0, at),
                Some(frame) if frame < 3 && at >= payload_ends[frame] => {
                    assert_eq!(result.unwrap(), three.epochs, "padding at {at}");
                }
                Some(frame @ (0 | 1)) => assert_damage(&result, three.starts[frame], at),
                Some(2) => assert_eq!(result.unwrap(), three.epochs[..2], "byte {at}"),
                Some(_) => assert_eq!(result.unwrap(), three.epochs, "behind the end, {at}"),
            }
        }
    }
}

fn assert_damage(result: &Result<Epochs, JournalError>, place: usize, at: usize) {
    match result {
        Err(JournalError::Damaged { offset, .. }) => {
            assert_eq!(*offset, place as u64, "byte {at}");
        }
        other => panic!("byte {at}: {other:?}"),
    }
}

/// A record wiped out by zeros looks like the journal's end; only what follows tells.
#[test]
fn an_erased_record_before_a_whole_one_is_damage() {
    let three = three();
    let mut bytes = three.bytes.clone();
    bytes[three.starts[0]..three.starts[2]].fill(0);
    let error = three.with(&bytes).unwrap_err().to_string();
    assert!(
        error.contains("erased") && error.contains("offset 48"),
        "{error}"
    );
    assert!(
        error.contains("00000000000000000003.log") && error.contains("backup"),
        "{error}"
    );
}

#[test]
fn a_newer_or_foreign_segment_is_refused() {
    let three = three();
    let mut bytes = three.bytes.clone();
    bytes[8] = 2;
    let crc = crc32fast::hash(&bytes[..40]);
    bytes[40..44].copy_from_slice(&crc.to_le_bytes());
    let error = three.with(&bytes).unwrap_err().to_string();
    assert!(
        error.contains("journal version 2; this program reads 1"),
        "{error}"
    );
    let error = three.with(b"hello").unwrap_err().to_string();
    assert!(error.contains("incomplete"), "{error}");
    let error = three.with(&[7; 100]).unwrap_err().to_string();
    assert!(error.contains("no journal segment"), "{error}");
}

/// Bytes of an earlier use of the file, or of a record that quotes a whole frame, are no frames.
#[test]
fn frames_of_another_life_are_not_taken_for_frames() {
    let three = three();
    let old = three.bytes[three.starts[0]..three.starts[3]].to_vec();
    let mut journal = begin(three.dir.path(), 20);
    assert_eq!(logs(three.dir.path()).len(), 1);
    assert_eq!(read(three.dir.path(), 20).unwrap(), []);
    put(&mut journal, 21, &old).unwrap();
    let file = logs(three.dir.path()).remove(0);
    assert_eq!(read(three.dir.path(), 20).unwrap(), [(21, old.clone())]);
    let mut bytes = fs::read(&file).unwrap();
    bytes[HEADER] ^= 1;
    fs::write(&file, bytes).unwrap();
    assert_eq!(
        read(three.dir.path(), 20).unwrap(),
        [],
        "torn, whatever it quotes"
    );
}

fn large(epoch: u64) -> Vec<u8> {
    let size = segment::SEGMENT_BYTES as usize / 4;
    epoch
        .to_le_bytes()
        .iter()
        .copied()
        .cycle()
        .take(size)
        .collect()
}

#[test]
fn segments_rotate_are_released_and_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = begin(dir.path(), 0);
    let mut release = releaser(dir.path());
    for epoch in 1..=30 {
        put(&mut journal, epoch * 10, &large(epoch)).unwrap();
    }
    let before = logs(dir.path());
    assert_eq!(before.len(), 10, "three fit into each");
    release(0).unwrap();
    assert_eq!(logs(dir.path()), before);
    // 30 is the last epoch of the first segment, 40 the first of the second.
    release(29).unwrap();
    assert_eq!(logs(dir.path()), before);
    release(39).unwrap();
    assert_eq!(logs(dir.path()), before[1..]);
    release(300).unwrap();
    assert_eq!(logs(dir.path()), before[9..], "never the newest");
    assert_eq!(spares(dir.path()), 8, "spares are bounded");
    for epoch in 31..=36 {
        put(&mut journal, epoch * 10, &large(epoch)).unwrap();
    }
    assert_eq!(spares(dir.path()), 6);
    let expected: Epochs = (28..=36).map(|e| (e * 10, large(e))).collect();
    assert_eq!(read(dir.path(), 270).unwrap(), expected);
}

#[test]
fn an_epoch_larger_than_a_segment_has_one_to_itself() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = begin(dir.path(), 0);
    let huge = vec![1; segment::SEGMENT_BYTES as usize * 3];
    put(&mut journal, 1, b"small").unwrap();
    put(&mut journal, 2, &huge).unwrap();
    put(&mut journal, 3, b"small").unwrap();
    assert_eq!(logs(dir.path()).len(), 3);
    assert_eq!(
        read(dir.path(), 1).unwrap(),
        [(2, huge), (3, b"small".to_vec())]
    );
    releaser(dir.path())(3).unwrap();
    assert_eq!(spares(dir.path()), 1, "the large one is deleted");
}

#[test]
fn a_missing_or_renamed_segment_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = begin(dir.path(), 0);
    for epoch in 1..=9 {
        put(&mut journal, epoch, &large(epoch)).unwrap();
    }
    let files = logs(dir.path());
    assert_eq!(files.len(), 3);
    let aside = dir.path().join("aside");
    for missing in 0..2 {
        fs::rename(&files[missing], &aside).unwrap();
        let error = read(dir.path(), 0).unwrap_err().to_string();
        assert!(error.contains("missing"), "{error}");
        assert!(
            error.contains(&files[missing + 1].display().to_string()),
            "{error}"
        );
        assert!(read(dir.path(), 6).is_ok(), "not needed any more");
        fs::rename(&aside, &files[missing]).unwrap();
    }
    fs::rename(&files[1], dir.path().join(format!("{:020}.log", 5))).unwrap();
    assert!(
        read(dir.path(), 0)
            .unwrap_err()
            .to_string()
            .contains("renamed")
    );
}

/// The middle segment loses its end: its records are gone although each one left is whole.
#[test]
fn a_torn_tail_is_damage_anywhere_but_in_the_newest_segment() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = begin(dir.path(), 0);
    for epoch in 1..=6 {
        put(&mut journal, epoch, &large(epoch)).unwrap();
    }
    let first = File::options()
        .write(true)
        .open(&logs(dir.path())[0])
        .unwrap();
    let frame = (frame::padded(FRAME_HEAD + large(0).len())) as u64;
    first.set_len(HEADER as u64 + 3 * frame - 1).unwrap();
    let error = read(dir.path(), 0).unwrap_err();
    assert!(matches!(error, JournalError::Damaged { offset, .. } if offset == 48 + 2 * frame));
    first.set_len(HEADER as u64 + 2 * frame).unwrap();
    assert!(
        read(dir.path(), 0)
            .unwrap_err()
            .to_string()
            .contains("was cut")
    );
}

#[test]
fn a_full_disk_is_told_and_nothing_is_written_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = begin(dir.path(), 0);
    put(&mut journal, 1, b"acknowledged").unwrap();
    let real = std::mem::replace(
        &mut journal.segment.file,
        File::options().write(true).open("/dev/full").unwrap(),
    );
    let error = put(&mut journal, 2, b"too much").unwrap_err().to_string();
    assert!(error.contains("Make room on the disk"), "{error}");
    journal.segment.file = real;
    assert!(matches!(
        put(&mut journal, 3, b"x"),
        Err(JournalError::Failed)
    ));
    assert!(matches!(journal.sync(), Err(JournalError::Failed)));
    assert_eq!(
        read(dir.path(), 0).unwrap(),
        [(1, b"acknowledged".to_vec())]
    );
}

#[test]
fn epochs_must_ascend() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = begin(dir.path(), 5);
    let error = put(&mut journal, 5, b"").unwrap_err();
    assert!(matches!(
        error,
        JournalError::OutOfOrder { epoch: 5, last: 5 }
    ));
}
