//! Lives here: the supervisor's judgement: loads in, changes out. Which region moves to which
//! worker, which is split or merged, and whether a change did good.
//! Not here: measuring loads and carrying changes out (`supervisor`), regions' state (`world-data`).
//!
//! Invariant: pure. No clock, no I/O, no chance: the same snapshots give the same decisions.
//!
//! How it is used: once per second [`Balancer::step`] with a [`Snapshot`]; every decision it hands
//! out is answered by exactly one of [`Balancer::made`] and [`Balancer::not_made`]. Until then the
//! threads that the change is about take part in no other.

mod cut;
mod judge;
mod memory;
mod merges;
mod moves;
mod picture;
mod policy;
mod relief;
mod splits;
#[cfg(test)]
mod tests;
mod together;

use std::time::Duration;

use world_data::{Home, Interval, RegionId};

pub(crate) use cut::Cut;
pub(crate) use judge::Verdict;
pub(crate) use policy::Policy;

use judge::Judge;
use memory::Memory;
use picture::Picture;

/// What the supervisor measured, at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    /// When: time since the supervisor started.
    pub(crate) at: Duration,
    /// Per worker: the 99th percentile of the lateness of its regions' ticks, over the last two
    /// seconds or less. Its length is the number of workers.
    pub(crate) lateness: Vec<Duration>,
    /// The first home behind the map's end. Regions are never merged over it.
    pub(crate) map_end: Home,
    /// All regions, in line order.
    pub(crate) regions: Vec<RegionLoad>,
}

/// One region in a [`Snapshot`].
#[derive(Debug, Clone)]
pub(crate) struct RegionLoad {
    /// Its name.
    pub(crate) id: RegionId,
    /// Its part of the line.
    pub(crate) interval: Interval,
    /// The worker it runs on.
    pub(crate) worker: usize,
    /// The share of a thread it takes, smoothed.
    pub(crate) load: f64,
    /// The share of a thread it took in the newest second.
    pub(crate) fresh: f64,
    /// Whether an operator wants it left as it is, where it is.
    pub(crate) pinned: bool,
    /// Where it is best split, if it can be.
    pub(crate) cut: Option<Cut>,
    /// Its border traffic: other regions, and tasks, crossings and subscriptions per second.
    pub(crate) border: Vec<(RegionId, f64)>,
}

/// A change of the partition or the placement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// The region goes on on another worker.
    Move {
        /// Which.
        region: RegionId,
        /// Where to.
        to: usize,
    },
    /// The region becomes two; the left part keeps the id and stays where it is.
    Split {
        /// Which.
        region: RegionId,
        /// The first home of the right part.
        at: Home,
        /// The worker that the right part starts on.
        right_to: usize,
    },
    /// Two neighbours on one worker become one, under the left one's id.
    Merge {
        /// The left one.
        left: RegionId,
        /// Its right neighbour.
        right: RegionId,
    },
}

impl Change {
    /// The regions that it is about, before it is made.
    pub(crate) fn regions(&self) -> Vec<RegionId> {
        match *self {
            Self::Move { region, .. } | Self::Split { region, .. } => vec![region],
            Self::Merge { left, right } => vec![left, right],
        }
    }
}

/// Why a change is made. Metrics use these as labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Cause {
    /// A thread is hot and another is not.
    ThreadHot,
    /// One region alone takes over half a thread.
    RegionHot,
    /// Regions act over their border from two threads.
    Border,
    /// Neighbours have next to nothing to do.
    Cold,
    /// An operator asked for it.
    Manual,
    /// It takes a change back that did harm.
    Undo,
}

impl Cause {
    /// Its name in metrics, logs and status.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ThreadHot => "thread_hot",
            Self::RegionHot => "region_hot",
            Self::Border => "border",
            Self::Cold => "cold",
            Self::Manual => "manual",
            Self::Undo => "undo",
        }
    }
}

