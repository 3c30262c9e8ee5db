//! Lives here: tests of logins without sockets: keys in their files, tokens good and bad, reading
//! keys again.
//! Not here: the same through a client and the real binary (`tests/tokens.rs`).

use std::fs::Permissions;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use protocol::{Codec, ErrorCode, Hello};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

use super::Logins;
use super::claims::{Bad, Expected};
use super::denied::Denied;
use super::keys::Keys;
use crate::config::{self, Config, LoginMode};

const SECRET: [u8; 32] = *b"a secret of thirty-two bytes, so";
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// An Ed25519 key in the forms that files and signers want it.
struct Pair {
    private_der: Vec<u8>,
    public: [u8; 32],
}

impl Pair {
    fn new() -> Self {
        let private_der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(private_der.as_ref()).unwrap();
        Self {
            private_der: private_der.as_ref().to_vec(),
            public: pair.public_key().as_ref().try_into().unwrap(),
        }
    }

    fn signer(&self) -> EncodingKey {
        EncodingKey::from_ed_der(&self.private_der)
    }

    fn public_pem(&self) -> String {
        let mut der = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00".to_vec();
        der.extend(self.public);
        pem("PUBLIC KEY", &der)
    }

    fn private_pem(&self) -> String {
        pem("PRIVATE KEY", &self.private_der)
    }

    fn jwk(&self) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(self.public) })
    }
}

fn pem(kind: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    format!("-----BEGIN {kind}-----\n{body}\n-----END {kind}-----\n")
}

/// A folder of keys.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file that its owner alone may read.
    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn read(&self) -> Result<Keys, String> {
        Keys::read(self.path())
    }

    fn logins(&self, change: impl FnOnce(&mut config::Login)) -> Logins {
        let mut config = config::Login {
            mode: LoginMode::Jwt,
            keys: self.path().to_str().unwrap().to_owned(),
            ..config::Login::default()
        };
        change(&mut config);
        let config = Config {
            login: config,
            ..Config::default()
        };
        Logins::new(&config, "yard").unwrap()
    }
}

fn now() -> i64 {
    i64::try_from(jsonwebtoken::get_current_timestamp()).unwrap()
}

/// Good claims of ann.
fn claims() -> Value {
    json!({ "sub": "ann", "aud": "yard", "exp": now() + 600 })
}

fn header(algorithm: Algorithm, kid: Option<&str>) -> Header {
    let mut header = Header::new(algorithm);
    header.kid = kid.map(str::to_owned);
    header
}

fn hs256(kid: &str, claims: &Value) -> String {
    let key = EncodingKey::from_secret(&SECRET);
    encode(&header(Algorithm::HS256, Some(kid)), claims, &key).unwrap()
}

fn eddsa(pair: &Pair, kid: &str, claims: &Value) -> String {
    encode(&header(Algorithm::EdDSA, Some(kid)), claims, &pair.signer()).unwrap()
}

/// A token of any text, signed with our secret.
fn raw(header: &str, claims: &str) -> String {
    let message = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    let message = message.join(".");
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &SECRET);
    let signature = ring::hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

fn without(mut claims: Value, name: &str) -> Value {
    claims.as_object_mut().unwrap().remove(name);
    claims
}

/// A minute later than the last time.
fn later() -> Instant {
    static CALLS: AtomicU32 = AtomicU32::new(1);
    Instant::now() + Duration::from_mins(1) * CALLS.fetch_add(1, Ordering::Relaxed)
}

/// What a login with this hello comes to: the account, or the refusal's words.
fn admit(logins: &Logins, hello: Hello) -> Result<Option<String>, String> {
    // Each at a time of its own: how often is too often is told by `lockout`.
    match logins.admit(hello, (PEER, later()), Codec::Json) {
        Ok(entry) => Ok(entry.name),
        Err(refusal) => {
            assert_eq!(refusal.code, ErrorCode::BadLogin);
            Err(refusal.message)
        }
    }
}

