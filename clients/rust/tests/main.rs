//! Tests of the client against a server of a few lines, which says and hears what each test wants.
//! Not here: the real server; its own tests use this client.

#![allow(clippy::unwrap_used, reason = "a test that fails shows the line")]

mod peer;

use brightstar_client::{
    ACK_EVERY, Client, ClientError, Codec, Connection, ErrorCode, Frame, Hello, MAX_UNANSWERED,
    ReplyError, Update,
};
use peer::{Command, Event, Heard, Input, Peer, Told, Town, welcome};
use protocol::{CellPart, ClientMessage, EntityPart, ServerMessage, frame};

type Connected = (Connection<Town>, Peer);

async fn connected(codec: Codec) -> Connected {
    let (url, listener) = peer::listen().await;
    let (connection, peer) = tokio::join!(
        Connection::connect(&url, codec, Hello::guest("zoe")),
        Peer::greet(&listener, welcome(false, 0))
    );
    (connection.unwrap(), peer)
}

async fn client(codec: Codec) -> (Client<Town>, brightstar_client::Updates<Town>, Peer) {
    let (url, listener) = peer::listen().await;
    let (client, peer) = tokio::join!(
        Client::connect(&url, codec, Hello::guest("zoe")),
        Peer::greet(&listener, welcome(false, 0))
    );
    let (client, updates) = client.unwrap();
    (client, updates, peer)
}

fn reply(seq: u64, gold: u64) -> Told {
    ServerMessage::Reply {
        seq,
        outcome: Ok(gold.into()),
    }
}

fn event(n: u64) -> Told {
    ServerMessage::Event {
        n,
        payload: serde_json::json!({ "said": n.to_string() }),
    }
}

#[tokio::test]
async fn commands_are_pipelined_and_each_gets_its_own_outcome() {
    for codec in Codec::ALL {
        let (client, _updates, mut peer) = client(codec).await;
        let first = client.submit(Command::Me).await.unwrap();
        let second = client.submit(Command::Pick(5)).await.unwrap();
        let third = client.submit(Command::Pick(6)).await.unwrap();
        for (seq, payload) in [
            (1, Command::Me),
            (2, Command::Pick(5)),
            (3, Command::Pick(6)),
        ] {
            assert_eq!(peer.hear().await, ClientMessage::Command { seq, payload });
        }
        let refused = ReplyError {
            code: ErrorCode::Refused,
            message: "gone".into(),
        };
        peer.say(ServerMessage::Reply {
            seq: 2,
            outcome: Err(refused.clone()),
        })
        .await;
        peer.say(reply(1, 10)).await;
        peer.say(reply(3, 30)).await;
        assert_eq!(first.await.unwrap(), Ok(10));
        assert_eq!(second.await.unwrap(), Err(refused));
        assert_eq!(third.await.unwrap(), Ok(30));
    }
}

#[tokio::test]
async fn inputs_are_numbered_and_pings_are_timed() {
    let (client, _updates, mut peer) = client(Codec::MessagePack).await;
    client.input(Input::Go([1.0, 2.0])).await.unwrap();
    client.input(Input::Stop).await.unwrap();
    let go = Input::Go([1.0, 2.0]);
    assert_eq!(
        peer.hear().await,
        ClientMessage::Input {
            seq: 1,
            payload: go
        }
    );
    assert_eq!(
        peer.hear().await,
        ClientMessage::Input {
            seq: 2,
            payload: Input::Stop
        }
    );
    let (pong, ()) = tokio::join!(client.ping(), async {
        let ClientMessage::Ping(nonce) = peer.hear().await else {
            panic!("no ping")
        };
        peer.say(ServerMessage::Pong {
            nonce,
            server_ms: 5,
        })
        .await;
    });
    pong.unwrap();
}

#[tokio::test]
async fn events_come_in_order_and_are_acknowledged() {
    let (mut connection, mut peer) = connected(Codec::Json).await;
    for n in 1..=ACK_EVERY {
        peer.say(event(n)).await;
    }
    for expected in 1..=ACK_EVERY {
        let Ok(Update::Event {
            n,
            event: Event::Said(text),
        }) = connection.next().await
        else {
            panic!("no event");
        };
        assert_eq!((n, text), (expected, expected.to_string()));
    }
    // The acknowledgement is flushed with the next thing that is awaited.
    let (heard, update) = tokio::join!(
        async {
            let heard = peer.hear().await;
            peer.say(event(ACK_EVERY + 1)).await;
            heard
        },
        connection.next()
    );
    assert_eq!(heard, ClientMessage::Ack(ACK_EVERY));
    assert!(matches!(update, Ok(Update::Event { .. })));
}

