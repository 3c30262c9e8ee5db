//! Lives here: what a bot is, and the loop in which it lives: act when due, hear what comes, stop
//! when told.
//! Not here: what bots do in each world (`meadow`, `ledger`).
//!
//! Invariant: a command's latency counts from the moment it was due, not from when the bot got
//! around to sending it: a slow server does not hide its slowness by slowing the bots.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use brightstar_client::{ClientError, Connection, ErrorCode, Outcome, Update, World};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use crate::stats::Stats;

/// How long bots wait for the last replies.
const DRAIN: Duration = Duration::from_secs(10);

/// What a whole run shares.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) stats: Rc<RefCell<Stats>>,
    /// Whether bots may go on.
    pub(crate) going: watch::Receiver<bool>,
}

/// One client that plays.
pub(crate) trait Bot {
    /// The world it plays in.
    type World: World;

    /// When it wants to act next; none: it acts only on what it hears.
    fn due(&self) -> Option<Instant>;

    /// Acts: writes commands and inputs that were due.
    async fn act(&mut self, connection: &mut Connection<Self::World>) -> Result<(), ClientError>;

    /// Hears something, and may act on it while the run goes on.
    async fn hear(
        &mut self,
        update: Update<Self::World>,
        connection: &mut Connection<Self::World>,
        going: bool,
    ) -> Result<(), ClientError>;

    /// How many of its commands have no reply.
    fn unanswered(&self) -> usize;
}

/// Lets a bot live until the run stops and its last reply has come, and logs it out.
pub(crate) async fn live<B: Bot>(
    mut bot: B,
    mut connection: Connection<B::World>,
    mut run: Run,
) -> Result<(), ClientError> {
    bot.act(&mut connection).await?;
    let sleep = sleep_until(bot.due().unwrap_or_else(Instant::now));
    tokio::pin!(sleep);
    loop {
        let paced = bot.due().is_some();
        tokio::select! {
            changed = run.going.changed() => {
                if changed.is_err() || !*run.going.borrow() {
                    break;
                }
            }
            () = &mut sleep, if paced => {
                bot.act(&mut connection).await?;
                if let Some(due) = bot.due() {
                    sleep.as_mut().reset(due);
                }
            }
            update = connection.next() => bot.hear(update?, &mut connection, true).await?,
        }
    }
    let drained = async {
        while bot.unanswered() > 0 {
            let update = connection.next().await?;
            bot.hear(update, &mut connection, false).await?;
        }
        Ok::<(), ClientError>(())
    };
    if let Ok(done) = timeout(DRAIN, drained).await {
        done?;
    } else {
        let mut stats = run.stats.borrow_mut();
        for _ in 0..bot.unanswered() {
            stats.error("no_reply", || format!("within {DRAIN:?} after the end"));
        }
    }
    if connection.repeated() > 0 {
        let repeated = connection.repeated();
        run.stats
            .borrow_mut()
            .break_rule(|| format!("{repeated} replies or events came twice or unasked"));
    }
    connection.bye().await
}

/// The commands of one bot that wait for their replies, each with what its world needs to judge it.
#[derive(Debug)]
pub(crate) struct Waiting<T> {
    list: VecDeque<(u64, &'static str, Instant, T)>,
    stats: Rc<RefCell<Stats>>,
}

impl<T> Waiting<T> {
    pub(crate) fn new(stats: Rc<RefCell<Stats>>) -> Self {
        Self {
            list: VecDeque::new(),
            stats,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// A command of this kind, due at that time, was sent under this number.
    pub(crate) fn sent(&mut self, seq: u64, kind: &'static str, due: Instant, what: T) {
        self.stats.borrow_mut().sent(kind);
        self.list.push_back((seq, kind, due, what));
    }

    /// Takes the outcome of a command into account; gives what was asked and the reply, if there
    /// is one.
    pub(crate) fn answered<R>(&mut self, seq: u64, outcome: Outcome<R>) -> Option<(T, Option<R>)> {
        let mut stats = self.stats.borrow_mut();
        let Some(place) = self.list.iter().position(|(known, ..)| *known == seq) else {
            stats.break_rule(|| format!("a reply to command {seq}, which was not sent"));
            return None;
        };
        if place > 0 {
            stats.break_rule(|| format!("the reply to command {seq} overtook {place} others"));
        }
        let (_, kind, due, what) = self.list.remove(place)?;
        let latency = due.elapsed();
        match outcome {
            Ok(reply) => {
                stats.ok(kind, latency);
                Some((what, Some(reply)))
            }
            Err(error) if error.code == ErrorCode::Refused => {
                stats.refused(kind, error.message, latency);
                Some((what, None))
            }
            Err(error) => {
                stats.failed(kind, &error);
                Some((what, None))
            }
        }
    }
}
