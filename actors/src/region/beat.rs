//! Lives here: when a region's ticks are due, and how many periods each stands for.
//! Not here: what a tick does (`region`), how slow time runs (`ladder`).
//!
//! Invariant: ticks keep their beat: one that is late does not make the next ones late, and those
//! that are skipped are counted.

use std::time::Duration;

use futures_util::stream::{self, Stream};
use tokio::time::{Instant, sleep_until};

/// A tick is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    /// Since when.
    pub(super) at: Instant,
    /// The periods it stands for: more than one when ticks before it were skipped.
    pub(super) periods: u32,
}

impl Due {
    /// The next one, given how long a period is from now on.
    fn next(self, now: Instant, period: Duration) -> Self {
        let late = now.saturating_duration_since(self.at).as_secs_f64();
        let skipped = (late / period.as_secs_f64()) as u32;
        let periods = skipped.saturating_add(1);
        Self {
            at: self.at + period.saturating_mul(periods),
            periods,
        }
    }
}

/// The ticks from `first` on; `period` is asked for at each of them.
pub(super) fn beat(first: Instant, period: impl Fn() -> Duration) -> impl Stream<Item = Due> {
    let first = Due {
        at: first,
        periods: 1,
    };
    stream::unfold((first, period), |(due, period)| async move {
        sleep_until(due.at).await;
        let next = due.next(Instant::now(), period());
        Some((due, (next, period)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_millis(50);

    #[test]
    fn late_ticks_keep_the_beat_and_skipped_ones_are_counted() {
        let at = Instant::now();
        let due = Due { at, periods: 1 };
        let after = |late: u64| {
            let next = due.next(at + Duration::from_millis(late), PERIOD);
            ((next.at - at).as_millis(), next.periods)
        };
        assert_eq!(
            [0, 49, 50, 99, 100, 1049].map(after),
            [(50, 1), (50, 1), (100, 2), (100, 2), (150, 3), (1050, 21)]
        );
        assert_eq!(due.next(at - PERIOD, PERIOD), due.next(at, PERIOD));
        // Time that slows down counts from this tick on.
        let slow = due.next(at + PERIOD, PERIOD * 10);
        assert_eq!(((slow.at - at).as_millis(), slow.periods), (500, 1));
    }
}
