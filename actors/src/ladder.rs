//! Lives here: the ladder that is climbed where a crowd can't be cut: when the next rung is taken,
//! and when one is left again. Not here: measuring (`supervisor`), what a rung does (`hub`,
//! `region`).
//!
//! Invariant: pure. One rung at a time; up no sooner than `up` after the last step, down no sooner
//! than `down`; and a rung that had to be taken again soon after it was left is left later each
//! time, so that no load makes a ladder swing for long.

use std::time::Duration;

use crate::region::Rate;
use crate::settings::LadderSettings;

/// How much earlier than due a look may come, as timers do.
const JITTER: Duration = Duration::from_millis(200);
/// How much longer than `up` a ladder waits while the balancer may still relieve its thread.
const PATIENCE: Duration = Duration::from_secs(10);
/// A rung was left too early if the next one up is taken within so many times `down`.
const REGRET: u32 = 6;
/// `down` is doubled at most so often for rungs that were left too early.
const MOST_CAUTION: u32 = 4;
/// How long a ladder must not have climbed until it forgets that it once left a rung too early.
const FORGIVEN: Duration = Duration::from_mins(10);

/// World time per real time, by the rung of a region.
const DILATIONS: [f64; 9] = [1.0, 0.8, 0.6, 0.45, 0.35, 0.25, 0.18, 0.13, 0.1];

/// What a hub gives up, rung by rung; each includes those before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum HubRung {
    /// Nothing.
    Ground,
    /// Far cells are told at half the rate,
    FarHalf,
    /// or at a quarter of it.
    FarQuarter,
    /// Only the nearest cells are shown.
    Nearest,
    /// Time is slowed down where most of its sessions are.
    SlowTime,
}

impl HubRung {
    pub(crate) const ALL: [Self; 5] = [
        Self::Ground,
        Self::FarHalf,
        Self::FarQuarter,
        Self::Nearest,
        Self::SlowTime,
    ];
    /// The highest.
    pub(crate) const TOP: usize = Self::ALL.len() - 1;

    /// The rung of this number.
    pub(crate) fn of(rung: usize) -> Self {
        Self::ALL[rung.min(Self::TOP)]
    }

    /// Its name in status and logs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ground => "ground",
            Self::FarHalf => "far_half",
            Self::FarQuarter => "far_quarter",
            Self::Nearest => "nearest",
            Self::SlowTime => "slow_time",
        }
    }

    /// The rate of far cells, where it is not the full one.
    pub(crate) fn rate(self) -> Option<Rate> {
        match self {
            Self::Ground => None,
            Self::FarHalf => Some(Rate::Half),
            Self::FarQuarter | Self::Nearest | Self::SlowTime => Some(Rate::Quarter),
        }
    }

    /// How many times as much a hub may have to do one rung lower. What a rung saves depends on who
    /// stands where; left too early, it is taken again, and left later.
    pub(crate) fn saves(self) -> f64 {
        match self {
            Self::Ground | Self::SlowTime => 1.0,
            Self::FarHalf | Self::FarQuarter => 1.5,
            Self::Nearest => 2.0,
        }
    }
}

/// World time per real time of a region on `rung`, but not less than `least`.
pub(crate) fn dilation(rung: usize, least: f64) -> f64 {
    DILATIONS[rung.min(DILATIONS.len() - 1)].max(least)
}

/// The highest rung of a region: none is above the one that reaches `least`.
pub(crate) fn slowest(least: f64) -> usize {
    let reaches = DILATIONS.iter().position(|dilation| *dilation <= least);
    reaches.unwrap_or(DILATIONS.len() - 1)
}

/// What one side of a crowd costs its thread, measured since the last look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Strain {
    /// The share of the thread that is used.
    pub(crate) used: f64,
    /// The share that would be used one rung lower, as far as can be said.
    pub(crate) lower: f64,
    /// Whether the next rung would make it less.
    pub(crate) helps: bool,
    /// Whether somebody else may still make it less: then the next rung can wait.
    pub(crate) relief: bool,
}

/// A step that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Up,
    Down,
}

/// Where somebody stands on a ladder, and since when it is too much or little enough there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ladder {
    rung: usize,
    /// The time of the last look.
    last: Option<Duration>,
    over_since: Option<Duration>,
    calm_since: Option<Duration>,
    /// When a rung was last left, and when one was last taken.
    left: Option<Duration>,
    climbed: Option<Duration>,
    /// How often `down` is doubled.
    caution: u32,
}

impl Ladder {
    /// A ladder on which somebody stands already.
    pub(crate) fn at(rung: usize) -> Self {
        Self {
            rung,
            ..Self::default()
        }
    }

    /// The rung: 0 on the ground.
    pub(crate) fn rung(&self) -> usize {
        self.rung
    }

    /// Looks at the strain of the time since the last look; `top` is the highest rung. At most one
    /// step is taken.
    pub(crate) fn look(
        &mut self,
        at: Duration,
        strain: Strain,
        top: usize,
        settings: &LadderSettings,
    ) -> Option<Turn> {
        // What is seen now began after the last look.
        let began = self.last.replace(at).unwrap_or(at);
        let (over, calm) = (
            strain.used > settings.over && strain.helps && self.rung < top,
            strain.used <= settings.over && strain.lower < settings.under && self.rung > 0,
        );
        self.over_since = over.then(|| self.over_since.unwrap_or(began));
        self.calm_since = calm.then(|| self.calm_since.unwrap_or(began));
        let lasts =
            |since: Option<Duration>, time| since.is_some_and(|since| at + JITTER >= since + time);
        let patience = if strain.relief {
            PATIENCE
        } else {
            Duration::ZERO
        };
        if lasts(self.over_since, settings.up + patience) {
            self.climb(at, settings);
            Some(Turn::Up)
        } else if lasts(self.calm_since, settings.down * (1 << self.caution)) {
            self.rung -= 1;
            self.left = Some(at);
            self.calm_since = None;
            Some(Turn::Down)
        } else {
            None
        }
    }

    fn climb(&mut self, at: Duration, settings: &LadderSettings) {
        if self.climbed.is_none_or(|last| at >= last + FORGIVEN) {
            self.caution = 0;
        }
        let regrets = |left| at < left + settings.down * REGRET;
        if self.left.take().is_some_and(regrets) {
            self.caution = (self.caution + 1).min(MOST_CAUTION);
        }
        self.rung += 1;
        self.climbed = Some(at);
        // What came before was another rung's.
        self.over_since = None;
    }
}

#[cfg(test)]
mod tests;
