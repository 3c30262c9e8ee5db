//! Lives here: a WebSocket client made by hand: it can break every rule there is.
//! Not here: the rules (`malformed`, `limits`, `silence`).

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

pub(crate) use protocol::Codec;
use protocol::{ClientMessage, Hello};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::server::PATIENCE;

pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;
pub(crate) const FIN: u8 = 0x80;

/// No client of a test lives longer.
const LIFETIME: Duration = Duration::from_mins(1);
/// A write that takes longer will not get anywhere.
const STUCK: Duration = Duration::from_millis(300);
/// More than socket buffers and a session's lanes can hold together.
const MOST_TAKEN: usize = 256 << 20;

const MASKED: u8 = 0x80;
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;
const MASK: [u8; 4] = [0xA5, 0x5A, 0x0F, 0xF0];

/// A WebSocket that takes bytes as they are.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) socket: TcpStream,
    pub(crate) codec: Codec,
    born: Instant,
}

/// A message from the server, as any JSON value.
pub(crate) type Message = Vec<Value>;

impl Client {
    /// Opens a WebSocket.
    pub(crate) fn connect(address: SocketAddr, codec: Codec) -> Self {
        let (socket, head) = upgrade(address, Some(codec.subprotocol()));
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        Self::new(socket, codec)
    }

    /// A client on a WebSocket that is open already.
    pub(crate) fn new(socket: TcpStream, codec: Codec) -> Self {
        Self {
            socket,
            codec,
            born: Instant::now(),
        }
    }

    /// Says hello as a guest and gives the welcome.
    pub(crate) fn hello(&mut self, name: &str) -> Value {
        self.enter(Hello::guest(name))
    }

    /// Says hello and gives the welcome.
    pub(crate) fn enter(&mut self, hello: Hello) -> Value {
        self.send(&ClientMessage::<Value, Value, Value>::Hello(hello));
        let welcome = self.receive_kind("welcome");
        welcome[1].clone()
    }

    /// Sends a message as a client should.
    pub(crate) fn send(&mut self, message: &ClientMessage<Value, Value, Value>) {
        let bytes = message.encode(self.codec).unwrap();
        self.send_payload(&bytes);
    }

    /// Sends a command.
    pub(crate) fn command(&mut self, seq: u64, payload: Value) {
        self.send(&ClientMessage::Command { seq, payload });
    }

    /// Sends these bytes as one message of the codec's type.
    pub(crate) fn send_payload(&mut self, bytes: &[u8]) {
        let opcode = if self.codec.is_text() { TEXT } else { BINARY };
        self.send_frame(FIN | opcode, bytes);
    }

    /// Sends one frame whose first byte is `first`.
    pub(crate) fn send_frame(&mut self, first: u8, payload: &[u8]) {
        self.send_raw(&frame(first, payload));
    }

