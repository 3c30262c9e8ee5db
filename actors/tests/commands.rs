//! One session's commands and inputs: in order, once, bounded.

use std::time::Duration;

use actors::Settings;
use futures_util::FutureExt;
use protocol::{ClientMessage, ErrorCode};

use crate::client::{Client, resume};
use crate::yard::{Command, Host, Input, Yard, run, settings};

#[test]
fn commands_and_inputs_keep_their_order_over_all_regions() {
    run(async {
        let host = Host::start(Yard::default(), settings()).await;
        let mut ann = Client::login(&host, "ann").await;
        let mut expected = Vec::new();
        for n in 0..400_u64 {
            // All over the map, so that the session's region changes again and again.
            let (x, y) = ((n * 67 % 256) as f64, (n * 101 % 256) as f64);
            ann.send(Command::At(x, y)).await;
            ann.send(Command::Log(n)).await;
            expected.push(n);
            if n % 20 == 19 {
                while ann.answers.len() < 40 {
                    ann.step().await;
                }
                assert!(ann.answers.iter().all(|(_, answer)| answer.is_ok()));
                let seqs: Vec<u64> = ann.answers.drain(..).map(|(seq, _)| seq).collect();
                assert!(seqs.is_sorted(), "{seqs:?}");
            }
        }
        assert_eq!(ann.ask(Command::Read).await.unwrap(), expected);
        host.stop().await;
    });
}

/// A load bot found its purse wrong: it was told its gold before the gift that had changed it.
#[test]
fn events_and_replies_arrive_in_commit_order_however_slow_the_reader() {
    run(async {
        // With a window of one, each command is sent when the one before has been answered: so all
        // but the last answer and event wait when the first is read.
        let settings = Settings {
            window: 1,
            ..settings()
        };
        let host = Host::start(Yard::default(), settings).await;
        let mut ann = Client::login(&host, "ann").await;
        for n in 0..20 {
            ann.send(Command::Events(1, n)).await;
        }
        while ann.answers.len() < 20 {
            ann.step().await;
            let (events, answers) = (ann.events.len(), ann.answers.len());
            // One event at login, and one before each answer.
            assert!(
                answers == 0 || (answers + 1..=answers + 2).contains(&events),
                "{events} events and {answers} answers"
            );
        }
        // Also when the socket ends with both waiting.
        for n in 0..20 {
            ann.send(Command::Events(1, n)).await;
        }
        ann.say(ClientMessage::Bye).await.unwrap();
        let (events, answers) = (ann.events.len(), ann.answers.len());
        while ann.closed.is_none() {
            ann.step().await;
            assert!(ann.events.len() - events >= ann.answers.len() - answers);
        }
        assert_eq!((ann.events.len(), ann.answers.len()), (41, 40));
        host.stop().await;
    });
}

/// The session's entity is carried off while its old region still has work of it: the next command
/// waits for that, though the new region has time.
#[test]
fn a_new_region_waits_for_the_old_one() {
    run(async {
        let host = Host::start(Yard::default(), settings()).await;
        let mut ann = Client::login(&host, "ann").await;
        let mut bob = Client::login(&host, "bob").await;
        let mut carl = Client::login(&host, "carl").await;
        let there = host.point_of_another_worker();
        carl.ask(Command::At(there.x, there.y)).await.unwrap();
        let frames = carl.frames + 4;
        carl.until(|carl| carl.frames > frames).await;
        host.yard.gate.shut();
        let held = bob.send(Command::Hold).await;
        host.yard.gate.until_held();
        let first = ann.send(Command::Log(1)).await;
        let you = ann.welcome.you.unwrap();
        carl.ask(Command::Push(you, there.x, there.y))
            .await
            .unwrap();
        // Long enough for the hub to see where its entity is now.
        let frames = ann.frames + 4;
        ann.until(|ann| ann.frames > frames).await;
        let second = ann.send(Command::Log(2)).await;
        assert_eq!(
            carl.ask(Command::Log(0)).await.unwrap(),
            [1],
            "the new region has time"
        );
        let frames = ann.frames + 4;
        ann.until(|ann| ann.frames > frames).await;
        assert!(ann.answers.is_empty(), "neither was overtaken");
        host.yard.gate.open();
        assert_eq!(ann.answer(first).await.unwrap(), [1]);
        assert_eq!(ann.answer(second).await.unwrap(), [2]);
        assert_eq!(ann.ask(Command::Read).await.unwrap(), [1, 2]);
        bob.answer(held).await.unwrap();
        host.stop().await;
    });
}

