//! Lives here: which plots a page has, and what is in each.
//! Not here: how one is drawn (`plot`).

use std::fmt::Write as _;

use super::plot::{
    Colour, GONE, Line, Mark, OTHER_USUAL, OTHER_WORST, Plot, THREADS, USUAL, WORST,
};
use super::story::{Sample, Server, Story};
use crate::hotspot::BUSY;

/// The kinds of changes, with their colours.
pub(super) const CHANGES: [(&str, Colour); 3] = [
    ("split", (126, 63, 181)),
    ("move", (10, 143, 127)),
    ("merge", (168, 104, 42)),
];
/// The spread over which the supervisor moves something.
const UNEVEN: f64 = crate::hotspot::UNEVEN;
/// The length of a tick, in milliseconds.
const TICK_MS: f64 = 50.0;

/// Changes that are drawn as lines.
const MAX_MARKS: usize = 120;

/// What a line shows of a second.
type Value = fn(&Sample) -> Option<f64>;

/// A plot of values that both runs have: its title, unit, and lines, the usual one first.
struct Both {
    title: &'static str,
    unit: &'static str,
    at_least: f64,
    limit: Option<f64>,
    /// Whether there are worlds, or runs, without any.
    may_be_nothing: bool,
    values: &'static [(&'static str, Value)],
}

const PLOTS: [Both; 9] = [
    Both {
        title: "Spread: the busiest thread over the mean",
        unit: "max / mean",
        at_least: 1.5,
        limit: Some(UNEVEN),
        may_be_nothing: false,
        values: &[("spread", |s| server(s).and_then(|s| s.spread))],
    },
    Both {
        title: "Regions",
        unit: "regions",
        at_least: 4.0,
        limit: None,
        may_be_nothing: false,
        values: &[("regions", |s| server(s).map(|s| s.regions as f64))],
    },
    Both {
        title: "Latency of commands",
        unit: "ms",
        at_least: 5.0,
        limit: None,
        may_be_nothing: false,
        values: &[("p50", |s| s.latency_p50_ms), ("p99", |s| s.latency_p99_ms)],
    },
    Both {
        title: "How late frames came to the bots",
        unit: "ms",
        at_least: 5.0,
        limit: Some(TICK_MS),
        may_be_nothing: false,
        values: &[
            ("p50", |s| s.frame_delay_p50_ms),
            ("p99", |s| s.frame_delay_p99_ms),
        ],
    },
    Both {
        title: "Lateness of ticks, the slowest region",
        unit: "ms, p99",
        at_least: 5.0,
        limit: Some(TICK_MS),
        may_be_nothing: false,
        values: &[("lateness", |s| server(s).and_then(|s| s.lateness_ms))],
    },
    Both {
        title: "Late ticks, all regions",
        unit: "% of ticks",
        at_least: 1.0,
        limit: None,
        may_be_nothing: false,
        values: &[("late", |s| server(s).and_then(late_percent))],
    },
    Both {
        title: "Commands answered",
        unit: "per second",
        at_least: 10.0,
        limit: None,
        may_be_nothing: false,
        values: &[("commands", |s| Some(s.commands_per_second))],
    },
    Both {
        title: "Frames received",
        unit: "per second",
        at_least: 10.0,
        limit: None,
        may_be_nothing: true,
        values: &[("frames", |s| Some(s.frames_per_second))],
    },
    Both {
        title: "Walks over borders between regions",
        unit: "per second",
        at_least: 1.0,
        limit: None,
        may_be_nothing: true,
        values: &[("crossings", |s| Some(s.crossings_per_second))],
    },
];

fn server(sample: &Sample) -> Option<&Server> {
    sample.server.as_ref()
}

fn late_percent(server: &Server) -> Option<f64> {
    (server.ticks > 0).then(|| server.late_ticks as f64 / server.ticks as f64 * 100.0)
}

/// Writes all plots that have something to show.
pub(super) fn write(page: &mut String, run: &Story, other: Option<&Story>) -> anyhow::Result<()> {
    page.push_str("<section><h2>Second by second</h2>");
    if !run.timeline.outages.is_empty() {
        let (r, g, b) = GONE;
        write!(
            page,
            "<p class=\"note\">The server was gone where it is \
             <span style=\"background:rgb({r},{g},{b});padding:0 .4em\">red</span>.</p>"
        )?;
    }
    let seen = |kind: &&(&str, _)| run.timeline.count(kind.0) > 0;
    let changes = run.timeline.changes.len();
    if changes > MAX_MARKS {
        write!(
            page,
            "<p class=\"note\">There were {changes} changes of the regions, too many to draw as \
             lines.</p>"
        )?;
    } else if CHANGES.iter().any(|kind| seen(&kind)) {
        page.push_str("<p class=\"note\">Upright lines are changes of the regions:");
        for (kind, (r, g, b)) in CHANGES.iter().filter(seen) {
            write!(
                page,
                " <span class=\"key\" style=\"color:rgb({r},{g},{b})\"><i></i><em>{kind}</em></span>"
            )?;
        }
        page.push_str("</p>");
    }
    page.push_str("<div class=\"plots\">\n");
    let end = |story: &Story| {
        story
            .timeline
            .samples
            .last()
            .map_or(0.0, |sample| sample.at)
    };
    let seconds = end(run).max(other.map_or(0.0, end));
    let threads = format!(
        "Load of threads{}",
        if other.is_some() { ", this run" } else { "" }
    );
    let mut plots = vec![of_threads(&threads, run, seconds)];
    if let Some(other) = other {
        plots.push(of_threads("Load of threads, the other run", other, seconds));
    }
    plots.extend(PLOTS.iter().map(|both| both.plot(run, other, seconds)));
    plots.push(of_pauses(run, seconds));
    for plot in plots.iter().filter(|plot| !plot.is_empty()) {
        plot.write(page)?;
    }
    page.push_str("</div></section>\n");
    Ok(())
}

