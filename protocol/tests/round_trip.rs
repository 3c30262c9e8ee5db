//! Lives here: whatever is written is read again as the same, in both codecs.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use protocol::{
    CellPart, ClientMessage, Codec, EntityPart, ErrorCode, Frame, Gone, Hello, Incoming,
    MAX_NUMBER, ReplyError, ServerMessage, Welcome, encode_view, frame,
};

use crate::payloads::{Command, Input, Message, Op, Reply, View};

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..=300_u64,
        60_000..=70_000_u64,
        Just(MAX_NUMBER),
        1..=MAX_NUMBER
    ]
}

fn count() -> impl Strategy<Value = u64> {
    number().prop_map(|number| number.max(1))
}

fn command() -> impl Strategy<Value = Command> {
    let op = (
        prop_oneof![Just(Op::R), Just(Op::Append)],
        number(),
        option::of(any::<i64>()),
    );
    prop_oneof![
        Just(Command::Me),
        number().prop_map(Command::Pick),
        any::<String>().prop_map(Command::Say),
        number().prop_map(|gold| Command::Drop { gold }),
        (number(), number()).prop_map(|(to, gold)| Command::Give { to, gold }),
        vec(op, 0..20).prop_map(Command::Txn),
    ]
}

fn client_message() -> impl Strategy<Value = Message> {
    let text = || option::of(any::<String>());
    let hello =
        (text(), text(), text(), option::of(number())).prop_map(|(name, token, resume, last)| {
            Hello {
                name,
                token,
                resume,
                last,
            }
        });
    let finite = -1e9..1e9_f64;
    let input = prop_oneof![
        Just(Input::Stop),
        (finite.clone(), finite).prop_map(|(x, y)| Input::Go([x, y]))
    ];
    prop_oneof![
        hello.prop_map(ClientMessage::Hello),
        (count(), command()).prop_map(|(seq, payload)| ClientMessage::Command { seq, payload }),
        (count(), input).prop_map(|(seq, payload)| ClientMessage::Input { seq, payload }),
        any::<(String, String)>()
            .prop_map(|(channel, payload)| ClientMessage::Publish { channel, payload }),
        number().prop_map(ClientMessage::Ack),
        number().prop_map(ClientMessage::Ping),
        Just(ClientMessage::Bye),
    ]
}

fn welcome() -> impl Strategy<Value = Welcome> {
    (
        any::<u128>(),
        any::<String>(),
        any::<bool>(),
        number(),
        1..=60_u32,
        option::of(number()),
    )
        .prop_map(
            |(session, resume, resumed, last_command, tick_hz, you)| Welcome {
                session: uuid::Uuid::from_u128(session),
                resume,
                resumed,
                last_command,
                tick_hz,
                cell: 32.0,
                view_radius: 96.5,
                you,
            },
        )
}

fn server_message() -> impl Strategy<Value = ServerMessage<Reply>> {
    let payload =
        || (number(), option::of(any::<String>())).prop_map(|(gold, note)| Reply { gold, note });
    let code = || proptest::sample::select(ErrorCode::ALL.to_vec());
    let error = (code(), any::<String>()).prop_map(|(code, message)| ReplyError { code, message });
    prop_oneof![
        welcome().prop_map(ServerMessage::Welcome),
        (count(), payload()).prop_map(|(seq, reply)| ServerMessage::Reply {
            seq,
            outcome: Ok(reply)
        }),
        (count(), error).prop_map(|(seq, error)| ServerMessage::Reply {
            seq,
            outcome: Err(error)
        }),
        (count(), payload()).prop_map(|(n, payload)| ServerMessage::Event { n, payload }),
        (count(), any::<String>(), option::of(number()), payload()).prop_map(
            |(n, name, from, payload)| ServerMessage::Channel {
                n,
                name,
                from,
                payload
            }
        ),
        vec(number(), 0..40).prop_map(ServerMessage::Forget),
        (number(), number())
            .prop_map(|(nonce, server_ms)| ServerMessage::Pong { nonce, server_ms }),
        any::<(String, String)>().prop_map(|(url, resume)| ServerMessage::Moved { url, resume }),
        (code(), any::<String>())
            .prop_map(|(code, message)| ServerMessage::Error { code, message }),
    ]
}

/// A cell as a test makes it: `(cell, full, entities, gone)`.
type Cell = (
    u64,
    bool,
    Vec<(u64, f32, f32, Option<View>)>,
    Vec<(u64, Option<u64>)>,
);

fn cell() -> impl Strategy<Value = Cell> {
    // Hundredths that both codecs carry exactly enough to compare.
    let metres = || (0..200_000_i32).prop_map(|hundredths| hundredths as f32 / 100.0);
    let view =
        (any::<String>(), option::of(any::<String>())).prop_map(|(k, name)| View { k, name });
    let entity = (number(), metres(), metres(), option::of(view));
    let gone = (number(), option::of(number()));
    (
        number(),
        any::<bool>(),
        vec(entity, 0..40),
        vec(gone, 0..20),
    )
}

