//! Lives here: the loop in which a bot lives: act when due, hear what comes, drop the socket or stop
//! reading when it wants to, come back when the server was gone, leave when told.
//! Not here: what a bot is (`bot`), what bots do in each world (`meadow`, `ledger`), and how they
//! find back to their sessions (`life/way`).
//!
//! Invariant: a bot leaves in two steps. Only when every bot has been answered do all of them say
//! their last words: so these are about a world in which nothing is under way any more.

mod way;

use std::future::Future;
use std::time::Duration;

use brightstar_client::{ClientError, Connection, Retry, Update};
use tokio::time::{Instant, sleep, sleep_until};

use crate::args::Restarts;
use crate::bot::{Bot, Break, DRAIN, Phase, Run};
use crate::outage::Fate;
use crate::stats::Rule;
pub(crate) use way::PATIENCE;
use way::{Way, find_back};

/// How long a bot stands still before it leaves while others stay. Who is on the way from one
/// region to another while it logs out may have been announced where it never comes.
const STAND: Duration = Duration::from_millis(500);

/// A bot and its socket, which may not be its first.
pub(crate) struct Life<B: Bot> {
    bot: B,
    name: String,
    connection: Connection<B::World>,
    /// When the socket was opened.
    opened: Instant,
    /// The newest command that was answered.
    answered: u64,
    repeats: Repeats,
    /// Whether it has a new session, and has not acted in it.
    anew: bool,
}

/// What may come twice: what was under way when the socket before this one went.
#[derive(Debug, Clone, Copy)]
enum Repeats {
    /// Anything, until a command after this one is answered.
    Until(u64),
    /// So many did by right, and no more may.
    Excused(u64),
}

/// Why a bot stops playing.
enum End {
    /// Its own time is over.
    Alone,
    /// The run's is.
    Together,
}

impl<B: Bot> Life<B> {
    pub(crate) fn new(bot: B, name: String, connection: Connection<B::World>) -> Self {
        Self {
            bot,
            name,
            connection,
            opened: Instant::now(),
            answered: 0,
            repeats: Repeats::Excused(0),
            anew: false,
        }
    }

    /// Lets the bot live until it or the run ends and its last reply has come, and logs it out. It
    /// goes so long after measuring began, if it is not to stay.
    pub(crate) async fn live(
        self,
        mut run: Run,
        goes: Option<Duration>,
    ) -> Result<(), ClientError> {
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
        let (life, end) = self.play(&mut run, leave).await?;
        let mut life = life.drain(&run).await?;
        drop(run.playing.take());
        match end {
            End::Alone => {
                let halted = life.bot.halt(&mut life.connection).await;
                life = life.after(halted, &run).await?;
                life = life.listen(&run, sleep(STAND)).await?;
            }
            End::Together => {
                let mut leaving = run.clone();
                life = life.listen(&run, leaving.reaches(Phase::Leave)).await?;
            }
        }
        let said = life.bot.last_words(&mut life.connection).await;
        let life = life.after(said, &run).await?;
        let life = life.drain(&run).await?;
        life.count_repeats(&run);
        match life.connection.bye().await {
            // The server may be gone for a moment just now; there is nothing left to ask of it.
            Err(error) if run.survives(&error) => Ok(()),
            done => done,
        }
    }

    async fn play(
        mut self,
        run: &mut Run,
        leave: impl Future<Output = ()>,
    ) -> Result<(Self, End), ClientError> {
        self = self.act(run).await?;
        let act = sleep_until(self.bot.due().unwrap_or_else(Instant::now));
        tokio::pin!(act, leave);
        loop {
            let paced = self.bot.due().is_some();
            tokio::select! {
                () = run.reaches(Phase::Drain) => return Ok((self, End::Together)),
                () = &mut leave => return Ok((self, End::Alone)),
                () = &mut act, if paced => {
                    self = self.act(run).await?;
                    if let Some(wish) = self.bot.wants_break() {
                        self = self.take_break(run, wish).await?;
                    }
                    if let Some(due) = self.bot.due() {
                        act.as_mut().reset(due);
                    }
                }
                update = self.connection.next() => {
                    self = self.heard(update, run, true).await?;
                    if std::mem::take(&mut self.anew) {
                        self = self.act(run).await?;
                    }
                }
            }
        }
    }

    /// Hears what still comes, until something has happened.
    async fn listen(
        mut self,
        run: &Run,
        until: impl Future<Output = ()>,
    ) -> Result<Self, ClientError> {
        tokio::pin!(until);
        loop {
            tokio::select! {
                () = &mut until => return Ok(self),
                update = self.connection.next() => self = self.heard(update, run, false).await?,
            }
        }
    }

    /// Waits for the replies to all commands, for a while.
    async fn drain(mut self, run: &Run) -> Result<Self, ClientError> {
        let begin = Instant::now();
        while self.bot.unanswered() > 0 {
            // Who came back meanwhile has had less time.
            let patience = sleep_until(self.opened.max(begin) + DRAIN);
            tokio::select! {
                () = patience => break,
                update = self.connection.next() => self = self.heard(update, run, false).await?,
            }
        }
        let mut stats = run.stats.borrow_mut();
        for _ in 0..self.bot.unanswered() {
            stats.error("no_reply", || format!("within {DRAIN:?} after the end"));
            stats.violate(Rule::Lost, || {
                format!(
                    "{}: a command had no reply within {DRAIN:?} after the end",
                    self.name
                )
            });
        }
        drop(stats);
        Ok(self)
    }

