//! Whole-server tests: `/console`: the operators' page as it is served, and the state that it shows.
//! Not here: what the page makes of it (`src/console/tests`, `tests/browser/console.test.mjs`).

use std::time::Instant;

use protocol::ClientMessage;
use serde_json::{Value, json};

use crate::endpoints::keys;
use crate::support::server::{PATIENCE, TestServer, ask, eventually};
use crate::support::wire::Codec;

fn state(server: &TestServer) -> Value {
    let answer = server.get("/console/state", "");
    assert_eq!(answer.status, 200);
    serde_json::from_str(&answer.body).unwrap()
}

#[test]
fn the_page_and_its_files_are_served_with_a_policy_of_their_own() {
    let server = TestServer::start();
    let page = server.get("/console", "");
    assert!(page.status == 200 && page.body.contains("<title>Brightstar console</title>"));
    // Everything that the page names is there, of the type that browsers insist on.
    let named = page.body.split("=\"console/").skip(1);
    let named: Vec<&str> = named.map(|rest| rest.split_once('"').unwrap().0).collect();
    assert!(
        named.contains(&"main.js") && named.contains(&"style.css"),
        "{named:?}"
    );
    for name in named {
        let (_, ending) = name.split_once('.').unwrap();
        let kind = match ending {
            "js" => "text/javascript",
            "css" => "text/css",
            _ => "image/svg+xml",
        };
        let file = server.get(&format!("/console/{name}"), "");
        assert!(file.status == 200 && !file.body.is_empty(), "{name}");
        assert!(
            file.head.contains(&format!("content-type: {kind}")),
            "{}",
            file.head
        );
        policy(&file.head);
    }
    policy(&page.head);
    assert!(page.head.contains("content-type: text/html; charset=utf-8"));
    let head = ask(server.address, "HEAD", "/console", "");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(
        server.get("/", "").body,
        "<!doctype html>yard",
        "the world's page is another"
    );
}

fn policy(head: &str) {
    let policy = head
        .lines()
        .find_map(|line| line.strip_prefix("content-security-policy: "))
        .expect(head);
    assert!(policy.starts_with("default-src 'self';"), "{policy}");
    assert!(
        !policy.contains("unsafe") && !policy.contains("data:"),
        "{policy}"
    );
    assert!(head.contains("x-content-type-options: nosniff"), "{head}");
}

#[test]
fn other_names_below_it_are_not_there_and_a_slash_too_many_is_mended() {
    let server = TestServer::start();
    for path in [
        "/console/index.html",
        "/console/tests/mock.mjs",
        "/console/../Cargo.toml",
    ] {
        assert_eq!(server.get(path, "").status, 404, "{path}");
    }
    let slash = server.get("/console/", "");
    assert_eq!(slash.status, 308);
    assert!(
        slash.head.contains("location: ../console\r\n"),
        "{}",
        slash.head
    );
    assert_eq!(
        ask(server.address, "POST", "/console/state", "").status,
        404
    );
}

#[test]
fn the_state_has_its_shape() {
    let server = TestServer::start();
    let _client = server.enter(Codec::Json, "ann");
    let answer = server.get("/console/state", "");
    for header in ["content-type: application/json", "cache-control: no-store"] {
        assert!(answer.head.contains(header), "{}", answer.head);
    }
    let state = state(&server);
    assert_eq!(keys(&state), ["map", "others", "people", "status"]);
    assert_eq!(
        state["map"],
        json!({ "cell": 32.0, "side": 16, "cells": 256, "line": 256 + 4096 })
    );
    let status: Value = serde_json::from_str(&server.get("/v1/status", "").body).unwrap();
    let (ours, theirs) = (&state["status"], &status);
    assert_eq!(keys(ours), keys(theirs));
    let (ours, theirs) = (&ours["hosts"][0], &theirs["hosts"][0]);
    assert_eq!(keys(ours), keys(theirs));
    assert_eq!(ours["tick_hz"], json!(20));
    assert_eq!(keys(&ours["regions"][0]), keys(&theirs["regions"][0]));
    let head = ask(server.address, "HEAD", "/console/state", "");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[test]
fn who_is_in_the_world_is_told_by_place() {
    let server = TestServer::start();
    let _ann = server.enter(Codec::Json, "ann");
    let mut bob = server.enter(Codec::MessagePack, "bob");
    bob.send(&ClientMessage::Input {
        seq: 1,
        payload: json!({ "go": [258.56, 257.0] }),
    });
    // Where they stand when he has arrived, in decimetres.
    let (ann, bob) = ((2560, 2560), (2586, 2570));
    eventually("both are seen where they stand", || {
        let state = state(&server);
        let whole = |metres: &Value| (metres.as_f64().unwrap() * 10.0).round() as i64;
        let people: Vec<i64> = state["people"]
            .as_array()
            .unwrap()
            .iter()
            .map(whole)
            .collect();
        let mut people: Vec<(i64, i64)> = people.chunks(2).map(|at| (at[0], at[1])).collect();
        people.sort_unstable();
        people == [ann, bob]
    });
}

#[test]
fn a_state_is_kept_for_a_moment_and_no_longer() {
    let server = TestServer::start();
    let uptime = |state: &Value| {
        state["status"]["hosts"][0]["uptime_seconds"]
            .as_f64()
            .unwrap()
    };
    let begun = Instant::now();
    let first = uptime(&state(&server));
    let (mut made, mut last) = (1, first);
    while last < first + 1.0 {
        assert!(begun.elapsed() < PATIENCE, "it stays as it was");
        let now = uptime(&state(&server));
        made += u32::from(now > last);
        last = now;
    }
    let seconds = begun.elapsed().as_secs_f64();
    assert!(
        f64::from(made) <= seconds * 4.0 + 2.0,
        "{made} in {seconds} s"
    );
}
