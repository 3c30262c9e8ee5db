//! Lives here: the token bucket that all rates of the gateway are measured with.
//! Not here: whose bucket it is, and what happens to whom it refuses.

use std::time::Duration;

use tokio::time::Instant;

/// How much of something is allowed over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Per second, in the long run.
    pub per_second: u32,
    /// At once.
    pub burst: u32,
}

/// A bucket that fills with time and is emptied by use. One integer: when it will be full again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    full_at: Instant,
}

impl Bucket {
    /// A full bucket.
    pub(crate) fn new(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Takes one token; `false` when there is none.
    pub(crate) fn take(&mut self, rate: Rate, now: Instant) -> bool {
        let token = Duration::from_nanos(1_000_000_000 / u64::from(rate.per_second.max(1)));
        let full_at = self.full_at.max(now) + token;
        let allowed = full_at - now <= token * rate.burst.max(1);
        if allowed {
            self.full_at = full_at;
        }
        allowed
    }

    /// Whether the bucket is full, so that forgetting it changes nothing.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        self.full_at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let rate = Rate {
            per_second: 10,
            burst: 5,
        };
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        assert_eq!((0..100).filter(|_| bucket.take(rate, start)).count(), 5);
        assert!(!bucket.is_full(start));
        let mut taken = 0;
        for ms in 1..=1_000 {
            taken += usize::from(bucket.take(rate, start + Duration::from_millis(ms)));
        }
        assert_eq!(taken, 10);
        assert!(bucket.is_full(start + Duration::from_secs(10)));
    }
}
