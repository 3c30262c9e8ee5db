//! Whole-server tests: `/admin`: who may give orders, what an order may be, how it is answered.
//! Not here: what orders do to regions and sessions (`actors`).

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;

use brightstar::actors::SupervisorMode;
use brightstar::server::StartError;
use brightstar::{Asset, Config};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::endpoints::keys;
use crate::support::server::{Answer, TestServer, ask, eventually, post, send};
use crate::support::world::Yard;

pub(crate) const TOKEN: &str = "yard-operators-token-1";
/// No region has this name.
const NOWHERE: u64 = 1 << 40;

/// No page of the world's own.
const NO_PAGE: &[Asset] = &[];

/// A file with the token; its owner alone may read it.
pub(crate) fn token_file() -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{TOKEN}\n")).unwrap();
    file
}

/// A server with `/admin`, where nothing changes but by order.
pub(crate) fn guarded() -> TestServer {
    // Read once, at the start: it may go then.
    guarded_by(&token_file())
}

/// A server that reads its token from this file at each start.
pub(crate) fn guarded_by(file: &NamedTempFile) -> TestServer {
    TestServer::with(|config| {
        config.supervisor.mode = SupervisorMode::Off;
        file.path()
            .to_str()
            .unwrap()
            .clone_into(&mut config.admin.token_file);
    })
}

/// Gives an order with the token.
pub(crate) fn order(server: &TestServer, action: &str, body: &Value) -> Answer {
    let token = format!("Authorization: Bearer {TOKEN}\r\n");
    post(
        server.address,
        &format!("/admin/{action}"),
        &token,
        &body.to_string(),
    )
}

pub(crate) fn body(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).expect(&answer.body)
}

/// Checks that an answer is an error, in the shape that errors have; returns its words.
pub(crate) fn error(answer: &Answer, status: u16, code: &str) -> String {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert!(
        answer.head.contains("content-type: application/json"),
        "{}",
        answer.head
    );
    assert!(
        answer.head.contains("cache-control: no-store"),
        "{}",
        answer.head
    );
    let body = body(answer);
    assert_eq!(
        (keys(&body), keys(&body["error"])),
        (vec!["error"], vec!["code", "message"])
    );
    assert_eq!(body["error"]["code"], code);
    body["error"]["message"].as_str().unwrap().to_owned()
}

/// What the host says of itself.
fn state(server: &TestServer) -> Value {
    let status: Value = serde_json::from_str(&server.get("/v1/status", "").body).unwrap();
    status["hosts"][0].clone()
}

fn regions(server: &TestServer) -> Vec<Value> {
    state(server)["regions"].as_array().unwrap().clone()
}

#[test]
fn without_a_token_file_there_is_no_admin_and_it_says_how_to_get_it() {
    let server = TestServer::start();
    for path in ["/admin/move", "/admin/anything"] {
        let words = error(&post(server.address, path, "", "{}"), 404, "off");
        assert!(words.contains("admin.token_file"), "{words}");
    }
}

#[test]
fn nobody_gives_orders_without_the_token() {
    let server = guarded();
    let headers = [
        String::new(),
        "Authorization: Bearer\r\n".to_owned(),
        "Authorization: Bearer yard-operators-token-2\r\n".to_owned(),
        format!("Authorization: Basic {TOKEN}\r\n"),
        format!("Authorization: Bearer {TOKEN}x\r\n"),
        format!("X-Authorization: Bearer {TOKEN}\r\n"),
    ];
    for headers in &headers {
        // Not even what is wrong with the order is told, and nothing of its body is waited for.
        let asked = format!("{headers}Content-Length: 1000000\r\n");
        let answer = send(server.address, "POST", "/admin/split", &asked, "");
        let words = error(&answer, 401, "unauthorized");
        assert!(
            answer.head.contains("www-authenticate: bearer"),
            "{}",
            answer.head
        );
        assert!(!words.contains(TOKEN));
    }
    assert_eq!(
        error(
            &ask(server.address, "GET", "/admin/split", ""),
            401,
            "unauthorized"
        ),
        {
            error(
                &post(server.address, "/admin/no/such", "", "{}"),
                401,
                "unauthorized",
            )
        }
    );
}

