//! Lives here: how a run went, second by second: what the server said of its regions and threads,
//! and what the bots saw.
//! Not here: asking the server (`status`), and the plots (`page`).
//!
//! Invariant: only the measured time is in it; a second in which the server did not answer has
//! what the bots saw, and nothing else.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::Duration;

use rustc_hash::FxHashMap;
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::hotspot::{self, HotSpot, spread};
use crate::outage::{Outage, Outages};
use crate::stats::Stats;
use crate::status::{Asker, Change, Region, Status};

/// How often the server is asked.
const EVERY: Duration = Duration::from_secs(1);

/// One second of a run.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Sample {
    /// Seconds since measuring began.
    at: f64,
    /// What the server said; absent when it did not.
    server: Option<Server>,
    commands_per_second: f64,
    latency_p50_ms: Option<f64>,
    latency_p99_ms: Option<f64>,
    frames_per_second: f64,
    frame_delay_p50_ms: Option<f64>,
    frame_delay_p99_ms: Option<f64>,
    crossings_per_second: f64,
}

/// What the server said in one second.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
struct Server {
    regions: usize,
    /// Busy time per second of each worker.
    workers: Vec<f64>,
    /// The busiest worker's load over the mean of all.
    spread: Option<f64>,
    queue: u64,
    /// Ticks since the second before, and those that were late.
    ticks: u64,
    late_ticks: u64,
    /// The latest region's 99th percentile.
    lateness_ms: Option<f64>,
    /// The slowest region's.
    dilation: Option<f64>,
}

/// A change, and when it was.
#[derive(Debug, Clone, Serialize)]
struct Dated {
    /// Seconds since measuring began.
    at: f64,
    #[serde(flatten)]
    change: Change,
}

/// A time in which the server was gone, as its bots saw it.
#[derive(Debug, Clone, Serialize)]
struct Gap {
    /// Seconds since measuring began: when the first socket was lost, and when the last bot was back.
    from: f64,
    until: f64,
    lost: u32,
    resumed: u32,
    ended: u32,
}

/// How a run went.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    samples: Vec<Sample>,
    /// By time and number: a server that was started anew numbers them anew.
    changes: BTreeMap<(u64, u64), Change>,
    mode: Option<String>,
    host: Option<String>,
    /// How often the server was another process than before.
    restarts: u32,
    ticks: Ticks,
    zero: Option<(Instant, f64)>,
    last: Option<(Instant, u64, u64, u64)>,
    refused: Option<String>,
}

/// A timeline as it stands in the report.
#[derive(Debug, Serialize)]
pub(crate) struct Told {
    /// Unix time in milliseconds at which measuring began.
    began_ms: Option<f64>,
    /// The supervisor's mode, if the server has one.
    supervisor: Option<String>,
    ticks: u64,
    late_ticks: u64,
    /// How often the server was started anew.
    restarts: u32,
    outages: Vec<Gap>,
    /// Why the server could not be asked, the last time.
    refused: Option<String>,
    samples: Vec<Sample>,
    changes: Vec<Dated>,
}

impl Told {
    /// Writes the timeline in few words.
    pub(crate) fn write(&self, text: &mut String) -> std::fmt::Result {
        if let Some(refused) = &self.refused {
            writeln!(text, "server     could not be asked: {refused}")?;
        }
        self.write_outages(text)?;
        let mut servers = self.samples.iter().filter_map(|s| s.server.as_ref());
        let greatest = servers
            .clone()
            .filter_map(|s| s.spread)
            .max_by(f64::total_cmp);
        let Some(first) = servers.next() else {
            return Ok(());
        };
        let last = servers.next_back().unwrap_or(first);
        let (ticks, late) = (self.ticks, self.late_ticks);
        let share = late as f64 / (ticks as f64).max(1.0) * 100.0;
        writeln!(
            text,
            "ticks      {ticks} of all regions, {late} = {share:.3} % late"
        )?;
        let mode = self.supervisor.as_deref().unwrap_or("none");
        let changes = self.changes.len();
        let (from, to) = (first.regions, last.regions);
        writeln!(
            text,
            "regions    {from}, then {to}; {changes} changes, supervisor: {mode}"
        )?;
        for spot in hot_spots(&self.samples).unwrap_or_default() {
            writeln!(text, "  hot spot {}", spot.words())?;
        }
        match (greatest, last.spread) {
            (Some(most), Some(end)) => {
                writeln!(
                    text,
                    "  spread   up to {most:.2} of the mean, {end:.2} at the end"
                )
            }
            _ => Ok(()),
        }
    }
}

