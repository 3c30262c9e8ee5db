//! Lives here: fair play, by itself: each rule's edge, and what cheaters can't gain by any timing.
//! Not here: fair play in a world (`worlds/meadow/tests/cheat.rs`).

use proptest::prelude::*;

use super::*;

const SPEED: Speed = Speed::new(6.0);

fn refused(rule: &str) -> Result<(), Stop> {
    Err(Stop::refused(rule))
}

fn x(metres: f64) -> Point {
    Point::new(metres, 0.0)
}

#[test]
fn steady_steps_are_free_of_debt_and_a_bunch_of_them_is_borrowed() {
    let (mut walk, mut at) = (Walk::default(), 0.0);
    let mut now = 1_000_000;
    let mut go = |walk: &mut Walk, ms: u64, metres: f64| {
        now += ms;
        walk.go(SPEED, x(at), x(at + metres), now)
            .map(|()| at += metres)
    };
    assert_eq!(
        go(&mut walk, 50, 1.5),
        Ok(()),
        "who comes has a gap's worth"
    );
    for _ in 0..100 {
        assert_eq!(go(&mut walk, 50, 0.3), Ok(()));
        assert!(walk.debt_ms() < 1e-6, "{walk:?}");
    }
    // The network held four of them back: they come at once with the fifth.
    for ms in [250, 0, 0, 0, 0] {
        assert_eq!(go(&mut walk, ms, 0.3), Ok(()));
    }
    assert!(walk.debt_ms() < 1e-6, "{walk:?}");
    // Four too early are borrowed, a fifth is not.
    for _ in 0..4 {
        assert_eq!(go(&mut walk, 0, 0.299), Ok(()));
    }
    assert_eq!(go(&mut walk, 0, 0.299), refused(TOO_FAST));
    // At full speed the debt stays, so nothing more can be borrowed; slower steps repay it.
    for _ in 0..10 {
        assert_eq!(go(&mut walk, 50, 0.3), Ok(()));
        assert!(walk.debt_ms() > 199.0, "{walk:?}");
    }
    for _ in 0..8 {
        assert_eq!(go(&mut walk, 50, 0.15), Ok(()));
    }
    assert!(walk.debt_ms() < 1.0, "{walk:?}");
}

#[test]
fn nobody_saves_up_steps_or_goes_where_there_is_no_place() {
    let mut walk = Walk::default();
    assert_eq!(walk.go(SPEED, x(0.0), x(0.3), 1_000), Ok(()));
    // A minute's rest is worth no more than the longest gap.
    let most = SPEED.metres((GAP_MS + JITTER_MS) as f64 / 1_000.0);
    let rested = walk;
    assert_eq!(
        walk.go(SPEED, x(0.3), x(0.3 + most + 0.01), 61_000),
        refused(TOO_FAST)
    );
    assert_eq!(walk, rested, "what is refused changes nothing");
    assert_eq!(walk.go(SPEED, x(0.3), x(0.3 + most - 0.01), 61_000), Ok(()));
    for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX] {
        assert_eq!(
            walk.go(SPEED, x(0.0), x(wrong), 90_000),
            refused(TOO_FAST),
            "{wrong}"
        );
        assert_eq!(
            Reach::new(3.0).check(x(0.0), x(wrong)),
            refused(TOO_FAR),
            "{wrong}"
        );
    }
    // A clock that is set back earns nothing, and breaks nothing.
    assert_eq!(walk.go(SPEED, x(0.0), x(0.9), 500), refused(TOO_FAST));
}

#[test]
fn reach_and_cooldown_have_sharp_edges() {
    let reach = Reach::new(3.0);
    assert_eq!(reach.check(x(1.0), x(4.0)), Ok(()));
    assert_eq!(reach.check(x(1.0), x(4.001)), refused(TOO_FAR));
    let mut potion = Cooldown::default();
    assert_eq!(potion.take(500, 1_000), Ok(()));
    assert_eq!(
        (potion.take(500, 1_499), potion.left_ms(1_499)),
        (refused(TOO_SOON), 1)
    );
    assert_eq!(potion.take(500, 1_500), Ok(()));
    assert_eq!(potion.take(u64::MAX, 2_000), Ok(()), "never again");
    assert_eq!(potion.take(1, u64::MAX - 1), refused(TOO_SOON));
}

