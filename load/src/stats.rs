//! Lives here: what a run counts and times, and which rules it saw broken.
//! Not here: how it is told (`report`), and how it went second by second (`timeline`).
//!
//! Invariant: only the measured time counts, errors and broken rules apart: those count always.

use std::collections::BTreeMap;
use std::time::Duration;

use brightstar_client::ReplyError;
use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::time::Instant;

use crate::outage::Outages;
use crate::storm::Storms;

/// The longest time that is told apart, in microseconds: what takes longer counts as this.
const LONGEST_US: u64 = 60_000_000;
/// Digits of a time that are kept.
const DIGITS: u8 = 3;
/// Digits of a time that are kept for the times of a short while.
const DIGITS_RECENT: u8 = 2;
/// Broken rules whose words are kept; more are only counted.
const MAX_EXAMPLES: usize = 8;

/// A frame is late when it comes so much later than its tick.
pub(crate) const LATE: Duration = Duration::from_millis(50);

/// Times, as a histogram of the whole run and one of what came since it was last taken.
#[derive(Debug)]
pub(crate) struct Times {
    all: Histogram<u64>,
    recent: Histogram<u64>,
}

/// What came within a short while, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Recent {
    pub(crate) count: u64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Times {
    fn new() -> Self {
        Self {
            all: histogram(DIGITS),
            recent: histogram(DIGITS_RECENT),
        }
    }

    pub(crate) fn record(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(LONGEST_US);
        let micros = micros.clamp(1, LONGEST_US);
        self.all.saturating_record(micros);
        self.recent.saturating_record(micros);
    }

    /// As [`Times::record`], of what is seen second by second only.
    fn record_apart(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(LONGEST_US);
        self.recent.saturating_record(micros.clamp(1, LONGEST_US));
    }

    pub(crate) fn histogram(&self) -> &Histogram<u64> {
        &self.all
    }

    /// What came since this was last asked; none if nothing did.
    pub(crate) fn take_recent(&mut self) -> Option<Recent> {
        let millis = |micros: u64| micros as f64 / 1000.0;
        let recent = Recent {
            count: self.recent.len(),
            p50: millis(self.recent.value_at_quantile(0.5)),
            p99: millis(self.recent.value_at_quantile(0.99)),
            max: millis(self.recent.max()),
        };
        self.recent.reset();
        (recent.count > 0).then_some(recent)
    }
}

fn histogram(digits: u8) -> Histogram<u64> {
    #[expect(clippy::expect_used, reason = "the bounds are constants, and valid")]
    Histogram::new_with_bounds(1, LONGEST_US, digits).expect("valid bounds")
}

/// What a server may not do. Each is a verdict of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// A reply or an event did not come.
    Lost,
    /// A reply or an event came twice.
    Doubled,
    /// Something overtook what came before it.
    Reordered,
    /// An entity was seen twice, was missing, or was where it can't be.
    Sight,
    /// A purse does not hold what its owner knows to be in it.
    Gold,
    /// Anything else that can't be true.
    Words,
}

/// How often a rule was broken, and how, the first few times.
#[derive(Debug, Default, Clone)]
pub(crate) struct Broken {
    pub(crate) count: u64,
    pub(crate) examples: Vec<String>,
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
    /// Rules broken of which it was not said which: what a bot's eyes find.
    pub(crate) broken: u64,
    pub(crate) examples: Vec<String>,
    rules: BTreeMap<Rule, Broken>,
    /// Commands that were under way when their bot's socket went: from due to answered.
    pub(crate) resumed_latency: Times,
    /// Commands that were due while the server was gone, or right after.
    pub(crate) outage_latency: Times,
    pub(crate) outages: Outages,
    pub(crate) storms: Storms,
    pub(crate) gold: Gold,
    pub(crate) deeds: Deeds,
    pub(crate) harness_lag: Times,
}

/// Gold that went from bot to bot of this run.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Gold {
    /// Given to a bot that was there when the giver had its answer.
    pub(crate) given: i64,
    /// Given to a bot that was leaving by then: it may not have been told any more.
    pub(crate) given_late: i64,
    /// Received from a bot.
    pub(crate) received: i64,
}

