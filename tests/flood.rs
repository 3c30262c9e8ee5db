//! Whole-server tests: floods of garbage: nothing panics, nothing grows without bound, and a client
//! beside it is served as if nothing were.
//! Not here: single malformed messages with their errors (`malformed`).

use std::io::{Read, Write};
use std::net::TcpStream;

use fastrand::Rng;
use serde_json::{Value, json};

use crate::support::server::{PATIENCE, TestServer};
use crate::support::wire::{BINARY, Client, Codec, FIN, TEXT, is_gone, msgpack, text};

/// The seed of these floods; another one by `BRIGHTSTAR_SEED`.
fn seed() -> u64 {
    let seed = std::env::var("BRIGHTSTAR_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or(20_261_122);
    eprintln!("BRIGHTSTAR_SEED={seed}");
    seed
}

/// A message that is valid as far as its form goes.
fn valid(rng: &mut Rng) -> Value {
    match rng.u8(0..8) {
        0 => json!(["ping", rng.u32(..)]),
        1 => json!(["ack", rng.u32(..)]),
        2 => json!(["command", rng.u8(1..5), "where"]),
        3 => json!(["command", rng.u8(1..5), { "count": rng.u32(..) }]),
        4 => json!(["input", rng.u32(1..), { "go": [rng.f64() * 1e9, -rng.f64()] }]),
        5 => json!(["publish", "world", { "a": [1, 2, { "b": null }] }]),
        6 => json!(["hello", { "name": "again" }]),
        _ => json!(["bye"]),
    }
}

/// Bytes of a message with a few of them changed, cut off, or put in twice.
fn mutated(rng: &mut Rng, codec: Codec) -> Vec<u8> {
    let message = valid(rng);
    let mut bytes = if codec.is_text() {
        text(&message)
    } else {
        msgpack(&message)
    };
    for _ in 0..rng.u8(0..4) {
        let at = rng.usize(..bytes.len());
        match rng.u8(0..3) {
            0 => bytes[at] = rng.u8(..),
            1 => bytes.truncate(at + 1),
            _ => bytes.insert(at, rng.u8(..)),
        }
    }
    bytes
}

/// Says that nothing more comes, and reads until the server has closed.
fn drain(client: &mut Client) {
    client.send_frame(FIN | 8, &[]);
    // What was sent may have begun a frame that swallows the close.
    client
        .socket
        .shutdown(std::net::Shutdown::Write)
        .unwrap_or_default();
    assert!(client.is_closed());
}

#[test]
fn mutated_messages_are_survived() {
    let server = TestServer::start();
    let mut healthy = server.enter(Codec::Json, "healthy");
    let mut rng = Rng::with_seed(seed());
    for round in 0..300_u64 {
        let codec = Codec::ALL[usize::from(rng.bool())];
        let mut client = server.connect(codec);
        if rng.u8(..) > 40 {
            client.hello(&format!("fuzz-{}", round % 7));
        }
        let opcode = if codec.is_text() { TEXT } else { BINARY };
        for _ in 0..rng.u8(1..20) {
            let first = if rng.u8(..) > 10 {
                FIN | opcode
            } else {
                rng.u8(..)
            };
            let bytes = mutated(&mut rng, codec);
            client.send_frame(first, &bytes);
        }
        drain(&mut client);
        healthy.send_payload(&text(&json!(["ping", round])));
        assert_eq!(healthy.receive_kind("pong")[1], json!(round));
    }
}

#[test]
fn random_bytes_are_survived() {
    let server = TestServer::start();
    let mut healthy = server.enter(Codec::Json, "healthy");
    let mut rng = Rng::with_seed(seed());
    for round in 0..300_u64 {
        let mut bytes = vec![0; rng.usize(1..4_000)];
        rng.fill(&mut bytes);
        if rng.bool() {
            let mut client = server.connect(Codec::MessagePack);
            client.send_raw(&bytes);
            drain(&mut client);
        } else {
            garbage(&server, &bytes);
        }
        healthy.send_payload(&text(&json!(["ping", round])));
        assert_eq!(healthy.receive_kind("pong")[1], json!(round));
    }
}

/// Sends bytes that are not even HTTP, and waits for the end.
fn garbage(server: &TestServer, bytes: &[u8]) {
    let mut socket = TcpStream::connect(server.address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let sent = socket
        .write_all(bytes)
        .and_then(|()| socket.write_all(b"\r\n\r\n"));
    let ended = sent
        .and_then(|()| socket.shutdown(std::net::Shutdown::Write))
        .and_then(|()| socket.read_to_end(&mut Vec::new()));
    assert!(
        ended
            .as_ref()
            .map_or_else(|e| is_gone(e) || not_connected(e), |_| true),
        "{ended:?}"
    );
}

fn not_connected(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::NotConnected
}

/// What this process holds in memory, in bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4_096
}

#[test]
fn ten_thousand_garbage_connections_leave_no_memory_behind() {
    const ROUND: usize = 2_000;
    const BOUND: u64 = 48 << 20;
    let server = TestServer::start();
    let mut rng = Rng::with_seed(seed());
    let mut round = |connections: usize| {
        for _ in 0..connections {
            let mut client = server.connect(Codec::MessagePack);
            let mut bytes = vec![0; rng.usize(1..2_000)];
            rng.fill(&mut bytes);
            client.send_frame(FIN | BINARY, &bytes);
            assert_eq!(client.receive_error().0, "bad_message");
        }
    };
    // The first ones fill caches and arenas; after that, nothing may grow with their number. Other
    // tests run in this process, hence the room.
    round(ROUND);
    let before = resident();
    (0..4).for_each(|_| round(ROUND));
    let grown = resident().saturating_sub(before);
    assert!(
        grown < BOUND,
        "{grown} bytes more after {} connections",
        4 * ROUND
    );
}
