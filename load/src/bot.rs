//! Lives here: what a bot is, and what it shares with all others of its run.
//! Not here: the loop in which it lives (`life`), what bots do in each world (`meadow`, `ledger`),
//! and what they wait for (`waiting`).

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use brightstar_client::{ClientError, Connection, Update, Welcome, World};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::run::Plan;
use crate::stats::Stats;

/// How long bots wait for the last replies.
pub(crate) const DRAIN: Duration = Duration::from_secs(10);

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Bots arrive.
    Gather,
    /// What they do counts.
    Play,
    /// They only wait for their replies.
    Drain,
    /// They say their last words and go.
    Leave,
}

/// What a whole run shares.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) plan: Rc<Plan>,
    pub(crate) stats: Rc<RefCell<Stats>>,
    pub(crate) phase: watch::Receiver<Phase>,
    /// Held by each bot until it has been answered.
    pub(crate) playing: Option<mpsc::Sender<Infallible>>,
    /// When measuring began.
    pub(crate) began: Rc<Cell<Option<Instant>>>,
}

impl Run {
    /// Waits for a phase of the run. A run that was given up is over.
    pub(crate) async fn reaches(&mut self, phase: Phase) {
        drop(self.phase.wait_for(|now| *now >= phase).await);
    }

    /// Waits until so much time has gone since measuring began.
    pub(crate) async fn since_began(&mut self, time: Duration) {
        self.reaches(Phase::Play).await;
        let began = self.began.get().unwrap_or_else(Instant::now);
        sleep_until(began + time).await;
    }
}

/// What a bot may do to its socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Break {
    /// Drops it, whatever is under way, and resumes the session after this time.
    Drop(Duration),
    /// Does not read it for this time.
    Stall(Duration),
}

/// One client that plays.
pub(crate) trait Bot {
    /// The world it plays in.
    type World: World;

    /// When it wants to act next; none: it acts only on what it hears.
    fn due(&self) -> Option<Instant>;

    /// Acts: writes commands and inputs that were due.
    async fn act(&mut self, connection: &mut Connection<Self::World>) -> Result<(), ClientError>;

    /// What it wants to do to its socket, now that it has acted.
    fn wants_break(&mut self) -> Option<Break> {
        None
    }

    /// Whether it resumes its session when the socket ended like this.
    fn outlives(&self, _: &ClientError) -> bool {
        false
    }

    /// Is back after a break: on a new socket, if there is a welcome.
    fn back(&mut self, _: Option<&Welcome>) {}

    /// Its session is over, and it has a new one: what it was not answered it will never know.
    fn begin_anew(&mut self, welcome: &Welcome);

    /// Hears something, and may act on it while the run goes on.
    async fn hear(
        &mut self,
        update: Update<Self::World>,
        connection: &mut Connection<Self::World>,
        going: bool,
    ) -> Result<(), ClientError>;

    /// How many of its commands have no reply.
    fn unanswered(&self) -> usize;

    /// Stands still, since it is about to leave while others stay.
    async fn halt(&mut self, _: &mut Connection<Self::World>) -> Result<(), ClientError> {
        Ok(())
    }

    /// Acts for the last time.
    async fn last_words(&mut self, _: &mut Connection<Self::World>) -> Result<(), ClientError> {
        Ok(())
    }
}
