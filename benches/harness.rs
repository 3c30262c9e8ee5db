//! Lives here: how ours and a floor are run by turns, and how the ratio is printed.
//! Not here: what is measured.
//!
//! Invariant: a ratio is of two measurements of one round, next to each other in time, so that
//! what slows the machine for a while slows both.

use std::time::{Duration, Instant};

use anyhow::Result;

/// Rounds of a full run and of a quick one; odd, so that there is a median. Many short rounds say
/// more than a few long ones: what disturbs one round leaves the next one alone.
const ROUNDS: usize = 21;
const QUICK_ROUNDS: usize = 5;
/// A quick run does one part in so many.
const QUICK_PART: usize = 20;

/// What is to be run, and how much of it.
pub(crate) struct Plan {
    pub(crate) quick: bool,
    /// Parts of names; empty for all.
    pub(crate) wanted: Vec<String>,
}

impl Plan {
    pub(crate) fn wants(&self, id: &str) -> bool {
        self.wanted.is_empty() || self.wanted.iter().any(|part| id.contains(part.as_str()))
    }

    /// Whether any case of an area may be wanted: asked before an area is set up.
    pub(crate) fn wants_area(&self, area: &str) -> bool {
        self.wants(area) || self.wanted.iter().any(|part| part.starts_with(area))
    }

    /// How often something is done that a full run does `full` times.
    pub(crate) fn times(&self, full: usize) -> usize {
        if self.quick {
            (full / QUICK_PART).max(1)
        } else {
            full
        }
    }
}

/// What a measurement is, and what its ratio to the floor should be.
#[derive(Clone, Copy)]
pub(crate) enum Measure {
    /// So many per second: more is better.
    Rate { at_least: Option<f64> },
    /// Seconds: less is better.
    Time { at_most: Option<f64> },
    /// Bytes: less is better.
    Bytes { at_most: Option<f64> },
    /// A plain number: more is better; the goal is for ours alone, not for the ratio.
    Number { ours_at_least: Option<f64> },
    /// How many of something: more is better.
    Count { at_least: Option<f64> },
}

/// Runs ours and the floor once each and prints one line: for what takes long and varies little.
pub(crate) fn compare_once(
    plan: &Plan,
    id: &str,
    measure: Measure,
    ours: impl FnOnce() -> Result<f64>,
    floor: impl FnOnce() -> Result<f64>,
) -> Result<()> {
    if !plan.wants(id) {
        return Ok(());
    }
    let (ours, floor) = (ours()?, floor()?);
    println!(
        "bench {id:<40} ours {:>9} floor {:>9} ratio {:.3} (once){}",
        measure.show(ours),
        measure.show(floor),
        ours / floor,
        measure.verdict(ours, ours / floor),
    );
    Ok(())
}

/// Runs ours and the floor by turns and prints one line.
pub(crate) fn compare(
    plan: &Plan,
    id: &str,
    measure: Measure,
    mut ours: impl FnMut() -> Result<f64>,
    mut floor: impl FnMut() -> Result<f64>,
) -> Result<()> {
    if !plan.wants(id) {
        return Ok(());
    }
    // One round for caches, branch predictors and lazily made things.
    ours()?;
    floor()?;
    let rounds = if plan.quick { QUICK_ROUNDS } else { ROUNDS };
    let mut rows = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let (ours, floor) = (ours()?, floor()?);
        rows.push((ours, floor, ours / floor));
    }
    report(id, measure, &rows);
    Ok(())
}

/// Prints the line of a case: ours, the floor and their ratio, of each round.
pub(crate) fn report(id: &str, measure: Measure, rows: &[(f64, f64, f64)]) {
    let rounds = rows.len();
    let column = |get: fn(&(f64, f64, f64)) -> f64| sorted(rows.iter().map(get).collect());
    let (ours, floor, ratio) = (
        column(|row| row.0),
        column(|row| row.1),
        column(|row| row.2),
    );
    // The spread is that of the middle half: one round in which the machine was busy is no news.
    let middle = rounds / 2;
    let spread = (ratio[rounds * 3 / 4] - ratio[rounds / 4]) / ratio[middle] * 100.0;
    println!(
        "bench {id:<40} ours {:>9} floor {:>9} ratio {:.3} (median of {rounds}, spread {spread:.0} %){}",
        measure.show(ours[middle]),
        measure.show(floor[middle]),
        ratio[middle],
        measure.verdict(ours[middle], ratio[middle]),
    );
}

