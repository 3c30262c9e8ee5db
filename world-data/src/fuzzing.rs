//! Lives here: what the fuzz targets need to put strangers' records into a world's folder.
//! Not here: the targets (`fuzz/`). Nothing of the server calls this.

use std::path::Path;

use crate::engine::OpenError;
use crate::journal::{FRAME_HEAD, Journal};
use crate::recovery;
use crate::store::Store;
use crate::world::World;

/// Appends records with right checksums to the journal of a closed world, an epoch each: whatever
/// stands in them, as a newer or a broken server might have written it.
///
/// # Errors
/// When the folder can't be opened or the journal refuses.
pub fn append_records<W: World>(
    dir: &Path,
    world: &W,
    store_bytes: usize,
    records: &[&[u8]],
) -> Result<(), OpenError> {
    let store = Store::open(dir, W::NAME, &world.map(), 1, store_bytes)?;
    let (mut journal, mut epoch) = recovery::recover(&store, &dir.join(crate::engine::JOURNAL))?;
    for record in records {
        let mut framed = vec![0; FRAME_HEAD];
        framed.extend_from_slice(record);
        let appended = journal.append(epoch, &mut framed);
        appended.map_err(|e| OpenError(e.to_string()))?;
        epoch += 1;
    }
    journal.sync().map_err(|e| OpenError(e.to_string()))
}
