//! Lives here: a ledger behind a WebSocket, in one thread, that plays by the rules or cheats.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use brightstar_client::{Codec, ErrorCode, ReplyError, Welcome};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use protocol::{ClientMessage, ServerMessage};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

/// How the ledger behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// By the rules.
    Honest,
    /// By the rules, with nearly nothing on the accounts.
    Poor,
    /// Keeps one of each amount.
    Thief,
    /// Says that balances are below zero.
    Liar,
    /// Answers every second command before the one before it.
    Disorderly,
    /// Answers twice.
    Stutterer,
    /// Fails at every seventh command.
    Failing,
    /// Takes its time.
    Slow,
    /// Dies at somebody's twentieth command.
    Mortal,
    /// Throws out whoever has sent twenty commands.
    Rude,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Command {
    Transfer { from: usize, to: usize, amount: i64 },
    Total,
}

type Heard = ClientMessage<Command, Value, Value>;
type Told = ServerMessage<Value>;
type Accounts = Rc<RefCell<Vec<i64>>>;

/// Starts a ledger on a thread of its own, which ends with the process; gives its address.
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
            let balance = if mood == Mood::Poor { 1 } else { 1_000_000 };
            let accounts: Accounts = Rc::new(RefCell::new(vec![balance; 50]));
            let death = Rc::new(Notify::new());
            loop {
                let (death, accounts) = (Rc::clone(&death), Rc::clone(&accounts));
                tokio::select! {
                    stream = listener.accept() => {
                        let stream = stream.unwrap().0;
                        tokio::task::spawn_local(session(stream, mood, accounts, Rc::clone(&death)));
                    }
                    () = death.notified() => break,
                }
            }
        });
    });
    url
}

async fn session(stream: TcpStream, mood: Mood, accounts: Accounts, death: Rc<Notify>) {
    let (mut socket, codec) = greet(stream).await;
    let mut held: Option<Told> = None;
    while let Some(Ok(message)) = socket.next().await {
        if message.is_close() {
            break;
        }
        let (seq, command) = match Heard::decode(codec, &message.into_data()).unwrap() {
            ClientMessage::Hello(_) => {
                say(&mut socket, codec, &ServerMessage::Welcome(welcome())).await;
                continue;
            }
            ClientMessage::Command { seq, payload } => (seq, payload),
            _ => break,
        };
        if mood == Mood::Rude && seq == 20 {
            let message = "enough".into();
            say(
                &mut socket,
                codec,
                &ServerMessage::Error {
                    code: ErrorCode::TooFast,
                    message,
                },
            )
            .await;
            break;
        }
        if mood == Mood::Mortal && seq == 20 {
            death.notify_one();
            return;
        }
        if mood == Mood::Slow {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let transfer = matches!(command, Command::Transfer { .. });
        let told = ServerMessage::Reply {
            seq,
            outcome: answer(&command, seq, mood, &accounts),
        };
        if mood == Mood::Disorderly && transfer && seq % 2 == 1 && seq < 20 {
            held = Some(told);
            continue;
        }
        say(&mut socket, codec, &told).await;
        if let Some(held) = held.take() {
            say(&mut socket, codec, &held).await;
        }
        if mood == Mood::Stutterer {
            say(&mut socket, codec, &told).await;
        }
    }
    // Whoever is thrown out may have gone before.
    drop(socket.close(None).await);
}

pub(crate) async fn greet(stream: TcpStream) -> (WebSocketStream<TcpStream>, Codec) {
    let mut codec = Codec::Json;
    let name = "sec-websocket-protocol";
    #[expect(clippy::result_large_err, reason = "the type is tungstenite's")]
    let choose = |request: &Request, mut response: Response| {
        codec = Codec::negotiate(request.headers()[name].to_str().ok()).unwrap();
        response
            .headers_mut()
            .insert(name, codec.subprotocol().parse().unwrap());
        Ok(response)
    };
    let socket = accept_hdr_async(stream, choose).await.unwrap();
    (socket, codec)
}

fn welcome() -> Welcome {
    Welcome {
        session: uuid::Uuid::nil(),
        resume: "token".into(),
        resumed: false,
        last_command: 0,
        tick_hz: 20,
        cell: 32.0,
        view_radius: 96.0,
        you: None,
    }
}

fn answer(
    command: &Command,
    seq: u64,
    mood: Mood,
    accounts: &Accounts,
) -> Result<Value, ReplyError> {
    let error = |code, message: &str| {
        Err(ReplyError {
            code,
            message: message.to_owned(),
        })
    };
    let mut accounts = accounts.borrow_mut();
    match *command {
        Command::Total => Ok(json!(accounts.iter().sum::<i64>())),
        Command::Transfer { .. } if mood == Mood::Failing && seq.is_multiple_of(7) => {
            error(ErrorCode::Failed, "the task panicked")
        }
        Command::Transfer { from, amount, .. } if accounts[from] < amount => {
            error(ErrorCode::Refused, "insufficient")
        }
        Command::Transfer { from, to, amount } => {
            accounts[from] -= amount;
            accounts[to] += amount - i64::from(mood == Mood::Thief);
            let from = if mood == Mood::Liar {
                -1
            } else {
                accounts[from]
            };
            Ok(json!({ "from": from, "to": accounts[to] }))
        }
    }
}

async fn say(socket: &mut WebSocketStream<TcpStream>, codec: Codec, told: &Told) {
    send(socket, codec, told.encode(codec).unwrap()).await;
}

/// Sends a message that is encoded already.
pub(crate) async fn send(socket: &mut WebSocketStream<TcpStream>, codec: Codec, bytes: Bytes) {
    let message = match codec {
        Codec::Json => Message::Text(bytes.try_into().unwrap()),
        Codec::MessagePack => Message::Binary(bytes),
    };
    // The bot may have gone; then reading ends, too.
    drop(socket.send(message).await);
}