fn by_token(logins: &Logins, token: String) -> Result<Option<String>, String> {
    let hello = Hello {
        token: Some(token),
        ..Hello::default()
    };
    admit(logins, hello)
}

fn expected(change: impl FnOnce(&mut config::Login)) -> Expected {
    let mut config = config::Login::default();
    change(&mut config);
    Expected::new(&config, "yard")
}

/// A folder with our secret under the id `s`, and its keys.
fn secret() -> Keys {
    super::crypto::install();
    let folder = Folder::new();
    folder.put("s.hs256", STANDARD.encode(SECRET));
    folder.read().unwrap()
}

#[test]
fn claims_are_checked_one_by_one_and_the_refusal_names_which() {
    let keys = secret();
    let check = |claims: &Value| expected(|_| ()).check(&hs256("s", claims), &keys);
    let bad = |why, account: Option<&str>| {
        let account = account.map(str::to_owned);
        Err(Bad { why, account })
    };
    let ann = Some("ann");
    assert_eq!(check(&claims()), Ok("ann".to_owned()));
    for (claims, result) in [
        (without(claims(), "exp"), bad(Denied::Claim("exp"), ann)),
        (
            with(claims(), "exp", json!("soon")),
            bad(Denied::Claim("exp"), ann),
        ),
        (
            with(claims(), "exp", json!(-1)),
            bad(Denied::Claim("exp"), ann),
        ),
        (with(claims(), "exp", json!(0)), bad(Denied::Expired, ann)),
        (
            with(claims(), "exp", json!(now() - 60)),
            bad(Denied::Expired, ann),
        ),
        (
            with(claims(), "nbf", json!(now() + 60)),
            bad(Denied::Early, ann),
        ),
        (
            with(claims(), "nbf", json!("now")),
            bad(Denied::Claim("nbf"), ann),
        ),
        (without(claims(), "aud"), bad(Denied::Claim("aud"), ann)),
        (
            with(claims(), "aud", json!("garden")),
            bad(Denied::Audience, ann),
        ),
        (with(claims(), "aud", json!([])), bad(Denied::Audience, ann)),
        (
            with(claims(), "aud", json!(7)),
            bad(Denied::Claim("aud"), ann),
        ),
        (without(claims(), "sub"), bad(Denied::Claim("sub"), None)),
        (
            with(claims(), "sub", json!(" ann")),
            bad(Denied::Claim("sub"), None),
        ),
        (
            with(claims(), "sub", json!(7)),
            bad(Denied::Unreadable, None),
        ),
    ] {
        assert_eq!(check(&claims), result, "{claims}");
    }
    for good in [
        with(claims(), "aud", json!(["garden", "yard"])),
        with(claims(), "nbf", json!(now() - 60)),
        with(claims(), "iss", json!("anybody")),
        with(claims(), "exp", json!(u64::MAX)),
        // Within the leeway of 30 s.
        with(claims(), "exp", json!(now() - 5)),
        with(claims(), "nbf", json!(now() + 5)),
    ] {
        assert_eq!(check(&good), Ok("ann".to_owned()), "{good}");
    }
}

#[test]
fn issuer_audience_and_leeway_are_those_of_the_configuration() {
    let keys = secret();
    let check = |claims: &Value, change: &dyn Fn(&mut config::Login)| {
        let checked = expected(|login| change(login)).check(&hs256("s", claims), &keys);
        checked.map_err(|bad| bad.why)
    };
    let ours: &dyn Fn(&mut config::Login) = &|login| login.issuer = "us".to_owned();
    let ann = Ok("ann".to_owned());
    assert_eq!(check(&with(claims(), "iss", json!("us")), ours), ann);
    let others = with(claims(), "iss", json!("them"));
    assert_eq!(check(&others, ours), Err(Denied::Issuer));
    assert_eq!(check(&claims(), ours), Err(Denied::Claim("iss")));
    let strict: &dyn Fn(&mut config::Login) = &|login| login.leeway_seconds = 0;
    let late = with(claims(), "exp", json!(now() - 5));
    assert_eq!(check(&late, strict), Err(Denied::Expired));
    let garden: &dyn Fn(&mut config::Login) = &|login| login.audience = "garden".to_owned();
    assert_eq!(check(&claims(), garden), Err(Denied::Audience));
    assert_eq!(check(&with(claims(), "aud", json!("garden")), garden), ann);
}