/// How often bots did what their patterns are for.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub(crate) struct Deeds {
    /// Walked from one region into another.
    pub(crate) crossings: u64,
    /// Gave gold to somebody who was in another region.
    pub(crate) trades_over_borders: u64,
    /// Dropped the socket and resumed the session.
    pub(crate) resumes: u64,
    /// Commands sent again after that.
    pub(crate) sent_again: u64,
    /// Sessions that did not go on after the server had been gone.
    pub(crate) sessions_ended: u64,
    /// Commands of which nobody knows what became of them, since their session ended.
    pub(crate) never_answered: u64,
    /// Replies and events that came twice after that, as they may.
    pub(crate) repeats_after_resume: u64,
    /// Stopped reading for a while.
    pub(crate) stalls: u64,
    /// Events that a bot which did not read was too late for, as the server may decide.
    pub(crate) events_given_up: u64,
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
            rules: BTreeMap::new(),
            resumed_latency: Times::new(),
            outage_latency: Times::new(),
            outages: Outages::default(),
            storms: Storms::default(),
            gold: Gold::default(),
            deeds: Deeds::default(),
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
            self.took(latency);
        }
    }

    /// The world said no: an answer like any other.
    pub(crate) fn refused(&mut self, kind: &'static str, message: String, latency: Duration) {
        if self.measuring {
            self.kinds.entry(kind).or_default().refused += 1;
            self.took(latency);
            *self.refusals.entry(message).or_default() += 1;
        }
    }

    /// Books a latency: apart, if the server was gone around then.
    fn took(&mut self, latency: Duration) {
        let now = Instant::now();
        let due = now.checked_sub(latency).unwrap_or(now);
        if self.outages.shade(due) || self.outages.shade(now) {
            self.latency.record_apart(latency);
            self.outage_latency.record(latency);
        } else {
            self.latency.record(latency);
        }
    }

    /// A frame came so long after the one before, which is so much later than it should.
    pub(crate) fn frame_came(&mut self, late: Duration) {
        if self.outages.shade(Instant::now()) {
            self.frame_delay.record_apart(late);
        } else {
            self.late_frames += u64::from(late > LATE);
            self.frame_delay.record(late);
        }
    }

    /// A command that was under way when its bot's socket went was answered at last.
    pub(crate) fn resumed(&mut self, kind: &'static str, refused: bool, latency: Duration) {
        if self.measuring {
            let kind = self.kinds.entry(kind).or_default();
            *(if refused {
                &mut kind.refused
            } else {
                &mut kind.ok
            }) += 1;
            self.resumed_latency.record(latency);
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

    /// A bot's eyes found something wrong; [`Stats::looking`] books it under its rule.
    pub(crate) fn break_rule(&mut self, words: impl FnOnce() -> String) {
        self.broken += 1;
        if self.examples.len() < MAX_EXAMPLES {
            self.examples.push(words());
        }
    }

    /// The server broke this rule.
    pub(crate) fn violate(&mut self, rule: Rule, words: impl FnOnce() -> String) {
        let broken = self.rules.entry(rule).or_default();
        broken.count += 1;
        if broken.examples.len() < MAX_EXAMPLES {
            broken.examples.push(words());
        }
    }

    /// Lets a bot look at a frame, and books what it finds wrong under [`Rule::Sight`].
    pub(crate) fn looking<T>(&mut self, look: impl FnOnce(&mut Self) -> T) -> T {
        let result = look(self);
        let (count, words) = self.take_broken();
        self.book_sight(count, words);
        result
    }

    /// Takes what was found wrong and not booked yet.
    pub(crate) fn take_broken(&mut self) -> (u64, Vec<String>) {
        let count = std::mem::take(&mut self.broken);
        (count, std::mem::take(&mut self.examples))
    }

    pub(crate) fn book_sight(&mut self, count: u64, words: Vec<String>) {
        if count > 0 {
            let broken = self.rules.entry(Rule::Sight).or_default();
            broken.count += count;
            let room = MAX_EXAMPLES - broken.examples.len();
            broken.examples.extend(words.into_iter().take(room));
        }
    }

    /// How often a rule was broken.
    pub(crate) fn broken(&self, rule: Rule) -> Broken {
        self.rules.get(&rule).cloned().unwrap_or_default()
    }

    pub(crate) fn broken_count(&self) -> u64 {
        self.rules.values().map(|broken| broken.count).sum()
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
