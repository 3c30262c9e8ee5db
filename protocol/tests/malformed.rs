//! Lives here: bytes that are no message, and the words with which each is refused.

use proptest::prelude::*;
use protocol::{Codec, DecodeError, Frame, Incoming, MAX_DEPTH, MAX_ERROR_CHARS, ServerMessage};
use serde_json::{Value, json};

use crate::payloads::{Message, Reply};

fn refusal(codec: Codec, bytes: &[u8]) -> String {
    match Message::decode(codec, bytes) {
        Err(error) => error.to_string(),
        Ok(message) => panic!("{codec} {bytes:02x?} was read as {message:?}"),
    }
}

/// Checks a wrong message that both codecs can express.
#[track_caller]
fn check(message: &Value, words: &str) {
    let json = refusal(Codec::Json, message.to_string().as_bytes());
    assert!(json.contains(words), "json {message}: {json}");
    let msgpack = refusal(Codec::MessagePack, &rmp_serde::to_vec(message).unwrap());
    // rmp-serde names what it found inside a payload, but not what it looked for.
    let mismatch = msgpack.contains("where another type is expected");
    assert!(
        msgpack.contains(words) || mismatch,
        "msgpack {message}: {msgpack}"
    );
}

#[test]
fn every_wrong_beginning_is_named() {
    for (message, words) in [
        (
            json!(null),
            "expected a message: an array whose first element is its kind",
        ),
        (json!({}), "expected a message"),
        (json!("hello"), "expected a message"),
        (json!([]), "the kind of the message is missing"),
        (
            json!([7]),
            "expected a kind of message: hello, command, input",
        ),
        (json!(["frame"]), "\"frame\", expected a kind of message"),
        (json!([["bye"]]), "expected a kind of message"),
        (json!(["hello"]), "the object of hello is missing"),
        (json!(["hello", null]), "expected hello's object"),
        (json!(["hello", ["bob"]]), "expected hello's object"),
        (json!(["hello", {"name": 5}]), "expected a string"),
        (
            json!(["hello", {"last": -1}]),
            "expected a whole number from 0",
        ),
        (
            json!(["hello", {}, 1]),
            "more elements than its kind allows",
        ),
    ] {
        check(&message, words);
    }
}

#[test]
fn every_wrong_message_is_named() {
    for (message, words) in [
        (json!(["command"]), "the number of the command is missing"),
        (
            json!(["command", 1]),
            "the payload of the command is missing",
        ),
        (
            json!(["command", 0, "me"]),
            "expected a whole number from 1 to 9007199254740991",
        ),
        (
            json!(["command", -1, "me"]),
            "expected a whole number from 1",
        ),
        (
            json!(["command", 1.5, "me"]),
            "expected a whole number from 1",
        ),
        (
            json!(["command", 9_007_199_254_740_992_u64, "me"]),
            "expected a whole number from 1",
        ),
        (
            json!(["command", "1", "me"]),
            "expected a whole number from 1",
        ),
        (json!(["command", 1, "fly"]), "unknown variant `fly`"),
        (json!(["command", 1, {"pick": "x"}]), "expected u64"),
        (
            json!(["command", 1, {"give": {"to": 1}}]),
            "missing field `gold`",
        ),
        (
            json!(["command", 1, "me", 2]),
            "more elements than its kind allows",
        ),
        (
            json!(["input", 1, {"go": [1.0]}]),
            "expected an array of length 2",
        ),
        (json!(["input", 1, {"go": [1.0, "x"]}]), "expected f64"),
        (json!(["publish", 1, "x"]), "expected a string"),
        (
            json!(["publish", "world"]),
            "the payload to publish is missing",
        ),
        (json!(["ack"]), "the number of ack is missing"),
        (json!(["ack", null]), "expected a whole number from 0"),
        (json!(["ping", 1, 2]), "more elements than its kind allows"),
        (json!(["bye", 1]), "more elements than its kind allows"),
    ] {
        check(&message, words);
    }
}

#[test]
fn what_only_json_can_get_wrong() {
    for (text, words) in [
        ("", "EOF"),
        ("[\"bye\"", "EOF"),
        ("[\"bye\"] 1", "trailing characters"),
        ("[\"bye\",]", "trailing comma"),
        ("['bye']", "expected value"),
        ("[\"ping\", NaN]", "expected"),
        ("[\"ping\", 1e999]", "number out of range"),
        (
            "[\"hello\", {\"name\": \"a\", \"name\": \"b\"}]",
            "hello has `name` twice",
        ),
        ("[\"hello\", {\"name\": \"\\ud800\"}]", "hex escape"),
    ] {
        let refusal = refusal(Codec::Json, text.as_bytes());
        assert!(refusal.contains(words), "{text}: {refusal}");
    }
    assert!(!refusal(Codec::Json, b"[\"hello\", {\"name\": \"\xff\"}]").is_empty());
}

