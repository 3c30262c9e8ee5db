//! Lives here: what a region's actor measures of itself, for the supervisor to read.
//! Not here: what is made of it (`supervisor`, `balance`).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use world_data::{Home, RegionId};

use crate::border::{Counts, Traffic};

/// Ticks whose lateness is remembered: two seconds at 20 Hz, as the balancer wants it.
const LATENESS_KEPT: usize = 40;

/// What a region is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Tasks,
    Ticks,
    Encoding,
    Sending,
}

impl Part {
    pub(crate) const ALL: [Self; 4] = [Self::Tasks, Self::Ticks, Self::Encoding, Self::Sending];

    /// Whether it becomes less where time is slowed down.
    pub(crate) fn is_of_ticks(self) -> bool {
        self != Self::Tasks
    }
}

/// What a region's actor measures, for the supervisor to read.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// By part, in nanoseconds.
    busy: [AtomicU64; 4],
    /// Ticks run; the number of the newest.
    pub(crate) ticks: AtomicU64,
    /// Ticks that began late or were skipped.
    pub(crate) late: AtomicU64,
    /// Live objects.
    pub(crate) objects: AtomicUsize,
    /// Entities among them.
    pub(crate) entities: AtomicUsize,
    /// Busy time per second by part, smoothed, as the bits of an `f64`; the supervisor's to write.
    loads: [AtomicU64; 4],
    /// How late the newest ticks began, in microseconds.
    lateness: Mutex<VecDeque<u32>>,
    /// What went over to other regions since the supervisor last asked.
    counted: Mutex<FxHashMap<RegionId, Counts>>,
    /// All that was done until the last survey of where the load lies, and how long that took, in
    /// nanoseconds.
    surveyed: [AtomicU64; 2],
    /// The load of each cell, in any unit.
    pub(crate) weights: Mutex<Vec<(Home, f64)>>,
    /// Where entities are, when somebody wants to see: x and y of each.
    pub(crate) dots: Mutex<Vec<f32>>,
    /// How long it did nothing for its last change, in microseconds; 0: never changed.
    pub(crate) pause_micros: AtomicU64,
    /// Where it stands on the ladder; the supervisor's to write.
    pub(crate) rung: AtomicUsize,
    /// Its traffic with each other region that it has any with; the supervisor's to write.
    pub(crate) border: Mutex<Vec<(RegionId, Traffic)>>,
    /// Busy time in the newest second, as the bits of an `f64`; the supervisor's to write.
    fresh: AtomicU64,
}

/// A survey of where the load lies waits until so many times what the last one took was done: it looks
/// at every object, and a region that does little needs no cut.
const SURVEY_PART: u32 = 200;

impl Figures {
    /// Whether enough was done since the last survey to make another.
    pub(crate) fn wants_survey(&self) -> bool {
        let [until, took] = &self.surveyed;
        let nanos = |of: &AtomicU64| Duration::from_nanos(of.load(Ordering::Relaxed));
        self.busy_in_all().saturating_sub(nanos(until)) >= nanos(took) * SURVEY_PART
    }

    /// Notes a survey that took so long.
    pub(crate) fn surveyed(&self, took: Duration) {
        let until = self.busy_in_all();
        for (figure, time) in self.surveyed.iter().zip([until, took]) {
            figure.store(time.as_nanos() as u64, Ordering::Relaxed);
        }
    }

    fn busy_in_all(&self) -> Duration {
        Part::ALL
            .into_iter()
            .map(|part| self.busy_total(part))
            .sum()
    }

    /// Adds time spent.
    pub(crate) fn busy(&self, part: Part, time: Duration) {
        self.busy[part as usize].fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
    }

    /// All time spent so far on a part.
    pub(crate) fn busy_total(&self, part: Part) -> Duration {
        Duration::from_nanos(self.busy[part as usize].load(Ordering::Relaxed))
    }

