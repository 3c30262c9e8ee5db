//! Lives here: the token bucket that all rates are measured with, sessions' and the gateway's.
//! Not here: whose bucket it is, and what happens to whom it refuses.

use std::time::Duration;

use tokio::time::Instant;

/// How much of something is allowed over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Per second, in the long run.
    pub per_second: u32,
    /// At once.
    pub burst: u32,
}

impl Rate {
    /// So many per second, of which `seconds`' worth may come at once.
    pub fn of_seconds(per_second: u32, seconds: u32) -> Self {
        let burst = per_second.saturating_mul(seconds);
        Self { per_second, burst }
    }
}

/// A bucket that fills with time and is emptied by use. One integer: when it will be full again.
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    full_at: Instant,
}

impl Bucket {
    /// A full bucket.
    pub fn new(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Takes one token; `false` when there is none.
    pub fn take(&mut self, rate: Rate, now: Instant) -> bool {
        let token = Duration::from_nanos(1_000_000_000 / u64::from(rate.per_second.max(1)));
        let full_at = self.full_at.max(now) + token;
        let allowed = full_at - now <= token * rate.burst.max(1);
        if allowed {
            self.full_at = full_at;
        }
        allowed
    }

    /// Whether the bucket is full, so that forgetting it changes nothing.
    pub fn is_full(&self, now: Instant) -> bool {
        self.full_at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_at_once_and_so_many_per_second() {
        let rate = Rate::of_seconds(10, 2);
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        let taken = |bucket: &mut Bucket, now| (0..100).filter(|_| bucket.take(rate, now)).count();
        assert_eq!(taken(&mut bucket, start), 20);
        assert_eq!(taken(&mut bucket, start + Duration::from_millis(500)), 5);
        assert_eq!(taken(&mut bucket, start + Duration::from_mins(1)), 20);
    }

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
