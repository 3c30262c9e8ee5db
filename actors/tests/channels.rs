//! Channels, from a task to a socket: who hears what, in which order, under which number, also when
//! the session moves, the server is killed, or the world has its say.

use std::time::Duration;

use actors::{Cause, Settings};
use protocol::{ClientMessage, Codec, ErrorCode};
use world_data::MAX_CHANNELS;

use crate::client::{Client, entry, resume};
use crate::restarts::{crashed, start};
use crate::yard::{Command, Host, Talk, Yard, elsewhere, run, settings, until};

fn join(channel: &str) -> Talk {
    Talk::Join(channel.to_owned())
}

fn part(channel: &str) -> Talk {
    Talk::Part(channel.to_owned())
}

fn say(channel: &str, text: &str) -> Talk {
    Talk::Say(channel.to_owned(), text.to_owned())
}

impl Client {
    async fn talk(&mut self, talk: impl IntoIterator<Item = Talk>) -> u64 {
        let all = talk.into_iter().collect();
        self.ask(Command::Talk(all)).await.unwrap()[0]
    }

    async fn publish(&self, channel: &str, text: impl Into<serde_json::Value>) {
        let payload = serde_json::from_value(text.into()).unwrap();
        let channel = channel.to_owned();
        let message = ClientMessage::Publish { channel, payload };
        self.say(message).await.unwrap();
    }

    async fn hears(&mut self, all: &[&str]) {
        self.until(|client| client.heard.len() >= all.len()).await;
        assert_eq!(self.heard, all);
    }
}

#[test]
fn members_hear_in_both_codecs_what_is_said_and_nobody_else() {
    run(async {
        let host = Host::start(Yard::default(), settings()).await;
        let mut ann = Client::login(&host, "ann").await;
        let mut bob = Client::enter(&host.runtime, entry("bob", Codec::Json))
            .await
            .unwrap();
        let mut eve = Client::login(&host, "eve").await;
        assert_eq!(ann.talk([join("moot"), join("moot"), join("den")]).await, 2);
        assert_eq!(bob.talk([join("moot")]).await, 1);
        ann.talk([say("moot", "hi"), say("den", "psst"), say("nowhere", "?")])
            .await;
        // 1 is the login's own event.
        ann.hears(&["2 moot world: hi", "3 den world: psst"]).await;
        bob.hears(&["2 moot world: hi"]).await;
        // Out of the channel in the middle of a task: what comes behind is not heard.
        bob.talk([say("moot", "bye"), part("moot"), say("moot", "gone")])
            .await;
        ann.until(|ann| ann.heard.len() == 4).await;
        assert_eq!(ann.heard[2..], ["4 moot world: bye", "5 moot world: gone"]);
        bob.talk([Talk::Event(9)]).await;
        bob.until(|bob| bob.events.len() == 2).await;
        assert_eq!(bob.heard, ["2 moot world: hi", "3 moot world: bye"]);
        assert_eq!(bob.events, [(1, 0), (4, 9)], "and the numbers go on");
        eve.talk([Talk::Event(9)]).await;
        assert!(eve.heard.is_empty());
        host.stop().await;
    });
}

#[test]
fn a_task_that_fails_neither_joins_nor_leaves_nor_says_anything() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let host = start(folder.path()).await;
        let mut ann = Client::login(&host, "ann").await;
        let mut bob = Client::login(&host, "bob").await;
        ann.talk([join("moot")]).await;
        bob.talk([join("moot")]).await;
        for last in [Talk::Refuse, Talk::Panic] {
            let all = vec![
                say("moot", "lost"),
                part("moot"),
                join("den"),
                say("den", "lost"),
                last,
            ];
            ann.ask(Command::Talk(all)).await.unwrap_err();
        }
        assert_eq!(
            ann.talk([say("moot", "kept"), say("den", "unheard")]).await,
            1
        );
        ann.hears(&["2 moot world: kept"]).await;
        bob.hears(&["2 moot world: kept"]).await;
        let image = crashed(folder.path());
        let after = start(image.path()).await;
        let mut ann = Client::enter(&after.runtime, resume(&ann.welcome.resume, 1))
            .await
            .unwrap();
        assert_eq!(ann.talk([]).await, 1);
        ann.hears(&["2 moot world: kept"]).await;
        after.stop().await;
        host.stop().await;
    });
}

