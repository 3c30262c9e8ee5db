//! What a hub knows of cells, step by step.

use std::rc::Rc;

use super::*;
use crate::hub::HubCore;
use crate::region::RegionTick;
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
    }
}

/// What a session that has version `seen` is sent.
fn sent(slots: &mut Slots, slot: usize, seen: &mut Option<u64>) -> String {
    let mut parts = Vec::new();
    slots.catch_up(slot, seen, &mut parts);
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
