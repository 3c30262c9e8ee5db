//! Whole-server tests: limits of sockets, sessions and rates: each refusal names its limit and value.
//! Not here: sizes (`malformed`), times (`silence`).

use protocol::ClientMessage;
use serde_json::json;

use crate::support::server::{TestServer, eventually};
use crate::support::wire::{Codec, FIN, PING, PONG, TEXT, text, upgrade};

#[test]
fn sockets_are_limited_and_come_back() {
    let server = TestServer::with(|config| config.gateway.max_sockets = 2);
    let first = server.enter(Codec::Json, "ann");
    let mut second = server.enter(Codec::Json, "bob");
    let (_, head) = upgrade(server.address, None);
    assert!(head.starts_with("HTTP/1.1 503"), "{head}");
    second.send(&ClientMessage::Bye);
    assert!(second.is_closed());
    drop((first, second));
    eventually("there is room again", || {
        upgrade(server.address, None).1.starts_with("HTTP/1.1 101")
    });
}

#[test]
fn sockets_of_one_address_are_limited() {
    let server = TestServer::with(|config| {
        config.gateway.limit_loopback = true;
        config.gateway.max_sockets_per_address = 1;
    });
    let _first = server.enter(Codec::Json, "ann");
    let (_, head) = upgrade(server.address, None);
    assert!(head.starts_with("HTTP/1.1 429"), "{head}");
}

#[test]
fn connecting_too_fast_is_refused() {
    let server = TestServer::with(|config| {
        config.gateway.limit_loopback = true;
        config.gateway.connects_per_second = 1;
        config.gateway.connect_burst = 2;
    });
    let answers: Vec<_> = (0..3).map(|_| upgrade(server.address, None)).collect();
    assert!(answers[1].1.starts_with("HTTP/1.1 101") && answers[2].1.starts_with("HTTP/1.1 429"));
}

#[test]
fn sessions_are_limited() {
    let server = TestServer::with(|config| config.sessions.max_sessions = 1);
    let _first = server.enter(Codec::Json, "ann");
    let mut second = server.connect(Codec::Json);
    second.send_payload(&text(&json!(["hello", { "name": "bob" }])));
    let (code, message) = second.receive_error();
    assert_eq!(code, "overloaded");
    assert!(message.contains('1'), "{message}");
}

#[test]
fn an_account_logs_in_only_so_often() {
    let server = TestServer::with(|config| {
        config.gateway.limit_loopback = true;
        config.login.login_burst = 2;
        config.login.logins_per_minute = 1;
    });
    let _first = server.enter(Codec::Json, "ann");
    let _second = server.enter(Codec::Json, "ann");
    let mut third = server.connect(Codec::Json);
    third.send_payload(&text(&json!(["hello", { "name": "ann" }])));
    let (code, message) = third.receive_error();
    assert_eq!(code, "too_fast");
    assert!(
        message.contains("1 times per minute (login.logins_per_minute)"),
        "{message}"
    );
    server.enter(Codec::Json, "bob");
}

#[test]
fn messages_of_one_socket_are_limited_control_frames_too() {
    let server = TestServer::with(|config| {
        config.gateway.messages_per_second = 1;
        config.gateway.message_burst = 10;
    });
    let mut flooded = Vec::new();
    for (first, payload) in [
        (FIN | TEXT, text(&json!(["ack", 0]))),
        (FIN | PING, Vec::new()),
        (FIN | PONG, Vec::new()),
    ] {
        let mut client = server.enter(Codec::Json, "ann");
        for _ in 0..20 {
            client.send_frame(first, &payload);
        }
        flooded.push(client.receive_error());
    }
    for (code, message) in flooded {
        assert_eq!(code, "too_fast");
        assert!(message.contains("1 messages per second (gateway.messages_per_second)"));
    }
}

#[test]
fn commands_and_inputs_of_one_session_are_limited() {
    let server = TestServer::with(|config| {
        config.sessions.commands_per_second = 5;
        config.sessions.inputs_per_second = 5;
        config.sessions.burst_seconds = 1;
    });
    for codec in Codec::ALL {
        let mut client = server.enter(codec, &format!("ann-{codec}"));
        for seq in 1..=30 {
            client.command(seq, json!("where"));
        }
        let (code, message) = client.receive_error();
        assert_eq!(code, "too_fast");
        assert!(message.contains('5'), "{message}");
        let mut client = server.enter(codec, &format!("bob-{codec}"));
        for seq in 1..=30 {
            client.send(&ClientMessage::Input {
                seq,
                payload: json!({ "go": [1.0, 1.0] }),
            });
        }
        assert_eq!(client.receive_error().0, "too_fast");
    }
}

#[test]
fn a_full_window_is_not_an_error_but_waits() {
    let server = TestServer::with(|config| config.sessions.window = 4);
    let mut client = server.enter(Codec::MessagePack, "ann");
    for seq in 1..=200 {
        client.command(seq, json!({ "count": 1 }));
    }
    for seq in 1..=200 {
        assert_eq!(
            client.receive_kind("reply")[1..],
            [json!(seq), json!("ok"), json!(seq)]
        );
    }
}