#[test]
fn all_members_hear_a_channel_in_one_order_however_many_speak() {
    run(async {
        let host = Host::start(Yard::default(), settings()).await;
        let mut clients = Vec::new();
        for n in 0..6_u8 {
            let codec = Codec::ALL[usize::from(n) % 2];
            let name = format!("c{n}");
            let mut client = Client::enter(&host.runtime, entry(&name, codec))
                .await
                .unwrap();
            let at = Command::At(f64::from(n) * 40.0, f64::from(n) * 40.0);
            client.ask(at).await.unwrap();
            client.talk([join("moot")]).await;
            clients.push(client);
        }
        for round in 0..20 {
            for (n, client) in clients.iter_mut().enumerate() {
                let all = vec![say("moot", &format!("{n}/{round}")), Talk::Event(round)];
                client.send(Command::Talk(all)).await;
            }
        }
        let mut orders = Vec::new();
        for client in &mut clients {
            client.until(|c| c.heard.len() == 120).await;
            client.until(|c| c.events.len() == 21).await;
            let numbers: Vec<u64> = (1..=141).collect();
            assert_eq!(client.numbers, numbers, "no gap, none twice, in order");
            let words = client.heard.iter().map(|line| {
                let (_, words) = line.split_once(' ').unwrap();
                words.to_owned()
            });
            orders.push(words.collect::<Vec<_>>());
        }
        assert!(orders.iter().all(|order| *order == orders[0]));
        for n in 0..6 {
            let own = format!("moot world: {n}/");
            let said = orders[0].iter().filter(|line| line.starts_with(&own));
            let in_turn: Vec<_> = (0..20).map(|round| format!("{own}{round}")).collect();
            assert!(said.eq(&in_turn), "each speaker's order is kept");
        }
        host.stop().await;
    });
}

#[test]
fn the_world_forwards_alters_or_refuses_what_a_member_publishes() {
    run(async {
        let host = Host::start(Yard::default(), settings()).await;
        let mut ann = Client::login(&host, "ann").await;
        let mut bob = Client::login(&host, "bob").await;
        bob.talk([join("moot")]).await;
        // Handed over behind each other: the membership counts for what comes next.
        ann.send(Command::Talk(vec![join("moot")])).await;
        for text in ["hello", "hush", "shout"] {
            ann.publish("moot", text).await;
        }
        ann.publish("moot", 17).await;
        ann.publish("moot", "end").await;
        let you = ann.welcome.you.unwrap();
        let lines = [("2", "hello"), ("3", "SHOUT"), ("4", "end")];
        let lines = lines.map(|(n, text)| format!("{n} moot {you}: {text}"));
        bob.hears(&lines.each_ref().map(String::as_str)).await;
        ann.answer(1).await.unwrap();
        ann.hears(&lines.each_ref().map(String::as_str)).await;
        assert_eq!(ann.ask(Command::Read).await.unwrap(), [1], "one shout");
        host.stop().await;
    });
}

#[test]
fn what_a_non_member_publishes_is_dropped_and_the_world_is_not_asked() {
    run(async {
        let host = Host::start(Yard::default(), settings()).await;
        let mut ann = Client::login(&host, "ann").await;
        let mut eve = Client::login(&host, "eve").await;
        ann.talk([join("moot")]).await;
        eve.publish("moot", "shout").await;
        eve.talk([join("moot"), part("moot")]).await;
        eve.publish("moot", "shout").await;
        assert_eq!(eve.ask(Command::Read).await.unwrap(), [0; 0]);
        eve.talk([say("moot", "end")]).await;
        ann.hears(&["2 moot world: end"]).await;
        host.stop().await;
    });
}

#[test]
fn who_publishes_too_fast_is_told_so() {
    run(async {
        let settings = Settings {
            publishes_per_second: 3,
            burst_seconds: 1,
            ..settings()
        };
        let host = Host::start(Yard::default(), settings).await;
        let mut ann = Client::login(&host, "ann").await;
        ann.talk([join("moot")]).await;
        for _ in 0..3 {
            ann.publish("moot", "hi").await;
        }
        let payload = serde_json::from_str("\"hi\"").unwrap();
        let message = ClientMessage::Publish {
            channel: "moot".to_owned(),
            payload,
        };
        let refusal = ann.say(message).await.unwrap_err();
        assert_eq!(refusal.code, ErrorCode::TooFast);
        assert!(
            refusal.message.contains("3 messages to channels"),
            "{refusal}"
        );
        host.stop().await;
    });
}

