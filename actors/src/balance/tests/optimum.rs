//! Lives here: the offline optimum: the lowest load that the hottest thread can have. Exhaustive for
//! few regions, else longest first and then improved until no move or exchange helps.

/// The most regions for which all placements are tried.
const EXHAUSTIVE: usize = 12;

/// The load of the hottest thread in the best placement of `loads` on `workers`.
pub(super) fn hottest(loads: &[f64], workers: usize) -> f64 {
    let mut loads = loads.to_vec();
    loads.sort_by(|a, b| b.total_cmp(a));
    let mut best = improved(&loads, workers);
    if loads.len() <= EXHAUSTIVE {
        exhaust(&loads, &mut vec![0.0; workers], &mut best);
    }
    best
}

/// Tries all placements of the rest of the loads, but for those that can't be better.
fn exhaust(loads: &[f64], threads: &mut Vec<f64>, best: &mut f64) {
    let Some((load, rest)) = loads.split_first() else {
        *best = threads.iter().copied().fold(0.0, f64::max).min(*best);
        return;
    };
    for thread in 0..threads.len() {
        // Empty threads are alike: the first one stands for all.
        let is_again = threads[..thread].contains(&threads[thread]);
        if is_again || threads[thread] + load >= *best {
            continue;
        }
        threads[thread] += load;
        exhaust(rest, threads, best);
        threads[thread] -= load;
    }
}

fn improved(loads: &[f64], workers: usize) -> f64 {
    let mut threads = vec![0.0; workers];
    let mut place = vec![0; loads.len()];
    for (at, load) in loads.iter().enumerate() {
        let coolest = (0..workers).min_by(|a, b| f64::total_cmp(&threads[*a], &threads[*b]));
        place[at] = coolest.unwrap();
        threads[place[at]] += load;
    }
    while improve(loads, &mut threads, &mut place) {}
    threads.into_iter().fold(0.0, f64::max)
}

/// Takes one region off the hottest thread, or exchanges it for a lighter one.
fn improve(loads: &[f64], threads: &mut [f64], place: &mut [usize]) -> bool {
    let hottest = (0..threads.len())
        .max_by(|a, b| threads[*a].total_cmp(&threads[*b]))
        .unwrap();
    let high = threads[hottest];
    for at in 0..loads.len() {
        if place[at] != hottest {
            continue;
        }
        for to in (0..threads.len()).filter(|to| *to != hottest) {
            let back = (0..loads.len())
                .filter(|other| place[*other] == to)
                .map(Some);
            for back in std::iter::once(None).chain(back) {
                let shift = loads[at] - back.map_or(0.0, |back| loads[back]);
                if shift > 1e-9 && threads[to] + shift < high - 1e-9 {
                    threads[hottest] -= shift;
                    threads[to] += shift;
                    place[at] = to;
                    if let Some(back) = back {
                        place[back] = hottest;
                    }
                    return true;
                }
            }
        }
    }
    false
}

#[test]
fn the_optimum_is_what_one_finds_by_hand() {
    let near = |loads: &[f64], workers, expected: f64| {
        let found = hottest(loads, workers);
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    };
    near(&[0.5, 0.5, 0.3, 0.2], 2, 0.8);
    near(&[0.5, 0.4, 0.3, 0.3, 0.3], 2, 0.9);
    near(&[0.9, 0.1, 0.1], 3, 0.9);
    near(&[], 2, 0.0);
}
