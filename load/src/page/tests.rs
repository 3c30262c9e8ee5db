//! Lives here: pages of runs that went well, badly and oddly: whether a browser can read them.

use roxmltree::{Document, ParsingOptions};
use serde_json::{Value, json};

use super::*;

fn sample(at: f64) -> Value {
    json!({
        "at": at,
        "server": { "regions": 4, "workers": [0.8, 0.2], "spread": 1.6, "queue": 0, "ticks": 80,
            "late_ticks": 2, "lateness_ms": 3.0, "dilation": 0.5 },
        "commands_per_second": 10.0, "latency_p50_ms": 2.0, "latency_p99_ms": null,
        "frames_per_second": 500.0, "frame_delay_p50_ms": 0.1, "frame_delay_p99_ms": 9.0,
        "crossings_per_second": 3.0,
    })
}

fn change(number: u64, at: f64) -> Value {
    json!({ "at": at, "number": number, "at_ms": 1.0, "change": "move", "cause": "thread_hot",
        "regions": [7], "became": [7], "from_worker": 0, "to_worker": 1, "gain": 0.21,
        "reason": "thread 0 < \"70\" & rising", "state": "kept", "pause_ms": 12.5 })
}

fn report() -> Value {
    json!({
        "world": "meadow", "pattern": "crowd <&>", "url": "ws://x", "codec": "json", "bots": 9,
        "seed": 1, "seconds": 30.0, "passed": false,
        "failures": ["it does not hold that a < b && c"],
        "checks": [{ "name": "a < b", "passed": false, "detail": "wrong:\n  x\u{1}y" },
            { "name": "all is well", "passed": true, "detail": "nothing wrong" }],
        "errors": { "closed": { "count": 2, "first": "<gone>" } },
        "harness": { "lag_ms": { "p99": 80.0 } },
        "deeds": { "crossings": 12, "resumes": 0 },
        "commands": { "per_second": 12.5, "latency_ms": { "p50": 1.0, "p99": 20.0 },
            "by_kind": { "give": [3, 2, 1, 0] }, "refusals": { "gone": 1 } },
        "frames": { "received": 10, "per_second": 500.0, "late_share": 0.001 },
        "timeline": { "supervisor": "on", "ticks": 1000, "late_ticks": 2,
            "samples": [sample(1.0), sample(2.0), sample(3.0)], "changes": [change(1, 1.5), change(2, 2e9)] },
    })
}

/// Makes a page, and gives the texts of all elements of this name.
#[track_caller]
fn texts(page: &str, element: &str) -> Vec<String> {
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(page, options).unwrap();
    let elements = document
        .descendants()
        .filter(|node| node.has_tag_name(element));
    let text = |node: roxmltree::Node<'_, '_>| {
        let texts = node
            .descendants()
            .filter_map(|node| node.text().filter(|_| node.is_text()));
        texts.collect::<String>()
    };
    elements.map(text).collect()
}

#[test]
fn a_page_is_well_formed_whatever_it_is_told() {
    let page = write(&report().to_string(), None).unwrap();
    assert_eq!(texts(&page, "li"), ["it does not hold that a < b && c"]);
    let cells = texts(&page, "td");
    for words in [
        "thread 0 < \"70\" & rising",
        "0 → 1",
        "21 %",
        "12.5 ms",
        "wrong:\n  x y",
    ] {
        assert!(
            cells.iter().any(|cell| cell == words),
            "{words} is not in {cells:?}"
        );
    }
    assert!(texts(&page, "h1")[0].contains("crowd <&>"));
    assert!(page.contains("The bots themselves were late"));
}

