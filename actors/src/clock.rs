//! Lives here: the clock's driver: tells the engine the time.
//! Not here: any other use of wall time; there is none.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use world_data::Clock;

/// How often the world's clock is set: its resolution.
pub(crate) const CLOCK_PERIOD: Duration = Duration::from_millis(5);

/// Sets the world's clock to the wall clock. Where that goes back, the world's stands still.
pub(crate) fn set(clock: &Clock) {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where wall time comes in"
    )]
    let now = SystemTime::now();
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    clock.advance(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
}
