//! Lives here: the figures at the page's head: a few numbers that say how it went.

use std::fmt::Write as _;

use super::escape;
use super::plot::short;
use super::story::Story;

/// A figure: its name, and how it is read from a run.
type Figure = (&'static str, fn(&Story) -> Option<String>);

const FIGURES: [Figure; 12] = [
    ("commands per second", |run| {
        Some(short(run.commands.per_second))
    }),
    ("latency p50", |run| {
        Some(millis(run.commands.latency_ms.p50))
    }),
    ("latency p99", |run| {
        Some(millis(run.commands.latency_ms.p99))
    }),
    ("frames per second", |run| {
        (run.frames.received > 0).then(|| short(run.frames.per_second))
    }),
    ("frames, MB per second", |run| {
        let bytes = run.frames.bytes_per_second;
        (bytes > 0.0).then(|| format!("{:.2}", bytes / 1e6))
    }),
    ("frames that came late", |run| {
        (run.frames.received > 0).then(|| percent(run.frames.late_share))
    }),
    ("ticks that were late", |run| {
        run.timeline.late_share().map(percent)
    }),
    ("from hot spot to balanced", |run| {
        let spots = run.timeline.hot_spots()?;
        let longest = spots
            .iter()
            .max_by(|a, b| (!a.over).cmp(&!b.over).then(a.lasted.total_cmp(&b.lasted)))?;
        let never = if longest.over { "" } else { "not in " };
        Some(format!("{never}{:.0} s", longest.lasted))
    }),
    ("spread at the end", |run| {
        let spread = run.timeline.servers().next_back()?.spread?;
        Some(format!("{spread:.2}"))
    }),
    ("regions", |run| {
        let (mut servers, last) = (run.timeline.servers(), run.timeline.servers().next_back()?);
        let (first, last) = (servers.next()?.regions, last.regions);
        Some(if first == last {
            first.to_string()
        } else {
            format!("{first} → {last}")
        })
    }),
    ("slowest time, of 1", |run| {
        let dilations = run.timeline.servers().filter_map(|server| server.dilation);
        let least = dilations.min_by(f64::total_cmp)?;
        (least < 1.0).then(|| format!("{least:.2}"))
    }),
    ("splits, moves, merges", |run| {
        run.timeline.supervisor.as_ref()?;
        let counts = ["split", "move", "merge"].map(|kind| run.timeline.count(kind).to_string());
        Some(counts.join(", "))
    }),
];

/// What bots did, where it came to it.
const DEEDS: [(&str, &str); 6] = [
    ("walks over borders", "crossings"),
    ("trades over borders", "trades_over_borders"),
    ("sockets dropped, and resumed", "resumes"),
    ("commands sent again", "sent_again"),
    ("sessions over after a restart", "sessions_ended"),
    ("pauses in reading", "stalls"),
];

/// Writes the figures of a run, and under each the other run's.
pub(super) fn write(page: &mut String, run: &Story, other: Option<&Story>) -> std::fmt::Result {
    page.push_str("<section class=\"figures\">\n");
    for (name, value) in FIGURES {
        if let Some(text) = value(run) {
            figure(page, name, &text, other.and_then(value))?;
        }
    }
    for (name, key) in DEEDS {
        let count = |story: &Story| story.deeds.get(key).copied().unwrap_or_default();
        if count(run) > 0 {
            let text = count(run).to_string();
            figure(
                page,
                name,
                &text,
                other.map(|other| count(other).to_string()),
            )?;
        }
    }
    page.push_str("</section>\n");
    Ok(())
}

fn figure(page: &mut String, name: &str, text: &str, other: Option<String>) -> std::fmt::Result {
    let text = escape(text);
    write!(page, "<div><b>{text}</b><span>{name}</span>")?;
    if let Some(other) = other {
        write!(page, "<small>other run: {}</small>", escape(&other))?;
    }
    page.push_str("</div>\n");
    Ok(())
}

fn millis(value: f64) -> String {
    format!("{} ms", short(value))
}

fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0 %".to_owned(),
        percent if percent < 0.01 => "< 0.01 %".to_owned(),
        percent => format!("{percent:.2} %"),
    }
}
