//! Lives here: frames that can be true and frames that can't, and what the bots make of them.

use std::time::Duration;

use brightstar_client::{Codec, EncodedFrame, Welcome};
use protocol::{CellPart, EntityPart, Gone, encode_view, frame};

use super::{PATIENCE, Sight};
use crate::stats::Stats;

const YOU: u64 = 1;

/// A bot's eyes, and a tick after which it has seen itself in cell 0 at (10, 10).
struct Eyes {
    sight: Sight,
    stats: Stats,
    tick: u64,
    dilation: f32,
}

fn part(
    cell: u64,
    full: bool,
    entities: &[(u64, f32, bool)],
    gone: &[(u64, Option<u64>)],
) -> CellPart {
    let codec = Codec::MessagePack;
    let view = encode_view(codec, &serde_json::json!({ "k": "player", "name": "x" })).unwrap();
    let entities = entities.iter().map(|&(id, x, shown)| EntityPart {
        id,
        x,
        y: 10.0,
        view: shown.then_some(&*view),
    });
    let gone = gone.iter().map(|&(id, to)| Gone { id, to });
    CellPart::encode(codec, cell, full, entities, gone)
}

impl Sight {
    /// The eyes of a bot whose entity is `you`, for tests that need somebody to see.
    pub(crate) fn of(you: u64) -> Self {
        Self::new(&Welcome {
            session: "00000000-0000-0000-0000-000000000001".parse().unwrap(),
            resume: String::new(),
            resumed: false,
            last_command: 0,
            tick_hz: 20,
            cell: 32.0,
            view_radius: 96.0,
            you: Some(you),
        })
    }
}

impl Eyes {
    fn open() -> Self {
        let mut eyes = Self {
            sight: Sight::of(YOU),
            stats: Stats::new(),
            tick: 0,
            dilation: 1.0,
        };
        eyes.see(&[
            part(0, true, &[(YOU, 10.0, true)], &[]),
            part(1, true, &[(9, 40.0, true)], &[]),
        ]);
        assert_eq!(eyes.wrong(), Vec::<String>::new());
        // As if that were long ago.
        eyes.sight.filled.clear();
        eyes
    }

    fn see(&mut self, parts: &[CellPart]) {
        self.tick += 1;
        let bytes = frame(
            Codec::MessagePack,
            self.tick,
            0,
            self.dilation,
            parts.iter().map(|part| &**part),
        );
        let encoded = EncodedFrame::new(Codec::MessagePack, bytes);
        self.sight.see(encoded, true, &mut self.stats).unwrap();
    }

    fn wait(&mut self) {
        (0..=PATIENCE + 1).for_each(|_| self.see(&[]));
    }

    fn wrong(&mut self) -> Vec<String> {
        assert_eq!(self.stats.broken, self.stats.examples.len() as u64);
        self.stats.broken = 0;
        std::mem::take(&mut self.stats.examples)
    }
}

#[test]
fn a_crossing_may_be_told_in_any_order() {
    let left = part(0, false, &[], &[(YOU, Some(1))]);
    let came = part(1, false, &[(YOU, 10.5, true)], &[]);
    for frames in [
        vec![vec![left.clone(), came.clone()]],
        vec![vec![came.clone(), left.clone()]],
        vec![vec![left.clone()], vec![came.clone()]],
        vec![vec![came.clone()], vec![left.clone()]],
        // Cell 1 in several steps, the last of which is told before cell 0's.
        vec![vec![
            part(1, true, &[(9, 40.0, true)], &[]),
            came.clone(),
            left.clone(),
        ]],
    ] {
        let mut eyes = Eyes::open();
        for parts in &frames {
            eyes.see(parts);
        }
        eyes.wait();
        assert_eq!(eyes.wrong(), Vec::<String>::new(), "{frames:?}");
        assert_eq!(eyes.sight.you(), Some([10.5, 10.0]));
    }
}

