//! Lives here: a server of a few lines for one socket, and a world with one command or two.

use brightstar_client::{Codec, ErrorCode, Hello, Welcome, World};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use protocol::{ClientMessage, ServerMessage};
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

#[derive(Debug)]
pub(crate) struct Town;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Command {
    Me,
    Pick(u64),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Input {
    Stop,
    Go([f64; 2]),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Event {
    Said(String),
}

impl World for Town {
    type Command = Command;
    type Reply = u64;
    type Input = Input;
    type Event = Event;
}

/// What the peer hears and says.
pub(crate) type Heard = ClientMessage<Command, Input, String>;
pub(crate) type Told = ServerMessage<serde_json::Value>;

pub(crate) fn welcome(resumed: bool, last_command: u64) -> Welcome {
    Welcome {
        session: uuid::Uuid::from_u128(1),
        resume: "token".into(),
        resumed,
        last_command,
        tick_hz: 20,
        cell: 32.0,
        view_radius: 96.0,
        you: Some(1),
    }
}

pub(crate) async fn listen() -> (String, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (
        format!("ws://{}/v1/ws", listener.local_addr().unwrap()),
        listener,
    )
}

pub(crate) struct Peer {
    socket: WebSocketStream<TcpStream>,
    codec: Codec,
    pub(crate) hello: Hello,
}

impl Peer {
    async fn accept(listener: &TcpListener) -> Self {
        let (stream, _) = listener.accept().await.unwrap();
        let mut codec = Codec::Json;
        let name = "sec-websocket-protocol";
        #[expect(clippy::result_large_err, reason = "the type is tungstenite's")]
        let choose = |request: &Request, mut response: Response| {
            let asked = request.headers()[name].to_str().unwrap();
            codec = Codec::negotiate(Some(asked)).unwrap();
            response
                .headers_mut()
                .insert(name, codec.subprotocol().parse().unwrap());
            Ok(response)
        };
        let socket = accept_hdr_async(stream, choose).await.unwrap();
        let mut peer = Self {
            socket,
            codec,
            hello: Hello::default(),
        };
        let ClientMessage::Hello(hello) = peer.hear().await else {
            panic!("no hello")
        };
        peer.hello = hello;
        peer
    }

    pub(crate) async fn greet(listener: &TcpListener, welcome: Welcome) -> Self {
        let mut peer = Self::accept(listener).await;
        peer.say(ServerMessage::Welcome(welcome)).await;
        peer
    }

    pub(crate) async fn refuse(listener: &TcpListener, code: ErrorCode) {
        let mut peer = Self::accept(listener).await;
        peer.say(ServerMessage::Error {
            code,
            message: "no".into(),
        })
        .await;
    }

    pub(crate) async fn hear(&mut self) -> Heard {
        let message = self.socket.next().await.unwrap().unwrap();
        assert_eq!(message.is_text(), self.codec.is_text());
        Heard::decode(self.codec, &message.into_data()).unwrap()
    }

    pub(crate) async fn say(&mut self, told: Told) {
        self.raw(told.encode(self.codec).unwrap()).await;
    }

    pub(crate) async fn raw(&mut self, bytes: Bytes) {
        let message = match self.codec {
            Codec::Json => Message::Text(bytes.try_into().unwrap()),
            Codec::MessagePack => Message::Binary(bytes),
        };
        self.socket.send(message).await.unwrap();
    }

    /// Reads until the client has gone.
    pub(crate) async fn swallow(mut self) {
        while let Some(Ok(_)) = self.socket.next().await {}
    }
}
