//! Lives here: runs of every pattern against the shepherd's meadow, honest and not.
//! Not here: what a single role decides (`src/meadow/roles/tests.rs`).

use std::process::ExitCode;
use std::time::Duration;

use load::{MeadowArgs, PatternName, Restarts};
use serde_json::Value;

use crate::common;
use crate::shepherd::{Mood, TOKEN, serve, serve_lives};

const TRADE: &str = "[[part]]\npattern = 'trade'\nbots = 12\nper_second = 10\n";
const WANDER: &str = "[[part]]\npattern = 'wander'\nbots = 20\n";
const RECONNECT: &str =
    "[[part]]\npattern = 'reconnect'\nbots = 30\nevery = '500ms'\naway = '50ms'\n";

/// Runs a scenario against a meadow in this mood; gives the exit code and the report.
fn run(mood: Mood, scenario: &str, change: impl FnOnce(&mut MeadowArgs)) -> (ExitCode, Value) {
    let folder = tempfile::tempdir().unwrap();
    let (report, file) = (
        folder.path().join("report.json"),
        folder.path().join("mix.toml"),
    );
    std::fs::write(&file, scenario).unwrap();
    let mut args = MeadowArgs {
        url: serve(mood),
        bots: 12,
        pattern: PatternName::Wander,
        scenario: Some(file),
        min_crossings: 0,
        common: common(Duration::from_millis(2500), Some(report.clone())),
    };
    change(&mut args);
    let code = args.run();
    let json = std::fs::read_to_string(&report).unwrap();
    (code, serde_json::from_str(&json).unwrap())
}

#[track_caller]
fn passes(scenario: &str) -> Value {
    let (code, report) = run(Mood::Honest, scenario, |_| {});
    assert_eq!(code, ExitCode::SUCCESS, "{:#}", report["checks"]);
    report
}

#[track_caller]
fn fails(mood: Mood, scenario: &str, verdict: &str, words: &str) {
    let (code, report) = run(mood, scenario, |args| args.common.max_late = Some(0.1));
    assert_eq!(code, ExitCode::FAILURE);
    assert_failed(&report, verdict, words);
}

#[track_caller]
fn assert_failed(report: &Value, verdict: &str, words: &str) {
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == verdict);
    let check = check.unwrap_or_else(|| panic!("{verdict:?} is not among {checks:#?}"));
    assert_eq!(check["passed"], false, "{check}");
    assert!(check["detail"].as_str().unwrap().contains(words), "{check}");
}

#[test]
fn an_honest_meadow_passes_a_storm_of_gifts() {
    let report = passes(TRADE);
    assert!(report["commands"]["by_kind"]["give"][1].as_u64().unwrap() > 20);
    let timeline = &report["timeline"];
    assert_eq!(timeline["supervisor"], "on");
    assert_eq!(timeline["changes"][0]["reason"], "hot & <crowded>");
    let samples = timeline["samples"].as_array().unwrap();
    assert!(samples.len() >= 2, "{timeline}");
    assert_eq!(samples[1]["server"]["regions"], 2);
    assert!((samples[1]["server"]["spread"].as_f64().unwrap() - 4.0 / 3.0).abs() < 1e-9);
    assert!(
        samples
            .iter()
            .any(|sample| sample["latency_p99_ms"].is_f64())
    );
}

#[test]
fn bots_that_drop_their_sockets_find_everything_done_once() {
    let report = passes(RECONNECT);
    let deeds = &report["deeds"];
    assert!(deeds["resumes"].as_u64().unwrap() > 5, "{deeds}");
    assert!(deeds["sent_again"].as_u64().unwrap() > 5, "{deeds}");
    assert!(report["resumed_latency_ms"]["count"].as_u64().unwrap() > 5);
}

#[test]
fn every_other_pattern_passes_before_an_honest_meadow() {
    let slow = "[[part]]\npattern = 'slow'\nbots = 6\nevery = '400ms'\nstall = '200ms'\n";
    let report = passes(slow);
    assert!(
        report["deeds"]["stalls"].as_u64().unwrap() > 3,
        "{}",
        report["deeds"]
    );
    for pattern in ["wander", "star"] {
        passes(&format!("[[part]]\npattern = '{pattern}'\nbots = 6\n"));
    }
    // Players of this meadow appear at (100, 100).
    let crowd = "[[part]]\npattern = 'crowd'\nbots = 6\nplace = [110, 100]\nstart = '300ms'\n\
                 within = '200ms'\nstop = '1500ms'\n[[part]]\npattern = 'border'\nbots = 4\n";
    let report = passes(crowd);
    assert!(
        report["commands"]["by_kind"]["drop"].is_null(),
        "the border is far away"
    );
}

