//! The crash campaign of Ledger (G2, G3): the real server is killed again and again under load of
//! transfers and appends, and started again on the same folder.
//!
//! Each client pays among accounts that are its own, to and from accounts that all share, and
//! appends 1, 2, 3 … to a list of its own. It keeps a shadow of what its commands did. After each
//! kill its accounts and its list must stand exactly where they stood after all answered commands
//! and some first part of the unanswered ones: nothing that was acknowledged is lost, nothing
//! is done twice or out of order, and there is no half of a transfer. Then the shared accounts
//! must be the sum of all shadows, and `total` what it was.

#![allow(clippy::unwrap_used, reason = "the line of the failure is shown")]

#[path = "crash/backup.rs"]
mod backup;
#[path = "crash/exactly_once.rs"]
mod exactly_once;
#[path = "../../../world-data/tests/history.rs"]
mod history;
#[path = "../../../tests/crash/host.rs"]
mod host;
#[path = "crash/purse.rs"]
mod purse;
#[path = "crash/weakened.rs"]
mod weakened;

use std::collections::VecDeque;
use std::time::Duration;

use brightstar::world_data::Rng;
use brightstar_client::{Codec, Hello, Update};
use ledger::{Command, Op, Verb};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use host::Host;
use purse::{BALANCE, Expected, Purse, SHARED, Socket, ask, check_shared, start};

const CLIENTS: u64 = 8;
/// Accounts that only one client touches.
const OWN: u64 = 8;
const FIRST_SHARED: u64 = CLIENTS * OWN;
const ACCOUNTS: u64 = FIRST_SHARED + SHARED;
/// Commands that a client has under way.
const WINDOW: usize = 32;
/// A kill comes after this many further answers, over all clients.
const ANSWERS: std::ops::Range<usize> = 200..4_000;
/// And then within this many microseconds.
const JITTER_US: std::ops::Range<u64> = 0..5_000;
/// What one kill, restart and check may take.
const ROUND_LIMIT: Duration = Duration::from_secs(90);

/// What a client's commands have done, as far as it knows.
#[derive(Debug, Clone, PartialEq)]
struct Shadow {
    purse: Purse,
    list: Vec<i64>,
}

/// A client between two rounds.
struct Player {
    number: u64,
    rng: Rng,
    shadow: Shadow,
    /// The key of its list; a new one in each round, since lists have an end.
    key: u64,
    unanswered: VecDeque<Command>,
}

impl Player {
    fn new(number: u64, seed: u64) -> Self {
        let shadow = Shadow {
            purse: Purse::new(number, OWN, FIRST_SHARED),
            list: Vec::new(),
        };
        let rng = Rng::with_seed(seed.wrapping_mul(CLIENTS).wrapping_add(number));
        Self {
            number,
            rng,
            shadow,
            key: 0,
            unanswered: VecDeque::new(),
        }
    }

    fn first(&self) -> u64 {
        self.number * OWN
    }

    /// What it asks next. Small sums between the shared accounts, so that none of them ever runs
    /// dry; large ones among its own, so that some are refused.
    fn think(&mut self, appended: i64) -> Command {
        let own = self.first() + self.rng.u64(0..OWN);
        let shared = FIRST_SHARED + self.rng.u64(0..SHARED);
        match self.rng.u32(0..10) {
            0..5 => {
                let to = self.first() + self.rng.u64(0..OWN);
                Command::Transfer {
                    from: own,
                    to,
                    amount: self.rng.i64(1..BALANCE / 2),
                }
            }
            5..7 => Command::Transfer {
                from: own,
                to: shared,
                amount: self.rng.i64(1..100),
            },
            7..9 => Command::Transfer {
                from: shared,
                to: own,
                amount: self.rng.i64(1..100),
            },
            _ => Command::Txn(vec![Op(Verb::Append, self.key, Some(appended))]),
        }
    }

