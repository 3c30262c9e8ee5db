//! The recorded conversations of `docs/conversations`: a ledger (for that on channels, a moot) plays
//! them as they stand there, in both encodings, and `protocol/conversations.json` has their bytes for clients in any language.
//! Lives here: playing, comparing and recording them. Not here: single messages
//! (`protocol/vectors.json`).
//!
//! A line that begins with `>` is what the client says, with `<` what the server says, with `!` what
//! happens to sockets. A string that begins with `$` stands for a value that is another each time,
//! and the same within one conversation.
//!
//! Run with `BRIGHTSTAR_RECORD=1` to write the bytes anew after a wanted change.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use brightstar::{Config, Running};
use ledger::Ledger;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::moot::Moot;
use crate::support::wire::{Client, Codec, msgpack, text};

/// One conversation, as bytes.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Recording {
    name: String,
    steps: Vec<Step>,
}

/// One step of it: who speaks (`client`, `server`), or `socket` for what happens to sockets.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Step {
    from: String,
    /// The text of the JSON message, or what happens.
    json: String,
    /// The `MessagePack` message in hexadecimal; none where something happens.
    msgpack: Option<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn recording() -> PathBuf {
    root().join("protocol/conversations.json")
}

/// The conversations, by name.
fn conversations() -> Vec<(String, String)> {
    let folder = std::fs::read_dir(root().join("docs/conversations")).unwrap();
    let mut all: Vec<_> = folder
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    all.sort();
    assert!(all.len() >= 4, "{} conversations", all.len());
    all
}

/// The lines that say something: a mark, and what follows it.
fn lines(script: &str) -> impl Iterator<Item = (char, &str)> {
    script
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| (line.chars().next().unwrap(), line[1..].trim()))
}

/// A ledger of ten accounts with 100 on each.
struct Bank {
    running: Option<Running>,
    address: SocketAddr,
    _data: TempDir,
}

impl Bank {
    fn open(conversation: &str) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        "127.0.0.1:0".clone_into(&mut config.server.listen);
        data.path()
            .to_str()
            .unwrap()
            .clone_into(&mut config.server.data);
        config.server.socket_threads = 1;
        config.engine.store_bytes = 1 << 28;
        let world = Ledger {
            accounts: 10,
            balance: 100,
        };
        let running = match conversation {
            "channel" => brightstar::start(Moot, &config, &[]),
            _ => brightstar::start(world, &config, &[]),
        };
        let running = running.unwrap();
        Self {
            address: running.address(),
            running: Some(running),
            _data: data,
        }
    }
}

impl Drop for Bank {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().unwrap();
        }
    }
}

/// What stands for the `$names` so far.
type Known = HashMap<String, Value>;

/// Whether a value is what the script says; learns what names stand for.
fn agree(script: &Value, told: &Value, known: &mut Known) -> bool {
    match (script, told) {
        (Value::String(name), _) if name.starts_with('$') => {
            known.entry(name.clone()).or_insert_with(|| told.clone()) == told
        }
        (Value::Array(script), Value::Array(told)) => {
            script.len() == told.len()
                && script
                    .iter()
                    .zip(told)
                    .all(|(script, told)| agree(script, told, known))
        }
        (Value::Object(script), Value::Object(told)) => {
            // A world may leave out what is not there; what the script has must be there.
            let is_absent = |key: &String| told[key].is_null();
            told.keys()
                .all(|key| script.contains_key(key) || is_absent(key))
                && script.iter().all(|(key, script)| {
                    told.get(key).is_some_and(|told| agree(script, told, known))
                })
        }
        _ => script == told,
    }
}

/// The message with its names replaced by what they stand for.
fn fill(message: &Value, known: &Known) -> Value {
    match message {
        Value::String(name) if name.starts_with('$') => known[name].clone(),
        Value::Array(parts) => parts.iter().map(|part| fill(part, known)).collect(),
        Value::Object(parts) => parts
            .iter()
            .map(|(key, part)| (key.clone(), fill(part, known)))
            .collect(),
        other => other.clone(),
    }
}

