//! Lives here: a region's state in memory: live objects by id and by home, names, what changed
//! lately. Not here: locks and tasks (`run`), the dirty set of an epoch (`lane`).
//!
//! Invariant: a home is in memory whole or not at all, and while a row of it is not yet in LMDB as
//! it stands here, the home stays.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use hashbrown::HashTable;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::feed::{Feed, News};
use crate::job::Jobs;
use crate::lane::Lane;
use crate::line::{Home, Point};
use crate::object::{ObjectId, Value};
use crate::partition::{Interval, RegionId};
use crate::picture::{Edge, Picture, Reach};
use crate::watch::Watch;

/// How long a lazy write may wait for something to be told.
pub(crate) const LAZY_AGE_MS: u64 = 1000;

pub(crate) struct Region {
    pub(crate) id: RegionId,
    pub(crate) interval: Interval,
    pub(crate) state: Mutex<State>,
    pub(crate) lane: Mutex<Lane>,
    /// Set when the lane holds something that the committer has not taken.
    pub(crate) flagged: AtomicBool,
    /// World time at which the oldest lazy write was made; 0 when there is none.
    pub(crate) lazy_since: AtomicU64,
    /// What neighbours' ticks may see; `None` while nothing was ever near them.
    pub(crate) shown: ArcSwapOption<Picture>,
    /// World time at which the first of its jobs is due. Written with the state held.
    pub(crate) next_due: AtomicU64,
}

impl Region {
    pub(crate) fn new(id: RegionId, interval: Interval, reach: Reach) -> Self {
        let state = State {
            edge: Edge::new(reach, interval),
            ..State::default()
        };
        Self::with(id, interval, state)
    }

    /// A region that begins with this state.
    pub(crate) fn with(id: RegionId, interval: Interval, state: State) -> Self {
        let next_due = state.jobs.next_due();
        Self {
            id,
            interval,
            state: Mutex::new(state),
            shown: ArcSwapOption::empty(),
            lane: Mutex::default(),
            flagged: AtomicBool::new(false),
            lazy_since: AtomicU64::new(0),
            next_due: AtomicU64::new(next_due),
        }
    }
}

#[derive(Default)]
pub(crate) struct State {
    /// Slot numbers by id; the id itself stands in the slot.
    index: HashTable<u32>,
    pub(crate) slots: Vec<Slot>,
    free: Vec<u32>,
    homes: FxHashMap<Home, HomeState>,
    /// Homes in the order of loading, for the eviction's hand.
    ring: Vec<Home>,
    hand: usize,
    /// Counts the hand's rounds: what was used since the last round is warm.
    pub(crate) round: u32,
    /// Slots with lazy writes; one counts if its slot still says so.
    pub(crate) lazy: Vec<u32>,
    /// Homes that an entity left by a lazy write.
    lazy_left: Vec<Home>,
    pub(crate) feed: Feed,
    /// Tasks that held this region and that one, since they were last asked for; each is noted at
    /// one of the two. Its entries are the regions there were since then, at most.
    pub(crate) tasks_with: FxHashMap<RegionId, u64>,
    pub(crate) jobs: Jobs,
    entities: usize,
    /// How much the last tick had to do, in slots passed by.
    pub(crate) tick_work: usize,
    pub(crate) edge: Edge,
    /// The region is no more: look into the table again.
    pub(crate) retired: bool,
}

/// A live object. What every access needs stands in its first cache line: with many objects, the
/// lines touched are what a task costs.
#[derive(Clone)]
#[repr(C, align(64))]
pub(crate) struct Slot {
    pub(crate) id: ObjectId,
    /// `None` in a free slot only.
    pub(crate) value: Option<Value>,
    /// The run that wrote it last: its old value is in that run's undo log.
    pub(crate) writer: u64,
    /// The epoch of the last write that went to the lane.
    pub(crate) epoch: u64,
    /// Where the lane's open set holds this object, if `lane_set` is that set's number.
    pub(crate) lane_at: u32,
    pub(crate) lane_set: u32,
    /// The round in which it was last used.
    pub(crate) used: u32,
    pub(crate) lazy: bool,
    pub(crate) news: News,
    /// Its home is one that neighbours may look at.
    edge: bool,
    /// Where its home lists it, if it has no position.
    member_at: u32,
    pub(crate) home: Home,
    /// Meaningless for an object without a position.
    pub(crate) at: Point,
    pub(crate) watch: Option<Arc<Watch>>,
    /// The world time, in milliseconds, of the tick that took it over a region's border: the new
    /// region's next tick covers for it only what has passed since.
    pub(crate) crossed_ms: u64,
}

