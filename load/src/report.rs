//! Lives here: the report of a run, as JSON and as text.
//! Not here: what is counted (`stats`), what is right (`verdict`), and the page with plots (`page`).
//!
//! Invariant: what makes a run fail stands in `failures`, in words; without any it has passed. The
//! page is made from the JSON alone, so an old report can be drawn beside a new one.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::run::{Pattern, Plan};
use crate::stats::{Deeds, Fault, LATE, Stats, Times};
use crate::storm::Storms;
use crate::timeline::{Timeline, Told};
use crate::verdict::{Check, judge};

/// The time that counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: Option<f64>,
}

/// Times in milliseconds.
#[derive(Debug, Serialize)]
struct Percentiles {
    count: u64,
    mean: f64,
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

#[derive(Debug, Serialize)]
struct Commands {
    sent: u64,
    ok: u64,
    refused: u64,
    failed: u64,
    per_second: f64,
    latency_counted: &'static str,
    latency_ms: Percentiles,
    by_kind: BTreeMap<&'static str, [u64; 4]>,
    refusals: BTreeMap<String, u64>,
}

#[derive(Debug, Serialize)]
struct Frames {
    received: u64,
    per_second: f64,
    bytes_per_second: f64,
    entities_per_second: f64,
    /// Ticks between two frames that had none: nothing to tell, or nobody to take it.
    ticks_without: u64,
    late: u64,
    late_share: f64,
    late_after_ms: u64,
    delay_ms: Percentiles,
}

#[derive(Debug, Serialize)]
struct Inputs {
    sent: u64,
    until_in_frame_ms: Percentiles,
}

#[derive(Debug, Serialize)]
struct Harness {
    cpu_share: Option<f64>,
    lag_ms: Percentiles,
}

/// All that a run has to say.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    world: &'static str,
    pattern: String,
    url: String,
    codec: String,
    bots: u32,
    seed: u64,
    seconds: f64,
    commands: Commands,
    inputs: Inputs,
    events: u64,
    frames: Frames,
    harness: Harness,
    deeds: Deeds,
    resumed_latency_ms: Percentiles,
    outage_latency_ms: Percentiles,
    /// The storm's orders, if there was one.
    storm: Option<Storms>,
    timeline: Told,
    logins_again: u64,
    errors: BTreeMap<String, Fault>,
    checks: Vec<Check>,
    failures: Vec<String>,
    passed: bool,
}

impl Report {
    pub(crate) fn new<P: Pattern>(
        plan: &Plan,
        pattern: &P,
        stats: &Stats,
        (measured, timeline): (Measured, &Timeline),
        asked: Vec<Check>,
    ) -> Self {
        let measured = &measured;
        let checks = judge::<P>(&plan.common, stats, timeline, asked);
        let failures = failures(&checks);
        Self {
            world: P::WORLD,
            pattern: pattern.name(),
            url: plan.url.clone(),
            codec: plan.common.codec.to_string(),
            bots: plan.bots,
            seed: plan.common.seed,
            seconds: measured.seconds,
            commands: commands::<P>(stats, measured),
            inputs: Inputs {
                sent: stats.inputs,
                until_in_frame_ms: percentiles(&stats.input_latency),
            },
            events: stats.events,
            frames: frames(stats, measured),
            harness: Harness {
                cpu_share: measured.cpu_seconds.map(|cpu| cpu / measured.seconds),
                lag_ms: percentiles(&stats.harness_lag),
            },
            deeds: stats.deeds,
            resumed_latency_ms: percentiles(&stats.resumed_latency),
            outage_latency_ms: percentiles(&stats.outage_latency),
            storm: stats.storms.raged().then(|| stats.storms.clone()),
            timeline: timeline.told(&stats.outages),
            logins_again: stats.logins_again,
            errors: stats.errors.clone(),
            checks,
            passed: failures.is_empty(),
            failures,
        }
    }

    pub(crate) fn passed(&self) -> bool {
        self.passed
    }

