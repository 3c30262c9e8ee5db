//! Lives here: one session's events: their numbers, and which are kept until acknowledged.
//! Not here: how they reach the socket (`link`).
//!
//! Invariant: numbers run 1, 2, 3 …; they are sent in order; no more than the limit are kept.
//! When the limit is met the oldest goes, acknowledged or not, and the client sees a gap in the
//! numbers: events are news, and news that nobody took in time makes room for newer.

use std::collections::VecDeque;

use world_data::Payload;

/// One session's events.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// The number of the newest event.
    newest: u64,
    /// The number of the last event handed to the socket.
    sent: u64,
    /// The events up to `newest`.
    kept: VecDeque<Payload>,
}

impl Events {
    /// Adds an event; says whether an older one had to go.
    pub(crate) fn push(&mut self, payload: Payload, limit: usize) -> bool {
        self.newest += 1;
        self.kept.push_back(payload);
        let full = self.kept.len() > limit.max(1);
        if full {
            self.kept.pop_front();
        }
        full
    }

    /// Whether there is an event to send.
    pub(crate) fn waiting(&self) -> bool {
        self.sent < self.newest
    }

    /// The next event to send, with its number; it stays until acknowledged.
    pub(crate) fn next(&mut self) -> Option<(u64, Payload)> {
        if !self.waiting() {
            return None;
        }
        let n = (self.sent + 1).max(self.first());
        self.sent = n;
        let at = usize::try_from(n - self.first()).ok()?;
        self.kept.get(at).map(|payload| (n, payload.clone()))
    }

    /// As [`Events::next`], but none behind number `n`.
    pub(crate) fn next_to(&mut self, n: u64) -> Option<(u64, Payload)> {
        if self.sent < n { self.next() } else { None }
    }

    /// The number of the newest event.
    pub(crate) fn newest(&self) -> u64 {
        self.newest
    }

    /// Forgets the events up to `n`: they have arrived. A number never sent is cut to the last sent.
    pub(crate) fn acknowledge(&mut self, n: u64) {
        let n = n.min(self.sent);
        while self.first() <= n && !self.kept.is_empty() {
            self.kept.pop_front();
        }
    }

    /// A new socket: everything behind `last` is to be sent again.
    pub(crate) fn resume(&mut self, last: u64) {
        self.acknowledge(last);
        self.sent = last.min(self.sent);
    }

    /// The number of the oldest event kept.
    fn first(&self) -> u64 {
        self.newest + 1 - self.kept.len() as u64
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
        for _ in 0..count {
            events.push(Payload::new(()), limit);
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
        assert!(!events.push(Payload::new(()), 10));
        assert_eq!(numbers(&mut events), [4]);
    }
}
