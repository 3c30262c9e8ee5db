//! Lives here: reading a journal's folder: every epoch in order, or what is damaged and where.
//! Not here: what is done with the epochs (`recovery`). Nothing here changes a file.
//!
//! Invariant: an epoch that was synced is returned or an error is; only what stands behind the
//! last whole frame of the newest segment is left out, since nothing there was ever acknowledged.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::JournalError;
use super::frame::{self, HEADER, Header};
use super::segment::{self, Found};

/// One epoch as read from the journal.
#[derive(Debug)]
pub(crate) struct Epoch {
    /// Its number.
    pub(crate) number: u64,
    bytes: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl Epoch {
    /// The record of the epoch.
    pub(crate) fn payload(&self) -> &[u8] {
        &self.bytes[self.range.clone()]
    }
}

/// Reads the epochs above `applied`, in order, one segment in memory at a time.
///
/// # Errors
/// An item is an error, and the last, when the journal is damaged or can't be read.
pub(crate) fn replay(
    dir: &Path,
    applied: u64,
) -> Result<impl Iterator<Item = Result<Epoch, JournalError>> + use<>, JournalError> {
    let mut segments = segment::list(dir)?.into_iter().peekable();
    let mut ready = Vec::new().into_iter();
    let mut last = applied;
    let mut over = false;
    Ok(std::iter::from_fn(move || {
        loop {
            if over {
                return None;
            }
            if let Some(epoch) = ready.next() {
                return Some(Ok(epoch));
            }
            let segment = segments.next()?;
            match read_segment(&segment, segments.peek().is_none(), &mut last) {
                Ok(epochs) => {
                    let new: Vec<_> = epochs.into_iter().filter(|e| e.number > applied).collect();
                    ready = new.into_iter();
                }
                Err(error) => {
                    over = true;
                    return Some(Err(error));
                }
            }
        }
    }))
}

/// Reads one segment. `last` is the highest epoch that LMDB or an earlier segment has.
fn read_segment(segment: &Found, newest: bool, last: &mut u64) -> Result<Vec<Epoch>, JournalError> {
    let path = &segment.path;
    let bytes = Arc::new(fs::read(path).map_err(|e| JournalError::io("read", path, e))?);
    let header = Header::read(&bytes).map_err(|e| JournalError::damaged(path, 0, e))?;
    if header.first != segment.first {
        let what = format!(
            "the segment belongs to epoch {}: it was renamed",
            header.first
        );
        return Err(JournalError::damaged(path, 0, what));
    }
    if header.previous > *last {
        let what = format!(
            "epochs after {last}, up to {}, are missing: a segment before this one is gone or was cut",
            header.previous
        );
        return Err(JournalError::damaged(path, 0, what));
    }
    let (epochs, end) = read_frames(path, &bytes, header)?;
    *last = (*last).max(epochs.last().map_or(header.previous, |e| e.number));
    finish(path, &bytes, end, header.nonce, newest)?;
    Ok(epochs)
}

/// The whole frames from the start of a segment, and the offset behind the last of them.
fn read_frames(
    path: &Path,
    bytes: &Arc<Vec<u8>>,
    header: Header,
) -> Result<(Vec<Epoch>, usize), JournalError> {
    let mut epochs: Vec<Epoch> = Vec::new();
    let mut at = HEADER;
    while let frame::Found::Frame { epoch, payload } = frame::read(bytes, at, header.nonce) {
        let floor = epochs.last().map_or(header.first, |e| e.number + 1);
        if epoch < floor {
            let what = format!("epoch {epoch} stands where at least {floor} must");
            return Err(JournalError::damaged(path, at, what));
        }
        at = frame::padded(payload.end);
        epochs.push(Epoch {
            number: epoch,
            bytes: Arc::clone(bytes),
            range: payload,
        });
    }
    Ok((epochs, at))
}

/// Decides whether a segment may end at `end`.
fn finish(
    path: &Path,
    bytes: &[u8],
    end: usize,
    nonce: u64,
    newest: bool,
) -> Result<(), JournalError> {
    let what = match frame::read(bytes, end, nonce) {
        frame::Found::Broken(what) => Some(what),
        _ => None,
    };
    // An epoch is appended only when the one before is on disk. So whatever stands before a
    // valid head was once whole.
    if let Some(next) = frame::head_after(bytes, end, nonce) {
        let what = what.unwrap_or("the record has been erased");
        let what = format!("{what}, while another record follows at offset {next}");
        return Err(JournalError::damaged(path, end, what));
    }
    match what {
        Some(what) if !newest => Err(JournalError::damaged(path, end, what)),
        Some(what) => {
            tracing::warn!(
                file = %path.display(),
                offset = end,
                what,
                "the journal's last record is incomplete and is left out: the process or the \
                 machine stopped while it was written, before anything in it was acknowledged",
            );
            Ok(())
        }
        None => Ok(()),
    }
}
