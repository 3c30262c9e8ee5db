//! The ladder alone: fed with strains, looked at as the supervisor does, once per second.

use proptest::prelude::*;

use super::*;

const ALL_OF_IT: Strain = Strain {
    used: 1.0,
    lower: 1.0,
    helps: true,
    relief: false,
};
const NOTHING: Strain = Strain {
    used: 0.05,
    lower: 0.06,
    helps: true,
    relief: false,
};
/// Too much to go down, too little to go up.
const ENOUGH: Strain = Strain {
    used: 0.75,
    lower: 0.9,
    helps: true,
    relief: false,
};
const TOP: usize = 8;

/// Looks each second from second 1 on at what `strain` says of the rung stood on; gives the seconds
/// and the steps.
fn run(
    ladder: &mut Ladder,
    seconds: std::ops::RangeInclusive<u64>,
    mut strain: impl FnMut(usize) -> Strain,
) -> Vec<(u64, Turn)> {
    let settings = LadderSettings::default();
    let mut steps = Vec::new();
    for second in seconds {
        let strain = strain(ladder.rung());
        let at = Duration::from_secs(second);
        let turn = ladder.look(at, strain, TOP, &settings);
        steps.extend(turn.map(|turn| (second, turn)));
    }
    steps
}

#[test]
fn too_much_for_three_seconds_is_a_rung_and_little_for_ten_is_one_back() {
    let mut ladder = Ladder::default();
    assert_eq!(run(&mut ladder, 0..=2, |_| ALL_OF_IT), []);
    assert_eq!(
        run(&mut ladder, 3..=7, |_| ALL_OF_IT),
        [(3, Turn::Up), (6, Turn::Up)]
    );
    assert_eq!(run(&mut ladder, 8..=60, |_| ENOUGH), []);
    let steps = run(&mut ladder, 61..=100, |_| NOTHING);
    assert_eq!(steps, [(70, Turn::Down), (80, Turn::Down)]);
}

#[test]
fn a_second_that_is_enough_begins_the_time_anew() {
    let mut ladder = Ladder::default();
    for second in 0..60 {
        let strain = if second % 3 == 2 { ENOUGH } else { ALL_OF_IT };
        assert_eq!(run(&mut ladder, second..=second, |_| strain), []);
    }
    let mut ladder = Ladder::at(3);
    for second in 0..60 {
        let strain = if second % 10 == 9 { ENOUGH } else { NOTHING };
        assert_eq!(run(&mut ladder, second..=second, |_| strain), []);
    }
}

#[test]
fn where_the_balancer_may_help_it_waits_and_not_for_ever() {
    let mut ladder = Ladder::default();
    let strain = Strain {
        relief: true,
        ..ALL_OF_IT
    };
    let steps = run(&mut ladder, 0..=26, |_| strain);
    assert_eq!(steps, [(13, Turn::Up), (26, Turn::Up)]);
}

#[test]
fn a_rung_that_would_not_help_is_not_taken_nor_one_above_the_top() {
    let useless = Strain {
        helps: false,
        ..ALL_OF_IT
    };
    assert_eq!(run(&mut Ladder::default(), 0..=60, |_| useless), []);
    let mut ladder = Ladder::default();
    let steps = run(&mut ladder, 0..=120, |_| ALL_OF_IT);
    assert_eq!((steps.len(), ladder.rung()), (TOP, TOP));
}

#[test]
fn a_rung_left_too_early_is_left_later_each_time() {
    // On the ground it is too much; one rung up it looks as if it were nothing.
    let deceiving = |rung| if rung == 0 { ALL_OF_IT } else { NOTHING };
    let mut ladder = Ladder::default();
    let steps = run(&mut ladder, 0..=3600, deceiving);
    let stays: Vec<u64> = steps
        .windows(2)
        .filter(|pair| pair[0].1 == Turn::Up)
        .map(|pair| pair[1].0 - pair[0].0)
        .collect();
    assert_eq!(stays[..5], [10, 20, 40, 80, 160]);
    assert!(stays[5..].iter().all(|stay| *stay == 160), "{stays:?}");
    // After ten minutes without need all is forgotten.
    let (begin, rung) = (3601, ladder.rung());
    run(&mut ladder, begin..=begin + 1200, |_| NOTHING);
    assert!(rung <= 1 && ladder.rung() == 0);
    let steps = run(&mut ladder, 5000..=5030, deceiving);
    assert_eq!(steps[1].0 - steps[0].0, 10, "{steps:?}");
}

#[test]
fn time_slows_by_steps_down_to_the_least() {
    assert!(DILATIONS.is_sorted_by(|a, b| a > b));
    let no_leap = |pair: &[f64]| pair[1] / pair[0] > 0.7;
    assert!(DILATIONS.windows(2).all(no_leap), "a step is no leap");
    assert_eq!(
        (dilation(0, 0.1), dilation(8, 0.1), dilation(99, 0.1)),
        (1.0, 0.1, 0.1)
    );
    assert_eq!((slowest(0.1), slowest(0.0), slowest(1.0)), (8, 8, 0));
    assert_eq!((slowest(0.5), dilation(slowest(0.5), 0.5)), (3, 0.5));
}