#[test]
fn the_newest_input_wins_and_none_overtakes_a_command() {
    run(async {
        let host = Host::start(Yard::default(), settings()).await;
        let mut ann = Client::login(&host, "ann").await;
        host.yard.gate.shut();
        let held = ann.send(Command::Hold).await;
        ann.input(1, Input::Log(1)).await;
        ann.input(2, Input::Log(2)).await;
        let logged = ann.send(Command::Log(3)).await;
        ann.input(3, Input::Log(4)).await;
        ann.input(4, Input::Log(5)).await;
        host.yard.gate.open();
        ann.answer(held).await.unwrap();
        ann.answer(logged).await.unwrap();
        assert_eq!(ann.ask(Command::Read).await.unwrap(), [2, 3, 5]);
        ann.until(|ann| ann.input_seq == 4).await;
        host.stop().await;
    });
}

#[test]
fn the_window_stops_the_reader_and_opens_again() {
    run(async {
        let host = Host::start(Yard::default(), settings()).await;
        let mut ann = Client::login(&host, "ann").await;
        host.yard.gate.shut();
        let first = ann.send(Command::Hold).await;
        for n in 1..64 {
            ann.send(Command::Log(n)).await;
        }
        let mut next = Box::pin(ann.send_as(first + 64, Command::Log(64)));
        assert!((&mut next).now_or_never().is_none(), "the 65th waits");
        host.yard.gate.open();
        next.await.unwrap();
        for seq in first..=first + 64 {
            ann.answer(seq).await.unwrap();
        }
        host.stop().await;
    });
}

#[test]
fn a_command_is_done_once_and_answered_as_often_as_asked() {
    run(async {
        let host = Host::start(Yard::default(), settings()).await;
        let mut ann = Client::login(&host, "ann").await;
        host.yard.gate.shut();
        let held = ann.send(Command::Hold).await;
        let logged = ann.send(Command::Log(7)).await;
        ann.send_as(logged, Command::Log(7)).await.unwrap();
        host.yard.gate.open();
        ann.answer(held).await.unwrap();
        assert_eq!(
            ann.answer(logged).await.unwrap(),
            [1],
            "once, though sent twice"
        );
        ann.send_as(logged, Command::Log(7)).await.unwrap();
        assert_eq!(ann.answer(logged).await.unwrap(), [1], "from the record");
        assert_eq!(ann.ask(Command::Read).await.unwrap(), [7]);
        host.stop().await;
    });
}

#[test]
fn a_command_that_skips_ahead_ends_the_socket_but_not_the_session() {
    run(async {
        let host = Host::start(Yard::default(), settings()).await;
        let mut ann = Client::login(&host, "ann").await;
        ann.ask(Command::Log(1)).await.unwrap();
        let refusal = ann.send_as(3, Command::Log(2)).await.unwrap_err();
        assert_eq!(refusal.code, ErrorCode::BadMessage);
        assert!(refusal.message.contains("the next one is 2"), "{refusal}");
        assert_eq!(ann.end().await, Some(refusal));
        let mut ann = Client::enter(&host.runtime, resume(&ann.welcome.resume, 0))
            .await
            .unwrap();
        assert!(ann.welcome.resumed);
        assert_eq!(ann.welcome.last_command, 1);
        assert_eq!(ann.ask(Command::Read).await.unwrap(), [1]);
        host.stop().await;
    });
}

#[test]
fn what_the_world_refuses_or_breaks_is_an_answer() {
    run(async {
        let host = Host::start(Yard::default(), settings()).await;
        let mut ann = Client::login(&host, "ann").await;
        let refused = ann.ask(Command::Refuse).await.unwrap_err();
        assert_eq!(refused, (ErrorCode::Refused, "no".to_owned()));
        assert_eq!(
            ann.ask(Command::Panic).await.unwrap_err().0,
            ErrorCode::Failed
        );
        assert_eq!(ann.ask(Command::Log(1)).await.unwrap(), [1]);
        host.stop().await;
    });
}

#[test]
fn a_client_that_is_too_fast_is_told_the_limit() {
    run(async {
        let slow = Settings {
            inputs_per_second: 5,
            burst_seconds: 1,
            ..settings()
        };
        let host = Host::start(Yard::default(), slow).await;
        let mut ann = Client::login(&host, "ann").await;
        let mut refusal = None;
        for seq in 1..=50 {
            let input = ClientMessage::Input {
                seq,
                payload: Input::Log(seq),
            };
            refusal = ann.say(input).await.err();
            if refusal.is_some() {
                assert!(seq > 5);
                break;
            }
        }
        let refusal = refusal.expect("the limit was met");
        assert_eq!(refusal.code, ErrorCode::TooFast);
        assert!(
            refusal.message.contains("more than 5 inputs per second"),
            "{refusal}"
        );
        assert_eq!(ann.end().await, Some(refusal));
        host.stop().await;
    });
}

#[test]
fn nobody_can_say_hello_again() {
    run(async {
        let host = Host::start(Yard::default(), settings()).await;
        let bob = Client::login(&host, "bob").await;
        let hello = ClientMessage::Hello(protocol::Hello::default());
        assert_eq!(
            bob.say(hello).await.unwrap_err().code,
            ErrorCode::BadMessage
        );
        host.runtime.drain(Duration::from_secs(5)).await.unwrap();
    });
}
