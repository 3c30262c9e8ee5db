//! Whole-server tests: what the server answers over plain HTTP.
//! Not here: the WebSocket.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use brightstar::metrics::{ALL, Kind};
use serde_json::{Value, json};

use crate::support::server::{TestServer, ask};
use crate::support::wire::{CLOSE, Codec, FIN};

#[test]
fn health_and_readiness() {
    let server = TestServer::start();
    assert_eq!(server.get("/healthz", "").status, 200);
    assert_eq!(server.get("/readyz", "").status, 200);
    assert_eq!(server.get("/nowhere", "").status, 404);
    let head = ask(server.address, "HEAD", "/readyz", "");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[test]
fn the_page_is_served_with_its_headers_and_asked_for_once() {
    let server = TestServer::start();
    let page = server.get("/", "");
    assert_eq!(
        (page.status, page.body.as_str()),
        (200, "<!doctype html>yard")
    );
    for header in [
        "content-type: text/html; charset=utf-8",
        "cache-control: no-cache",
        "content-security-policy: default-src 'self';",
        "x-content-type-options: nosniff",
    ] {
        assert!(
            page.head.contains(header),
            "{header} is missing in {}",
            page.head
        );
    }
    let tag = page
        .head
        .lines()
        .find_map(|line| line.strip_prefix("etag: "))
        .unwrap();
    let again = server.get("/", &format!("If-None-Match: {tag}\r\n"));
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    let script = server.get("/yard.js", &format!("If-None-Match: {tag}\r\n"));
    assert_eq!((script.status, script.body.as_str()), (200, "export {}"));
    assert!(script.head.contains("content-type: text/javascript"));
}

#[test]
fn the_status_has_its_shape() {
    let server = TestServer::start();
    let _client = server.enter(Codec::Json, "ann");
    let answer = server.get("/v1/status", "");
    assert_eq!(answer.status, 200);
    let status: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(
        keys(&status),
        ["hosts", "partition_epoch", "version", "world"]
    );
    assert_eq!(
        (&status["world"], &status["partition_epoch"]),
        (&json!("yard"), &json!(0))
    );
    let host = &status["hosts"][0];
    assert_eq!(
        keys(host),
        [
            "host",
            "hubs",
            "partition_epoch",
            "ready",
            "regions",
            "sessions",
            "socket_threads",
            "sockets",
            "supervisor",
            "tick_hz",
            "uptime_seconds",
            "workers",
            "world"
        ]
    );
    assert_eq!(
        (&host["sockets"], &host["socket_threads"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(host["sessions"], json!({ "connected": 1, "away": 0 }));
    let workers = host["workers"].as_array().unwrap();
    assert_eq!(workers.len(), 2);
    assert_eq!(keys(&workers[0]), ["fresh", "load", "worker"]);
    assert_eq!(keys(&host["supervisor"]), ["changes", "mode"]);
    // A thread that has had no session yet has no hub.
    let hubs = host["hubs"].as_array().unwrap();
    assert!((1..=2).contains(&hubs.len()), "{hubs:?}");
    assert_eq!(keys(&hubs[0]), ["hub", "load", "rung"]);
    assert_eq!(hubs[0]["rung"], json!("ground"));
    assert_eq!(
        (&host["supervisor"]["mode"], &host["tick_hz"]),
        (&json!("on"), &json!(20))
    );
    check_regions(host["regions"].as_array().unwrap());
}

fn check_regions(regions: &[Value]) {
    assert_eq!(regions.len(), 6);
    assert_eq!(
        keys(&regions[0]),
        [
            "border",
            "busy",
            "dilation",
            "entities",
            "from",
            "id",
            "last_pause_ms",
            "late",
            "lateness_ms",
            "load",
            "objects",
            "pinned",
            "queue",
            "sessions",
            "ticks",
            "to",
            "worker"
        ]
    );
    assert_eq!(
        keys(&regions[0]["busy"]),
        ["encoding", "sending", "tasks", "ticks"]
    );
    let mut from = json!(0);
    for region in regions {
        assert_eq!(region["from"], from, "the regions cover the line in order");
        from = region["to"].clone();
    }
    assert_eq!(from, json!(256 + 4096));
}

/// The names in an object.
pub(crate) fn keys(object: &Value) -> Vec<&str> {
    object
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

/// The longest a metric may take to appear: two of the supervisor's seconds, a checkpoint, and room.
const APPEARANCE: Duration = Duration::from_secs(20);

#[test]
fn every_metric_of_the_table_is_exported_after_a_run() {
    let server = TestServer::start();
    let mut client = server.enter(Codec::Json, "ann");
    let mut broken = server.enter(Codec::MessagePack, "bob");
    client.command(1, json!("count_all"));
    client.receive_kind("reply");
    client.command(2, json!("panic"));
    client.receive_kind("reply");
    client.send_payload(br#"["input", 1, {"go": [300, 256]}]"#);
    client.receive_kind("frame");
    broken.send_frame(FIN | CLOSE, &[0]);
    assert_eq!(broken.receive_error().0, "bad_message");
    // Gauges come with the supervisor's next second, checkpoints with theirs.
    let deadline = Instant::now() + APPEARANCE;
    loop {
        let page = server.get("/metrics", "");
        assert_eq!(page.status, 200);
        assert!(
            page.head
                .contains("content-type: text/plain; version=0.0.4")
        );
        let missing = missing(&page.body);
        if missing.is_empty() {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "in docs/metrics.md, but not on the page: {missing:?}"
        );
        // A frame is a twentieth of a second: time passes without sleeping.
        client.send_payload(br#"["input", 1, {"go": [300, 300]}]"#);
        client.receive_kind("frame");
    }
    let page = server.get("/metrics", "").body;
    for line in [
        r#"brightstar_task_panics_total{kind="command"} "#,
        r#"brightstar_tasks_multi_region_total{kind="command"} "#,
        r#"brightstar_disconnects_total{cause="bad_message"} "#,
        r#"brightstar_build_info{version="0.1.0",world="yard"} 1"#,
    ] {
        assert!(page.contains(line), "{line} is missing in {page}");
    }
    check_label_values(&page);
}

/// Labels whose values are known have no others.
fn check_label_values(page: &str) {
    for metric in ALL {
        for label in metric
            .labels
            .iter()
            .filter(|label| !label.values.is_empty())
        {
            let (series, label_is) = (format!("{}{{", metric.name), format!("{}=\"", label.name));
            for line in page.lines().filter(|line| line.starts_with(&series)) {
                let (_, rest) = line.split_once(&label_is).expect(line);
                let (value, _) = rest.split_once('"').unwrap();
                assert!(
                    label.values.contains(&value),
                    "{line}: not in docs/metrics.md"
                );
            }
        }
    }
}

fn missing(page: &str) -> BTreeSet<&'static str> {
    let exported: BTreeSet<(&str, &str)> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .collect();
    let unknown: Vec<_> = exported
        .iter()
        .filter(|(name, kind)| {
            !ALL.iter()
                .any(|metric| metric.name == *name && metric.kind.as_str() == *kind)
        })
        .collect();
    assert!(
        unknown.is_empty(),
        "on the page, but not in docs/metrics.md: {unknown:?}"
    );
    let histograms = ALL.iter().filter(|metric| metric.kind == Kind::Histogram);
    for metric in histograms.filter(|metric| page.contains(metric.name)) {
        assert!(
            page.contains(&format!("{}_bucket{{", metric.name)),
            "{} as a summary",
            metric.name
        );
    }
    ALL.iter()
        .filter(|metric| !exported.contains(&(metric.name, metric.kind.as_str())))
        .map(|metric| metric.name)
        .collect()
}
