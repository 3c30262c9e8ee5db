//! Players come back to a server that was killed (G4): the same session, the same body, each reply
//! once; who does not come back is logged out when the time is over.

use std::time::Duration;

use brightstar_client::{Codec, Connection, ErrorCode, Hello, Update};
use meadow::Command;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::guest::{Meadow, ask};
use crate::host::Host;

type Socket = Connection<Meadow>;

/// What all of a test may take.
const LIMIT: Duration = Duration::from_mins(2);

fn start(folder: &std::path::Path) -> Host {
    let config = folder.join("short.toml");
    std::fs::write(&config, "[sessions]\nlinger_seconds = 2\n").unwrap();
    let config = config.to_str().unwrap();
    let flags = ["--regions", "4", "--config", config];
    Host::start(env!("CARGO_BIN_EXE_meadow"), folder, &flags)
}

async fn log_in(host: &Host, name: &str, codec: Codec) -> Socket {
    Socket::connect(&host.url(), codec, Hello::guest(name))
        .await
        .unwrap()
}

async fn players(socket: &mut Socket) -> Value {
    ask(socket, Command::Census).await.unwrap()["players"].clone()
}

async fn players_who_were_killed_with_the_server_come_back_or_go() {
    let folder = tempfile::tempdir().unwrap();
    let host = start(folder.path());
    let mut ann = log_in(&host, "ann", Codec::Json).await;
    let bob = log_in(&host, "bob", Codec::MessagePack).await;
    let body = ann.welcome().you;
    assert_eq!(players(&mut ann).await, json!(2));
    // Asked, and killed before anybody can have read the answers.
    for _ in 0..5 {
        ann.command(&Command::Say("hello".into())).await.unwrap();
    }
    ann.flush().await.unwrap();
    host.kill();
    let mut ann = ann.into_resume();

    let host = start(folder.path());
    let mut ann = Socket::resume(&host.url(), &mut ann).await.unwrap();
    assert_eq!(ann.welcome().you, body);
    let (mut replies, mut said) = (0, 0);
    while replies < 5 || said < 5 {
        match ann.next().await.unwrap() {
            Update::Reply { outcome, .. } => {
                outcome.unwrap();
                replies += 1;
            }
            Update::Event { .. } => said += 1,
            _ => {}
        }
    }
    // Each word was said once: another answer comes, and nothing more before it.
    ann.command(&Command::Census).await.unwrap();
    loop {
        match ann.next().await.unwrap() {
            Update::Reply { .. } => break,
            Update::Event { n, .. } => panic!("event {n} is one too many"),
            _ => {}
        }
    }
    // He does not come back.
    while players(&mut ann).await != json!(1) {
        sleep(Duration::from_millis(20)).await;
    }
    let mut bob = bob.into_resume();
    let refused = Socket::resume(&host.url(), &mut bob).await.unwrap_err();
    assert!(
        refused
            .to_string()
            .contains(&ErrorCode::BadLogin.to_string()),
        "{refused}"
    );
    host.kill();

    let host = start(folder.path());
    let mut ann = Socket::resume(&host.url(), &mut ann.into_resume())
        .await
        .unwrap();
    assert_eq!(
        players(&mut ann).await,
        json!(1),
        "he was logged out for good"
    );
    ann.bye().await.unwrap();
    let mut cat = log_in(&host, "cat", Codec::Json).await;
    while players(&mut cat).await != json!(1) {
        sleep(Duration::from_millis(20)).await;
    }
    host.kill();
}

#[tokio::test]
async fn who_was_playing_when_the_server_was_killed_comes_back_or_is_logged_out() {
    timeout(
        LIMIT,
        players_who_were_killed_with_the_server_come_back_or_go(),
    )
    .await
    .expect("it takes too long");
}
