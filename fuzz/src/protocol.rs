//! Lives here: what must hold for any bytes as a message: it is refused with words, or it is a
//! message that can be written again and is then the same, in both encodings.
//! Not here: WebSocket frames (`websocket`), what a session makes of messages.

use ::protocol::{
    ClientMessage, Codec, Frame, Incoming, MAX_ERROR_CHARS, RawPayload, ServerMessage,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Commands of every shape that worlds use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Command {
    Me,
    Pick(u64),
    Say(String),
    Give { to: u64, gold: i64 },
    Txn(Vec<(Verb, u64, Option<i64>)>),
    Deep(Vec<Command>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verb {
    R,
    Append,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Input {
    Stop,
    Go([f64; 2]),
}

type Message = ClientMessage<Command, Input, String>;

/// Reads the bytes behind the first as whatever may come over a socket; the first says how.
pub fn run(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else {
        return;
    };
    let codec = [Codec::MessagePack, Codec::Json][usize::from(choice & 1)];
    match choice >> 1 & 3 {
        0 | 1 => client(codec, bytes),
        2 => server(codec, bytes),
        _ => frame(codec, bytes),
    }
}

fn client(codec: Codec, bytes: &[u8]) {
    match Message::decode(codec, bytes) {
        Err(error) => words_are_short(&error.to_string()),
        Ok(message) => {
            for codec in [Codec::MessagePack, Codec::Json] {
                if codec == Codec::Json && !is_finite(&message) {
                    // JSON has no NaN and no infinity, which MessagePack has.
                    continue;
                }
                let written = message.encode(codec).expect("what was read can be written");
                let again = Message::decode(codec, &written);
                let again = again.unwrap_or_else(|e| panic!("{codec}: {message:?}: {e}"));
                assert_eq!(format!("{again:?}"), format!("{message:?}"), "{codec}");
            }
        }
    }
}

fn is_finite(message: &Message) -> bool {
    match message {
        ClientMessage::Input {
            payload: Input::Go(to),
            ..
        } => to.iter().all(|part| part.is_finite()),
        _ => true,
    }
}

fn server(codec: Codec, bytes: &[u8]) {
    match Incoming::decode(codec, Bytes::copy_from_slice(bytes)) {
        Err(error) => words_are_short(&error.to_string()),
        Ok(Incoming::Frame(bytes)) => frame(codec, &bytes),
        Ok(Incoming::Message(message)) => {
            if let ServerMessage::Event { payload, .. } = &message {
                payload_is_read(payload);
            }
        }
    }
    if let Err(error) = ServerMessage::<Command>::decode(codec, bytes) {
        words_are_short(&error.to_string());
    }
}

fn frame(codec: Codec, bytes: &[u8]) {
    let mut frame = Frame::default();
    match frame.read(codec, Bytes::copy_from_slice(bytes)) {
        Err(error) => {
            words_are_short(&error.to_string());
            assert!(frame.cells().is_empty(), "half a frame is left");
        }
        Ok(()) => {
            for cell in frame.cells() {
                for entity in frame.entities(cell) {
                    if let Some(view) = frame.view(entity) {
                        payload_is_read(&view);
                    }
                }
            }
        }
    }
}

fn payload_is_read(payload: &RawPayload) {
    if let Err(error) = payload.decode::<Command>() {
        words_are_short(&error.to_string());
    }
}

/// Words about a stranger's bytes are bounded, whatever the bytes are.
fn words_are_short(words: &str) {
    let most = MAX_ERROR_CHARS * 2;
    assert!(words.chars().count() <= most, "{} characters", words.len());
}
