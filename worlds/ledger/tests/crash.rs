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
#[path = "crash/weakened.rs"]
mod weakened;

use std::collections::VecDeque;
use std::time::Duration;

use brightstar::world_data::Rng;
use brightstar_client::{Codec, Connection, ErrorCode, Hello, Outcome, Update, World};
use ledger::{Command, Nothing, Op, Verb};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use host::Host;

const CLIENTS: u64 = 8;
/// Accounts that only one client touches.
const OWN: u64 = 8;
/// Accounts that all clients touch, behind those.
const SHARED: u64 = 4;
const FIRST_SHARED: u64 = CLIENTS * OWN;
const ACCOUNTS: u64 = FIRST_SHARED + SHARED;
const BALANCE: i64 = 1_000_000;
/// Commands that a client has under way.
const WINDOW: usize = 32;
/// A kill comes after this many further answers, over all clients.
const ANSWERS: std::ops::Range<usize> = 200..4_000;
/// And then within this many microseconds.
const JITTER_US: std::ops::Range<u64> = 0..5_000;
/// What one kill, restart and check may take.
const ROUND_LIMIT: Duration = Duration::from_secs(90);

#[derive(Debug)]
struct Ledger;

impl World for Ledger {
    type Command = Command;
    type Reply = Value;
    type Input = Nothing;
    type Event = Value;
}

/// What a client's commands have done, as far as it knows.
#[derive(Debug, Clone, PartialEq)]
struct Shadow {
    own: Vec<i64>,
    /// What its transfers have added to each shared account.
    shared: Vec<i64>,
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
            own: vec![BALANCE; OWN as usize],
            shared: vec![0; SHARED as usize],
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
        let mut socket = Connection::<Ledger>::connect(&url, Codec::MessagePack, hello)
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
                    let expected = self.shadow.apply(self.first(), &command);
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
    fn settle(&mut self, seen: &Shadow) -> usize {
        let candidates = self.unanswered.len();
        let mut shadow = self.shadow.clone();
        for done in 0..=candidates {
            if shadow.own == seen.own && shadow.list == seen.list {
                self.shadow = shadow;
                self.unanswered.clear();
                return done;
            }
            if let Some(command) = self.unanswered.get(done) {
                shadow.apply(self.number * OWN, command);
            }
        }
        panic!(
            "client {}: what is there is no prefix of what it asked.\nanswered up to {:?}\nfound \
             {seen:?}\nunanswered {:?}",
            self.number, self.shadow, self.unanswered
        );
    }
}

/// What a client knows of an answer before it comes.
enum Expected {
    /// The balances of `from` and `to`, where no other client can change them.
    Transferred(Option<i64>, Option<i64>),
    Refused(&'static str),
    Appended,
}

impl Expected {
    fn check(&self, command: &Command, outcome: &Outcome<Value>) {
        let right = match (self, outcome) {
            (Self::Refused(why), Err(error)) => {
                error.code == ErrorCode::Refused && error.message == *why
            }
            (Self::Transferred(from, to), Ok(reply)) => {
                from.is_none_or(|from| reply["from"] == from)
                    && to.is_none_or(|to| reply["to"] == to)
            }
            (Self::Appended, Ok(_)) => true,
            _ => false,
        };
        assert!(right, "{command:?} was answered {outcome:?}");
    }
}

impl Shadow {
    /// Does what the server must do with a command of the client whose accounts begin at `first`.
    fn apply(&mut self, first: u64, command: &Command) -> Expected {
        let own = |account: u64| (account < FIRST_SHARED).then(|| (account - first) as usize);
        match *command {
            Command::Transfer { from, to, amount } => {
                if from == to {
                    return Expected::Refused("same_account");
                }
                if own(from).is_some_and(|from| self.own[from] < amount) {
                    return Expected::Refused("insufficient");
                }
                for (account, change) in [(from, -amount), (to, amount)] {
                    match own(account) {
                        Some(account) => self.own[account] += change,
                        None => self.shared[(account - FIRST_SHARED) as usize] += change,
                    }
                }
                let balance = |account| own(account).map(|account| self.own[account]);
                Expected::Transferred(balance(from), balance(to))
            }
            Command::Txn(ref ops) => {
                self.list.extend(ops.iter().filter_map(|op| op.2));
                Expected::Appended
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

/// Asks one thing.
async fn ask(socket: &mut Connection<Ledger>, command: Command) -> Value {
    socket.command(&command).await.unwrap();
    loop {
        if let Update::Reply { outcome, .. } = socket.next().await.unwrap() {
            return outcome.unwrap();
        }
    }
}

/// Checks everything that must have survived; returns how many unanswered commands had been done.
async fn check(host: &Host, players: &mut [Player], before: &mut [i64]) -> usize {
    let hello = Hello::guest("auditor");
    let mut socket = Connection::<Ledger>::connect(&host.url(), Codec::MessagePack, hello)
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
        let list = list[0][2].clone();
        let seen = Shadow {
            own: balances[first..first + OWN as usize].to_vec(),
            shared: Vec::new(),
            list: if list == json!(null) {
                Vec::new()
            } else {
                serde_json::from_value(list).unwrap()
            },
        };
        done += player.settle(&seen);
    }
    for (account, balance) in before.iter_mut().enumerate() {
        let expected: i64 = players
            .iter()
            .map(|player| player.shadow.shared[account])
            .sum();
        *balance = balances[FIRST_SHARED as usize + account];
        assert_eq!(*balance, BALANCE + expected, "shared account {account}");
    }
    let total = ask(&mut socket, Command::Total).await;
    assert_eq!(total, json!(ACCOUNTS.cast_signed() * BALANCE), "total");
    done
}

#[tokio::test]
async fn kills_under_load_lose_nothing_and_double_nothing() {
    let (seed, kills) = (host::seed(), host::kills());
    println!("seed {seed}, {kills} kills");
    let folder = tempfile::tempdir().unwrap();
    let (accounts, balance) = (ACCOUNTS.to_string(), BALANCE.to_string());
    let flags = [
        "--accounts",
        &accounts,
        "--balance",
        &balance,
        "--regions",
        "8",
    ];
    let start = || Host::start(env!("CARGO_BIN_EXE_ledger"), folder.path(), &flags);
    let mut rng = Rng::with_seed(seed);
    let mut players: Vec<_> = (0..CLIENTS)
        .map(|number| Player::new(number, seed))
        .collect();
    let mut shared = vec![BALANCE; SHARED as usize];
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
            let done = check(&host, &mut players, &mut shared).await;
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
