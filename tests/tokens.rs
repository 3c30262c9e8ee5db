//! Whole-server tests: login by token: through a client, and with the real binary's `token` and
//! SIGHUP.
//! Not here: each thing that may be wrong with a token or a key (`src/login/tests.rs`).

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use brightstar::Config;
use brightstar::config::LoginMode;
use brightstar_client::Hello;
use protocol::ClientMessage;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binary::{Process, field, serve, starts_not};
use crate::support::server::{TestServer, eventually};
use crate::support::wire::{Client, Codec};

/// A folder for keys, and the key `now` in it.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "now.hs256", &STANDARD.encode([1; 32]));
    folder
}

fn put(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}

fn jwt(folder: &Path) -> impl FnOnce(&mut Config) {
    let folder = folder.to_str().unwrap().to_owned();
    |config| {
        config.login.mode = LoginMode::Jwt;
        config.login.keys = folder;
    }
}

/// Signs a token with the binary: `field token` with these flags.
fn mint(key: &Path, flags: &[&str]) -> String {
    let mut command = Command::new(field());
    command.arg("token").arg("--key").arg(key).args(flags);
    let output = command.env_clear().output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    let token = String::from_utf8(output.stdout).unwrap();
    token.strip_suffix('\n').unwrap().to_owned()
}

/// A token for the world of the tests, by `now` of this folder.
fn token(folder: &Path, name: &str) -> String {
    let key = folder.join("now.hs256");
    mint(&key, &["--name", name, "--audience", "yard"])
}

fn hello(token: &str) -> Hello {
    Hello {
        token: Some(token.to_owned()),
        ..Hello::default()
    }
}

/// Says hello, which is refused; the words.
fn refused(mut client: Client, hello: Hello) -> String {
    client.send(&ClientMessage::<Value, Value, Value>::Hello(hello));
    let (code, words) = client.receive_error();
    assert_eq!(code, "bad_login", "{words}");
    words
}

#[test]
fn a_token_is_a_login_and_a_name_is_none() {
    let folder = folder();
    let server = TestServer::with(jwt(folder.path()));
    let ann = token(folder.path(), "ann");
    let mut first = server.connect(Codec::Json);
    let welcome = first.enter(hello(&ann));
    assert_eq!(welcome["resumed"], json!(false));
    let words = refused(server.connect(Codec::Json), Hello::guest("ann"));
    assert!(words.contains("asks for a token"), "{words}");
    // The same account again takes over, whichever codec it speaks.
    let mut second = server.connect(Codec::MessagePack);
    let again = second.enter(hello(&ann));
    assert_eq!(again["session"], welcome["session"]);
    assert_eq!(first.receive_error().0, "taken_over");
    drop(second);
    // A session outlives its token: it is resumed without one, and also beside one that is bad.
    let mut third = server.connect(Codec::Json);
    let resume = again["resume"].as_str().unwrap();
    let resumed = third.enter(Hello {
        token: Some("expired".to_owned()),
        ..Hello::resume(resume, 0)
    });
    assert_eq!(resumed["resumed"], json!(true));
}

#[test]
fn a_used_resume_token_opens_nothing_by_a_name() {
    let folder = folder();
    let server = TestServer::with(jwt(folder.path()));
    let ann = token(folder.path(), "ann");
    let welcome = server.connect(Codec::Json).enter(hello(&ann));
    let resume = welcome["resume"].as_str().unwrap().to_owned();
    let mut client = server.connect(Codec::Json);
    client.enter(Hello::resume(resume.clone(), 0));
    let by_name = Hello {
        name: Some("ann".to_owned()),
        ..Hello::resume(resume, 0)
    };
    let words = refused(server.connect(Codec::Json), by_name);
    assert!(words.contains("the session is over"), "{words}");
    assert_eq!(client.frame().map(|_| ()), Some(()), "ann is still there");
}

#[test]
fn refused_tokens_are_told_why_and_counted_by_reason() {
    let folder = folder();
    let server = TestServer::with(jwt(folder.path()));
    let key = folder.path().join("now.hs256");
    let stranger = put(
        tempfile::tempdir().unwrap().keep().as_path(),
        "now.hs256",
        &STANDARD.encode([2; 32]),
    );
    let name = ["--name", "ann"];
    let long = "x".repeat(33);
    for (token, words, reason) in [
        (mint(&key, &name), "another audience", "audience"),
        (
            mint(
                &key,
                &["--name", "ann", "--audience", "yard", "--kid", "old"],
            ),
            "not signed with a key of this server",
            "signature",
        ),
        (
            mint(&stranger, &["--name", "ann", "--audience", "yard"]),
            "not signed with a key of this server",
            "signature",
        ),
        ("nonsense".to_owned(), "can't be read", "unreadable"),
        (token(folder.path(), " ann"), "no good `sub`", "claim"),
        // Names are those of guests.
        (token(folder.path(), &long), "1 to 32 characters", "session"),
        (
            token(folder.path(), "nobody"),
            "nobody may not come in",
            "session",
        ),
    ] {
        let series = format!("brightstar_logins_refused_total{{reason=\"{reason}\"}}");
        let before = count(&server, &series);
        let told = refused(server.connect(Codec::Json), hello(&token));
        assert!(told.contains(words), "{told}");
        assert!(!told.contains(&token), "{told}");
        // Other tests of this process count, too.
        eventually("it is counted", || count(&server, &series) > before);
    }
}

