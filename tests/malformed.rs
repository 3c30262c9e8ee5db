//! Whole-server tests: everything that is malformed after the welcome: one error, then the close,
//! and the session can be resumed (design, section 9).
//! Not here: what is wrong before the welcome (`handshake`), too much or too fast (`limits`).

use brightstar_client::Hello;
use serde_json::{Value, json};

use crate::support::server::TestServer;
use crate::support::wire::{BINARY, CLOSE, Client, Codec, FIN, PING, TEXT, msgpack, text};

/// What a client sends, frame by frame: first byte and payload.
type Frames = Vec<(u8, Vec<u8>)>;

fn json_message(message: &Value) -> Frames {
    vec![(FIN | TEXT, text(message))]
}

/// Sends the frames on a session of its own, and checks the error and that the session lives.
fn check(server: &TestServer, codec: Codec, frames: &Frames, code: &str, words: &str) {
    let mut client = server.connect(codec);
    let welcome = client.hello("mallory");
    for (first, payload) in frames {
        client.send_frame(*first, payload);
    }
    let (got, message) = client.receive_error();
    let what = format!("{frames:?}: {got}: {message}")
        .chars()
        .take(400)
        .collect::<String>();
    assert_eq!(got, code, "{what}");
    assert!(
        message.to_lowercase().contains(&words.to_lowercase()),
        "{words}: {what}"
    );
    assert!(message.chars().count() <= 400, "an error is short: {what}");
    let mut again = server.connect(codec);
    let welcome = again.enter(Hello::resume(welcome["resume"].as_str().unwrap(), 0));
    assert_eq!(welcome["resumed"], json!(true), "{what}");
    // The next one logs in by name, so this one must be out.
    again.send(&protocol::ClientMessage::Bye);
    assert!(again.is_closed());
}

#[test]
fn messages_that_are_no_messages() {
    let server = TestServer::start();
    let big = 1_u64 << 53;
    for (message, words) in [
        (json!({}), ""),
        (json!("ping"), ""),
        (json!(null), ""),
        (json!([]), "kind"),
        (json!([1]), "kind"),
        (json!(["dance"]), "dance"),
        (json!(["Ping", 1]), "Ping"),
        (json!(["welcome", {}]), "kind"),
        (json!(["ping"]), "ping"),
        (json!(["ping", 1, 2]), ""),
        (json!(["ping", "1"]), ""),
        (json!(["ping", -1]), ""),
        (json!(["ping", 1.5]), ""),
        (json!(["ping", big]), ""),
        (json!(["ack", -1]), ""),
        (json!(["ack"]), "ack"),
        (json!(["bye", 1]), ""),
        (json!(["command"]), "command"),
        (json!(["command", 1]), "command"),
        (json!(["command", 1, "where", 1]), ""),
        (json!(["command", 0, "where"]), ""),
        (json!(["command", "1", "where"]), ""),
        (json!(["command", big, "where"]), ""),
        (json!(["command", 1, "fly"]), "fly"),
        (json!(["command", 1, { "count": "one" }]), ""),
        (json!(["command", 1, { "count": 1, "refuse": "x" }]), ""),
        (json!(["input", 1, { "go": [1] }]), ""),
        (json!(["input", 1, { "go": ["a", "b"] }]), ""),
        (json!(["input", 0, { "go": [1, 2] }]), ""),
        (json!(["publish", 1, {}]), ""),
        (json!(["publish"]), "publish"),
    ] {
        check(
            &server,
            Codec::Json,
            &json_message(&message),
            "bad_message",
            words,
        );
        check(
            &server,
            Codec::MessagePack,
            &vec![(FIN | BINARY, msgpack(&message))],
            "bad_message",
            "",
        );
    }
}

#[test]
fn messages_that_are_out_of_turn() {
    let server = TestServer::start();
    for (message, words) in [
        (json!(["hello", { "name": "mallory" }]), "hello"),
        (json!(["command", 2, "where"]), "1"),
        (json!(["command", 1_000_000, "where"]), "1"),
    ] {
        check(
            &server,
            Codec::Json,
            &json_message(&message),
            "bad_message",
            words,
        );
    }
}

#[test]
fn bytes_that_are_no_json() {
    let server = TestServer::start();
    for bytes in [
        &b""[..],
        b"[",
        b"nonsense",
        b"[\"ping\", 1]]",
        b"[\"ping\", 1] [\"ping\", 2]",
        b"[\"ping\", 01]",
        b"[\"ping\", NaN]",
        b"\xFF\xFE",
        b"[\"ping\xC3\x28\", 1]",
        b"[\"command\", 1, {\"refuse\": \"\xED\xA0\x80\"}]",
    ] {
        check(
            &server,
            Codec::Json,
            &vec![(FIN | TEXT, bytes.to_vec())],
            "bad_message",
            "",
        );
    }
}

#[test]
fn bytes_that_are_no_messagepack() {
    let server = TestServer::start();
    for bytes in [
        &b""[..],
        b"\xC1",
        b"\x92\xA4ping",
        b"\x92\xA4ping\x01\x00",
        b"\xDD\xFF\xFF\xFF\xFF",
        b"\x92\xDB\xFF\xFF\xFF\xFFx",
        b"\x93\xA7command\x01\xDD\xFF\xFF\xFF\xFF",
        b"\x93\xA7command\x01\xC6\xFF\xFF\xFF\xFF",
        b"[\"ping\",1]",
    ] {
        let frames = vec![(FIN | BINARY, bytes.to_vec())];
        check(&server, Codec::MessagePack, &frames, "bad_message", "");
    }
}