#[test]
fn what_is_lost_is_seen() {
    fails(
        Mood::Forgetful,
        TRADE,
        "no reply and no event is lost",
        "1 events before event",
    );
}

#[test]
fn what_comes_twice_is_seen() {
    fails(
        Mood::Stutterer,
        TRADE,
        "nothing comes twice, and no coin is picked up twice",
        "came twice or unasked",
    );
}

#[test]
fn what_overtakes_is_seen() {
    let verdict = "nothing overtakes what came before it";
    fails(Mood::Disorderly, TRADE, verdict, "overtook 1 others");
    fails(
        Mood::Backward,
        WANDER,
        verdict,
        "a frame with input 0 after one with input",
    );
}

#[test]
fn who_is_seen_twice_or_not_at_all_is_seen() {
    let verdict = "everybody is seen once, without a gap, where they can be";
    fails(Mood::Ghostly, TRADE, verdict, "is in two cells");
    fails(Mood::Blind, TRADE, verdict, "does not see itself");
}

#[test]
fn gold_that_is_wrong_is_seen() {
    let purses = "purses hold what their owners know, so each command took effect once";
    fails(Mood::Flatterer, TRADE, purses, "was answered with");
    fails(Mood::Eager, RECONNECT, purses, "was answered with");
    let gifts = "what bots gave each other arrived, and nothing else";
    fails(Mood::Keeper, TRADE, gifts, "given, 0 received");
    fails(Mood::Thief, TRADE, "the census balances", "gold before");
}

/// Runs a storm of gifts against a meadow that dies every now and then.
fn run_with_deaths(mood: Mood, restarts: Restarts) -> (ExitCode, Value) {
    run(mood, TRADE, |args| {
        // The status is looked at once per second, and each death has to be seen in it.
        args.url = serve_lives(mood, Some(Duration::from_millis(1200)));
        args.common.duration = Duration::from_millis(4500);
        args.common.restarts = restarts;
    })
}

#[track_caller]
fn fails_with_deaths(mood: Mood, restarts: Restarts, verdict: &str, words: &str) {
    let (code, report) = run_with_deaths(mood, restarts);
    assert_eq!(code, ExitCode::FAILURE);
    assert_failed(&report, verdict, words);
}

#[test]
fn sessions_that_go_on_over_deaths_of_the_server_pass() {
    for restarts in [Restarts::Resume, Restarts::End] {
        let (code, report) = run_with_deaths(Mood::Honest, restarts);
        assert_eq!(code, ExitCode::SUCCESS, "{:#}", report["checks"]);
        let timeline = &report["timeline"];
        assert!(timeline["restarts"].as_u64().unwrap() >= 2, "{timeline}");
        let outages = timeline["outages"].as_array().unwrap();
        assert!(outages.len() >= 2, "{timeline}");
        assert_eq!(outages[0]["lost"], 12, "{outages:?}");
        assert_eq!(outages[0]["resumed"], 12, "{outages:?}");
        assert_eq!(report["deeds"]["sessions_ended"], 0);
        let apart = report["outage_latency_ms"]["count"].as_u64().unwrap();
        assert!(apart > 0, "what was asked around a death is counted apart");
        assert!(report["checks"].to_string().contains("given, "), "compared");
    }
}

#[test]
fn sessions_that_end_with_the_server_are_judged_only_when_they_may_not() {
    let (code, report) = run_with_deaths(Mood::Amnesiac, Restarts::End);
    assert_eq!(code, ExitCode::SUCCESS, "{:#}", report["checks"]);
    assert!(report["deeds"]["sessions_ended"].as_u64().unwrap() >= 12);
    let told = report["checks"].to_string();
    assert!(told.contains("not compared"), "{told}");
    let lost = "no reply and no event is lost";
    let words = "the session was not resumed";
    fails_with_deaths(Mood::Amnesiac, Restarts::Resume, lost, words);
    let (code, report) = run_with_deaths(Mood::Honest, Restarts::None);
    assert_eq!(code, ExitCode::FAILURE);
    assert_failed(&report, "errors are within their limit", "0 allowed");
}

