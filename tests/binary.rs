//! Whole-server tests: a real binary (`examples/field.rs`): its command line, exit codes, signals.
//! Not here: what is the same inside one process.

use std::fs::Permissions;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::server::{eventually, get, post};
use crate::support::wire::{Client, Codec};

/// The example's binary, which `cargo test` builds beside this one.
pub(crate) fn field() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let path = tests
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples/field");
    assert!(
        path.exists(),
        "{} is missing: cargo build --example field",
        path.display()
    );
    path
}

pub(crate) fn serve(data: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(field());
    command
        .arg("serve")
        .arg("--data")
        .arg(data)
        .args(["--listen", "127.0.0.1:0"])
        .args(flags);
    command
        .env_clear()
        .env("BRIGHTSTAR_ENGINE__STORE_BYTES", "268435456");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A running binary that takes orders.
pub(crate) fn serve_guarded(data: &Path, token: &Path) -> Process {
    let mut command = serve(data, &[]);
    command.env("BRIGHTSTAR_ADMIN__TOKEN_FILE", token);
    Process::of(command)
}

/// A running binary; killed when dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Its standard error, read as it comes: a full pipe would make it wait.
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Process {
    pub(crate) fn start(data: &Path, flags: &[&str]) -> Self {
        Self::of(serve(data, flags))
    }

    /// A server with a command that is about to be started.
    fn of(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let url = line
            .trim()
            .strip_prefix("field is at http://")
            .expect(&line);
        let address = url.trim_end_matches('/').parse().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (lines, kept) = (
            BufReader::new(child.stderr.take().unwrap()),
            Arc::clone(&log),
        );
        let reader = std::thread::spawn(move || {
            for line in lines.lines() {
                let mut kept = kept.lock().unwrap();
                kept.push_str(&line.unwrap());
                kept.push('\n');
            }
        });
        Self {
            child,
            address,
            log,
            reader: Some(reader),
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let done = Command::new("kill")
            .args([name, &self.child.id().to_string()])
            .status();
        assert!(done.unwrap().success());
    }

    /// Whether it has written these words to standard error.
    pub(crate) fn has_logged(&self, words: &str) -> bool {
        self.log.lock().unwrap().contains(words)
    }

    /// Waits for its end: exit code and what it wrote to standard error.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        self.reader.take().unwrap().join().unwrap();
        let log = self.log.lock().unwrap().clone();
        (self.child.wait().unwrap().code(), log)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already, if the test went well.
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}

fn failed(mut command: Command) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = command.output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[test]
fn sigterm_tells_clients_flushes_and_exits_0() {
    let data = tempfile::tempdir().unwrap();
    let process = Process::start(data.path(), &[]);
    assert_eq!(get(process.address, "/readyz", "").status, 200);
    assert!(
        get(process.address, "/", "").body.contains("no page"),
        "field has none"
    );
    let mut client = Client::connect(process.address, Codec::Json);
    client.hello("ann");
    process.signal("-TERM");
    assert_eq!(client.receive_error().0, "draining");
    let (code, log) = process.end();
    assert_eq!(code, Some(0), "{log}");
    for words in ["recovered", "SIGTERM", "draining", "stopped"] {
        assert!(log.contains(words), "{words} is missing in the log: {log}");
    }
    assert!(!log.contains("ERROR") && !log.contains("WARN"), "{log}");
}

#[test]
fn sigint_stops_too_and_the_data_can_be_opened_again() {
    let data = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let process = Process::start(data.path(), &[]);
        let mut client = Client::connect(process.address, Codec::MessagePack);
        client.hello("ann");
        client.command(1, json!("where"));
        assert_eq!(client.receive_kind("reply")[2], json!("ok"));
        process.signal("-INT");
        let (code, log) = process.end();
        assert_eq!(code, Some(0), "{log}");
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let data = tempfile::tempdir().unwrap();
    let process = Process::start(data.path(), &[]);
    let mut deaf = Client::connect(process.address, Codec::Json);
    deaf.hello("deaf");
    // Its answers have nowhere to go, so the graceful stop would take its limit of 10 s.
    let words = "x".repeat(2_000);
    deaf.refuse_to_read(|_| json!({ "say": words }));
    let begun = Instant::now();
    process.signal("-TERM");
    eventually("it drains", || {
        get(process.address, "/readyz", "").status == 503
    });
    process.signal("-TERM");
    let (code, log) = process.end();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("stopped at once"), "{log}");
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn a_hard_kill_is_recovered_from() {
    let data = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let process = Process::start(data.path(), &[]);
        let mut client = Client::connect(process.address, Codec::Json);
        client.hello("ann");
        process.signal("-KILL");
        assert_eq!(process.end().0, None);
    }
}

#[test]
fn no_secret_is_in_the_log() {
    let data = tempfile::tempdir().unwrap();
    let process = Process::start(data.path(), &["--log-format", "json"]);
    let mut client = Client::connect(process.address, Codec::Json);
    let welcome = client.hello("ann");
    let token = welcome["resume"].as_str().unwrap().to_owned();
    drop(client);
    process.signal("-TERM");
    let (_, log) = process.end();
    assert!(!log.contains(&token));
    for line in log.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect(line);
    }
}

