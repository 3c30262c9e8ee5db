//! Backups of Ledger, made while clients pay and append: by the running server on an operator's
//! order, and by a second process beside it. Each is a state that the ledger really had: it is
//! sound, no money is in it twice or missing, each client's list is a beginning of what it
//! appended, and an ordered one has all that was acknowledged before the order.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use brightstar::world_data::Rng;
use brightstar_client::{Codec, Connection, Hello, Update, World};
use ledger::{Command, Nothing, Op, Verb};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::host::Host;

const CLIENTS: usize = 8;
const ACCOUNTS: u64 = 64;
/// What is in the ledger.
const TOTAL: i64 = 64 * BALANCE;
const BALANCE: i64 = 1_000;
/// Commands that a client has under way.
const WINDOW: usize = 16;
/// So many backups are made, by turns on order and beside the server.
const BACKUPS: usize = 6;
/// Each is begun when clients have appended so much since the last one.
const BETWEEN: i64 = 100;
const LEDGER: &str = env!("CARGO_BIN_EXE_ledger");
const TOKEN: &str = "ledger-operators-token";

#[derive(Debug)]
struct Ledger;

impl World for Ledger {
    type Command = Command;
    type Reply = Value;
    type Input = Nothing;
    type Event = Value;
}

/// What clients know.
#[derive(Default)]
struct Known {
    /// By client: what it has asked to append up to, and what was acknowledged.
    asked: [AtomicI64; CLIENTS],
    acknowledged: [AtomicI64; CLIENTS],
    over: AtomicBool,
}

impl Known {
    fn now(list: &[AtomicI64; CLIENTS]) -> Vec<i64> {
        list.iter().map(|n| n.load(Ordering::SeqCst)).collect()
    }
}

/// Pays between any accounts, and appends 1, 2, 3 … to a list of its own.
async fn play(number: usize, url: String, known: Arc<Known>) {
    let hello = Hello::guest(format!("client-{number}"));
    let connected = Connection::<Ledger>::connect(&url, Codec::MessagePack, hello);
    let mut socket = connected.await.unwrap();
    let mut rng = Rng::with_seed(number as u64);
    let mut under_way = VecDeque::new();
    let mut appended = 0;
    while !known.over.load(Ordering::SeqCst) || !under_way.is_empty() {
        while under_way.len() < WINDOW && !known.over.load(Ordering::SeqCst) {
            let command = if rng.u32(0..8) == 0 {
                appended += 1;
                known.asked[number].store(appended, Ordering::SeqCst);
                Command::Txn(vec![Op(Verb::Append, number as u64, Some(appended))])
            } else {
                Command::Transfer {
                    from: rng.u64(0..ACCOUNTS),
                    to: rng.u64(0..ACCOUNTS),
                    amount: rng.i64(1..BALANCE),
                }
            };
            socket.command(&command).await.unwrap();
            under_way.push_back(matches!(command, Command::Txn(_)).then_some(appended));
        }
        if let Update::Reply { outcome, .. } = socket.next().await.unwrap()
            && let Some(appended) = under_way.pop_front().unwrap()
        {
            outcome.unwrap();
            known.acknowledged[number].store(appended, Ordering::SeqCst);
        }
    }
}

/// A backup, and what must be in it at least.
struct Made {
    folder: PathBuf,
    least: Vec<i64>,
    most: Vec<i64>,
}

fn run(args: &[&str]) -> String {
    let done = Process::new(LEDGER).args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (told, why) = (text(&done.stdout), text(&done.stderr));
    assert!(done.status.success(), "{args:?}: {told}{why}");
    told
}

fn make(number: usize, host: &Host, folder: &Path, known: &Known) -> Made {
    let acknowledged = Known::now(&known.acknowledged);
    let (target, least) = if number.is_multiple_of(2) {
        let (url, name) = (format!("http://{}", host.address()), format!("b{number}"));
        let token = folder.join("token").display().to_string();
        let told = run(&["backup", &name, "--server", &url, "--token-file", &token]);
        assert!(
            told.contains(&name) && told.contains("the world up to epoch"),
            "{told}"
        );
        (folder.join("backups").join(name), acknowledged)
    } else {
        let target = folder.join(format!("beside{number}"));
        let data = folder.join("data").display().to_string();
        let told = run(&["backup", &data, &target.display().to_string()]);
        assert!(told.contains("beside a running server"), "{told}");
        (target, vec![0; CLIENTS])
    };
    let checked = run(&["check", &target.display().to_string()]);
    assert!(checked.ends_with("nothing is wrong\n"), "{checked}");
    Made {
        folder: target,
        least,
        most: Known::now(&known.asked),
    }
}

