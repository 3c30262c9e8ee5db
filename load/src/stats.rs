//! Lives here: what a run counts and times.
//! Not here: how it is told (`report`).
//!
//! Invariant: only the measured time counts, errors and broken rules apart: those count always.

use std::collections::BTreeMap;
use std::time::Duration;

use brightstar_client::ReplyError;
use hdrhistogram::Histogram;
use serde::Serialize;

/// The longest time that is told apart, in microseconds: what takes longer counts as this.
const LONGEST_US: u64 = 60_000_000;
/// Digits of a time that are kept.
const DIGITS: u8 = 3;
/// Broken rules whose words are kept; more are only counted.
const MAX_EXAMPLES: usize = 8;

/// A frame is late when it comes so much later than its tick.
pub(crate) const LATE: Duration = Duration::from_millis(50);

/// Times, as a histogram.
#[derive(Debug)]
pub(crate) struct Times(Histogram<u64>);

impl Times {
    fn new() -> Self {
        #[expect(clippy::expect_used, reason = "the bounds are constants, and valid")]
        let histogram = Histogram::new_with_bounds(1, LONGEST_US, DIGITS).expect("valid bounds");
        Self(histogram)
    }

    pub(crate) fn record(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(LONGEST_US);
        self.0.saturating_record(micros.clamp(1, LONGEST_US));
    }

    pub(crate) fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }
}

/// How often something went wrong, and the words of the first time.
#[derive(Debug, Default, Clone, Serialize)]
pub(crate) struct Fault {
    pub(crate) count: u64,
    pub(crate) first: String,
}

/// What became of the commands of one kind.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) sent: u64,
    pub(crate) ok: u64,
    pub(crate) refused: u64,
    pub(crate) failed: u64,
}

/// All numbers of a run.
#[derive(Debug)]
pub(crate) struct Stats {
    /// Whether the time that counts has begun and not ended.
    pub(crate) measuring: bool,
    /// Logins that had to be tried again, since the server had no time or room.
    pub(crate) logins_again: u64,
    pub(crate) kinds: BTreeMap<&'static str, Kind>,
    pub(crate) latency: Times,
    pub(crate) inputs: u64,
    pub(crate) input_latency: Times,
    pub(crate) events: u64,
    pub(crate) frames: u64,
    pub(crate) frame_bytes: u64,
    pub(crate) entities: u64,
    pub(crate) ticks_without_frame: u64,
    pub(crate) late_frames: u64,
    pub(crate) frame_delay: Times,
    pub(crate) refusals: BTreeMap<String, u64>,
    pub(crate) errors: BTreeMap<String, Fault>,
    pub(crate) broken: u64,
    pub(crate) examples: Vec<String>,
    pub(crate) harness_lag: Times,
}

impl Stats {
    pub(crate) fn new() -> Self {
        Self {
            measuring: false,
            logins_again: 0,
            kinds: BTreeMap::new(),
            latency: Times::new(),
            inputs: 0,
            input_latency: Times::new(),
            events: 0,
            frames: 0,
            frame_bytes: 0,
            entities: 0,
            ticks_without_frame: 0,
            late_frames: 0,
            frame_delay: Times::new(),
            refusals: BTreeMap::new(),
            errors: BTreeMap::new(),
            broken: 0,
            examples: Vec::new(),
            harness_lag: Times::new(),
        }
    }

    pub(crate) fn sent(&mut self, kind: &'static str) {
        if self.measuring {
            self.kinds.entry(kind).or_default().sent += 1;
        }
    }

    /// A command took effect, so long after it was to be sent.
    pub(crate) fn ok(&mut self, kind: &'static str, latency: Duration) {
        if self.measuring {
            self.kinds.entry(kind).or_default().ok += 1;
            self.latency.record(latency);
        }
    }

    /// The world said no: an answer like any other.
    pub(crate) fn refused(&mut self, kind: &'static str, message: String, latency: Duration) {
        if self.measuring {
            self.kinds.entry(kind).or_default().refused += 1;
            self.latency.record(latency);
            *self.refusals.entry(message).or_default() += 1;
        }
    }

    /// The server failed at a command.
    pub(crate) fn failed(&mut self, kind: &'static str, error: &ReplyError) {
        if self.measuring {
            self.kinds.entry(kind).or_default().failed += 1;
        }
        self.error(error.code.as_str(), || format!("{kind}: {}", error.message));
    }

    pub(crate) fn error(&mut self, cause: &str, words: impl FnOnce() -> String) {
        let fault = self.errors.entry(cause.to_owned()).or_default();
        if fault.count == 0 {
            fault.first = words();
        }
        fault.count += 1;
    }

    pub(crate) fn error_count(&self) -> u64 {
        self.errors.values().map(|fault| fault.count).sum()
    }

    /// The server broke a rule of the world or the protocol.
    pub(crate) fn break_rule(&mut self, words: impl FnOnce() -> String) {
        self.broken += 1;
        if self.examples.len() < MAX_EXAMPLES {
            self.examples.push(words());
        }
    }

    pub(crate) fn commands(&self) -> Kind {
        self.kinds.values().fold(Kind::default(), |sum, kind| Kind {
            sent: sum.sent + kind.sent,
            ok: sum.ok + kind.ok,
            refused: sum.refused + kind.refused,
            failed: sum.failed + kind.failed,
        })
    }
}