    /// Plays until the server is gone. Each answer is checked against the shadow and told to
    /// `answered`.
    async fn play(mut self, url: String, answered: mpsc::Sender<()>) -> Self {
        let hello = Hello::guest(format!("client-{}", self.number));
        let mut socket = Socket::connect(&url, Codec::MessagePack, hello)
            .await
            .unwrap();
        let mut appended = 0;
        'playing: loop {
            while self.unanswered.len() < WINDOW {
                let command = self.think(appended + 1);
                appended += i64::from(matches!(command, Command::Txn(_)));
                self.unanswered.push_back(command.clone());
                if socket.command(&command).await.is_err() {
                    break 'playing;
                }
            }
            match socket.next().await {
                Ok(Update::Reply { outcome, .. }) => {
                    let command = self.unanswered.pop_front().unwrap();
                    let expected = self.shadow.apply(&command);
                    expected.check(&command, &outcome);
                    // Nobody counts any more once the kill is on its way.
                    answered.send(()).await.unwrap_or_default();
                }
                Ok(_) => {}
                Err(_) => break,
            }
        }
        self
    }

    /// Finds the first part of the unanswered commands after which the world stood as it is now;
    /// returns how many they are.
    fn settle(&mut self, own: &[i64], list: &[i64]) -> usize {
        let candidates = self.unanswered.len();
        let mut shadow = self.shadow.clone();
        for done in 0..=candidates {
            if shadow.purse.own == own && shadow.list == list {
                self.shadow = shadow;
                self.unanswered.clear();
                return done;
            }
            if let Some(command) = self.unanswered.get(done) {
                shadow.apply(command);
            }
        }
        panic!(
            "client {}: what is there is no prefix of what it asked.\nanswered up to {:?}\nfound \
             {own:?} {list:?}\nunanswered {:?}",
            self.number, self.shadow, self.unanswered
        );
    }
}

impl Shadow {
    /// Does what the server must do with a command.
    fn apply(&mut self, command: &Command) -> Expected {
        match *command {
            Command::Transfer { from, to, amount } => self.purse.transfer(from, to, amount),
            Command::Txn(ref ops) => {
                self.list.extend(ops.iter().filter_map(|op| op.2));
                Expected::Done
            }
            Command::Balance(_) | Command::Total => unreachable!("clients only write"),
        }
    }
}

/// Lets all play until enough is answered, then kills the server under them.
async fn play_and_kill(host: Host, players: Vec<Player>, rng: &mut Rng) -> (Vec<Player>, usize) {
    let (answered, mut answers) = mpsc::channel(1);
    let mut playing = JoinSet::new();
    for player in players {
        playing.spawn(player.play(host.url(), answered.clone()));
    }
    drop(answered);
    let target = rng.usize(ANSWERS);
    for _ in 0..target {
        answers
            .recv()
            .await
            .expect("all clients ended before the kill");
    }
    answers.close();
    // Not to wait for anything: to hit another moment of an epoch each time.
    sleep(Duration::from_micros(rng.u64(JITTER_US))).await;
    host.kill();
    let mut players = playing.join_all().await;
    players.sort_by_key(|player| player.number);
    (players, target)
}

/// Checks everything that must have survived; returns how many unanswered commands had been done.
async fn check(host: &Host, players: &mut [Player]) -> usize {
    let hello = Hello::guest("auditor");
    let mut socket = Socket::connect(&host.url(), Codec::MessagePack, hello)
        .await
        .unwrap();
    let balances = ask(&mut socket, Command::Balance((0..ACCOUNTS).collect())).await;
    let balances: Vec<i64> = serde_json::from_value(balances).unwrap();
    let mut done = 0;
    for player in players.iter_mut() {
        let first = player.first() as usize;
        let list = ask(
            &mut socket,
            Command::Txn(vec![Op(Verb::R, player.key, None)]),
        )
        .await;
        let list: Option<Vec<i64>> = serde_json::from_value(list[0][2].clone()).unwrap();
        let own = &balances[first..first + OWN as usize];
        done += player.settle(own, &list.unwrap_or_default());
    }
    let purses: Vec<_> = players.iter().map(|player| &player.shadow.purse).collect();
    check_shared(&purses, FIRST_SHARED, &balances);
    let total = ask(&mut socket, Command::Total).await;
    assert_eq!(total, json!(ACCOUNTS.cast_signed() * BALANCE), "total");
    done
}

#[tokio::test]
async fn kills_under_load_lose_nothing_and_double_nothing() {
    let (seed, kills) = (host::seed(), host::kills());
    println!("seed {seed}, {kills} kills");
    let folder = tempfile::tempdir().unwrap();
    let start = || start(folder.path(), ACCOUNTS);
    let mut rng = Rng::with_seed(seed);
    let mut players: Vec<_> = (0..CLIENTS)
        .map(|number| Player::new(number, seed))
        .collect();
    let (mut host, mut unanswered) = (start(), 0);
    for round in 0..u64::from(kills) {
        for player in &mut players {
            player.key = round * CLIENTS + player.number;
            player.shadow.list.clear();
        }
        let this_round = async {
            let (mut players, answers) = play_and_kill(host, players, &mut rng).await;
            let open: usize = players.iter().map(|player| player.unanswered.len()).sum();
            let host = start();
            let done = check(&host, &mut players).await;
            println!("kill {round}: {answers} answered, {open} not, of which {done} were done");
            unanswered += open;
            (host, players)
        };
        (host, players) = timeout(ROUND_LIMIT, this_round)
            .await
            .expect("a round takes too long");
    }
    assert!(
        unanswered > 0,
        "every kill hit an idle server: the campaign shows nothing"
    );
    host.kill();
}
