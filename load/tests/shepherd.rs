//! Lives here: a meadow behind a WebSocket, in one thread, that plays by the rules or cheats.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use brightstar_client::{Codec, Welcome};
use futures_util::StreamExt;
use protocol::{CellPart, ClientMessage, EntityPart, Hello, ServerMessage, encode_view, frame};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::interval;
use tokio_tungstenite::WebSocketStream;

use crate::teller::{greet, send};

/// How the meadow behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// By the rules.
    Honest,
    /// Never tells of every third event.
    Forgetful,
    /// Sends every reply twice.
    Stutterer,
    /// Answers somebody's second command after the third.
    Disorderly,
    /// Says of later frames that no input took effect yet.
    Backward,
    /// Shows everybody in two cells.
    Ghostly,
    /// Never shows players to themselves.
    Blind,
    /// Says that a purse holds one more than it does.
    Flatterer,
    /// Does not move gold that is given, and tells nobody.
    Keeper,
    /// Counts one less each time.
    Thief,
    /// Does again what is sent again.
    Eager,
    /// Says that every second tick was late.
    Late,
    /// Says nothing of its regions.
    Silent,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Command {
    Pick(u64),
    Drop { gold: i64 },
    Give { to: u64, gold: i64 },
    Say(String),
    Me,
    Census,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Input {
    Go([f64; 2]),
    Stop,
}

type Heard = ClientMessage<Command, Input, Value>;
type Told = ServerMessage<Value>;
type Shared = Rc<RefCell<Meadow>>;

/// What everybody has at first.
const GOLD: i64 = 20;
/// How far a player walks in a tick, in metres.
const STEP: f64 = 0.3;

struct Player {
    name: String,
    gold: i64,
    at: [f64; 2],
    target: Option<[f64; 2]>,
    input: u64,
    events: Vec<Value>,
    told: usize,
    outcomes: Vec<Value>,
    nudge: Rc<Notify>,
}

struct Meadow {
    mood: Mood,
    players: Vec<Player>,
    coins: Vec<i64>,
    asked: u64,
}

/// Starts a meadow on a thread of its own, which ends with the process; gives its address.
pub(crate) fn serve(mood: Mood) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("ws://{}/v1/ws", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async move {
            let listener = TcpListener::from_std(listener).unwrap();
            let meadow: Shared = Rc::new(RefCell::new(Meadow {
                mood,
                players: Vec::new(),
                coins: Vec::new(),
                asked: 0,
            }));
            loop {
                let stream = listener.accept().await.unwrap().0;
                tokio::task::spawn_local(visit(stream, Rc::clone(&meadow)));
            }
        });
    });
    url
}

/// A status is asked for on the same port.
async fn visit(mut stream: TcpStream, meadow: Shared) {
    let mut start = [0; 14];
    while stream.peek(&mut start).await.unwrap() < start.len() {
        tokio::task::yield_now().await;
    }
    if &start != b"GET /v1/status" {
        return session(stream, meadow).await;
    }
    let mut request = [0; 4096];
    let _length = stream.read(&mut request).await.unwrap();
    let body = meadow.borrow_mut().status().to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    // Whoever asked may have gone.
    stream.write_all((head + &body).as_bytes()).await.ok();
}

async fn session(stream: TcpStream, meadow: Shared) {
    let (mut socket, codec) = greet(stream).await;
    let Some(Ok(first)) = socket.next().await else {
        return;
    };
    let Ok(ClientMessage::Hello(hello)) = Heard::decode(codec, &first.into_data()) else {
        return;
    };
    let (you, welcome) = meadow.borrow_mut().login(&hello);
    say(&mut socket, codec, &ServerMessage::Welcome(welcome)).await;
    let nudge = Rc::clone(&meadow.borrow().players[you].nudge);
    let mut beat = interval(Duration::from_millis(50));
    let (mut tick, mut held) = (0, None);
    loop {
        tokio::select! {
            message = socket.next() => {
                let Some(Ok(message)) = message else { return };
                if message.is_close() {
                    return;
                }
                match Heard::decode(codec, &message.into_data()).unwrap() {
                    ClientMessage::Command { seq, payload } => {
                        let outcome = meadow.borrow_mut().command(you, seq, &payload);
                        events(&mut socket, codec, &meadow, you).await;
                        reply(&mut socket, codec, &meadow, (seq, outcome), &mut held).await;
                    }
                    ClientMessage::Input { seq, payload } => {
                        meadow.borrow_mut().players[you].steer(seq, &payload);
                    }
                    ClientMessage::Bye => break,
                    _ => {}
                }
            }
            () = nudge.notified() => events(&mut socket, codec, &meadow, you).await,
            _ = beat.tick() => {
                tick += 1;
                // Who asks nothing more is not kept waiting for ever.
                if tick % 10 == 0 && let Some(held) = held.take() {
                    say(&mut socket, codec, &held).await;
                }
                let bytes = meadow.borrow_mut().frame(codec, you, tick);
                send(&mut socket, codec, bytes).await;
            }
        }
    }
    // The bot may be gone already.
    drop(socket.close(None).await);
}