fn encode(codec: Codec, message: &Value) -> Vec<u8> {
    match codec {
        Codec::Json => text(message),
        Codec::MessagePack => msgpack(message),
    }
}

/// Plays a conversation; returns the bytes of every message, in order.
fn play(name: &str, script: &str, codec: Codec) -> Vec<Vec<u8>> {
    let bank = Bank::open(name);
    let mut known = Known::new();
    let mut sockets = vec![Client::connect(bank.address, codec)];
    let (mut at, mut said) = (0, Vec::new());
    for (mark, line) in lines(script) {
        let client = &mut sockets[at];
        match (mark, line) {
            ('>', line) => {
                let message = fill(&serde_json::from_str(line).unwrap(), &known);
                let bytes = encode(codec, &message);
                client.send_payload(&bytes);
                said.push(bytes);
            }
            ('<', line) => {
                let (value, bytes) = client.receive_bytes().unwrap();
                let script: Value = serde_json::from_str(line).unwrap();
                let agrees = agree(&script, &Value::Array(value.clone()), &mut known);
                assert!(agrees, "{name} ({codec}): {value:?} instead of {line}");
                said.push(bytes);
            }
            ('!', "closed") => assert_eq!(client.receive(), None, "{name}: not closed"),
            ('!', "new socket") => sockets[at] = Client::connect(bank.address, codec),
            ('!', "second socket") => {
                sockets.push(Client::connect(bank.address, codec));
                at = 1;
            }
            ('!', "first socket") => at = 0,
            _ => panic!("{name}: what is {mark} {line}?"),
        }
    }
    said
}

fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(half.into(), 16).unwrap();
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(digit).collect()
}

fn record(name: &str, script: &str) -> Recording {
    let json = play(name, script, Codec::Json).into_iter();
    let mut packed = json.zip(play(name, script, Codec::MessagePack));
    let step = |(mark, line): (char, &str)| {
        let from = match mark {
            '>' => "client",
            '<' => "server",
            _ => {
                return Step {
                    from: "socket".to_owned(),
                    json: line.to_owned(),
                    msgpack: None,
                };
            }
        };
        let (json, msgpack) = packed.next().unwrap();
        Step {
            from: from.to_owned(),
            json: String::from_utf8(json).unwrap(),
            msgpack: Some(hex(&msgpack)),
        }
    };
    Recording {
        name: name.to_owned(),
        steps: lines(script).map(step).collect(),
    }
}

#[test]
fn the_server_holds_every_recorded_conversation_in_both_encodings() {
    let played = conversations().into_iter();
    let played: Vec<_> = played
        .map(|(name, script)| record(&name, &script))
        .collect();
    if std::env::var_os("BRIGHTSTAR_RECORD").is_some() {
        let text = serde_json::to_string_pretty(&played).unwrap();
        std::fs::write(recording(), text + "\n").unwrap();
    }
}

#[test]
fn the_recorded_bytes_say_what_the_conversations_say() {
    let text = std::fs::read_to_string(recording()).unwrap();
    let recorded: Vec<Recording> = serde_json::from_str(&text).unwrap();
    let scripts = conversations();
    assert_eq!(recorded.len(), scripts.len(), "record them anew");
    for (recorded, (name, script)) in recorded.iter().zip(&scripts) {
        assert_eq!(recorded.name, *name);
        assert_eq!(recorded.steps.len(), lines(script).count(), "{name}");
        let (mut in_json, mut in_msgpack) = (Known::new(), Known::new());
        for (step, (mark, line)) in recorded.steps.iter().zip(lines(script)) {
            let Some(msgpack) = &step.msgpack else {
                assert_eq!((mark, &*step.json), ('!', line), "{name}");
                continue;
            };
            let script: Value = serde_json::from_str(line).unwrap();
            let json = serde_json::from_str(&step.json).unwrap();
            assert!(agree(&script, &json, &mut in_json), "{name}: {json}");
            let bytes: Vec<u8> = (0..msgpack.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&msgpack[at..at + 2], 16).unwrap())
                .collect();
            let value: Value = rmp_serde::from_slice(&bytes).unwrap();
            assert!(agree(&script, &value, &mut in_msgpack), "{name}: {value}");
        }
    }
}
