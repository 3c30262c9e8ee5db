//! Lives here: for the crash campaigns of both worlds: a real server process, started on a folder,
//! killed without warning, started again on it.
//! Not here: what is played, and what must have survived (`worlds/*/tests/crash.rs`).
//!
//! Invariant: a server never outlives its `Host`.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use tokio::time::Instant;

/// A server is ready within this time, recovery included.
const READY_LIMIT: Duration = Duration::from_mins(1);
/// How long to wait until a server that is not ready yet is asked again.
const READY_POLL: Duration = Duration::from_millis(5);
/// How often a campaign kills, unless `BRIGHTSTAR_KILLS` says otherwise.
const KILLS: u32 = 20;
/// The seed of a campaign, unless `BRIGHTSTAR_SEED` says otherwise.
const SEED: u64 = 1;

/// How often to kill.
pub(crate) fn kills() -> u32 {
    from_environment("BRIGHTSTAR_KILLS").unwrap_or(KILLS)
}

/// What to seed the campaign's random numbers with.
pub(crate) fn seed() -> u64 {
    from_environment("BRIGHTSTAR_SEED").unwrap_or(SEED)
}

fn from_environment<T: std::str::FromStr>(name: &str) -> Option<T> {
    let value = std::env::var(name).ok()?;
    let number = value.parse().ok();
    Some(number.unwrap_or_else(|| panic!("{name} = {value} is not a number")))
}

/// A running server.
pub(crate) struct Host {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Host {
    /// Starts `binary` on the data in `folder`, on a free port, and waits until it is ready.
    pub(crate) fn start(binary: &str, folder: &Path, flags: &[&str]) -> Self {
        Self::start_at(binary, folder, "127.0.0.1:0", flags)
    }

    /// As [`Host::start`], at an address that clients know already.
    pub(crate) fn start_at(binary: &str, folder: &Path, listen: &str, flags: &[&str]) -> Self {
        let log = folder.join("server.log");
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        let mut child = Command::new(binary)
            .args(["serve", "--listen", listen, "--data"])
            .arg(folder.join("data"))
            .args(flags)
            // `census` and `total` read a whole world from a cold store, here in a debug build on a
            // busy machine; how long that takes is not what a campaign looks at.
            .env("BRIGHTSTAR_ENGINE__TASK_BUDGET_MS", "10000")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (say, said) = sync_channel(1);
        // A thread of its own, since reading the line can't be given a limit of time.
        let reader = std::thread::spawn(move || {
            let address = lines.find_map(|line| address_in(&line.ok()?));
            say.send(address).unwrap_or_default();
            // The rest is read, too: the server must never block on its output.
            lines.for_each(drop);
        });
        drop(reader);
        let address = said.recv_timeout(READY_LIMIT).ok().flatten();
        let mut host = Self {
            child,
            address: ([127, 0, 0, 1], 0).into(),
            log,
        };
        let Some(address) = address else {
            host.fail("said no address")
        };
        host.address = address;
        host.wait_until_ready();
        host
    }

    /// Where its WebSocket is.
    pub(crate) fn url(&self) -> String {
        format!("ws://{}/v1/ws", self.address)
    }

    /// Where it listens.
    #[allow(dead_code, reason = "campaigns of kills need the URL only")]
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    #[allow(dead_code, reason = "campaigns of kills do not look into it")]
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, as a power cut would end it (but for what the kernel holds).
    pub(crate) fn kill(mut self) {
        assert!(
            self.child.try_wait().unwrap().is_none(),
            "it ended by itself:\n{}",
            self.tail()
        );
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        assert!(
            !self.tail().contains("panicked"),
            "a panic in the log:\n{}",
            self.tail()
        );
    }

    /// Asks `/readyz` until it answers 200.
    fn wait_until_ready(&self) {
        let deadline = Instant::now() + READY_LIMIT;
        loop {
            let answer = self.ask_ready();
            if answer
                .as_ref()
                .is_ok_and(|line| line.starts_with("HTTP/1.1 200"))
            {
                return;
            }
            if Instant::now() > deadline {
                self.fail(&format!("is not ready: {answer:?}"));
            }
            std::thread::sleep(READY_POLL);
        }
    }

    /// The first line of its answer to `/readyz`.
    fn ask_ready(&self) -> std::io::Result<String> {
        let mut socket = TcpStream::connect_timeout(&self.address, READY_LIMIT)?;
        socket.set_read_timeout(Some(READY_LIMIT))?;
        socket
            .write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut line = String::new();
        BufReader::new(socket).read_line(&mut line)?;
        Ok(line)
    }

    fn fail(&self, what: &str) -> ! {
        panic!("the server {what}:\n{}", self.tail());
    }

    /// The end of its log.
    fn tail(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Fails when it has ended already, which is what is wanted.
        if self.child.kill().is_ok() {
            self.child.wait().map(drop).unwrap_or_default();
        }
    }
}

fn address_in(line: &str) -> Option<SocketAddr> {
    line.split("http://")
        .nth(1)?
        .split('/')
        .next()?
        .parse()
        .ok()
}