    /// The report for people.
    pub(crate) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        self.write(&mut text)?;
        Ok(text)
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let Self {
            world,
            pattern,
            url,
            codec,
            bots,
            seed,
            seconds,
            ..
        } = self;
        writeln!(
            text,
            "{world} {pattern}: {bots} bots, {seconds:.1} s, seed {seed}, {codec}, {url}"
        )?;
        let Commands {
            sent,
            ok,
            refused,
            failed,
            per_second,
            latency_ms,
            ..
        } = &self.commands;
        writeln!(
            text,
            "\ncommands   {sent} sent, {ok} ok, {refused} refused, {failed} failed; \
             {per_second:.0}/s"
        )?;
        writeln!(text, "  latency  {}", line(latency_ms))?;
        writeln!(text, "           counted {}", self.commands.latency_counted)?;
        for (kind, [sent, ok, refused, failed]) in &self.commands.by_kind {
            writeln!(
                text,
                "  {kind:<9} {sent} sent, {ok} ok, {refused} refused, {failed} failed"
            )?;
        }
        for (message, count) in &self.commands.refusals {
            writeln!(text, "  refused  {count} × {message}")?;
        }
        if self.inputs.sent > 0 {
            writeln!(text, "inputs     {} sent", self.inputs.sent)?;
            writeln!(text, "  in frame {}", line(&self.inputs.until_in_frame_ms))?;
        }
        if self.frames.received > 0 {
            self.write_frames(text)?;
        }
        self.write_deeds(text)?;
        let cpu = self.harness.cpu_share.map_or_else(String::new, |share| {
            format!("{:.0} % of a processor, ", share * 100.0)
        });
        writeln!(
            text,
            "harness    {cpu}late by: {}",
            line(&self.harness.lag_ms)
        )?;
        if self.harness.lag_ms.p99 > LATE.as_millis() as f64 {
            writeln!(
                text,
                "           the bots themselves were late: all times above are too long"
            )?;
        }
        self.write_verdict(text)
    }

    fn write_verdict(&self, text: &mut String) -> std::fmt::Result {
        if self.logins_again > 0 {
            writeln!(
                text,
                "logins     {} had to be tried again",
                self.logins_again
            )?;
        }
        for (cause, Fault { count, first }) in &self.errors {
            writeln!(text, "error      {count} × {cause}, the first: {first}")?;
        }
        for Check {
            name,
            passed,
            detail,
        } in &self.checks
        {
            writeln!(
                text,
                "{}    {name}: {detail}",
                if *passed { "ok    " } else { "WRONG " }
            )?;
        }
        for failure in &self.failures {
            writeln!(text, "\nFAILED: {failure}")?;
        }
        if self.passed {
            writeln!(text, "\npassed")?;
        }
        Ok(())
    }

    /// What the patterns were for, where it came to it, and what the supervisor did meanwhile.
    fn write_deeds(&self, text: &mut String) -> std::fmt::Result {
        let Deeds {
            crossings,
            trades_over_borders,
            resumes,
            sent_again,
            stalls,
            sessions_ended,
            never_answered,
            ..
        } = self.deeds;
        if crossings + trades_over_borders > 0 {
            writeln!(
                text,
                "borders    {crossings} crossings, {trades_over_borders} trades over them"
            )?;
        }
        if resumes > 0 {
            writeln!(
                text,
                "resumes    {resumes}, {sent_again} commands sent again"
            )?;
            writeln!(text, "  answered {}", line(&self.resumed_latency_ms))?;
        }
        if stalls > 0 {
            writeln!(text, "stalls     {stalls} times a bot did not read")?;
        }
        if sessions_ended > 0 {
            writeln!(
                text,
                "sessions   {sessions_ended} were over after a restart, with {never_answered} \
                 commands of which nobody knows"
            )?;
        }
        if self.outage_latency_ms.count > 0 {
            let times = line(&self.outage_latency_ms);
            writeln!(
                text,
                "outages    latency around them, counted apart: {times}"
            )?;
        }
        if let Some(storm) = &self.storm {
            storm.write(text)?;
        }
        self.timeline.write(text)
    }

    fn write_frames(&self, text: &mut String) -> std::fmt::Result {
        let Frames {
            received,
            per_second,
            bytes_per_second,
            entities_per_second,
            ..
        } = &self.frames;
        writeln!(
            text,
            "frames     {received} received; {per_second:.0}/s, {:.2} MB/s, \
             {entities_per_second:.0} entities/s",
            bytes_per_second / 1e6
        )?;
        let Frames {
            ticks_without,
            late,
            late_share,
            late_after_ms,
            delay_ms,
            ..
        } = &self.frames;
        writeln!(
            text,
            "  late     {late} = {:.3} % came over {late_after_ms} ms after their tick; \
             {ticks_without} ticks had none",
            late_share * 100.0
        )?;
        writeln!(text, "  delay    {}", line(delay_ms))
    }
}

fn commands<P: Pattern>(stats: &Stats, measured: &Measured) -> Commands {
    let all = stats.commands();
    let numbers = stats
        .kinds
        .iter()
        .map(|(name, kind)| (*name, [kind.sent, kind.ok, kind.refused, kind.failed]));
    Commands {
        sent: all.sent,
        ok: all.ok,
        refused: all.refused,
        failed: all.failed,
        per_second: (all.ok + all.refused) as f64 / measured.seconds,
        latency_counted: P::LATENCY,
        latency_ms: percentiles(&stats.latency),
        by_kind: numbers.collect(),
        refusals: stats.refusals.clone(),
    }
}

fn frames(stats: &Stats, measured: &Measured) -> Frames {
    Frames {
        received: stats.frames,
        per_second: stats.frames as f64 / measured.seconds,
        bytes_per_second: stats.frame_bytes as f64 / measured.seconds,
        entities_per_second: stats.entities as f64 / measured.seconds,
        ticks_without: stats.ticks_without_frame,
        late: stats.late_frames,
        late_share: stats.late_frames as f64 / (stats.frames as f64).max(1.0),
        late_after_ms: LATE.as_millis() as u64,
        delay_ms: percentiles(&stats.frame_delay),
    }
}

fn failures(checks: &[Check]) -> Vec<String> {
    let wrong = checks.iter().filter(|check| !check.passed);
    wrong
        .map(|check| {
            let first = check.detail.lines().next().unwrap_or_default();
            format!("it does not hold that {}: {first}", check.name)
        })
        .collect()
}

fn percentiles(times: &Times) -> Percentiles {
    let times: &Histogram<u64> = times.histogram();
    let millis = |micros: u64| micros as f64 / 1000.0;
    Percentiles {
        count: times.len(),
        mean: times.mean() / 1000.0,
        p50: millis(times.value_at_quantile(0.5)),
        p90: millis(times.value_at_quantile(0.9)),
        p99: millis(times.value_at_quantile(0.99)),
        p999: millis(times.value_at_quantile(0.999)),
        max: millis(times.max()),
    }
}

fn line(times: &Percentiles) -> String {
    let Percentiles {
        count,
        mean,
        p50,
        p90,
        p99,
        p999,
        max,
    } = times;
    if *count == 0 {
        return "nothing measured".into();
    }
    format!(
        "p50 {p50:.2}  p90 {p90:.2}  p99 {p99:.2}  p99.9 {p999:.2}  max {max:.2}  \
         mean {mean:.2} ms"
    )
}