#[test]
fn who_tries_too_often_is_not_even_heard_with_the_right_token() {
    let server = guarded();
    let wrong = || post(server.address, "/admin/split", "", "{}").status;
    let tries: Vec<u16> = (0..10).map(|_| wrong()).collect();
    assert_eq!(tries, [401; 10], "each is heard");
    // One more per second is heard (`failures` shows it, with time passed in). However slow the
    // machine is: where none is left, the right one is not heard, or a second has passed since.
    let mut answer = None;
    eventually("the right one is not heard either", || {
        eventually("none is left", || wrong() == 429);
        let asked = order(&server, "split", &json!({ "region": NOWHERE }));
        let refused = asked.status == 429;
        answer = Some(asked);
        refused
    });
    let answer = answer.unwrap();
    error(&answer, 429, "too_fast");
    assert!(answer.head.contains("retry-after: 1"), "{}", answer.head);
    assert_eq!(
        server.get("/healthz", "").status,
        200,
        "everything else is open"
    );
}

#[test]
fn the_right_token_is_not_counted() {
    let server = guarded();
    for _ in 0..40 {
        error(&order(&server, "fly", &json!({})), 404, "unknown");
    }
}

#[test]
fn an_order_that_is_none_is_refused_by_name() {
    let server = guarded();
    for (action, order_is, words) in [
        ("move", json!({}), "missing field `region`"),
        ("move", json!({ "region": 1 }), "missing field `worker`"),
        ("move", json!({ "region": 1, "worker": -1 }), "-1"),
        ("move", json!({ "region": "1", "worker": 1 }), "string"),
        (
            "split",
            json!({ "region": 1, "at": 7 }),
            "unknown field `at`",
        ),
        (
            "merge",
            json!({ "region": 1, "with": 2 }),
            "unknown field `with`",
        ),
        ("pin", json!({ "region": 1 }), "missing field `pinned`"),
        ("pin", json!({ "region": 1, "pinned": 1 }), "boolean"),
        ("split", json!([1]), "JSON object"),
        ("dead/show", json!({}), "missing field `number`"),
        ("dead/replay", json!({ "number": -1 }), "-1"),
        (
            "dead/list",
            json!({ "number": 1 }),
            "unknown field `number`",
        ),
        ("dead/drop", json!({}), "expected"),
        (
            "dead/drop",
            json!({ "number": 1, "all": true }),
            "expected value",
        ),
    ] {
        let told = error(&order(&server, action, &order_is), 400, "bad_request");
        assert!(told.contains(words), "{action} {order_is}: {told}");
    }
    let token = format!("Authorization: Bearer {TOKEN}\r\n");
    for body in ["", "{\"region\":", "{\"region\":1}x", "\u{0}"] {
        error(
            &post(server.address, "/admin/split", &token, body),
            400,
            "bad_request",
        );
    }
}

#[test]
fn an_order_is_short() {
    let server = guarded();
    let token = format!("Authorization: Bearer {TOKEN}\r\n");
    let fits = format!("{:1024}", json!({ "region": NOWHERE }).to_string());
    assert_ne!(
        post(server.address, "/admin/split", &token, &fits).status,
        413
    );
    let long = format!("{fits} ");
    let words = error(
        &post(server.address, "/admin/split", &token, &long),
        413,
        "too_large",
    );
    assert!(words.contains("1024"), "{words}");
    // In pieces, its length is not said beforehand.
    let pieces = format!("{token}Transfer-Encoding: chunked\r\n");
    let mut body = String::new();
    for _ in 0..4 {
        write!(body, "200\r\n{:512}\r\n", "").unwrap();
    }
    body.push_str("0\r\n\r\n");
    error(
        &send(server.address, "POST", "/admin/split", &pieces, &body),
        413,
        "too_large",
    );
}

#[test]
fn other_methods_and_paths_are_told_what_there_is() {
    let server = guarded();
    let token = format!("Authorization: Bearer {TOKEN}\r\n");
    for (method, path) in [
        ("GET", "/admin/split"),
        ("PUT", "/admin/pin"),
        ("POST", "/admin/"),
    ] {
        let words = error(
            &send(server.address, method, path, &token, ""),
            404,
            "unknown",
        );
        assert!(words.contains("POST /admin/move"), "{words}");
    }
}

