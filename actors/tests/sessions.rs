//! How sessions come, outlive their sockets, move, and go.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actors::{Cause, Settings};
use protocol::{ClientMessage, Codec, ErrorCode};
use tokio::time::timeout;

use crate::client::{Client, entry, resume};
use crate::yard::{Command, Host, Yard, elsewhere, run, settings, until};

#[test]
fn a_full_control_lane_closes_the_socket_but_not_the_session() {
    run(async {
        let host = Host::start(
            Yard::default(),
            Settings {
                control_lane: 8,
                ..settings()
            },
        )
        .await;
        let mut ann = Client::login(&host, "ann").await;
        ann.ask(Command::Log(1)).await.unwrap();
        let mut refused = None;
        for nonce in 0..100 {
            if let Err(refusal) = ann.say(ClientMessage::Ping(nonce)).await {
                refused = Some((nonce, refusal));
                break;
            }
        }
        let (sent, refusal) = refused.expect("it overflows");
        assert_eq!(refusal.code, ErrorCode::TooSlow);
        assert!(sent <= 10, "after {sent}");
        assert_eq!(ann.end().await.unwrap().code, ErrorCode::TooSlow);
        let mut ann = Client::enter(&host.runtime, resume(&ann.welcome.resume, 0))
            .await
            .unwrap();
        assert_eq!(ann.ask(Command::Read).await.unwrap(), [1]);
        host.stop().await;
    });
}

#[test]
fn events_are_sent_again_on_resume_and_tokens_are_good_once() {
    run(async {
        let host = Host::start(Yard::default(), settings()).await;
        let mut ann = Client::login(&host, "ann").await;
        ann.ask(Command::Events(5, 10)).await.unwrap();
        ann.until(|ann| ann.events.len() == 6).await;
        assert_eq!(
            ann.events,
            [(1, 0), (2, 10), (3, 11), (4, 12), (5, 13), (6, 14)]
        );
        ann.say(ClientMessage::Ack(2)).await.unwrap();
        ann.link.closed(Cause::Closed);
        let token = ann.welcome.resume;
        let mut ann = Client::enter(&host.runtime, resume(&token, 4))
            .await
            .unwrap();
        assert!(ann.welcome.resumed && ann.welcome.resume != token);
        ann.until(|ann| ann.events.len() == 2).await;
        assert_eq!(ann.events, [(5, 13), (6, 14)]);
        let refused = Client::enter(&host.runtime, resume(&token, 4))
            .await
            .err()
            .unwrap();
        assert_eq!(refused.code, ErrorCode::BadLogin);
        assert_eq!(
            ann.ask(Command::Log(1)).await.unwrap(),
            [1],
            "the thief changed nothing"
        );
        host.stop().await;
    });
}

#[test]
fn too_many_events_make_room_by_dropping_the_oldest() {
    run(async {
        let host = Host::start(
            Yard::default(),
            Settings {
                events_kept: 4,
                ..settings()
            },
        )
        .await;
        let mut ann = Client::login(&host, "ann").await;
        ann.ask(Command::Events(10, 1)).await.unwrap();
        ann.until(|ann| ann.events.last().is_some_and(|(n, _)| *n == 11))
            .await;
        assert_eq!(
            ann.events[ann.events.len() - 4..],
            [(8, 7), (9, 8), (10, 9), (11, 10)]
        );
        host.stop().await;
    });
}

