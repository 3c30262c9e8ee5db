//! Lives here: the recorded vectors, `protocol/vectors.json`: every kind of message in both
//! encodings. Clients in other languages test against the same file.
//!
//! Run with `BRIGHTSTAR_RECORD=1` to write the file anew after a wanted change of the protocol.

use std::path::Path;

use protocol::{
    CellPart, ClientMessage, Codec, EntityPart, ErrorCode, Frame, Gone, Hello, Incoming,
    MAX_NUMBER, ReplyError, ServerMessage, Welcome, encode_view, frame,
};
use serde::{Deserialize, Serialize};

use crate::payloads::{Command, Input, Message, Op, Reply, View};

/// One message, recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Vector {
    /// What it shows.
    pub name: String,
    /// Who sends it: `client` or `server`.
    pub from: String,
    /// The text of the JSON message.
    pub json: String,
    /// The bytes of the `MessagePack` message, in hexadecimal.
    pub msgpack: String,
}

impl Vector {
    fn new(name: &str, from: &str, encode: impl Fn(Codec) -> Vec<u8>) -> Self {
        let digit = |half: u8| char::from_digit(half.into(), 16).unwrap();
        let hex = |bytes: Vec<u8>| {
            bytes
                .iter()
                .flat_map(|byte| [byte >> 4, byte & 15])
                .map(digit)
                .collect()
        };
        Self {
            name: name.to_owned(),
            from: from.to_owned(),
            json: String::from_utf8(encode(Codec::Json)).unwrap(),
            msgpack: hex(encode(Codec::MessagePack)),
        }
    }

    /// The message in each codec.
    pub(crate) fn encoded(&self) -> [(Codec, Vec<u8>); 2] {
        let byte = |at| u8::from_str_radix(&self.msgpack[at..at + 2], 16).unwrap();
        let bytes = (0..self.msgpack.len()).step_by(2).map(byte).collect();
        [
            (Codec::MessagePack, bytes),
            (Codec::Json, self.json.clone().into_bytes()),
        ]
    }
}

fn path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors.json")
}

/// The recorded vectors.
pub(crate) fn recorded() -> Vec<Vector> {
    serde_json::from_str(&std::fs::read_to_string(path()).unwrap()).unwrap()
}

fn client_messages() -> Vec<(&'static str, Message)> {
    let command = |payload| ClientMessage::Command { seq: 1, payload };
    vec![
        (
            "hello of a guest",
            ClientMessage::Hello(Hello::guest("Zoë")),
        ),
        (
            "hello that resumes",
            ClientMessage::Hello(Hello::resume("4f2a", 300)),
        ),
        ("command without data", command(Command::Me)),
        (
            "command with a number",
            command(Command::Pick(2_251_799_813_685_249)),
        ),
        (
            "command with a text",
            command(Command::Say("hi \"you\" \u{1f411}".into())),
        ),
        (
            "command with an object",
            command(Command::Give {
                to: 70_000,
                gold: 5,
            }),
        ),
        (
            "command with nested lists",
            ClientMessage::Command {
                seq: MAX_NUMBER,
                payload: Command::Txn(vec![(Op::R, 1, None), (Op::Append, 1, Some(-7))]),
            },
        ),
        (
            "input",
            ClientMessage::Input {
                seq: 128,
                payload: Input::Go([1024.5, 2.25]),
            },
        ),
        (
            "input without data",
            ClientMessage::Input {
                seq: 129,
                payload: Input::Stop,
            },
        ),
        (
            "publish",
            ClientMessage::Publish {
                channel: "world".into(),
                payload: "hi".into(),
            },
        ),
        ("ack", ClientMessage::Ack(65_536)),
        ("ping", ClientMessage::Ping(0)),
        ("bye", ClientMessage::Bye),
    ]
}

fn server_messages() -> Vec<(&'static str, ServerMessage<Reply>)> {
    let welcome = Welcome {
        session: uuid::Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff),
        resume: "4f2a".into(),
        resumed: false,
        last_command: 0,
        tick_hz: 20,
        cell: 32.0,
        view_radius: 96.0,
        you: Some(2_251_799_813_685_249),
    };
    let reply = Reply {
        gold: 70_000,
        note: None,
    };
    let refused = ReplyError {
        code: ErrorCode::Refused,
        message: "too_far".into(),
    };
    let mut messages = farewells();
    messages.extend([
        ("welcome", ServerMessage::Welcome(welcome.clone())),
        (
            "welcome without an entity",
            ServerMessage::Welcome(Welcome {
                you: None,
                ..welcome
            }),
        ),
        (
            "reply",
            ServerMessage::Reply {
                seq: 1,
                outcome: Ok(reply.clone()),
            },
        ),
        (
            "reply that refuses",
            ServerMessage::Reply {
                seq: 2,
                outcome: Err(refused),
            },
        ),
        (
            "event",
            ServerMessage::Event {
                n: 9,
                payload: reply.clone(),
            },
        ),
        (
            "channel",
            ServerMessage::Channel {
                n: 10,
                name: "world".into(),
                from: Some(5),
                payload: reply,
            },
        ),
        ("forget", ServerMessage::Forget(vec![1, 200, 70_000])),
        (
            "pong",
            ServerMessage::Pong {
                nonce: 0,
                server_ms: 1_790_000_000_000,
            },
        ),
    ]);
    messages
}