#[test]
fn a_cell_that_is_told_in_steps_is_read_in_steps() {
    let mut eyes = Eyes::open();
    // There and back, and there again, collapsed into one frame: cell 1's steps come last.
    eyes.see(&[
        part(0, false, &[], &[(YOU, Some(1))]),
        part(0, false, &[(YOU, 10.5, true)], &[]),
        part(0, false, &[], &[(YOU, Some(1))]),
        part(1, false, &[(YOU, 10.2, true)], &[]),
        part(1, false, &[], &[(YOU, Some(0))]),
        part(1, false, &[(YOU, 10.7, true)], &[]),
    ]);
    eyes.wait();
    assert_eq!(eyes.wrong(), Vec::<String>::new());
    assert_eq!(eyes.sight.you(), Some([10.7_f32.into(), 10.0]));
}

#[test]
fn what_can_not_be_true_is_named() {
    for (parts, words) in [
        (
            vec![part(0, false, &[(5, 10.0, false)], &[])],
            "before it was shown",
        ),
        (
            vec![part(0, false, &[(YOU, 60.0, false)], &[])],
            "moved 50.00 m at once",
        ),
        (
            vec![part(0, false, &[(5, 2049.0, true)], &[])],
            "off the map",
        ),
        (
            vec![part(1, false, &[(YOU, 10.5, true)], &[])],
            "is in two cells",
        ),
        (
            vec![part(0, false, &[], &[(YOU, None)])],
            "does not see itself",
        ),
        (vec![part(0, true, &[], &[])], "does not see itself"),
        (
            vec![part(0, false, &[(6, 10.0, true)], &[(6, Some(1))])],
            "entity 6 went to cell 1, not seen there",
        ),
    ] {
        let mut eyes = Eyes::open();
        eyes.see(&parts);
        eyes.wait();
        let wrong = eyes.wrong();
        assert!(
            wrong.len() == 1 && wrong[0].contains(words),
            "{words}: {wrong:?}"
        );
    }
    let mut eyes = Eyes::open();
    eyes.tick -= 1;
    eyes.see(&[]);
    assert!(eyes.wrong()[0].contains("tick 1 after tick 1"));
}

