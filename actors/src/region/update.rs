//! Lives here: what a hub is told of a region's tick.
//! Not here: how it is made (`tracks`), and what a hub makes of it (`hub::interest`).

use bytes::Bytes;
use protocol::Codec;
use world_data::{Home, RegionId};

use super::strides::PerRate;

/// A cell in one encoding: what hubs listen to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CellKey {
    /// The cell.
    pub(crate) cell: Home,
    /// The encoding.
    pub(crate) codec: Codec,
}

/// What a hub is told of a region's tick.
#[derive(Debug)]
pub(crate) struct RegionTick {
    /// Which region.
    pub(crate) region: RegionId,
    /// How often its actor was started: a new one knows none of its listeners.
    pub(crate) generation: u32,
    /// What changed.
    pub(crate) updates: Vec<CellUpdate>,
}

/// What changed in a cell.
#[derive(Debug)]
pub(crate) struct CellUpdate {
    /// Which cell, in which encoding.
    pub(crate) key: CellKey,
    /// The version that `delta` begins at.
    pub(crate) since: u64,
    /// The version that either part leads to.
    pub(crate) version: u64,
    /// The changes since `since`; none: nothing changed.
    pub(crate) delta: Option<Bytes>,
    /// All of the cell; only when somebody asked.
    pub(crate) full: Option<Bytes>,
    /// By rate, where a stride to `version` ends: the version it begins at, and what it tells.
    pub(crate) strides: PerRate<Option<(u64, Bytes)>>,
    /// Entities in the cell.
    pub(crate) count: usize,
}
