//! Lives here: changes of partition and placement as everybody outside sees them: what was decided,
//! why, and what came of it; and the words that go to and fro about them. Not here: deciding
//! (`balance`), asking regions (`supervisor`), doing it (`region::change`).

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use world_data::RegionId;

/// Changes that the status tells of, the newest.
pub(crate) const CHANGES_KEPT: usize = 64;

/// What an operator may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The region goes on on another worker.
    Move {
        /// Which.
        region: RegionId,
        /// Where to.
        worker: usize,
    },
    /// The region becomes two, at its load's median.
    Split {
        /// Which.
        region: RegionId,
    },
    /// The region and its right neighbour become one.
    Merge {
        /// The left one.
        region: RegionId,
    },
}

/// Why an order is not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// There is no such region or worker.
    #[error("{0}")]
    Unknown(String),
    /// It can't be done as things are: it says why. Nothing has changed.
    #[error("{0}")]
    Refused(String),
}

/// How far a change has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeState {
    /// Decided, and not made: the supervisor only observes.
    Observed,
    /// Under way.
    Running,
    /// Made.
    Done,
    /// Made, and it did good, or no harm.
    Kept,
    /// Made, and taken back since: it did harm.
    Undone,
    /// It could not be made. Nothing has changed.
    Failed,
}

/// One change of the partition or the placement.
#[derive(Debug, Clone, Serialize)]
pub struct ChangeStatus {
    /// Its number.
    pub number: u64,
    /// When it was decided, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// `move`, `split` or `merge`.
    pub change: &'static str,
    /// `thread_hot`, `region_hot`, `border`, `cold`, `manual` or `undo`.
    pub cause: &'static str,
    /// The regions that it is about.
    pub regions: Vec<RegionId>,
    /// The regions there are after it.
    pub became: Vec<RegionId>,
    /// The worker it ran on.
    pub from_worker: Option<usize>,
    /// The worker that it, or its right part, runs on now.
    pub to_worker: Option<usize>,
    /// The expected gain, as a share of a thread.
    pub gain: Option<f64>,
    /// Why, for people.
    pub reason: String,
    /// How far it has come.
    pub state: ChangeState,
    /// How long the region did nothing for it, in milliseconds.
    pub pause_ms: Option<f64>,
}

/// Whether the supervisor changes things by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SupervisorMode {
    /// It decides and acts.
    #[default]
    On,
    /// It decides, and says what it would do.
    Observe,
    /// It only measures. Orders are still carried out.
    Off,
}

/// The supervisor, as the status tells of it.
#[derive(Debug, Clone, Serialize)]
pub struct SupervisorStatus {
    /// Whether it acts.
    pub mode: SupervisorMode,
    /// The newest changes, the oldest first.
    pub changes: Vec<ChangeStatus>,
}

/// Words that may wait for the supervisor: far more than there are changes at once.
const WORDS_LIMIT: usize = 1024;

/// What the supervisor is told.
#[derive(Debug)]
pub(crate) enum Word {
    /// An operator's order, and who waits for what comes of it.
    Order(Order, oneshot::Sender<Result<ChangeStatus, OrderError>>),
    /// A change was made, into these regions, which did nothing for so long; or it could not be.
    Answer {
        number: u64,
        result: Result<(Vec<RegionId>, Duration), String>,
    },
}

/// The way of words to the supervisor.
#[derive(Debug)]
pub(crate) struct Words {
    sender: mpsc::Sender<Word>,
    receiver: Mutex<Option<mpsc::Receiver<Word>>>,
}

impl Words {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = mpsc::channel(WORDS_LIMIT);
        Self {
            sender,
            receiver: Mutex::new(Some(receiver)),
        }
    }

    /// Tells the supervisor.
    ///
    /// # Errors
    /// Gives the word back when too many wait, or there is no supervisor any more.
    pub(crate) fn say(&self, word: Word) -> Result<(), Word> {
        self.sender.try_send(word).map_err(|error| match error {
            mpsc::error::TrySendError::Full(word) | mpsc::error::TrySendError::Closed(word) => word,
        })
    }

    /// The other end; there is one.
    pub(crate) fn hear(&self) -> Option<mpsc::Receiver<Word>> {
        self.receiver.lock().take()
    }
}

/// The newest changes.
#[derive(Debug, Default)]
pub(crate) struct Log(Mutex<VecDeque<ChangeStatus>>);

impl Log {
    pub(crate) fn add(&self, change: ChangeStatus) {
        let mut log = self.0.lock();
        if log.len() == CHANGES_KEPT {
            log.pop_front();
        }
        log.push_back(change);
    }

    /// Changes what is known of change `number`; gives it as it is then, if it is still kept.
    pub(crate) fn edit(
        &self,
        number: u64,
        edit: impl FnOnce(&mut ChangeStatus),
    ) -> Option<ChangeStatus> {
        let mut log = self.0.lock();
        let change = log.iter_mut().rev().find(|c| c.number == number)?;
        edit(change);
        Some(change.clone())
    }

    /// All of them, the oldest first.
    pub(crate) fn all(&self) -> Vec<ChangeStatus> {
        self.0.lock().iter().cloned().collect()
    }
}