#[test]
fn what_only_msgpack_can_get_wrong() {
    for (bytes, words) in [
        (&b""[..], "ends before"),
        (b"\x91", "ends before"),
        (b"\x91\xa3by", "ends before"),
        (b"\x91\xa3bye\x00", "1 bytes follow"),
        (b"\xc1", "0xc1"),
        // Lengths that lie: 4 billion elements, bytes and pairs.
        (b"\xdd\xff\xff\xff\xff\xa3bye", "ends before"),
        (b"\x92\xa4ping\xdb\xff\xff\xff\xff", "ends before"),
        (b"\x92\xa5hello\xdf\xff\xff\xff\xff", "ends before"),
        (b"\x92\xa5hello\xc9\xff\xff\xff\xff\x01", "ends before"),
        // A text in bytes, a text that is not UTF-8, an extension as a number.
        (b"\x91\xc4\x03bye", "expected a kind of message"),
        (b"\x93\xa7publish\xa1\xff\xa1x", "utf8"),
        (b"\x92\xa4ping\xd4\x01\x01", ""),
        // An enum in an array of one reaches for its neighbour.
        (b"\x93\xa5input\x01\x91\xa4stop", ""),
        (b"\x94\xa5input\x01\x91\xa4stop\xc0", ""),
    ] {
        let refusal = refusal(Codec::MessagePack, bytes);
        assert!(refusal.contains(words), "{bytes:02x?}: {refusal}");
    }
}

#[test]
fn nesting_is_bounded_wherever_it_hides() {
    let deep = 100_000;
    let nested = |prefix: &str, open: &str, close: &str| {
        format!("{prefix}{}{}", open.repeat(deep), close.repeat(deep))
    };
    for text in [
        nested("", "[", "]"),
        nested("[\"command\",1,", "[", "]]"),
        nested("[\"hello\",{\"unknown\":", "{\"a\":", "}"),
    ] {
        assert!(refusal(Codec::Json, text.as_bytes()).contains("nests deeper than 32"));
    }
    for open in [
        &b"\x91"[..],
        b"\x81\xa1a",
        b"\xdd\x00\x00\x00\x01",
        b"\xde\x00\x01\x01",
    ] {
        let bytes = [
            b"\x92\xa5hello\x81\xa1a",
            open.repeat(deep).as_slice(),
            b"\xc0",
        ]
        .concat();
        assert!(refusal(Codec::MessagePack, &bytes).contains("nests deeper than 32"));
    }
    // The deepest that is allowed is read: hello's array and object, then so many more.
    let inside = MAX_DEPTH - 2;
    let text = format!(
        "[\"hello\",{{\"unknown\":{}{}}}]",
        "[".repeat(inside),
        "]".repeat(inside)
    );
    Message::decode(Codec::Json, text.as_bytes()).unwrap();
    let mut bytes = b"\x92\xa5hello\x81\xa7unknown".to_vec();
    bytes.extend(b"\x91".repeat(inside - 1));
    bytes.push(0x90);
    Message::decode(Codec::MessagePack, &bytes).unwrap();
}

#[test]
fn a_refusal_is_short_however_long_the_message() {
    let text = format!("[\"command\",1,\"{}\"]", "é".repeat(100_000));
    assert!(refusal(Codec::Json, text.as_bytes()).chars().count() <= MAX_ERROR_CHARS + 1);
}

#[test]
fn a_frame_with_wrong_parts_is_refused_and_leaves_nothing() {
    let mut frame = Frame::default();
    for text in [
        r#"["frame",1,0,1]"#,
        r#"["frame",1,0,1,[[1,0,[],[]]],5]"#,
        r#"["event",1,0,1,[]]"#,
        r#"["frame",1,0,1,[[1,0,[]]]]"#,
        r#"["frame",1,0,1,[[1,0,[[1,2]],[]]]]"#,
        r#"["frame",1,0,1,[[1,0,[[1,2,3,4,5]],[]]]]"#,
        r#"["frame",1,0,1,[[1,0,[[1,2,"x"]],[]]]]"#,
        r#"["frame",1,0,1,[[1,0,[],[[1]]]]]"#,
        r#"["frame",-1,0,1,[]]"#,
    ] {
        let value: Value = serde_json::from_str(text).unwrap();
        let bytes = rmp_serde::to_vec(&value).unwrap();
        for (codec, bytes) in [
            (Codec::Json, text.as_bytes().to_vec()),
            (Codec::MessagePack, bytes),
        ] {
            assert!(frame.read(codec, bytes.into()).is_err(), "{codec} {text}");
            assert!(
                frame.cells().is_empty() && frame.tick == 0,
                "{codec} {text}"
            );
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for codec in Codec::ALL {
            let read: Result<Message, DecodeError> = Message::decode(codec, &bytes);
            drop(read);
            drop(ServerMessage::<Reply>::decode(codec, &bytes));
            drop(Incoming::decode(codec, bytes.clone().into()));
            drop(Frame::default().read(codec, bytes.clone().into()));
        }
    }

    /// One byte of a right message changed: the readers meet almost-right input, too.
    #[test]
    fn damaged_messages_never_panic(place in 0_usize..1000, byte: u8, which in 0_usize..1000) {
        let vectors = crate::vectors::recorded();
        let vector = &vectors[which % vectors.len()];
        for (codec, mut bytes) in vector.encoded() {
            let length = bytes.len();
            bytes[place % length] = byte;
            let read: Result<Message, DecodeError> = Message::decode(codec, &bytes);
            drop(read);
            drop(Incoming::decode(codec, bytes.clone().into()));
            drop(Frame::default().read(codec, bytes.into()));
        }
    }
}