#[test]
fn a_session_moves_to_another_thread_with_all_that_was_under_way() {
    run(async {
        let host = Host::start(Yard::default(), settings()).await;
        for round in 0..20 {
            let mut ann = Client::login(&host, "ann").await;
            ann.ask(Command::Log(round)).await.unwrap();
            for n in 0..30 {
                ann.send(Command::Events(1, n)).await;
            }
            // The socket is lost with everything unread; the answers come while it moves.
            let (token, runtime) = (ann.welcome.resume.clone(), host.runtime.clone());
            elsewhere(move || async move {
                let mut ann = Client::enter(&runtime, resume(&token, 0)).await.unwrap();
                assert!(ann.welcome.resumed);
                let done = ann.welcome.last_command;
                for seq in done + 1..=31 {
                    ann.send_as(seq, Command::Events(1, seq - 2)).await.unwrap();
                }
                // One that was answered just before it was sent again is answered twice.
                ann.until(|ann| {
                    (done + 1..=31).all(|seq| ann.answers.iter().any(|(s, _)| *s == seq))
                })
                .await;
                ann.until(|ann| ann.events.len() == 31).await;
                let events: Vec<u64> = ann.events.iter().map(|(_, event)| *event).collect();
                assert_eq!(
                    events[1..],
                    (0..30).collect::<Vec<_>>(),
                    "each once and in order"
                );
                ann.say(ClientMessage::Bye).await.unwrap();
                assert_eq!(ann.end().await, None);
            })
            .await;
            assert_eq!(ann.end().await.unwrap().code, ErrorCode::TakenOver);
        }
        host.stop().await;
    });
}

#[test]
fn a_second_login_takes_the_account_over() {
    run(async {
        let host = Host::start(Yard::default(), settings()).await;
        let mut old = Client::login(&host, "ann").await;
        old.ask(Command::Log(1)).await.unwrap();
        host.yard.gate.shut();
        old.send(Command::Hold).await;
        let runtime = host.runtime.clone();
        let (yard, session) = (Arc::clone(&host.yard), old.welcome.session);
        let new = elsewhere(move || async move {
            yard.gate.until_held();
            let mut entering = Box::pin(Client::enter(&runtime, entry("ann", Codec::Json)));
            let early = timeout(Duration::from_millis(100), &mut entering).await;
            assert!(early.is_err(), "it waits for the old client's command");
            yard.gate.open();
            let mut new = entering.await.unwrap();
            assert!(!new.welcome.resumed);
            assert_eq!(
                (new.welcome.session, new.welcome.last_command),
                (session, 0)
            );
            // Its own numbers, the same walker.
            assert_eq!(new.ask(Command::Read).await.unwrap(), [1]);
            assert!(new.events.is_empty());
            (new.welcome.you, new.link.closed(Cause::Closed))
        })
        .await;
        assert_eq!(old.welcome.you, new.0);
        assert_eq!(old.end().await.unwrap().code, ErrorCode::TakenOver);
        old.link.closed(Cause::Closed);
        assert_eq!(
            host.yard.logins.load(Ordering::SeqCst),
            1,
            "the world saw one login"
        );
        host.stop().await;
        // All of them, from the host's own thread too.
    });
}

#[test]
fn a_login_waits_for_the_logout_before_it() {
    run(async {
        let host = Host::start(Yard::default(), settings()).await;
        let mut slow = Client::login(&host, "slow").await;
        host.yard.gate.shut();
        slow.say(ClientMessage::Bye).await.unwrap();
        assert_eq!(slow.end().await, None);
        host.yard.gate.until_held();
        let entering = Client::enter(&host.runtime, entry("slow", Codec::MessagePack));
        let mut entering = Box::pin(entering);
        let early = timeout(Duration::from_millis(100), &mut entering).await;
        assert!(early.is_err(), "it waits");
        host.yard.gate.open();
        let again = entering.await.unwrap();
        assert_ne!(again.welcome.session, slow.welcome.session);
        assert_eq!(host.yard.logouts.load(Ordering::SeqCst), 1);
        host.stop().await;
    });
}

#[test]
fn a_session_lingers_and_then_logs_out() {
    run(async {
        let linger = Duration::from_millis(200);
        let host = Host::start(
            Yard::default(),
            Settings {
                session_linger: linger,
                ..settings()
            },
        );
        let host = host.await;
        let ann = Client::login(&host, "ann").await;
        assert_eq!(host.runtime.status().sessions.connected, 1);
        ann.link.closed(Cause::Closed);
        let sessions = host.runtime.status().sessions;
        assert_eq!((sessions.connected, sessions.away), (0, 1));
        until(|| host.yard.logouts.load(Ordering::SeqCst) == 1).await;
        until(|| host.runtime.status().sessions.away == 0).await;
        let gone = Client::enter(&host.runtime, resume(&ann.welcome.resume, 0))
            .await
            .err();
        assert_eq!(gone.unwrap().code, ErrorCode::BadLogin);
        host.stop().await;
    });
}

