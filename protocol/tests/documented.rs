//! Lives here: whether `docs/protocol.md` says what the code does.
//! Not here: the recorded messages themselves (`vectors`).
//!
//! Run with `BRIGHTSTAR_RECORD=1` to write its last section anew.

use std::fmt::Write as _;
use std::path::PathBuf;

use protocol::{ErrorCode, Retry};

use crate::vectors::recorded;

/// What stands above the section that is written from the vectors.
const MARK: &str = "<!-- recorded: written by BRIGHTSTAR_RECORD=1 cargo test -p protocol -->\n";

fn path() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "docs", "protocol.md"]
        .iter()
        .collect()
}

fn page() -> String {
    std::fs::read_to_string(path()).unwrap()
}

/// The rows of all tables: their cells.
fn rows(page: &str) -> Vec<Vec<&str>> {
    page.lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

#[test]
fn every_code_is_documented_with_what_to_do() {
    let page = page();
    let documented: Vec<_> = rows(&page)
        .into_iter()
        .filter(|row| row.len() == 3)
        .map(|row| (row[0].trim_matches('`').to_owned(), row[2].to_owned()))
        .collect();
    let known: Vec<_> = ErrorCode::ALL
        .iter()
        .map(|code| {
            let again = match code.retry() {
                Retry::Never => "never",
                Retry::Later => "later",
                Retry::Now => "now",
            };
            (code.as_str().to_owned(), again.to_owned())
        })
        .collect();
    assert_eq!(documented, known);
}

#[test]
fn every_kind_of_message_has_a_row() {
    let page = page();
    let documented: Vec<_> = rows(&page)
        .into_iter()
        .filter_map(|row| row[0].strip_prefix("`[\"")?.split('"').next())
        .collect();
    let mut kinds: Vec<String> = recorded()
        .iter()
        .map(|vector| {
            let kind = vector.json.split('"').nth(1);
            kind.unwrap().to_owned()
        })
        .collect();
    kinds.sort();
    kinds.dedup();
    for kind in &kinds {
        assert!(documented.contains(&&**kind), "{kind} has no row");
    }
    for kind in documented {
        assert!(kinds.iter().any(|known| known == kind), "{kind} is unknown");
    }
}

#[test]
fn the_recorded_messages_are_those_of_the_vectors() {
    let page = page();
    let (text, section) = page.split_once(MARK).expect("the mark of the section");
    let mut made = String::new();
    for vector in recorded() {
        write!(
            made,
            "\n**{}**, from the {}\n\n```json\n{}\n```\n\n```text\n{}\n```\n",
            vector.name, vector.from, vector.json, vector.msgpack
        )
        .unwrap();
    }
    if std::env::var_os("BRIGHTSTAR_RECORD").is_some() {
        std::fs::write(path(), format!("{text}{MARK}{made}")).unwrap();
    } else {
        assert_eq!(section, made, "docs/protocol.md is not of today");
    }
}