    /// Sends bytes as they are. The server may have closed already.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        match self.socket.write_all(bytes) {
            Ok(()) => {}
            Err(error) if is_gone(&error) => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// The next frame: opcode and payload; `None` when the server has closed the connection.
    pub(crate) fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        // Frames keep coming to who waits in vain for something else.
        assert!(self.born.elapsed() < LIFETIME, "it did not come");
        let mut head = [0; 2];
        if !self.fill(&mut head) {
            return None;
        }
        assert_eq!(head[1] & 0x80, 0, "a server's frames are not masked");
        let length = match head[1] {
            126 => {
                let mut bytes = [0; 2];
                self.socket.read_exact(&mut bytes).unwrap();
                u64::from(u16::from_be_bytes(bytes))
            }
            127 => {
                let mut bytes = [0; 8];
                self.socket.read_exact(&mut bytes).unwrap();
                u64::from_be_bytes(bytes)
            }
            length => u64::from(length),
        };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.socket.read_exact(&mut payload).unwrap();
        Some((head[0] & 0x0F, payload))
    }

    /// The next message; pings are answered. `None` when the server closes.
    pub(crate) fn receive(&mut self) -> Option<Message> {
        self.receive_bytes().map(|(message, _)| message)
    }

    /// The next message, and its bytes.
    pub(crate) fn receive_bytes(&mut self) -> Option<(Message, Vec<u8>)> {
        loop {
            match self.frame()? {
                (PING, payload) => self.send_frame(FIN | PONG, &payload),
                (PONG, _) => {}
                (CLOSE, _) => return None,
                (opcode, payload) => {
                    assert_eq!(opcode == TEXT, self.codec.is_text());
                    return Some((self.decode(&payload), payload));
                }
            }
        }
    }

    /// The next message of a kind; others (frames, events) are passed over.
    pub(crate) fn receive_kind(&mut self, kind: &str) -> Message {
        loop {
            let message = self
                .receive()
                .unwrap_or_else(|| panic!("closed before a {kind}"));
            if message[0] == kind {
                return message;
            }
            assert_ne!(
                message[0], "error",
                "while waiting for a {kind}: {message:?}"
            );
        }
    }

    /// The error that ends the socket, which must close after it: code and message.
    pub(crate) fn receive_error(&mut self) -> (String, String) {
        loop {
            let message = self.receive().expect("closed without an error");
            if message[0] != "error" {
                continue;
            }
            assert_eq!(message.len(), 3);
            assert_eq!(self.receive(), None, "nothing comes after an error");
            let word = |at: usize| message[at].as_str().unwrap().to_owned();
            return (word(1), word(2));
        }
    }

    /// Asks for answers without ever reading them, until the server does not read any more. Gives
    /// how many bytes the server took.
    pub(crate) fn refuse_to_read(&mut self, command: impl Fn(u64) -> Value) -> usize {
        self.socket.set_write_timeout(Some(STUCK)).unwrap();
        let mut taken = 0;
        for seq in 1.. {
            let message = ClientMessage::<Value, Value, Value>::Command {
                seq,
                payload: command(seq),
            };
            let bytes = frame(FIN | TEXT, &message.encode(Codec::Json).unwrap());
            if self.socket.write_all(&bytes).is_err() {
                break;
            }
            taken += bytes.len();
            assert!(
                taken < MOST_TAKEN,
                "so much was taken from a client that reads nothing"
            );
        }
        taken
    }

    /// Whether the server has closed the connection, in whatever way.
    pub(crate) fn is_closed(&mut self) -> bool {
        while let Some((opcode, _)) = self.frame() {
            if opcode == CLOSE {
                return true;
            }
        }
        true
    }

    fn decode(&self, payload: &[u8]) -> Message {
        let value: Value = match self.codec {
            Codec::Json => serde_json::from_slice(payload).unwrap(),
            Codec::MessagePack => from_msgpack(payload),
        };
        value
            .as_array()
            .unwrap_or_else(|| panic!("{value}"))
            .clone()
    }

    fn fill(&mut self, bytes: &mut [u8]) -> bool {
        match self.socket.read_exact(bytes) {
            Ok(()) => true,
            Err(error) if is_gone(&error) => false,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Any `MessagePack` value as JSON.
fn from_msgpack<T: DeserializeOwned>(payload: &[u8]) -> T {
    rmp_serde::from_slice(payload).unwrap()
}

/// `MessagePack` of any JSON value.
pub(crate) fn msgpack(value: &Value) -> Vec<u8> {
    rmp_serde::to_vec(value).unwrap()
}

/// Whether an error means that the other side has closed.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(
        error.kind(),
        BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof
    )
}

/// A client's frame.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        length @ 0..126 => out.push(MASKED | length as u8),
        length @ 126..65_536 => {
            out.push(MASKED | LENGTH_16);
            out.extend((length as u16).to_be_bytes());
        }
        length => {
            out.push(MASKED | LENGTH_64);
            out.extend((length as u64).to_be_bytes());
        }
    }
    out.extend(MASK);
    out.extend(
        payload
            .iter()
            .enumerate()
            .map(|(at, byte)| byte ^ MASK[at % MASK.len()]),
    );
    out
}

/// Asks for a WebSocket, and gives the head of the answer.
pub(crate) fn upgrade(address: SocketAddr, protocols: Option<&str>) -> (TcpStream, String) {
    let protocols = protocols
        .map(|names| format!("Sec-WebSocket-Protocol: {names}\r\n"))
        .unwrap_or_default();
    ask(address, &protocols)
}

/// Asks for a WebSocket with more header lines, and gives the status of the answer.
pub(crate) fn upgrade_with(address: SocketAddr, headers: &str) -> u16 {
    let (_, head) = ask(address, headers);
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

fn ask(address: SocketAddr, headers: &str) -> (TcpStream, String) {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_nodelay(true).unwrap();
    write!(
        socket,
        "GET /v1/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         {headers}\r\n"
    )
    .unwrap();
    let head = head(&mut socket);
    (socket, head)
}

/// Reads to the end of an HTTP head.
fn head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// `["kind", …]` as the bytes of a text message.
pub(crate) fn text(message: &Value) -> Vec<u8> {
    serde_json::to_vec(message).unwrap()
}
