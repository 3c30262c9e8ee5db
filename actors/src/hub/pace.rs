//! Lives here: how often a session gets a frame where time is slowed down.
//! Not here: who slows time down (`supervisor`), what is in a frame (`interest`).
//!
//! Invariant: at least every fourth tick of the hub has a frame, so that the deltas of cells whose
//! time is not slowed down are still kept when it comes.

/// Frames per tick of the hub, at the least.
const LEAST_FRAMES: f32 = 0.25;
/// What adding up shares may leave out.
const ROUNDING: f32 = 1e-3;

/// The pace of one session's frames.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// World time per real time where the session's entity is.
    pub(super) dilation: f32,
    /// The part of the next frame's time that has passed.
    passed: f32,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            dilation: 1.0,
            passed: 0.0,
        }
    }
}

impl Pace {
    /// A tick of the hub has come, with time at `dilation`: whether a frame is due.
    pub(super) fn is_due(&mut self, dilation: f32) -> bool {
        self.dilation = dilation;
        self.passed += dilation.clamp(LEAST_FRAMES, 1.0);
        let due = self.passed > 1.0 - ROUNDING;
        if due {
            self.passed = (self.passed - 1.0).max(0.0);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_as_often_as_ticks_and_not_less_than_every_fourth_time() {
        for (dilation, frames) in [(1.0, 100), (0.8, 80), (0.45, 45), (0.25, 25), (0.1, 25)] {
            let mut pace = Pace::default();
            let due: Vec<bool> = (0..100).map(|_| pace.is_due(dilation)).collect();
            let count = due.iter().filter(|due| **due).count();
            assert!(count.abs_diff(frames) <= 1, "{count} at {dilation}");
            assert!(due.windows(4).all(|four| four.contains(&true)));
        }
    }
}
