//! Lives here: the end of a run that stands: its writes are laid into the lanes of the regions it
//! holds, or wait in the region when they are lazy; its effects go with them.
//! Not here: reading, writing and taking back (`run`).
//!
//! Invariant: lanes of all regions of one task are locked while its epoch and commit number are
//! drawn, so that no epoch holds half of a task.

use std::sync::atomic::Ordering;

use parking_lot::MutexGuard;
use smallvec::SmallVec;

use super::{Held, Runner, Undo};
use crate::engine::Class;
use crate::feed::{Gone, News};
use crate::job::JobId;
use crate::lane::{Entry, Lane};
use crate::line::Home;
use crate::object::Value;
use crate::region::{Slot, State};

/// Entries and effects that one lane may hold before the worker waits for the committer.
const LANE_LIMIT: usize = 1_000_000;

impl Runner<'_> {
    /// Makes the run's writes count and hands its effects on; returns the epoch it belongs to.
    pub(crate) fn commit(&mut self, class: Class) -> u64 {
        let shared = self.shared;
        let writes = self.writes();
        let tells = !self.run.effects.is_empty();
        if shared.store.is_none() {
            self.settle(|_, _, _| {});
            self.deliver();
            return 0;
        }
        if !writes && !tells {
            return shared.epoch.load(Ordering::SeqCst);
        }
        let held = self.held.len();
        let may_wait = held == 1 && !self.run.structural && !tells;
        if class == Class::Lazy && may_wait && !self.has_waited() {
            self.settle_lazily();
            return shared.epoch.load(Ordering::SeqCst);
        }
        self.commit_to_lanes()
    }

    fn writes(&self) -> bool {
        !self.run.undo.is_empty() || self.run.unburied.is_some()
    }

    /// Whether lazy writes of the first region held have waited for long enough.
    fn has_waited(&self) -> bool {
        self.table.regions[self.held[0].region].has_waited(self.run.now_ms)
    }

    /// Hands the effects on at once, in a world in memory.
    fn deliver(&mut self) {
        let effects = std::mem::take(&mut self.run.effects);
        if !effects.is_empty() {
            self.shared.tell_now(effects);
        }
    }

    fn commit_to_lanes(&mut self) -> u64 {
        let (shared, table) = (self.shared, self.table);
        let writes = self.writes();
        if self.held.is_empty() {
            return self.commit_to_any_lane();
        }
        let mut lanes: SmallVec<[MutexGuard<'_, Lane>; 4]> = self
            .held
            .iter()
            .map(|held| shared.lock(&table.regions[held.region].lane))
            .collect();
        let mut news = false;
        for (lane, held) in lanes.iter_mut().zip(&self.held) {
            if !lane.told {
                lane.told = true;
                table.regions[held.region]
                    .flagged
                    .store(true, Ordering::SeqCst);
                news = true;
            }
        }
        shared.pause();
        // After the flags: either the committer saw them, or this is already the next epoch.
        let epoch = shared.epoch.load(Ordering::SeqCst);
        for lane in &mut lanes {
            lane.enter(epoch);
        }
        shared.pause();
        self.settle(|held, state, change| lay(&mut lanes[held], state, epoch, change));
        lanes[0].open.entries.extend(self.take_unburied());
        if writes || self.run.read_lazy {
            for (lane, Held { region, state }) in lanes.iter_mut().zip(self.held.iter_mut()) {
                flush_lazy(state, lane, epoch);
                table.regions[*region]
                    .lazy_since
                    .store(0, Ordering::Relaxed);
            }
        }
        if !self.run.effects.is_empty() {
            shared.lay_effects(&mut lanes[0].open, &mut self.run.effects);
        }
        let full = lanes[0].open.entries.len() + lanes[0].open.effects.len() > LANE_LIMIT;
        drop(lanes);
        shared.pause();
        if news {
            shared.signal.wake();
        }
        if full {
            self.held.clear();
            shared.wait_durable(epoch);
        }
        epoch
    }

    /// It touched nothing, yet has something to tell.
    fn commit_to_any_lane(&mut self) -> u64 {
        let shared = self.shared;
        let unburied = self.take_unburied();
        let effects = &mut self.run.effects;
        shared.lay_anywhere(|set| {
            set.entries.extend(unburied);
            shared.lay_effects(set, effects);
        })
    }

    /// What takes the dead letter away that the run was run from.
    fn take_unburied(&mut self) -> Option<Entry> {
        let number = self.run.unburied.take()?;
        let letter = Vec::new();
        Some(Entry::Dead { number, letter })
    }

    /// Ends the undo log: each write is shown to `lay` with its region, then to observers.
    fn settle(&mut self, mut lay: impl FnMut(usize, &mut State, Settled<'_>)) {
        let mut log = std::mem::take(&mut self.run.undo);
        let (mut crossed, mut jobs) = (false, false);
        for undo in log.drain(..) {
            match undo {
                Undo::Value { held, slot, .. } | Undo::Created { held, slot, .. } => {
                    let state = &mut *self.held[held].state;
                    lay(held, state, Settled::Put(slot));
                    state.tell(slot, News::Changed);
                }
                Undo::At {
                    held, slot, home, ..
                } => {
                    let state = &mut *self.held[held].state;
                    lay(held, state, Settled::Put(slot));
                    let moved = &state.slots[slot as usize];
                    let id = moved.id;
                    // Empty: it went on to another region, or was removed.
                    let to = match &moved.value {
                        Some(_) => Some(moved.home),
                        None => self.shared.places.get(id),
                    };
                    if to == Some(home) {
                        state.tell(slot, News::Moved);
                    } else {
                        lay(held, state, Settled::Left(home));
                        let gone = Gone::new(&state.slots[slot as usize], home, to);
                        state.feed.left(gone);
                        state.tell(slot, News::Changed);
                    }
                }
                Undo::Taken { held, at, slot, to } => {
                    let state = &mut *self.held[held].state;
                    lay(held, state, Settled::Taken(&slot, to.is_none()));
                    crossed |= to.is_some();
                    state.free(at);
                    if slot.id.is_entity() {
                        if to.is_none() {
                            self.shared.places.forget(slot.id);
                        }
                        state.feed.left(Gone::new(&slot, slot.home, to));
                    }
                    if let (None, Some(watch)) = (to, &slot.watch) {
                        watch.set_gone();
                    }
                }
                Undo::Name {
                    held, home, name, ..
                } => {
                    let state = &mut *self.held[held].state;
                    lay(held, state, Settled::Name(home, name));
                }
                Undo::Job { held, id, old } => {
                    jobs = true;
                    let change = Settled::Job {
                        id,
                        was: old.map_or((0, 0), |job| (job.lane_set, job.lane_at)),
                        waits: self.waits(id),
                    };
                    lay(held, &mut self.held[held].state, change);
                }
            }
        }
        // Kept for its room.
        self.run.undo = log;
        if jobs {
            self.show_due();
        }
        if crossed {
            self.show_edges();
        }
    }

    /// Something went from one region to another: their neighbours' ticks see it in exactly one.
    fn show_edges(&mut self) {
        let (shared, table) = (self.shared, self.table);
        let held = self.held.iter_mut();
        shared.show_together(held.map(|held| (&*table.regions[held.region], &mut *held.state)));
    }

    /// Values and positions within one region: they wait in the region.
    fn settle_lazily(&mut self) {
        let region = &self.table.regions[self.held[0].region];
        region.note_lazy(self.run.now_ms);
        self.settle(|_, state, change| match change {
            Settled::Put(slot) => state.mark_lazy(slot),
            Settled::Left(home) => state.note_left_lazily(home),
            Settled::Taken(..) | Settled::Name(..) | Settled::Job { .. } => {
                debug_assert!(false, "structural writes are never lazy");
            }
        });
    }
}

/// A write that counts.
pub(crate) enum Settled<'a> {
    Put(u32),
    Left(Home),
    Taken(&'a Slot, bool),
    Name(Home, Box<str>),
    Job {
        id: JobId,
        /// Where the lane may hold it as it was.
        was: (u32, u32),
        /// Whether it waits in some region still.
        waits: bool,
    },
}

fn lay(lane: &mut Lane, state: &mut State, epoch: u64, change: Settled<'_>) {
    match change {
        Settled::Put(slot) => lay_put(lane, state, epoch, slot),
        Settled::Left(home) => state.note_left(home, epoch),
        Settled::Taken(slot, removed) => {
            lane.void(slot.lane_set, slot.lane_at);
            if removed {
                lane.open.entries.push(Entry::Remove {
                    id: slot.id,
                    home: slot.home,
                });
            }
            state.note_left(slot.home, epoch);
        }
        Settled::Name(home, name) => {
            let id = state
                .names(home)
                .and_then(|names| names.get(&name).copied());
            lane.open.entries.push(Entry::Name { home, name, id });
            state.note_left(home, epoch);
        }
        Settled::Job { id, was, waits } => lay_job(lane, state, id, was, waits),
    }
}

fn lay_job(lane: &mut Lane, state: &mut State, id: JobId, was: (u32, u32), waits: bool) {
    let Some(job) = state.jobs.get_mut(id) else {
        lane.void(was.0, was.1);
        // It waits no more, or has gone on to another region, which lays it down.
        if !waits {
            lane.open.entries.push(Entry::Job { id, job: None });
        }
        return;
    };
    if was != (job.lane_set, job.lane_at) {
        lane.void(was.0, was.1);
    }
    let entry = Entry::Job {
        id,
        job: Some(Box::new(job.clone())),
    };
    lane.lay((&mut job.lane_set, &mut job.lane_at), entry);
}

#[inline]
fn lay_put(lane: &mut Lane, state: &mut State, epoch: u64, slot: u32) {
    let slot = &mut state.slots[slot as usize];
    // Empty: made and removed, or moved away, in this very task.
    let Some(value) = &slot.value else { return };
    let entry = Entry::Put {
        id: slot.id,
        place: slot.id.is_entity().then_some((slot.home, slot.at)),
        value: Value::clone(value),
    };
    slot.epoch = epoch;
    slot.lazy = false;
    lane.lay((&mut slot.lane_set, &mut slot.lane_at), entry);
}

/// Lays all lazy writes of a region into its lane: its dirty set is always taken whole.
pub(crate) fn flush_lazy(state: &mut State, lane: &mut Lane, epoch: u64) {
    for slot in std::mem::take(&mut state.lazy) {
        if state.slots[slot as usize].lazy {
            lay_put(lane, state, epoch, slot);
        }
    }
    state.flush_left(epoch);
}
