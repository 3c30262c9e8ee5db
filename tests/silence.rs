//! Whole-server tests: clients that say nothing, or too slowly, or have gone without a word.
//! Not here: clients that say wrong things (`malformed`).

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use crate::support::server::{PATIENCE, TestServer, eventually};
use crate::support::wire::{Codec, FIN, PING, PONG, frame, text};

#[test]
fn a_hello_that_does_not_come_is_not_waited_for() {
    let server = TestServer::with(|config| config.gateway.handshake_seconds = 1);
    let mut silent = server.connect(Codec::Json);
    let mut pinging = server.connect(Codec::MessagePack);
    pinging.send_frame(FIN | PING, b"a ping is no hello");
    let mut slow = server.connect(Codec::Json);
    slow.send_raw(&frame(0x81, &text(&json!(["hello", { "name": "slow" }])))[..10]);
    for client in [&mut silent, &mut pinging, &mut slow] {
        let (code, message) = client.receive_error();
        assert_eq!(code, "too_slow");
        assert!(
            message.contains("within 1 s (gateway.handshake_seconds)"),
            "{message}"
        );
    }
}

#[test]
fn a_request_that_does_not_end_is_not_waited_for() {
    let server = TestServer::with(|config| config.gateway.handshake_seconds = 1);
    let mut socket = TcpStream::connect(server.address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
        .write_all(b"GET /v1/ws HTTP/1.1\r\nHost: x\r\nUpgrade: webs")
        .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[test]
fn a_half_open_socket_is_found_by_a_ping_without_an_answer() {
    let server = TestServer::with(|config| {
        config.gateway.ping_interval_seconds = 1;
        config.gateway.ping_timeout_seconds = 1;
    });
    // It logs in and is never heard of again: pings are read and not answered.
    let mut gone = server.enter(Codec::Json, "gone");
    let mut pings = 0;
    let error = loop {
        match gone.frame() {
            Some((PING, _)) => pings += 1,
            Some((1, payload)) if payload.starts_with(b"[\"error\"") => break payload,
            Some(_) => {}
            None => panic!("closed without an error"),
        }
    };
    let error = String::from_utf8(error).unwrap();
    assert_eq!(pings, 1);
    assert!(error.contains("too_slow") && error.contains("gateway.ping_timeout_seconds"));
}

#[test]
fn a_quiet_client_that_answers_pings_stays() {
    let server = TestServer::with(|config| {
        config.gateway.ping_interval_seconds = 1;
        config.gateway.ping_timeout_seconds = 1;
    });
    let mut quiet = server.enter(Codec::Json, "quiet");
    let mut pings = 0;
    while pings < 3 {
        match quiet.frame().expect("it stays") {
            (PING, payload) => {
                pings += 1;
                quiet.send_frame(FIN | PONG, &payload);
            }
            (opcode, payload) => assert_ne!(opcode, 8, "{payload:?}"),
        }
    }
}

#[test]
fn who_does_not_read_is_cut_off_and_disturbs_nobody() {
    let server = TestServer::with(|config| {
        config.gateway.stall_seconds = 2;
        config.gateway.unsent_bytes = 4_096;
        config.sessions.control_lane = 128;
        config.sessions.commands_per_second = 1_000_000;
    });
    let mut deaf = server.enter(Codec::Json, "deaf");
    let words = "x".repeat(60_000);
    deaf.refuse_to_read(|_| json!({ "refuse": words }));
    let mut other = server.enter(Codec::Json, "other");
    for nonce in 1..=20 {
        other.send_payload(&text(&json!(["ping", nonce])));
        assert_eq!(other.receive_kind("pong")[1], json!(nonce));
    }
    // The kernel gives it up; the gateway's own count of sockets shows it.
    eventually("the deaf one is cut off", || {
        let status = server.get("/v1/status", "");
        let status: serde_json::Value = serde_json::from_str(&status.body).unwrap();
        status["hosts"][0]["sockets"] == 1
    });
}
