//! Lives here: how bots arrive, before the measured time or in it, and how their ends are counted.
//! Not here: what they do in between (`bot`).

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use brightstar_client::{ClientError, Connection, Hello, Retry};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::{Birth, Pattern, Plan, Stay, bar};
use crate::args::Restarts;
use crate::bot::{Phase, Run};
use crate::life::{Life, PATIENCE};
use crate::stats::{Rule, Stats};

/// How often a bot tries to log in.
const LOGIN_TRIES: u32 = 5;
/// The pause before it tries again.
const LOGIN_AGAIN: Duration = Duration::from_secs(1);

pub(super) type Bots = JoinSet<Result<(), ClientError>>;

/// Lets the bots arrive over the ramp, and waits until each is logged in or has failed to. Those
/// that come later wait by themselves.
pub(super) async fn arrive<P: Pattern>(pattern: &Rc<P>, run: &Run) -> Bots {
    let plan = &run.plan;
    let stays: Vec<_> = (0..plan.bots).map(|number| pattern.stay(number)).collect();
    let early = stays.iter().filter(|stay| stay.comes.is_none()).count();
    let bar = bar(early as u64, "{msg:>9} [{bar:40}] {pos}/{len}");
    bar.set_message("arriving");
    let mut bots = JoinSet::new();
    let (everybody, mut arrivals) = mpsc::channel(early.max(1));
    let (start, mut come) = (Instant::now(), 0);
    for (number, stay) in (0..).zip(stays) {
        let mut arrived = None;
        if stay.comes.is_none() {
            sleep_until(start + plan.common.ramp.mul_f64(f64::from(come) / early as f64)).await;
            come += 1;
            arrived = Some(everybody.clone());
        }
        bots.spawn_local(be(Rc::clone(pattern), run.clone(), (number, stay), arrived));
        while arrivals.try_recv().is_ok() {
            bar.inc(1);
        }
    }
    drop(everybody);
    while bar.position() < early as u64 && arrivals.recv().await.is_some() {
        bar.inc(1);
    }
    bar.finish_and_clear();
    bots
}

/// A bot from its login on.
async fn be<P: Pattern>(
    pattern: Rc<P>,
    mut run: Run,
    (number, stay): (u32, Stay),
    arrived: Option<mpsc::Sender<()>>,
) -> Result<(), ClientError> {
    if let Some(after) = stay.comes
        && !comes(&mut run, after).await
    {
        return Ok(());
    }
    let plan = &run.plan;
    let name = stay
        .name
        .unwrap_or_else(|| format!("{}-{number}", plan.common.names));
    let logged_in = login(plan, name.clone(), Some(&run.stats)).await;
    if let Some(arrived) = arrived {
        // Only a run that has ended listens no more.
        arrived.send(()).await.ok();
    }
    let connection = logged_in?;
    let bot = pattern.bot(Birth {
        number,
        name: name.clone(),
        welcome: connection.welcome().clone(),
        seed: plan
            .common
            .seed
            .wrapping_mul(1 << 20)
            .wrapping_add(u64::from(number)),
        stats: Rc::clone(&run.stats),
    });
    Life::new(bot, name, connection).live(run, stay.goes).await
}

/// Waits for the time at which a bot comes; false when the run is over before.
async fn comes(run: &mut Run, after: Duration) -> bool {
    let mut over = run.clone();
    tokio::select! {
        () = run.since_began(after) => true,
        () = over.reaches(Phase::Drain) => false,
    }
}

/// Logs a bot in. As any client, it tries again when the server says that this may help; and where
/// the server may be gone for a moment, when nobody says anything.
pub(crate) async fn login<W: brightstar_client::World>(
    plan: &Plan,
    name: String,
    stats: Option<&RefCell<Stats>>,
) -> Result<Connection<W>, ClientError> {
    let (begin, mut tries) = (Instant::now(), 1);
    loop {
        let hello = Hello::guest(name.clone());
        let error = match Connection::connect(&plan.url, plan.common.codec, hello).await {
            Ok(connection) => return Ok(connection),
            Err(error) => error,
        };
        let again = match plan.common.restarts {
            Restarts::None => error.retry() == Retry::Later && tries < LOGIN_TRIES,
            Restarts::End | Restarts::Resume => {
                error.retry() != Retry::Never && begin.elapsed() < PATIENCE
            }
        };
        if !again {
            return Err(error);
        }
        tries += 1;
        if let Some(stats) = stats {
            stats.borrow_mut().logins_again += 1;
        }
        sleep_until(Instant::now() + LOGIN_AGAIN).await;
    }
}

/// Counts how a bot ended.
pub(super) fn count_end(
    ended: Result<Result<(), ClientError>, tokio::task::JoinError>,
    stats: &RefCell<Stats>,
) {
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(ClientError::Decode(error))) => {
            let mut stats = stats.borrow_mut();
            stats.error("decode", || error.to_string());
            stats.violate(Rule::Words, || format!("a message can't be read: {error}"));
        }
        Ok(Err(error)) => stats
            .borrow_mut()
            .error(error.cause(), || error.to_string()),
        Err(error) => stats
            .borrow_mut()
            .error("bot_panicked", || error.to_string()),
    }
}
