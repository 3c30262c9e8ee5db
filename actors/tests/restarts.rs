//! What becomes of sessions when the server is killed, or stopped, and started again.
//! Not here: the real binary being killed (`worlds/*/tests`).

use std::fs;
use std::path::Path;
use std::time::Duration;

use actors::{Cause, Settings};
use protocol::{ClientMessage, Codec, ErrorCode};
use tempfile::TempDir;

use crate::client::{Client, entry, resume};
use crate::yard::{Command, Host, Yard, run, settings, until};

/// What a power cut at this moment would leave of a folder: all that was told is in it.
pub(crate) fn crashed(folder: &Path) -> TempDir {
    let image = tempfile::tempdir().unwrap();
    for part in ["store", "journal"] {
        fs::create_dir(image.path().join(part)).unwrap();
        for file in fs::read_dir(folder.join(part)).unwrap() {
            let file = file.unwrap();
            let to = image.path().join(part).join(file.file_name());
            fs::copy(file.path(), to).unwrap();
        }
    }
    image
}

pub(crate) async fn start(folder: &Path) -> Host {
    Host::start_in(folder, Yard::default(), settings()).await
}

#[test]
fn a_command_is_answered_from_the_record_after_a_crash_in_both_codecs() {
    run(async {
        for codec in [Codec::Json, Codec::MessagePack] {
            let folder = tempfile::tempdir().unwrap();
            let host = start(folder.path()).await;
            let mut ann = Client::enter(&host.runtime, entry("ann", codec))
                .await
                .unwrap();
            for value in 1..=100 {
                ann.ask(Command::Log(value)).await.unwrap();
            }
            let refused = ann.ask(Command::Refuse).await.unwrap_err();
            let failed = ann.ask(Command::Panic).await.unwrap_err();
            assert_eq!(ann.ask(Command::Read).await.unwrap().len(), 100);

            let image = crashed(folder.path());
            let after = start(image.path()).await;
            let mut again = resume(&ann.welcome.resume, 0);
            again.codec = codec;
            let mut ann = Client::enter(&after.runtime, again).await.unwrap();
            assert!(ann.welcome.resumed);
            assert_eq!(ann.welcome.last_command, 103);
            // The last 64 outcomes are there, and nothing is done again.
            for seq in 40..=103 {
                ann.send_as(seq, Command::Log(seq)).await.unwrap();
                let told = ann.answer(seq).await;
                match seq {
                    101 => assert_eq!(told.unwrap_err(), refused),
                    102 => assert_eq!(told.unwrap_err(), failed),
                    103 => assert_eq!(told.unwrap(), (1..=100).collect::<Vec<_>>()),
                    seq => assert_eq!(told.unwrap(), [seq]),
                }
            }
            assert_eq!(ann.ask(Command::Read).await.unwrap().len(), 100);
            let late = ann.send_as(39, Command::Log(39)).await.unwrap_err();
            assert_eq!(late.code, ErrorCode::BadMessage);
            after.stop().await;
            host.stop().await;
        }
    });
}

#[test]
fn a_command_that_never_ran_is_run_once_after_a_crash() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let host = start(folder.path()).await;
        let mut ann = Client::login(&host, "ann").await;
        ann.ask(Command::Log(1)).await.unwrap();
        host.yard.gate.shut();
        // Accepted and under way, but not done when the power is cut.
        ann.send(Command::Hold).await;
        ann.send(Command::Log(2)).await;
        host.yard.gate.until_held();
        let image = crashed(folder.path());
        host.yard.gate.open();

        let after = start(image.path()).await;
        let mut ann = Client::enter(&after.runtime, resume(&ann.welcome.resume, 0))
            .await
            .unwrap();
        assert_eq!(ann.welcome.last_command, 1);
        let ahead = Client::enter(&after.runtime, entry("eve", Codec::Json))
            .await
            .unwrap()
            .send_as(2, Command::Read)
            .await;
        assert_eq!(ahead.unwrap_err().code, ErrorCode::BadMessage);
        for (seq, value) in [(2, 2), (3, 3)] {
            ann.send_as(seq, Command::Log(value)).await.unwrap();
            assert_eq!(ann.answer(seq).await.unwrap(), [value]);
        }
        after.stop().await;
        host.stop().await;
    });
}

#[test]
fn events_that_were_not_acknowledged_come_again_after_a_crash_under_their_numbers() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let host = start(folder.path()).await;
        let mut ann = Client::login(&host, "ann").await;
        ann.ask(Command::Events(9, 101)).await.unwrap();
        ann.until(|ann| ann.events.len() == 10).await;
        let all = ann.events.clone();
        assert_eq!(all.first(), Some(&(1, 0)), "the login's own");
        assert_eq!(all.last(), Some(&(10, 109)));

        let image = crashed(folder.path());
        let after = start(image.path()).await;
        let mut ann = Client::enter(&after.runtime, resume(&ann.welcome.resume, 3))
            .await
            .unwrap();
        ann.until(|ann| ann.events.len() == 7).await;
        assert_eq!(ann.events, all[3..]);
        // The numbers go on.
        ann.ask(Command::Events(1, 110)).await.unwrap();
        ann.until(|ann| ann.events.len() == 8).await;
        assert_eq!(ann.events.last(), Some(&(11, 110)));

        // What has arrived is kept no longer than it takes to say so.
        ann.say(ClientMessage::Ack(9)).await.unwrap();
        until(|| !after.saved_events("ann").contains(&9)).await;
        assert_eq!(after.saved_events("ann"), [10, 11]);
        after.stop().await;
        host.stop().await;
    });
}

