//! Whole-server tests: the graceful stop as clients and load balancers see it.
//! Not here: signals and exit codes (`binary`).

use std::time::{Duration, Instant};

use brightstar::server::StopError;
use protocol::ClientMessage;
use serde_json::json;

use crate::admin::{TOKEN, body, error, guarded, order, token_file};
use crate::binary::serve_guarded;
use crate::support::server::{TestServer, eventually, get, post};
use crate::support::wire::{Client, Codec, upgrade};

/// How long the command runs that the stop has to wait for.
const BUDGET_MS: u64 = 1_500;

#[test]
fn a_stop_answers_what_was_asked_and_lets_nobody_in_meanwhile() {
    let mut server = TestServer::with(|config| config.engine.task_budget_ms = BUDGET_MS);
    let mut busy = server.enter(Codec::Json, "busy");
    let mut idle = server.enter(Codec::MessagePack, "idle");
    busy.command(1, json!({ "count": 1 }));
    busy.command(2, json!("spin"));
    assert_eq!(busy.receive_kind("reply")[1], json!(1));
    server.begin_stop();
    assert_eq!(
        idle.receive_error().0,
        "draining",
        "who waits for nothing goes at once"
    );
    assert_eq!(server.get("/readyz", "").status, 503);
    assert_eq!(
        server.get("/healthz", "").status,
        200,
        "it is alive all the same"
    );
    let (_, head) = upgrade(server.address, None);
    assert!(head.starts_with("HTTP/1.1 503"), "{head}");
    let reply = busy.receive_kind("reply");
    assert_eq!(
        (&reply[1], &reply[3]["code"]),
        (&json!(2), &json!("timeout")),
        "{reply:?}"
    );
    assert_eq!(busy.receive_error().0, "draining");
    server.stop();
}

#[test]
fn a_stop_does_not_wait_for_those_who_do_not_answer() {
    let mut server = TestServer::with(|config| config.server.shutdown_limit_seconds = 1);
    let mut deaf = server.enter(Codec::Json, "deaf");
    let words = "x".repeat(60_000);
    deaf.refuse_to_read(|_| json!({ "refuse": words }));
    let begun = Instant::now();
    server.stop();
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn a_stop_that_takes_longer_than_its_limit_says_so() {
    let mut server = TestServer::with(|config| {
        config.server.shutdown_limit_seconds = 1;
        config.engine.task_budget_ms = 4_000;
    });
    let mut busy = server.enter(Codec::Json, "busy");
    busy.command(1, json!({ "count": 1 }));
    assert_eq!(busy.receive_kind("reply")[1], json!(1));
    busy.command(2, json!("spin"));
    // Answered in order, so the command has been handed over by then.
    busy.send(&ClientMessage::Ping(7));
    busy.receive_kind("pong");
    let begun = Instant::now();
    let error = server.try_stop().unwrap_err();
    assert!(matches!(error, StopError::Unfinished(1, _)), "{error}");
    let words = error.to_string();
    assert!(
        words.contains("shutdown_limit_seconds = 1") && words.contains("still at work"),
        "{words}"
    );
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn an_operator_drains_a_host_as_a_signal_does() {
    let token = token_file();
    let data = tempfile::tempdir().unwrap();
    let process = serve_guarded(data.path(), token.path());
    let address = process.address;
    let refused = post(address, "/admin/drain", "", "{}");
    error(&refused, 401, "unauthorized");
    let mut ann = Client::connect(address, Codec::Json);
    ann.hello("ann");
    ann.command(1, json!("where"));
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    let wrong = post(address, "/admin/drain", &bearer, r#"{"now": true}"#);
    error(&wrong, 400, "bad_request");
    assert_eq!(get(address, "/readyz", "").status, 200, "nothing has begun");
    let begun = body(&post(address, "/admin/drain", &bearer, "{}"));
    assert_eq!(begun, json!({ "draining": true, "limit_seconds": 10 }));
    assert_eq!(ann.receive_kind("reply")[1], json!(1));
    assert_eq!(ann.receive_error().0, "draining");
    let (code, log) = process.end();
    assert_eq!(code, Some(0), "{log}");
    for words in ["drain", "ordered", "draining", "stopped"] {
        assert!(log.contains(words), "{words} is missing in the log: {log}");
    }
    assert!(!log.contains(TOKEN) && !log.contains("ERROR"), "{log}");
}

#[test]
fn orders_to_a_host_that_drains_are_refused() {
    let mut server = guarded();
    let mut busy = server.enter(Codec::Json, "busy");
    busy.command(1, json!("spin"));
    server.begin_stop();
    eventually("it drains", || {
        get(server.address, "/readyz", "").status == 503
    });
    for name in ["drain", "backup"] {
        error(&order(&server, name, &json!({})), 503, "draining");
    }
    server.stop();
}
