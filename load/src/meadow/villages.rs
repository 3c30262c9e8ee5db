//! Lives here: where newcomers appear, so that a crowd can be there within seconds, and nobody else is
//! before: nobody walks faster than 6 m/s, but whoever's name ends with `@` and a village appears in it.
//! Not here: what the crowd does then (`roles/crowd`).

use crate::land::{Place, distance};

/// The villages and their wells, as the meadow has them.
const VILLAGES: [(&str, Place); 5] = [
    ("Wellbrook", [1024.0, 1040.0]),
    ("Larkfield", [470.0, 540.0]),
    ("Thornby", [1560.0, 450.0]),
    ("Hazelcombe", [520.0, 1530.0]),
    ("Aldermere", [1590.0, 1570.0]),
];
/// Runs whose names differ: one a second, for a fortnight. Who has been there before comes back
/// where he left.
const RUNS: u64 = 36 * 36 * 36 * 36;

/// How the newcomers of one run are named.
#[derive(Debug, Default)]
pub(super) struct Names {
    names: String,
    run: String,
}

impl Names {
    /// Of a run that begins now: with a word of its own in each name.
    pub(super) fn new(names: &str, unix_seconds: u64) -> Self {
        Self {
            names: names.to_owned(),
            run: word_for(unix_seconds),
        }
    }

    /// The name of a newcomer near `place`: the one with this number in this part of the run. Whoever
    /// wants to be elsewhere walks from there.
    pub(super) fn near(&self, place: Place, who: (usize, u32)) -> String {
        self.name(who, nearest(place))
    }

    /// The name of a newcomer in any village but the one near `place`.
    pub(super) fn elsewhere(&self, place: Place, who: (usize, u32)) -> String {
        let skip = 1 + who.1 as usize % (VILLAGES.len() - 1);
        self.name(who, (nearest(place) + skip) % VILLAGES.len())
    }

    fn name(&self, (part, number): (usize, u32), village: usize) -> String {
        let Self { names, run } = self;
        format!("{names}-{part}{run}-{number}@{}", VILLAGES[village].0)
    }
}

/// The village that is nearest to a place.
fn nearest(place: Place) -> usize {
    let away = |village: &usize| distance(VILLAGES[*village].1, place);
    let all = 0..VILLAGES.len();
    all.min_by(|a, b| away(a).total_cmp(&away(b)))
        .unwrap_or_default()
}

/// A word of four letters and digits for a run that begins now.
fn word_for(unix_seconds: u64) -> String {
    let digit = |place: u32| {
        let digit = unix_seconds % RUNS / 36_u64.pow(place) % 36;
        char::from_digit(digit as u32, 36).unwrap_or('0')
    };
    [3, 2, 1, 0].map(digit).iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newcomers_are_named_after_the_village_that_is_nearest() {
        let names = Names::new("bot", 1_764_100_000);
        let of = |place| names.near(place, (2, 417));
        let (run, here) = (&names.run, [480.0, 500.0]);
        assert_eq!(of(here), format!("bot-2{run}-417@Larkfield"));
        assert_eq!(of([2000.0, 2000.0]), format!("bot-2{run}-417@Aldermere"));
        let others: Vec<_> = (0..8).map(|n| names.elsewhere(here, (0, n))).collect();
        assert!(others.iter().all(|name| !name.ends_with("@Larkfield")));
        assert!(others[0].ends_with("@Thornby") && others[3].ends_with("@Wellbrook"));
    }

    #[test]
    fn runs_have_words_of_their_own() {
        assert_eq!(word_for(0), "0000");
        assert_eq!(word_for(35), "000z");
        assert_eq!(word_for(36), "0010");
        assert_ne!(word_for(1_764_100_000), word_for(1_764_100_001));
    }
}
