//! Lives here: bots that cheat as well as they can, and gain nothing by it.
//! Not here: the single rules (`rules`), fair play by itself (`world-data`, `fair`).

use std::collections::BTreeMap;

use meadow::{Meadow, REACH, SPEED};
use proptest::prelude::*;

use crate::stage::Stage;

/// Where both begin: each in the middle of the same coins.
const START: f64 = 1000.0;
/// Metres between two coins of the row.
const APART: f64 = 4.0;
const COINS: usize = 6;

/// What a cheat tries, over and over, besides walking.
const TRICKS: [&str; 14] = [
    r#"eve steers {"go": [1e308, 1000]}"#,
    r#"eve steers {"go": [1400, 1000]}"#,
    r#"eve {"drop": {"gold": -5}}"#,
    r#"eve {"drop": {"gold": 9223372036854775807}}"#,
    r#"eve {"give": {"to": @ann, "gold": -5}}"#,
    r#"eve {"give": {"to": @eve, "gold": 1}}"#,
    r#"eve {"give": {"to": @far, "gold": 1}}"#,
    r#"eve {"pick": @ann}"#,
    r#"eve {"pick": @far}"#,
    r#"eve {"pick": 0}"#,
    r#"eve {"pick": 18446744073709551615}"#,
    r#"eve {"say": ""}"#,
    r"eve enters",
    r"eve hears",
];

/// A row of coins to the east, and one that nobody comes near to.
fn row(who: &str) -> Stage {
    let mut stage = Stage::new(Meadow::bare(), 16);
    stage.play("ann at 500 500");
    stage.play(&format!("{who} at {START} {START}"));
    for n in 0..COINS {
        let x = START + APART * (n + 1) as f64;
        stage.play(&format!("coin c{n} of 1 at {x} {START}"));
    }
    stage.play("coin far of 1000 at 1900 1900");
    stage
}

/// Which coin was picked up in which tick, walking east at full speed and reaching for all of them in
/// each tick, with `tricks` in between.
fn gathered(who: &str, tricks: &[usize], ticks: usize) -> BTreeMap<String, usize> {
    let mut stage = row(who);
    let mut got = BTreeMap::new();
    stage.play(&format!(r#"{who} steers {{"go": [1400, {START}]}}"#));
    for tick in 0..ticks {
        for trick in tricks {
            stage.play(TRICKS[(trick + tick) % TRICKS.len()]);
        }
        for n in 0..COINS {
            let outcome = stage.play(&format!(r#"{who} {{"pick": @c{n}}}"#));
            if outcome == r#"{"gold":1}"# {
                assert!(got.insert(format!("c{n}"), tick).is_none(), "picked twice");
            }
        }
        assert_eq!(
            stage.play("census"),
            format!(r#"{{"gold":{},"players":2}}"#, COINS + 1000)
        );
        stage.tick();
    }
    let way = stage.position(who).x - START;
    assert!(way <= SPEED * ticks as f64 / 20.0 + 1e-9, "{way} m");
    got
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_cheat_gathers_nothing_sooner_than_who_plays_fair(
        tricks in proptest::collection::vec(0..TRICKS.len(), 1..6),
    ) {
        let fair = gathered("bob", &[], 60);
        prop_assert_eq!(fair.len(), 5, "within reach after three seconds: {:?}", &fair);
        prop_assert_eq!(fair["c0"], ((APART - REACH) / SPEED * 20.0).ceil() as usize);
        let cheat = gathered("eve", &tricks, 60);
        for (coin, tick) in &cheat {
            prop_assert!(fair.get(coin).is_some_and(|soonest| tick >= soonest), "{} in {}", coin, tick);
        }
    }
}