#[test]
fn what_a_death_of_the_server_costs_is_seen() {
    let resume = Restarts::Resume;
    let lost = "no reply and no event is lost";
    fails_with_deaths(Mood::Backslider, resume, lost, "and the server has done");
    let purses = "purses hold what their owners know, so each command took effect once";
    fails_with_deaths(Mood::Spender, resume, purses, "was answered with");
    fails_with_deaths(Mood::Robber, Restarts::End, purses, "was answered with");
    fails_with_deaths(Mood::Deaf, resume, lost, "were given up, and only");
}

#[test]
fn sockets_that_are_lost_without_a_death_are_seen() {
    let verdict = "sockets are lost with the server only";
    let words = "it was started anew 0 times";
    fails_with_deaths(Mood::Rude, Restarts::Resume, verdict, words);
}

/// Runs a storm of orders, fifty in a second.
fn run_storm(mood: Mood, token: &str) -> (ExitCode, Value) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, token).unwrap();
    run(mood, WANDER, |args| {
        args.common.storm = Some(Duration::from_millis(20));
        args.common.admin_token_file = Some(file);
    })
}

#[test]
fn a_storm_of_orders_is_told_of_and_so_are_orders_that_fail() {
    let (code, report) = run_storm(Mood::Honest, TOKEN);
    assert_eq!(code, ExitCode::SUCCESS, "{:#}", report["checks"]);
    let storm = &report["storm"];
    assert!(
        storm["by_kind"]["move"]["done"].as_u64().unwrap() > 10,
        "{storm}"
    );
    assert!(
        storm["by_kind"]["split"]["done"].as_u64().unwrap() > 10,
        "{storm}"
    );
    assert!(storm["long_pauses"].as_u64().unwrap() > 20, "{storm}");
    let verdict = "orders are carried out, or refused for a reason";
    for (mood, token, words) in [
        (Mood::Clumsy, TOKEN, "the sheep ran away"),
        (Mood::Honest, "a guess", "who are you?"),
    ] {
        let (code, report) = run_storm(mood, token);
        assert_eq!(code, ExitCode::FAILURE);
        assert_failed(&report, verdict, words);
        let report = report.to_string();
        assert!(!report.contains(token), "the token is written nowhere");
    }
}

#[test]
fn too_few_borders_are_no_proof() {
    let (code, report) = run(Mood::Honest, WANDER, |args| args.min_crossings = 1000);
    assert_eq!(code, ExitCode::FAILURE);
    let verdict = "enough borders between regions were crossed";
    assert_failed(&report, verdict, "1000 needed");
}

#[test]
fn ticks_that_are_late_are_seen() {
    fails(
        Mood::Late,
        TRADE,
        "ticks are on time",
        "50.000 % of all regions' ticks were late",
    );
    let words = "told of no ticks";
    fails(Mood::Silent, TRADE, "ticks are on time", words);
}

#[test]
fn borders_are_not_looked_for_where_nobody_tells_of_regions() {
    let folder = tempfile::tempdir().unwrap();
    let args = MeadowArgs {
        url: serve(Mood::Silent),
        bots: 2,
        pattern: PatternName::Border,
        scenario: None,
        min_crossings: 0,
        common: common(Duration::ZERO, Some(folder.path().join("none.json"))),
    };
    assert_eq!(args.run(), ExitCode::from(2));
}

#[test]
fn a_run_is_a_page_too_and_an_older_one_is_drawn_beside_it() {
    let (_, older) = run(Mood::Late, TRADE, |_| {});
    let folder = tempfile::tempdir().unwrap();
    let (html, other) = (
        folder.path().join("run.html"),
        folder.path().join("older.json"),
    );
    std::fs::write(&other, older.to_string()).unwrap();
    let (code, _) = run(Mood::Honest, TRADE, |args| {
        args.common.html = Some(html.clone());
        args.common.compare = Some(other);
    });
    assert_eq!(code, ExitCode::SUCCESS);
    let html = std::fs::read_to_string(html).unwrap();
    for words in [
        "Passed",
        "hot &amp; &lt;crowded&gt;",
        "other run",
        "Load of threads",
    ] {
        assert!(html.contains(words), "{words} is missing");
    }
}