#[tokio::test]
async fn a_resumed_session_sends_unanswered_commands_again_and_hears_no_event_twice() {
    for codec in Codec::ALL {
        let (url, listener) = peer::listen().await;
        let (connection, mut peer) = tokio::join!(
            Connection::<Town>::connect(&url, codec, Hello::guest("zoe")),
            Peer::greet(&listener, welcome(false, 7))
        );
        let mut connection = connection.unwrap();
        for payload in [Command::Me, Command::Pick(1), Command::Pick(2)] {
            connection.command(&payload).await.unwrap();
        }
        peer.say(event(1)).await;
        peer.say(reply(9, 1)).await;
        assert!(matches!(
            connection.next().await,
            Ok(Update::Event { n: 1, .. })
        ));
        assert!(matches!(
            connection.next().await,
            Ok(Update::Reply { seq: 9, .. })
        ));
        // Commands that the peer has not read make this a reset, not a close.
        drop(peer);
        connection.next().await.unwrap_err();

        let mut resume = connection.into_resume();
        assert_eq!(resume.unanswered().collect::<Vec<_>>(), [8, 10]);
        // A try that fails costs nothing.
        let nowhere = Connection::<Town>::resume("ws://127.0.0.1:1/v1/ws", &mut resume);
        nowhere.await.unwrap_err();
        let (connection, mut peer) = tokio::join!(
            Connection::<Town>::resume(&url, &mut resume),
            Peer::greet(&listener, welcome(true, 8))
        );
        assert_eq!(peer.hello, Hello::resume("token", 1));
        let mut connection = connection.unwrap();
        // Event 1 was on its way when the link broke, and comes again; so does the reply to 8.
        for told in [
            event(1),
            event(2),
            reply(8, 80),
            reply(8, 80),
            reply(10, 100),
        ] {
            peer.say(told).await;
        }
        let again = connection.command(&Command::Me);
        assert_eq!(again.await.unwrap(), 11);
        let mut updates = Vec::new();
        for _ in 0..3 {
            updates.push(match connection.next().await.unwrap() {
                Update::Event { n, .. } => ("event", n),
                Update::Reply { seq, .. } => ("reply", seq),
                other => panic!("{other:?}"),
            });
        }
        assert_eq!(updates, [("event", 2), ("reply", 8), ("reply", 10)]);
        for (seq, payload) in [(8, Command::Me), (10, Command::Pick(2)), (11, Command::Me)] {
            assert_eq!(peer.hear().await, ClientMessage::Command { seq, payload });
        }
    }
}

/// A command that could not be written any more once had a number and was known to nobody but the
/// connection: its reply, after the resume, was to a question that nobody had asked.
#[tokio::test]
async fn a_command_on_a_socket_that_has_failed_has_its_number_and_is_sent_on_the_next() {
    let (url, listener) = peer::listen().await;
    let (connection, peer) = tokio::join!(
        Connection::<Town>::connect(&url, Codec::Json, Hello::guest("zoe")),
        Peer::greet(&listener, welcome(false, 0))
    );
    let mut connection = connection.unwrap();
    drop(peer);
    let mut asked = vec![connection.command(&Command::Me).await.unwrap()];
    while connection.flush().await.is_ok() {
        asked.push(connection.command(&Command::Me).await.unwrap());
    }
    asked.push(connection.command(&Command::Pick(7)).await.unwrap());
    connection.next().await.unwrap_err();
    let mut resume = connection.into_resume();
    assert_eq!(resume.unanswered().collect::<Vec<_>>(), asked);
    assert_eq!(Some(&resume.last_command()), asked.last());
    let (connection, mut peer) = tokio::join!(
        Connection::<Town>::resume(&url, &mut resume),
        Peer::greet(&listener, welcome(true, 0))
    );
    let mut connection = connection.unwrap();
    connection.flush().await.unwrap();
    for seq in &asked {
        assert!(matches!(peer.hear().await, Heard::Command { seq: heard, .. } if heard == *seq));
    }
}

#[tokio::test]
async fn a_session_that_is_gone_is_not_resumed_as_another() {
    let (connection, peer) = connected(Codec::Json).await;
    drop(peer);
    let (url, listener) = peer::listen().await;
    let mut resume = connection.into_resume();
    let (connection, _peer) = tokio::join!(
        Connection::<Town>::resume(&url, &mut resume),
        Peer::greet(&listener, welcome(false, 0))
    );
    assert!(matches!(connection, Err(ClientError::SessionLost)));
}