#[test]
fn who_missed_too_many_events_sees_a_gap_and_the_whole_view_after_a_crash() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let few = || Settings {
            events_kept: 4,
            ..settings()
        };
        let host = Host::start_in(folder.path(), Yard::default(), few()).await;
        let mut ann = Client::login(&host, "ann").await;
        ann.ask(Command::Events(10, 101)).await.unwrap();
        let image = crashed(folder.path());
        let after = Host::start_in(image.path(), Yard::default(), few()).await;
        let mut ann = Client::enter(&after.runtime, resume(&ann.welcome.resume, 2))
            .await
            .unwrap();
        ann.until(|ann| ann.events.len() == 4).await;
        assert_eq!(ann.events, [(8, 107), (9, 108), (10, 109), (11, 110)]);
        let me = ann.welcome.you.unwrap();
        ann.until(|ann| ann.fulls > 0 && ann.entities.contains_key(&me))
            .await;
        after.stop().await;
        host.stop().await;
    });
}

#[test]
fn a_wrong_used_or_foreign_token_resumes_nothing_before_and_after_a_crash() {
    run(async {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let host = start(folder.path()).await;
        let stranger = start(other.path()).await;
        let eve = Client::login(&stranger, "ann").await;
        let ann = Client::login(&host, "ann").await;
        let used = ann.welcome.resume.clone();
        ann.link.closed(Cause::Closed);
        let mut ann = Client::enter(&host.runtime, resume(&used, 0))
            .await
            .unwrap();
        ann.ask(Command::Log(1)).await.unwrap();
        let good = ann.welcome.resume.clone();
        let mut wrong = good.clone();
        let last = wrong.pop().unwrap();
        wrong.push(if last == '0' { '1' } else { '0' });
        let bad = [
            used,
            wrong,
            eve.welcome.resume.clone(),
            String::new(),
            "resume".into(),
        ];
        let image = crashed(folder.path());
        let after = start(image.path()).await;
        for host in [&host, &after] {
            for token in &bad {
                let refused = Client::enter(&host.runtime, resume(token, 0)).await;
                let refused = refused.err().expect("refused");
                assert_eq!(refused.code, ErrorCode::BadLogin, "{token}");
            }
            let mut ann = Client::enter(&host.runtime, resume(&good, 0))
                .await
                .unwrap();
            assert_eq!(ann.ask(Command::Read).await.unwrap(), [1]);
        }
        for host in [host, after, stranger] {
            host.stop().await;
        }
    });
}

#[test]
fn who_never_heard_of_its_new_token_resumes_by_the_old_one_after_a_crash() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let host = start(folder.path()).await;
        let mut ann = Client::login(&host, "ann").await;
        ann.ask(Command::Log(1)).await.unwrap();
        ann.link.closed(Cause::Closed);
        let token = ann.welcome.resume.clone();
        let second = Client::enter(&host.runtime, resume(&token, 0))
            .await
            .unwrap()
            .welcome
            .resume;
        // Safe on disk, but for all the server knows the welcome was lost with it.
        let image = crashed(folder.path());
        for newest in [&token, &second] {
            let image = crashed(image.path());
            let after = start(image.path()).await;
            let mut ann = Client::enter(&after.runtime, resume(newest, 0))
                .await
                .unwrap();
            assert_eq!(ann.ask(Command::Read).await.unwrap(), [1]);
            for old in [&token, &second] {
                let refused = Client::enter(&after.runtime, resume(old, 0)).await;
                assert_eq!(refused.err().unwrap().code, ErrorCode::BadLogin);
            }
            after.stop().await;
        }
        host.stop().await;
    });
}

#[test]
fn login_away_resume_and_logout_are_told_in_order_and_each_once_also_after_a_crash() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let host = start(folder.path()).await;
        let mut ann = Client::login(&host, "ann").await;
        let bob = Client::login(&host, "bob").await;
        let mut cat = Client::login(&host, "cat").await;
        host.told_of("ann", &["login"]).await;
        bob.link.closed(Cause::Closed);
        host.told_of("bob", &["login", "away"]).await;
        let bob = Client::enter(&host.runtime, resume(&bob.welcome.resume, 0))
            .await
            .unwrap();
        assert_eq!(host.book_of("bob"), ["login", "away", "resume"]);
        bob.link.closed(Cause::Closed);
        host.told_of("bob", &["login", "away", "resume", "away"])
            .await;
        cat.say(ClientMessage::Bye).await.unwrap();
        assert_eq!(cat.end().await, None);
        host.told_of("cat", &["login", "logout"]).await;
        ann.ask(Command::Log(1)).await.unwrap();

        // Killed and started again, twice: she who was there goes away once, he who was away is not
        // told of again, and she who had left stays away.
        let mut image = crashed(folder.path());
        for _ in 0..2 {
            image = crashed(image.path());
            let after = start(image.path()).await;
            after.told_of("ann", &["login", "away"]).await;
            assert_eq!(after.book_of("bob").len(), 4);
            assert_eq!(after.book_of("cat"), ["login", "logout"]);
            assert_eq!(after.runtime.status().sessions.away, 2);
            after.stop().await;
        }
        let after = start(image.path()).await;
        let again = Client::enter(&after.runtime, resume(&ann.welcome.resume, 0)).await;
        assert!(again.unwrap().welcome.resumed);
        after.told_of("ann", &["login", "away", "resume"]).await;
        after.stop().await;
        host.stop().await;
    });
}

