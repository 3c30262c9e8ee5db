//! Lives here: `players/50-in-view`: how many players one core carries, against a bare epoll loop
//! that sends the same bytes. Not here: the server and its world (`plaza`), the loop (`floor`), who
//! reads what both send (`drain`).
//!
//! A player walks all the time, is told of some 50 others who walk 20 times a second, and steers
//! once a second. Ours and the floor are processes of their own on one core each time, the same one;
//! on another core the same reader takes what comes in and looks at when it comes. So many are
//! carried as get their frames with at most 1 % of them, and of the regions' ticks, over 50 ms late
//! and hardly any missing. The floor sends frames that ours has sent, recorded just before: it has
//! nothing to do but to hand them to the kernel.

pub(crate) mod drain;
pub(crate) mod floor;
mod plaza;

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::thread::{CpuSet, sched_setaffinity};
use tempfile::TempDir;

use self::drain::{Drain, Window};
pub(crate) use self::floor::serve as serve_floor;
pub(crate) use self::plaza::serve;
use crate::client::Server;
use crate::harness::{Measure, Plan, report};

const ID: &str = "players/50-in-view";
/// Frames and ticks per second.
const HZ: u32 = 20;
const PERIOD: Duration = Duration::from_millis(1000 / HZ as u64);
/// What a frame or a tick may be late.
const LATE: Duration = Duration::from_millis(50);
/// The part of them that may be later.
const LATE_PART: f64 = 0.01;
/// The part of the frames that must come at all.
const COME_PART: f64 = 0.98;
/// The part of a recorded frame's bytes that the mean frame must have.
const ALL_PART: f64 = 0.9;
/// Others in view, as few as they may be in the mean.
const IN_VIEW: f64 = 50.0;
/// More than there are descriptors for.
const MOST: usize = 18_000;
/// Where the search begins.
const FIRST: usize = 128;
/// Players of the server whose frames the floor sends.
const RECORDED: usize = 512;
/// The core of the server and the floor, and that of the reader.
const CORES: (usize, usize) = (0, 1);
const GOAL: f64 = 0.15;
const ROUNDS: usize = 3;

/// How long and how exactly it is measured.
#[derive(Clone, Copy)]
struct Care {
    warm_up: Duration,
    window: Duration,
    /// The search ends when it knows the number up to this part.
    exact: f64,
    /// How often a number is tried before it counts as too many: what else runs on the machine makes
    /// servers late, and nothing makes them early.
    tries: usize,
}

pub(crate) fn run(plan: &Plan) -> Result<()> {
    if !plan.wants(ID) {
        return Ok(());
    }
    let cores = std::thread::available_parallelism()?.get();
    if cores < 2 {
        println!("# {ID}: left out, it needs two cores");
        return Ok(());
    }
    let care = if plan.quick {
        Care {
            warm_up: Duration::from_millis(500),
            window: Duration::from_secs(1),
            exact: 0.25,
            tries: 2,
        }
    } else {
        Care {
            warm_up: Duration::from_secs(2),
            window: Duration::from_secs(5),
            exact: 0.06,
            tries: 3,
        }
    };
    // On a thread of its own: what else is measured may use both cores.
    let search = std::thread::spawn(move || {
        stay_on(CORES.1)?;
        let rounds = if care.exact > 0.1 { 1 } else { ROUNDS };
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
        let frames = folder.path().join("frames");
        let frames = frames.to_str().context("the folder's name is no text")?;
        let (recorded, bytes) = record(care)?;
        fs::write(frames, recorded)?;
        let round = |_| {
            let ours = most(care, |players| {
                let words = ["child-plaza".to_owned(), players.to_string()];
                any(care, || carries(&words, players, care, Some(bytes)))
            })?;
            let floor = most(care, |sockets| {
                let words = ["child-floor".to_owned(), frames.to_owned()];
                any(care, || carries(&words, sockets, care, None))
            })?;
            Ok((ours as f64, floor as f64, ours as f64 / floor as f64))
        };
        (0..rounds).map(round).collect::<Result<Vec<_>>>()
    });
    let rows = search.join();
    let rows = rows.map_err(|_| anyhow::anyhow!("the search panicked"))??;
    let measure = Measure::Count {
        at_least: Some(GOAL),
    };
    report(ID, measure, &rows);
    Ok(())
}