/// The last messages on a socket.
fn farewells() -> Vec<(&'static str, ServerMessage<Reply>)> {
    vec![
        (
            "moved",
            ServerMessage::Moved {
                url: "ws://b.example:7777/v1/ws".into(),
                resume: "77".into(),
            },
        ),
        (
            "error",
            ServerMessage::Error {
                code: ErrorCode::BadMessage,
                message: "the payload of the command is missing".into(),
            },
        ),
    ]
}

fn recorded_frame(codec: Codec) -> Vec<u8> {
    let view = View {
        k: "player".into(),
        name: Some("Zoë".into()),
    };
    let view = encode_view(codec, &view).unwrap();
    let entities = [
        EntityPart {
            id: 7,
            x: 1024.5,
            y: 2.25,
            view: Some(&view),
        },
        EntityPart {
            id: 2_251_799_813_685_249,
            x: 0.0,
            y: 2047.75,
            view: None,
        },
    ];
    let gone = [
        Gone {
            id: 8,
            to: Some(131),
        },
        Gone { id: 9, to: None },
    ];
    let parts = [
        CellPart::encode(codec, 130, true, entities, []),
        CellPart::encode(codec, 70_000, false, [], gone),
    ];
    frame(codec, 1200, 128, 0.5, parts.iter().map(|part| &**part)).to_vec()
}

fn made() -> Vec<Vector> {
    let client = client_messages().into_iter().map(|(name, message)| {
        Vector::new(name, "client", |codec| {
            message.encode(codec).unwrap().to_vec()
        })
    });
    let server = server_messages().into_iter().map(|(name, message)| {
        Vector::new(name, "server", |codec| {
            message.encode(codec).unwrap().to_vec()
        })
    });
    let empty = |codec| frame(codec, 1, 0, 1.0, [].into_iter()).to_vec();
    let frames = [
        Vector::new("frame", "server", recorded_frame),
        Vector::new("frame without cells", "server", empty),
    ];
    client.chain(server).chain(frames).collect()
}

#[test]
fn messages_are_written_as_recorded() {
    if std::env::var_os("BRIGHTSTAR_RECORD").is_some() {
        let text = serde_json::to_string_pretty(&made()).unwrap() + "\n";
        std::fs::write(path(), text).unwrap();
    }
    let recorded = recorded();
    for vector in made() {
        let found = recorded.iter().find(|known| known.name == vector.name);
        assert_eq!(
            found,
            Some(&vector),
            "protocol/vectors.json differs in {:?}",
            vector.name
        );
    }
    assert_eq!(
        recorded.len(),
        made().len(),
        "protocol/vectors.json has entries of its own"
    );
}

#[test]
fn recorded_messages_are_read_as_they_were_meant() {
    let recorded = recorded();
    let bytes = |name: &str| {
        recorded
            .iter()
            .find(|vector| vector.name == name)
            .unwrap()
            .encoded()
    };
    for (name, message) in client_messages() {
        for (codec, bytes) in bytes(name) {
            assert_eq!(
                Message::decode(codec, &bytes).as_ref(),
                Ok(&message),
                "{name} {codec}"
            );
        }
    }
    for (name, message) in server_messages() {
        for (codec, bytes) in bytes(name) {
            assert_eq!(
                ServerMessage::decode(codec, &bytes).as_ref(),
                Ok(&message),
                "{name}"
            );
        }
    }
    for (codec, bytes) in bytes("frame") {
        let Ok(Incoming::Frame(bytes)) = Incoming::decode(codec, bytes.into()) else {
            panic!("no frame");
        };
        let mut frame = Frame::default();
        frame.read(codec, bytes).unwrap();
        let cells = frame.cells();
        assert_eq!((frame.tick, frame.input_seq, cells.len()), (1200, 128, 2));
        assert_eq!((cells[0].cell, cells[0].full), (130, true));
        let player = &frame.entities(&cells[0])[0];
        assert_eq!((player.id, player.x, player.y), (7, 1024.5, 2.25));
        assert_eq!(
            frame.view(player).unwrap().decode::<View>().unwrap().k,
            "player"
        );
        assert_eq!(frame.gone(&cells[1])[1], Gone { id: 9, to: None });
    }
}
