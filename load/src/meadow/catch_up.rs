//! Lives here: how a bot that did not read for a while looks at what was told meanwhile.
//! Not here: what it sees otherwise (`sight`).

use std::cell::RefCell;
use std::time::Duration;

use brightstar_client::{ClientError, EncodedFrame};
use tokio::time::Instant;

use super::field::Field;
use super::sight::Sight;
use crate::stats::Stats;

/// A bot that did not read has caught up after so many frames in a row that came one by one: a second.
const CAUGHT_UP: u32 = 20;

/// A bot that did not read takes in, at once, what was told over seconds.
#[derive(Debug)]
pub(super) struct CatchUp {
    /// Frames in a row that came as they are sent.
    paced: u32,
    last: Instant,
    pace: Duration,
}

impl CatchUp {
    pub(super) fn new(pace: Duration) -> Self {
        Self {
            paced: 0,
            last: Instant::now(),
            pace,
        }
    }

    /// Looks at a frame that may be old. All it tells must hold as ever, but how fast entities went
    /// can't be told from when it was read.
    pub(super) fn see(
        (frame, going): (EncodedFrame, bool),
        sight: &mut Sight,
        field: &Field,
        stats: &RefCell<Stats>,
    ) -> Result<u64, ClientError> {
        let mut scratch = field.scratch.borrow_mut();
        let newest = sight.see(frame, going, &mut scratch)?;
        let (_, mut words) = scratch.take_broken();
        words.retain(|words| !is_about_time(words));
        stats.borrow_mut().book_sight(words.len() as u64, words);
        Ok(newest)
    }

    /// Whether frames have come as they are sent for a while. The first such gap says nothing: what
    /// was on the way has been read then, and the server goes on where it is now.
    pub(super) fn is_done(&mut self) -> bool {
        let gap = self.last.elapsed();
        self.last = Instant::now();
        self.paced = if gap < self.pace { 0 } else { self.paced + 1 };
        self.paced > CAUGHT_UP
    }
}

/// Whether a bot's eyes complain that somebody was too fast, or that they have not seen their owner
/// for too long: the frames between were never sent.
fn is_about_time(words: &str) -> bool {
    words.ends_with(" m at once") || words.ends_with(" does not see itself")
}

#[cfg(test)]
mod tests {
    use brightstar_client::Codec;
    use protocol::{CellPart, EntityPart, encode_view, frame};

    use super::*;

    const YOU: u64 = 1;

    /// A frame in which entities are at these places, shown for the first time or moved.
    fn told(tick: u64, shown: bool, entities: &[(u64, f32)]) -> EncodedFrame {
        let codec = Codec::MessagePack;
        let view = encode_view(codec, &serde_json::json!({ "k": "player", "name": "x" })).unwrap();
        let entities = entities.iter().map(|&(id, x)| EntityPart {
            id,
            x,
            y: 10.0,
            view: shown.then_some(&*view),
        });
        let part = CellPart::encode(codec, 0, shown, entities, []);
        let bytes = frame(codec, tick, 0, 1.0, [&*part].into_iter());
        EncodedFrame::new(codec, bytes)
    }

    #[test]
    fn speed_can_not_be_told_from_old_frames_but_all_else_can() {
        let (field, stats, mut sight) = (Field::new(), RefCell::new(Stats::new()), Sight::of(YOU));
        let see =
            |sight: &mut Sight, frame| CatchUp::see((frame, true), sight, &field, &stats).unwrap();
        see(&mut sight, told(1, true, &[(YOU, 10.0), (9, 10.0)]));
        // A second of walking, read in no time: the eyes complain, and are not listened to.
        see(&mut sight, told(21, false, &[(9, 31.0)]));
        assert_eq!(stats.borrow().broken_count(), 0);
        // The same without catching up, so that it is known that they would be.
        let complaint = stats
            .borrow_mut()
            .looking(|stats| sight.see(told(22, false, &[(9, 60.0)]), false, stats));
        complaint.unwrap();
        assert_eq!(stats.borrow().broken(crate::stats::Rule::Sight).count, 1);
        see(&mut sight, told(23, false, &[(77, 10.0)]));
        let seen = stats.borrow().broken(crate::stats::Rule::Sight);
        assert_eq!(seen.count, 2);
        assert!(seen.examples[1].contains("before it was shown"), "{seen:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_bot_has_caught_up_when_frames_come_one_by_one_for_a_while() {
        let tick = Duration::from_millis(50);
        let mut catch_up = CatchUp::new(tick / 2);
        tokio::time::advance(tick * 100).await;
        assert!(!catch_up.is_done());
        for _ in 0..CAUGHT_UP - 1 {
            tokio::time::advance(tick).await;
            assert!(!catch_up.is_done());
        }
        // Two together: there was a backlog still.
        assert!(!catch_up.is_done());
        for _ in 0..CAUGHT_UP {
            tokio::time::advance(tick).await;
            assert!(!catch_up.is_done());
        }
        tokio::time::advance(tick).await;
        assert!(catch_up.is_done());
    }
}