#[test]
fn what_is_wrong_at_the_start_is_one_clear_line_and_an_exit_code() {
    let data = tempfile::tempdir().unwrap();
    let process = Process::start(data.path(), &[]);
    let taken = process.address.to_string();
    let other = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = other.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let bad = file("bad.toml", "[regions]\nticks = 5\n");
    let secret = file("secret.toml", "[admin]\ntoken_file = \"/no/such\"\n");
    starts_not(data.path(), &[], 1, "can't open the data in");
    for (flag, value, code, words) in [
        ("--listen", taken.as_str(), 1, "can't listen on 127.0.0.1"),
        ("--config", &bad, 2, "unknown key `regions.ticks`"),
        ("--config", &secret, 2, "admin.token_file = \"/no/such\""),
        ("--config", "/no/such", 2, "/no/such"),
        ("--regions", "0", 2, "engine.regions = 0"),
        ("--listen", "0.0.0.0:0", 2, "--insecure-guest"),
        ("--durability", "never", 2, "strict, relaxed"),
        ("--supervisor", "never", 2, "on, observe, off"),
        ("--fly", "high", 2, "--fly"),
    ] {
        starts_not(other.path(), &[flag, value], code, words);
    }
    process.signal("-TERM");
    assert_eq!(process.end().0, Some(0));
}

/// Checks that a start fails, with this exit code and a line with these words.
pub(crate) fn starts_not(data: &Path, flags: &[&str], code: i32, words: &str) {
    // The later of two equal flags would be an error: the address is given once.
    let mut command = Command::new(field());
    command.arg("serve").arg("--data").arg(data).env_clear();
    if !flags.contains(&"--listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    command.args(flags);
    let (got, log) = failed(command);
    assert_eq!(got, Some(code), "{flags:?}: {log}");
    assert!(log.contains(words), "{flags:?}: {log}");
    let ours = log.lines().filter(|line| line.starts_with("field: "));
    assert!(ours.count() == 1 || code == 2, "{flags:?}: {log}");
}

#[test]
fn the_effective_configuration_is_printed_and_read_back() {
    let data = tempfile::tempdir().unwrap();
    let print = |flags: &[&str]| {
        let mut command = serve(data.path(), flags);
        let output = command.arg("--print-config").output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let printed = print(&["--regions", "3", "--workers", "1"]);
    assert!(
        printed.contains("store_bytes = 268435456"),
        "the environment: {printed}"
    );
    assert!(
        printed.contains("regions = 3") && printed.contains("workers = 1"),
        "{printed}"
    );
    let file = data.path().join("printed.toml");
    std::fs::write(&file, &printed).unwrap();
    assert_eq!(print(&["--config", file.to_str().unwrap()]), printed);
}

#[test]
fn help_names_the_world_and_its_flags() {
    let output = Command::new(field())
        .args(["serve", "--help"])
        .output()
        .unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for words in [
        "field serve",
        "--data <DIR>",
        "--insecure-guest",
        "strict, relaxed",
        "--supervisor <MODE>",
    ] {
        assert!(help.contains(words), "{words} is missing in {help}");
    }
    assert!(output.status.success());
}

#[test]
fn orders_are_logged_with_who_and_what_and_the_token_is_nowhere() {
    const TOKEN: &str = "fields-operators-token";
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, TOKEN).unwrap();
    std::fs::set_permissions(&token, Permissions::from_mode(0o600)).unwrap();
    let config = folder.path().join("field.toml");
    let text = format!("[admin]\ntoken_file = {token:?}\n[log]\nlevel = \"trace\"\n");
    std::fs::write(&config, text).unwrap();
    let data = folder.path().join("data");
    let flags = ["--config", config.to_str().unwrap()];
    let printed = serve(&data, &flags).arg("--print-config").output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert!(
        printed.contains(&format!("token_file = {token:?}")),
        "{printed}"
    );
    let process = Process::start(&data, &flags);
    let give = |token: &str| {
        let header = format!("Authorization: Bearer {token}\r\n");
        let order = r#"{"region": 987654321, "pinned": true}"#;
        post(process.address, "/admin/pin", &header, order).status
    };
    assert_eq!((give(TOKEN), give("another-operators-token")), (404, 401));
    process.signal("-TERM");
    let (code, log) = process.end();
    assert_eq!(code, Some(0), "{log}");
    let audit = |words: &str| {
        log.lines().any(|line| {
            line.contains("audit") && line.contains("127.0.0.1") && line.contains(words)
        })
    };
    for words in [
        "ordered",
        "987654321",
        "refused",
        "an order without the token",
    ] {
        assert!(audit(words), "{words} is missing in the log: {log}");
    }
    for text in [&log, &printed] {
        assert!(
            !text.contains(TOKEN) && !text.contains("another-operators-token"),
            "{text}"
        );
    }
}
