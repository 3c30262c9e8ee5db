//! What a hub knows of cells, step by step.

use std::rc::Rc;

use proptest::prelude::*;
use protocol::Codec;

use super::slot::DELTAS_KEPT;
use super::*;
use crate::hub::HubCore;
use crate::region::{PerRate, Rate, RegionTick};
use crate::void::{self, Void};

const CODEC: Codec = Codec::MessagePack;

fn key(cell: u64) -> CellKey {
    CellKey {
        cell: Home(cell),
        codec: CODEC,
    }
}

fn part(text: &str) -> Option<Bytes> {
    (!text.is_empty()).then(|| Bytes::copy_from_slice(text.as_bytes()))
}

fn update(cell: u64, since: u64, version: u64, delta: &str, full: &str) -> CellUpdate {
    CellUpdate {
        key: key(cell),
        since,
        version,
        delta: part(delta),
        full: part(full),
        strides: PerRate::default(),
        count: 0,
    }
}

/// What a session that has version `seen` is sent.
fn sent(slots: &mut Slots, slot: usize, seen: &mut Option<u64>) -> String {
    sent_at(None, slots, slot, seen)
}

/// What a session is sent of a cell that it sees at `rate`.
fn sent_at(rate: Option<Rate>, slots: &mut Slots, slot: usize, seen: &mut Option<u64>) -> String {
    let mut parts = Vec::new();
    slots.catch_up(slot, seen, rate, &mut parts);
    parts
        .iter()
        .map(|part| String::from_utf8_lossy(part))
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn a_session_is_led_from_what_it_knows_to_the_newest() {
    let mut slots = Slots::default();
    let slot = slots.enter(key(1));
    let (mut early, mut late) = (None, None);
    slots.update(&update(1, 3, 4, "d4", ""));
    assert_eq!(
        sent(&mut slots, slot, &mut early),
        "",
        "a change of what nobody knows"
    );
    slots.update(&update(1, 4, 5, "", "F5"));
    slots.update(&update(1, 5, 9, "d9", ""));
    assert_eq!(sent(&mut slots, slot, &mut early), "F5 d9");
    assert_eq!(sent(&mut slots, slot, &mut early), "");
    slots.update(&update(1, 9, 10, "d10", ""));
    assert_eq!(sent(&mut slots, slot, &mut early), "d10");
    assert_eq!(sent(&mut slots, slot, &mut late), "F5 d9 d10");
}

#[test]
fn who_is_too_far_behind_gets_the_full_cell_which_is_asked_for_once() {
    let mut slots = Slots::default();
    let slot = slots.enter(key(1));
    let mut seen = None;
    slots.update(&update(1, 0, 1, "", "F1"));
    assert_eq!(sent(&mut slots, slot, &mut seen), "F1");
    for version in 2..=DELTAS_KEPT as u64 + 2 {
        slots.update(&update(1, version - 1, version, "d", ""));
    }
    slots.wants.clear();
    assert_eq!(sent(&mut slots, slot, &mut seen), "");
    assert_eq!(sent(&mut slots, slot, &mut seen), "");
    assert_eq!(slots.wants, [(key(1), true)]);
    let newest = DELTAS_KEPT as u64 + 2;
    slots.update(&update(1, newest, newest, "", "F"));
    assert_eq!(sent(&mut slots, slot, &mut seen), "F");
    assert_eq!(seen, Some(newest));
}

/// Ticks 2 to `last` of a cell, one version each, with a stride of four ending at 4, 8, 12, …; `see` is
/// called after each.
fn strides(slots: &mut Slots, last: u64, mut see: impl FnMut(&mut Slots, u64)) {
    for version in 2..=last {
        slots.now += 1;
        let mut update = update(1, version - 1, version, &format!("d{version}"), "");
        if version % 4 == 0 {
            let since = version.saturating_sub(4).max(1);
            let told = part(&format!("s{version}"));
            update.strides[Rate::Quarter as usize] = told.map(|told| (since, told));
        }
        slots.update(&update);
        see(slots, version);
    }
}

#[test]
fn a_far_cell_is_told_by_strides_and_a_near_one_tick_by_tick() {
    let mut slots = Slots::default();
    let slot = slots.enter(key(1));
    slots.update(&update(1, 0, 1, "", "F1"));
    let (mut near, mut far) = (None, None);
    let (mut each, mut some) = (Vec::new(), Vec::new());
    strides(&mut slots, 12, |slots, _| {
        each.push(sent(slots, slot, &mut near));
        some.push(sent_at(Some(Rate::Quarter), slots, slot, &mut far));
    });
    assert_eq!(each.join(" "), "F1 d2 d3 d4 d5 d6 d7 d8 d9 d10 d11 d12");
    // Until the first stride has come nobody waits for one.
    assert_eq!(
        some,
        ["F1 d2", "d3", "d4", "", "", "", "s8", "", "", "", "s12"]
    );
}

#[test]
fn who_is_between_two_strides_waits_for_the_next_and_goes_there_tick_by_tick() {
    let mut slots = Slots::default();
    let slot = slots.enter(key(1));
    slots.update(&update(1, 0, 1, "", "F1"));
    let mut seen = None;
    strides(&mut slots, 6, |slots, _| {
        sent(slots, slot, &mut seen);
    });
    assert_eq!(seen, Some(6));
    let far =
        |slots: &mut Slots, seen: &mut Option<u64>| sent_at(Some(Rate::Quarter), slots, slot, seen);
    assert_eq!(far(&mut slots, &mut seen), "", "the last stride ended at 4");
    slots.now += 1;
    slots.update(&update(1, 6, 7, "d7", ""));
    assert_eq!(far(&mut slots, &mut seen), "");
    slots.now += 1;
    let mut end = update(1, 7, 8, "d8", "");
    end.strides[Rate::Quarter as usize] = part("s8").map(|told| (4, told));
    slots.update(&end);
    assert_eq!(far(&mut slots, &mut seen), "d7 d8");
    assert_eq!(seen, Some(8));
}

#[test]
fn where_no_stride_comes_nobody_waits_for_it() {
    let mut slots = Slots::default();
    let slot = slots.enter(key(1));
    slots.update(&update(1, 0, 1, "", "F1"));
    let mut seen = None;
    strides(&mut slots, 8, |slots, _| {
        sent_at(Some(Rate::Quarter), slots, slot, &mut seen);
    });
    // One change more, and then nothing: no stride ends, or its region is slow.
    slots.update(&update(1, 8, 9, "d9", ""));
    let mut waited = 0;
    while seen == Some(8) && waited < 100 {
        sent_at(Some(Rate::Quarter), &mut slots, slot, &mut seen);
        slots.now += 1;
        waited += 1;
    }
    assert_eq!((seen, waited), (Some(9), 4 + 2 + 2));
}

#[test]
fn strides_help_who_is_behind_and_are_bounded() {
    let mut slots = Slots::default();
    let slot = slots.enter(key(1));
    slots.update(&update(1, 0, 1, "", "F1"));
    let mut seen = Some(4);
    strides(&mut slots, 18, |_, _| {});
    // Fourteen ticks: more than deltas are kept.
    assert_eq!(sent(&mut slots, slot, &mut seen), "s8 s12 s16 d17 d18");
    let mut seen = Some(4);
    let mut slots = Slots::default();
    let slot = slots.enter(key(1));
    slots.update(&update(1, 0, 1, "", "F1"));
    strides(&mut slots, 41, |_, _| {});
    slots.wants.clear();
    assert_eq!(sent(&mut slots, slot, &mut seen), "");
    assert_eq!(slots.wants, [(key(1), true)], "the full cell is asked for");
}

#[test]
fn a_gap_in_the_versions_is_asked_about() {
    let mut slots = Slots::default();
    let slot = slots.enter(key(1));
    let mut seen = None;
    slots.update(&update(1, 0, 1, "", "F1"));
    assert_eq!(sent(&mut slots, slot, &mut seen), "F1");
    slots.wants.clear();
    slots.update(&update(1, 2, 3, "d3", ""));
    assert_eq!(slots.wants, [(key(1), true)]);
    assert_eq!(sent(&mut slots, slot, &mut seen), "");
    slots.update(&update(1, 3, 4, "d4", "F4"));
    assert_eq!(sent(&mut slots, slot, &mut seen), "F4");
}

#[test]
fn the_last_who_leaves_a_cell_ends_its_subscription() {
    let mut slots = Slots::default();
    let first = slots.enter(key(1));
    let second = slots.enter(key(1));
    assert_eq!(first, second);
    slots.leave(first);
    assert_eq!(slots.wants, [(key(1), true)]);
    slots.leave(second);
    assert_eq!(slots.wants, [(key(1), true), (key(1), false)]);
    slots.update(&update(1, 0, 1, "", "F1"));
    slots.enter(key(2));
    let again = slots.enter(key(1));
    assert_eq!(sent(&mut slots, again, &mut None), "", "it begins anew");
}

/// A region's new actor knows none of those who listened to the one before.
#[test]
fn a_region_made_anew_is_asked_for_its_cells_again() {
    let host = void::host();
    let hub: Rc<HubCore<Void>> = HubCore::new(std::sync::Arc::clone(&host));
    let placement = host.directory.placement();
    let region = placement.at(Home(0));
    let slot = hub.slots.borrow_mut().enter(key(0));
    hub.tick();
    assert_eq!(
        region
            .take_interest()
            .into_iter()
            .map(|(key, want)| (key, want.hears))
            .collect::<Vec<_>>(),
        [((0, key(0)), true)]
    );
    let tell = |generation, updates| {
        let tick = RegionTick {
            region: region.id,
            generation,
            updates,
        };
        hub.door.door.take_tick(std::sync::Arc::new(tick));
        hub.tick();
    };
    tell(1, vec![update(0, 0, 1, "", "F1")]);
    assert!(region.take_interest().is_empty());
    tell(2, Vec::new());
    assert_eq!(
        region
            .take_interest()
            .into_iter()
            .map(|(key, want)| (key, want.hears))
            .collect::<Vec<_>>(),
        [((0, key(0)), true)]
    );
    let mut seen = Some(1);
    let slots = &mut hub.slots.borrow_mut();
    assert_eq!(
        sent(slots, slot, &mut seen),
        "",
        "nothing until it has answered"
    );
}

/// How far a client is shown cells at the most: the view, what is added before a cell is left, and a
/// stride that may be left out of a look.
const SHOWN: f64 = 96.0 * LEAVE + STRIDE;

/// Somebody who walks, and what is sent to a client that keeps what it is told.
#[derive(Default)]
struct Walker {
    sight: Sight,
    at: Point,
    knows: std::collections::BTreeSet<u64>,
}

impl Walker {
    fn look(&mut self, map: &Map, slots: &mut Slots) -> Result<(), TestCaseError> {
        let forget = self.sight.follow(self.at, (map, 96.0), CODEC, slots);
        for cell in forget {
            prop_assert!(
                self.knows.remove(&cell),
                "{} is forgotten, but was not known",
                cell
            );
        }
        Ok(())
    }

    fn read(&mut self, map: &Map, slots: &mut Slots) -> Result<(), TestCaseError> {
        let mut parts = Vec::new();
        self.sight.catch_up(slots, &mut parts);
        for part in parts {
            let cell: u64 = std::str::from_utf8(&part).unwrap().parse().unwrap();
            self.knows.insert(cell);
        }
        for cell in &self.knows {
            let far = map.distance_to_cell(self.at, Home(*cell));
            prop_assert!(far <= SHOWN, "cell {} is {} m away", cell, far);
        }
        let near = map.cells_within(self.at, 96.0 - STRIDE);
        for cell in near {
            prop_assert!(
                self.knows.contains(&cell.0),
                "{:?} is near, and not shown",
                cell
            );
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever ways sessions take, and however seldom they read, no frame holds a cell that is out
    /// of view, nor does a client keep one: nobody is told what is behind the hill.
    #[test]
    fn nothing_out_of_view_is_shown_on_any_walk(
        steps in proptest::collection::vec(
            (0..3_usize, -9.0..9.0_f64, -9.0..9.0_f64, 0..20_u8, any::<bool>()), 1..150),
    ) {
        let map = Map::square(1024.0);
        let mut slots = Slots::default();
        let mut walkers: [Walker; 3] = Default::default();
        for walker in &mut walkers {
            walker.at = Point::new(500.0, 500.0);
        }
        for (who, dx, dy, jump, reads) in steps {
            let walker = &mut walkers[who];
            let far = if jump == 0 { 40.0 } else { 1.0 };
            let to = Point::new(walker.at.x + dx * far, walker.at.y + dy * far);
            walker.at = map.clamp(to);
            slots.now += 1;
            walker.look(&map, &mut slots)?;
            // Regions answer: of each cell that is wanted, all there is in it, and then a change.
            for (key, wanted) in mem::take(&mut slots.wants) {
                if wanted {
                    let (now, text) = (slots.now, key.cell.0.to_string());
                    slots.update(&update(key.cell.0, now, now, "", &text));
                    slots.update(&update(key.cell.0, now, now + 1, &text, ""));
                }
            }
            if reads {
                walker.read(&map, &mut slots)?;
            }
        }
    }
}