fn of_threads<'a>(title: &'a str, run: &Story, seconds: f64) -> Plot<'a> {
    let line = |worker: usize| Line {
        name: format!("thread {worker}"),
        colour: THREADS[worker % THREADS.len()],
        dashed: false,
        points: points(run, |sample| {
            let load = server(sample)?.workers.get(worker)?;
            Some(load * 100.0)
        }),
    };
    Plot {
        title,
        unit: "% busy",
        seconds,
        lines: (0..run.timeline.workers()).map(line).collect(),
        marks: marks(run),
        gaps: gaps(run),
        at_least: 100.0,
        limit: Some(BUSY * 100.0),
    }
}

/// How long regions stood still when they were changed.
fn of_pauses(run: &Story, seconds: f64) -> Plot<'static> {
    let changes = run.timeline.changes.iter();
    let dots = changes.filter_map(|dated| {
        let change = &dated.change;
        Some(Mark {
            at: dated.at,
            colour: colour(&change.kind),
            value: Some(change.pause_ms?),
        })
    });
    Plot {
        title: "Pauses of regions that were changed",
        unit: "ms",
        seconds,
        lines: Vec::new(),
        marks: dots.collect(),
        gaps: gaps(run),
        at_least: 5.0,
        limit: Some(TICK_MS),
    }
}

impl Both {
    fn plot(&self, run: &Story, other: Option<&Story>, seconds: f64) -> Plot<'static> {
        // One line alone is the worst there is, and needs no name but its run's.
        let alone = self.values.len() == 1;
        let lines = |story: &Story, colours: [Colour; 2], other: bool| -> Vec<Line> {
            let values = self.values.iter().zip(&colours[usize::from(alone)..]);
            let name = |name: &str| match (alone, other) {
                (true, false) => "this run".to_owned(),
                (true, true) => "other run".to_owned(),
                (false, false) => name.to_owned(),
                (false, true) => format!("other {name}"),
            };
            values
                .map(|((value_name, value), colour)| Line {
                    name: name(value_name),
                    colour: *colour,
                    dashed: other,
                    points: points(story, value),
                })
                .collect()
        };
        let mut all = lines(run, [USUAL, WORST], false);
        if let Some(other) = other {
            all.extend(lines(other, [OTHER_USUAL, OTHER_WORST], true));
        }
        // Of what never happened there is nothing to see.
        let nothing = |line: &Line| line.points.iter().all(|(_, v)| v.is_none_or(|v| v == 0.0));
        if self.may_be_nothing && all.iter().all(nothing) {
            all.clear();
        }
        Plot {
            title: self.title,
            unit: self.unit,
            seconds,
            lines: all,
            marks: marks(run),
            gaps: gaps(run),
            at_least: self.at_least,
            limit: self.limit,
        }
    }
}

fn points(story: &Story, value: impl Fn(&Sample) -> Option<f64>) -> Vec<(f64, Option<f64>)> {
    let samples = story.timeline.samples.iter();
    samples.map(|sample| (sample.at, value(sample))).collect()
}

/// When the server was gone.
fn gaps(run: &Story) -> Vec<(f64, f64)> {
    let outages = run.timeline.outages.iter();
    outages.map(|gap| (gap.from, gap.until)).collect()
}

/// Changes as upright lines; in a storm they would hide all else.
fn marks(run: &Story) -> Vec<Mark> {
    if run.timeline.changes.len() > MAX_MARKS {
        return Vec::new();
    }
    let mark = |at, kind: &str| Mark {
        at,
        colour: colour(kind),
        value: None,
    };
    let changes = run.timeline.changes.iter();
    changes
        .filter(|dated| dated.change.state != "observed")
        .map(|dated| mark(dated.at, &dated.change.kind))
        .collect()
}

/// The colour of a kind of change; one that is not known is grey.
fn colour(kind: &str) -> Colour {
    let known = CHANGES.iter().find(|(name, _)| *name == kind);
    known.map_or((110, 118, 130), |(_, colour)| *colour)
}
