//! Whole-server tests: the graceful stop as clients and load balancers see it.
//! Not here: signals and exit codes (`binary`).

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::server::TestServer;
use crate::support::wire::{Codec, upgrade};

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
