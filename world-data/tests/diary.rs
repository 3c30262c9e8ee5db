//! Lives here: the diary of one life of a simulated world: which tasks were concluded, in which
//! order, what they were answered, and what was told to whom.
//! Not here: what must be true of it (`properties`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use world_data::{
    Class, Effect, EffectSink, Fault, Faults, Home, JobId, ObjectId, Partition, Report,
};

use crate::agreement::made;
use crate::draw::Sort;
use crate::ground::{Told, told};
use crate::programs::{Given, Op, Program, Saw};

/// A task that was concluded.
#[derive(Debug, Clone)]
pub(crate) struct Deed {
    pub(crate) sort: Sort,
    pub(crate) program: Program,
    pub(crate) given: Given,
    /// The world's time for it.
    pub(crate) now: u64,
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
    pub(crate) fn mark(&self) -> u32 {
        self.given.mark
    }

    /// Whether somebody waits for a reply to it.
    pub(crate) fn replies(&self) -> bool {
        self.is_durable() && self.given.this.is_none()
    }

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
    /// The seed of each job that was ever made.
    pub(crate) chores: BTreeMap<JobId, u64>,
    /// Those that earlier lives have made, and those that had a turn then.
    earlier: (BTreeSet<JobId>, BTreeSet<JobId>),
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

    /// Begins to write down a run: a mark of its own, and what it can pick from.
    pub(crate) fn begin(&mut self, this: Option<(JobId, u64)>) -> (Given, u64) {
        self.next_mark += 1;
        let given = Given {
            mark: self.next_mark - 1,
            known: self.known.clone(),
            this,
        };
        (given, self.tick())
    }

    /// The jobs that had a turn in this life or before.
    fn had_turns(&self) -> BTreeSet<JobId> {
        let turns = self.deeds.iter().filter_map(|deed| deed.given.this);
        let mut had: BTreeSet<_> = turns.map(|(this, _)| this).collect();
        had.extend(&self.earlier.1);
        had
    }

    fn count_turn(&mut self, this: JobId) {
        let turns = |deed: &Deed| deed.given.this.is_some_and(|(other, _)| other == this);
        if self.deeds.iter().any(turns) {
            self.count("chores come again");
        }
        if self.earlier.0.contains(&this) {
            self.count("chores of an earlier life");
        }
        if self.earlier.1.contains(&this) {
            self.count("chores come again after a restart");
        }
    }

    /// Notes what a run has made.
    pub(crate) fn take_in(&mut self, deed: &Deed) {
        if let Some((this, _)) = deed.given.this {
            self.count_turn(this);
        }
        self.known.extend(made(&deed.saw).objects);
        for (op, saw) in deed.program.ops.iter().zip(&deed.saw) {
            if let (Op::After(_, later) | Op::Every(_, later), Saw::Job(id)) = (op, saw) {
                self.chores.insert(*id, later.seed);
            }
        }
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
        if let Some(deed) = self.deeds.iter_mut().rev().find(|deed| deed.mark() == mark) {
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
            chores: self.chores.clone(),
            earlier: (self.chores.keys().copied().collect(), self.had_turns()),
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
