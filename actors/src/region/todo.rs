//! Lives here: what a region's actor can be asked to do with its own region, and what it leaves to
//! the next actor. Not here: who asks (`supervisor`), doing it (`change`).

use std::sync::Arc;

use tokio::time::Instant;
use world_data::{Home, World};

use super::handle::RegionHandle;
use super::tracks::Tracks;

/// What an actor is to do at its next turn. `number` is the change's.
#[derive(Debug)]
pub(crate) enum Todo<W: World> {
    /// Go on on another worker.
    Move { number: u64, to: usize },
    /// Become two; the right part begins on worker `right_to`.
    Split {
        number: u64,
        at: Home,
        right_to: usize,
    },
    /// Stop, so that the left neighbour can take over.
    Yield {
        number: u64,
        left: Arc<RegionHandle<W>>,
    },
    /// Take the right neighbour over, whose actor has stopped.
    Absorb {
        number: u64,
        right: Arc<RegionHandle<W>>,
    },
}

impl<W: World> Todo<W> {
    pub(crate) fn number(&self) -> u64 {
        match self {
            Self::Move { number, .. }
            | Self::Split { number, .. }
            | Self::Yield { number, .. }
            | Self::Absorb { number, .. } => *number,
        }
    }
}

/// What an actor that stops on purpose leaves to the next one.
#[derive(Debug)]
pub(crate) struct Parked {
    pub(crate) tracks: Tracks,
    pub(crate) last_due: Option<Instant>,
    /// Since when nobody works for the region.
    pub(crate) since: Instant,
    /// The change that the next actor answers; `None`: it was answered already.
    pub(crate) number: Option<u64>,
}
