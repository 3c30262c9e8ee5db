//! Lives here: what the page reads from a report's JSON.
//! Not here: how the report is made (`report`, `timeline`).
//!
//! Invariant: what a report does not have is taken as not there: older ones can be compared with.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::hotspot::{self, HotSpot};
use crate::status::Change;

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

    /// Times in which a thread was busy beside others that were not; none when nobody told of threads.
    pub(super) fn hot_spots(&self) -> Option<Vec<HotSpot>> {
        self.servers().next()?;
        Some(hotspot::find(self.samples.iter().filter_map(|sample| {
            let server = sample.server.as_ref()?;
            Some((
                sample.at,
                &server.workers[..],
                server.dilation.unwrap_or(1.0),
            ))
        })))
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
