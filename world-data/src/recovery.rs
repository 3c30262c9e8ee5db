//! Lives here: bringing LMDB up to the journal's end after a start.
//! Not here: reading the journal (`journal`), writing LMDB (`store`).
//!
//! Invariant: when `recover` returns, LMDB holds every epoch that was ever acknowledged, and the
//! journal is empty. Cut short anywhere, it can be run again from the start.

use std::path::Path;

use crate::batch::Batch;
use crate::engine::OpenError;
use crate::journal::{Epoch, FileJournal, JournalError, replay};
use crate::store::{Store, StoreError};

/// Bytes of records held in memory and applied together.
const BATCH_BYTES: usize = 64 << 20;

/// Applies what the journal in `journal_dir` has and LMDB has not, then begins the journal anew.
/// Returns it with the number of the next epoch.
///
/// # Errors
/// Says what is damaged, where, and what to do; nothing that may still be of use was removed.
pub(crate) fn recover(store: &Store, journal_dir: &Path) -> Result<(FileJournal, u64), OpenError> {
    let fault = |e: &dyn std::fmt::Display| OpenError(format!("can't recover the world: {e}"));
    let epochs = replay(journal_dir, store.applied_epoch()).map_err(|e| fault(&e))?;
    let count = apply_all(store, epochs).map_err(|e| fault(&e))?;
    let last = store.applied_epoch();
    if count > 0 {
        tracing::info!(epochs = count, last, "the journal was applied to the store");
    }
    let journal = FileJournal::begin(journal_dir, last).map_err(|e| fault(&e))?;
    Ok((journal, last + 1))
}

/// Why a journal can't be applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecoveryError {
    /// The journal can't be read; LMDB holds the epochs before the damage at most.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// LMDB can't be written; it is as it was after the last batch.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An epoch's checksum is right but its record can't be read.
    #[error(
        "the record of epoch {epoch} can't be read: {what}. A newer Brightstar may have written it"
    )]
    Record { epoch: u64, what: String },
}

/// Applies epochs in batches of bounded size; returns how many there were.
pub(crate) fn apply_all(
    store: &Store,
    epochs: impl IntoIterator<Item = Result<Epoch, JournalError>>,
) -> Result<u64, RecoveryError> {
    let (mut waiting, mut bytes, mut count) = (Vec::new(), 0, 0);
    for epoch in epochs {
        let epoch = epoch?;
        bytes += epoch.payload().len();
        waiting.push(epoch);
        count += 1;
        if bytes >= BATCH_BYTES {
            apply(store, &waiting)?;
            waiting.clear();
            bytes = 0;
        }
    }
    apply(store, &waiting)?;
    Ok(count)
}

fn apply(store: &Store, epochs: &[Epoch]) -> Result<(), RecoveryError> {
    let Some(last) = epochs.last() else {
        return Ok(());
    };
    let mut batch = Batch::default();
    for epoch in epochs {
        let merged = batch.merge(epoch.payload());
        merged.map_err(|what| RecoveryError::Record {
            epoch: epoch.number,
            what,
        })?;
    }
    store.apply(&batch, last.number)?;
    Ok(())
}

#[cfg(test)]
mod tests;