#[test]
fn a_token_that_others_may_read_stops_the_start() {
    let file = token_file();
    let mut config = Config::default();
    "127.0.0.1:0".clone_into(&mut config.server.listen);
    file.path()
        .to_str()
        .unwrap()
        .clone_into(&mut config.admin.token_file);
    std::fs::set_permissions(file.path(), PermissionsExt::from_mode(0o644)).unwrap();
    match brightstar::start(Yard, &config, NO_PAGE) {
        Err(StartError::Config(error)) => {
            assert!(error.to_string().contains("mode 644"), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

/// Checks that an answer is a change that an operator made; returns it.
fn change(answer: &Answer, kind: &str, region: &Value) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(
        answer.head.contains("cache-control: no-store"),
        "{}",
        answer.head
    );
    let change = body(answer);
    assert_eq!(
        keys(&change),
        [
            "at_ms",
            "became",
            "cause",
            "change",
            "from_worker",
            "gain",
            "number",
            "pause_ms",
            "reason",
            "regions",
            "state",
            "to_worker"
        ]
    );
    assert_eq!(
        (&change["change"], &change["cause"]),
        (&json!(kind), &json!("manual"))
    );
    assert_eq!(&change["regions"][0], region);
    change
}

#[test]
fn orders_are_answered_by_the_change_and_seen_in_the_status() {
    let server = guarded();
    // The region with the counters, so one that can be cut: each shard has its own few.
    let whole = regions(&server)[5].clone();
    let (region, worker) = (whole["id"].clone(), whole["worker"].as_u64().unwrap());
    let to = json!({ "region": region, "worker": 1 - worker });
    let moved = change(&order(&server, "move", &to), "move", &region);
    let (from, to) = (&moved["from_worker"], &moved["to_worker"]);
    assert_eq!((from, to), (&json!(worker), &json!(1 - worker)));
    assert_eq!(regions(&server)[5]["worker"], json!(1 - worker));
    let this = json!({ "region": region });
    let mut answer = order(&server, "split", &this);
    eventually("it is known where its load lies", || {
        answer.status == 200 || {
            error(&answer, 409, "refused");
            answer = order(&server, "split", &this);
            false
        }
    });
    let split = change(&answer, "split", &region);
    let now = regions(&server);
    assert_eq!(split["became"], json!([now[5]["id"], now[6]["id"]]));
    assert_eq!((now.len(), &now[5]["from"]), (7, &whole["from"]));
    assert_eq!(now[6]["to"], whole["to"]);
    let merged = change(&order(&server, "merge", &this), "merge", &region);
    assert_eq!(merged["became"], json!([region]));
    let now = regions(&server);
    assert_eq!((now.len(), &now[5]["to"]), (6, &whole["to"]));
    let changes = state(&server)["supervisor"]["changes"].clone();
    let changes = changes.as_array().unwrap().iter();
    let numbers: Vec<&Value> = changes.map(|change| &change["number"]).collect();
    let made = [&moved, &split, &merged].map(|change| &change["number"]);
    assert_eq!(numbers, made);
}

#[test]
fn a_pin_is_seen_and_taken_out_again() {
    let server = guarded();
    let region = regions(&server)[2]["id"].clone();
    for pinned in [true, false] {
        let pin = json!({ "region": region, "pinned": pinned });
        let answer = order(&server, "pin", &pin);
        assert_eq!((answer.status, answer.body.as_str()), (200, "{}"));
        let now: Vec<bool> = regions(&server)
            .iter()
            .map(|region| region["pinned"].as_bool().unwrap())
            .collect();
        assert_eq!(now, [false, false, pinned, false, false, false]);
    }
}

#[test]
fn what_is_not_there_or_can_not_be_is_refused_and_changes_nothing() {
    let server = guarded();
    let before = regions(&server);
    let (first, last) = (before[0]["id"].clone(), before[5]["id"].clone());
    let nowhere = json!(NOWHERE);
    let of = |region: &Value| json!({ "region": region });
    let to = |region: &Value, worker: &Value| json!({ "region": region, "worker": worker });
    let here = &before[0]["worker"];
    for (action, order_is, status, code) in [
        ("move", to(&nowhere, &json!(0)), 404, "unknown"),
        ("move", to(&first, &json!(2)), 404, "unknown"),
        ("move", to(&first, here), 409, "refused"),
        ("split", of(&nowhere), 404, "unknown"),
        ("split", of(&first), 409, "refused"),
        ("merge", of(&nowhere), 404, "unknown"),
        ("merge", of(&last), 409, "refused"),
        (
            "pin",
            json!({ "region": NOWHERE, "pinned": true }),
            404,
            "unknown",
        ),
    ] {
        let words = error(&order(&server, action, &order_is), status, code);
        assert!(!words.is_empty(), "{action} {order_is}");
    }
    let place = |regions: &[Value]| -> Vec<Value> {
        let place = |region: &Value| json!([region["id"], region["from"], region["worker"]]);
        regions.iter().map(place).collect()
    };
    assert_eq!(place(&regions(&server)), place(&before));
}