#[test]
fn who_does_not_come_back_after_a_crash_is_logged_out_once() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let host = start(folder.path()).await;
        let ann = Client::login(&host, "ann").await;
        let image = crashed(folder.path());
        let short = || Settings {
            session_linger: Duration::from_millis(50),
            ..settings()
        };
        let after = Host::start_in(image.path(), Yard::default(), short()).await;
        after.told_of("ann", &["login", "away", "logout"]).await;
        until(|| after.runtime.status().sessions.away == 0).await;
        after.stop().await;
        let image = crashed(image.path());
        let after = Host::start_in(image.path(), Yard::default(), short()).await;
        assert_eq!(after.book_of("ann"), ["login", "away", "logout"]);
        assert_eq!(after.runtime.status().sessions.away, 0);
        let gone = Client::enter(&after.runtime, resume(&ann.welcome.resume, 0)).await;
        assert_eq!(gone.err().unwrap().code, ErrorCode::BadLogin);
        // The account itself is free.
        let mut ann = Client::login(&after, "ann").await;
        assert_eq!(ann.ask(Command::Log(1)).await.unwrap(), [1]);
        after.stop().await;
        host.stop().await;
    });
}

#[test]
fn who_the_world_has_ended_does_not_come_back_after_a_crash() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let host = start(folder.path()).await;
        let mut slow = Client::login(&host, "slow").await;
        host.yard.gate.shut();
        slow.send(Command::Leave).await;
        assert_eq!(slow.end().await.unwrap().code, ErrorCode::Refused);
        // It is told, but its logout has not run.
        host.yard.gate.until_held();
        let image = crashed(folder.path());
        host.yard.gate.open();
        let after = start(image.path()).await;
        let gone = Client::enter(&after.runtime, resume(&slow.welcome.resume, 0)).await;
        assert_eq!(gone.err().unwrap().code, ErrorCode::BadLogin);
        after.told_of("slow", &["login", "logout"]).await;
        after.stop().await;
        host.stop().await;
    });
}

#[test]
fn a_second_login_begins_anew_also_on_disk() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let host = start(folder.path()).await;
        let mut old = Client::login(&host, "ann").await;
        old.ask(Command::Log(1)).await.unwrap();
        old.ask(Command::Events(3, 1)).await.unwrap();
        let mut new = Client::enter(&host.runtime, entry("ann", Codec::Json))
            .await
            .unwrap();
        assert_eq!(old.end().await.unwrap().code, ErrorCode::TakenOver);
        assert_eq!(new.welcome.session, old.welcome.session);
        assert_eq!(new.ask(Command::Read).await.unwrap(), [1]);
        new.ask(Command::Events(1, 77)).await.unwrap();
        let image = crashed(folder.path());
        let after = start(image.path()).await;
        let refused = Client::enter(&after.runtime, resume(&old.welcome.resume, 0)).await;
        assert_eq!(refused.err().unwrap().code, ErrorCode::BadLogin);
        let mut new = Client::enter(&after.runtime, resume(&new.welcome.resume, 0))
            .await
            .unwrap();
        assert_eq!(new.welcome.last_command, 2);
        new.until(|new| !new.events.is_empty()).await;
        // What was left for the client before would have come by the time that this is answered.
        assert_eq!(new.ask(Command::Read).await.unwrap(), [1]);
        assert_eq!(new.events, [(1, 77)]);
        after.stop().await;
        host.stop().await;
    });
}

#[test]
fn a_drain_parts_with_clients_who_resume_after_the_next_start() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let host = start(folder.path()).await;
        let mut ann = Client::login(&host, "ann").await;
        ann.ask(Command::Log(1)).await.unwrap();
        let stopped = actix_rt::spawn(async move { host.stop().await });
        assert_eq!(ann.end().await.unwrap().code, ErrorCode::Draining);
        stopped.await.unwrap();
        // A copy: the folder itself is free when the last of the old server's threads has gone.
        let image = crashed(folder.path());
        let after = start(image.path()).await;
        assert_eq!(after.book_of("ann"), ["login", "away"]);
        let mut ann = Client::enter(&after.runtime, resume(&ann.welcome.resume, 0))
            .await
            .unwrap();
        assert_eq!(ann.welcome.last_command, 1);
        assert_eq!(ann.ask(Command::Read).await.unwrap(), [1]);
        after.stop().await;
    });
}
