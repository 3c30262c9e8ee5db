//! Lives here: the campaign of exactly-once (G1, G3, G4, G5): clients that never give up, on a
//! server that is killed every two seconds.
//! Not here: clients that log in anew after each kill (`crash`), the server process (`host`), the
//! checker of histories (`history`).
//!
//! Each client numbers its commands, keeps some of them unanswered, and when its socket dies resumes
//! its session and sends again what has no answer. Among accounts that are its own it knows what each
//! answer must be, to the coin; on lists that all share it appends values that are appended once, and
//! reads. In the end every command was answered exactly once and in order, every answer agrees with
//! the client's own model, the shared accounts are the sum of all models, and all that was read and
//! appended has a serial order that agrees with real time.

use std::collections::VecDeque;
use std::time::Duration;

use brightstar::world_data::Rng;
use brightstar_client::{ClientError, Codec, Hello, Outcome, Resume, Retry, Update};
use ledger::{Command, Op, Verb};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use crate::history::{Act, Entry, serial_order_exists};
use crate::host;
use crate::purse::{BALANCE, Purse, SHARED, Socket, ask, check_shared, start};

const CLIENTS: u64 = 64;
/// Accounts that only one client touches.
const OWN: u64 = 4;
const FIRST_SHARED: u64 = CLIENTS * OWN;
const ACCOUNTS: u64 = FIRST_SHARED + SHARED;
/// Commands that a client has under way.
const WINDOW: usize = 8;
/// Each client adds to its window so often, so that histories stay of a size that can be checked.
const PACE: Duration = Duration::from_millis(20);
/// The server is killed so long after it became ready.
const LIFE: Duration = Duration::from_secs(2);
/// And then within this many microseconds.
const JITTER_US: std::ops::Range<u64> = 0..5_000;
/// Lists in use at one time; new ones come with each life of the server, since lists have an end.
const LISTS: u64 = 32;
/// How long a client waits before it knocks again.
const KNOCK: Duration = Duration::from_millis(20);
/// How long the last answers may take.
const LIMIT: Duration = Duration::from_mins(3);

/// Where the server is, how many lives it has had, and whether the clients are to come to an end.
#[derive(Debug, Clone)]
struct Where {
    url: String,
    life: u64,
    ends: bool,
}

/// A command under way.
struct Asked {
    seq: u64,
    command: Command,
    since: Instant,
}

/// One client.
struct Client {
    number: u64,
    rng: Rng,
    begun: Instant,
    purse: Purse,
    appended: u32,
    asked: VecDeque<Asked>,
    answers: u64,
    resumes: u64,
    history: Vec<Entry<u64>>,
}

impl Client {
    fn new(number: u64, seed: u64, begun: Instant) -> Self {
        Self {
            number,
            rng: Rng::with_seed(seed.wrapping_mul(CLIENTS).wrapping_add(number)),
            begun,
            purse: Purse::new(number, OWN, FIRST_SHARED),
            appended: 0,
            asked: VecDeque::new(),
            answers: 0,
            resumes: 0,
            history: Vec::new(),
        }
    }

    fn think(&mut self, life: u64) -> Command {
        let first = self.number * OWN;
        let own = first + self.rng.u64(0..OWN);
        let shared = FIRST_SHARED + self.rng.u64(0..SHARED);
        let transfer = |from, to, amount| Command::Transfer { from, to, amount };
        match self.rng.u32(0..10) {
            0..3 => {
                let to = first + self.rng.u64(0..OWN);
                transfer(own, to, self.rng.i64(1..BALANCE / 2))
            }
            3 => transfer(own, shared, self.rng.i64(1..100)),
            4 => transfer(shared, own, self.rng.i64(1..100)),
            _ => Command::Txn((0..self.rng.usize(1..5)).map(|_| self.op(life)).collect()),
        }
    }

    fn op(&mut self, life: u64) -> Op {
        let key = life * LISTS + self.rng.u64(0..LISTS);
        if self.rng.bool() {
            return Op(Verb::R, key, None);
        }
        self.appended += 1;
        let value = self.appended * CLIENTS as u32 + self.number as u32;
        Op(Verb::Append, key, Some(value.into()))
    }

