//! Lives here: regions that alone are too much for a thread to share, and where their right part
//! goes. Not here: where a region is cut (`cut`).

use super::memory::Memory;
use super::picture::{Picture, percent};
use super::{Cause, Change, Proposal};

/// The splits that are due, the hottest region first.
pub(super) fn propose(picture: &Picture<'_>, memory: &Memory) -> Vec<Proposal> {
    let room = picture
        .policy
        .max_regions
        .saturating_sub(picture.regions().len());
    if picture.threads.len() < 2 || room == 0 {
        return Vec::new();
    }
    let mut due: Vec<usize> = (0..picture.regions().len())
        .filter(|at| is_due(picture, memory, *at))
        .collect();
    due.sort_by(|a, b| picture.need[*b].total_cmp(&picture.need[*a]));
    due.truncate(room);
    // Each takes what the ones before leave: two must not send their right parts to one thread.
    let mut threads = picture.threads.clone();
    due.into_iter()
        .filter_map(|at| propose_one(picture, &mut threads, at))
        .collect()
}

fn is_due(picture: &Picture<'_>, memory: &Memory, at: usize) -> bool {
    let (region, policy) = (&picture.regions()[at], picture.policy);
    picture.is_free(region)
        && picture.need[at] > policy.split_over
        && memory.is_over(region.id, picture.at, policy)
        && memory.may_split(region.id)
}

fn propose_one(picture: &Picture<'_>, threads: &mut [f64], at: usize) -> Option<Proposal> {
    let (region, policy) = (&picture.regions()[at], picture.policy);
    let cut = region.cut?;
    let need = picture.need[at];
    let right = need * (1.0 - cut.left);
    // A cut beside a cell that has it all would only make more regions.
    if right.min(need - right) < policy.min_gain {
        return None;
    }
    let from = region.worker;
    let coolest = (0..threads.len())
        .filter(|to| *to != from)
        .min_by(|a, b| threads[*a].total_cmp(&threads[*b]))?;
    let gain = threads[from] - (threads[from] - right).max(threads[coolest] + right);
    // Where nobody has room, smaller parts are still easier to place later.
    let to = if gain > 0.0 { coolest } else { from };
    let where_to = if to == from {
        "no worker has room for its right part yet".to_owned()
    } else {
        format!("its right part goes to worker {to}")
    };
    let reason = format!(
        "region {} alone needs {} of worker {from}; {where_to}",
        region.id.0,
        percent(need),
    );
    threads[from] -= right;
    threads[to] += right;
    Some(Proposal {
        change: Change::Split {
            region: region.id,
            at: cut.at,
            right_to: to,
        },
        cause: Cause::RegionHot,
        from,
        to,
        left: cut.left,
        gain: gain.max(0.0),
        reason,
    })
}
