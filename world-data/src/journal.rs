//! Lives here: the journal: epochs that are on disk and not yet in LMDB, appended and synced.
//! Not here: what an epoch says (`record`), reading it back into LMDB (`recovery`), nor who calls
//! (`committer`).
//!
//! Invariant: after `append` and `sync` have returned `Ok`, the epoch is found again after any
//! crash; after either has failed, nothing more is written, and the process has to start anew.

mod frame;
mod replay;
mod segment;
pub(crate) mod sim;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

pub(crate) use frame::{FRAME_HEAD, MAX_PAYLOAD};
pub(crate) use replay::{Epoch, replay};

/// A log of epochs. A file here; a replicated stream when there is more than one host.
pub(crate) trait Journal: Send {
    /// Appends an epoch. `framed` is [`FRAME_HEAD`] bytes that the journal may overwrite, then the
    /// record; when it returns, the record is as it was. Epochs ascend and may skip numbers. What
    /// was appended before is synced first if it was not.
    ///
    /// # Errors
    /// The epoch must be taken as lost, and no further one is accepted.
    fn append(&mut self, epoch: u64, framed: &mut Vec<u8>) -> Result<(), JournalError>;

    /// Returns when everything appended is on disk.
    ///
    /// # Errors
    /// What was appended since the last sync may be lost, and no further epoch is accepted.
    fn sync(&mut self) -> Result<(), JournalError>;
}

/// Drops segments of which every epoch is at most the given one.
pub(crate) type Release = Box<dyn FnMut(u64) -> Result<(), JournalError> + Send>;

/// What drops segments of the journal in `dir`; may be called on any thread.
pub(crate) fn releaser(dir: &Path) -> Release {
    let dir = dir.to_owned();
    Box::new(move |up_to| segment::release(&dir, up_to))
}

/// Why the journal can't be written or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    /// The system refused; what was appended since the last sync may be lost.
    #[error("can't {what} {}: {source}{}", path.display(), hint(source))]
    Io {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// What is on disk is not what was written; nothing was changed.
    #[error(
        "the journal is damaged: {} at offset {offset}: {what}. Restore the world's folder from a \
         backup. To give up what was committed since instead, move this file and all with higher \
         numbers out of the journal's folder and start again",
        file.display()
    )]
    Damaged {
        file: PathBuf,
        offset: u64,
        what: String,
    },
    /// An epoch is too large to be written; it is lost.
    #[error("an epoch of {0} bytes is larger than the limit of {MAX_PAYLOAD}")]
    TooLarge(usize),
    /// An epoch was not above the last one: a fault of the caller.
    #[error("epoch {epoch} was appended after epoch {last}")]
    OutOfOrder { epoch: u64, last: u64 },
    /// An earlier call failed.
    #[error("the journal has failed before; the process must start anew")]
    Failed,
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ". Make room on the disk and start again; all that was acknowledged is safe"
        }
        io::ErrorKind::PermissionDenied => ". Give this user the right to write there",
        _ => "",
    }
}

impl JournalError {
    fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            what,
            path: path.to_owned(),
            source,
        }
    }

    fn damaged(file: &Path, offset: usize, what: impl Into<String>) -> Self {
        Self::Damaged {
            file: file.to_owned(),
            offset: offset as u64,
            what: what.into(),
        }
    }
}

/// Bytes written ahead as zeros when a new file grows, so that the next appends need not grow it.
const AHEAD: usize = 1 << 20;
/// A record above this size is not worth writing ahead for: its own bytes are the cost.
const AHEAD_MOST: usize = AHEAD / 4;
static ZEROS: [u8; AHEAD] = [0; AHEAD];

/// The journal in a folder of this machine.
#[derive(Debug)]
pub(crate) struct FileJournal {
    dir: PathBuf,
    segment: segment::Begun,
    /// Where the next frame goes.
    at: u64,
    last: u64,
    unsynced: bool,
    failed: bool,
}