    /// Plays over all lives of the server, until it is to end; returns when all is answered.
    async fn play(mut self, mut at: watch::Receiver<Where>) -> Self {
        let hello = Hello::guest(format!("client-{}", self.number));
        let url = at.borrow().url.clone();
        // Half of them speak JSON, so that outcomes are kept for both codecs.
        let codec = [Codec::MessagePack, Codec::Json][self.number as usize % 2];
        let mut socket = Socket::connect(&url, codec, hello).await.unwrap();
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let Where { life, ends, .. } = *at.borrow();
            if ends && self.asked.is_empty() {
                break;
            }
            let asks = !ends && self.asked.len() < WINDOW;
            let end = tokio::select! {
                update = socket.next() => match update {
                    Ok(Update::Reply { seq, outcome }) => {
                        self.hear(seq, &outcome);
                        Ok(())
                    }
                    Ok(_) => Ok(()),
                    Err(error) => Err(error),
                },
                _ = pace.tick(), if asks => self.ask(&mut socket, life).await,
                changed = at.changed() => {
                    changed.expect("the campaign tells the clients to end");
                    Ok(())
                }
            };
            if let Err(error) = end {
                assert_ne!(
                    error.retry(),
                    Retry::Never,
                    "client {}: {error}",
                    self.number
                );
                socket = self.resume(socket.into_resume(), &mut at).await;
            }
        }
        socket.bye().await.unwrap();
        self
    }

    async fn ask(&mut self, socket: &mut Socket, life: u64) -> Result<(), ClientError> {
        let command = self.think(life);
        let since = Instant::now();
        // It is kept by the connection before it is written: if that fails, it will be sent again.
        let seq = self.answers + self.asked.len() as u64 + 1;
        self.asked.push_back(Asked {
            seq,
            command: command.clone(),
            since,
        });
        let given = socket.command(&command).await?;
        assert_eq!(given, seq, "client {}: numbers", self.number);
        socket.flush().await
    }

    /// Knocks until the server is there again and lets it in.
    async fn resume(&mut self, mut resume: Resume, at: &mut watch::Receiver<Where>) -> Socket {
        loop {
            let url = at.borrow_and_update().url.clone();
            match Socket::resume(&url, &mut resume).await {
                Ok(socket) => {
                    self.resumes += 1;
                    let last = socket.welcome().last_command;
                    let sent = self.asked.back().map_or(self.answers, |asked| asked.seq);
                    assert!(
                        (self.answers..=sent).contains(&last),
                        "client {}: {last} took effect, {} are answered, {sent} were sent",
                        self.number,
                        self.answers
                    );
                    return socket;
                }
                Err(error) if error.retry() == Retry::Never => {
                    panic!("client {}: its session is lost: {error}", self.number)
                }
                // Wherever the server is by then.
                Err(_) => timeout(KNOCK, at.changed()).await.map_or((), drop),
            }
        }
    }

    fn hear(&mut self, seq: u64, outcome: &Outcome<Value>) {
        let asked = self.asked.pop_front();
        let asked = asked.unwrap_or_else(|| panic!("{seq} is answered twice: {outcome:?}"));
        assert_eq!(asked.seq, seq, "client {}: order", self.number);
        self.answers += 1;
        match &asked.command {
            Command::Transfer { from, to, amount } => {
                let expected = self.purse.transfer(*from, *to, *amount);
                expected.check(&asked.command, outcome);
            }
            Command::Txn(ops) => {
                let reply = outcome.as_ref().expect("lists are never full");
                let since = |at: Instant| (at - self.begun).as_micros() as u64;
                self.history.push(Entry {
                    from: since(asked.since),
                    to: since(Instant::now()),
                    acts: acts(ops, reply),
                });
            }
            Command::Balance(_) | Command::Total => unreachable!("clients do not ask that"),
        }
    }
}

/// What a `txn` did, by its reply.
fn acts(ops: &[Op], reply: &Value) -> Vec<Act<u64>> {
    let done = reply.as_array().expect("a list of operations");
    assert_eq!(done.len(), ops.len(), "{reply}");
    let act = |(op, done): (&Op, &Value)| match (op.0, op.2) {
        (Verb::Append, Some(value)) => {
            assert_eq!(*done, json!(["append", op.1, value]));
            Act::Append(op.1, u32::try_from(value).unwrap())
        }
        _ => Act::Read(op.1, read(&done[2])),
    };
    ops.iter().zip(done).map(act).collect()
}