#[test]
fn a_session_is_in_so_many_channels_and_their_names_are_so_long() {
    run(async {
        let host = Host::start(Yard::default(), settings()).await;
        let mut ann = Client::login(&host, "ann").await;
        let all = (0..MAX_CHANNELS).map(|n| join(&n.to_string()));
        assert_eq!(ann.talk(all).await, MAX_CHANNELS as u64);
        let more = ann.ask(Command::Talk(vec![join("more")])).await;
        assert!(more.unwrap_err().1.contains("at most 32 channels"));
        assert_eq!(ann.talk([part("7"), join("more")]).await, 32);
        for name in [String::new(), "x".repeat(65)] {
            let told = ann.ask(Command::Talk(vec![say(&name, "?")])).await;
            assert_eq!(told.unwrap_err().0, ErrorCode::Failed);
        }
        host.stop().await;
    });
}

#[test]
fn a_session_that_comes_back_is_a_member_still_and_hears_what_it_missed() {
    run(async {
        let host = Host::start(Yard::default(), settings()).await;
        let mut ann = Client::login(&host, "ann").await;
        let mut bob = Client::login(&host, "bob").await;
        ann.talk([join("moot")]).await;
        bob.talk([join("moot"), say("moot", "a"), say("moot", "b")])
            .await;
        ann.hears(&["2 moot world: a", "3 moot world: b"]).await;
        ann.link.closed(Cause::Closed);
        bob.talk([say("moot", "c")]).await;
        let mut ann = Client::enter(&host.runtime, resume(&ann.welcome.resume, 2))
            .await
            .unwrap();
        bob.talk([say("moot", "d")]).await;
        ann.hears(&["3 moot world: b", "4 moot world: c", "5 moot world: d"])
            .await;
        // Another client of the account has the memberships, and numbers of its own.
        let mut ann = Client::login(&host, "ann").await;
        assert!(!ann.welcome.resumed);
        bob.talk([say("moot", "e")]).await;
        ann.hears(&["1 moot world: e"]).await;
        // They end with the session.
        ann.say(ClientMessage::Bye).await.unwrap();
        until(|| host.book_of("ann").last().is_some_and(|l| l == "logout")).await;
        let mut ann = Client::login(&host, "ann").await;
        bob.talk([say("moot", "f")]).await;
        assert_eq!(ann.talk([]).await, 0);
        assert!(ann.heard.is_empty());
        host.stop().await;
    });
}

#[test]
fn what_was_heard_comes_again_after_a_crash_under_its_numbers() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let host = start(folder.path()).await;
        let mut ann = Client::login(&host, "ann").await;
        let mut bob = Client::login(&host, "bob").await;
        bob.talk([join("moot"), join("den"), say("moot", "early")])
            .await;
        ann.talk([join("moot"), Talk::Event(7), say("moot", "a")])
            .await;
        bob.talk([say("den", "b"), say("moot", "c")]).await;
        ann.talk([join("den"), Talk::Event(8)]).await;
        bob.talk([say("den", "d"), say("moot", "e")]).await;
        ann.talk([part("den"), say("den", "f"), Talk::Event(9)])
            .await;
        bob.talk([say("moot", "g")]).await;
        ann.until(|ann| ann.numbers.len() == 9).await;
        let heard = ann.heard.clone();
        assert_eq!(
            heard,
            [
                "3 moot world: a",
                "4 moot world: c",
                "6 den world: d",
                "7 moot world: e",
                "9 moot world: g"
            ]
        );
        assert_eq!(ann.events, [(1, 0), (2, 7), (5, 8), (8, 9)]);

        // Twice: the second time what the first recovery wrote is recovered.
        let mut folder = crashed(folder.path());
        for last in [0, 3, 7] {
            let image = crashed(folder.path());
            let after = start(image.path()).await;
            let mut ann = Client::enter(&after.runtime, resume(&ann.welcome.resume, last))
                .await
                .unwrap();
            ann.until(|ann| ann.numbers.last() == Some(&9)).await;
            let numbers: Vec<u64> = (last + 1..=9).collect();
            assert_eq!(ann.numbers, numbers);
            let behind =
                |line: &&String| line.split(' ').next().unwrap().parse::<u64>().unwrap() > last;
            let again: Vec<_> = heard.iter().filter(behind).collect();
            assert_eq!(ann.heard.iter().collect::<Vec<_>>(), again);
            // And they go on.
            let mut bob = Client::enter(&after.runtime, resume(&bob.welcome.resume, 0))
                .await
                .unwrap();
            bob.talk([say("den", "h"), say("moot", "i")]).await;
            assert_eq!(ann.talk([Talk::Event(10)]).await, 1);
            ann.until(|ann| ann.numbers.last() == Some(&11)).await;
            assert_eq!(ann.heard.last().unwrap(), "10 moot world: i");
            assert_eq!(ann.events.last(), Some(&(11, 10)));
            after.engine.checkpoint();
            after.stop().await;
            folder = crashed(folder.path());
        }
        host.stop().await;
    });
}