#[test]
fn a_key_is_for_its_own_algorithm_only() {
    super::crypto::install();
    let (pair, folder) = (Pair::new(), Folder::new());
    folder.put("ed.pem", pair.public_pem());
    folder.put("hs.hs256", STANDARD.encode(SECRET));
    let keys = folder.read().unwrap();
    let check = |token: &str| expected(|_| ()).check(token, &keys).map_err(|bad| bad.why);
    let hmac = |kid: &str, secret: &[u8]| {
        let key = EncodingKey::from_secret(secret);
        encode(&header(Algorithm::HS256, Some(kid)), &claims(), &key).unwrap()
    };
    assert_eq!(check(&eddsa(&pair, "ed", &claims())), Ok("ann".to_owned()));
    assert_eq!(check(&hmac("hs", &SECRET)), Ok("ann".to_owned()));
    // Who knows the public key must not be able to use it as a secret.
    for secret in [&pair.public[..], pair.public_pem().as_bytes()] {
        assert_eq!(check(&hmac("ed", secret)), Err(Denied::Signature));
    }
    assert_eq!(check(&hmac("ed", &SECRET)), Err(Denied::Signature));
    assert_eq!(
        check(&eddsa(&pair, "hs", &claims())),
        Err(Denied::Signature)
    );
    assert_eq!(
        check(&eddsa(&Pair::new(), "ed", &claims())),
        Err(Denied::Signature)
    );
    // The same secret, another hash.
    let hs512 = r#"{"alg":"HS512","kid":"hs"}"#;
    assert_eq!(
        check(&raw(hs512, &claims().to_string())),
        Err(Denied::Signature)
    );
    for none in ["none", "None", "NONE", ""] {
        let header = format!(r#"{{"alg":"{none}","kid":"hs"}}"#);
        let token = raw(&header, &claims().to_string());
        let unsigned = format!("{}.", token.rsplit_once('.').unwrap().0);
        assert_eq!(check(&token), Err(Denied::Unreadable));
        assert_eq!(check(&unsigned), Err(Denied::Unreadable));
    }
    let signed = eddsa(&pair, "ed", &claims());
    let unsigned = format!("{}.", signed.rsplit_once('.').unwrap().0);
    assert_eq!(check(&unsigned), Err(Denied::Signature));
}

#[test]
fn what_is_no_token_is_refused_without_harm() {
    let keys = secret();
    let check = |token: &str| expected(|_| ()).check(token, &keys).map_err(|bad| bad.why);
    let good = hs256("s", &claims());
    let parts: Vec<&str> = good.split('.').collect();
    let (head, body, sign) = (parts[0], parts[1], parts[2]);
    for token in [
        "",
        ".",
        "..",
        "...",
        "ey",
        "é.é.é",
        &format!("{head}.{body}"),
        &format!("{head}.{body}.{sign}.{sign}"),
        &format!("{head}{body}{sign}"),
        &format!("{head}.{body}.{sign}="),
        &format!(" {good}"),
        &raw("[]", "{}"),
        &raw(r#"{"alg":"HS256","kid":7}"#, "{}"),
        &raw(
            r#"{"alg":"HS256","kid":"s","crit":["exp"]}"#,
            &claims().to_string(),
        ),
        &raw(
            r#"{"alg":"HS256","kid":"s","zip":"DEF"}"#,
            &claims().to_string(),
        ),
        &raw(r#"{"alg":"HS256","kid":"s"}"#, "not JSON"),
        &raw(
            r#"{"alg":"HS256","kid":"s"}"#,
            r#"{"sub":"ann","sub":"bob"}"#,
        ),
        &raw(r#"{"alg":"HS256","kid":"s"}"#, &"[".repeat(2_000)),
    ] {
        assert_eq!(check(token), Err(Denied::Unreadable), "{token}");
    }
    // One bit of the claims, or of the signature.
    let other = hs256("s", &with(claims(), "sub", json!("bob")));
    let swapped = format!("{head}.{}.{sign}", other.split('.').nth(1).unwrap());
    assert_eq!(check(&swapped), Err(Denied::Signature));
    assert_eq!(
        check(&format!("{head}.{body}.{}", &sign[..40])),
        Err(Denied::Signature)
    );
    let long = hs256("s", &with(claims(), "more", json!("x".repeat(4_096))));
    assert_eq!(check(&long), Err(Denied::TooLong(4_096)));
}

#[test]
fn keys_are_told_apart_by_their_id_and_change_while_it_runs() {
    let (old, new, folder) = (Pair::new(), Pair::new(), Folder::new());
    folder.put("2026-10.pem", old.public_pem());
    let logins = folder.logins(|_| ());
    let ann = Ok(Some("ann".to_owned()));
    let unsigned = Err("the token was not signed with a key of this server".to_owned());
    let anonymous =
        |pair: &Pair| encode(&header(Algorithm::EdDSA, None), &claims(), &pair.signer()).unwrap();
    assert_eq!(by_token(&logins, eddsa(&old, "2026-10", &claims())), ann);
    assert_eq!(
        by_token(&logins, anonymous(&old)),
        ann,
        "it is the only key"
    );
    assert_eq!(
        by_token(&logins, eddsa(&new, "2026-11", &claims())),
        unsigned
    );
    folder.put("2026-11.jwk", new.jwk().to_string());
    assert_eq!(
        by_token(&logins, eddsa(&new, "2026-11", &claims())),
        unsigned
    );
    logins.reload().unwrap();
    assert_eq!(by_token(&logins, eddsa(&old, "2026-10", &claims())), ann);
    assert_eq!(by_token(&logins, eddsa(&new, "2026-11", &claims())), ann);
    assert_eq!(
        by_token(&logins, eddsa(&old, "2026-11", &claims())),
        unsigned
    );
    for pair in [&old, &new] {
        assert_eq!(
            by_token(&logins, anonymous(pair)),
            unsigned,
            "which of the two?"
        );
    }
    std::fs::remove_file(folder.path().join("2026-10.pem")).unwrap();
    let broken = folder.put("2026-12.pem", "no key at all");
    let error = logins.reload().unwrap_err().to_string();
    assert!(
        error.contains("login.keys") && error.contains("2026-12.pem"),
        "{error}"
    );
    assert_eq!(
        by_token(&logins, eddsa(&old, "2026-10", &claims())),
        ann,
        "all stays"
    );
    std::fs::remove_file(broken).unwrap();
    logins.reload().unwrap();
    assert_eq!(
        by_token(&logins, eddsa(&old, "2026-10", &claims())),
        unsigned
    );
    assert_eq!(by_token(&logins, eddsa(&new, "2026-11", &claims())), ann);
}

#[test]
fn with_tokens_a_name_is_nobodys() {
    let folder = Folder::new();
    folder.put("s.hs256", STANDARD.encode(SECRET));
    let logins = folder.logins(|_| ());
    let name = Some("ann".to_owned());
    let (good, bad) = (Some(hs256("s", &claims())), Some("ey".to_owned()));
    let resume = Some("0123".to_owned());
    let hello = |name: &Option<String>, token: &Option<String>, resume: &Option<String>| Hello {
        name: name.clone(),
        token: token.clone(),
        resume: resume.clone(),
        last: None,
    };
    let asked = Err("this server asks for a token (login.mode = \"jwt\")".to_owned());
    assert_eq!(admit(&logins, hello(&name, &None, &None)), asked);
    assert_eq!(admit(&logins, hello(&None, &None, &None)), asked);
    let bob = Some("bob".to_owned());
    assert_eq!(admit(&logins, hello(&bob, &good, &None)), Ok(name.clone()));
    // A session is resumed by its own token; when there is none any more, a name is no way in.
    assert_eq!(admit(&logins, hello(&name, &None, &resume)), Ok(None));
    assert_eq!(admit(&logins, hello(&name, &bad, &resume)), Ok(None));
    assert_eq!(admit(&logins, hello(&None, &good, &resume)), Ok(name));
}

#[test]
fn every_form_of_a_key_is_read() {
    let pair = Pair::new();
    let folder = Folder::new();
    folder.put("a.b.pem", pair.public_pem());
    folder.put("jwk.jwk", with(pair.jwk(), "kid", json!("jwk")).to_string());
    folder.put("padded.hs256", format!(" {}\n", STANDARD.encode([7; 33])));
    folder.put("url.hs256", URL_SAFE_NO_PAD.encode([0xfb; 32]));
    folder.put("raw.hs256raw", [b'\n'; 32]);
    folder.put(".hidden", "passed over");
    let keys = folder.read().unwrap();
    assert_eq!(keys.ids(), ["a.b", "jwk", "padded", "raw", "url"]);
    for (id, algorithm, bytes) in [
        ("a.b", Algorithm::EdDSA, &pair.public[..]),
        ("jwk", Algorithm::EdDSA, &pair.public),
        ("padded", Algorithm::HS256, &[7; 33]),
        ("url", Algorithm::HS256, &[0xfb; 32]),
        ("raw", Algorithm::HS256, &[b'\n'; 32]),
    ] {
        let key = keys.find(Some(id)).unwrap();
        assert_eq!(key.algorithm, algorithm);
        assert_eq!(key.key.try_get_as_bytes().unwrap(), bytes, "{id}");
    }
}

#[test]
fn what_is_no_key_is_refused_by_name_and_not_shown() {
    let pair = Pair::new();
    let private = with(pair.jwk(), "d", json!("c2VjcmV0")).to_string();
    let curve = with(pair.jwk(), "crv", json!("X25519")).to_string();
    let other_id = with(pair.jwk(), "kid", json!("other")).to_string();
    let short = with(pair.jwk(), "x", json!("AAAA")).to_string();
    let rsa = pem("PUBLIC KEY", &[0x30; 64]);
    for (name, text, words) in [
        ("k.pem", pair.private_pem(), "it is a private key"),
        ("k.pem", rsa, "no Ed25519 key"),
        ("k.pem", "secret-words".to_owned(), "no `PUBLIC KEY` in PEM"),
        ("k.jwk", private, "it is a private key"),
        ("k.jwk", curve, "no Ed25519 key"),
        ("k.jwk", other_id, "`kid` is not the file's name"),
        ("k.jwk", short, "`x` is not 32 bytes"),
        (
            "k.jwk",
            r#"{"kty": secret-words}"#.to_owned(),
            "(line 1, column 9)",
        ),
        ("k.hs256", "secret-words!".to_owned(), "not base64"),
        (
            "k.hs256",
            STANDARD.encode([1; 31]),
            "31 bytes; allowed are 32 or more",
        ),
        ("k.hs256raw", "secret-words".to_owned(), "12 bytes"),
        ("k.hs256", "x".repeat(8_193), "more than 8192 bytes"),
        ("k.txt", "secret-words".to_owned(), ".pem, .jwk, .hs256"),
        ("pem", "secret-words".to_owned(), ".pem, .jwk, .hs256"),
    ] {
        let folder = Folder::new();
        folder.put(name, &text);
        let error = folder.read().unwrap_err();
        assert!(error.starts_with(name) && error.contains(words), "{error}");
        assert!(
            !error.contains("secret-words") && !error.contains("c2VjcmV0"),
            "{error}"
        );
    }
    let folder = Folder::new();
    assert_eq!(folder.read().unwrap_err(), "there is no key in it");
    let secret = folder.put("k.hs256", STANDARD.encode(SECRET));
    for mode in [0o640, 0o604, 0o660] {
        std::fs::set_permissions(&secret, Permissions::from_mode(mode)).unwrap();
        let error = folder.read().unwrap_err();
        assert!(error.contains(&format!("mode {mode:03o}")), "{error}");
    }
    std::fs::remove_file(secret).unwrap();
    folder.put("k.pem", pair.public_pem());
    folder.put("k.jwk", pair.jwk().to_string());
    assert_eq!(folder.read().unwrap_err(), "there are two keys `k`");
    assert!(Keys::read(Path::new("/no/such")).is_err());
}

#[test]
fn keys_of_a_folder_are_counted() {
    let folder = Folder::new();
    for key in 0..65 {
        folder.put(&format!("{key}.hs256raw"), [1; 32]);
    }
    assert_eq!(folder.read().unwrap_err(), "there are more than 64 keys");
}

#[test]
fn who_fails_too_often_is_not_let_in_with_a_good_token_and_others_are() {
    let folder = Folder::new();
    folder.put("s.hs256", STANDARD.encode(SECRET));
    let logins = folder.logins(|config| {
        config.failure_burst = 3;
        config.failures_per_minute = 60;
    });
    let elsewhere = IpAddr::from([198, 51, 100, 7]);
    let now = Instant::now();
    let say = |claims: &Value, peer: IpAddr, now: Instant| {
        let hello = Hello {
            token: Some(hs256("s", claims)),
            ..Hello::default()
        };
        let admitted = logins.admit(hello, (peer, now), Codec::Json);
        admitted
            .map(|entry| entry.name.unwrap())
            .map_err(|refusal| (refusal.code, refusal.message))
    };
    let bob = with(claims(), "sub", json!("bob"));
    let old = with(claims(), "exp", json!(0));
    for _ in 0..3 {
        assert_eq!(say(&old, PEER, now).unwrap_err().0, ErrorCode::BadLogin);
    }
    for (who, peer, words) in [
        (&claims(), PEER, "from this address"),
        (&bob, PEER, "from this address"),
        (&claims(), elsewhere, "of this account"),
    ] {
        let (code, message) = say(who, peer, now).unwrap_err();
        assert_eq!(code, ErrorCode::TooFast);
        assert!(message.contains(words), "{message}");
        assert!(
            message.contains("60 per minute are forgiven (login.failures_per_minute)"),
            "{message}"
        );
    }
    assert_eq!(say(&bob, elsewhere, now).as_deref(), Ok("bob"));
    let later = now + Duration::from_secs(1);
    assert_eq!(say(&claims(), PEER, later).as_deref(), Ok("ann"));
    // A token that nobody of ours has signed is no word of the account that it names.
    let forged = EncodingKey::from_secret(b"another secret of thirty-two byte");
    let forged = encode(&header(Algorithm::HS256, Some("s")), &bob, &forged).unwrap();
    for n in 0..9 {
        let hello = Hello {
            token: Some(forged.clone()),
            ..Hello::default()
        };
        let peer = IpAddr::from([203, 0, 113, n]);
        let refusal = logins
            .admit(hello, (peer, later), Codec::Json)
            .err()
            .unwrap();
        assert_eq!(refusal.code, ErrorCode::BadLogin);
    }
    assert_eq!(say(&bob, elsewhere, later).as_deref(), Ok("bob"));
}
