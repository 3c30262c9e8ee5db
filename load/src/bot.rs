//! Lives here: what a bot is, and the loop in which it lives: act when due, hear what comes, drop
//! the socket or stop reading when it wants to, leave when told.
//! Not here: what bots do in each world (`meadow`, `ledger`), and what they wait for (`waiting`).
//!
//! Invariant: a bot leaves in two steps. Only when every bot has been answered do all of them say
//! their last words: so these are about a world in which nothing is under way any more.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use brightstar_client::{ClientError, Connection, Update, Welcome, World};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::stats::{Rule, Stats};

/// How long bots wait for the last replies.
pub(crate) const DRAIN: Duration = Duration::from_secs(10);

/// How long a bot stands still before it leaves while others stay. Who is on the way from one
/// region to another while it logs out may have been announced where it never comes.
const STAND: Duration = Duration::from_millis(500);

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
    pub(crate) url: String,
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

/// Lets a bot live until it or the run ends and its last reply has come, and logs it out. It goes
/// so long after measuring began, if it is not to stay.
pub(crate) async fn live<B: Bot>(
    mut bot: B,
    connection: Connection<B::World>,
    mut run: Run,
    goes: Option<Duration>,
) -> Result<(), ClientError> {
    let socket = Socket {
        connection,
        resumed: false,
    };
    let mut going = Run {
        playing: None,
        ..run.clone()
    };
    let leave = async {
        match goes {
            Some(after) => going.since_began(after).await,
            None => std::future::pending().await,
        }
    };
    let (mut socket, end) = play(&mut bot, socket, &mut run, leave).await?;
    drain(&mut bot, &mut socket.connection, &run).await?;
    drop(run.playing.take());
    match end {
        End::Alone => {
            bot.halt(&mut socket.connection).await?;
            listen(&mut bot, &mut socket.connection, sleep(STAND)).await?;
        }
        End::Together => {
            let all = run.reaches(Phase::Leave);
            listen(&mut bot, &mut socket.connection, all).await?;
        }
    }
    bot.last_words(&mut socket.connection).await?;
    drain(&mut bot, &mut socket.connection, &run).await?;
    socket.count_repeats(&run);
    socket.connection.bye().await
}

/// Hears what still comes, until something has happened.
async fn listen<B: Bot>(
    bot: &mut B,
    connection: &mut Connection<B::World>,
    until: impl Future<Output = ()>,
) -> Result<(), ClientError> {
    tokio::pin!(until);
    loop {
        tokio::select! {
            () = &mut until => return Ok(()),
            update = connection.next() => bot.hear(update?, connection, false).await?,
        }
    }
}

/// Waits for the replies to all commands, for a while.
async fn drain<B: Bot>(
    bot: &mut B,
    connection: &mut Connection<B::World>,
    run: &Run,
) -> Result<(), ClientError> {
    let drained = async {
        while bot.unanswered() > 0 {
            let update = connection.next().await?;
            bot.hear(update, connection, false).await?;
        }
        Ok::<(), ClientError>(())
    };
    if let Ok(done) = timeout(DRAIN, drained).await {
        return done;
    }
    let mut stats = run.stats.borrow_mut();
    for _ in 0..bot.unanswered() {
        stats.error("no_reply", || format!("within {DRAIN:?} after the end"));
        stats.violate(Rule::Lost, || {
            format!("a command had no reply within {DRAIN:?} after the end")
        });
    }
    Ok(())
}

/// A bot's socket, which may not be its first.
struct Socket<W: World> {
    connection: Connection<W>,
    resumed: bool,
}

impl<W: World> Socket<W> {
    /// What came twice is wrong, but right after a resume.
    fn count_repeats(&self, run: &Run) {
        let mut stats = run.stats.borrow_mut();
        let repeated = self.connection.repeated();
        if self.resumed {
            stats.deeds.repeats_after_resume += repeated;
        } else if repeated > 0 {
            let words = || format!("{repeated} replies or events came twice or unasked");
            stats.violate(Rule::Doubled, words);
        }
    }

    /// Drops the socket, stays away and resumes the session on another.
    async fn renew(self, away: Duration, run: &Run) -> Result<Self, ClientError> {
        self.count_repeats(run);
        let mut resume = self.connection.into_resume();
        let again = resume.unanswered().count() as u64;
        sleep(away).await;
        let connection = Connection::resume(&run.url, &mut resume).await?;
        let deeds = &mut run.stats.borrow_mut().deeds;
        deeds.resumes += 1;
        deeds.sent_again += again;
        Ok(Self {
            connection,
            resumed: true,
        })
    }
}

/// Why a bot stops playing.
enum End {
    /// Its own time is over.
    Alone,
    /// The run's is.
    Together,
}

async fn play<B: Bot>(
    bot: &mut B,
    mut socket: Socket<B::World>,
    run: &mut Run,
    leave: impl Future<Output = ()>,
) -> Result<(Socket<B::World>, End), ClientError> {
    bot.act(&mut socket.connection).await?;
    let act = sleep_until(bot.due().unwrap_or_else(Instant::now));
    tokio::pin!(act, leave);
    loop {
        let paced = bot.due().is_some();
        tokio::select! {
            () = run.reaches(Phase::Drain) => return Ok((socket, End::Together)),
            () = &mut leave => return Ok((socket, End::Alone)),
            () = &mut act, if paced => {
                bot.act(&mut socket.connection).await?;
                if let Some(wish) = bot.wants_break() {
                    socket = take_break(bot, socket, run, wish).await?;
                }
                if let Some(due) = bot.due() {
                    act.as_mut().reset(due);
                }
            }
            update = socket.connection.next() => match update {
                Ok(update) => bot.hear(update, &mut socket.connection, true).await?,
                Err(error) if bot.outlives(&error) => {
                    socket = take_break(bot, socket, run, Break::Drop(Duration::ZERO)).await?;
                }
                Err(error) => return Err(error),
            },
        }
    }
}

async fn take_break<B: Bot>(
    bot: &mut B,
    mut socket: Socket<B::World>,
    run: &mut Run,
    wish: Break,
) -> Result<Socket<B::World>, ClientError> {
    match wish {
        Break::Stall(time) => {
            socket.connection.flush().await?;
            run.stats.borrow_mut().deeds.stalls += 1;
            tokio::select! {
                () = sleep(time) => {}
                () = run.reaches(Phase::Drain) => {}
            }
            bot.back(None);
        }
        Break::Drop(away) => {
            // What was written leaves, so that the server may be about to answer it. A socket that
            // has ended already can't take it; then it is sent on the next.
            socket.connection.flush().await.ok();
            socket = socket.renew(away, run).await?;
            bot.back(Some(socket.connection.welcome()));
        }
    }
    Ok(socket)
}