#[test]
fn a_page_needs_nothing_but_itself() {
    let page = write(&report().to_string(), None).unwrap();
    for outside in ["<script", "<link", "src=", "href=", "url(", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn what_there_is_to_see_is_plotted_and_nothing_else() {
    let all = write(&report().to_string(), None).unwrap();
    let captions = texts(&all, "figcaption");
    assert_eq!(captions.len(), texts(&all, "svg").len());
    for title in [
        "Load of threads",
        "Spread",
        "Latency",
        "Lateness of ticks",
        "Pauses",
        "Walks",
    ] {
        assert!(
            captions.iter().any(|words| words.starts_with(title)),
            "{title}: {captions:?}"
        );
    }
    // Of a server that says nothing, only what bots saw is there.
    let mut silent = report();
    for sample in silent["timeline"]["samples"].as_array_mut().unwrap() {
        sample["server"] = Value::Null;
        sample["crossings_per_second"] = json!(0.0);
    }
    silent["timeline"]["changes"] = json!([]);
    silent["timeline"]["supervisor"] = Value::Null;
    let page = write(&silent.to_string(), None).unwrap();
    let captions = texts(&page, "figcaption");
    assert!(!page.contains("Changes of regions"));
    assert_eq!(captions.len(), 4, "{captions:?}");
    assert!(captions[0].starts_with("Latency"), "{captions:?}");
}

#[test]
fn what_was_done_to_the_server_is_told() {
    let mut hard = report();
    hard["timeline"]["restarts"] = json!(3);
    hard["timeline"]["outages"] =
        json!([{ "from": 1.0, "until": 2.5, "lost": 200, "resumed": 190, "ended": 10 }]);
    hard["storm"] = json!({ "by_kind": { "merge": { "asked": 9, "done": 5, "refused": 4 } },
        "refusals": { "it is <the last>": 4 }, "long_pauses": 2, "longest_pause_ms": 61.25 });
    let changes = (0..200).map(|number| change(number, 2.0));
    hard["timeline"]["changes"] = changes.collect();
    let page = write(&hard.to_string(), None).unwrap();
    let heads = texts(&page, "h2");
    for head in ["Restarts of the server", "The storm of orders"] {
        assert!(heads.iter().any(|text| text == head), "{heads:?}");
    }
    let notes = texts(&page, "p").join("\n");
    for words in [
        "another process 3 times",
        "4 × it is <the last>",
        "up to 61.2 ms; 2 paused longer",
        "The server was gone where it is red",
        "200 changes of the regions, too many to draw",
    ] {
        assert!(notes.contains(words), "{words} is not in {notes}");
    }
    assert!(texts(&page, "td").contains(&"190".to_owned()));
    assert!(page.contains("#F6D6D6"), "outages are drawn");
    let plain = write(&report().to_string(), None).unwrap();
    assert!(!plain.contains("storm of orders") && !plain.contains("#F6D6D6"));
}

#[test]
fn another_run_is_drawn_dashed_beside_it() {
    let mut other = report();
    other["timeline"]["supervisor"] = json!("off");
    other["timeline"]["late_ticks"] = json!(500);
    let alone = write(&report().to_string(), None).unwrap();
    let both = write(&report().to_string(), Some(&other.to_string())).unwrap();
    assert!(
        texts(&both, "p")
            .iter()
            .any(|words| words.contains("supervisor off"))
    );
    assert!(texts(&both, "small").contains(&"other run: 50.00 %".to_owned()));
    assert_eq!(texts(&both, "svg").len(), texts(&alone, "svg").len() + 1);
    assert!(both.contains("key dashed") && !alone.contains("key dashed"));
}

#[test]
fn a_report_from_before_there_were_timelines_is_a_page_too() {
    let old = json!({ "world": "ledger", "pattern": "transfer", "passed": true });
    let page = write(&old.to_string(), None).unwrap();
    assert!(texts(&page, "svg").is_empty());
    let other = write(&report().to_string(), Some(&old.to_string()));
    other.unwrap();
    for other in ["[]", "{}", "", "{\"world\": 1}"] {
        write(&report().to_string(), Some(other)).unwrap_err();
    }
}
