//! Lives here: one run of a task: the regions it holds, its undo log, finding and changing objects,
//! undoing. Not here: how its writes come to count (`settle`), what an author calls (`task`),
//! attempts (`worker`).
//!
//! Invariant: after `undo` every region held is exactly as the run found it, but for homes that
//! were read from LMDB meanwhile.

mod jobs;
mod pairs;
mod settle;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::MutexGuard;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::channel::Channel;
use crate::effect::{Effect, SessionId};
use crate::feed::News;
use crate::job::{Job, JobId};
use crate::line::{Home, Point};
use crate::object::{ObjectId, Value};
use crate::record;
use crate::region::{Slot, State};
use crate::shared::{IdRange, Shared, Table};
use crate::task::Stop;

pub(crate) use settle::flush_lazy;

/// Tries to find an entity that others keep moving, before the run is stopped.
const CHASE_LIMIT: usize = 64;

pub(crate) struct Held<'w> {
    pub(crate) region: usize,
    pub(crate) state: MutexGuard<'w, State>,
}

/// How to take one write back.
pub(crate) enum Undo {
    Value {
        held: usize,
        slot: u32,
        old: Value,
    },
    At {
        held: usize,
        slot: u32,
        home: Home,
        at: Point,
    },
    Created {
        held: usize,
        slot: u32,
        new: bool,
    },
    Taken {
        held: usize,
        at: u32,
        slot: Box<Slot>,
        to: Option<Home>,
    },
    Name {
        held: usize,
        home: Home,
        name: Box<str>,
        old: Option<ObjectId>,
    },
    Job {
        held: usize,
        id: JobId,
        old: Option<Box<Job>>,
    },
}

/// By how much a home read from disk puts a run's deadline off, in milliseconds.
const HOME_READ_MS: u64 = 1;
/// By how much all of them together may, in milliseconds.
const READ_GRACE_MS: u64 = 2_000;

#[derive(Default)]
pub(crate) struct Run {
    /// Regions known to be needed, ascending: locked before the next run.
    pub(crate) needed: SmallVec<[usize; 8]>,
    pub(crate) undo: Vec<Undo>,
    pub(crate) effects: Vec<Effect>,
    /// The channels of sessions that the run has looked at, as it sees them.
    channels: FxHashMap<SessionId, Vec<Channel>>,
    /// Why the engine stopped this run; nothing it does counts any more.
    pub(crate) stop: Option<Stop>,
    /// Names this run in the slots it writes; never 0, never used twice.
    pub(crate) serial: u64,
    pub(crate) now_ms: u64,
    pub(crate) deadline_ms: u64,
    /// By how much the deadline may still be put off for homes read from disk.
    grace_ms: u64,
    pub(crate) rng: fastrand::Rng,
    /// It made, removed or moved between regions, or bound a name: never lazy.
    structural: bool,
    /// It read something that was lazily written.
    read_lazy: bool,
    pub(crate) ids: IdRange,
    /// A region of its table is no more: the next run begins with the table of now.
    pub(crate) stale: bool,
    /// The dead letter that this run's commit drops.
    pub(crate) unburied: Option<u64>,
    /// The job whose turn this run is, and the held region that it stood in when the run began.
    turn: Option<(usize, JobId)>,
}

/// A run with what it runs on.
pub(crate) struct Runner<'w> {
    pub(crate) shared: &'w Shared,
    pub(crate) table: &'w Table,
    pub(crate) run: &'w mut Run,
    pub(crate) held: SmallVec<[Held<'w>; 4]>,
}

type Result<T> = std::result::Result<T, Stop>;

/// Where a live object stands: which held region, which slot.
pub(crate) type Spot = (usize, u32);

impl<'w> Runner<'w> {
    pub(crate) fn new(shared: &'w Shared, table: &'w Table, run: &'w mut Run) -> Self {
        Self {
            shared,
            table,
            run,
            held: SmallVec::new(),
        }
    }

    /// Stops the run for good.
    #[cold]
    fn stop(&mut self, stop: Stop) -> Stop {
        self.run.stop.get_or_insert(stop).clone()
    }

    /// Fails when the run has been stopped or its budget of time is over.
    #[inline]
    pub(crate) fn go_on(&mut self) -> Result<()> {
        if self.run.stop.is_some() || self.shared.clock.now_ms() > self.run.deadline_ms {
            return Err(self.stop(Stop::Timeout));
        }
        self.shared.pause();
        Ok(())
    }

    /// Gives the run so much time from now on.
    pub(crate) fn allow(&mut self, budget: Duration) {
        let budget_ms = u64::try_from(budget.as_millis()).unwrap_or(u64::MAX);
        self.run.deadline_ms = self.shared.clock.now_ms().saturating_add(budget_ms);
    }

