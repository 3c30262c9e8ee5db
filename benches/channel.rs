//! Lives here: `channel/fanout`: what it costs to tell ten thousand members of a channel ten
//! messages a second, against a bare epoll loop that hands the same bytes to as many sockets; and
//! whether the regions' ticks stay punctual meanwhile. Not here: the server and its world (`hall`),
//! who listens (`ears`); the loop is that of `players/...`.
//!
//! Ours and the floor are processes of their own. Counted is the time that each keeps a processor
//! busy, in user space and in the kernel, per message and member. Ours commits each message to disk,
//! numbers it for each member and keeps it until it is acknowledged, reads the acknowledgements,
//! and ticks a flock of sheep besides; the floor knows what it sends beforehand.

mod ears;
mod hall;

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::param::clock_ticks_per_second;
use tempfile::TempDir;

use self::ears::{Ears, Heard};
pub(crate) use self::hall::serve;
use crate::client::Server;
use crate::harness::{Measure, Plan, report};
use crate::memory::allowed_sockets;
use crate::players::drain;

/// Members of the channel.
const MEMBERS: usize = 10_000;
/// Messages per second.
const PER_SECOND: u32 = 10;
const WINDOW: Duration = Duration::from_secs(10);
const QUICK_WINDOW: Duration = Duration::from_secs(2);
const WARM_UP: Duration = Duration::from_secs(2);
const ROUNDS: usize = 3;
/// What ours may cost of what the floor costs.
const GOAL: f64 = 4.0;

pub(crate) fn run(plan: &Plan) -> Result<()> {
    if !plan.wants_area("channel/") {
        return Ok(());
    }
    let members = plan.times(MEMBERS).min(allowed_sockets()?);
    let (window, rounds) = if plan.quick {
        (QUICK_WINDOW, 1)
    } else {
        (WINDOW, ROUNDS)
    };
    let id = format!("channel/fanout/{members}");
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
    let frames = folder.path().join("frames");
    let round = |_| {
        let (ours, heard) = ours(&id, members, window)?;
        fs::write(&frames, heard.sample.context("nothing was heard")?)?;
        let frames = frames.to_str().context("the folder's name is no text")?;
        let floor = floor(frames, members, window)?;
        Ok((ours, floor, ours / floor))
    };
    let rows = (0..rounds).map(round).collect::<Result<Vec<_>>>()?;
    let measure = Measure::Time {
        at_most: Some(GOAL),
    };
    report(&id, measure, &rows);
    Ok(())
}

/// Processor seconds per message and member, and what was heard.
fn ours(id: &str, members: usize, window: Duration) -> Result<(f64, Heard)> {
    let server = Server::start(&["child-hall".to_owned()])?;
    let mut ears = Ears::new()?;
    ears.log_in(server.address(), members)?;
    ears.listen(WARM_UP)?;
    let (ticks, busy) = (drain::ticks(server.address())?, busy(server.pid())?);
    ears.begin();
    ears.listen(window)?;
    let (busy, now) = (
        self::busy(server.pid())? - busy,
        drain::ticks(server.address())?,
    );
    let heard = ears.end();
    let expected = f64::from(PER_SECOND) * window.as_secs_f64() * members as f64;
    println!(
        "# {id}: {:.1} % of the messages heard, the last member {:.1} ms after the first (median; \
         {:.1} ms at most), {} of {} ticks late, {:.0} % of a processor",
        heard.messages as f64 / expected * 100.0,
        heard.spread(0.5) * 1e3,
        heard.spread(1.0) * 1e3,
        now.late - ticks.late,
        now.all - ticks.all,
        busy / window.as_secs_f64() * 100.0,
    );
    ensure!(heard.gaps == 0, "{} numbers were left out", heard.gaps);
    Ok((busy / heard.messages.max(1) as f64, heard))
}

fn floor(frames: &str, sockets: usize, window: Duration) -> Result<f64> {
    let server = Server::start(&["child-floor".to_owned(), frames.to_owned()])?;
    let mut ears = Ears::new()?;
    ears.connect(server.address(), sockets)?;
    ears.listen(WARM_UP)?;
    let busy = busy(server.pid())?;
    ears.begin();
    ears.listen(window)?;
    let busy = self::busy(server.pid())? - busy;
    Ok(busy / ears.end().messages.max(1) as f64)
}

/// For how many seconds a process has kept processors busy.
fn busy(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("no stat")?;
    // `utime` and `stime`: the 14th and 15th field, of which the first two are gone.
    let times = fields.split_whitespace().skip(11).take(2);
    let ticks: f64 = times.map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(ticks / clock_ticks_per_second() as f64)
}
