//! Lives here: one session's events, and what it hears on channels among them: which are kept until
//! acknowledged, and which is sent next.
//! Not here: the numbers of events (the engine gives them), how they reach the socket (`link`).
//!
//! Invariant: what is said on a channel gets the number behind the newest one, which is what the
//! engine counts on disk. All is sent in the order of numbers; no more than the limit are kept.
//! When the limit is met the oldest goes, acknowledged or not, and the client sees a gap in the
//! numbers: events are news, and news that nobody took in time makes room for newer.

use std::collections::VecDeque;
use std::sync::Arc;

use world_data::Payload;

use crate::spoken::Spoken;

/// Numbers of channels that are acknowledged before the disk is told: those of events it is told at
/// once, since it can forget them.
const ACKED_GRAIN: u64 = 256;

/// What has a number among a session's events.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    Event(Payload),
    Spoken(Arc<Spoken>),
}

/// One session's events.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// The number of the newest event.
    newest: u64,
    /// The number of the last event handed to the socket.
    sent: u64,
    /// All up to this number have arrived.
    acked: u64,
    /// What the disk knows of that.
    acked_on_disk: u64,
    /// An event of its own was among what has arrived since.
    own_acked: bool,
    /// What is kept, with its numbers, ascending.
    kept: VecDeque<(u64, Told)>,
}

impl Events {
    /// The events of a session of an earlier run; none of them was sent in this one.
    pub(crate) fn restore(
        newest: u64,
        acked: u64,
        kept: impl IntoIterator<Item = (u64, Told)>,
    ) -> Self {
        Self {
            newest,
            sent: acked,
            acked,
            acked_on_disk: acked,
            own_acked: false,
            kept: kept.into_iter().collect(),
        }
    }

    /// Adds an event; says whether an older one had to go.
    pub(crate) fn push(&mut self, n: u64, payload: Payload, limit: usize) -> bool {
        if n <= self.newest {
            // The engine counts up; what has no number is for nobody.
            tracing::debug!(n, "dropped an event without a number of its own");
            return false;
        }
        self.keep(n, Told::Event(payload), limit)
    }

    /// Adds what was said on a channel; says whether something older had to go.
    pub(crate) fn hear(&mut self, spoken: Arc<Spoken>, limit: usize) -> bool {
        self.keep(self.newest + 1, Told::Spoken(spoken), limit)
    }

    fn keep(&mut self, n: u64, told: Told, limit: usize) -> bool {
        self.newest = n;
        self.kept.push_back((n, told));
        let full = self.kept.len() > limit.max(1);
        if full {
            self.kept.pop_front();
        }
        full
    }

    /// Whether there is an event to send.
    pub(crate) fn waiting(&self) -> bool {
        self.kept.back().is_some_and(|(n, _)| self.sent < *n)
    }

    /// The next event to send, with its number; it stays until acknowledged.
    pub(crate) fn next(&mut self) -> Option<(u64, Told)> {
        if !self.waiting() {
            return None;
        }
        let at = self.kept.partition_point(|(n, _)| *n <= self.sent);
        let (n, told) = self.kept.get(at)?;
        self.sent = *n;
        Some((*n, told.clone()))
    }

    /// As [`Events::next`], but none behind number `n`.
    pub(crate) fn next_to(&mut self, n: u64) -> Option<(u64, Told)> {
        if self.sent < n { self.next() } else { None }
    }

    /// The number of the newest event.
    pub(crate) fn newest(&self) -> u64 {
        self.newest
    }

    /// Forgets the events up to `n`: they have arrived. A number never sent is cut to the last sent.
    pub(crate) fn acknowledge(&mut self, n: u64) {
        let n = n.min(self.sent);
        while let Some((_, told)) = self.kept.pop_front_if(|(first, _)| *first <= n) {
            self.own_acked |= matches!(told, Told::Event(_));
        }
        self.acked = self.acked.max(n);
    }

    /// Up to which number all have arrived, if that is news worth telling the disk. Ten thousand who
    /// hear the same ten messages per second must not have it write ten thousand records each second:
    /// what a client tells when it comes back counts anyway.
    pub(crate) fn take_acked(&mut self) -> Option<u64> {
        let news = self.own_acked || self.acked >= self.acked_on_disk + ACKED_GRAIN;
        if news {
            self.own_acked = false;
            self.acked_on_disk = self.acked;
        }
        news.then_some(self.acked)
    }

    /// A new socket: everything behind `last` is to be sent again.
    pub(crate) fn resume(&mut self, last: u64) {
        // What was sent before the server was started again is known to the client alone.
        self.sent = self.sent.max(last.min(self.newest));
        self.acknowledge(last);
        self.sent = last.min(self.sent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(events: &mut Events) -> Vec<u64> {
        std::iter::from_fn(|| events.next().map(|(n, _)| n)).collect()
    }

    fn filled(count: usize, limit: usize) -> Events {
        let mut events = Events::default();
        for n in 1..=count as u64 {
            events.push(n, Payload::new(()), limit);
        }
        events
    }

    #[test]
    fn events_are_sent_again_after_the_last_seen() {
        let mut events = filled(5, 10);
        assert_eq!(numbers(&mut events), [1, 2, 3, 4, 5]);
        events.acknowledge(2);
        events.resume(3);
        assert_eq!(numbers(&mut events), [4, 5]);
        assert_eq!(numbers(&mut events), [0; 0]);
    }

    #[test]
    fn the_oldest_goes_when_the_limit_is_met() {
        let mut events = filled(5, 3);
        assert_eq!(numbers(&mut events), [3, 4, 5]);
        events.resume(0);
        assert_eq!(numbers(&mut events), [3, 4, 5]);
        assert_eq!(events.kept.len(), 3);
    }

    #[test]
    fn acknowledging_the_future_forgets_nothing_unsent() {
        let mut events = filled(3, 10);
        events.acknowledge(u64::MAX);
        assert_eq!(numbers(&mut events), [1, 2, 3]);
        events.resume(u64::MAX);
        assert_eq!(numbers(&mut events), [0; 0]);
        assert!(events.kept.is_empty());
        assert!(!events.push(4, Payload::new(()), 10));
        assert_eq!(numbers(&mut events), [4]);
    }

    #[test]
    fn a_number_that_is_left_out_is_a_gap_and_one_that_is_known_is_nothing() {
        let mut events = filled(2, 10);
        events.push(5, Payload::new(()), 10);
        events.push(5, Payload::new(()), 10);
        events.push(0, Payload::new(()), 10);
        assert_eq!(numbers(&mut events), [1, 2, 5]);
        events.acknowledge(3);
        assert_eq!(events.take_acked(), Some(3));
        events.acknowledge(3);
        assert_eq!(events.take_acked(), None);
        events.resume(0);
        assert_eq!(numbers(&mut events), [5]);
    }

    #[test]
    fn what_an_earlier_run_left_unheard_is_sent_again() {
        let event = || Told::Event(Payload::new(()));
        let left = vec![(7, event()), (8, event())];
        let mut events = Events::restore(8, 6, left.clone());
        assert_eq!(numbers(&mut events), [7, 8]);
        let mut events = Events::restore(8, 6, left);
        events.resume(7);
        assert_eq!(numbers(&mut events), [8]);
    }
}
