//! Lives here: whether a change of partition or placement may still relieve a thread, so that
//! whoever slows the world down instead can wait. Not here: which change (`moves`, `splits`).

use super::memory::Memory;
use super::picture::Picture;

/// Per thread: whether a region of it could be moved or cut so that its thread has less to do by
/// more than what makes a change worth it. Cooldowns are not asked: they pass.
pub(super) fn expected(picture: &Picture<'_>, memory: &Memory) -> Vec<bool> {
    let mut relieved = vec![false; picture.threads.len()];
    for (at, region) in picture.regions().iter().enumerate() {
        if !picture.is_free(region) || relieved[region.worker] {
            continue;
        }
        let (need, from) = (picture.need[at], region.worker);
        let splits = region.cut.filter(|_| memory.may_split(region.id));
        let right = splits.map_or(0.0, |cut| need * (1.0 - cut.left));
        relieved[from] = [need, right]
            .into_iter()
            .any(|part| gains(picture, from, part));
    }
    relieved
}

/// Whether `part` is better placed on another thread.
fn gains(picture: &Picture<'_>, from: usize, part: f64) -> bool {
    let (threads, least) = (&picture.threads, picture.policy.min_gain);
    let others = threads.iter().enumerate().filter(|(to, _)| *to != from);
    let coolest = others.map(|(_, load)| *load).fold(f64::INFINITY, f64::min);
    let after = (threads[from] - part).max(coolest + part);
    threads[from] - after > least
}
