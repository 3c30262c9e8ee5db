//! Lives here: the verdicts of a run: each thing that had to hold, and whether it did.
//! Not here: how they are told (`report`, `page`), and who saw what was wrong (the bots).
//!
//! Invariant: what makes a run fail is a check that was not passed, and nothing else.

use std::time::Duration;

use serde::Serialize;

use crate::args::{Common, Restarts};
use crate::hotspot::HotSpot;
use crate::run::Pattern;
use crate::stats::{Rule, Stats};
use crate::timeline::Timeline;

/// Something that had to hold.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) passed: bool,
    pub(crate) detail: String,
}

impl Check {
    fn new(name: &str, passed: bool, detail: String) -> Self {
        Self {
            name: name.to_owned(),
            passed,
            detail,
        }
    }
}

/// All verdicts: those on what bots saw, those of the world (`asked`), and those on its speed.
pub(crate) fn judge<P: Pattern>(
    common: &Common,
    stats: &Stats,
    timeline: &Timeline,
    asked: Vec<Check>,
) -> Vec<Check> {
    let mut checks: Vec<_> = P::RULES
        .iter()
        .map(|(rule, holds)| of_rule(*rule, holds, stats))
        .collect();
    checks.extend(asked);
    if common.restarts != Restarts::None {
        checks.push(of_outages(stats, timeline));
    }
    if stats.storms.raged() {
        let (passed, detail) = stats.storms.verdict();
        let name = "orders are carried out, or refused for a reason";
        checks.push(Check::new(name, passed, detail));
    }
    checks.push(of_errors(common, stats));
    checks.push(of_answers(stats));
    checks.extend(common.p99_ms.map(|limit| of_latency(limit, stats)));
    checks.extend(common.max_late.map(|limit| of_late_ticks(limit, timeline)));
    let rebalance = common.max_rebalance;
    checks.extend(rebalance.map(|limit| of_hot_spots(limit, timeline)));
    checks.extend(common.max_pause.map(|limit| of_pauses(limit, timeline)));
    checks
}

fn of_rule(rule: Rule, holds: &str, stats: &Stats) -> Check {
    let broken = stats.broken(rule);
    let detail = match broken.count {
        0 => "nothing wrong".to_owned(),
        count => format!(
            "{count} times wrong, as in:\n  {}",
            broken.examples.join("\n  ")
        ),
    };
    Check::new(holds, broken.count == 0, detail)
}

/// Each time sockets were lost, the server must have been started anew.
fn of_outages(stats: &Stats, timeline: &Timeline) -> Check {
    let outages = stats.outages.list().len();
    let restarts = timeline.restarts();
    let detail = restarts.map_or_else(
        || format!("{outages} times, and the server does not tell which process it is"),
        |restarts| format!("{outages} times, and it was started anew {restarts} times"),
    );
    let passed = restarts.is_none_or(|restarts| outages <= restarts as usize);
    Check::new("sockets are lost with the server only", passed, detail)
}

fn of_errors(common: &Common, stats: &Stats) -> Check {
    let (errors, allowed) = (stats.error_count(), common.max_errors);
    let detail = format!("{errors} errors, {allowed} allowed");
    Check::new("errors are within their limit", errors <= allowed, detail)
}

fn of_answers(stats: &Stats) -> Check {
    let ok = stats.commands().ok;
    let detail = format!("{ok} were answered with ok");
    Check::new("commands are answered", ok > 0, detail)
}

fn of_latency(limit: f64, stats: &Stats) -> Check {
    let p99 = stats.latency.histogram().value_at_quantile(0.99) as f64 / 1000.0;
    let detail = format!("the 99th percentile is {p99:.2} ms, {limit} ms allowed");
    Check::new("commands are fast enough", p99 <= limit, detail)
}

/// A run without a hot spot has not shown that one is balanced.
fn of_hot_spots(limit: Duration, timeline: &Timeline) -> Check {
    let limit = limit.as_secs_f64();
    let spots = timeline.hot_spots();
    let (passed, detail) = match &spots {
        None => (false, "the server told of no threads".to_owned()),
        Some(spots) if spots.is_empty() => (false, "there was no hot spot".to_owned()),
        Some(spots) => {
            let words: Vec<_> = spots.iter().map(HotSpot::words).collect();
            let soon = spots.iter().all(|spot| spot.over && spot.lasted <= limit);
            (soon, format!("{}; {limit} s allowed", words.join("; ")))
        }
    };
    Check::new("a hot spot is balanced soon", passed, detail)
}

fn of_pauses(limit: Duration, timeline: &Timeline) -> Check {
    let limit = limit.as_secs_f64() * 1000.0;
    let longest = timeline.longest_pause_ms();
    let detail = longest.map_or_else(
        || "no region was changed".to_owned(),
        |longest| format!("{longest:.1} ms at the longest, {limit} ms allowed"),
    );
    let passed = longest.is_none_or(|longest| longest <= limit);
    Check::new(
        "regions that are changed pause for a tick at most",
        passed,
        detail,
    )
}

/// A server that can't be asked has not shown that it is on time.
fn of_late_ticks(limit: f64, timeline: &Timeline) -> Check {
    let share = timeline.late_share();
    let detail = match share {
        Some(share) => format!(
            "{:.3} % of all regions' ticks were late, {:.3} % allowed",
            share * 100.0,
            limit * 100.0
        ),
        None => "the server told of no ticks".to_owned(),
    };
    let passed = share.is_some_and(|share| share <= limit);
    Check::new("ticks are on time", passed, detail)
}