impl Measure {
    fn show(self, value: f64) -> String {
        match self {
            Self::Rate { .. } => format!("{}/s", scaled(value)),
            Self::Time { .. } => format!("{:.1} us", value * 1e6),
            Self::Bytes { .. } => format!("{:.1} KiB", value / 1024.0),
            Self::Number { .. } => format!("{value:.2}"),
            Self::Count { .. } => format!("{value:.0}"),
        }
    }

    fn verdict(self, ours: f64, ratio: f64) -> String {
        let (met, goal) = match self {
            Self::Rate {
                at_least: Some(goal),
            }
            | Self::Count {
                at_least: Some(goal),
            } => (ratio >= goal, format!("ratio >= {goal}")),
            Self::Time {
                at_most: Some(goal),
            }
            | Self::Bytes {
                at_most: Some(goal),
            } => (ratio <= goal, format!("ratio <= {goal}")),
            Self::Number {
                ours_at_least: Some(goal),
            } => (ours >= goal, format!("ours >= {goal}")),
            _ => return String::new(),
        };
        format!(" goal {goal}: {}", if met { "met" } else { "MISSED" })
    }
}

fn scaled(value: f64) -> String {
    match value {
        v if v >= 1e9 => format!("{:.2} G", v / 1e9),
        v if v >= 1e6 => format!("{:.2} M", v / 1e6),
        v if v >= 1e3 => format!("{:.1} k", v / 1e3),
        v => format!("{v:.1} "),
    }
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// The median.
pub(crate) fn median(values: Vec<f64>) -> f64 {
    let values = sorted(values);
    values[values.len() / 2]
}

/// How long `work` takes.
pub(crate) fn time<R>(work: impl FnOnce() -> R) -> (Duration, R) {
    let start = now();
    let result = work();
    (start.elapsed(), result)
}

/// The system brings a thread's time up to date at its timer's ticks: of shorter work it may say
/// that it took none at all, so there the clock counts.
const COARSE: Duration = Duration::from_millis(50);

/// How many per second of this thread's own time on a processor, when it alone does `count`: what
/// else runs on the machine does not count. Where the system does not tell, the clock counts.
pub(crate) fn cpu_rate<R>(count: usize, work: impl FnOnce() -> R) -> (f64, R) {
    let before = on_cpu();
    let (took, result) = time(work);
    let on_cpu = on_cpu().zip(before);
    let took = match on_cpu {
        Some((after, before)) if took >= COARSE => after.saturating_sub(before),
        _ => took,
    };
    (count as f64 / took.as_secs_f64(), result)
}

/// The time that this thread has spent on a processor.
pub(crate) fn on_cpu() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos = text.split(' ').next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

/// How many per second of the clock when `count` are done by `work`.
pub(crate) fn rate<R>(count: usize, work: impl FnOnce() -> R) -> f64 {
    let (took, result) = time(work);
    std::hint::black_box(result);
    count as f64 / took.as_secs_f64()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a bench measures real time; nothing can be paused"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A line on the machine and the day, for who reads the figures later.
pub(crate) fn machine() -> Result<String> {
    let cpus = std::thread::available_parallelism()?;
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown", |model| {
        model.trim_start_matches([' ', '\t', ':'])
    });
    #[expect(clippy::disallowed_methods, reason = "the date of the run")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let (year, month, day) = date(now.as_secs() / 86_400);
    Ok(format!(
        "# {model}, {cpus} threads, {year:04}-{month:02}-{day:02}"
    ))
}

/// The date so many days after 1970-01-01, counted in the 400-year cycle of the calendar.
fn date(days: u64) -> (u64, u64, u64) {
    let day = days + 719_468;
    let (era, day_of_era) = (day / 146_097, day % 146_097);
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    (era * 400 + year + u64::from(month <= 2), month, day)
}