#[tokio::test]
async fn a_client_ends_with_the_servers_word_and_says_how_to_go_on() {
    let (client, mut updates, mut peer) = client(Codec::MessagePack).await;
    let pending = client.submit(Command::Me).await.unwrap();
    assert!(matches!(peer.hear().await, Heard::Command { seq: 1, .. }));
    peer.say(event(1)).await;
    let message = "reads too slowly".to_owned();
    peer.say(ServerMessage::Error {
        code: ErrorCode::TooSlow,
        message,
    })
    .await;
    assert!(matches!(pending.await, Err(ClientError::Stopped)));
    assert!(matches!(
        updates.next().await,
        Some(Update::Event { n: 1, .. })
    ));
    assert!(updates.next().await.is_none());
    let (error, resume) = updates.error().unwrap();
    assert_eq!(error.cause(), "too_slow");
    assert_eq!(resume.unwrap().unanswered().collect::<Vec<_>>(), [1]);
    assert!(matches!(
        client.command(Command::Me).await,
        Err(ClientError::Stopped)
    ));
}

#[tokio::test]
async fn bye_waits_for_the_server() {
    let (client, mut updates, mut peer) = client(Codec::Json).await;
    let (done, heard) = tokio::join!(client.bye(), async move {
        // Drops the socket when it has heard.
        peer.hear().await
    });
    assert_eq!(heard, ClientMessage::Bye);
    done.unwrap();
    assert!(updates.next().await.is_none());
    assert!(updates.error().is_none());
}

#[tokio::test]
async fn a_refused_login_tells_the_code() {
    let (url, listener) = peer::listen().await;
    let (connection, ()) = tokio::join!(
        Connection::<Town>::connect(&url, Codec::Json, Hello::default()),
        Peer::refuse(&listener, ErrorCode::BadLogin)
    );
    let error = connection.unwrap_err();
    assert_eq!(error.to_string(), "bad_login: no");
    assert_eq!(error.retry(), brightstar_client::Retry::Never);
}

#[tokio::test]
async fn frames_are_read_into_the_same_buffers() {
    for codec in Codec::ALL {
        let (mut connection, mut peer) = connected(codec).await;
        let mut view = Frame::default();
        for tick in 1..=3 {
            let entity = EntityPart {
                id: 5,
                x: 1.25,
                y: 2.5,
                view: None,
            };
            let part = CellPart::encode(codec, tick * 10, false, [entity], []);
            peer.raw(frame(codec, tick, 0, 1.0, [&*part].into_iter()))
                .await;
            let Ok(Update::Frame(encoded)) = connection.next().await else {
                panic!("no frame")
            };
            encoded.read(&mut view).unwrap();
            let cell = &view.cells()[0];
            assert_eq!((view.tick, cell.cell), (tick, tick * 10));
            assert_eq!(view.entities(cell)[0].x.to_string(), "1.25");
        }
    }
}

#[tokio::test]
async fn what_is_no_message_ends_the_connection() {
    let (mut connection, mut peer) = connected(Codec::MessagePack).await;
    peer.raw(b"\xdd\xff\xff\xff\xff"[..].into()).await;
    assert!(matches!(
        connection.next().await,
        Err(ClientError::Decode(_))
    ));
    let (mut connection, mut peer) = connected(Codec::Json).await;
    peer.say(ServerMessage::Welcome(welcome(false, 0))).await;
    assert!(matches!(
        connection.next().await,
        Err(ClientError::OutOfTurn)
    ));
}

#[tokio::test]
async fn commands_without_replies_are_bounded() {
    let (mut connection, peer) = connected(Codec::MessagePack).await;
    let reader = tokio::spawn(peer.swallow());
    for _ in 0..MAX_UNANSWERED {
        connection.command(&Command::Me).await.unwrap();
    }
    let error = connection.command(&Command::Me).await.unwrap_err();
    assert!(matches!(error, ClientError::WindowFull(MAX_UNANSWERED)));
    drop(connection);
    reader.await.unwrap();
}

#[tokio::test]
async fn what_is_said_on_channels_is_sent_and_heard_among_events_and_once() {
    for codec in Codec::ALL {
        let (client, mut updates, mut peer) = client(codec).await;
        client.publish("world", "hi").await.unwrap();
        let heard = peer.hear().await;
        assert_eq!(
            heard,
            ClientMessage::Publish {
                channel: "world".into(),
                payload: "hi".into()
            }
        );
        let said = |n| ServerMessage::Channel {
            n,
            name: "world".into(),
            from: Some(7),
            payload: serde_json::json!("hi"),
        };
        for told in [event(1), said(2), said(2), event(2), said(3)] {
            peer.say(told).await;
        }
        let mut numbers = Vec::new();
        while numbers.last() != Some(&3) {
            match updates.next().await.unwrap() {
                Update::Event { n, .. } => numbers.push(n),
                Update::Channel {
                    n,
                    name,
                    from,
                    payload,
                } => {
                    assert_eq!((&*name, from), ("world", Some(7)));
                    assert_eq!(payload.decode::<String>().unwrap(), "hi");
                    numbers.push(n);
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(numbers, [1, 2, 3]);
    }
}
