//! The corpus, and a short walk of random changes around it, on a stable compiler: what a fuzzer
//! once found stays found. Not here: coverage-guided runs (`./check --long`).
#![allow(clippy::unwrap_used, reason = "a test that fails shows its line")]

use std::path::{Path, PathBuf};

use brightstar_fuzz::{protocol, session, store, websocket};

/// Random changes tried on each seed.
const CHANGES: u32 = 40;

/// Runs a target over its corpus; a target that hangs is ended by the test's own limit of time.
fn walk(target: &str, changes: u32, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let mut seeds: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    seeds.sort();
    assert!(seeds.len() > 5, "{}: hardly a corpus", folder.display());
    let mut rng = fastrand::Rng::with_seed(1);
    for path in seeds {
        let seed = std::fs::read(&path).unwrap();
        run(&seed);
        for _ in 0..changes {
            let mut bytes = seed.clone();
            change(&mut rng, &mut bytes);
            run(&bytes);
        }
    }
}

fn change(rng: &mut fastrand::Rng, bytes: &mut Vec<u8>) {
    for _ in 0..rng.usize(1..4) {
        let at = rng.usize(0..=bytes.len());
        match rng.u8(0..4) {
            0 => bytes.insert(at, rng.u8(..)),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 if at < bytes.len() => bytes[at] = rng.u8(..),
            _ => bytes.truncate(at.max(1)),
        }
    }
}

#[test]
fn no_bytes_break_the_protocol() {
    walk("protocol", CHANGES * 50, protocol::run);
}

#[test]
fn no_bytes_break_the_framing() {
    walk("websocket", CHANGES * 50, websocket::run);
}

#[test]
fn no_bytes_in_its_folder_break_a_world() {
    walk("store", 2, store::run);
}

#[test]
fn no_sequence_of_messages_and_sockets_breaks_a_session() {
    walk("session", CHANGES, session::run);
}
