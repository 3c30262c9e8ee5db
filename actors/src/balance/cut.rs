//! Lives here: where a region is best split. Not here: whether it is (`splits`).
//!
//! Invariant: a cut leaves load on both sides.

use world_data::{Home, Interval};

/// How far from the load's median a better aligned cut may lie, as a share of the load.
const TOLERANCE: f64 = 0.1;

/// A place where a region can be split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cut {
    /// The first home of the right part.
    pub(crate) at: Home,
    /// The share of the load to the left of it, between 0 and 1.
    pub(crate) left: f64,
}

impl Cut {
    /// Finds the best cut of a region, given the load of its homes (any unit, ascending homes,
    /// those without load may be left out). Nearest to the median, but within a tenth of the load
    /// of it rather where the line is well aligned: that makes squarer regions, so shorter
    /// borders. `None` when all load is in one home.
    pub(crate) fn best(interval: Interval, loads: &[(Home, f64)]) -> Option<Self> {
        let loaded: Vec<(Home, f64)> = loads
            .iter()
            .copied()
            .filter(|(home, load)| *load > 0.0 && interval.contains(*home))
            .collect();
        let total: f64 = loaded.iter().map(|(_, load)| load).sum();
        let mut before = 0.0;
        let mut best: Option<Self> = None;
        for pair in loaded.windows(2) {
            before += pair[0].1;
            let cut = Self {
                at: best_aligned(pair[0].0, pair[1].0),
                left: before / total,
            };
            if best.is_none_or(|best| cut.is_better(best)) {
                best = Some(cut);
            }
        }
        best
    }

    fn is_better(self, other: Self) -> bool {
        let key = |cut: Self| {
            let off = (cut.left - 0.5).abs();
            let aligned = cut.at.0.trailing_zeros();
            if off <= TOLERANCE {
                (1, aligned, -off)
            } else {
                (0, 0, -off)
            }
        };
        key(self) > key(other)
    }
}

/// The best aligned home in `(left, right]`: the one that most powers of two divide.
fn best_aligned(left: Home, right: Home) -> Home {
    let differ = (left.0 ^ right.0).checked_ilog2().unwrap_or(0);
    Home(right.0 >> differ << differ)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(loads: &[(u64, f64)]) -> Option<(u64, f64)> {
        let interval = Interval {
            from: Home(16),
            to: Home(64),
        };
        let loads: Vec<_> = loads.iter().map(|(h, l)| (Home(*h), *l)).collect();
        Cut::best(interval, &loads).map(|cut| (cut.at.0, cut.left))
    }

    #[test]
    fn the_cut_is_at_the_median_where_nothing_is_better_aligned() {
        assert_eq!(best(&[(17, 1.0), (18, 1.0)]), Some((18, 0.5)));
        assert_eq!(best(&[(17, 3.0), (18, 1.0)]), Some((18, 0.75)));
    }

    #[test]
    fn a_well_aligned_cut_near_the_median_is_preferred() {
        let even: Vec<_> = (20..30).map(|home| (home, 1.0)).collect();
        assert_eq!(best(&even), Some((24, 0.4)));
        let far: Vec<_> = (23..33).map(|home| (home, 1.0)).collect();
        assert_eq!(
            best(&far),
            Some((28, 0.5)),
            "32 would leave 0.9 on the left"
        );
    }

    #[test]
    fn a_gap_is_cut_where_it_is_best_aligned() {
        assert_eq!(best(&[(17, 1.0), (63, 1.0)]), Some((32, 0.5)));
        assert_eq!(best(&[(33, 1.0), (47, 1.0)]), Some((40, 0.5)));
    }

    #[test]
    fn what_lies_in_one_home_cannot_be_cut() {
        assert_eq!(best(&[(20, 5.0)]), None);
        assert_eq!(best(&[(20, 5.0), (21, 0.0), (70, 3.0)]), None);
        assert_eq!(best(&[]), None);
    }
}