    async fn act(mut self, run: &Run) -> Result<Self, ClientError> {
        let acted = self.bot.act(&mut self.connection).await;
        self.after(acted, run).await
    }

    /// Goes on after something that may have failed since the socket has gone.
    async fn after(self, done: Result<(), ClientError>, run: &Run) -> Result<Self, ClientError> {
        match done {
            Ok(()) => Ok(self),
            Err(error) => self.lost(error, run).await,
        }
    }

    /// Takes in what the socket gave: an update, or its end.
    async fn heard(
        mut self,
        update: Result<Update<B::World>, ClientError>,
        run: &Run,
        going: bool,
    ) -> Result<Self, ClientError> {
        let update = match update {
            Ok(update) => update,
            Err(error) => return self.lost(error, run).await,
        };
        if let Update::Reply { seq, .. } = &update {
            self.answered = self.answered.max(*seq);
            if matches!(self.repeats, Repeats::Until(newest) if *seq > newest) {
                self.repeats = Repeats::Excused(self.connection.repeated());
            }
        }
        let heard = self.bot.hear(update, &mut self.connection, going).await;
        self.after(heard, run).await
    }

    /// The socket has gone, and nobody wanted it to. Some bots are prepared for that, and in some
    /// runs all are; any other has failed.
    async fn lost(self, error: ClientError, run: &Run) -> Result<Self, ClientError> {
        let troubled = self.bot.outlives(&error);
        let out = run.survives(&error) && {
            let outages = &mut run.stats.borrow_mut().outages;
            if troubled {
                outages.join(self.opened)
            } else {
                outages.lost(self.opened);
                true
            }
        };
        if !out && !troubled {
            return Err(error);
        }
        self.renew(Duration::ZERO, run, out).await
    }

    async fn take_break(mut self, run: &mut Run, wish: Break) -> Result<Self, ClientError> {
        // What was written leaves, so that the server may be about to answer it. A socket that has
        // ended already can't take it; then it is sent on the next.
        self.connection.flush().await.ok();
        match wish {
            Break::Stall(time) => {
                run.stats.borrow_mut().deeds.stalls += 1;
                tokio::select! {
                    () = sleep(time) => {}
                    () = run.reaches(Phase::Drain) => {}
                }
                self.bot.back(None);
                Ok(self)
            }
            Break::Drop(away) => self.renew(away, run, false).await,
        }
    }

    /// Drops the socket, stays away and comes back on another; `out` says that it was lost in an
    /// outage.
    async fn renew(mut self, away: Duration, run: &Run, out: bool) -> Result<Self, ClientError> {
        self.count_repeats(run);
        // Who did not read for a while may have been without a server all that time.
        let gone = if out { self.opened } else { Instant::now() };
        let mut resume = self.connection.into_resume();
        let (again, newest) = (resume.unanswered().count() as u64, resume.last_command());
        sleep(away).await;
        let way = find_back(run, &self.name, &mut resume, gone).await;
        let mut stats = run.stats.borrow_mut();
        if out {
            stats.outages.back(match &way {
                Ok(Way::Resumed(_)) => Fate::Resumed,
                Ok(Way::Anew(_)) => Fate::Ended,
                Err(_) => Fate::Given,
            });
        }
        self.opened = Instant::now();
        self.anew = false;
        match way? {
            Way::Resumed(connection) => {
                stats.deeds.resumes += 1;
                stats.deeds.sent_again += again;
                let known = connection.welcome().last_command;
                if !(self.answered..=newest).contains(&known) {
                    let (name, answered) = (&self.name, self.answered);
                    stats.violate(Rule::Lost, || {
                        format!(
                            "{name}: command {answered} was answered and {newest} sent, and the \
                             server has done {known}"
                        )
                    });
                }
                drop(stats);
                self.repeats = Repeats::Until(newest);
                self.bot.back(Some(connection.welcome()));
                self.connection = connection;
            }
            Way::Anew(connection) => {
                stats.deeds.sessions_ended += 1;
                stats.deeds.never_answered += again;
                drop(stats);
                (self.repeats, self.answered, self.anew) = (Repeats::Excused(0), 0, true);
                self.bot.begin_anew(connection.welcome());
                self.connection = connection;
            }
        }
        Ok(self)
    }

    /// What came twice is wrong, but right after a resume.
    fn count_repeats(&self, run: &Run) {
        let repeated = self.connection.repeated();
        let (excused, wrong) = match self.repeats {
            Repeats::Until(_) => (repeated, 0),
            Repeats::Excused(excused) => (excused, repeated - excused),
        };
        let mut stats = run.stats.borrow_mut();
        stats.deeds.repeats_after_resume += excused;
        if wrong > 0 {
            let name = &self.name;
            let words = || format!("{name}: {wrong} replies or events came twice or unasked");
            stats.violate(Rule::Doubled, words);
        }
    }
}

impl Run {
    /// Whether a bot whose socket ended like this comes back, since the server may be gone for a
    /// moment.
    fn survives(&self, error: &ClientError) -> bool {
        self.plan.common.restarts != Restarts::None && error.retry() != Retry::Never
    }
}