#[test]
fn a_login_can_be_refused() {
    run(async {
        let host = Host::start(
            Yard::default(),
            Settings {
                max_sessions: 1,
                ..settings()
            },
        )
        .await;
        let enter = |name: &str| Client::enter(&host.runtime, entry(name, Codec::Json));
        let refused = enter("nobody").await.err().unwrap();
        assert_eq!(refused.code, ErrorCode::BadLogin);
        assert_eq!(refused.message, "nobody may not come in");
        assert_eq!(enter(" ").await.err().unwrap().code, ErrorCode::BadLogin);
        let ann = enter("ann").await.unwrap();
        let refused = enter("bob").await.err().unwrap();
        assert_eq!(refused.code, ErrorCode::Overloaded);
        assert!(refused.message.contains("1 sessions"), "{refused}");
        drop(ann);
        host.stop().await;
    });
}

#[test]
fn a_login_given_up_halfway_leaves_a_session_that_lingers() {
    run(async {
        let quick = Settings {
            login_limit: Duration::from_millis(50),
            ..settings()
        };
        let host = Host::start(Yard::default(), quick).await;
        let mut slow = Client::login(&host, "slow").await;
        host.yard.gate.shut();
        slow.say(ClientMessage::Bye).await.unwrap();
        assert_eq!(slow.end().await, None);
        let late = Client::enter(&host.runtime, entry("slow", Codec::Json))
            .await
            .err()
            .unwrap();
        assert_eq!(late.code, ErrorCode::Overloaded);
        host.yard.gate.open();
        until(|| host.runtime.status().sessions.away == 0).await;
        let again = Client::enter(&host.runtime, entry("slow", Codec::Json)).await;
        assert!(again.is_ok());
        host.stop().await;
    });
}

#[test]
fn the_world_can_end_a_session() {
    run(async {
        let host = Host::start(Yard::default(), settings()).await;
        let mut ann = Client::login(&host, "ann").await;
        ann.send(Command::Leave).await;
        let why = ann.end().await.unwrap();
        assert_eq!(
            (why.code, why.cause),
            (ErrorCode::Refused, Cause::ClosedByWorld)
        );
        assert_eq!(why.message, "as you wish");
        until(|| host.yard.logouts.load(Ordering::SeqCst) == 1).await;
        host.stop().await;
    });
}

#[test]
fn a_drain_answers_what_is_under_way_and_parts_with_everybody() {
    run(async {
        let host = Host::start(Yard::default(), settings()).await;
        let mut ann = Client::login(&host, "ann").await;
        let away = Client::login(&host, "bob").await;
        away.link.closed(Cause::Closed);
        host.yard.gate.shut();
        let held = ann.send(Command::Hold).await;
        let (runtime, yard) = (host.runtime.clone(), Arc::clone(&host.yard));
        let draining = actix_rt::spawn(async move {
            runtime.drain(Duration::from_secs(10)).await.unwrap();
        });
        until(|| !host.runtime.ready()).await;
        let late = Client::enter(&host.runtime, entry("eve", Codec::Json))
            .await
            .err()
            .unwrap();
        assert_eq!(late.code, ErrorCode::Draining);
        let frames = ann.frames + 4;
        ann.until(|ann| ann.frames > frames).await;
        yard.gate.open();
        ann.answer(held).await.unwrap();
        assert_eq!(ann.end().await.unwrap().code, ErrorCode::Draining);
        draining.await.unwrap();
        for name in ["ann", "bob"] {
            assert_eq!(host.book_of(name), ["login", "away"]);
        }
    });
}