    /// Locks the regions known to be needed, in line order, waiting.
    pub(crate) fn lock_needed(&mut self) {
        for at in 0..self.run.needed.len() {
            let region = self.run.needed[at];
            let Ok(state) = self.wait_for(region) else {
                return;
            };
            self.held.push(Held { region, state });
        }
    }

    fn wait_for(&mut self, region: usize) -> Result<MutexGuard<'w, State>> {
        let state = self.shared.lock(&self.table.regions[region].state);
        self.still_there(state)
    }

    /// Fails when the region was split or merged meanwhile.
    #[inline]
    fn still_there(&mut self, state: MutexGuard<'w, State>) -> Result<MutexGuard<'w, State>> {
        if state.retired {
            drop(state);
            self.run.stale = true;
            return Err(self.stop(Stop::Again));
        }
        Ok(state)
    }

    #[inline]
    fn hold(&mut self, home: Home) -> Result<usize> {
        let region = self.table.region_at(home);
        match self.held.iter().position(|held| held.region == region) {
            Some(held) => Ok(held),
            None => self.acquire(region),
        }
    }

    fn acquire(&mut self, region: usize) -> Result<usize> {
        let state = if self.held.is_empty() {
            self.wait_for(region)?
        } else {
            match self.table.regions[region].state.try_lock() {
                Some(state) => self.still_there(state)?,
                None => return Err(self.ask_for(region)),
            }
        };
        self.held.push(Held { region, state });
        Ok(self.held.len() - 1)
    }

    #[cold]
    fn ask_for(&mut self, region: usize) -> Stop {
        let run = &mut *self.run;
        run.needed.extend(self.held.iter().map(|held| held.region));
        run.needed.push(region);
        run.needed.sort_unstable();
        run.needed.dedup();
        self.stop(Stop::Again)
    }

    /// The region that holds `home`, with the home in memory.
    pub(crate) fn home(&mut self, home: Home) -> Result<usize> {
        let held = self.hold(home)?;
        self.load(held, home)?;
        Ok(held)
    }

    /// Finds a live object, reading its home from LMDB if need be.
    #[inline]
    pub(crate) fn locate(&mut self, id: ObjectId) -> Result<Option<Spot>> {
        self.go_on()?;
        match id.fixed_home(&self.shared.map) {
            Some(home) => {
                let held = self.hold(home)?;
                if let Some(slot) = self.held[held].state.slot_of(id) {
                    return Ok(Some((held, slot)));
                }
                let fresh = self.load(held, home)?;
                let slot = if fresh {
                    self.held[held].state.slot_of(id)
                } else {
                    None
                };
                Ok(slot.map(|slot| (held, slot)))
            }
            None => self.locate_entity(id),
        }
    }

    fn locate_entity(&mut self, id: ObjectId) -> Result<Option<Spot>> {
        for (held, region) in self.held.iter().enumerate() {
            if let Some(slot) = region.state.slot_of(id) {
                return Ok(Some((held, slot)));
            }
        }
        for _ in 0..CHASE_LIMIT {
            let known = self.shared.places.get(id);
            let Some(home) = (match known {
                Some(home) => Some(home),
                None => self.stored_home(id)?,
            }) else {
                return Ok(None);
            };
            let held = self.home(home)?;
            if let Some(slot) = self.held[held].state.slot_of(id) {
                return Ok(Some((held, slot)));
            }
            let moved = match self.shared.places.get(id) {
                // It went elsewhere before the lock was taken; or this very task removed it: nobody
                // else changes what is known of a region that is held.
                Some(now) => now != home,
                // It is not in memory. LMDB is at an older state, so it is gone; unless it went
                // elsewhere, got to disk there, and was evicted.
                None => self.stored_home(id)?.is_some_and(|now| now != home),
            };
            if !moved {
                return Ok(None);
            }
        }
        Err(self.stop(Stop::Fault(format!("entity {} can't be caught", id.raw()))))
    }

    fn stored_home(&mut self, id: ObjectId) -> Result<Option<Home>> {
        let Some(store) = &self.shared.store else {
            return Ok(None);
        };
        store
            .locate(id)
            .map_err(|e| self.stop(Stop::Fault(e.to_string())))
    }

    /// Makes sure that `home` is in memory; says whether it had to be read.
    fn load(&mut self, held: usize, home: Home) -> Result<bool> {
        if self.held[held].state.has_home(home) {
            return Ok(false);
        }
        let loaded = load_home(self.shared, &mut self.held[held].state, home);
        loaded.map_err(|fault| self.stop(Stop::Fault(fault)))?;
        // The disk's time is not the author's: a task that fits its budget on a warm world must
        // not fail on the same world just started.
        let grace = HOME_READ_MS.min(self.run.grace_ms);
        self.run.grace_ms -= grace;
        self.run.deadline_ms = self.run.deadline_ms.saturating_add(grace);
        Ok(true)
    }

    #[inline]
    pub(crate) fn slot(&mut self, (held, slot): Spot) -> &mut Slot {
        &mut self.held[held].state.slots[slot as usize]
    }

    /// The channels of a session: nobody else changes them as long as the run goes on.
    pub(crate) fn channels(&mut self, session: SessionId) -> Result<&mut Vec<Channel>> {
        self.go_on()?;
        let shard = self.shared.map.shard_of(session.0.as_u64_pair().0);
        self.hold(shard)?;
        let shared = self.shared;
        let channels = self.run.channels.entry(session);
        Ok(channels.or_insert_with(|| shared.lock(&shared.members).of(session)))
    }

    /// Notes that a slot is read: keeps it warm, and remembers whether it is on its way to disk.
    #[inline]
    pub(crate) fn note_read(&mut self, (held, slot): Spot) -> &Slot {
        let state = &mut *self.held[held].state;
        let slot = &mut state.slots[slot as usize];
        slot.used = state.round;
        self.run.read_lazy |= slot.lazy;
        slot
    }

    pub(crate) fn note_read_lazy(&mut self, lazy: bool) {
        self.run.read_lazy |= lazy;
    }

    /// Replaces an object's value.
    #[inline]
    pub(crate) fn write(&mut self, spot: Spot, value: Value) {
        let serial = self.run.serial;
        let slot = self.slot(spot);
        let old = slot.value.replace(value);
        if slot.writer != serial {
            slot.writer = serial;
            if let Some(old) = old {
                self.run.undo.push(Undo::Value {
                    held: spot.0,
                    slot: spot.1,
                    old,
                });
            }
        }
    }

    pub(crate) fn create(
        &mut self,
        id: ObjectId,
        home: Home,
        at: Point,
        value: Value,
    ) -> Result<()> {
        let held = self.home(home)?;
        let serial = self.run.serial;
        let mut slot = Slot::new(id, home, at, value);
        slot.writer = serial;
        let slot = self.held[held].state.insert(slot);
        self.run.undo.push(Undo::Created {
            held,
            slot,
            new: true,
        });
        self.run.structural = true;
        if id.is_entity() {
            self.shared.places.set(id, home);
        }
        self.shared.live.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) fn remove(&mut self, (held, at): Spot) {
        // Its place is forgotten when the task commits: until then, whoever looks for it has to
        // wait for this region and must not take it for gone.
        let slot = self.held[held].state.take(at);
        self.run.undo.push(Undo::Taken {
            held,
            at,
            slot: Box::new(slot),
            to: None,
        });
        self.run.structural = true;
        self.shared.live.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn place(&mut self, spot: Spot, at: Point) -> Result<()> {
        let at = self.shared.map.clamp(at);
        let to = self.shared.map.cell_at(at);
        let slot = self.slot(spot);
        let (id, home, old) = (slot.id, slot.home, slot.at);
        if home == to {
            slot.at = at;
            self.run.undo.push(Undo::At {
                held: spot.0,
                slot: spot.1,
                home,
                at: old,
            });
            return Ok(());
        }
        let held = self.home(to)?;
        if held == spot.0 {
            let state = &mut *self.held[held].state;
            state.rehome(spot.1, to);
            state.slots[spot.1 as usize].at = at;
            self.run.undo.push(Undo::At {
                held,
                slot: spot.1,
                home,
                at: old,
            });
        } else {
            let slot = self.held[spot.0].state.take(spot.1);
            let mut moved = slot.clone();
            (moved.home, moved.at) = (to, at);
            // The new region's lane and lists know nothing of it yet.
            (moved.lane_set, moved.lazy, moved.news, moved.writer) = (0, false, News::None, 0);
            self.run.undo.push(Undo::Taken {
                held: spot.0,
                at: spot.1,
                slot: Box::new(slot),
                to: Some(to),
            });
            let slot = self.held[held].state.insert(moved);
            self.run.undo.push(Undo::Created {
                held,
                slot,
                new: false,
            });
            self.run.structural = true;
            self.take_jobs_along(id, spot.0, held);
        }
        self.shared.places.set(id, to);
        Ok(())
    }

    pub(crate) fn names(
        &mut self,
        home: Home,
    ) -> Result<(usize, &mut BTreeMap<Box<str>, ObjectId>)> {
        self.go_on()?;
        let held = self.home(home)?;
        let names = self.held[held].state.names(home);
        Ok((
            held,
            names.ok_or_else(|| Stop::Fault("a home vanished while it was held".into()))?,
        ))
    }

    pub(crate) fn set_name(
        &mut self,
        home: Home,
        name: &str,
        id: Option<ObjectId>,
    ) -> Result<bool> {
        let (held, names) = self.names(home)?;
        let old = match id {
            Some(id) => names.insert(name.into(), id),
            None => names.remove(name),
        };
        if old.is_none() && id.is_none() {
            return Ok(false);
        }
        self.run.undo.push(Undo::Name {
            held,
            home,
            name: name.into(),
            old,
        });
        self.run.structural = true;
        Ok(old.is_some())
    }

    /// Takes all writes back, newest first.
    pub(crate) fn undo(&mut self) {
        while let Some(undo) = self.run.undo.pop() {
            match undo {
                Undo::Value { held, slot, old } => {
                    let slot = &mut self.held[held].state.slots[slot as usize];
                    slot.value = Some(old);
                    slot.writer = 0;
                }
                Undo::At {
                    held,
                    slot,
                    home,
                    at,
                } => {
                    let state = &mut *self.held[held].state;
                    if state.slots[slot as usize].home != home {
                        state.rehome(slot, home);
                        self.shared.places.set(state.slots[slot as usize].id, home);
                    }
                    state.slots[slot as usize].at = at;
                }
                Undo::Created {
                    held,
                    slot: at,
                    new,
                } => {
                    let slot = self.held[held].state.take(at);
                    self.held[held].state.free(at);
                    if new {
                        self.shared.live.fetch_sub(1, Ordering::Relaxed);
                        self.shared.places.forget(slot.id);
                    }
                }
                Undo::Taken { held, at, slot, to } => {
                    if slot.id.is_entity() {
                        self.shared.places.set(slot.id, slot.home);
                    }
                    if to.is_none() {
                        self.shared.live.fetch_add(1, Ordering::Relaxed);
                    }
                    self.held[held].state.put_back(at, *slot);
                }
                Undo::Name {
                    held,
                    home,
                    name,
                    old,
                } => {
                    if let Some(names) = self.held[held].state.names(home) {
                        match old {
                            Some(id) => names.insert(name, id),
                            None => names.remove(&name),
                        };
                    }
                }
                Undo::Job { held, id, old } => {
                    let count = &self.shared.jobs;
                    count.changed(None, old.as_deref());
                    let jobs = &mut self.held[held].state.jobs;
                    let new = jobs.set(id, old.map(|job| *job));
                    count.changed(new.as_ref(), None);
                }
            }
        }
        self.run.effects.clear();
        self.run.structural = false;
    }
}

/// Reads a home into memory; nothing changes when a row of it can't be read.
pub(crate) fn load_home(
    shared: &Shared,
    state: &mut State,
    home: Home,
) -> std::result::Result<(), String> {
    let Some(store) = &shared.store else {
        state.add_home(home, BTreeMap::new());
        shared.homes.fetch_add(1, Ordering::Relaxed);
        return Ok(());
    };
    let stored = store.load_home(home).map_err(|e| e.to_string())?;
    let mut objects = Vec::with_capacity(stored.rows.len());
    for (id, row) in &stored.rows {
        let (at, value) = record::read_row(&shared.kinds, row)
            .map_err(|e| format!("object {} in home {}: {e}", id.raw(), home.0))?;
        objects.push(Slot::new(*id, home, at.unwrap_or_default(), value));
    }
    let names = stored
        .names
        .into_iter()
        .map(|(name, id)| (name.into_boxed_str(), id))
        .collect();
    state.add_home(home, names);
    shared.live.fetch_add(objects.len(), Ordering::Relaxed);
    shared.homes.fetch_add(1, Ordering::Relaxed);
    shared.metrics.homes_loaded.increment(1);
    for slot in objects {
        if slot.id.is_entity() {
            shared.places.set(slot.id, home);
        }
        state.insert(slot);
    }
    Ok(())
}

impl Drop for Runner<'_> {
    /// What was not committed is taken back, also when a panic ends the run.
    fn drop(&mut self) {
        if !self.run.undo.is_empty() {
            self.undo();
        }
    }
}

impl Run {
    /// Forgets the last run and begins one.
    pub(crate) fn begin(&mut self, shared: &Shared, serial: u64, now_ms: u64, budget_ms: u64) {
        self.undo.clear();
        self.effects.clear();
        self.channels.clear();
        self.stop = None;
        self.stale = false;
        self.structural = false;
        self.read_lazy = false;
        self.turn = None;
        self.serial = serial;
        self.now_ms = now_ms;
        self.deadline_ms = shared.clock.now_ms().saturating_add(budget_ms);
        self.grace_ms = READ_GRACE_MS;
        let seed = shared.options.seed ^ serial.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.rng = fastrand::Rng::with_seed(seed);
    }
}

impl std::fmt::Debug for Runner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner")
            .field("serial", &self.run.serial)
            .finish_non_exhaustive()
    }
}