const _: () = assert!(std::mem::offset_of!(Slot, news) < 64 && size_of::<Slot>() == 128);

impl Slot {
    pub(crate) fn new(id: ObjectId, home: Home, at: Point, value: Value) -> Self {
        Self {
            id,
            home,
            at,
            value: Some(value),
            epoch: 0,
            lane_at: 0,
            lane_set: 0,
            writer: 0,
            lazy: false,
            news: News::None,
            used: 0,
            member_at: 0,
            edge: false,
            watch: None,
            crossed_ms: 0,
        }
    }

    pub(crate) fn entity(&self) -> Option<crate::world::Entity<'_>> {
        let value = self.value.as_ref()?;
        let is = self.id.is_entity();
        is.then_some(crate::world::Entity {
            id: self.id,
            at: self.at,
            value,
        })
    }
}

#[derive(Default)]
struct HomeState {
    /// Slots; those of entities in the order of ids, so that looks show them in the same order
    /// whatever became of their regions.
    members: Vec<u32>,
    names: BTreeMap<Box<str>, ObjectId>,
    /// The last epoch that took a row away from this home or changed its names.
    left: u64,
    /// An entity left it by a lazy write that is not in the lane yet.
    left_lazily: bool,
    used: u32,
    /// Neighbours may look at it.
    edge: bool,
    /// It is at the edge, and has changed since the last picture.
    dirty: bool,
}

/// Ids are numbers handed out in order: multiplying spreads them, and the table takes its bits from
/// both ends.
#[inline]
fn hash(id: ObjectId) -> u64 {
    let spread = u128::from(id.raw()) * 0x9E37_79B9_7F4A_7C15;
    (spread >> 64) as u64 ^ spread as u64
}

fn forget(index: &mut HashTable<u32>, id: ObjectId, at: u32) {
    if let Ok(entry) = index.find_entry(hash(id), |other| *other == at) {
        entry.remove();
    }
}

impl State {
    #[inline]
    pub(crate) fn slot_of(&self, id: ObjectId) -> Option<u32> {
        let slots = &self.slots;
        self.index
            .find(hash(id), |at| slots[*at as usize].id == id)
            .copied()
    }

    pub(crate) fn has_home(&self, home: Home) -> bool {
        self.homes.contains_key(&home)
    }

    pub(crate) fn add_home(&mut self, home: Home, names: BTreeMap<Box<str>, ObjectId>) {
        let edge = self.edge.holds(home);
        let fresh = HomeState {
            names,
            used: self.round,
            edge,
            dirty: edge,
            ..HomeState::default()
        };
        if self.homes.insert(home, fresh).is_none() {
            self.ring.push(home);
            if edge {
                self.edge.came(home);
            }
        }
    }

    /// Puts an object into its home, which is in memory.
    pub(crate) fn insert(&mut self, slot: Slot) -> u32 {
        let at = match self.free.pop() {
            Some(at) => at,
            None => self.slots.len() as u32,
        };
        self.insert_at(at, slot);
        at
    }

    fn insert_at(&mut self, at: u32, mut slot: Slot) {
        slot.used = self.round;
        self.entities += usize::from(slot.id.is_entity());
        let (id, home) = (slot.id, slot.home);
        (slot.member_at, slot.edge) = self.link(at, id, home);
        if at as usize == self.slots.len() {
            self.slots.push(slot);
        } else {
            self.slots[at as usize] = slot;
        }
        let slots = &self.slots;
        self.index
            .insert_unique(hash(id), at, |at| hash(slots[*at as usize].id));
    }

