//! Whole-server tests: TLS: connecting by `wss`, a new certificate while people play, and what is
//! wrong with the files.
//! Not here: what is spoken over it; that is as without.

use std::fs::Permissions;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use brightstar::Config;
use brightstar_client::{ClientError, Codec, Connection, Hello, Trust, Update, World};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::binary::starts_not;
use crate::support::server::{PATIENCE, TestServer};

/// The world of the tests, as its clients see it.
#[derive(Debug)]
struct Yard;

impl World for Yard {
    type Command = Value;
    type Reply = Value;
    type Input = Value;
    type Event = Value;
}

/// A folder with a certificate and its key.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.renew();
        files
    }

    /// Puts a new certificate and key in place of the old ones; returns the certificate.
    fn renew(&self) -> String {
        let names = vec!["localhost".to_owned()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        self.put("cert.pem", &cert.pem());
        self.put("key.pem", &signing_key.serialize_pem());
        cert.pem()
    }

    fn put(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }

    /// Puts a file of ours into another folder.
    fn copy(&self, name: &str, to: &Self) {
        let text = std::fs::read_to_string(self.name(name)).unwrap();
        to.put(name, &text);
    }

    fn name(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn server(&self) -> TestServer {
        TestServer::with(|config| self.configure(config))
    }

    fn configure(&self, config: &mut Config) {
        config.tls.certificate = self.name("cert.pem");
        config.tls.key = self.name("key.pem");
        config.gateway.handshake_seconds = 1;
    }
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

/// Connects with nothing but this certificate trusted, and without remembering a TLS session, which
/// could be resumed without a certificate.
async fn connect(server: &TestServer, root: &str) -> Result<Connection<Yard>, ClientError> {
    let url = format!("wss://localhost:{}/v1/ws", server.address.port());
    let (hello, trust) = (Hello::guest("ann"), Trust::roots(root.as_bytes()).unwrap());
    Connection::connect_trusting(&url, Codec::MessagePack, hello, &trust).await
}

/// Waits for the answer to a ping, frames and events passed over.
async fn answers(connection: &mut Connection<Yard>, ping: u64) {
    connection.ping(ping).await.unwrap();
    loop {
        if let Update::Pong { nonce, .. } = connection.next().await.unwrap() {
            assert_eq!(nonce, ping);
            return;
        }
    }
}

#[test]
fn commands_are_done_over_tls_and_only_for_who_is_trusted() {
    let files = Files::new();
    let trust = files.renew();
    let server = files.server();
    runtime().block_on(async {
        let mut ann = connect(&server, &trust).await.unwrap();
        ann.command(&serde_json::json!({ "count": 1 }))
            .await
            .unwrap();
        loop {
            if let Update::Reply { seq, outcome } = ann.next().await.unwrap() {
                assert_eq!((seq, outcome.unwrap()), (1, Value::from(1)));
                break;
            }
        }
        // The session is resumed with the same trust.
        let mut resume = ann.into_resume();
        let url = format!("wss://localhost:{}/v1/ws", server.address.port());
        let mut ann = Connection::<Yard>::resume(&url, &mut resume).await.unwrap();
        assert!(ann.welcome().resumed);
        answers(&mut ann, 1).await;
        let stranger = Files::new().renew();
        let refused = connect(&server, &stranger).await.unwrap_err();
        assert!(matches!(refused, ClientError::Socket(_)), "{refused}");
        assert!(refused.to_string().contains("certificate"), "{refused}");
    });
}

#[test]
fn a_new_certificate_is_served_from_the_next_connection_on_and_a_bad_one_never() {
    let files = Files::new();
    let old = files.renew();
    let server = files.server();
    runtime().block_on(async {
        let mut first = connect(&server, &old).await.unwrap();
        let new = files.renew();
        assert!(connect(&server, &new).await.is_err(), "it is not read yet");
        assert!(server.reload());
        answers(&mut first, 1).await;
        let mut second = connect(&server, &new).await.unwrap();
        assert!(connect(&server, &old).await.is_err(), "the old one is gone");
        // A key that is another's: what is served stays.
        let key = std::fs::read_to_string(files.name("key.pem")).unwrap();
        Files::new().copy("key.pem", &files);
        assert!(!server.reload());
        answers(&mut second, 2).await;
        drop(second);
        connect(&server, &new).await.unwrap();
        files.put("key.pem", &key);
        assert!(server.reload());
        connect(&server, &new).await.unwrap();
    });
}

#[test]
fn who_does_not_speak_tls_is_let_go() {
    let files = Files::new();
    let server = files.server();
    for said in [
        &b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        b"\x16\x03\x01",
    ] {
        let mut socket = TcpStream::connect(server.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.write_all(said).unwrap();
        let begun = Instant::now();
        let mut answer = Vec::new();
        // A TLS alert, or nothing, and the end.
        match socket.read_to_end(&mut answer) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
        assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
        assert!(begun.elapsed() < Duration::from_secs(15));
    }
}

#[test]
fn what_is_wrong_with_certificate_or_key_stops_the_start() {
    let files = Files::new();
    let data = tempfile::tempdir().unwrap();
    let config = data.path().join("field.toml");
    let starts_not = |certificate: &str, key: &str, words: &str| {
        let text = format!("[tls]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n");
        std::fs::write(&config, text).unwrap();
        let flags = ["--config", config.to_str().unwrap()];
        starts_not(&data.path().join("data"), &flags, 2, words);
    };
    let (certificate, key) = (files.name("cert.pem"), files.name("key.pem"));
    starts_not(&certificate, "", "tls.certificate and tls.key");
    starts_not(
        "/no/such",
        &key,
        "tls.certificate = \"/no/such\": No such file",
    );
    starts_not(&key, &key, "no `CERTIFICATE` in PEM");
    starts_not(&certificate, &certificate, "no `PRIVATE KEY` in PEM");
    Files::new().copy("key.pem", &files);
    starts_not(&certificate, &key, "tls.key");
    let mode = |mode| {
        std::fs::set_permissions(Path::new(&key), Permissions::from_mode(mode)).unwrap();
    };
    mode(0o640);
    starts_not(&certificate, &key, "mode 640");
}