fn count(server: &TestServer, series: &str) -> u64 {
    let page = server.get("/metrics", "").body;
    let line = page.lines().find_map(|line| line.strip_prefix(series));
    line.unwrap_or_else(|| panic!("no {series}"))
        .trim()
        .parse()
        .unwrap()
}

/// The real binary, taking tokens by the keys of a folder.
fn field_with(data: &Path, keys: &Path) -> Process {
    let config = put(
        data,
        "field.toml",
        &format!(
            "[login]\nkeys = \"{}\"\n[log]\nlevel = \"trace\"\n",
            keys.display()
        ),
    );
    let config = config.to_str().unwrap();
    let flags = ["--login", "jwt", "--config", config];
    Process::start(&data.join("data"), &flags)
}

#[test]
fn keys_are_rotated_by_sighup_while_people_play() {
    let (data, keys) = (tempfile::tempdir().unwrap(), folder());
    let process = field_with(data.path(), keys.path());
    let old = mint(&keys.path().join("now.hs256"), &["--name", "ann"]);
    let enter = |token: &str| {
        let mut client = Client::connect(process.address, Codec::Json);
        client.send(&ClientMessage::<Value, Value, Value>::Hello(hello(token)));
        let first = client.receive().unwrap();
        (first[0] == "welcome").then_some(client)
    };
    let mut ann = enter(&old).expect("the old key is good");
    let key = put(keys.path(), "next.hs256", &STANDARD.encode([3; 32]));
    let new = mint(&key, &["--name", "bob", "--ttl", "2m"]);
    assert!(enter(&new).is_none(), "the new key is not read yet");
    process.signal("-HUP");
    eventually("the new key is read", || enter(&new).is_some());
    assert!(enter(&old).is_some(), "both keys are good");
    // A half-written file: everything stays as it was.
    let broken = put(keys.path(), "broken.hs256", "AAAA");
    std::fs::remove_file(keys.path().join("now.hs256")).unwrap();
    process.signal("-HUP");
    let why = "broken.hs256: its secret has 3 bytes";
    eventually("it is read and refused", || process.has_logged(why));
    assert!(enter(&old).is_some() && enter(&new).is_some());
    std::fs::remove_file(broken).unwrap();
    process.signal("-HUP");
    eventually("the old key is gone", || enter(&old).is_none());
    // Who came by the old key was taken over by the next login, and by nothing else.
    assert_eq!(ann.receive_error().0, "taken_over");
    process.signal("-TERM");
    let (code, log) = process.end();
    assert_eq!(code, Some(0), "{log}");
    for words in ["now", "next"] {
        assert!(log.contains(words), "{words} is missing in the log: {log}");
    }
    for secret in [
        &old,
        &new,
        &STANDARD.encode([1; 32]),
        &STANDARD.encode([3; 32]),
    ] {
        assert!(!log.contains(secret), "{log}");
        // Nor its signature alone.
        let tail = &secret[secret.len() - 20..];
        assert!(!log.contains(tail), "{log}");
    }
}

#[test]
fn what_is_wrong_with_keys_stops_the_start() {
    let (data, keys) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    starts_not(data.path(), &["--login", "jwt"], 2, "login.keys = \"\"");
    let config = put(
        data.path(),
        "field.toml",
        &format!("[login]\nkeys = \"{}\"\n", keys.path().display()),
    );
    let flags = ["--login", "jwt", "--config", config.to_str().unwrap()];
    starts_not(data.path(), &flags, 2, "there is no key in it");
    put(keys.path(), "now.hs256", "AAAA");
    starts_not(data.path(), &flags, 2, "now.hs256: its secret has 3 bytes");
    starts_not(data.path(), &["--login", "maybe"], 2, "guest, jwt");
}

#[test]
fn a_public_address_may_be_served_with_tokens() {
    let (data, keys) = (tempfile::tempdir().unwrap(), folder());
    let config = put(
        data.path(),
        "field.toml",
        &format!(
            "[login]\nmode = \"jwt\"\nkeys = \"{}\"\n",
            keys.path().display()
        ),
    );
    let flags = ["--config", config.to_str().unwrap(), "--print-config"];
    let mut command = serve(data.path(), &flags);
    command.env("BRIGHTSTAR_SERVER__LISTEN", "0.0.0.0:7777");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn what_can_not_be_signed_is_said_and_the_key_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let key = put(folder.path(), "k.hs256", "not-base64-but-secret!");
    let mut command = Command::new(field());
    command.arg("token").arg("--key").arg(&key);
    let output = command.args(["--name", "ann"]).output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(words.contains("k.hs256: it is not base64"), "{words}");
    assert!(!words.contains("secret!") && output.stdout.is_empty());
    std::fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let output = command.output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains("mode 644"), "{words}");
}
