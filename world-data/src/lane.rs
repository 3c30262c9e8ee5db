//! Lives here: a region's lane: the rows and effects of the open epoch, and sets sealed since.
//! Not here: the epoch's number and who takes the sets (`committer`).
//!
//! Invariant: within a set an object stands at most once; all sets but the open one are older.

use crate::effect::{Effect, SessionId};
use crate::job::{Job, JobId};
use crate::line::{Home, Point};
use crate::object::{ObjectId, Value};
use crate::session::{Fact, Noted};

/// One dirty thing. Values are pointers: nothing is copied or encoded under a lock.
pub(crate) enum Entry {
    /// The place is that of an entity; the home of any other object follows from its id.
    Put {
        id: ObjectId,
        place: Option<(Home, Point)>,
        value: Value,
    },
    Remove {
        id: ObjectId,
        home: Home,
    },
    Name {
        home: Home,
        name: Box<str>,
        id: Option<ObjectId>,
    },
    Meta {
        key: &'static str,
        value: Vec<u8>,
    },
    Dead {
        number: u64,
        letter: Vec<u8>,
    },
    /// What no task's effect tells.
    Session {
        session: SessionId,
        fact: Fact,
    },
    /// A job as it waits now; `None`: it does not wait any more.
    Job {
        id: JobId,
        job: Option<Box<Job>>,
    },
    /// An object or a job that has left for another region's lane in the same epoch.
    Void,
}

/// An effect and its place in the order of commits.
pub(crate) struct Numbered {
    pub(crate) number: u64,
    pub(crate) effect: Effect,
    /// It has left already, and is here to be written down only: with this.
    pub(crate) told: Option<Noted>,
}

/// What one region adds to one epoch.
#[derive(Default)]
pub(crate) struct Set {
    pub(crate) epoch: u64,
    pub(crate) entries: Vec<Entry>,
    pub(crate) effects: Vec<Numbered>,
}

impl Set {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.effects.is_empty()
    }
}

#[derive(Default)]
pub(crate) struct Lane {
    pub(crate) open: Set,
    /// The open set's number; slots remember it beside their place in the set. From 1 on.
    pub(crate) number: u32,
    sealed: Vec<Set>,
    /// Whether the committer has been told of the lane since it last took from it.
    pub(crate) told: bool,
    /// Its region is no more: nothing may be laid here.
    pub(crate) retired: bool,
}

impl Lane {
    /// Makes `epoch` the open set's epoch, sealing the old set if it is of an older one.
    pub(crate) fn enter(&mut self, epoch: u64) {
        if self.open.epoch != epoch || self.number == 0 {
            let old = std::mem::take(&mut self.open);
            if !old.is_empty() {
                self.sealed.push(old);
            }
            self.open.epoch = epoch;
            self.number = self.number.wrapping_add(1).max(1);
        }
    }

    /// Lays down an object's newest entry; `slot` is where the slot remembers its place.
    pub(crate) fn lay(&mut self, slot: (&mut u32, &mut u32), entry: Entry) {
        let (set, at) = slot;
        if *set == self.number {
            self.open.entries[*at as usize] = entry;
        } else {
            *set = self.number;
            *at = self.open.entries.len() as u32;
            self.open.entries.push(entry);
        }
    }

    /// Empties the entry of an object that leaves the region.
    pub(crate) fn void(&mut self, set: u32, at: u32) {
        if set == self.number {
            self.open.entries[at as usize] = Entry::Void;
        }
    }

    /// Takes the sets up to `epoch` away; says whether a newer one stays behind.
    pub(crate) fn take(&mut self, epoch: u64, into: &mut Vec<Set>) -> bool {
        // What was inherited from another region's lane may be of a newer epoch.
        into.extend(self.sealed.extract_if(.., |set| set.epoch <= epoch));
        if self.open.epoch <= epoch {
            let old = std::mem::take(&mut self.open);
            self.number = self.number.wrapping_add(1).max(1);
            if !old.is_empty() {
                into.push(old);
            }
        }
        self.told = !self.open.is_empty() || !self.sealed.is_empty();
        self.told
    }

    /// Takes everything away: nothing is laid here any more.
    pub(crate) fn retire(&mut self, into: &mut Vec<Set>) {
        self.retired = true;
        into.append(&mut self.sealed);
        let open = std::mem::take(&mut self.open);
        if !open.is_empty() {
            into.push(open);
        }
    }

    /// Begins with what retired lanes held. Among sets of one epoch their order is kept.
    pub(crate) fn inherit(&mut self, sets: Vec<Set>) {
        debug_assert!(self.sealed.is_empty() && self.open.is_empty());
        self.sealed = sets;
        self.told = !self.sealed.is_empty();
    }
}
