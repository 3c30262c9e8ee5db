//! Lives here: `memory/idle`: what a client that says nothing costs its server, socket included,
//! against a bare actix-ws echo connection. Not here: the two servers (`client`, `echo`).
//!
//! Each server is a process of its own. Counted is its private memory (`RssAnon`): not the store's
//! pages, which are the system's cache, and not the kernel's buffers, which are alike for both.
//! Both have answered one message per client; the ledger's clients are logged in, on disk and all.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::{StreamExt, TryStreamExt, stream};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpStream;

use crate::client::{Server, open};
use crate::harness::{Measure, Plan, compare_once, now};

/// Clients, where the system allows so many open files.
const SESSIONS: usize = 20_000;
/// Files that are open besides.
const OTHER_FILES: u64 = 300;
/// Clients that come at once.
const AT_ONCE: usize = 64;
/// Memory counts as settled when it has not changed by more than this part for so long.
const STILL: Duration = Duration::from_secs(4);
const STILL_PART: f64 = 0.002;
const LOOK: Duration = Duration::from_millis(250);
/// Something that never rests is looked at once and for all after so long.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) fn run(plan: &Plan) -> Result<()> {
    if !plan.wants_area("memory/") {
        return Ok(());
    }
    let sessions = plan.times(SESSIONS).min(allowed_sockets()?);
    compare_once(
        plan,
        &format!("memory/idle/{sessions}"),
        Measure::Bytes { at_most: Some(1.3) },
        || bytes_per_client("child-ledger", sessions),
        || bytes_per_client("child-echo", sessions),
    )
}

/// Bytes that each of so many clients costs.
fn bytes_per_client(role: &str, clients: usize) -> Result<f64> {
    let server = Server::start(&[role.to_owned()])?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let is_ledger = role == "child-ledger";
    let connect = |from: usize, to: usize| {
        let opened = (from..to).map(|number| open(server.address, number, is_ledger));
        stream::iter(opened)
            .buffer_unordered(AT_ONCE)
            // Only the socket stays: this process is not what is measured.
            .map_ok(tokio_tungstenite::WebSocketStream::into_inner)
            .try_collect::<Vec<TcpStream>>()
    };
    // What the first ones cost is made once: threads, tables, the first pages of everything.
    let warm = runtime.block_on(connect(0, AT_ONCE))?;
    let before = settled(server.pid())?;
    let all = runtime.block_on(connect(AT_ONCE, AT_ONCE + clients))?;
    let after = settled(server.pid())?;
    drop((warm, all));
    Ok((after - before) / clients as f64)
}

/// The private memory of a process once it rests, in bytes.
fn settled(pid: u32) -> Result<f64> {
    let begun = now();
    let (mut seen, mut since) = (private_bytes(pid)?, now());
    while since.elapsed() < STILL && begun.elapsed() < PATIENCE {
        sleep(LOOK);
        let bytes = private_bytes(pid)?;
        if (bytes - seen).abs() > seen * STILL_PART {
            (seen, since) = (bytes, now());
        }
    }
    private_bytes(pid)
}

fn private_bytes(pid: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kibibytes: u32 = kibibytes.context("no RssAnon in /proc")?.trim().parse()?;
    Ok(f64::from(kibibytes) * 1024.0)
}

/// Sockets that this process, and each server it starts, may have open.
pub(crate) fn allowed_sockets() -> Result<usize> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised)?;
    let files = limit.maximum.unwrap_or(u64::MAX);
    Ok(usize::try_from(files.saturating_sub(OTHER_FILES + AT_ONCE as u64)).unwrap_or(usize::MAX))
}