async fn say(socket: &mut WebSocketStream<TcpStream>, codec: Codec, told: &Told) {
    send(socket, codec, told.encode(codec).unwrap()).await;
}

async fn reply(
    socket: &mut WebSocketStream<TcpStream>,
    codec: Codec,
    meadow: &Shared,
    (seq, outcome): (u64, Value),
    held: &mut Option<Told>,
) {
    let mood = meadow.borrow().mood;
    let told = ServerMessage::Reply {
        seq,
        outcome: Ok(outcome),
    };
    if mood == Mood::Disorderly && seq == 2 {
        *held = Some(told);
        return;
    }
    say(socket, codec, &told).await;
    if mood == Mood::Stutterer {
        say(socket, codec, &told).await;
    }
    if let Some(held) = held.take() {
        say(socket, codec, &held).await;
    }
}

/// Tells what a player has not been told: always before a reply, since it came before.
async fn events(
    socket: &mut WebSocketStream<TcpStream>,
    codec: Codec,
    meadow: &Shared,
    you: usize,
) {
    loop {
        let (n, payload) = {
            let mut meadow = meadow.borrow_mut();
            let player = &mut meadow.players[you];
            let Some(event) = player.events.get(player.told) else {
                return;
            };
            let payload = event.clone();
            player.told += 1;
            (player.told as u64, payload)
        };
        if meadow.borrow().mood != Mood::Forgetful || n % 3 != 0 {
            say(socket, codec, &ServerMessage::Event { n, payload }).await;
        }
    }
}

impl Player {
    fn steer(&mut self, seq: u64, input: &Input) {
        self.input = self.input.max(seq);
        self.target = match input {
            Input::Go(to) => Some(*to),
            Input::Stop => None,
        };
    }

    fn walk(&mut self) {
        let Some(to) = self.target else { return };
        let way = (to[0] - self.at[0]).hypot(to[1] - self.at[1]);
        let part = (STEP / way.max(STEP)).min(1.0);
        self.at = [0, 1].map(|i| self.at[i] + (to[i] - self.at[i]) * part);
    }
}

impl Meadow {
    fn login(&mut self, hello: &Hello) -> (usize, Welcome) {
        let resumed = hello.resume.is_some();
        let you = if let Some(token) = &hello.resume {
            token.parse().unwrap()
        } else {
            let name = hello.name.clone().unwrap();
            self.players.push(Player {
                name,
                gold: GOLD,
                at: [100.0, 100.0],
                target: None,
                input: 0,
                events: Vec::new(),
                told: 0,
                outcomes: Vec::new(),
                nudge: Rc::new(Notify::new()),
            });
            self.players.len() - 1
        };
        let player = &mut self.players[you];
        if let Some(last) = hello.last {
            player.told = last as usize;
            player.nudge.notify_one();
        }
        let welcome = Welcome {
            session: uuid::Uuid::from_u128(you as u128 + 1),
            resume: you.to_string(),
            resumed,
            last_command: player.outcomes.len() as u64,
            tick_hz: 20,
            cell: 32.0,
            view_radius: 96.0,
            you: Some(id(you)),
        };
        (you, welcome)
    }

    /// Does a command once; what was done is answered from the record.
    fn command(&mut self, you: usize, seq: u64, command: &Command) -> Value {
        let done = self.players[you].outcomes.get(seq as usize - 1).cloned();
        if let Some(outcome) = done {
            if self.mood == Mood::Eager {
                return self.act(you, command);
            }
            return outcome;
        }
        let outcome = self.act(you, command);
        self.players[you].outcomes.push(outcome.clone());
        outcome
    }

