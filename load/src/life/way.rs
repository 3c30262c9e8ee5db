//! Lives here: how a bot without a socket finds back: to its session, or to another one.
//! Not here: what it makes of that (`life`, and each world's bots).
//!
//! Invariant: without [`Restarts`] one try is all there is, as the server is there all the time.

use std::time::Duration;

use brightstar_client::{ClientError, Connection, ErrorCode, Resume, Retry, World};
use tokio::time::{Instant, sleep};

use crate::args::Restarts;
use crate::bot::Run;
use crate::run::login;
use crate::stats::Rule;

/// How long the server may be gone. A session lingers as long.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// The pause after the first try; each is twice the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Where a bot is back.
pub(super) enum Way<W: World> {
    /// In its session.
    Resumed(Connection<W>),
    /// In a new one.
    Anew(Connection<W>),
}

/// Resumes the session of the bot of this name, whose socket went at `gone`; logs it in anew if that
/// is over, which is wrong unless the server may forget sessions, and was gone meanwhile.
pub(super) async fn find_back<W: World>(
    run: &Run,
    name: &str,
    resume: &mut Resume,
    gone: Instant,
) -> Result<Way<W>, ClientError> {
    let plan = &run.plan;
    let (deadline, mut pause) = (Instant::now() + PATIENCE, FIRST_PAUSE);
    loop {
        let error = match Connection::resume(&plan.url, resume).await {
            Ok(connection) => return Ok(Way::Resumed(connection)),
            Err(error) => error,
        };
        if plan.common.restarts == Restarts::None {
            return Err(error);
        }
        if is_over(&error) {
            judge_end(run, name, gone, &error);
            let connection = login(plan, name.to_owned(), Some(&run.stats)).await?;
            return Ok(Way::Anew(connection));
        }
        if error.retry() == Retry::Never || Instant::now() > deadline {
            return Err(error);
        }
        sleep(pause.mul_f64(spread(name))).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// A session is over, which is wrong unless it may be, and the server was gone meanwhile.
fn judge_end(run: &Run, name: &str, gone: Instant, error: &ClientError) {
    let mut stats = run.stats.borrow_mut();
    let may_end = run.plan.common.restarts == Restarts::End;
    if !(may_end && stats.outages.any_since(gone)) {
        let words = || format!("{name}: the session was not resumed: {error}");
        stats.violate(Rule::Lost, words);
    }
}

/// Whether the server no longer has the session.
fn is_over(error: &ClientError) -> bool {
    let refused = |code: &ErrorCode| *code == ErrorCode::BadLogin;
    match error {
        ClientError::SessionLost => true,
        ClientError::Refused { code, .. } => refused(code),
        _ => false,
    }
}

/// From half to one and a half, by name, so that bots do not all come at once.
fn spread(name: &str) -> f64 {
    let sum = name.bytes().fold(0_u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    0.5 + f64::from(sum % 1024) / 1024.0
}
