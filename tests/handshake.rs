//! Whole-server tests: from the HTTP request to the welcome: subprotocols, hello, resume.
//! Not here: messages after the welcome (`malformed`, `commands`).

use std::io::Read;

use brightstar_client::Hello;
use protocol::ClientMessage;
use serde_json::{Value, json};

use crate::support::server::TestServer;
use crate::support::wire::{Client, Codec, TEXT, text, upgrade, upgrade_with};

#[test]
fn the_subprotocol_is_negotiated_and_answered() {
    let server = TestServer::start();
    let chosen = |protocols: Option<&str>| {
        let (_, head) = upgrade(server.address, protocols);
        assert!(head.starts_with("HTTP/1.1 101"), "{protocols:?}: {head}");
        let head = head.to_lowercase();
        head.lines()
            .find_map(|line| line.strip_prefix("sec-websocket-protocol: "))
            .map(str::to_owned)
    };
    assert_eq!(
        chosen(None),
        None,
        "none is answered when none is asked for"
    );
    for codec in Codec::ALL {
        assert_eq!(
            chosen(Some(codec.subprotocol())).as_deref(),
            Some(codec.subprotocol())
        );
    }
    let both = chosen(Some("soap, brightstar.v1.msgpack, brightstar.v1.json"));
    assert_eq!(both.as_deref(), Some("brightstar.v1.msgpack"));
}

#[test]
fn an_unknown_subprotocol_is_refused_with_400_and_named() {
    let server = TestServer::start();
    let (mut socket, head) = upgrade(server.address, Some("brightstar.v9.json"));
    assert!(head.starts_with("HTTP/1.1 400"), "{head}");
    let length = head
        .to_lowercase()
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
        .unwrap();
    let mut body = vec![0; length];
    socket.read_exact(&mut body).unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (&body[0], &body[1]),
        (&json!("error"), &json!("unsupported"))
    );
    assert!(
        body[2].as_str().unwrap().contains("brightstar.v9.json"),
        "{body}"
    );
}

#[test]
fn a_plain_request_for_the_websocket_is_a_bad_request() {
    let server = TestServer::start();
    let answer = server.get("/v1/ws", "");
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("bad_message"), "{}", answer.body);
}

#[test]
fn without_a_subprotocol_json_is_spoken() {
    let server = TestServer::start();
    let (socket, _) = upgrade(server.address, None);
    let mut client = Client::new(socket, Codec::Json);
    let welcome = client.hello("ann");
    assert_eq!(welcome["resumed"], json!(false));
}

#[test]
fn the_welcome_says_what_a_client_must_know() {
    let server = TestServer::start();
    for codec in Codec::ALL {
        let welcome = server.connect(codec).hello(&format!("ann-{codec}"));
        assert_eq!(welcome["tick_hz"], json!(20));
        assert_eq!(welcome["cell"].as_f64(), Some(32.0));
        assert_eq!(welcome["view_radius"].as_f64(), Some(96.0));
        assert_eq!(welcome["last_command"], json!(0));
        assert!(
            welcome["you"].is_u64() && welcome["session"].is_string(),
            "{welcome}"
        );
        assert!(
            welcome["resume"].as_str().unwrap().len() >= 22,
            "128 random bits: {welcome}"
        );
    }
}

#[test]
fn a_hello_that_is_no_login_is_refused() {
    let server = TestServer::start();
    let long = "x".repeat(33);
    for (hello, code, words) in [
        (json!(["hello", {}]), "bad_login", "name"),
        (json!(["hello", { "name": "" }]), "bad_login", "name"),
        (json!(["hello", { "name": "  " }]), "bad_login", "name"),
        (json!(["hello", { "name": long }]), "bad_login", "32"),
        (json!(["hello", { "name": "a\u{7}b" }]), "bad_login", "name"),
        (json!(["hello", { "token": "ey" }]), "bad_login", "guests"),
        (
            json!(["hello", { "resume": "never-given" }]),
            "bad_login",
            "token",
        ),
        (
            json!(["hello", { "name": "nobody" }]),
            "bad_login",
            "nobody may not come in",
        ),
        (json!(["hello", { "name": 5 }]), "bad_message", "string"),
        (json!(["hello"]), "bad_message", "hello"),
        (json!(["hello", {}, {}]), "bad_message", ""),
        (
            json!(["ping", 1]),
            "bad_message",
            "first message must be hello",
        ),
        (
            json!(["command", 1, "where"]),
            "bad_message",
            "first message must be hello",
        ),
        (json!(["bye"]), "bad_message", "first message must be hello"),
    ] {
        let mut client = server.connect(Codec::Json);
        client.send_frame(0x80 | TEXT, &text(&hello));
        let (got, message) = client.receive_error();
        assert_eq!(got, code, "{hello}: {message}");
        assert!(message.to_lowercase().contains(words), "{hello}: {message}");
    }
}

#[test]
fn unknown_fields_of_hello_are_ignored() {
    let server = TestServer::start();
    let mut client = server.connect(Codec::Json);
    client.send_payload(&text(&json!(["hello", { "name": "ann", "hat": "red" }])));
    client.receive_kind("welcome");
}

#[test]
fn a_session_is_resumed_once_per_token() {
    let server = TestServer::start();
    let mut first = server.connect(Codec::Json);
    let welcome = first.hello("ann");
    first.command(1, json!({ "count": 1 }));
    assert_eq!(
        first.receive_kind("reply"),
        [json!("reply"), json!(1), json!("ok"), json!(1)]
    );
    drop(first);
    let token = welcome["resume"].as_str().unwrap();
    let mut second = server.connect(Codec::MessagePack);
    let again = second.enter(Hello::resume(token, 0));
    assert_eq!(again["resumed"], json!(true));
    assert_eq!(again["session"], welcome["session"]);
    assert_eq!(again["last_command"], json!(1));
    assert_ne!(again["resume"], welcome["resume"], "the token rotates");
    let mut third = server.connect(Codec::Json);
    third.send(&ClientMessage::Hello(Hello::resume(token, 0)));
    assert_eq!(
        third.receive_error().0,
        "bad_login",
        "a token is good for one use"
    );
}

#[test]
fn a_second_login_takes_over_and_the_first_is_told() {
    let server = TestServer::start();
    let mut first = server.enter(Codec::Json, "ann");
    let _second = server.enter(Codec::Json, "ann");
    assert_eq!(first.receive_error().0, "taken_over");
}

#[test]
fn bye_closes_without_an_error() {
    let server = TestServer::start();
    let mut client = server.enter(Codec::Json, "ann");
    client.send(&ClientMessage::Bye);
    while let Some(message) = client.receive() {
        assert_ne!(message[0], "error", "{message:?}");
    }
}

#[test]
fn pages_from_elsewhere_get_no_socket() {
    let server = TestServer::with(|config| {
        config.gateway.origins = "https://play.example.org".to_owned();
    });
    let ask = |headers: &str| {
        let answer = server.get(
            "/v1/ws",
            &format!(
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}"
            ),
        );
        (answer.status, answer.body)
    };
    // The helper asks the host `x`.
    for good in [
        "",
        "Origin: http://x\r\n",
        "Origin: https://play.example.org\r\n",
    ] {
        assert_eq!(upgrade_with(server.address, good), 101, "{good}");
    }
    for bad in [
        "Origin: http://evil\r\n",
        "Origin: null\r\n",
        "Origin: http://x\r\nOrigin: http://x\r\n",
    ] {
        let (status, body) = ask(bad);
        assert_eq!(status, 403, "{bad}");
        assert!(
            body.contains("bad_login") && body.contains("gateway.origins"),
            "{body}"
        );
    }
}