impl FileJournal {
    /// Begins a journal whose epochs are above `last`. Everything in the folder is released first:
    /// `recovery` has brought it into LMDB.
    pub(crate) fn begin(dir: &Path, last: u64) -> Result<Self, JournalError> {
        fs::create_dir_all(dir).map_err(|e| JournalError::io("make", dir, e))?;
        if let Some(parent) = dir.parent() {
            segment::sync_dir(parent)?;
        }
        segment::release_all(dir)?;
        let segment = segment::begin(dir, last + 1, last)?;
        let at = frame::HEADER as u64;
        Ok(Self {
            dir: dir.to_owned(),
            segment,
            at,
            last,
            unsynced: false,
            failed: false,
        })
    }

    /// Makes a frame of the buffer and room for it; returns the bytes it takes up in the segment.
    fn place(&mut self, epoch: u64, framed: &mut [u8]) -> Result<usize, JournalError> {
        let payload = framed.len().saturating_sub(FRAME_HEAD);
        if payload > MAX_PAYLOAD {
            return Err(JournalError::TooLarge(payload));
        }
        if epoch <= self.last {
            return Err(JournalError::OutOfOrder {
                epoch,
                last: self.last,
            });
        }
        let padded = frame::padded(framed.len());
        let end = self.at + (padded + frame::END) as u64;
        if end > segment::SEGMENT_BYTES && self.at > frame::HEADER as u64 {
            self.segment = segment::begin(&self.dir, epoch, self.last)?;
            self.at = frame::HEADER as u64;
        }
        frame::seal(framed, self.segment.nonce, epoch);
        Ok(padded)
    }

    fn write(&mut self, epoch: u64, framed: &mut Vec<u8>) -> Result<(), JournalError> {
        // A valid frame proves that the one before it was whole: `replay` relies on it.
        if self.unsynced {
            self.sync_file()?;
        }
        let padded = self.place(epoch, framed)?;
        let length = framed.len();
        // Padding and end mark go with the frame in one write; the buffer has room for them more
        // often than not.
        framed.resize(padded + frame::END, 0);
        let written = self.segment.file.write_all_at(framed, self.at);
        framed.truncate(length);
        written.map_err(|e| JournalError::io("append to", &self.segment.path, e))?;
        self.at += padded as u64;
        self.last = epoch;
        self.unsynced = true;
        self.grow(length)
    }

    fn sync_file(&mut self) -> Result<(), JournalError> {
        let synced = self.segment.file.sync_data();
        synced.map_err(|e| JournalError::io("sync", &self.segment.path, e))?;
        self.unsynced = false;
        Ok(())
    }

    /// Writes zeros ahead if a small record has just grown the file.
    fn grow(&mut self, length: usize) -> Result<(), JournalError> {
        let end = self.at + frame::END as u64;
        if end <= self.segment.length {
            return Ok(());
        }
        self.segment.length = end;
        if length <= AHEAD_MOST && end + (AHEAD as u64) <= segment::SEGMENT_BYTES {
            let written = self.segment.file.write_all_at(&ZEROS, end);
            written.map_err(|e| JournalError::io("append to", &self.segment.path, e))?;
            self.segment.length += AHEAD as u64;
        }
        Ok(())
    }

    fn guarded(
        &mut self,
        act: impl FnOnce(&mut Self) -> Result<(), JournalError>,
    ) -> Result<(), JournalError> {
        if self.failed {
            return Err(JournalError::Failed);
        }
        let result = act(self);
        self.failed = result.is_err();
        result
    }
}

impl Journal for FileJournal {
    fn append(&mut self, epoch: u64, framed: &mut Vec<u8>) -> Result<(), JournalError> {
        self.guarded(|journal| journal.write(epoch, framed))
    }

    fn sync(&mut self) -> Result<(), JournalError> {
        self.guarded(Self::sync_file)
    }
}