impl Told {
    fn write_outages(&self, text: &mut String) -> std::fmt::Result {
        if self.restarts == 0 && self.outages.is_empty() {
            return Ok(());
        }
        let sum = |count: fn(&Gap) -> u32| self.outages.iter().map(count).sum::<u32>();
        let longest = self.outages.iter().map(|gap| gap.until - gap.from);
        writeln!(
            text,
            "restarts   {}; sockets lost {} times, {} sessions resumed, {} were over; everybody was \
             back within {:.1} s",
            self.restarts,
            sum(|gap| gap.lost),
            sum(|gap| gap.resumed),
            sum(|gap| gap.ended),
            longest.fold(0.0, f64::max)
        )
    }
}

/// Ticks of all regions over the run: regions come and go, and each counts its own.
#[derive(Debug, Default)]
struct Ticks {
    known: FxHashMap<u64, (u64, u64)>,
    all: u64,
    late: u64,
}

impl Ticks {
    /// Takes in what regions have counted; gives what is new: ticks, and late ones. The first look
    /// only says where counting begins, and so does that at a region which is new since.
    fn take(&mut self, regions: &[Region]) -> (u64, u64) {
        let (mut ticks, mut late) = (0, 0);
        for region in regions {
            let now = (region.ticks, region.late);
            let before = self.known.insert(region.id, now).unwrap_or(now);
            ticks += now.0.saturating_sub(before.0);
            late += now.1.saturating_sub(before.1);
        }
        self.known
            .retain(|id, _| regions.iter().any(|region| region.id == *id));
        self.all += ticks;
        self.late += late;
        (ticks, late)
    }
}

impl Timeline {
    /// Measuring begins, at this unix time in milliseconds.
    pub(crate) fn begin(&mut self, now: Instant, unix_ms: f64, stats: &mut Stats) {
        self.zero = Some((now, unix_ms));
        self.last = Some((now, 0, 0, 0));
        self.ticks.all = 0;
        self.ticks.late = 0;
        stats.latency.take_recent();
        stats.frame_delay.take_recent();
    }

    /// Measuring is over.
    pub(crate) fn end(&mut self) {
        self.last = None;
    }

    /// One second has gone.
    fn sample(&mut self, now: Instant, status: Option<&Status>, stats: &mut Stats) {
        let shaded = stats.outages.shade(now);
        let server = status.map(|status| self.server(status, shaded));
        let (Some((zero, _)), Some(last)) = (self.zero, self.last) else {
            return;
        };
        // What is left of the second in which measuring began says little.
        if now - last.0 < EVERY / 2 {
            return;
        }
        let commands = stats.commands();
        let counts = (
            now,
            commands.ok + commands.refused,
            stats.frames,
            stats.deeds.crossings,
        );
        let seconds = (now - last.0).as_secs_f64().max(1e-3);
        let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
        let latency = stats.latency.take_recent();
        let delay = stats.frame_delay.take_recent();
        self.last = Some(counts);
        self.samples.push(Sample {
            at: (now - zero).as_secs_f64(),
            server,
            commands_per_second: rate(counts.1, last.1),
            latency_p50_ms: latency.map(|recent| recent.p50),
            latency_p99_ms: latency.map(|recent| recent.p99),
            frames_per_second: rate(counts.2, last.2),
            frame_delay_p50_ms: delay.map(|recent| recent.p50),
            frame_delay_p99_ms: delay.map(|recent| recent.p99),
            crossings_per_second: rate(counts.3, last.3),
        });
    }

