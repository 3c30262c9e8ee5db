//! Lives here: a token bucket: so many per second, so many at once.
//! Not here: what is refused when it is empty (`link`).

use tokio::time::Instant;

/// A token bucket. It is full at first.
#[derive(Debug)]
pub(crate) struct Bucket {
    per_second: f64,
    most: f64,
    left: f64,
    at: Instant,
}

impl Bucket {
    /// A full bucket of `per_second` tokens a second, `burst_seconds` of which may go at once.
    pub(crate) fn new(per_second: u32, burst_seconds: u32, now: Instant) -> Self {
        let per_second = f64::from(per_second);
        let most = (per_second * f64::from(burst_seconds)).max(1.0);
        Self {
            per_second,
            most,
            left: most,
            at: now,
        }
    }

    /// Takes a token, if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        if self.left < 1.0 {
            let since = now.saturating_duration_since(self.at).as_secs_f64();
            self.left = (self.left + since * self.per_second).min(self.most);
            self.at = now;
        }
        let some = self.left >= 1.0;
        if some {
            self.left -= 1.0;
        }
        some
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn so_many_at_once_and_so_many_per_second() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, 2, start);
        let taken = |bucket: &mut Bucket, now| (0..100).filter(|_| bucket.take(now)).count();
        assert_eq!(taken(&mut bucket, start), 20);
        assert_eq!(taken(&mut bucket, start + Duration::from_millis(500)), 5);
        assert_eq!(taken(&mut bucket, start + Duration::from_mins(1)), 20);
    }
}
