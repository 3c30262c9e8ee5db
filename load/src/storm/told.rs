//! Lives here: what came of the storm's orders, counted by kind and by what the server said.
//! Not here: giving them (`storm`).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

/// A region that pauses longer misses a tick, in milliseconds.
const TICK_MS: f64 = 50.0;
/// Words of orders that went wrong which are kept.
const MAX_EXAMPLES: usize = 8;
/// What the server says of orders that can't be carried out as things are. Anything else that it
/// says no with is a change that failed.
const REASONS: [&str; 9] = [
    "try again",
    "on that worker already",
    "all its load is in one place",
    "it is the last region",
    "behind it are shards",
    "the region is no more",
    "is not behind",
    "is stopping",
    "there is no region",
];

/// What came of an order.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Carried out, with a pause in milliseconds.
    Done(Option<f64>),
    /// It can't be done as things are.
    Refused(String),
    /// It was begun, and something went wrong.
    Failed(String),
    /// It did not come to an end.
    Stuck(String),
    /// The server went away.
    Unanswered(String),
}

/// What came of orders of one kind.
#[derive(Debug, Default, Clone, Copy, Serialize)]
struct Counts {
    asked: u64,
    done: u64,
    refused: u64,
    failed: u64,
    stuck: u64,
    unanswered: u64,
}

/// What came of all orders.
#[derive(Debug, Default, Clone, Serialize)]
pub(crate) struct Storms {
    by_kind: BTreeMap<&'static str, Counts>,
    refusals: BTreeMap<String, u64>,
    /// Orders that were not given: the server could not be asked, or too many were under way.
    pub(crate) left_out: u64,
    /// Changes for which a region paused longer than a tick.
    long_pauses: u64,
    longest_pause_ms: f64,
    /// What went wrong, the first few times.
    wrong: Vec<String>,
}

impl Outcome {
    /// What the server said no with.
    pub(super) fn refused(status: u16, words: String) -> Self {
        if words.contains("it took more than") {
            Self::Stuck(words)
        } else if REASONS.iter().any(|reason| words.contains(reason)) {
            // Without numbers, so that the same reason is counted once.
            Self::Refused(words.replace(|c: char| c.is_ascii_digit(), ""))
        } else {
            Self::Failed(format!("{status}: {words}"))
        }
    }
}

impl Storms {
    /// Counts an order; one that a dying server did not answer is not held against it.
    pub(super) fn book(&mut self, kind: &'static str, outcome: Outcome, excused: bool) {
        let counts = self.by_kind.entry(kind).or_default();
        counts.asked += 1;
        let wrong = match outcome {
            Outcome::Done(pause) => {
                counts.done += 1;
                let pause = pause.unwrap_or_default();
                self.longest_pause_ms = self.longest_pause_ms.max(pause);
                self.long_pauses += u64::from(pause > TICK_MS);
                return;
            }
            Outcome::Refused(words) => {
                counts.refused += 1;
                *self.refusals.entry(words).or_default() += 1;
                return;
            }
            Outcome::Stuck(_) | Outcome::Unanswered(_) if excused => {
                counts.unanswered += 1;
                return;
            }
            Outcome::Failed(words) => {
                counts.failed += 1;
                words
            }
            Outcome::Stuck(words) | Outcome::Unanswered(words) => {
                counts.stuck += 1;
                words
            }
        };
        if self.wrong.len() < MAX_EXAMPLES {
            self.wrong.push(format!("{kind}: {wrong}"));
        }
    }

    fn sum(&self, count: fn(&Counts) -> u64) -> u64 {
        self.by_kind.values().map(count).sum()
    }

    /// Whether there was a storm.
    pub(crate) fn raged(&self) -> bool {
        !self.by_kind.is_empty() || self.left_out > 0
    }

    /// Whether every order came to an end that can be, and some were carried out; in words, too.
    pub(crate) fn verdict(&self) -> (bool, String) {
        let (done, bad) = (self.sum(|c| c.done), self.sum(|c| c.failed + c.stuck));
        let mut words = format!(
            "{done} were, {} refused, {bad} not",
            self.sum(|c| c.refused)
        );
        for wrong in &self.wrong {
            words.push_str("\n  ");
            words.push_str(wrong);
        }
        (done > 0 && bad == 0, words)
    }

    /// Writes what came of the orders.
    pub(crate) fn write(&self, text: &mut String) -> std::fmt::Result {
        if !self.raged() {
            return Ok(());
        }
        let asked = self.sum(|c| c.asked);
        writeln!(
            text,
            "storm      {asked} orders; {} left out; pauses up to {:.1} ms, {} longer than a tick",
            self.left_out, self.longest_pause_ms, self.long_pauses
        )?;
        for (kind, c) in &self.by_kind {
            writeln!(
                text,
                "  {kind:<9} {} asked, {} done, {} refused, {} failed, {} stuck, {} cut off by a \
                 restart",
                c.asked, c.done, c.refused, c.failed, c.stuck, c.unanswered
            )?;
        }
        for (words, count) in &self.refusals {
            writeln!(text, "  refused  {count} × {words}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_that_can_be_are_told_from_changes_that_fail() {
        let mut storms = Storms::default();
        assert!(!storms.raged());
        let no = |words: &str| Outcome::refused(409, words.to_owned());
        storms.book("move", Outcome::Done(Some(70.0)), false);
        storms.book("move", no("there is no region 17"), false);
        storms.book("move", no("there is no region 4"), false);
        storms.book("split", Outcome::Unanswered("reset".into()), true);
        assert!(storms.verdict().0, "{storms:?}");
        assert_eq!(storms.refusals.len(), 1, "{storms:?}");
        assert_eq!(storms.long_pauses, 1);
        let mut failed = storms.clone();
        failed.book("split", no("what the right region knew is missing"), false);
        assert!(!failed.verdict().0);
        let mut stuck = storms.clone();
        stuck.book("merge", no("it took more than 5 s"), false);
        let (passed, words) = stuck.verdict();
        assert!(!passed && words.contains("merge: it took"), "{words}");
        storms.book("merge", Outcome::Unanswered("reset".into()), false);
        assert!(!storms.verdict().0, "the server lived");
    }

    #[test]
    fn a_storm_in_which_nothing_was_done_shows_nothing() {
        let storms = Storms {
            left_out: 3,
            ..Storms::default()
        };
        assert!(storms.raged() && !storms.verdict().0);
    }
}
