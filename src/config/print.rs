//! Lives here: how `--print-config` writes the effective configuration: TOML with each key's words.
//! Not here: the keys themselves (`sections`).
//!
//! Invariant: what is printed, read back as a file, gives the same configuration.

use std::fmt::Write as _;

use super::load::table;
use super::section::Key;
use super::{Config, sections};

/// The effective configuration as TOML with comments.
pub fn print(config: &Config) -> String {
    let all = table(config);
    let mut out = String::new();
    for (section, about, keys) in sections::all() {
        if !out.is_empty() {
            out.push('\n');
        }
        comment(&mut out, about, "");
        line(&mut out, format_args!("[{section}]"));
        for key in keys {
            comment(&mut out, key.docs, &range(key));
            let value = &all[section][key.name];
            line(&mut out, format_args!("{} = {value}", key.name));
        }
    }
    out
}

fn range(key: &Key) -> String {
    key.range
        .map_or_else(String::new, |words| format!(" ({})", words()))
}

fn comment(out: &mut String, docs: &[&str], end: &str) {
    for (index, doc) in docs.iter().enumerate() {
        let end = if index + 1 == docs.len() { end } else { "" };
        line(out, format_args!("#{}{end}", doc.trim_end()));
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("writing to a string can't fail");
}
