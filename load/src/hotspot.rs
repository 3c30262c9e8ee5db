//! Lives here: hot spots of a run: when a thread had too much to do while others could have helped, and
//! how long it took until the load was spread.
//! Not here: asking the server (`status`), the seconds of a run (`timeline`).

/// A thread over this share of its time is busy, and a spread over this one uneven: the thresholds
/// at which the supervisor moves regions.
pub(crate) const BUSY: f64 = 0.7;
pub(crate) const UNEVEN: f64 = 1.25;
/// Seconds that must be hot in a row: one alone is noise.
const BEGINS: usize = 2;
/// Seconds in a row after which a hot spot is over; it ended with the first of them.
const ENDS: usize = 3;

/// A time in which a thread was busy beside others that were not.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct HotSpot {
    /// When it began, in seconds since measuring did.
    pub(crate) from: f64,
    /// For how many seconds it lasted.
    pub(crate) lasted: f64,
    /// Whether it was over before the run was.
    pub(crate) over: bool,
    /// The busiest thread over the mean, at most.
    pub(crate) spread: f64,
}

impl HotSpot {
    /// The hot spot in words.
    pub(crate) fn words(&self) -> String {
        let Self {
            from,
            lasted,
            over,
            spread,
        } = self;
        let end = if *over {
            "balanced after"
        } else {
            "not balanced within"
        };
        format!("from {from:.0} s on, up to {spread:.2} of the mean, {end} {lasted:.1} s")
    }
}

/// The busiest over the mean of all; none when nobody works.
pub(crate) fn spread(workers: &[f64]) -> Option<f64> {
    let mean = workers.iter().sum::<f64>() / workers.len() as f64;
    let most = workers.iter().copied().max_by(f64::total_cmp)?;
    (mean > 0.0).then(|| most / mean)
}

/// Slowing time down makes a thread less busy, and spreads nothing.
fn is_hot(workers: &[f64], dilation: f64) -> bool {
    let busiest = workers.iter().copied().fold(0.0, f64::max);
    busiest > BUSY * dilation && spread(workers).is_some_and(|spread| spread > UNEVEN)
}

/// Finds the hot spots in the seconds of a run: when each ended, how busy its threads were, and the
/// slowest region's world time per real time. What nobody told of is neither hot nor over.
pub(crate) fn find<'a>(seconds: impl Iterator<Item = (f64, &'a [f64], f64)>) -> Vec<HotSpot> {
    let mut all: Vec<HotSpot> = Vec::new();
    // Seconds in a row that were hot, or were not while a hot spot lasts.
    let (mut hot, mut calm): (Vec<(f64, f64)>, Vec<f64>) = (Vec::new(), Vec::new());
    let mut open = false;
    for (at, workers, dilation) in seconds {
        let spread = spread(workers).unwrap_or(1.0);
        if is_hot(workers, dilation) {
            calm.clear();
            hot.push((at, spread));
            if !open && hot.len() == BEGINS {
                open = true;
                // A second is hot as a whole.
                all.push(HotSpot {
                    from: (hot[0].0 - 1.0).max(0.0),
                    spread: hot[0].1,
                    ..HotSpot::default()
                });
            }
        } else {
            hot.clear();
            calm.push(at);
        }
        let Some(spot) = all.last_mut().filter(|_| open) else {
            continue;
        };
        if calm.is_empty() {
            spot.lasted = at - spot.from;
            spot.spread = spot.spread.max(spread);
        } else if calm.len() == ENDS {
            spot.over = true;
            open = false;
        }
        if calm.len() == 1 {
            // It was spread when this second began.
            spot.lasted = (calm[0] - 1.0 - spot.from).max(spot.lasted);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOT: [f64; 2] = [0.9, 0.1];
    const EVEN: [f64; 2] = [0.6, 0.5];

    fn found(seconds: &[[f64; 2]]) -> Vec<HotSpot> {
        found_in(seconds, 1.0)
    }

    fn found_in(seconds: &[[f64; 2]], dilation: f64) -> Vec<HotSpot> {
        let seconds = (1..).zip(seconds);
        find(seconds.map(|(at, workers)| (f64::from(at), &workers[..], dilation)))
    }

    #[test]
    fn a_hot_spot_ends_with_the_first_of_several_even_seconds() {
        let all = found(&[EVEN, HOT, HOT, HOT, EVEN, HOT, EVEN, EVEN, EVEN, EVEN]);
        assert_eq!(all.len(), 1, "{all:?}");
        // One even second alone does not end it.
        let HotSpot {
            from,
            lasted,
            over,
            spread,
        } = all[0];
        assert_eq!((from, lasted, over), (1.0, 5.0, true));
        assert!((spread - 1.8).abs() < 1e-9);
    }

    #[test]
    fn one_hot_second_is_noise_and_a_cool_thread_is_not_hot() {
        assert_eq!(found(&[EVEN, HOT, EVEN, EVEN]), []);
        assert_eq!(found(&[[0.3, 0.0]; 5]), []);
        // Unless it is cool because time goes at a third there.
        assert_eq!(found_in(&[[0.3, 0.0]; 5], 0.35).len(), 1);
        assert_eq!(found(&[[0.0, 0.0]; 5]), []);
    }

    #[test]
    fn what_lasts_to_the_end_is_not_over() {
        let all = found(&[EVEN, HOT, HOT, HOT, HOT, EVEN]);
        assert_eq!((all[0].over, all[0].lasted), (false, 4.0));
        let all = found(&[HOT, HOT, EVEN, EVEN, EVEN, HOT, HOT]);
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].over, all[0].lasted, all[1].from), (true, 2.0, 5.0));
    }
}