    /// Busy time per second, smoothed.
    pub(crate) fn load(&self) -> f64 {
        Part::ALL.iter().map(|part| self.load_of(*part)).sum()
    }

    /// Busy time per second as it would be if time were not slowed down to `dilation`, smoothed.
    pub(crate) fn load_undilated(&self, dilation: f64) -> f64 {
        let load =
            |part: &Part| self.load_of(*part) / if part.is_of_ticks() { dilation } else { 1.0 };
        Part::ALL.iter().map(load).sum()
    }

    /// Busy time per second of a part, smoothed.
    pub(crate) fn load_of(&self, part: Part) -> f64 {
        f64::from_bits(self.loads[part as usize].load(Ordering::Relaxed))
    }

    pub(crate) fn set_load(&self, part: Part, load: f64) {
        self.loads[part as usize].store(load.to_bits(), Ordering::Relaxed);
    }

    /// Notes how late a tick began.
    pub(crate) fn tick_was_late_by(&self, late: Duration) {
        let mut lateness = self.lateness.lock();
        if lateness.len() == LATENESS_KEPT {
            lateness.pop_front();
        }
        lateness.push_back(u32::try_from(late.as_micros()).unwrap_or(u32::MAX));
    }

    /// The 99th percentile of the newest ticks' lateness.
    pub(crate) fn lateness(&self) -> Duration {
        let mut all: Vec<u32> = self.lateness.lock().iter().copied().collect();
        all.sort_unstable();
        // Of so few the 99th percentile is the largest.
        Duration::from_micros(all.last().copied().unwrap_or(0).into())
    }

    /// The share of a thread that it took in the newest second.
    pub(crate) fn fresh(&self) -> f64 {
        f64::from_bits(self.fresh.load(Ordering::Relaxed))
    }

    pub(crate) fn set_fresh(&self, load: f64) {
        self.fresh.store(load.to_bits(), Ordering::Relaxed);
    }

    /// Counts entities that went to other regions.
    pub(crate) fn crossed(&self, to: impl IntoIterator<Item = RegionId>) {
        let mut counted = self.counted.lock();
        for region in to {
            counted.entry(region).or_default().crossings += 1;
        }
    }

    /// Counts tasks that held this region and others.
    pub(crate) fn held_with(&self, others: FxHashMap<RegionId, u64>) {
        if others.is_empty() {
            return;
        }
        let mut counted = self.counted.lock();
        for (region, tasks) in others {
            counted.entry(region).or_default().tasks += tasks;
        }
    }

    /// Takes what was counted since the last call.
    pub(crate) fn take_border(&self) -> FxHashMap<RegionId, Counts> {
        std::mem::take(&mut self.counted.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surveys_take_a_small_part_of_what_is_surveyed_at_most() {
        let (figures, survey) = (Figures::default(), Duration::from_micros(300));
        let (mut surveys, mut busy) = (0, Duration::ZERO);
        // A region that ticks for 4 ms each second, for ten minutes.
        for _ in 0..600 {
            if figures.wants_survey() {
                figures.surveyed(survey);
                surveys += 1;
            }
            figures.busy(Part::Ticks, Duration::from_millis(4));
            busy += Duration::from_millis(4);
        }
        assert!(
            survey * (surveys - 1) * SURVEY_PART <= busy,
            "{surveys} surveys"
        );
        assert!(surveys > 30, "{surveys} surveys");
        // One that is busy is surveyed each second.
        figures.busy(Part::Tasks, Duration::from_millis(500));
        assert!(figures.wants_survey());
    }

    #[test]
    fn what_a_slowed_region_would_do_at_full_time_is_known() {
        let figures = Figures::default();
        for (part, load) in Part::ALL.into_iter().zip([0.1, 0.2, 0.05, 0.05]) {
            figures.set_load(part, load);
        }
        assert!((figures.load() - 0.4).abs() < 1e-9);
        // Tasks are not slowed down.
        assert!((figures.load_undilated(0.1) - 3.1).abs() < 1e-9);
    }
}