#[test]
fn nesting_is_bounded_in_both_encodings() {
    let server = TestServer::start();
    let deep = 20_000;
    for payload in [
        ["[\"command\",1,", &"[".repeat(deep), &"]".repeat(deep), "]"].concat(),
        [
            "[\"command\",1,",
            &"{\"a\":".repeat(deep / 5),
            "1",
            &"}".repeat(deep / 5),
            "]",
        ]
        .concat(),
        "[".repeat(60_000),
    ] {
        let frames = vec![(FIN | TEXT, payload.into_bytes())];
        check(&server, Codec::Json, &frames, "bad_message", "");
    }
    let nested = [&b"\x93\xA7command\x01"[..], &vec![0x91; 60_000], &[0xC0]].concat();
    check(
        &server,
        Codec::MessagePack,
        &vec![(FIN | BINARY, nested)],
        "bad_message",
        "",
    );
}

#[test]
fn the_wrong_type_of_message_for_the_codec() {
    let server = TestServer::start();
    let ping = json!(["ping", 1]);
    let binary = vec![(FIN | BINARY, msgpack(&ping))];
    check(
        &server,
        Codec::Json,
        &binary,
        "bad_message",
        "messages are text",
    );
    check(
        &server,
        Codec::MessagePack,
        &json_message(&ping),
        "bad_message",
        "messages are binary",
    );
}

#[test]
fn framing_that_breaks_rfc_6455() {
    let server = TestServer::start();
    let ping = text(&json!(["ping", 1]));
    for (frames, words) in [
        (vec![(FIN | 0x40 | TEXT, ping.clone())], "reserved bits"),
        (vec![(FIN | 3, ping.clone())], "opcode"),
        (vec![(FIN, ping.clone())], "without a beginning"),
        (
            vec![(TEXT, ping.clone()), (FIN | TEXT, ping.clone())],
            "inside a fragmented",
        ),
        (vec![(PING, Vec::new())], "may not be fragmented"),
        (vec![(FIN | PING, vec![0; 126])], "125 bytes"),
        (vec![(FIN | CLOSE, vec![0])], "two bytes"),
    ] {
        check(&server, Codec::Json, &frames, "bad_message", words);
    }
    let mut client = server.enter(Codec::Json, "ann");
    client.send_raw(&[FIN | TEXT, 2, b'[', b']']);
    let (code, message) = client.receive_error();
    assert_eq!(code, "bad_message");
    assert!(message.contains("masked"), "{message}");
}

#[test]
fn a_message_too_large_is_refused_by_its_header() {
    let server = TestServer::start();
    let limit = 65_536;
    let words = "may have 65536 bytes";
    for codec in Codec::ALL {
        let opcode = if codec.is_text() { TEXT } else { BINARY };
        check(
            &server,
            codec,
            &vec![(FIN | opcode, vec![b' '; limit + 1])],
            "too_large",
            words,
        );
        let parts = vec![(opcode, vec![b' '; limit]), (FIN, vec![b' '])];
        check(&server, codec, &parts, "too_large", words);
    }
    // A gigabyte is announced and never comes: it is not waited for.
    let mut client = server.enter(Codec::Json, "ann");
    let announced = [
        &[FIN | TEXT, 0xFF][..],
        &(1_u64 << 30).to_be_bytes(),
        &[0; 4],
    ]
    .concat();
    client.send_raw(&announced);
    let (code, message) = client.receive_error();
    assert_eq!(code, "too_large");
    assert!(message.contains("1073741824") && message.contains("gateway.max_message_bytes"));
}

#[test]
fn well_formed_oddities_are_taken() {
    let server = TestServer::start();
    let mut client = server.enter(Codec::Json, "ann");
    let pong = |client: &mut Client, nonce: u64| {
        assert_eq!(client.receive_kind("pong")[1], json!(nonce));
    };
    let message = text(&json!(["ping", 7]));
    for (at, byte) in message.iter().enumerate() {
        let first = if at == 0 { TEXT } else { 0 };
        client.send_frame(first, &[*byte]);
        client.send_frame(FIN | PING, b"between");
    }
    client.send_frame(FIN, b"");
    pong(&mut client, 7);
    client.send_payload(b" [ \"ping\" , 8 ] ");
    pong(&mut client, 8);
    // Byte by byte.
    for byte in crate::support::wire::frame(FIN | TEXT, &text(&json!(["ping", 9]))) {
        client.send_raw(&[byte]);
    }
    pong(&mut client, 9);
    // As large as a message may be.
    let padded = format!("{}[\"ping\",10]", " ".repeat(65_536 - 11));
    client.send_payload(padded.as_bytes());
    pong(&mut client, 10);
}

#[test]
fn a_websocket_ping_is_answered_with_its_bytes_and_a_close_with_a_close() {
    let server = TestServer::start();
    let mut client = server.connect(Codec::Json);
    client.send_frame(FIN | PING, b"before hello");
    assert_eq!(client.frame(), Some((10, b"before hello".to_vec())));
    client.hello("ann");
    client.send_frame(FIN | CLOSE, &[]);
    loop {
        match client.frame() {
            Some((CLOSE, payload)) => {
                assert_eq!(payload, 1000_u16.to_be_bytes());
                break;
            }
            Some(_) => {}
            None => panic!("closed without a close frame"),
        }
    }
}
