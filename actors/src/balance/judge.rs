//! Lives here: what became of a change: was the lateness of ticks worse after it, and if so, what
//! takes it back. Not here: that a harmful change is not made again (`memory`).
//!
//! A change did harm if, between 2.5 and 5 s after it, the 99th percentile of the lateness of its
//! two threads is higher than before it by a quarter and by 10 ms (`Policy`), and neither the load
//! of the other regions of these threads nor a full thread explains that. Each thread is judged for
//! one change at a time: a later one of the same thread ends the earlier's judgement in its favour.

use std::collections::VecDeque;
use std::time::Duration;

use world_data::RegionId;

use super::memory::Memory;
use super::picture::Picture;
use super::policy::Policy;
use super::{Cause, Change, Proposal, UnderWay};

/// How long before a change counts as "before".
const BEFORE: Duration = Duration::from_secs(5);
/// A thread that needs more than this is full: its lateness grows whatever is done elsewhere.
const FULL: f64 = 0.95;
/// How long taking a change back is tried.
const TRY_FOR: Duration = Duration::from_secs(30);

/// What a change brought.
#[derive(Debug, Clone)]
pub(crate) struct Verdict {
    /// The number of the decision.
    pub(crate) number: u64,
    /// False: it did harm, and a decision with [`Cause::Undo`] takes it back.
    pub(crate) kept: bool,
    /// Why, for people.
    pub(crate) reason: String,
}

/// Changes that wait for their judgement, and those that are being taken back.
#[derive(Debug, Default)]
pub(super) struct Judge {
    /// The last snapshots' lateness per thread, the newest last.
    lateness: VecDeque<(Duration, Vec<Duration>)>,
    /// The last snapshot's regions: worker and need.
    loads: Vec<(RegionId, usize, f64)>,
    trials: Vec<Trial>,
    verdicts: Vec<Verdict>,
    undoing: Vec<Undoing>,
}

/// A change that is to be judged.
#[derive(Debug)]
struct Trial {
    number: u64,
    change: Change,
    back: Change,
    /// The regions it was about, as they are now.
    about: Vec<RegionId>,
    threads: [usize; 2],
    at: Duration,
    lateness_before: Duration,
    others_before: f64,
    was_full: bool,
}

/// A change that is being taken back, perhaps in two steps.
#[derive(Debug)]
struct Undoing {
    number: u64,
    back: Change,
    until: Duration,
}

impl Judge {
    /// Takes a snapshot in and judges what is ripe.
    pub(super) fn judge(&mut self, picture: &Picture<'_>, memory: &mut Memory) -> Vec<Verdict> {
        let policy = picture.policy;
        self.look(picture);
        let (ripe, waiting) = std::mem::take(&mut self.trials)
            .into_iter()
            .partition(|trial: &Trial| picture.at >= trial.at + policy.judge_after);
        self.trials = waiting;
        let ripe: Vec<Trial> = ripe;
        for trial in ripe {
            let verdict = self.verdict(&trial, policy);
            if !verdict.kept {
                memory.harmed(trial.change, picture.at + policy.forget_after);
                self.undoing.push(Undoing {
                    number: trial.number,
                    back: trial.back,
                    until: picture.at + TRY_FOR,
                });
            }
            self.verdicts.push(verdict);
        }
        std::mem::take(&mut self.verdicts)
    }

    fn look(&mut self, picture: &Picture<'_>) {
        self.lateness
            .push_back((picture.at, picture.snapshot.lateness.clone()));
        let kept = picture.policy.judge_after + BEFORE;
        while self
            .lateness
            .front()
            .is_some_and(|(at, _)| picture.at > *at + kept)
        {
            self.lateness.pop_front();
        }
        let needs = picture.regions().iter().zip(&picture.need);
        self.loads = needs.map(|(r, need)| (r.id, r.worker, *need)).collect();
    }

    fn verdict(&self, trial: &Trial, policy: &Policy) -> Verdict {
        let (before, from) = (trial.lateness_before, trial.at + policy.judge_from);
        let late = self.lateness.iter().filter(|(at, _)| *at >= from);
        let after = median(late.map(|(_, late)| worst(late, trial.threads)).collect());
        let is_worse =
            after > before + policy.worse_by && after > before.mul_f64(policy.worse_factor);
        let more = self.others(trial.threads, &trial.about) - trial.others_before;
        let figures = format!(
            "lateness {} ms before, {} ms after",
            before.as_millis(),
            after.as_millis()
        );
        let (kept, reason) = if !is_worse {
            (true, figures)
        } else if trial.was_full {
            (true, format!("{figures}, but a thread was full"))
        } else if more > policy.explained_by {
            (
                true,
                format!("{figures}, but others need {more:.2} more of a thread"),
            )
        } else {
            (false, figures)
        };
        Verdict {
            number: trial.number,
            kept,
            reason,
        }
    }