/// Serves a backup and looks into it; returns how long the lists are in all.
async fn look(made: &Made) -> i64 {
    let home = tempfile::tempdir().unwrap();
    fs::rename(&made.folder, home.path().join("data")).unwrap();
    let host = Host::start(LEDGER, home.path(), &[]);
    let hello = Hello::guest("auditor");
    let url = host.url();
    let connected = Connection::<Ledger>::connect(&url, Codec::MessagePack, hello);
    let mut socket = connected.await.unwrap();
    let reads = (0..CLIENTS as u64).map(|key| Op(Verb::R, key, None));
    socket.command(&Command::Total).await.unwrap();
    socket
        .command(&Command::Txn(reads.collect()))
        .await
        .unwrap();
    let mut replies = Vec::new();
    while replies.len() < 2 {
        if let Update::Reply { outcome, .. } = socket.next().await.unwrap() {
            replies.push(outcome.unwrap());
        }
    }
    assert_eq!(replies[0], json!(TOTAL), "money is lost or made");
    let mut all = 0;
    for (number, read) in replies[1].as_array().unwrap().iter().enumerate() {
        let list: Vec<i64> = serde_json::from_value(read[2].clone()).unwrap_or_default();
        let end = i64::try_from(list.len()).unwrap();
        assert_eq!(list, (1..=end).collect::<Vec<_>>(), "client {number}");
        let (least, most) = (made.least[number], made.most[number]);
        assert!(
            (least..=most).contains(&end),
            "client {number}: {end} is not in {least}..={most}"
        );
        all += end;
    }
    host.kill();
    all
}

#[tokio::test]
async fn a_backup_under_load_is_a_state_that_the_world_really_had() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    let token = folder.join("token");
    fs::write(&token, TOKEN).unwrap();
    fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let config = folder.join("ledger.toml");
    let backups = folder.join("backups");
    let words = format!("[admin]\ntoken_file = {token:?}\nbackups = {backups:?}\n");
    fs::write(&config, words).unwrap();
    let (accounts, balance) = (ACCOUNTS.to_string(), BALANCE.to_string());
    let config = config.display().to_string();
    let flags = [
        "--config",
        &config,
        "--accounts",
        &accounts,
        "--balance",
        &balance,
    ];
    let host = Arc::new(Host::start(LEDGER, folder, &flags));
    let known = Arc::new(Known::default());
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(play(number, host.url(), Arc::clone(&known)));
    }
    let mut made = Vec::new();
    let mut enough = 0;
    for number in 0..BACKUPS {
        enough += BETWEEN;
        while Known::now(&known.acknowledged).iter().sum::<i64>() < enough {
            tokio::task::yield_now().await;
        }
        let (host, known, folder) = (Arc::clone(&host), Arc::clone(&known), folder.to_owned());
        let one = tokio::task::spawn_blocking(move || make(number, &host, &folder, &known));
        made.push(one.await.unwrap());
    }
    known.over.store(true, Ordering::SeqCst);
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
    Arc::into_inner(host).unwrap().kill();
    // The folder of a server that was killed has its journal, and so all that was acknowledged.
    let target = folder.join("after");
    let data = folder.join("data").display().to_string();
    let told = run(&["backup", &data, &target.display().to_string()]);
    assert!(told.contains("with its journal"), "{told}");
    made.push(Made {
        folder: target,
        least: Known::now(&known.acknowledged),
        most: Known::now(&known.acknowledged),
    });
    let mut before = 0;
    for backup in &made {
        let now = look(backup).await;
        assert!(now >= before, "a later backup has less");
        before = now;
    }
    assert!(before > enough, "there was no load");
}