/// A thread that would be used `demand` times over on the ground, and on each rung by what is left of
/// that; as much as it can be used is all that is measured.
#[derive(Debug, Clone)]
struct Thread {
    demand: f64,
    left: Vec<f64>,
    /// How far a measurement is off, at most, as a share.
    noise: f64,
    /// Whether what one rung lower costs is known, or guessed to be twice as much.
    knows: bool,
}

impl Thread {
    fn wants(&self, rung: usize) -> f64 {
        self.left[..rung].iter().product::<f64>() * self.demand
    }

    fn strain(&self, rung: usize, chance: f64) -> Strain {
        let off = 1.0 + self.noise * (chance * 2.0 - 1.0);
        let used = (self.wants(rung) * off).min(1.0);
        let factor = match rung {
            0 => 1.0,
            _ if self.knows => 1.0 / self.left[rung - 1],
            _ => 2.0,
        };
        Strain {
            used,
            lower: used * factor,
            helps: true,
            relief: false,
        }
    }
}

fn threads() -> impl Strategy<Value = Thread> {
    (
        0.0..12.0_f64,
        prop::collection::vec(0.05..1.0_f64, TOP),
        0.0..0.3_f64,
        any::<bool>(),
    )
        .prop_map(|(demand, left, noise, knows)| Thread {
            demand,
            left,
            noise,
            knows,
        })
}

fn reversals(steps: &[(u64, Turn)]) -> usize {
    steps
        .windows(2)
        .filter(|pair| pair[0].1 != pair[1].1)
        .count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever it is told, steps keep their distance: no burst of them.
    #[test]
    fn steps_keep_their_distance(
        seconds in prop::collection::vec((0.0..2.0_f64, 0.0..2.0_f64, any::<bool>(), any::<bool>()), 1..900),
    ) {
        let (mut ladder, mut at) = (Ladder::default(), 0);
        let mut steps: Vec<(u64, Turn)> = Vec::new();
        for (used, more, helps, relief) in seconds {
            let strain = Strain { used, lower: used + more, helps, relief };
            let rung = ladder.rung();
            steps.extend(run(&mut ladder, at..=at, |_| strain));
            prop_assert!(ladder.rung().abs_diff(rung) <= 1 && ladder.rung() <= TOP);
            at += 1;
        }
        for pair in steps.windows(2) {
            let least = if pair[1].1 == Turn::Up { 3 } else { 10 };
            prop_assert!(pair[1].0 - pair[0].0 >= least, "{steps:?}");
        }
    }

    /// A steady load, however its rungs answer: the ladder finds its place and then all but stays.
    #[test]
    fn a_steady_load_does_not_make_it_swing(thread in threads(), seed in any::<u64>()) {
        let (mut ladder, mut random) = (Ladder::default(), chances(seed));
        let steps = run(&mut ladder, 0..=3600, |rung| thread.strain(rung, random()));
        // 10, 20, 40, 80 and then 160 seconds on a rung, two reversals for each.
        prop_assert!(reversals(&steps) <= 2 * (4 + 3600 / 160), "{steps:?}");
        let late = steps.iter().filter(|(at, _)| *at > 600).count();
        prop_assert!(late <= 2 * (3000 / 160 + 1), "{steps:?}");
    }

    /// Where what a rung saves is known and measured well, nothing is ever taken back.
    #[test]
    fn what_is_known_is_never_taken_back(thread in threads()) {
        let thread = Thread { noise: 0.0, knows: true, ..thread };
        let mut ladder = Ladder::default();
        let steps = run(&mut ladder, 0..=900, |rung| thread.strain(rung, 0.5));
        prop_assert!(reversals(&steps) == 0, "{steps:?}");
    }

    /// When the crowd has gone, it is on the ground again, in bounded time.
    #[test]
    fn it_comes_down_when_the_crowd_has_gone(thread in threads(), seed in any::<u64>()) {
        let (mut ladder, mut random) = (Ladder::default(), chances(seed));
        run(&mut ladder, 0..=900, |rung| thread.strain(rung, random()));
        run(&mut ladder, 901..=901 + 160 * TOP as u64, |_| NOTHING);
        prop_assert_eq!(ladder.rung(), 0);
    }

    /// What is too much is left at the top, or not too much any more.
    #[test]
    fn it_climbs_until_it_is_enough(thread in threads()) {
        let thread = Thread { noise: 0.0, knows: true, ..thread };
        let mut ladder = Ladder::default();
        run(&mut ladder, 0..=120, |rung| thread.strain(rung, 0.5));
        let enough = thread.wants(ladder.rung()) <= 0.9;
        prop_assert!(enough || ladder.rung() == TOP, "{} of {thread:?}", ladder.rung());
    }
}

/// Numbers from 0 to 1 that look like chance, the same for the same seed.
fn chances(seed: u64) -> impl FnMut() -> f64 {
    use rand::{Rng, SeedableRng};
    let mut random = rand::rngs::SmallRng::seed_from_u64(seed);
    move || random.random()
}
