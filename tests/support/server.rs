//! Lives here: a server on a free port with data in a folder of its own, gone when dropped.
//! Not here: the world it serves (`world`).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use brightstar::server::{StartError, StopError};
use brightstar::{Asset, Config, Running};
use tempfile::TempDir;

use super::wire::{Client, Codec};
use super::world::Yard;

/// No answer in a test takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

const PAGE: &[Asset] = &[
    Asset {
        path: "/",
        content_type: "text/html; charset=utf-8",
        bytes: b"<!doctype html>yard",
    },
    Asset {
        path: "/yard.js",
        content_type: "text/javascript",
        bytes: b"export {}",
    },
];

/// A running server and its data.
pub(crate) struct TestServer {
    running: Option<Running>,
    pub(crate) address: SocketAddr,
    data: TempDir,
    config: Config,
}

/// An answer over HTTP.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl TestServer {
    /// A server with small numbers: quick to start.
    pub(crate) fn start() -> Self {
        Self::with(|_| ())
    }

    /// A server with changes to its configuration.
    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        "127.0.0.1:0".clone_into(&mut config.server.listen);
        data.path()
            .to_str()
            .unwrap()
            .clone_into(&mut config.server.data);
        config.server.socket_threads = 2;
        config.engine.regions = 6;
        config.engine.store_bytes = 1 << 28;
        config.regions.workers = 2;
        change(&mut config);
        let running = brightstar::start(Yard, &config, PAGE).unwrap();
        Self {
            address: running.address(),
            running: Some(running),
            data,
            config,
        }
    }

    /// Stops gracefully and starts again on the same data, and another port: somebody else may
    /// have been given the old one meanwhile.
    pub(crate) fn restart(&mut self) {
        self.stop();
        let begun = Instant::now();
        let running = loop {
            match brightstar::start(Yard, &self.config, PAGE) {
                Ok(running) => break running,
                // A process that another test spawned just now has our lock's descriptor until it
                // has become itself.
                Err(StartError::Open(_, error)) if begun.elapsed() < PATIENCE => {
                    assert!(error.to_string().contains("another process"), "{error}");
                    std::thread::yield_now();
                }
                Err(error) => panic!("{error}"),
            }
        };
        self.address = running.address();
        self.running = Some(running);
    }

    /// Stops gracefully.
    pub(crate) fn stop(&mut self) {
        assert!(self.data.path().is_dir());
        self.running.take().unwrap().stop().unwrap();
    }

    /// Stops gracefully; how that went.
    pub(crate) fn try_stop(&mut self) -> Result<(), StopError> {
        self.running.take().unwrap().stop()
    }

    /// Reads keys and certificates again.
    pub(crate) fn reload(&self) -> bool {
        self.running.as_ref().unwrap().reload()
    }

    /// Begins a graceful stop and returns at once.
    pub(crate) fn begin_stop(&mut self) {
        self.running.as_mut().unwrap().begin_stop();
    }

    /// A client that has logged in as `name`.
    pub(crate) fn enter(&self, codec: Codec, name: &str) -> Client {
        let mut client = self.connect(codec);
        client.hello(name);
        client
    }

    /// A client that has a WebSocket and has said nothing.
    pub(crate) fn connect(&self, codec: Codec) -> Client {
        Client::connect(self.address, codec)
    }

    /// `GET path`, with more header lines (each ended by CR LF).
    pub(crate) fn get(&self, path: &str, headers: &str) -> Answer {
        get(self.address, path, headers)
    }
}

/// Waits until something holds that the server sees in its own time.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(
            begun.elapsed() < PATIENCE,
            "{what}: not within {PATIENCE:?}"
        );
        std::thread::yield_now();
    }
}

/// `GET path` of any server.
pub(crate) fn get(address: SocketAddr, path: &str, headers: &str) -> Answer {
    ask(address, "GET", path, headers)
}

/// Asks any server by any method.
pub(crate) fn ask(address: SocketAddr, method: &str, path: &str, headers: &str) -> Answer {
    send(address, method, path, headers, "")
}

/// `POST path` with a body of known length.
pub(crate) fn post(address: SocketAddr, path: &str, headers: &str, body: &str) -> Answer {
    let headers = format!("{headers}Content-Length: {}\r\n", body.len());
    send(address, "POST", path, &headers, body)
}

/// Sends a request and its body as they are, and reads the answer.
pub(crate) fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Answer {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        socket,
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n{body}"
    )
    .unwrap();
    let mut all = String::new();
    socket.read_to_string(&mut all).unwrap();
    let (head, body) = all.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer {
        status,
        head: head.to_lowercase(),
        body: body.to_owned(),
    }
}
