//! Lives here: which cells of a view are near enough where a hub has too much to do: the nearest
//! ones that together hold so many entities. Not here: when that is (`ladder`).
//!
//! Invariant: what is at hand is always shown, and whole cells only: what a client is told of a cell
//! is the same for everybody.

use world_data::{Map, Point};

use super::{Sight, Slots};

/// Cells that are not further away than this are always shown, in metres.
const AT_HAND: f64 = 4.0;
/// A view widens again only to where this part of the entities is not exceeded.
const WIDENS: f64 = 0.8;

/// How many cells are shown, given how many entities each holds, the nearest first; `now` are.
fn shown(now: usize, counts: impl Iterator<Item = usize>, most: usize) -> usize {
    let widest = (most as f64 * WIDENS) as usize;
    let (mut sum, mut fit, mut widens) = (0, 0, 0);
    for (at, count) in counts.enumerate() {
        sum += count;
        if sum <= most {
            fit = at + 1;
        }
        if sum <= widest {
            widens = at + 1;
        }
    }
    if now > fit { fit } else { now.max(widens) }
}

impl Sight {
    /// Shows the nearest cells around `at` that together hold as many entities as are shown, or all
    /// of them; returns the cells that the client is to forget.
    pub(super) fn narrow(&mut self, at: Point, map: &Map, slots: &Slots) -> Vec<u64> {
        self.narrow = slots.nearest.is_some();
        let Some(most) = slots.nearest else {
            for seen in &mut self.cells {
                seen.hidden = false;
            }
            return Vec::new();
        };
        let distance = |seen: &super::InView| map.distance_to_cell(at, seen.cell);
        self.cells
            .sort_by(|a, b| distance(a).total_cmp(&distance(b)));
        let now = self.cells.iter().filter(|seen| !seen.hidden).count();
        let counts = self.cells.iter().map(|seen| slots.all[seen.slot].count);
        let shown = shown(now, counts, most);
        let mut forget = Vec::new();
        for (place, seen) in self.cells.iter_mut().enumerate() {
            seen.hidden = place >= shown && map.distance_to_cell(at, seen.cell) > AT_HAND;
            if seen.hidden && seen.seen.take().is_some() {
                forget.push(seen.cell.0);
            }
        }
        forget
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(now: usize, counts: &[usize], most: usize) -> usize {
        shown(now, counts.iter().copied(), most)
    }

    #[test]
    fn a_view_is_narrowed_to_what_fits_and_widened_where_there_is_room() {
        assert_eq!(of(4, &[10, 10, 10, 10], 100), 4);
        assert_eq!(of(4, &[50, 40, 20, 10], 100), 2);
        assert_eq!(of(2, &[50, 40, 5, 10], 100), 2, "95 are more than 80");
        assert_eq!(of(2, &[50, 20, 5, 10], 100), 3);
        assert_eq!(of(2, &[50, 20, 5, 0], 100), 4);
        assert_eq!(of(1, &[500, 0], 100), 0);
        assert_eq!(of(0, &[], 100), 0);
    }

    proptest! {
        /// It never shows more than fits, and what it shows it goes on showing.
        #[test]
        fn it_fits_and_stays(
            now in 0..40_usize,
            counts in prop::collection::vec(0..60_usize, 0..40),
            most in 1..200_usize,
        ) {
            let now = now.min(counts.len());
            let first = of(now, &counts, most);
            prop_assert!(counts[..first].iter().sum::<usize>() <= most);
            prop_assert_eq!(of(first, &counts, most), first);
            // A tenth more or less in each cell changes nothing that was just widened.
            if first > now {
                let more: Vec<usize> = counts.iter().map(|count| count + count / 10).collect();
                prop_assert_eq!(of(first, &more, most), first);
            }
        }
    }
}
