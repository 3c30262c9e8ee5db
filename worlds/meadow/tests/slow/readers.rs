//! Lives here: clients that read slowly: raw sockets that take a few kilobytes a second, whatever
//! waits for them. Not here: what that must not cost (`slow`).
//!
//! They speak just enough WebSocket by hand: a client library would read ahead.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

use brightstar::world_data::Rng;

/// What a reader takes, and how often: less than what it is sent, and enough to count as alive.
const BYTES: usize = 4096;
const EVERY: Duration = Duration::from_secs(1);
/// The kernel's buffer for each, in bytes; it takes twice that.
const BUFFER: u32 = 4096;
/// Each walks somewhere else every so many readings.
const WALK: u64 = 8;
/// The welcome comes within this.
const WELCOME: Duration = Duration::from_secs(20);
/// Where they begin, and mill about within so many metres: together, so that each is sent much.
const VILLAGE: (&str, f64, f64) = ("Larkfield", 470.0, 540.0);
const AROUND: f64 = 20.0;
/// What a client frame of text begins with, and the bit that says that it is masked.
const TEXT: u8 = 0x81;
const MASKED: u8 = 0x80;
/// Longer payloads would need a longer header.
const SHORT: usize = 125;

/// Slow readers, on a thread of their own. They go when this is dropped.
pub(crate) struct Readers {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Told>>,
}

/// What became of the readers.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) bytes: u64,
    /// Sockets that the server gave up; their readers came again.
    pub(crate) closed: u64,
    pub(crate) readings: u64,
}

struct Reader {
    name: String,
    socket: TcpStream,
    inputs: u64,
}

impl Readers {
    /// Logs in so many, one after the other, who then read slowly until they are told to stop.
    pub(crate) fn arrive(server: SocketAddr, count: usize) -> Self {
        let names = (0..count).map(|number| format!("reader {number}@{}", VILLAGE.0));
        let mut all: Vec<_> = names.map(|name| Reader::log_in(server, name)).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let (mut sum, mut rng) = (Told::default(), Rng::with_seed(1));
            for round in 1_u64.. {
                if told.load(Ordering::Acquire) {
                    break;
                }
                for (place, reader) in (0..).zip(&mut all) {
                    if (round + place).is_multiple_of(WALK) {
                        reader.walk(&mut rng);
                    }
                    if !reader.read(&mut sum) {
                        sum.closed += 1;
                        *reader = Reader::log_in(server, std::mem::take(&mut reader.name));
                    }
                }
                sleep(EVERY);
            }
            sum
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }

    /// Ends them, and says what became of them.
    pub(crate) fn leave(mut self) -> Told {
        self.stop.store(true, Ordering::Release);
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

impl Reader {
    fn log_in(server: SocketAddr, name: String) -> Self {
        let mut socket = connect(server).unwrap();
        socket.set_read_timeout(Some(WELCOME)).unwrap();
        let request = format!(
            "GET /v1/ws HTTP/1.1\r\nHost: {server}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).unwrap();
        let hello = text(&format!(r#"["hello",{{"name":"{name}"}}]"#));
        socket.write_all(&hello).unwrap();
        let (mut seen, mut part) = (Vec::new(), [0; 512]);
        while !seen.windows(10).any(|bytes| bytes == br#"["welcome""#) {
            let count = socket.read(&mut part).unwrap();
            let words = String::from_utf8_lossy(&seen);
            assert!(count > 0, "{name} was not welcome: {words}");
            seen.extend_from_slice(&part[..count]);
        }
        socket.set_nonblocking(true).unwrap();
        Self {
            name,
            socket,
            inputs: 0,
        }
    }

    /// Sets out for somewhere. A socket that can't take even that has ended, as the next reading tells.
    fn walk(&mut self, rng: &mut Rng) {
        self.inputs += 1;
        let mut off = || (rng.f64() - 0.5) * 2.0 * AROUND;
        let (x, y) = (VILLAGE.1 + off(), VILLAGE.2 + off());
        let input = format!(r#"["input",{},{{"go":[{x:.1},{y:.1}]}}]"#, self.inputs);
        self.socket.write_all(&text(&input)).unwrap_or_default();
    }

    /// Takes a little of what waits; false when the socket has ended.
    fn read(&mut self, told: &mut Told) -> bool {
        let mut bytes = [0; BYTES];
        told.readings += 1;
        match self.socket.read(&mut bytes) {
            Ok(0) => false,
            Ok(count) => {
                told.bytes += count as u64;
                true
            }
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
    }
}

/// Connects with a small buffer, so that what is not read waits at the server's end.
fn connect(server: SocketAddr) -> std::io::Result<TcpStream> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(BUFFER)?;
    let socket = runtime.block_on(socket.connect(server))?.into_std()?;
    socket.set_nonblocking(false)?;
    Ok(socket)
}

/// A frame of text, masked with zeros: as good as any mask towards a server.
fn text(payload: &str) -> Vec<u8> {
    assert!(payload.len() <= SHORT, "too long: {payload}");
    let mut frame = vec![TEXT, MASKED | payload.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(payload.as_bytes());
    frame
}