    /// Takes in what the server said; ticks around an outage are seen, but not held against it.
    fn server(&mut self, status: &Status, shaded: bool) -> Server {
        if let Some(host) = &status.host {
            let before = self.host.replace(host.clone());
            self.restarts += u32::from(before.is_some_and(|before| before != *host));
        }
        if let Some(supervisor) = &status.supervisor {
            self.mode = Some(supervisor.mode.clone());
            let changes = supervisor.changes.iter().cloned();
            self.changes
                .extend(changes.map(|change| ((change.at_ms as u64, change.number), change)));
        }
        let workers: Vec<f64> = status
            .workers
            .iter()
            .map(|worker| worker.fresh.unwrap_or(worker.load))
            .collect();
        let (ticks, late_ticks) = self.ticks.take(&status.regions);
        if shaded {
            self.ticks.all -= ticks;
            self.ticks.late -= late_ticks;
        }
        let lateness = status
            .regions
            .iter()
            .filter_map(|region| region.lateness_ms);
        let dilation = status.regions.iter().filter_map(|region| region.dilation);
        Server {
            regions: status.regions.len(),
            spread: spread(&workers),
            workers,
            queue: status.regions.iter().map(|region| region.queue).sum(),
            ticks,
            late_ticks,
            lateness_ms: lateness.max_by(f64::total_cmp),
            dilation: dilation.min_by(f64::total_cmp),
        }
    }

    /// How often the server was seen to be another process; none when it does not tell which it is.
    pub(crate) fn restarts(&self) -> Option<u32> {
        self.host.as_ref().map(|_| self.restarts)
    }

    /// Share of all regions' ticks that were late; none when the server did not tell.
    pub(crate) fn late_share(&self) -> Option<f64> {
        (self.ticks.all > 0).then(|| self.ticks.late as f64 / self.ticks.all as f64)
    }

    /// Times in which a thread was busy beside others that were not; none when nobody told of threads.
    pub(crate) fn hot_spots(&self) -> Option<Vec<HotSpot>> {
        hot_spots(&self.samples)
    }

    /// The longest that a region did nothing because it was changed, in milliseconds.
    pub(crate) fn longest_pause_ms(&self) -> Option<f64> {
        let pauses = self.changes.values().filter_map(|change| change.pause_ms);
        pauses.max_by(f64::total_cmp)
    }

    /// The timeline for the report.
    pub(crate) fn told(&self, outages: &Outages) -> Told {
        let began_ms = self.zero.map(|(_, unix_ms)| unix_ms);
        let dated = self.changes.values().filter_map(|change| {
            let at = (change.at_ms - began_ms?) / 1000.0;
            let change = change.clone();
            // The server remembers changes from long before.
            (at >= 0.0).then_some(Dated { at, change })
        });
        let gap = |outage: &Outage| {
            let (zero, _) = self.zero?;
            let at = |time: Instant| time.saturating_duration_since(zero).as_secs_f64();
            Some(Gap {
                from: at(outage.from),
                until: at(outage.until),
                lost: outage.lost,
                resumed: outage.resumed,
                ended: outage.ended,
            })
        };
        Told {
            restarts: self.restarts,
            outages: outages.list().iter().filter_map(gap).collect(),
            began_ms,
            supervisor: self.mode.clone(),
            ticks: self.ticks.all,
            late_ticks: self.ticks.late,
            refused: self.refused.clone(),
            samples: self.samples.clone(),
            changes: dated.collect(),
        }
    }
}

fn hot_spots(samples: &[Sample]) -> Option<Vec<HotSpot>> {
    let told = samples.iter().filter_map(|sample| {
        let server = sample.server.as_ref()?;
        Some((
            sample.at,
            &server.workers[..],
            server.dilation.unwrap_or(1.0),
        ))
    });
    let mut told = told.peekable();
    told.peek()?;
    Some(hotspot::find(told))
}

