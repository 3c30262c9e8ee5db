//! Lives here: the numbers that the balancer decides by. Not here: how it decides.

use std::time::Duration;

/// The balancer's numbers. Loads are shares of a thread.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Policy {
    /// Threads are relieved when one is above this…
    pub(crate) hot: f64,
    /// …until all are below this…
    pub(crate) cool: f64,
    /// …and when the hottest thread has more than this many times the mean…
    pub(crate) spread_hot: f64,
    /// …until it has less than this.
    pub(crate) spread_cool: f64,
    /// A thread is only relieved if that takes at least this part of its load away. Also the least
    /// that a split must set free, as a share of a thread.
    pub(crate) min_gain: f64,
    /// What a move costs, as a share of a thread: decides between moves, not whether to move.
    pub(crate) move_cost: f64,
    /// What one unit of border traffic per second costs when it crosses threads, as a share of a
    /// thread: the time in seconds that it takes more than within a thread.
    pub(crate) border_weight: f64,
    /// What acting over borders from two threads must cost a region before it is brought to its
    /// neighbours' thread for that alone, as a share of a thread.
    pub(crate) border_over: f64,
    /// How long a region that was moved stays where it is.
    pub(crate) cooldown: Duration,
    /// How long a region does not go back to a worker that it left, and a cut that was made stays.
    pub(crate) no_return: Duration,
    /// A region that alone needs more than this…
    pub(crate) split_over: f64,
    /// …for this long is split.
    pub(crate) split_after: Duration,
    /// Neighbours that together need less than this…
    pub(crate) merge_under: f64,
    /// …for this long are merged.
    pub(crate) merge_after: Duration,
    /// A worker is left at least so many regions by merges, so that there is something to move.
    pub(crate) keep_per_worker: usize,
    /// No region is split when there are so many.
    pub(crate) max_regions: usize,
    /// How long after a change it is judged…
    pub(crate) judge_after: Duration,
    /// …by figures that are not older than its making plus this.
    pub(crate) judge_from: Duration,
    /// A change did harm if the lateness has grown by this much…
    pub(crate) worse_by: Duration,
    /// …and by this factor…
    pub(crate) worse_factor: f64,
    /// …while the other regions of its threads need at most this much more of a thread.
    pub(crate) explained_by: f64,
    /// How long a change that was undone is not made again.
    pub(crate) forget_after: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            hot: 0.70,
            cool: 0.60,
            spread_hot: 1.25,
            spread_cool: 1.10,
            min_gain: 0.05,
            move_cost: 0.01,
            border_weight: 20e-6,
            border_over: 0.05,
            cooldown: Duration::from_secs(10),
            no_return: Duration::from_mins(1),
            split_over: 0.5,
            split_after: Duration::from_secs(3),
            merge_under: 0.20,
            merge_after: Duration::from_secs(30),
            keep_per_worker: 4,
            max_regions: 1024,
            judge_after: Duration::from_secs(5),
            judge_from: Duration::from_millis(2500),
            worse_by: Duration::from_millis(10),
            worse_factor: 1.25,
            explained_by: 0.10,
            forget_after: Duration::from_mins(2),
        }
    }
}

impl Policy {
    /// Two thresholds that meet would make the balancer flap.
    ///
    /// # Panics
    /// If they do.
    pub(crate) fn assert_sane(&self) {
        assert!(self.cool < self.hot, "threads must cool below `hot`");
        assert!(1.0 <= self.spread_cool && self.spread_cool < self.spread_hot);
        assert!(
            self.merge_under * 2.0 <= self.split_over,
            "what was split must not be merged at once"
        );
        assert!(self.judge_from < self.judge_after);
        assert!(self.cooldown <= self.no_return);
    }
}
