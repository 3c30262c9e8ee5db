//! Whole runs against a ledger and a meadow of a few lines that can be told to cheat: the verdict must
//! see it. Not here: runs against the real server; those are with the worlds.

#![allow(clippy::unwrap_used, reason = "a test that fails shows the line")]

mod meadow;
mod shepherd;
mod teller;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use load::{Common, LedgerArgs};
use serde_json::Value;
use teller::{Mood, serve};

/// The flags of a short run.
fn common(duration: Duration, report: Option<PathBuf>) -> Common {
    Common {
        duration,
        ramp: Duration::from_millis(20),
        seed: 3,
        p99_ms: None,
        max_errors: 0,
        max_late: None,
        max_rebalance: None,
        max_pause: None,
        report,
        html: None,
        compare: None,
        codec: brightstar_client::Codec::MessagePack,
        names: "bot".into(),
        restarts: load::Restarts::None,
        storm: None,
        admin_token_file: None,
    }
}

/// Runs transfers against a ledger in this mood; gives the exit code and the report.
fn run(mood: Mood, change: impl FnOnce(&mut LedgerArgs)) -> (ExitCode, Value) {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    let mut args = LedgerArgs {
        url: serve(mood),
        bots: 4,
        in_flight: 10,
        alpha: 0.5,
        accounts: 50,
        common: common(Duration::from_millis(400), Some(report.clone())),
    };
    change(&mut args);
    let code = args.run();
    let json = std::fs::read_to_string(&report).unwrap();
    (code, serde_json::from_str(&json).unwrap())
}

#[track_caller]
fn fails(mood: Mood, change: impl FnOnce(&mut LedgerArgs), words: &str) {
    let (code, report) = run(mood, change);
    assert_eq!(code, ExitCode::FAILURE);
    let (failures, checks) = (&report["failures"], &report["checks"]);
    let told = format!("{failures} {checks}");
    assert!(told.contains(words), "{told}");
    assert_eq!(report["passed"], false);
}

#[test]
fn an_honest_ledger_passes_and_the_report_says_how_it_went() {
    for codec in brightstar_client::Codec::ALL {
        let (code, report) = run(Mood::Honest, |args| args.common.codec = codec);
        assert_eq!(code, ExitCode::SUCCESS, "{report:#}");
        assert_eq!(report["codec"], codec.to_string());
        assert_eq!(report["failures"], serde_json::json!([]));
        let commands = &report["commands"];
        assert!(commands["ok"].as_u64().unwrap() > 10);
        assert!(commands["latency_ms"]["p99"].as_f64().unwrap() > 0.0);
        assert!(
            commands["latency_counted"]
                .as_str()
                .unwrap()
                .contains("closed loop")
        );
        assert!(
            report["checks"]
                .to_string()
                .contains("the total is what it was")
        );
    }
}

#[test]
fn refusals_are_answers_and_not_errors() {
    let (code, report) = run(Mood::Poor, |_| {});
    assert_eq!(code, ExitCode::SUCCESS, "{report:#}");
    assert!(
        report["commands"]["refusals"]["insufficient"]
            .as_u64()
            .unwrap()
            > 0
    );
}

#[test]
fn a_ledger_that_loses_money_is_caught() {
    fails(Mood::Thief, |_| {}, "the total is what it was");
}

#[test]
fn replies_that_can_not_be_true_are_caught() {
    fails(Mood::Liar, |_| {}, "a transfer was answered with");
    fails(Mood::Disorderly, |_| {}, "overtook");
    fails(Mood::Stutterer, |_| {}, "came twice");
}

#[test]
fn errors_are_counted_by_cause_and_held_to_their_limit() {
    fails(Mood::Failing, |_| {}, "errors, 0 allowed");
    let (code, report) = run(Mood::Failing, |args| args.common.max_errors = 1_000_000);
    assert_eq!(code, ExitCode::SUCCESS, "{report:#}");
    assert!(report["errors"]["failed"]["count"].as_u64().unwrap() > 0);
}

#[test]
fn latency_is_held_to_its_limit() {
    fails(
        Mood::Slow,
        |args| args.common.p99_ms = Some(5.0),
        "the 99th percentile is",
    );
    let (code, report) = run(Mood::Slow, |args| args.common.p99_ms = Some(5000.0));
    assert_eq!(code, ExitCode::SUCCESS, "{report:#}");
}

#[test]
fn bots_that_are_thrown_out_are_errors() {
    fails(Mood::Rude, |_| {}, "errors, 0 allowed");
}

#[test]
fn a_server_that_dies_is_reported() {
    fails(Mood::Mortal, |_| {}, "the world can be asked after the run");
}

#[test]
fn without_a_server_there_is_no_run() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/v1/ws", listener.local_addr().unwrap());
    drop(listener);
    let args = LedgerArgs {
        url,
        bots: 1,
        in_flight: 1,
        alpha: 0.0,
        accounts: 2,
        common: common(Duration::ZERO, None),
    };
    assert_eq!(args.run(), ExitCode::from(2));
}
