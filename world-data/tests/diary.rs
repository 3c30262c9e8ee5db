//! Lives here: the diary of one life of a simulated world: which tasks were concluded, in which
//! order, what they were answered, and what was told to whom.
//! Not here: what must be true of it (`properties`).

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use world_data::{Class, Effect, EffectSink, Fault, Faults, Home, ObjectId, Partition, Report};

use crate::draw::Sort;
use crate::ground::{Told, told};
use crate::programs::{Op, Program, Saw};

/// A task that was concluded.
#[derive(Debug, Clone)]
pub(crate) struct Deed {
    pub(crate) mark: u32,
    pub(crate) sort: Sort,
    pub(crate) program: Program,
    /// The objects it could pick from.
    pub(crate) known: Vec<ObjectId>,
    pub(crate) saw: Vec<Saw>,
    pub(crate) fault: Option<Fault>,
    /// Whether the store had failed by then: nothing can commit any more.
    pub(crate) store_failed: bool,
    /// When it was called, and when it had returned.
    pub(crate) from: u64,
    pub(crate) to: Option<u64>,
    pub(crate) report: Option<Report>,
}

impl Deed {
    pub(crate) fn commits(&self) -> bool {
        self.fault.is_none()
    }

    /// Whether it took effect on anything.
    pub(crate) fn writes(&self) -> bool {
        self.commits() && self.saw.iter().any(|saw| matches!(saw, Saw::Added(_)))
    }

    pub(crate) fn is_durable(&self) -> bool {
        self.sort.class() == Class::Durable
    }

    /// What it sends if it commits.
    pub(crate) fn sends(&self) -> usize {
        self.program
            .ops
            .iter()
            .filter(|op| matches!(op, Op::Send(_)))
            .count()
    }

    /// The objects that it spoke of by themselves.
    pub(crate) fn ids(&self) -> impl Iterator<Item = ObjectId> + use<'_> {
        self.saw.iter().filter_map(|saw| match saw {
            Saw::Thing(id, Some(_)) | Saw::Added(id) | Saw::Made(id) | Saw::At(id, _) => Some(*id),
            _ => None,
        })
    }
}

/// An effect that was delivered, and the last epoch that was on disk at that moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hearing {
    pub(crate) told: Told,
    pub(crate) synced: u64,
}

/// How often each thing happened.
pub(crate) type Counts = BTreeMap<String, u64>;

/// Everything that a life left behind but its disk.
#[derive(Debug, Default)]
pub(crate) struct Diary {
    /// A clock of events: it goes on whenever it is read.
    now: u64,
    pub(crate) next_mark: u32,
    pub(crate) known: Vec<ObjectId>,
    /// In the order in which they were concluded, with all their regions held.
    pub(crate) deeds: Vec<Deed>,
    pub(crate) heard: Vec<Hearing>,
    pub(crate) partition: Option<Partition>,
    pub(crate) counts: Counts,
}

impl Diary {
    /// A region was cut: from now on its parts keep their own histories, also when they are one
    /// region again.
    pub(crate) fn cut(&mut self, at: Home) {
        if let Some(partition) = &mut self.partition
            && let Err(place) = partition.starts.binary_search(&at)
        {
            partition.starts.insert(place, at);
        }
    }

    /// The diary of the first life; genesis has used mark 0.
    pub(crate) fn first() -> Self {
        Self {
            next_mark: 1,
            ..Self::default()
        }
    }

    pub(crate) fn tick(&mut self) -> u64 {
        self.now += 1;
        self.now
    }

    pub(crate) fn count(&mut self, what: impl Into<String>) {
        *self.counts.entry(what.into()).or_default() += 1;
    }

    /// Notes that a task has returned.
    pub(crate) fn returned(&mut self, mark: u32, report: Report) {
        let now = self.tick();
        let attempts = if report.attempts > 1 {
            "run again"
        } else {
            "run once"
        };
        self.count(attempts);
        if report.regions > 1 {
            self.count("over several regions");
        }
        if let Some(deed) = self.deeds.iter_mut().rev().find(|deed| deed.mark == mark) {
            (deed.to, deed.report) = (Some(now), Some(report));
        }
    }

    /// Begins the diary of the next life.
    pub(crate) fn turn_page(&mut self) -> Self {
        let (next_mark, known) = (self.next_mark, self.known.clone());
        let counts = std::mem::take(&mut self.counts);
        Self {
            next_mark,
            known,
            counts,
            ..Self::default()
        }
    }
}

/// Writes down what is told.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) diary: Arc<Mutex<Diary>>,
    pub(crate) faults: Arc<Faults>,
}

impl EffectSink for Listener {
    fn deliver(&self, effects: Vec<Effect>) {
        let synced = self.faults.synced();
        let heard = effects.iter().map(|effect| Hearing {
            told: told(effect),
            synced,
        });
        self.diary.lock().heard.extend(heard);
    }
}