    /// What the other regions on the threads need.
    fn others(&self, threads: [usize; 2], about: &[RegionId]) -> f64 {
        let others = self
            .loads
            .iter()
            .filter(|(id, worker, _)| threads.contains(worker) && !about.contains(id));
        others.map(|(_, _, need)| need).sum()
    }

    fn need(&self, thread: usize) -> f64 {
        let on = self.loads.iter().filter(|(_, worker, _)| *worker == thread);
        on.map(|(_, _, need)| need).sum()
    }

    /// Begins to judge a change that was made.
    pub(super) fn made(&mut self, done: &UnderWay, at: Duration, became: &[RegionId]) {
        self.undoing.retain(|undoing| undoing.back != done.change);
        self.end_trials(done);
        let back = match (done.change, became) {
            (Change::Split { region, .. }, [_, right]) => Some(Change::Merge {
                left: region,
                right: *right,
            }),
            _ => done.back,
        };
        let is_ours = !matches!(done.cause, Cause::Manual | Cause::Undo);
        let Some(back) = back.filter(|_| is_ours) else {
            return;
        };
        let before = self.lateness.iter().filter(|(when, _)| *when + BEFORE > at);
        let before = median(before.map(|(_, late)| worst(late, done.threads)).collect());
        let mut about = became.to_vec();
        about.extend(done.change.regions());
        self.trials.push(Trial {
            number: done.number,
            change: done.change,
            back,
            threads: done.threads,
            at,
            lateness_before: before,
            others_before: self.others(done.threads, &about),
            was_full: done.threads.iter().any(|t| self.need(*t) > FULL),
            about,
        });
    }

    /// What is measured from now on is this change's doing, no longer that of earlier ones.
    fn end_trials(&mut self, done: &UnderWay) {
        let (ended, open) = std::mem::take(&mut self.trials)
            .into_iter()
            .partition(|trial: &Trial| trial.threads.iter().any(|t| done.threads.contains(t)));
        self.trials = open;
        let ended: Vec<Trial> = ended;
        self.verdicts.extend(ended.iter().map(|trial| Verdict {
            number: trial.number,
            kept: true,
            reason: format!("change {} of the same worker followed", done.number),
        }));
    }

    /// Notes that a change was not made. Taking back is tried once.
    pub(super) fn not_made(&mut self, left_out: &UnderWay) {
        if left_out.cause == Cause::Undo {
            let regions = left_out.change.regions();
            self.undoing
                .retain(|undoing| !undoing.back.regions().iter().any(|id| regions.contains(id)));
        }
    }

    /// The next steps that take harmful changes back.
    pub(super) fn takes_back(&mut self, picture: &Picture<'_>) -> Vec<Proposal> {
        let mut proposals = Vec::new();
        self.undoing.retain(|undoing| {
            let step = (picture.at < undoing.until)
                .then(|| step_back(picture, undoing.back))
                .flatten();
            let Some((change, from, to)) = step else {
                return false;
            };
            proposals.push(Proposal {
                change,
                cause: Cause::Undo,
                from,
                to,
                left: 0.5,
                gain: 0.0,
                reason: format!(
                    "change {} made ticks later; it is taken back",
                    undoing.number
                ),
            });
            true
        });
        proposals
    }
}

/// What to do now towards `back`, and between which workers. `None` when there is nothing to do
/// any more: the world has gone on, or an operator has pinned a region.
fn step_back(picture: &Picture<'_>, back: Change) -> Option<(Change, usize, usize)> {
    let free = |id| picture.region(id).filter(|region| picture.is_free(region));
    match back {
        Change::Move { region, to } => {
            let from = free(region)?.worker;
            (from != to).then_some((back, from, to))
        }
        Change::Split {
            region,
            at,
            right_to,
        } => {
            let region = free(region)?;
            let inside = region.interval.from < at && at < region.interval.to;
            inside.then_some((back, region.worker, right_to))
        }
        Change::Merge { left, right } => {
            let (a, b) = (free(left)?, free(right)?);
            if a.interval.to != b.interval.from {
                None
            } else if a.worker == b.worker {
                Some((back, a.worker, a.worker))
            } else {
                let together = Change::Move {
                    region: right,
                    to: a.worker,
                };
                Some((together, b.worker, a.worker))
            }
        }
    }
}

/// The worse lateness of two threads.
fn worst(lateness: &[Duration], threads: [usize; 2]) -> Duration {
    let of = |thread: usize| lateness.get(thread).copied().unwrap_or_default();
    of(threads[0]).max(of(threads[1]))
}

fn median(mut values: Vec<Duration>) -> Duration {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}