/// A change that should be made now.
#[derive(Debug, Clone)]
pub(crate) struct Decision {
    /// Its number, to answer with. Never used twice.
    pub(crate) number: u64,
    /// What to do.
    pub(crate) change: Change,
    /// Why.
    pub(crate) cause: Cause,
    /// The worker that the region, or its left part, runs on now.
    pub(crate) from: usize,
    /// The worker that the region, or its right part, will run on.
    pub(crate) to: usize,
    /// By how much the busier of the two threads is relieved, as a share of a thread. What a move
    /// of a pair that changes places brings stands with its first half.
    pub(crate) gain: f64,
    /// Why, for people.
    pub(crate) reason: String,
}

/// What one look at the loads led to.
#[derive(Debug, Default)]
pub(crate) struct Step {
    /// Earlier changes, judged by what they brought.
    pub(crate) verdicts: Vec<Verdict>,
    /// Changes to make now. No worker takes part in two of them.
    pub(crate) decisions: Vec<Decision>,
    /// Per worker: whether a change may relieve it, now or soon.
    pub(crate) relief: Vec<bool>,
}

/// A decision before it has a number.
#[derive(Debug)]
struct Proposal {
    change: Change,
    cause: Cause,
    from: usize,
    to: usize,
    /// The share of the load left of the cut, for a split.
    left: f64,
    gain: f64,
    reason: String,
}

/// A decision that was handed out and not answered yet.
#[derive(Debug)]
struct UnderWay {
    number: u64,
    change: Change,
    cause: Cause,
    threads: [usize; 2],
    left: f64,
    /// What would take it back, as far as that is known before.
    back: Option<Change>,
}

/// Decides, and remembers what it must for that.
#[derive(Debug)]
pub(crate) struct Balancer {
    policy: Policy,
    memory: Memory,
    judge: Judge,
    mode: Mode,
    under_way: Vec<UnderWay>,
    last_number: u64,
}

/// After how many cooldowns without anything worth doing the balancer gives up.
const STUCK_FOR: u32 = 2;

/// How long threads must be cool before it is believed: a region that leaves a full thread shows
/// only after some seconds how much it needs.
const COOL_FOR: Duration = Duration::from_secs(3);

/// Whether threads are being relieved: on above the hot thresholds, off below the cool ones.
#[derive(Debug, Default)]
struct Mode {
    hot: bool,
    /// Since when all threads are cool.
    cool_since: Option<Duration>,
    /// Since when nothing worth doing was found.
    stuck_since: Option<Duration>,
}

impl Balancer {
    pub(crate) fn new(policy: Policy) -> Self {
        policy.assert_sane();
        Self {
            policy,
            memory: Memory::default(),
            judge: Judge::default(),
            mode: Mode::default(),
            under_way: Vec::new(),
            last_number: 0,
        }
    }

    /// Looks at the loads, judges earlier changes and decides on new ones.
    pub(crate) fn step(&mut self, snapshot: &Snapshot) -> Step {
        self.memory.observe(snapshot, &self.policy);
        let picture = Picture::new(snapshot, &self.memory, &self.policy);
        let verdicts = self.judge.judge(&picture, &mut self.memory);
        self.mode.look(&picture);

        let mut relief = relief::expected(&picture, &self.memory);
        let mut free = vec![true; picture.threads.len()];
        for thread in self.under_way.iter().flat_map(|known| known.threads) {
            if let Some(free) = free.get_mut(thread) {
                *free = false;
                relief[thread] = true;
            }
        }
        let mut taken = Vec::new();
        let mut take = |proposals: Vec<Proposal>| {
            for proposal in proposals {
                if free[proposal.from] && free[proposal.to] {
                    free[proposal.from] = false;
                    free[proposal.to] = false;
                    taken.push(proposal);
                }
            }
            free.clone()
        };
        take(self.judge.takes_back(&picture));
        let free_now = take(splits::propose(&picture, &self.memory));
        if self.mode.relieves() {
            let legs = moves::plan(&picture, &self.memory);
            self.mode.found(!legs.is_empty(), &picture);
            take(moves::propose(&picture, legs, &free_now));
        }
        if !self.mode.hot {
            take(together::propose(&picture, &self.memory));
        }
        take(merges::propose(&picture, &self.memory, self.mode.hot));

        let decisions = taken
            .into_iter()
            .map(|p| self.hand_out(p, snapshot))
            .collect();
        Step {
            verdicts,
            decisions,
            relief,
        }
    }

