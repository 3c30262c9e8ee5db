//! Lives here: neighbours with next to nothing to do, which become one region. Those on two workers
//! are first brought together.
//!
//! Invariant: no merge reaches over the map's end, and none takes a worker's last few regions.

use super::memory::Memory;
use super::picture::{Picture, percent};
use super::{Cause, Change, Proposal};

/// The merges that are due: worst aligned cut first, so that well-aligned ones stay.
pub(super) fn propose(picture: &Picture<'_>, memory: &Memory, hot: bool) -> Vec<Proposal> {
    let mut counts = vec![0_usize; picture.threads.len()];
    for region in picture.regions() {
        if let Some(count) = counts.get_mut(region.worker) {
            *count += 1;
        }
    }
    let mut due: Vec<usize> = (0..picture.regions().len().saturating_sub(1))
        .filter(|left| is_due(picture, memory, *left))
        .collect();
    let alignment = |left: &usize| picture.regions()[left + 1].interval.from.0.trailing_zeros();
    due.sort_by_key(alignment);
    let mut proposals: Vec<Proposal> = Vec::new();
    for left in due {
        let proposal = if is_together(picture, left) {
            merge(picture, &counts, left)
        } else if hot {
            None
        } else {
            bring_together(picture, memory, &counts, left)
        };
        proposals.extend(proposal);
    }
    // One that ends a region is worth more than one that prepares it.
    proposals.sort_by_key(|p| matches!(p.change, Change::Move { .. }));
    proposals
}

fn is_together(picture: &Picture<'_>, left: usize) -> bool {
    picture.regions()[left].worker == picture.regions()[left + 1].worker
}

fn is_due(picture: &Picture<'_>, memory: &Memory, left: usize) -> bool {
    let (a, b) = (&picture.regions()[left], &picture.regions()[left + 1]);
    picture.is_free(a)
        && picture.is_free(b)
        && b.interval.from != picture.snapshot.map_end
        && memory.is_cold(a.id, b.id, picture.at, picture.policy)
        && memory.may_merge(a.id, b.id, picture.at, picture.policy)
}

fn merge(picture: &Picture<'_>, counts: &[usize], left: usize) -> Option<Proposal> {
    let (a, b) = (&picture.regions()[left], &picture.regions()[left + 1]);
    if counts[a.worker] <= picture.policy.keep_per_worker {
        return None;
    }
    let both = percent(picture.need[left] + picture.need[left + 1]);
    Some(Proposal {
        change: Change::Merge {
            left: a.id,
            right: b.id,
        },
        cause: Cause::Cold,
        from: a.worker,
        to: a.worker,
        left: 1.0,
        gain: 0.0,
        reason: format!("regions {} and {} together need {both}", a.id.0, b.id.0),
    })
}

/// Moves one of the two to the other: from the worker with more regions, which also keeps their
/// numbers even.
fn bring_together(
    picture: &Picture<'_>,
    memory: &Memory,
    counts: &[usize],
    left: usize,
) -> Option<Proposal> {
    let right = left + 1;
    let worker = |at: usize| picture.regions()[at].worker;
    let (goes, stays) = if counts[worker(left)] > counts[worker(right)] {
        (left, right)
    } else {
        (right, left)
    };
    let (region, from, to) = (&picture.regions()[goes], worker(goes), worker(stays));
    // It must not undo what moves have balanced; threads that do next to nothing may differ.
    let room = (picture.policy.spread_cool * picture.mean()).max(picture.policy.merge_under);
    let fits = picture.threads[to] + picture.need[goes] <= room.min(picture.policy.cool);
    let spare = counts[from] > picture.policy.keep_per_worker;
    if !fits || !spare || !memory.may_move(region.id, to, picture.at, picture.policy) {
        return None;
    }
    let reason = format!(
        "region {} joins its neighbour {} on worker {to}: together they need {}",
        region.id.0,
        picture.regions()[stays].id.0,
        percent(picture.need[left] + picture.need[right]),
    );
    Some(Proposal {
        change: Change::Move {
            region: region.id,
            to,
        },
        cause: Cause::Cold,
        from,
        to,
        left: 1.0,
        gain: 0.0,
        reason,
    })
}
