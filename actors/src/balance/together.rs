//! Lives here: regions that act over their border from two threads, brought onto one while nothing is
//! hot. Not here: border traffic as one reason among others when a thread is relieved (`moves`).
//!
//! Invariant: it never makes a thread so full that it would be relieved again: none is brought over
//! the cool threshold.

use super::memory::Memory;
use super::picture::{Picture, percent};
use super::{Cause, Change, Proposal};

/// The moves that save the most, the best first.
pub(super) fn propose(picture: &Picture<'_>, memory: &Memory) -> Vec<Proposal> {
    let mut most = vec![0.0; picture.threads.len()];
    for at in 0..picture.regions().len() {
        if let Some(most) = most.get_mut(picture.regions()[at].worker) {
            *most += most_of(picture, at);
        }
    }
    let mut all: Vec<(f64, Proposal)> = (0..picture.regions().len())
        .filter_map(|at| best(picture, memory, &most, at))
        .collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    all.into_iter().map(|(_, proposal)| proposal).collect()
}

/// What a region may need, seen darkly: nobody waits for this move, so it is made only where there
/// is room for a load that is just growing.
fn most_of(picture: &Picture<'_>, at: usize) -> f64 {
    let fresh = picture.regions()[at].fresh;
    picture.need[at].max(if fresh.is_finite() { fresh } else { 1.0 })
}

/// The move of one region that saves the most, and what it is worth. `most` is what each thread may
/// need.
fn best(
    picture: &Picture<'_>,
    memory: &Memory,
    most: &[f64],
    at: usize,
) -> Option<(f64, Proposal)> {
    let (region, policy) = (&picture.regions()[at], picture.policy);
    if picture.border[at].is_empty() || !picture.is_free(region) {
        return None;
    }
    let mut by_thread = vec![0.0; picture.threads.len()];
    for (other, cost) in &picture.border[at] {
        if let Some(sum) = by_thread.get_mut(picture.regions()[*other].worker) {
            *sum += cost;
        }
    }
    let (from, need) = (region.worker, most_of(picture, at));
    let saved = |to: usize| by_thread[to] - by_thread[from];
    let to = (0..by_thread.len())
        .filter(|to| *to != from && saved(*to) >= policy.border_over)
        .filter(|to| most[*to] + need <= policy.cool)
        .filter(|to| memory.may_move(region.id, *to, picture.at, policy))
        .max_by(|a, b| saved(*a).total_cmp(&saved(*b)))?;
    let gain = saved(to);
    let reason = format!(
        "region {} acts over borders with worker {to}: from there that takes {} of a thread less; \
         with it worker {to} needs {}",
        region.id.0,
        percent(gain),
        percent(most[to] + need),
    );
    let proposal = Proposal {
        change: Change::Move {
            region: region.id,
            to,
        },
        cause: Cause::Border,
        from,
        to,
        left: 1.0,
        gain,
        reason,
    };
    // Of two that could go to each other the lighter one goes.
    Some((gain - policy.move_cost * (1.0 + need), proposal))
}