    /// Says that an operator has asked for `change` and that it is being made; its number is to be
    /// answered like that of a decision. It counts for cooldowns, but is never judged or undone.
    pub(crate) fn by_hand(&mut self, change: Change) -> u64 {
        let worker = |id| self.memory.worker(id).unwrap_or(usize::MAX);
        let threads = match change {
            Change::Move { region, to } => [worker(region), to],
            Change::Split {
                region, right_to, ..
            } => [worker(region), right_to],
            Change::Merge { left, right } => [worker(left), worker(right)],
        };
        self.last_number += 1;
        self.under_way.push(UnderWay {
            number: self.last_number,
            change,
            cause: Cause::Manual,
            threads,
            left: 0.5,
            back: None,
        });
        self.last_number
    }

    /// Says that change `number` was made at `at`, and which regions it was about are now:
    /// one after a move or merge, two after a split.
    pub(crate) fn made(&mut self, number: u64, at: Duration, became: &[RegionId]) {
        let Some(done) = self.answered(number) else {
            return;
        };
        self.memory.made(&done, at, became);
        self.judge.made(&done, at, became);
    }

    /// Says that change `number` was not made: it failed, or the supervisor only observes. Its
    /// regions are left alone for the cooldown.
    pub(crate) fn not_made(&mut self, number: u64, at: Duration) {
        if let Some(left_out) = self.answered(number) {
            self.memory.not_made(&left_out, at);
            self.judge.not_made(&left_out);
        }
    }

    fn answered(&mut self, number: u64) -> Option<UnderWay> {
        let at = self.under_way.iter().position(|u| u.number == number)?;
        Some(self.under_way.swap_remove(at))
    }

    fn hand_out(&mut self, proposal: Proposal, snapshot: &Snapshot) -> Decision {
        self.last_number += 1;
        let Proposal {
            change,
            cause,
            from,
            to,
            left,
            gain,
            reason,
        } = proposal;
        self.under_way.push(UnderWay {
            number: self.last_number,
            change,
            cause,
            threads: [from, to],
            left,
            back: back(change, from, snapshot),
        });
        Decision {
            number: self.last_number,
            change,
            cause,
            from,
            to,
            gain,
            reason,
        }
    }
}

impl Mode {
    fn look(&mut self, picture: &Picture<'_>) {
        let (hottest, spread, policy) = (picture.hottest(), picture.spread(), picture.policy);
        if hottest > policy.hot && spread > policy.spread_hot {
            self.hot = true;
        }
        if hottest >= policy.cool || spread >= policy.spread_cool {
            self.cool_since = None;
            return;
        }
        let since = *self.cool_since.get_or_insert(picture.at);
        if picture.at >= since + COOL_FOR {
            self.hot = false;
        }
    }

    fn relieves(&self) -> bool {
        self.hot && self.cool_since.is_none()
    }

    /// A mode in which nothing is left to do ends, so that a world that cannot be balanced any
    /// better is not stirred by every little drift.
    fn found(&mut self, any: bool, picture: &Picture<'_>) {
        if any {
            self.stuck_since = None;
            return;
        }
        let since = *self.stuck_since.get_or_insert(picture.at);
        let stuck_for = STUCK_FOR * picture.policy.cooldown;
        if picture.hottest() <= picture.policy.hot && picture.at >= since + stuck_for {
            *self = Self::default();
        }
    }
}

/// What would take a move or a merge back. A split's right part has no name yet.
fn back(change: Change, from: usize, snapshot: &Snapshot) -> Option<Change> {
    match change {
        Change::Move { region, .. } => Some(Change::Move { region, to: from }),
        Change::Split { .. } => None,
        Change::Merge { left, right } => {
            let right = snapshot.regions.iter().find(|r| r.id == right)?;
            Some(Change::Split {
                region: left,
                at: right.interval.from,
                right_to: from,
            })
        }
    }
}