    /// Takes an object out. Its slot stays empty until [`State::free`] gives it away: as long as the
    /// run may be undone, what it noted of the slot must find nothing else there.
    pub(crate) fn take(&mut self, at: u32) -> Slot {
        let slot = &mut self.slots[at as usize];
        let empty = Slot {
            value: None,
            ..Slot::hole(slot.id)
        };
        let slot = std::mem::replace(slot, empty);
        forget(&mut self.index, slot.id, at);
        self.entities -= usize::from(slot.id.is_entity());
        self.unlink(slot.id, slot.home, slot.member_at);
        slot
    }

    /// Takes everything, and leaves a mark that says so.
    pub(crate) fn retire(&mut self) -> Self {
        let retired = Self {
            retired: true,
            ..Self::default()
        };
        std::mem::replace(self, retired)
    }

    /// A state without homes that goes on where this one is.
    pub(crate) fn empty_like(&self, edge: Edge) -> Self {
        let feed = Feed {
            on: self.feed.on,
            overflowed: self.feed.overflowed,
            ..Feed::default()
        };
        Self {
            round: self.round,
            feed,
            tick_work: self.tick_work,
            edge,
            ..Self::default()
        }
    }

    /// Hands the homes that `goes` says to `other`, with all that is in them. Nothing of them may
    /// be lazily written.
    pub(crate) fn hand_over(&mut self, other: &mut Self, goes: impl Fn(Home) -> bool) {
        let (go, stay) = std::mem::take(&mut self.ring)
            .into_iter()
            .partition(|home| goes(*home));
        (self.ring, self.hand) = (stay, 0);
        other.feed.on |= self.feed.on;
        other.feed.overflowed |= self.feed.overflowed;
        for home in go {
            let Some(mut part) = self.homes.remove(&home) else {
                continue;
            };
            let members = std::mem::take(&mut part.members);
            part.edge = other.edge.holds(home);
            part.dirty = part.edge;
            if part.edge {
                other.edge.came(home);
            }
            other.homes.insert(home, part);
            other.ring.push(home);
            for at in members {
                self.hand_slot(other, at);
            }
        }
        self.jobs.hand_over(&mut other.jobs, &goes);
        for gone in std::mem::take(&mut self.feed.gone) {
            let feed = if goes(gone.from) {
                &mut other.feed
            } else {
                &mut self.feed
            };
            feed.left(gone);
        }
    }

    fn hand_slot(&mut self, other: &mut Self, at: u32) {
        let id = self.slots[at as usize].id;
        let mut slot = std::mem::replace(&mut self.slots[at as usize], Slot::hole(id));
        forget(&mut self.index, id, at);
        self.entities -= usize::from(id.is_entity());
        self.free.push(at);
        debug_assert!(!slot.lazy, "lazy writes are flushed before");
        // The new region's lane, lists and runs know nothing of it yet.
        let news = std::mem::replace(&mut slot.news, News::None);
        (slot.lane_set, slot.writer) = (0, 0);
        let at = other.insert(slot);
        other.tell(at, news);
    }

    /// Lets a slot that was taken be used again.
    pub(crate) fn free(&mut self, at: u32) {
        self.free.push(at);
    }

    /// Lists a slot in a home; says where, and whether neighbours may look at it there.
    fn link(&mut self, at: u32, id: ObjectId, home: Home) -> (u32, bool) {
        let slots = &self.slots;
        let state = self.homes.entry(home).or_default();
        let edge = state.edge;
        let end = state.members.len();
        let mut place = end;
        if id.is_entity() {
            place = state
                .members
                .partition_point(|other| slots[*other as usize].id < id);
        }
        state.members.insert(place, at);
        if edge {
            self.touch(home);
        }
        (end as u32, edge)
    }

    fn unlink(&mut self, id: ObjectId, home: Home, member_at: u32) {
        let Some(state) = self.homes.get_mut(&home) else {
            return;
        };
        if id.is_entity() {
            let slots = &self.slots;
            let place = state
                .members
                .binary_search_by_key(&id, |other| slots[*other as usize].id);
            if let Ok(place) = place {
                state.members.remove(place);
            }
            if state.edge {
                self.touch(home);
            }
            return;
        }
        state.members.swap_remove(member_at as usize);
        if let Some(moved) = state.members.get(member_at as usize) {
            self.slots[*moved as usize].member_at = member_at;
        }
    }