#[test]
fn what_is_said_between_a_restart_and_a_resume_is_heard() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let host = start(folder.path()).await;
        let mut ann = Client::login(&host, "ann").await;
        let mut bob = Client::login(&host, "bob").await;
        ann.talk([join("moot")]).await;
        bob.talk([join("moot"), say("moot", "before")]).await;
        let image = crashed(folder.path());
        let after = start(image.path()).await;
        let mut bob = Client::enter(&after.runtime, resume(&bob.welcome.resume, 2))
            .await
            .unwrap();
        bob.talk([say("moot", "meanwhile")]).await;
        let mut ann = Client::enter(&after.runtime, resume(&ann.welcome.resume, 1))
            .await
            .unwrap();
        bob.talk([say("moot", "now")]).await;
        ann.hears(&[
            "2 moot world: before",
            "3 moot world: meanwhile",
            "4 moot world: now",
        ])
        .await;
        after.stop().await;
        host.stop().await;
    });
}

#[test]
fn who_missed_too_much_sees_a_gap_before_and_after_a_crash() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let few = || Settings {
            events_kept: 4,
            ..settings()
        };
        let host = Host::start_in(folder.path(), Yard::default(), few()).await;
        let mut ann = Client::login(&host, "ann").await;
        let mut bob = Client::login(&host, "bob").await;
        ann.talk([join("moot")]).await;
        ann.link.closed(Cause::Closed);
        bob.talk((0..10).map(|n| say("moot", &n.to_string()))).await;
        let image = crashed(folder.path());
        let after = Host::start_in(image.path(), Yard::default(), few()).await;
        for host in [&host, &after] {
            let mut ann = Client::enter(&host.runtime, resume(&ann.welcome.resume, 1))
                .await
                .unwrap();
            ann.hears(&[
                "8 moot world: 6",
                "9 moot world: 7",
                "10 moot world: 8",
                "11 moot world: 9",
            ])
            .await;
        }
        after.stop().await;
        host.stop().await;
    });
}

#[test]
fn a_session_that_goes_to_another_thread_hears_everything_once() {
    run(async {
        let host = Host::start(Yard::default(), settings()).await;
        let mut bob = Client::login(&host, "bob").await;
        let mut ann = Client::login(&host, "ann").await;
        ann.talk([join("moot")]).await;
        bob.talk([join("moot")]).await;
        // One speaks all the time, while the other goes from thread to thread.
        let mut token = ann.welcome.resume.clone();
        let mut numbers = Vec::new();
        let mut last = 1;
        for round in 0..10 {
            for n in 0..20 {
                bob.send(Command::Talk(vec![say("moot", &format!("{round}/{n}"))]))
                    .await;
            }
            let (runtime, again) = (host.runtime.clone(), resume(&token, last));
            let (heard, next) = elsewhere(move || async move {
                let mut ann = Client::enter(&runtime, again).await.unwrap();
                ann.until(|ann| ann.numbers.len() >= 10).await;
                (ann.numbers.clone(), ann.welcome.resume.clone())
            })
            .await;
            (last, token) = (*heard.last().unwrap(), next);
            numbers.extend(heard);
            while bob.answers.len() < 20 {
                bob.step().await;
            }
            bob.answers.clear();
        }
        let mut ann = Client::enter(&host.runtime, resume(&token, last))
            .await
            .unwrap();
        bob.until(|bob| bob.heard.len() == 200).await;
        ann.until(|ann| ann.numbers.last().is_some_and(|n| *n == 201))
            .await;
        numbers.extend(&ann.numbers);
        assert_eq!(numbers, (2..=201).collect::<Vec<u64>>());
        tokio::time::timeout(Duration::from_secs(5), host.stop())
            .await
            .unwrap();
    });
}
