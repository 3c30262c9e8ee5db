//! Lives here: what the page reads from a report's JSON.
//! Not here: how the report is made (`report`, `timeline`).
//!
//! Invariant: what a report does not have is taken as not there: older ones can be compared with.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::status::Change;

/// A thread over this share of its time is busy, and a spread over this one uneven: the thresholds
/// at which the supervisor moves regions.
const BUSY: f64 = 0.7;
const UNEVEN: f64 = 1.25;

/// A run.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Story {
    pub(super) world: String,
    pub(super) pattern: String,
    pub(super) url: String,
    pub(super) codec: String,
    pub(super) bots: u32,
    pub(super) seed: u64,
    pub(super) seconds: f64,
    pub(super) commands: Commands,
    pub(super) frames: Frames,
    pub(super) harness: Harness,
    pub(super) deeds: BTreeMap<String, u64>,
    pub(super) storm: Option<Storm>,
    pub(super) timeline: Timeline,
    pub(super) errors: BTreeMap<String, Fault>,
    pub(super) checks: Vec<Check>,
    pub(super) failures: Vec<String>,
    pub(super) passed: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Commands {
    pub(super) per_second: f64,
    pub(super) latency_ms: Percentiles,
    pub(super) latency_counted: String,
    pub(super) by_kind: BTreeMap<String, [u64; 4]>,
    pub(super) refusals: BTreeMap<String, u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Frames {
    pub(super) received: u64,
    pub(super) per_second: f64,
    pub(super) bytes_per_second: f64,
    pub(super) late_share: f64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Percentiles {
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Harness {
    pub(super) lag_ms: Percentiles,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Fault {
    pub(super) count: u64,
    pub(super) first: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Check {
    pub(super) name: String,
    pub(super) passed: bool,
    pub(super) detail: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Timeline {
    pub(super) supervisor: Option<String>,
    pub(super) ticks: u64,
    pub(super) late_ticks: u64,
    pub(super) samples: Vec<Sample>,
    pub(super) changes: Vec<Dated>,
    pub(super) restarts: u32,
    pub(super) outages: Vec<Gap>,
}

/// A time in which the server was gone.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Gap {
    pub(super) from: f64,
    pub(super) until: f64,
    pub(super) lost: u32,
    pub(super) resumed: u32,
    pub(super) ended: u32,
}

/// What came of random orders.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Storm {
    pub(super) by_kind: BTreeMap<String, BTreeMap<String, u64>>,
    pub(super) refusals: BTreeMap<String, u64>,
    pub(super) left_out: u64,
    pub(super) long_pauses: u64,
    pub(super) longest_pause_ms: f64,
}

/// One second.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Sample {
    pub(super) at: f64,
    pub(super) server: Option<Server>,
    pub(super) commands_per_second: f64,
    pub(super) latency_p50_ms: Option<f64>,
    pub(super) latency_p99_ms: Option<f64>,
    pub(super) frames_per_second: f64,
    pub(super) frame_delay_p50_ms: Option<f64>,
    pub(super) frame_delay_p99_ms: Option<f64>,
    pub(super) crossings_per_second: f64,
}

/// What the server said in that second.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Server {
    pub(super) regions: usize,
    pub(super) workers: Vec<f64>,
    pub(super) spread: Option<f64>,
    pub(super) ticks: u64,
    pub(super) late_ticks: u64,
    pub(super) lateness_ms: Option<f64>,
    pub(super) dilation: Option<f64>,
}

/// A change, and when it was.
#[derive(Debug, Deserialize)]
pub(super) struct Dated {
    pub(super) at: f64,
    #[serde(flatten)]
    pub(super) change: Change,
}

impl Timeline {
    /// What the server said, second by second.
    pub(super) fn servers(&self) -> impl DoubleEndedIterator<Item = &Server> {
        self.samples
            .iter()
            .filter_map(|sample| sample.server.as_ref())
    }

    /// Workers there were at most.
    pub(super) fn workers(&self) -> usize {
        self.servers()
            .map(|server| server.workers.len())
            .max()
            .unwrap_or_default()
    }

    /// Seconds for which, at the longest, a thread was busy while others could have helped.
    pub(super) fn longest_uneven(&self) -> Option<f64> {
        self.servers().next()?;
        let (mut longest, mut since) = (0.0_f64, None);
        for sample in &self.samples {
            let uneven = sample.server.as_ref().is_some_and(|server| {
                let busiest = server.workers.iter().copied().fold(0.0, f64::max);
                busiest > BUSY && server.spread.is_some_and(|spread| spread > UNEVEN)
            });
            // A second is uneven as a whole.
            since = uneven.then(|| since.unwrap_or(sample.at - 1.0));
            longest = longest.max(since.map_or(0.0, |since| sample.at - since));
        }
        Some(longest)
    }

    /// Share of ticks that were late.
    pub(super) fn late_share(&self) -> Option<f64> {
        (self.ticks > 0).then(|| self.late_ticks as f64 / self.ticks as f64)
    }

    /// How many changes of this kind there were.
    pub(super) fn count(&self, kind: &str) -> usize {
        let of_kind = |dated: &&Dated| dated.change.kind == kind;
        self.changes.iter().filter(of_kind).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uneven_is_a_busy_thread_beside_idle_ones() {
        let sample = |at, workers: [f64; 2]| {
            let mean = f64::midpoint(workers[0], workers[1]);
            let server = Server {
                spread: Some(workers[0].max(workers[1]) / mean),
                workers: workers.to_vec(),
                ..Server::default()
            };
            Sample {
                at,
                server: Some(server),
                ..Sample::default()
            }
        };
        let samples = vec![
            sample(1.0, [0.3, 0.01]),
            sample(2.0, [0.9, 0.1]),
            sample(3.0, [0.9, 0.2]),
            sample(4.0, [0.9, 0.8]),
            sample(5.0, [0.1, 0.8]),
        ];
        let timeline = Timeline {
            samples,
            ..Timeline::default()
        };
        assert_eq!(timeline.longest_uneven(), Some(2.0));
        assert_eq!(Timeline::default().longest_uneven(), None, "nobody knows");
    }
}