    fn act(&mut self, you: usize, command: &Command) -> Value {
        let mood = self.mood;
        let player = &mut self.players[you];
        match *command {
            Command::Pick(coin) => {
                player.gold += std::mem::take(&mut self.coins[coin as usize]);
                json!({ "gold": 1 })
            }
            Command::Drop { gold } => {
                player.gold -= gold;
                self.coins.push(gold);
                json!({ "id": self.coins.len() - 1 })
            }
            Command::Give { to, gold } => {
                player.gold -= gold;
                let left = player.gold;
                let given = json!({ "given": { "from": id(you), "name": "x", "gold": gold } });
                let friend = &mut self.players[to as usize - 1];
                if mood != Mood::Keeper {
                    friend.gold += gold;
                    friend.events.push(given);
                    friend.nudge.notify_one();
                }
                json!({ "gold": left })
            }
            Command::Say(ref text) => {
                let said = json!({ "said": { "from": id(you), "name": "x", "text": text } });
                player.events.push(said);
                player.nudge.notify_one();
                json!({ "heard": 1 })
            }
            Command::Me => {
                let flattery = i64::from(mood == Mood::Flatterer && !player.outcomes.is_empty());
                let (name, at, gold) = (&player.name, player.at, player.gold + flattery);
                json!({ "id": id(you), "name": name, "gold": gold, "mushrooms": 0, "at": at })
            }
            Command::Census => {
                // New players bring their gold; the test's world has no other source.
                self.asked += 1;
                let lost = if mood == Mood::Thief { self.asked } else { 0 };
                json!({ "gold": 1000 - lost, "players": self.players.len() })
            }
        }
    }

    fn frame(&mut self, codec: Codec, you: usize, tick: u64) -> bytes::Bytes {
        let (mood, player) = (self.mood, &mut self.players[you]);
        player.walk();
        let view = encode_view(codec, &json!({ "k": "player", "name": player.name })).unwrap();
        let entity = || EntityPart {
            id: id(you),
            x: player.at[0] as f32,
            y: player.at[1] as f32,
            view: (tick == 1).then_some(&*view),
        };
        let (full, shown) = (tick == 1, mood != Mood::Blind || tick == 1);
        let mut parts = Vec::new();
        if shown {
            parts.push(CellPart::encode(codec, 0, full, [entity()], []));
        }
        if mood == Mood::Blind && tick == 2 {
            let gone = [protocol::Gone {
                id: id(you),
                to: None,
            }];
            parts.push(CellPart::encode(codec, 0, false, [], gone));
        }
        if mood == Mood::Ghostly {
            parts.push(CellPart::encode(codec, 1, full, [entity()], []));
        }
        let input = if mood == Mood::Backward && tick.is_multiple_of(5) {
            0
        } else {
            player.input
        };
        frame(codec, tick, input, 1.0, parts.iter().map(|part| &**part))
    }

    fn status(&mut self) -> Value {
        self.asked += 1;
        let ticks = self.asked * 20;
        let late = if self.mood == Mood::Late {
            ticks / 2
        } else {
            0
        };
        if self.mood == Mood::Silent {
            return json!("what do you want?");
        }
        let region = |id: u64, from: u64, to: u64| {
            json!({ "id": id, "from": from, "to": to, "worker": id % 2, "load": 0.1,
                "ticks": ticks, "late": late, "queue": 0, "lateness_ms": 3.5, "dilation": 1.0 })
        };
        let change = json!({ "number": 1, "at_ms": 4e12, "change": "split", "cause": "region_hot",
            "regions": [1], "became": [1, 2], "from_worker": null, "to_worker": 1, "gain": 0.3,
            "reason": "hot & <crowded>", "state": "kept", "pause_ms": 2.0 });
        json!({ "hosts": [{
            "workers": [{ "worker": 0, "load": 0.4 }, { "worker": 1, "load": 0.2 }],
            "regions": [region(1, 0, 100), region(2, 100, 8192)],
            "supervisor": { "mode": "on", "changes": [change] },
        }] })
    }
}

/// Entities are numbered from 1.
fn id(player: usize) -> u64 {
    player as u64 + 1
}
