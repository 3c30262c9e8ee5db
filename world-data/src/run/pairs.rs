//! Lives here: which regions tasks hold together, noted for whoever places regions.
//! Not here: what is made of it (`actors`).
//!
//! Invariant: a task that holds one region pays nothing for it.

use super::Runner;

/// A task that holds more regions than this says nothing about which of them belong together: a
/// census holds them all, wherever they run.
const PAIRED: usize = 8;

impl Runner<'_> {
    /// Notes each pair of regions held, at the one that was locked first.
    pub(crate) fn note_pairs(&mut self) {
        if self.held.len() > PAIRED {
            return;
        }
        for at in 1..self.held.len() {
            let (before, rest) = self.held.split_at_mut(at);
            let id = self.table.regions[rest[0].region].id;
            // Who does not observe a region does not ask for its pairs either.
            for held in before.iter_mut().filter(|held| held.state.feed.on) {
                *held.state.tasks_with.entry(id).or_default() += 1;
            }
        }
    }
}
