//! The soak: every pattern at once, a storm of moves, splits and merges, and a server that is killed
//! every now and then and started again on the same folder (G4, G5, G6). The load's own verdict is
//! the result: nothing lost, doubled, reordered or unseen, every purse and the census right.
//!
//! ```sh
//! BRIGHTSTAR_SOAK=30m cargo test --release -p meadow --test soak -- --nocapture
//! ```
//!
//! `BRIGHTSTAR_SOAK_PATTERN=border` plays that one alone, and `BRIGHTSTAR_SOAK_CROSSINGS=100000` wants
//! so many walks over borders. Bots resume their sessions after a kill;
//! `BRIGHTSTAR_SOAK_SESSIONS=end` lets them log in anew. `BRIGHTSTAR_SOAK_BOTS`, `BRIGHTSTAR_SEED`,
//! `BRIGHTSTAR_SOAK_STORM` (how often an order is given), `BRIGHTSTAR_SOAK_DIR` (data, logs and
//! reports stay there) and `MEADOW_BIN` (another server, as when it is broken on purpose) say the
//! rest. A soak that fails leaves its folder behind, and names it.

#![allow(clippy::unwrap_used, reason = "the line of the failure is shown")]

#[path = "../../../tests/crash/host.rs"]
#[expect(
    dead_code,
    reason = "a soak counts time, not kills, and keeps its address"
)]
mod host;
#[path = "soak/plan.rs"]
mod plan;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use brightstar::world_data::Rng;
use tokio::time::Instant;

use host::Host;
use plan::Plan;

/// No kill so soon after everybody has come, and none so shortly before the end: what bots are not
/// told then could not be waited for.
const AFTER_ARRIVAL: Duration = Duration::from_secs(3);
const BEFORE_END: Duration = Duration::from_secs(10);
/// How long it may take until everybody has come, and until all is over after the end.
const LIMIT: Duration = Duration::from_mins(5);
/// How often it is looked whether the load goes on.
const POLL: Duration = Duration::from_millis(100);

#[test]
fn a_storm_and_a_server_that_dies_cost_nobody_anything() {
    let plan = Plan::from_environment();
    println!("{plan:#?}");
    let mut soak = Soak::begin(&plan);
    let kills = soak.kill_now_and_then(&plan);
    let passed = soak.finish(plan.duration);
    let errors = errors_in(&plan.folder.join("server.log"));
    println!(
        "{kills} kills, reports and logs in {}",
        plan.folder.display()
    );
    assert!(
        passed,
        "the load found something wrong; see {}",
        plan.folder.display()
    );
    assert_eq!(errors, Vec::<String>::new(), "in {}", plan.folder.display());
    assert!(
        kills > 0,
        "the server was never killed: the soak shows nothing"
    );
    plan.clean_up();
}

/// A running server, and the load that plays on it.
struct Soak {
    host: Option<Host>,
    load: Child,
    start: Box<dyn Fn() -> Host>,
}

impl Soak {
    fn begin(plan: &Plan) -> Self {
        let (binary, folder) = (plan.binary.clone(), plan.folder.clone());
        let (listen, config) = (plan.listen.clone(), plan.config_file());
        let start = Box::new(move || {
            let config = config.display().to_string();
            let flags = ["--regions", "8", "--workers", "2", "--config", &config];
            Host::start_at(&binary, &folder, &listen, &flags)
        });
        let host = Some(start());
        let load = Command::new(&plan.binary)
            .args(plan.load_flags())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self { host, load, start }
    }

    /// Kills the server at random moments and starts it again; gives how often.
    fn kill_now_and_then(&mut self, plan: &Plan) -> u32 {
        let mut rng = Rng::with_seed(plan.seed);
        let deadline = Instant::now() + LIMIT;
        while sessions(&plan.listen) < plan.early_bots() {
            assert!(Instant::now() < deadline, "the bots do not come");
            if self.is_over() {
                return 0;
            }
            sleep(POLL);
        }
        let (begin, mut kills) = (Instant::now(), 0);
        let end = begin + plan.duration.saturating_sub(BEFORE_END);
        let mut next = begin + AFTER_ARRIVAL;
        loop {
            next += plan.pause.mul_f64(0.5 + rng.f64());
            if next > end {
                return kills;
            }
            while Instant::now() < next {
                if self.is_over() {
                    return kills;
                }
                sleep(POLL.min(next.saturating_duration_since(Instant::now())));
            }
            self.host.take().unwrap().kill();
            // Gone for a moment, or for seconds.
            sleep(Duration::from_secs_f64(rng.f64() * 3.0));
            self.host = Some((self.start)());
            kills += 1;
        }
    }

    fn is_over(&mut self) -> bool {
        self.load.try_wait().unwrap().is_some()
    }

    /// Waits for the load's verdict, then ends the server, which must have lived until now.
    fn finish(mut self, duration: Duration) -> bool {
        let deadline = Instant::now() + duration + LIMIT;
        while !self.is_over() {
            assert!(Instant::now() < deadline, "the load does not end");
            sleep(POLL);
        }
        let passed = self.load.wait().unwrap().success();
        self.host.take().unwrap().kill();
        passed
    }
}

impl Drop for Soak {
    fn drop(&mut self) {
        // Fails when it has ended already, which is what is wanted.
        self.load.kill().unwrap_or_default();
        self.load.wait().map(drop).unwrap_or_default();
    }
}

/// How many sessions have a socket, as the server's status says.
fn sessions(address: &str) -> u64 {
    let answer = || -> Option<u64> {
        let mut socket = TcpStream::connect(address).ok()?;
        let request = "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        socket.write_all(request.as_bytes()).ok()?;
        let mut text = String::new();
        socket.read_to_string(&mut text).ok()?;
        let body = &text[text.find('{')?..=text.rfind('}')?];
        let status: serde_json::Value = serde_json::from_str(body).ok()?;
        status["hosts"][0]["sessions"]["connected"].as_u64()
    };
    answer().unwrap_or_default()
}

/// The lines of the server's log that a person should look at.
fn errors_in(log: &Path) -> Vec<String> {
    let log = std::fs::read_to_string(log).unwrap();
    let bad = |line: &&str| line.contains("\"ERROR\"") || line.contains("panicked");
    log.lines().filter(bad).map(str::to_owned).collect()
}
