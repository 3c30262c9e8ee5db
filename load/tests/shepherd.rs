//! Lives here: a meadow behind a WebSocket, in one thread, that plays by the rules or cheats.
//! Not here: what the rules are (`rules`).

mod rules;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use brightstar_client::{Codec, ErrorCode};
use futures_util::StreamExt;
use protocol::{ClientMessage, ServerMessage};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, interval_at};
use tokio_tungstenite::WebSocketStream;

use crate::teller::{greet, send};
use rules::{Command, Input, Meadow};

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
    /// Forgets all sessions when it is started anew.
    Amnesiac,
    /// Forgets all sessions then, and some of everybody's gold.
    Robber,
    /// Forgets the newest command of each session then, and what came of it.
    Backslider,
    /// Loses a piece of everybody's gold then.
    Spender,
    /// Never tells of the first event after that.
    Deaf,
    /// Closes all sockets instead of being started anew.
    Rude,
    /// Fails at every order.
    Clumsy,
    /// Says that every second tick was late.
    Late,
    /// Says nothing of its regions.
    Silent,
}

type Heard = ClientMessage<Command, Input, Value>;
type Told = ServerMessage<Value>;
type Shared = Rc<RefCell<Meadow>>;

/// Starts a meadow on a thread of its own, which ends with the process; gives its address.
pub(crate) fn serve(mood: Mood) -> String {
    serve_lives(mood, None)
}

/// Who has this may give orders.
pub(crate) const TOKEN: &str = "shepherds-own-token";

/// How often a meadow dies that does.
const DEATHS: u32 = 2;

/// As [`serve`]; the meadow dies every now and then, [`DEATHS`] times, and is there again at once.
pub(crate) fn serve_lives(mood: Mood, every: Option<Duration>) -> String {
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
                process: 0,
            }));
            let mut lives = every.map(|every| interval_at(Instant::now() + every, every));
            let (mut sockets, mut deaths) = (JoinSet::new(), 0);
            loop {
                let death = async {
                    match &mut lives {
                        Some(lives) if deaths < DEATHS => lives.tick().await,
                        _ => std::future::pending().await,
                    }
                };
                tokio::select! {
                    _ = death => {
                        deaths += 1;
                        // Whatever was under way ends where it is.
                        sockets = JoinSet::new();
                        meadow.borrow_mut().start_anew();
                    }
                    stream = listener.accept() => {
                        sockets.spawn_local(visit(stream.unwrap().0, Rc::clone(&meadow)));
                    }
                }
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
    let ordered = start.starts_with(b"POST /admin/");
    if &start != b"GET /v1/status" && !ordered {
        return session(stream, meadow).await;
    }
    let mut request = [0; 4096];
    let length = stream.read(&mut request).await.unwrap();
    let (line, body) = if ordered {
        meadow
            .borrow()
            .order(&String::from_utf8_lossy(&request[..length]))
    } else {
        ("200 OK", meadow.borrow_mut().status())
    };
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {line}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
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
    let entered = meadow.borrow_mut().login(&hello);
    let Some((you, welcome)) = entered else {
        let (code, message) = (ErrorCode::BadLogin, "no such session".to_owned());
        return say(&mut socket, codec, &ServerMessage::Error { code, message }).await;
    };
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
            if std::mem::take(&mut player.deaf) {
                continue;
            }
            (player.told as u64, payload)
        };
        if meadow.borrow().mood != Mood::Forgetful || n % 3 != 0 {
            say(socket, codec, &ServerMessage::Event { n, payload }).await;
        }
    }
}