/// This thread, and all it starts from now on, stays on one core.
fn stay_on(core: usize) -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).context("a thread can't be kept on a core")
}

/// The largest number that is carried, up to what `care` says.
fn most(care: Care, mut carries: impl FnMut(usize) -> Result<bool>) -> Result<usize> {
    let (mut least, mut next) = (0, FIRST);
    let mut too_many = loop {
        if !carries(next)? {
            break next;
        }
        if next == MOST {
            println!("# {ID}: {MOST} are carried; there are no descriptors for more");
            return Ok(MOST);
        }
        (least, next) = (next, (2 * next).min(MOST));
    };
    while (too_many - least) as f64 > (least as f64 * care.exact).max(1.0) {
        let middle = least.midpoint(too_many);
        if carries(middle)? {
            least = middle;
        } else {
            too_many = middle;
        }
    }
    ensure!(least > 0, "{ID}: not one is carried");
    Ok(least)
}

fn any(care: Care, mut carries: impl FnMut() -> Result<bool>) -> Result<bool> {
    for _ in 0..care.tries {
        if carries()? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether so many sockets get their frames in time from a server that is started with `words`. Of
/// ours it is known how many bytes a frame has, if it tells all that it is there for.
fn carries(words: &[String], sockets: usize, care: Care, bytes: Option<f64>) -> Result<bool> {
    let is_ours = bytes.is_some();
    let server = Server::start(words)?;
    let mut drain = Drain::new()?;
    let (came_in, window) = measure(&server, &mut drain, sockets, care, is_ours)?;
    let expected = f64::from(HZ) * care.window.as_secs_f64() * sockets as f64;
    let come = window.frames as f64 / expected;
    let late = window.late as f64 / expected;
    let carried = came_in
        && come >= COME_PART
        && late <= LATE_PART
        && window.late_ticks <= LATE_PART
        && window.lost == 0;
    println!(
        "# {} {sockets}: {:.1} % of the frames, {:.2} % late, {:.2} % of ticks late, {:.0} B each, \
         lost {}, reader busy {:.0} %: {}",
        words[0],
        come * 100.0,
        late * 100.0,
        window.late_ticks * 100.0,
        window.frame_bytes(),
        window.lost,
        window.busy * 100.0,
        if carried { "carried" } else { "too many" },
    );
    ensure!(
        !carried || window.frame_bytes() >= bytes.unwrap_or_default() * ALL_PART,
        "frames have {:.0} bytes, so they leave something out",
        window.frame_bytes()
    );
    Ok(carried)
}

fn measure(
    server: &Server,
    drain: &mut Drain,
    sockets: usize,
    care: Care,
    is_ours: bool,
) -> Result<(bool, Window)> {
    let came_in = if is_ours {
        drain.log_in(server.address(), sockets)?
    } else {
        drain.connect(server.address(), sockets)?
    };
    drain.run(care.warm_up)?;
    let before = is_ours
        .then(|| drain::ticks(server.address()))
        .transpose()?;
    let mut window = drain.watch(care.window)?;
    if let Some(before) = before {
        let after = drain::ticks(server.address())?;
        window.late_ticks = (after.late - before.late) / (after.all - before.all).max(1.0);
    }
    Ok((came_in, window))
}

/// Frames that ours has sent, as bytes on the wire, one behind the other; and the bytes of the mean
/// one.
fn record(care: Care) -> Result<(Vec<u8>, f64)> {
    let words = ["child-plaza".to_owned(), RECORDED.to_string()];
    let server = Server::start(&words)?;
    let mut drain = Drain::new()?;
    let (came_in, window) = measure(&server, &mut drain, RECORDED, care, true)?;
    ensure!(
        came_in && !window.samples.is_empty(),
        "no frame could be recorded"
    );
    // Ticks and frames are not in step, so that a frame may tell of two ticks or of none.
    ensure!(
        (window.in_view / IN_VIEW - 1.0).abs() < 0.25,
        "{:.1} others are in view, and not {IN_VIEW}",
        window.in_view
    );
    println!("# {ID}: {:.1} others in a frame", window.in_view);
    Ok((window.samples.concat(), window.frame_bytes()))
}