#[test]
fn each_kind_of_message_has_its_own_bucket_and_full_ones_are_forgotten() {
    let rate = |each_ms, burst| Rate { each_ms, burst };
    let rates = [("say", rate(1_000, 3)), ("pick", rate(100, 1))];
    let mut kept = Allowances::default();
    let said = (0..10)
        .filter(|_| kept.take(&rates, "say", 5_000).is_ok())
        .count();
    assert_eq!(said, 3);
    assert_eq!(kept.take(&rates, "pick", 5_000), Ok(()));
    assert_eq!(kept.take(&rates, "pick", 5_099), refused(TOO_MANY));
    assert_eq!(kept.take(&rates, "say", 5_999), refused(TOO_MANY));
    assert_eq!(kept.take(&rates, "say", 6_000), Ok(()));
    for n in 0..100 {
        assert_eq!(
            kept.take(&rates, &format!("k{n}"), 6_000),
            Ok(()),
            "unnamed kinds are free"
        );
    }
    assert_eq!(kept.0.len(), 1, "pick is full again: {kept:?}");
    assert_eq!(kept.take(&rates[1..], "pick", 6_000), Ok(()));
    assert_eq!(
        kept.0.keys().collect::<Vec<_>>(),
        ["pick"],
        "say is limited no more"
    );
}

#[test]
fn what_is_kept_is_read_again() {
    let mut walk = Walk::default();
    walk.go(SPEED, x(0.0), x(0.9), 7).unwrap();
    let text = serde_json::to_string(&walk).unwrap();
    assert_eq!(serde_json::from_str::<Walk>(&text).unwrap(), walk);
    assert_eq!(
        serde_json::from_str::<Walk>("{}").unwrap(),
        Walk::default(),
        "objects that are older than the rule"
    );
}

proptest! {
    /// Whatever he claims and when, a cheater is nowhere faster than an honest walker, but for what
    /// jitter and a gap are worth, once.
    #[test]
    fn no_timing_of_claims_is_faster_than_walking(
        claims in proptest::collection::vec((0..400_u64, 0.0..4.0_f64, any::<bool>()), 1..200),
    ) {
        let (mut walk, mut at, mut now) = (Walk::default(), 0.0, 1_000_000_u64);
        let mut been = vec![(now, at)];
        for (ms, metres, greedy) in claims {
            now += ms;
            if greedy {
                at = walk.towards(SPEED, x(at), x(at + 1_000.0), now).x;
            } else if walk.go(SPEED, x(at), x(at + metres), now).is_ok() {
                at += metres;
            }
            prop_assert!(walk.debt_ms() <= JITTER_MS as f64);
            been.push((now, at));
        }
        for (i, (from_ms, from)) in been.iter().enumerate() {
            for (to_ms, to) in &been[i..] {
                let seconds = (to_ms - from_ms + JITTER_MS + GAP_MS) as f64 / 1_000.0;
                prop_assert!(to - from <= SPEED.metres(seconds) + 1e-6, "{} in {}", to - from, seconds);
            }
        }
    }

    /// An honest client, whose steps are delayed by up to the jitter and come in order, is never refused.
    #[test]
    fn honest_steps_are_taken_whatever_the_network_does(
        delays in proptest::collection::vec(0..JITTER_MS, 1..300),
    ) {
        let (mut walk, mut arrived) = (Walk::default(), 0);
        for (n, delay) in delays.into_iter().enumerate() {
            arrived = arrived.max(1_000_000 + n as u64 * 50 + delay);
            let at = 0.3 * n as f64;
            prop_assert_eq!(walk.go(SPEED, x(at), x(at + 0.3), arrived), Ok(()), "step {}", n);
        }
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate(
        waits in proptest::collection::vec(0..700_u64, 1..200),
    ) {
        let rate = Rate { each_ms: 250, burst: 4 };
        let (mut tokens, mut now, mut taken) = (Tokens::default(), 1_000, 0_u64);
        for wait in waits {
            now += wait;
            taken += u64::from(tokens.take(rate, now).is_ok());
            prop_assert!(taken <= 4 + (now - 1_000) / 250);
        }
        now += 1_000;
        prop_assert!(tokens.is_full(now) && tokens.take(rate, now).is_ok());
    }
}