fn read(list: &Value) -> Vec<u32> {
    let list: Option<Vec<u32>> = serde_json::from_value(list.clone()).unwrap();
    list.unwrap_or_default()
}

/// Reads everything once more, when all is done: all lists, as the last entry of a history, and the
/// balances of all accounts.
async fn read_all(auditor: &mut Socket, lives: u64, clients: &[Client]) -> (Entry<u64>, Vec<i64>) {
    let mut lists = Vec::new();
    let keys: Vec<u64> = (0..(lives + 1) * LISTS).collect();
    for keys in keys.chunks(ledger::MAX_OPS) {
        let ops: Vec<_> = keys.iter().map(|key| Op(Verb::R, *key, None)).collect();
        let reply = ask(auditor, Command::Txn(ops.clone())).await;
        lists.extend(acts(&ops, &reply));
    }
    let balances = ask(auditor, Command::Balance((0..ACCOUNTS).collect())).await;
    let end = clients.iter().flat_map(|client| &client.history);
    let end = end.map(|entry| entry.to).max().unwrap_or(0) + 1;
    let entry = Entry {
        from: end,
        to: end + 1,
        acts: lists,
    };
    (entry, serde_json::from_value(balances).unwrap())
}

/// Checks all that the clients heard, together.
fn judge(clients: &[Client], last: Entry<u64>, balances: &[i64]) {
    for client in clients {
        client.purse.check(balances);
    }
    let purses: Vec<_> = clients.iter().map(|client| &client.purse).collect();
    check_shared(&purses, FIRST_SHARED, balances);
    let histories = clients.iter().flat_map(|client| client.history.clone());
    let history: Vec<_> = histories.chain([last]).collect();
    serial_order_exists(&history).unwrap();
}

#[tokio::test]
async fn g4_every_command_is_done_once_and_answered_whatever_dies() {
    let (seed, kills) = (host::seed(), u64::from(host::kills()));
    println!("seed {seed}, {kills} kills");
    let folder = tempfile::tempdir().unwrap();
    let start = || start(folder.path(), ACCOUNTS);
    let mut rng = Rng::with_seed(seed);
    let mut host = start();
    let (tell, at) = watch::channel(Where {
        url: host.url(),
        life: 0,
        ends: false,
    });
    let begun = Instant::now();
    let mut playing = JoinSet::new();
    for number in 0..CLIENTS {
        playing.spawn(Client::new(number, seed, begun).play(at.clone()));
    }
    drop(at);
    for life in 1..=kills + 1 {
        let end = Instant::now() + LIFE + Duration::from_micros(rng.u64(JITTER_US));
        tokio::select! {
            () = sleep_until(end) => {}
            Some(ended) = playing.join_next() => {
                ended.unwrap();
                unreachable!("a client ended before it was told to");
            }
        }
        if life <= kills {
            host.kill();
            host = start();
            tell.send_replace(Where {
                url: host.url(),
                life,
                ends: false,
            });
        }
    }
    tell.send_modify(|at| at.ends = true);
    let clients = timeout(LIMIT, playing.join_all())
        .await
        .expect("every command is answered in the end");
    let hello = Hello::guest("auditor");
    let mut auditor = Socket::connect(&host.url(), Codec::MessagePack, hello)
        .await
        .unwrap();
    let (last, balances) = read_all(&mut auditor, kills, &clients).await;
    let count = |count: fn(&Client) -> u64| clients.iter().map(count).sum::<u64>();
    println!(
        "{kills} kills, {} resumes, {} commands, each answered once; {} of them are a history",
        count(|client| client.resumes),
        count(|client| client.answers),
        count(|client| client.history.len() as u64),
    );
    judge(&clients, last, &balances);
    let total = ask(&mut auditor, Command::Total).await;
    assert_eq!(total, json!(ACCOUNTS.cast_signed() * BALANCE), "total");
    assert!(
        count(|client| client.resumes) >= kills,
        "hardly anybody resumed: the campaign shows nothing"
    );
    host.kill();
}