#[test]
fn what_is_out_of_view_is_forgotten() {
    let mut eyes = Eyes::open();
    eyes.see(&[part(0, false, &[(5, 12.0, true)], &[])]);
    eyes.sight.forget(&[1]);
    // Nothing of cell 1 is known, so nobody has to appear there.
    eyes.see(&[part(0, false, &[], &[(5, Some(1))])]);
    eyes.wait();
    assert_eq!(eyes.wrong(), Vec::<String>::new());
    assert_eq!(eyes.sight.known.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_walker_misses_every_tick_without_a_frame() {
    let period = Duration::from_millis(50);
    let mut eyes = Eyes::open();
    eyes.stats.measuring = true;
    // Nothing to tell for a second: not late, as long as the bot does not walk.
    tokio::time::advance(period * 20).await;
    eyes.tick += 19;
    eyes.see(&[]);
    assert_eq!(
        (eyes.stats.late_frames, eyes.stats.ticks_without_frame),
        (0, 19)
    );
    // It is not late either for what was before the walk began.
    tokio::time::advance(period * 20).await;
    eyes.sight.walks_to([40.0, 10.0]);
    tokio::time::advance(period).await;
    eyes.tick += 20;
    eyes.see(&[part(0, false, &[(YOU, 10.3, false)], &[])]);
    assert_eq!(eyes.stats.late_frames, 0);
    // A walker is told of itself in each tick, whatever number the next frame has.
    tokio::time::advance(period * 3).await;
    eyes.tick += 2;
    eyes.see(&[part(0, false, &[(YOU, 11.2, false)], &[])]);
    assert_eq!(eyes.stats.late_frames, 1);
    // Where time is slowed down, frames are further apart.
    eyes.dilation = 0.25;
    tokio::time::advance(period * 4).await;
    eyes.tick += 3;
    eyes.see(&[part(0, false, &[(YOU, 11.5, false)], &[])]);
    assert_eq!(
        (eyes.stats.late_frames, eyes.stats.ticks_without_frame),
        (1, 41)
    );
    eyes.dilation = 1.0;
    // Once there, it may stand as long as it likes.
    eyes.see(&[part(0, false, &[(YOU, 13.0, false)], &[])]);
    eyes.sight.walks_to([13.0, 10.0]);
    tokio::time::advance(period * 20).await;
    eyes.tick += 19;
    eyes.see(&[]);
    assert_eq!(eyes.stats.late_frames, 1);
}

#[test]
fn speed_is_held_to_its_limit_over_a_while() {
    let mut eyes = Eyes::open();
    let mut x = 10.0;
    for speed in [6.0, 6.0, 9.0] {
        for _ in 0..20 {
            eyes.tick += 1;
            x += speed / 10.0;
            eyes.see(&[part(0, false, &[(YOU, x, false)], &[])]);
        }
        // The burst lets nobody be half as fast again for two seconds, more than once.
        if speed < 9.0 {
            assert_eq!(eyes.wrong(), Vec::<String>::new());
        }
    }
    for _ in 0..40 {
        eyes.tick += 1;
        x += 0.9;
        eyes.see(&[part(0, false, &[(YOU, x, false)], &[])]);
    }
    assert!(eyes.wrong()[0].contains("at once"));
    // After silence it may be as far as it could have walked.
    eyes.tick += 80;
    eyes.see(&[part(0, false, &[(YOU, x + 24.0, false)], &[])]);
    assert_eq!(eyes.wrong(), Vec::<String>::new());
}

#[test]
fn a_cell_may_begin_with_where_somebody_was_long_ago() {
    let mut eyes = Eyes::open();
    // A full cell of old, and the steps since: it shows, and lets go, one that is elsewhere now.
    eyes.see(&[
        part(2, true, &[(YOU, 60.0, true), (6, 70.0, true)], &[]),
        part(2, false, &[], &[(YOU, Some(0)), (6, Some(1))]),
    ]);
    assert_eq!(eyes.sight.you(), Some([10.0, 10.0]));
    eyes.see(&[part(1, false, &[(6, 40.0, true)], &[])]);
    eyes.wait();
    assert_eq!(eyes.wrong(), Vec::<String>::new());
}

#[test]
fn who_goes_on_before_it_is_shown_is_not_waited_for() {
    for frames in [
        // Over cell 1 to 2, which is not in view; told in both orders.
        vec![
            part(0, false, &[], &[(YOU, Some(1))]),
            part(1, false, &[], &[(YOU, Some(2))]),
        ],
        vec![
            part(1, false, &[], &[(YOU, Some(2))]),
            part(0, false, &[], &[(YOU, Some(1))]),
        ],
        // Cell 1 is told in full when it has left that, too.
        vec![
            part(1, true, &[(9, 40.0, true)], &[]),
            part(0, false, &[], &[(YOU, Some(1))]),
        ],
    ] {
        let mut eyes = Eyes::open();
        eyes.sight.you = None;
        eyes.see(&frames);
        eyes.wait();
        assert_eq!(eyes.wrong(), Vec::<String>::new(), "{frames:?}");
    }
}

#[test]
fn who_turns_back_soon_is_still_waited_for() {
    let mut eyes = Eyes::open();
    eyes.sight.you = None;
    eyes.see(&[
        part(1, false, &[(YOU, 10.5, true)], &[]),
        part(0, false, &[], &[(YOU, Some(1))]),
    ]);
    eyes.see(&[part(0, false, &[(6, 10.0, true)], &[])]);
    eyes.see(&[part(1, false, &[], &[(YOU, Some(0))])]);
    eyes.wait();
    assert_eq!(
        eyes.wrong(),
        [format!("entity {YOU} went to cell 0, not seen there")]
    );
}