    /// Notes that a home is not as its neighbours were last shown it.
    fn touch(&mut self, home: Home) {
        if let Some(state) = self.homes.get_mut(&home)
            && state.edge
            && !std::mem::replace(&mut state.dirty, true)
        {
            self.edge.changed(home);
        }
    }

    /// Notes that a home is about to be shown as it is.
    pub(crate) fn mark_clean(&mut self, home: Home) {
        if let Some(state) = self.homes.get_mut(&home) {
            state.dirty = false;
        }
    }

    /// Homes in memory that neighbours may look at.
    pub(crate) fn edge_homes(&self) -> impl Iterator<Item = Home> + use<'_> {
        let edge = self.homes.iter().filter(|(_, state)| state.edge);
        edge.map(|(home, _)| *home)
    }

    /// Puts back what `take` took from slot `at`.
    pub(crate) fn put_back(&mut self, at: u32, slot: Slot) {
        self.insert_at(at, slot);
    }

    /// Moves an object to another home of this region, which is in memory.
    pub(crate) fn rehome(&mut self, at: u32, to: Home) {
        let slot = &self.slots[at as usize];
        let (id, home, member_at) = (slot.id, slot.home, slot.member_at);
        if !self.jobs.is_empty() {
            self.jobs.rehome(id, to);
        }
        self.unlink(id, home, member_at);
        let (member_at, edge) = self.link(at, id, to);
        let slot = &mut self.slots[at as usize];
        (slot.home, slot.member_at, slot.edge) = (to, member_at, edge);
    }

    /// The home of a live object.
    pub(crate) fn home_of(&self, id: ObjectId) -> Option<Home> {
        self.slot_of(id).map(|at| self.slots[at as usize].home)
    }

    pub(crate) fn members(&self, home: Home) -> &[u32] {
        self.homes.get(&home).map_or(&[], |home| &home.members)
    }

    /// For each home with anything in it, in any order: the sum of what `weigh` says of its objects.
    pub(crate) fn sums(&self, weigh: impl Fn(&Slot) -> f64) -> Vec<(Home, f64)> {
        let sum = |(home, state): (&Home, &HomeState)| {
            let slots = state.members.iter().map(|at| &self.slots[*at as usize]);
            (!state.members.is_empty()).then(|| (*home, slots.map(&weigh).sum()))
        };
        self.homes.iter().filter_map(sum).collect()
    }

    pub(crate) fn names(&mut self, home: Home) -> Option<&mut BTreeMap<Box<str>, ObjectId>> {
        let round = self.round;
        self.homes.get_mut(&home).map(|home| {
            home.used = round;
            &mut home.names
        })
    }

    /// Notes that a row left `home`, or one of its names changed, in `epoch`.
    pub(crate) fn note_left(&mut self, home: Home, epoch: u64) {
        if let Some(home) = self.homes.get_mut(&home) {
            home.left = home.left.max(epoch);
        }
    }

    /// Notes that an entity left `home` by a lazy write.
    pub(crate) fn note_left_lazily(&mut self, home: Home) {
        if let Some(state) = self.homes.get_mut(&home)
            && !std::mem::replace(&mut state.left_lazily, true)
        {
            self.lazy_left.push(home);
        }
    }

    /// Notes that all lazy writes go to disk in `epoch`.
    pub(crate) fn flush_left(&mut self, epoch: u64) {
        for home in std::mem::take(&mut self.lazy_left) {
            self.note_left(home, epoch);
            if let Some(home) = self.homes.get_mut(&home) {
                home.left_lazily = false;
            }
        }
    }

    /// Whether the absence of an entity from `home` is not on its way to disk yet.
    pub(crate) fn was_left_lazily(&self, home: Home) -> bool {
        !self.lazy_left.is_empty() && self.homes.get(&home).is_some_and(|home| home.left_lazily)
    }

    pub(crate) fn keep(&mut self, home: Home) {
        let round = self.round;
        if let Some(home) = self.homes.get_mut(&home) {
            home.used = round;
        }
    }

    /// Live objects and homes.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.index.len(), self.homes.len())
    }

    /// Live entities.
    pub(crate) fn entities(&self) -> usize {
        self.entities
    }

    /// Drops idle homes whose rows are all in LMDB as of epoch `safe`, looking at no more than
    /// `look` homes. Calls `dropped` for each object; returns how many homes went.
    ///
    /// The order is that of the clock algorithm (Corbató, 1968), by rounds instead of one bit.
    pub(crate) fn evict(
        &mut self,
        look: usize,
        safe: u64,
        mut dropped: impl FnMut(ObjectId),
    ) -> usize {
        let mut went = 0;
        for _ in 0..look.min(self.ring.len()) {
            if self.hand >= self.ring.len() {
                self.hand = 0;
                self.round = self.round.wrapping_add(1);
            }
            let home = self.ring[self.hand];
            if !self.is_cold(home, safe) {
                self.hand += 1;
                continue;
            }
            self.ring.swap_remove(self.hand);
            let gone = self.homes.remove(&home).unwrap_or_default();
            if gone.edge {
                self.edge.went(home);
            }
            for at in gone.members {
                let slot = &mut self.slots[at as usize];
                let id = slot.id;
                *slot = Slot {
                    value: None,
                    ..Slot::hole(id)
                };
                forget(&mut self.index, id, at);
                self.entities -= usize::from(id.is_entity());
                self.free.push(at);
                dropped(id);
            }
            went += 1;
        }
        went
    }

    fn is_cold(&self, home: Home, safe: u64) -> bool {
        let Some(state) = self.homes.get(&home) else {
            return true;
        };
        let warm = |used: u32| self.round.wrapping_sub(used) < 1;
        state.left <= safe
            && !warm(state.used)
            && !state.left_lazily
            && state.members.iter().all(|at| {
                let slot = &self.slots[*at as usize];
                slot.epoch <= safe
                    && !slot.lazy
                    && !warm(slot.used)
                    && slot
                        .watch
                        .as_ref()
                        .is_none_or(|watch| Arc::strong_count(watch) == 1)
            })
    }

    /// Marks a slot as lazily written.
    pub(crate) fn mark_lazy(&mut self, at: u32) {
        let slot = &mut self.slots[at as usize];
        if !slot.lazy {
            slot.lazy = true;
            self.lazy.push(at);
        }
    }

    /// Tells the observer and the watch of an entity's change.
    #[inline]
    pub(crate) fn tell(&mut self, at: u32, news: News) {
        let slot = &mut self.slots[at as usize];
        if let Some(watch) = &slot.watch {
            watch.set(slot.at);
        }
        if slot.edge {
            let home = slot.home;
            self.touch(home);
        }
        let slot = &mut self.slots[at as usize];
        if self.feed.on && slot.id.is_entity() && slot.news < news {
            if slot.news == News::None {
                self.feed.moved.push(at);
            }
            slot.news = news;
        }
    }
}

impl Slot {
    fn hole(id: ObjectId) -> Self {
        Self {
            id,
            home: Home(0),
            at: Point::default(),
            value: None,
            epoch: 0,
            lane_at: 0,
            lane_set: 0,
            writer: 0,
            lazy: false,
            news: News::None,
            used: 0,
            member_at: 0,
            edge: false,
            watch: None,
            crossed_ms: 0,
        }
    }
}

impl Region {
    /// Whether the oldest lazy write has waited for as long as one may.
    pub(crate) fn has_waited(&self, now_ms: u64) -> bool {
        let since = self.lazy_since.load(Ordering::Relaxed);
        since != 0 && since + LAZY_AGE_MS <= now_ms
    }

    /// Notes that there are lazy writes from `now_ms` on.
    pub(crate) fn note_lazy(&self, now_ms: u64) {
        if self.lazy_since.load(Ordering::Relaxed) == 0 {
            self.lazy_since.store(now_ms.max(1), Ordering::Relaxed);
        }
    }
}