/// Asks the server each second, and shows every answer to `look`.
pub(crate) async fn watch(
    asker: Asker,
    timeline: Rc<RefCell<Timeline>>,
    stats: Rc<RefCell<Stats>>,
    look: impl Fn(&Status),
) {
    let mut beat = interval(EVERY);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        let answer = asker.ask().await;
        if let Ok(status) = &answer {
            look(status);
        }
        let mut timeline = timeline.borrow_mut();
        timeline.sample(
            Instant::now(),
            answer.as_ref().ok(),
            &mut stats.borrow_mut(),
        );
        timeline.refused = answer.err().map(|error| format!("{error:#}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{Supervisor, Worker};

    fn region(id: u64, ticks: u64, late: u64) -> Region {
        Region {
            ticks,
            late,
            ..Region::bare(id, 0, 1)
        }
    }

    #[test]
    fn ticks_are_counted_over_regions_that_come_and_go() {
        let mut ticks = Ticks::default();
        assert_eq!(
            ticks.take(&[region(1, 1000, 50)]),
            (0, 0),
            "that was before"
        );
        assert_eq!(ticks.take(&[region(1, 1020, 51), region(2, 5, 0)]), (20, 1));
        assert_eq!(
            ticks.take(&[region(1, 1040, 51), region(2, 25, 2)]),
            (40, 2)
        );
        assert_eq!(ticks.take(&[region(2, 45, 2)]), (20, 0));
        assert_eq!((ticks.all, ticks.late), (80, 3));
        // A server that was started anew counts from nothing.
        assert_eq!(ticks.take(&[region(2, 3, 0)]), (0, 0));
    }

    fn change(number: u64, at_ms: f64, state: &str) -> Change {
        Change {
            number,
            at_ms,
            state: state.to_owned(),
            ..Change::default()
        }
    }

    fn status(changes: Vec<Change>) -> Status {
        Status {
            host: None,
            workers: vec![Worker::busy(0.6), Worker::busy(0.2)],
            regions: vec![region(1, 0, 0)],
            supervisor: Some(Supervisor {
                mode: "on".to_owned(),
                changes,
            }),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn changes_are_dated_by_the_run_and_their_last_state_counts() {
        let (mut timeline, mut stats) = (Timeline::default(), Stats::new());
        let start = Instant::now();
        let before = change(1, 500.0, "kept");
        timeline.sample(start, Some(&status(vec![before.clone()])), &mut stats);
        assert!(timeline.samples.is_empty(), "measuring has not begun");
        timeline.begin(start, 1000.0, &mut stats);
        stats.measuring = true;
        stats.latency.record(Duration::from_millis(7));
        let second = start + EVERY;
        let running = status(vec![before, change(2, 1500.0, "running")]);
        timeline.sample(second, Some(&running), &mut stats);
        // The list forgets what is old; the timeline does not.
        let kept = status(vec![change(2, 1500.0, "kept")]);
        timeline.sample(second + EVERY, Some(&kept), &mut stats);
        timeline.sample(second + EVERY * 2, None, &mut stats);
        let told = timeline.told(&Outages::default());
        assert_eq!(told.changes.len(), 1);
        assert_eq!(
            (told.changes[0].at, &*told.changes[0].change.state),
            (0.5, "kept")
        );
        assert_eq!(told.samples.len(), 3);
        let p50 = told
            .samples
            .iter()
            .map(|sample| sample.latency_p50_ms.is_some());
        assert_eq!(
            p50.collect::<Vec<_>>(),
            [true, false, false],
            "each second has its own"
        );
        let spread = told.samples[0].server.as_ref().unwrap().spread;
        assert!((spread.unwrap() - 1.5).abs() < 1e-9);
        assert_eq!(told.samples[2].server, None);
    }
}
