//! Lives here: a run as a page that a person wants to read: one file, no network, from the report's
//! JSON; and another run's lines beside it.
//! Not here: what is read from the JSON (`story`), and how a plot is drawn (`plot`).
//!
//! Invariant: the page is well-formed XML as well as HTML, whatever texts a server sent.

mod figures;
mod hardship;
mod plot;
mod plots;
mod story;
mod tables;

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, ensure};

use story::Story;

/// When the bots are later than this themselves, in milliseconds, what they measure is their own.
const LAG_MS: f64 = 50.0;

/// Reads another run's report.
pub(crate) fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("{}", path.display()))
}

/// Makes the page of a report, given as JSON, and of another run's, if there is one.
pub(crate) fn write(report: &str, other: Option<&str>) -> anyhow::Result<String> {
    let run = parse(report).context("the report")?;
    let other = other.map(parse).transpose();
    let other = other.context("the report that it is compared with")?;
    let mut page = String::new();
    head(&mut page, &run)?;
    banner(&mut page, &run, other.as_ref())?;
    figures::write(&mut page, &run, other.as_ref())?;
    plots::write(&mut page, &run, other.as_ref())?;
    tables::verdicts(&mut page, &run, other.as_ref())?;
    hardship::write(&mut page, &run)?;
    tables::changes(&mut page, &run)?;
    tables::commands(&mut page, &run)?;
    page.push_str("</main></body></html>\n");
    Ok(page)
}

fn parse(report: &str) -> anyhow::Result<Story> {
    let story: Story = serde_json::from_str(report)?;
    ensure!(!story.world.is_empty(), "this is no report of a load");
    Ok(story)
}

fn head(page: &mut String, run: &Story) -> std::fmt::Result {
    let title = format!("{} {}: load report", run.world, run.pattern);
    let style = include_str!("page/style.css");
    writeln!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\"><head>\
         <meta charset=\"utf-8\"/>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\
         <title>{}</title><style>\n{style}</style></head><body><main>",
        escape(&title)
    )
}

fn banner(page: &mut String, run: &Story, other: Option<&Story>) -> std::fmt::Result {
    let (class, word) = if run.passed {
        ("good", "Passed")
    } else {
        ("bad", "Failed")
    };
    let words = format!(
        "{} bots for {:.0} s, seed {}, {}, {}",
        run.bots, run.seconds, run.seed, run.codec, run.url
    );
    writeln!(
        page,
        "<header class=\"{class}\"><div><p class=\"kind\">Load report</p><h1>{} <span>{}</span></h1>\
         <p>{}</p></div><p class=\"verdict\">{word}</p></header>",
        escape(&run.world),
        escape(&run.pattern),
        escape(&words)
    )?;
    if !run.failures.is_empty() {
        page.push_str("<ul class=\"failures\">");
        for failure in &run.failures {
            let words = failure.trim_end_matches(", as in:");
            write!(page, "<li>{}</li>", escape(words))?;
        }
        page.push_str("</ul>\n");
    }
    let lag = run.harness.lag_ms.p99;
    if lag > LAG_MS {
        writeln!(
            page,
            "<p class=\"beside\">The bots themselves were late ({lag:.0} ms at the 99th percentile): all \
             times of commands and frames are too long.</p>"
        )?;
    }
    if let Some(other) = other {
        let verdict = if other.passed { "passed" } else { "failed" };
        let supervisor = |story: &Story| {
            let mode = story.timeline.supervisor.as_deref().unwrap_or("none");
            escape(mode)
        };
        writeln!(
            page,
            "<p class=\"beside\">Beside it, dashed, the run it is compared with: {} {}, {} bots for \
             {:.0} s, supervisor {}, which {verdict}. This run: supervisor {}.</p>",
            escape(&other.world),
            escape(&other.pattern),
            other.bots,
            other.seconds,
            supervisor(other),
            supervisor(run)
        )?;
    }
    Ok(())
}

/// A text as it may stand in a page. Control characters, which may not, become spaces.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push('\n'),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
