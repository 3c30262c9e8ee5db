//! Lives here: what must hold in the meadow whatever players do, however it is cut into regions.
//! Not here: the single rules (`rules`).

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use meadow::{Command, Meadow, SPEED, Sheep, VILLAGE_NAMES, VILLAGES};
use proptest::prelude::*;
use world_data::{Call, Class, Task, World};

use crate::stage::Stage;

const PLAYERS: [&str; 3] = ["ann", "bob", "eve"];
const COINS: [&str; 6] = ["c0", "c1", "c2", "c3", "c4", "c5"];
/// The middle of the map, where regions meet.
const MIDDLE: f64 = 1024.0;

fn action() -> impl Strategy<Value = String> {
    let player = || proptest::sample::select(&PLAYERS[..]);
    let amount = -1..6_i32;
    let place = || (-12..12_i32).prop_map(|metres| MIDDLE + f64::from(metres));
    prop_oneof![
        4 => (player(), proptest::sample::select(&COINS[..]))
            .prop_map(|(who, coin)| format!(r#"{who} {{"pick": @{coin}}}"#)),
        2 => (player(), amount.clone(), proptest::sample::select(&COINS[..]))
            .prop_map(|(who, gold, _)| format!(r#"{who} {{"drop": {{"gold": {gold}}}}}"#)),
        3 => (player(), player(), amount)
            .prop_map(|(who, to, gold)| format!(r#"{who} {{"give": {{"to": @{to}, "gold": {gold}}}}}"#)),
        4 => (player(), place(), place())
            .prop_map(|(who, x, y)| format!(r#"{who} steers {{"go": [{x}, {y}]}}"#)),
        1 => player().prop_map(|who| format!(r#"{who} {{"say": "hello"}}"#)),
        1 => player().prop_map(|who| format!(r#"{who} "me""#)),
        1 => player().prop_map(|who| format!("{who} hears")),
        1 => player().prop_map(|who| format!("near {who}")),
        1 => player().prop_map(|who| format!("{who} enters")),
        3 => Just("wait 1".to_owned()),
        1 => Just("census".to_owned()),
    ]
}

/// Plays the actions; returns what came of each, and the gold that the census counts after each.
fn play(actions: &[String], regions: usize) -> Vec<String> {
    let mut stage = Stage::new(Meadow::bare(), regions);
    for (n, who) in PLAYERS.iter().enumerate() {
        stage.play(&format!("{who} at {} {MIDDLE}", MIDDLE + n as f64));
    }
    for (n, coin) in COINS.iter().enumerate() {
        let (x, y) = (MIDDLE - 8.0 + 3.0 * n as f64, MIDDLE + 5.0 - 2.0 * n as f64);
        stage.play(&format!("coin {coin} of {} at {x} {y}", n + 1));
    }
    let gold = r#"{"gold":21,"players":3}"#;
    assert_eq!(stage.play("census"), gold);
    let mut transcript = Vec::new();
    for action in actions {
        transcript.push(format!("{action} -> {}", stage.play(action)));
        assert_eq!(stage.play("census"), gold, "after {action}");
    }
    transcript
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// G6, as far as regions stand still: place changes nothing. And gold is neither made nor lost.
    #[test]
    fn the_number_of_regions_changes_nothing(
        actions in proptest::collection::vec(action(), 1..40),
    ) {
        let one = play(&actions, 1);
        prop_assert_eq!(&play(&actions, 4), &one);
        prop_assert_eq!(&play(&actions, 16), &one);
    }

    #[test]
    fn nobody_is_faster_than_the_limit(
        targets in proptest::collection::vec((any::<u8>(), -500.0..2500.0, -500.0..2500.0), 1..60),
    ) {
        let mut stage = Stage::new(Meadow::bare(), 16);
        stage.play("ann at 1000 1000");
        let mut last = stage.position("ann");
        for (inputs, x, y) in targets {
            // Many inputs in one tick are not faster than one.
            for n in 0..inputs % 4 {
                stage.play(&format!(r#"ann steers {{"go": [{x}, {}]}}"#, y + f64::from(n)));
            }
            stage.tick();
            let now = stage.position("ann");
            prop_assert!(last.distance(now) <= SPEED / 20.0 + 1e-9, "{:?} {:?}", last, now);
            prop_assert!((0.0..2048.0).contains(&now.x) && (0.0..2048.0).contains(&now.y));
            last = now;
        }
    }
}

#[test]
fn a_sheep_flees_from_a_player_and_grazes_when_left_alone() {
    let mut stage = Stage::new(Meadow::bare(), 1);
    stage.play("sheep s at 500 500");
    stage.play("wait 5");
    let grazing = stage.position("s");
    stage.play(&format!("ann at {} {}", grazing.x - 3.0, grazing.y));
    stage.play("wait 3");
    let (ann, fled) = (stage.position("ann"), stage.position("s"));
    assert!(ann.distance(fled) > 8.0, "{ann:?} {fled:?}");
    assert!(fled.x > grazing.x, "away from her, not past her");
    stage.play("ann leaves");
    stage.play("ann2 at 1500 1500");
    stage.play("wait 60");
    let later = stage.position("s");
    assert!(
        fled.distance(later) < 60.0,
        "it strolls, it does not run: {fled:?} {later:?}"
    );
}

/// Sheep of the fair can't flee. They are afraid while somebody is among them, as long as it lasts.
#[test]
fn the_sheep_of_a_fair_stay_and_watch_whoever_comes() {
    let world = Meadow {
        fair: 200,
        ..Meadow::bare()
    };
    let mut stage = Stage::new(world, 1);
    let well = VILLAGES[4];
    let herd = |stage: &mut Stage| {
        let herd = stage.task(|_, task| {
            let (mut places, mut scared) = (Vec::new(), 0);
            task.nearby(well, 100.0, |entity| {
                if let Some(sheep) = entity.get::<Sheep>() {
                    places.push((
                        entity.id(),
                        entity.at().x.to_bits(),
                        entity.at().y.to_bits(),
                    ));
                    scared += u32::from(sheep.scared);
                }
            })?;
            places.sort();
            Ok((places, scared))
        });
        herd.unwrap()
    };
    stage.play("wait 3");
    let (places, scared) = herd(&mut stage);
    assert_eq!((places.len(), scared), (200, 0));
    stage.play(&format!("ann at {} {}", well.x + 10.0, well.y));
    stage.play("wait 2");
    let (now, scared) = herd(&mut stage);
    assert_eq!(now, places, "they can't run");
    assert!((1..200).contains(&scared), "{scared} have seen her");
    stage.play("ann leaves");
    stage.play("wait 1");
    assert_eq!(herd(&mut stage), (places, 0));
}

#[test]
fn newcomers_begin_in_the_village_that_their_name_asks_for() {
    let mut stage = Stage::new(Meadow::bare(), 4);
    for (village, well) in VILLAGE_NAMES.iter().zip(VILLAGES) {
        for friend in ["ann", "bob@home", "eve"] {
            let name = format!("{friend}@{village}");
            stage.play(&format!("{name} enters"));
            assert!(stage.position(&name).distance(well) < 30.0, "{name}");
        }
    }
    // What is no village's name asks for none.
    stage.play("ann@Nowhere enters");
}

/// Where regions meet, sheep saw nobody who came from the other side.
#[test]
fn a_sheep_flees_from_a_player_in_another_region() {
    // Four regions on the map, which meet at 1,024 m.
    let mut stage = Stage::new(Meadow::bare(), 5);
    stage.play(&format!("sheep s at {} 500", MIDDLE + 1.0));
    stage.play(&format!("ann at {} 500", MIDDLE - 2.0));
    for _ in 0..40 {
        stage.tick_by_turns();
    }
    let fled = stage.position("s");
    assert!(fled.x > MIDDLE + 5.0, "east, away from her: {fled:?}");
}

#[test]
fn a_wolf_chases_a_sheep_and_lets_it_go() {
    let mut stage = Stage::new(Meadow::bare(), 1);
    stage.play("sheep s at 500 500");
    stage.play("wolf w at 520 500");
    let before = stage.position("s");
    let mut nearest = f64::MAX;
    for _ in 0..20 * 60 {
        stage.tick();
        let (wolf, sheep) = (stage.position("w"), stage.position("s"));
        nearest = nearest.min(wolf.distance(sheep));
    }
    let after = stage.position("s");
    assert!(
        before.distance(after) > 10.0,
        "the sheep ran: {before:?} {after:?}"
    );
    assert!(nearest < 1.5, "the wolf got it: {nearest}");
}

#[test]
fn the_same_ticks_make_the_same_meadow_however_it_is_cut() {
    let herd = |regions| {
        let world = Meadow {
            sheep: 300,
            wolves: 3,
            ..Meadow::bare()
        };
        let mut stage = Stage::new(world, regions);
        stage.play("ann at 1024 1024");
        stage.play("wait 20");
        stage.task(|_, task| {
            let mut places = Vec::new();
            let middle = world_data::Point::new(MIDDLE, MIDDLE);
            task.nearby(middle, 2048.0, |entity| {
                places.push((
                    entity.id(),
                    entity.at().x.to_bits(),
                    entity.at().y.to_bits(),
                ));
            })?;
            places.sort();
            Ok(places)
        })
    };
    let first = herd(1).unwrap();
    assert_eq!(first.len(), 304);
    for regions in [1, 5, 18] {
        assert_eq!(first, herd(regions).unwrap(), "{regions} regions");
    }
}

#[test]
fn genesis_makes_the_whole_meadow_and_its_gold_is_known() {
    let mut stage = Stage::new(Meadow::default(), 16);
    stage.play("ann enters");
    let census = stage.play("census");
    assert_eq!(census, r#"{"gold":8958,"players":1}"#);
    assert_eq!(stage.purse("ann"), 0);
    let home = stage.position("ann");
    let village = meadow::VILLAGES
        .iter()
        .map(|well| well.distance(home))
        .fold(f64::MAX, f64::min);
    assert!(village < 40.0, "players begin in a village");
}

/// A tick looks at a walker and then takes her over the border by a task of its own. Gold that was
/// given in between was overwritten by what the tick had seen.
#[test]
fn gold_given_to_a_walker_on_a_border_is_not_lost() {
    /// So many gifts at least, and so many crossings, each while gifts go on; or all there is.
    const ENOUGH: u64 = 1500;
    const CROSSINGS: u32 = 12;
    const GOLD: u64 = 1_000_000;
    let mut stage = Stage::new(Meadow::bare(), 5);
    stage.play("ann at 1023.9 500");
    stage.play("bob at 100 100");
    stage.play(&format!("coin c of {GOLD} at 100 100"));
    stage.play(r#"bob {"pick": @c}"#);
    let to = stage.id("ann").raw();
    let (engine, bob) = stage.understudy("bob");
    let (done, crossings) = (AtomicBool::new(false), AtomicU32::new(0));
    let crossed = || crossings.load(Ordering::Relaxed);
    let given = std::thread::scope(|scope| {
        let giver = scope.spawn(|| {
            let (mut worker, world, mut given) = (engine.worker(), Meadow::bare(), 0);
            let call = Call {
                kind: "command",
                class: Class::Durable,
                origin: &"a test",
            };
            let give = Command::Give { to, gold: 1 };
            for n in 0..GOLD {
                if n > ENOUGH && crossed() >= CROSSINGS {
                    break;
                }
                let body = |task: &mut Task<'_>| world.command(task, &bob, &give);
                // The stage's clock jumps, so a gift may exceed its time; then it leaves no trace.
                given += u64::from(worker.execute(call, body, |_| None).fault.is_none());
            }
            done.store(true, Ordering::Relaxed);
            given
        });
        let mut east = false;
        while !done.load(Ordering::Relaxed) {
            // She arrives in one step, beyond the border, which changes her and moves her.
            east = !east;
            stage.play(&format!(
                r#"ann steers {{"go": [{}, 500]}}"#,
                if east { 1024.1 } else { 1023.9 }
            ));
            let before = stage.position("ann").x < 1024.0;
            stage.tick();
            let over = before != (stage.position("ann").x < 1024.0);
            crossings.fetch_add(u32::from(over), Ordering::Relaxed);
        }
        giver.join().unwrap()
    });
    assert!(given > ENOUGH / 2, "{given} were given");
    assert!(crossed() >= CROSSINGS, "she crossed {} times", crossed());
    assert_eq!(
        (stage.purse("ann"), stage.purse("bob")),
        (given, GOLD - given)
    );
}