fn encoded(codec: Codec, (cell, full, entities, gone): &Cell) -> CellPart {
    let views: Vec<_> = entities
        .iter()
        .map(|(.., view)| view.as_ref().map(|view| encode_view(codec, view).unwrap()))
        .collect();
    let entities = entities
        .iter()
        .zip(&views)
        .map(|(&(id, x, y, _), view)| EntityPart {
            id,
            x,
            y,
            view: view.as_deref(),
        });
    // The filter takes the exact length from the writer, which has to make do with a bound.
    let gone = gone
        .iter()
        .map(|&(id, to)| Gone { id, to })
        .filter(|gone| gone.id % 2 == 0);
    CellPart::encode(codec, *cell, *full, entities, gone)
}

fn read_back(frame: &Frame) -> Vec<Cell> {
    let entity = |e: &protocol::FrameEntity| {
        (
            e.id,
            e.x,
            e.y,
            frame.view(e).map(|view| view.decode().unwrap()),
        )
    };
    frame
        .cells()
        .iter()
        .map(|cell| {
            let entities = frame.entities(cell).iter().map(entity).collect();
            let gone = frame
                .gone(cell)
                .iter()
                .map(|gone| (gone.id, gone.to))
                .collect();
            (cell.cell, cell.full, entities, gone)
        })
        .collect()
}

proptest! {
    #[test]
    fn client_messages(message in client_message()) {
        for codec in Codec::ALL {
            let bytes = message.encode(codec).unwrap();
            prop_assert_eq!(&Message::decode(codec, &bytes).unwrap(), &message);
        }
    }

    #[test]
    fn server_messages(message in server_message()) {
        for codec in Codec::ALL {
            let bytes = message.encode(codec).unwrap();
            prop_assert_eq!(&ServerMessage::<Reply>::decode(codec, &bytes).unwrap(), &message);
            // The client's way: payloads stay raw until asked for.
            let Incoming::Message(raw) = Incoming::decode(codec, bytes).unwrap() else {
                panic!("no message");
            };
            prop_assert_eq!(raw.kind(), message.kind());
            if let (
                ServerMessage::Event { n, payload },
                ServerMessage::Event { n: expected, payload: reply },
            ) = (&raw, &message)
            {
                prop_assert_eq!((n, &payload.decode::<Reply>().unwrap()), (expected, reply));
            }
        }
    }

    #[test]
    fn frames(cells in vec(cell(), 0..20), tick in number(), input in number(), slow in 1..=10_u8) {
        let dilation = f32::from(slow) / 10.0;
        let mut frame_read = Frame::default();
        for codec in Codec::ALL {
            let parts: Vec<_> = cells.iter().map(|cell| encoded(codec, cell)).collect();
            let bytes = frame(codec, tick, input, dilation, parts.iter().map(|part| &**part));
            let Incoming::Frame(bytes) = Incoming::decode(codec, bytes).unwrap() else {
                panic!("no frame");
            };
            frame_read.read(codec, bytes).unwrap();
            let mut expected = cells.clone();
            for cell in &mut expected {
                cell.3.retain(|(id, _)| id % 2 == 0);
            }
            prop_assert_eq!(read_back(&frame_read), expected);
            prop_assert_eq!((frame_read.tick, frame_read.input_seq), (tick, input));
            prop_assert!((frame_read.dilation - dilation).abs() < 1e-6);
        }
    }
}

/// A list with more than 65,535 elements, and hints far from the truth, in both directions.
#[test]
fn long_lists_have_the_right_head() {
    for (count, kept) in [(70_000_u64, 70_000_u64), (70_000, 3), (20, 3), (17, 16)] {
        let gone = (0..count)
            .map(|id| Gone { id, to: None })
            .filter(|gone| gone.id < kept);
        let part = CellPart::encode(Codec::MessagePack, 1, false, [], gone);
        let bytes = frame(Codec::MessagePack, 1, 0, 1.0, [&*part].into_iter());
        let mut frame = Frame::default();
        frame.read(Codec::MessagePack, bytes).unwrap();
        assert_eq!(frame.gone(&frame.cells()[0]).len() as u64, kept);
    }
}

#[test]
fn tokens_are_not_printed() {
    let hello = Hello {
        token: Some("jwt-word".into()),
        ..Hello::resume("resume-word", 1)
    };
    let welcome = Welcome {
        session: uuid::Uuid::nil(),
        resume: "resume-word".into(),
        resumed: true,
        last_command: 0,
        tick_hz: 20,
        cell: 32.0,
        view_radius: 96.0,
        you: None,
    };
    let printed = format!("{hello:?} {welcome:?}");
    assert!(
        printed.contains("Secret") && !printed.contains("word"),
        "{printed}"
    );
}
