//! Slow readers: many clients who take less than they are sent cost the server bounded memory, and
//! the others nothing (G7, G8). The same load twice on one server, alone and beside the readers.
//!
//! ```sh
//! BRIGHTSTAR_SLOW=5m BRIGHTSTAR_SLOW_READERS=2000 BRIGHTSTAR_SLOW_BOTS=1000 \
//!     cargo test --release -p meadow --test slow -- --nocapture
//! ```
//!
//! What others notice is printed, and not judged here: times depend on the machine. Memory is judged,
//! and that the load found nothing wrong.

#![allow(clippy::unwrap_used, reason = "the line of the failure is shown")]

#[path = "../../../tests/crash/host.rs"]
#[expect(dead_code, reason = "nobody is killed here")]
mod host;
#[path = "slow/readers.rs"]
mod readers;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use host::Host;
use readers::Readers;

/// How long each of the two loads is, how many play in it, and how many read slowly beside it.
const DURATION: &str = "10s";
const BOTS: usize = 30;
const READERS: usize = 150;
/// What a slow reader may cost the server's own memory, in bytes: an idle session costs 15 KiB; it
/// has an entity, cells in view, and one frame on its way.
const READER_BYTES: u64 = 64 << 10;
/// What each reader makes the frames longer of all the others, who see it: once as it is written, and
/// once for a buffer that grows by doubling.
const SEEN_BYTES: u64 = 2 * 80;
/// What comes and goes whatever is done: caches, checkpoints, arenas of threads.
const OTHER_BYTES: u64 = 16 << 20;
/// How often the server's memory is looked at.
const LOOK: Duration = Duration::from_millis(250);

#[test]
fn slow_readers_cost_bounded_memory_and_others_notice_nothing() {
    let told = |name: &str, usual: usize| {
        std::env::var(name).map_or(usual, |text| text.parse::<usize>().unwrap())
    };
    let duration = std::env::var("BRIGHTSTAR_SLOW").unwrap_or_else(|_| DURATION.to_owned());
    let bots = told("BRIGHTSTAR_SLOW_BOTS", BOTS);
    let readers = told("BRIGHTSTAR_SLOW_READERS", READERS);
    let binary = std::env::var("MEADOW_BIN").unwrap_or(env!("CARGO_BIN_EXE_meadow").to_owned());
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(&binary, folder.path(), &["--workers", "2"]);
    let play = |name: &str| {
        let report = folder.path().join(name);
        let flags = ["--bots", &bots.to_string(), "--duration", &duration];
        let load = Command::new(&binary)
            .args(["load", "--url", &host.url(), "--report"])
            .arg(&report)
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Seen::of(Load(load), host.pid(), &report)
    };
    // Once for what is made once.
    let alone = play("alone.json");
    let slow = Readers::arrive(host.address(), readers);
    let beside = play("beside.json");
    let slow = slow.leave();
    let skipped = frames_skipped(host.address());
    println!(
        "{readers} slow readers: {slow:?}; {skipped} frames were due that their sockets could not take"
    );
    println!("{bots} others, alone:  {alone}");
    println!("{bots} others, beside: {beside}");

    for (whose, seen) in [("alone", &alone), ("beside", &beside)] {
        assert!(seen.passed, "{whose}: {}", seen.faults());
    }
    assert!(
        skipped > slow.readings,
        "the readers were not slow: for {slow:?} the server skipped {skipped} frames"
    );
    let readers = readers as u64;
    let allowed = readers * (READER_BYTES + readers * SEEN_BYTES) + OTHER_BYTES;
    let grown = beside.most.saturating_sub(alone.most);
    assert!(grown <= allowed, "{grown} bytes more, {allowed} allowed");
    // And it does not creep: what the readers are owed is kept nowhere.
    let creep = beside.late.saturating_sub(beside.early);
    assert!(
        creep <= OTHER_BYTES,
        "{creep} bytes more in the second half"
    );
}

/// What was seen during a load.
struct Seen {
    passed: bool,
    /// The server's private memory in bytes: at most; at most in either half.
    most: u64,
    early: u64,
    late: u64,
    /// What the load's report says.
    report: serde_json::Value,
}

impl Seen {
    fn of(mut load: Load, server: u32, report: &Path) -> Self {
        let mut memory = Vec::new();
        let status = loop {
            memory.push(private_bytes(server));
            if let Some(status) = load.0.try_wait().unwrap() {
                break status;
            }
            sleep(LOOK);
        };
        let most = |part: &[u64]| part.iter().copied().max().unwrap_or_default();
        let (first, second) = memory.split_at(memory.len() / 2);
        let text = std::fs::read_to_string(report).unwrap();
        Self {
            passed: status.success(),
            most: most(&memory),
            early: most(first),
            late: most(second),
            report: serde_json::from_str(&text).unwrap(),
        }
    }
}

impl Seen {
    /// The load's verdicts that do not hold, with examples.
    fn faults(&self) -> String {
        let all = self.report["checks"].as_array().unwrap();
        let wrong: Vec<_> = all
            .iter()
            .filter(|check| check["passed"] == false)
            .collect();
        format!("{wrong:#?}")
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let (commands, inputs) = (&self.report["commands"], &self.report["inputs"]);
        write!(
            f,
            "memory {:.0} MiB at most ({:.0}, then {:.0}); commands p50 {} p99 {} ms; an input until \
             it is seen p50 {} p99 {} ms",
            mib(self.most),
            mib(self.early),
            mib(self.late),
            commands["latency_ms"]["p50"],
            commands["latency_ms"]["p99"],
            inputs["until_in_frame_ms"]["p50"],
            inputs["until_in_frame_ms"]["p99"],
        )
    }
}

/// Frames that were due and that a socket could not take, as the server counts them.
fn frames_skipped(server: SocketAddr) -> u64 {
    let mut socket = TcpStream::connect(server).unwrap();
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    socket.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    let line = |line: &str| {
        let value = line.strip_prefix("brightstar_frames_skipped_total ")?;
        value.trim().parse().ok()
    };
    text.lines().find_map(line).unwrap()
}

/// A running load. It does not outlive this.
struct Load(Child);

impl Drop for Load {
    fn drop(&mut self) {
        // Fails when it has ended already, which is what is wanted.
        if self.0.kill().is_ok() {
            self.0.wait().map(drop).unwrap_or_default();
        }
    }
}

/// A process's own memory, without the pages of files: of the store they are the system's cache.
fn private_bytes(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kibibytes = line.unwrap().trim().trim_end_matches(" kB");
    kibibytes.parse::<u64>().unwrap() << 10
}
