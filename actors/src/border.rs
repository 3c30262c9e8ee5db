//! Lives here: what goes over the border of two regions, as numbers.
//! Not here: counting it (`region`, `hub`, and the engine for tasks), summing it up
//! (`supervisor::borders`), what is made of it (`balance`).

use world_data::RegionId;

/// What a subscription weighs beside a task over both regions. Between threads of one host it costs
/// nothing by itself, since cells are told to hubs; but who looks over a border soon acts over it.
const SUBSCRIPTION: f64 = 0.05;
/// Traffic below this is none.
const FELT: f64 = 0.01;

/// Two regions, the lower id first.
pub(crate) type Pair = (RegionId, RegionId);

/// The pair of two regions, however they are named.
pub(crate) fn pair(a: RegionId, b: RegionId) -> Pair {
    (a.min(b), a.max(b))
}

/// Tasks and crossings since they were last asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) tasks: u64,
    pub(crate) crossings: u64,
}

/// Traffic between two regions, both ways, smoothed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Traffic {
    /// Committed tasks that held both, per second; crossings are among them.
    pub(crate) tasks: f64,
    /// Entities that went from one to the other, per second.
    pub(crate) crossings: f64,
    /// Cells of the one in view of sessions whose entity is in the other.
    pub(crate) subscriptions: f64,
}

impl Traffic {
    /// All of it as one number, for whoever weighs it: in tasks per second.
    pub(crate) fn rate(&self) -> f64 {
        self.tasks + SUBSCRIPTION * self.subscriptions
    }

    pub(crate) fn is_felt(&self) -> bool {
        self.tasks.max(self.crossings).max(self.subscriptions) > FELT
    }

    /// Both together, each figure combined by `f`.
    pub(crate) fn with(self, other: Self, f: impl Fn(f64, f64) -> f64) -> Self {
        Self {
            tasks: f(self.tasks, other.tasks),
            crossings: f(self.crossings, other.crossings),
            subscriptions: f(self.subscriptions, other.subscriptions),
        }
    }
}
