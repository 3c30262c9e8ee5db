//! Lives here: a region's tick, and showing what changed in a region since it was last seen.
//! Not here: when a region ticks and who is told (`actors`).
//!
//! Invariant: what a tick computes depends on the region's state at its start only, never on the
//! number of threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use metrics::counter;
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use crate::engine::{Call, Class, Report};
use crate::feed::{Gone, News};
use crate::line::{Home, Point};
use crate::object::{ObjectId, Value};
use crate::partition::{Interval, RegionId};
use crate::picture::Abroad;
use crate::region::{Slot, State};
use crate::run::load_home;
use crate::shared::{Shared, Table};
use crate::worker::Worker;
use crate::world::{Entity, Scene as Cells, Step, Tick, World};

/// The work of a tick from which on it is computed by several threads: one for each slot, and
/// [`LOOK`] for each cell that its entities looked into. Below, waking the others costs more than
/// they bring (benches, `tick/threads`).
pub(crate) const PARALLEL_FROM: usize = 8192;
/// What a look into a cell costs, as so many slots that are only passed by.
const LOOK: usize = 4;
/// Slots that one thread takes at a time, at least and at most.
const CHUNK: std::ops::RangeInclusive<usize> = 64..=1024;
/// Parts for each thread: one that falls behind holds up the others by no more than a part.
const PARTS_PER_THREAD: usize = 4;

/// What a tick did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ticked {
    /// Entities looked at.
    pub entities: usize,
    /// Entities that changed.
    pub changed: usize,
    /// Parts that it was computed in; 1 if by one thread.
    pub parts: usize,
}

/// What the entities of one part of a tick look at.
struct View<'a> {
    state: &'a State,
    interval: Interval,
    abroad: Option<&'a Abroad>,
    /// Cells looked into. Only its own part counts here: an atomic for the sake of `Sync` alone.
    looks: AtomicUsize,
}

impl Cells for View<'_> {
    fn visit(&self, cell: Home, see: &mut dyn FnMut(Entity<'_>)) {
        self.looks
            .store(self.looks.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        if !self.interval.contains(cell) {
            if let Some(abroad) = self.abroad {
                abroad.visit(cell, see);
            }
            return;
        }
        for at in self.state.members(cell) {
            if let Some(entity) = self.state.slots[*at as usize].entity() {
                see(entity);
            }
        }
    }
}

/// When a tick is, and how much time it covers.
#[derive(Clone, Copy)]
struct Time {
    number: u64,
    now_ms: u64,
    seconds: f64,
}

/// What a part of a tick comes to.
struct Part {
    /// Slots and what becomes of the entities in them, but for those that stay as they are.
    steps: Vec<(u32, Step)>,
    looks: usize,
}

/// What all parts of a tick have in common.
struct Frame<'a> {
    shared: &'a Shared,
    state: &'a State,
    interval: Interval,
    abroad: Option<&'a Abroad>,
    time: Time,
}

/// What becomes of each entity, in the order of slots, in parallel where the last tick's work says
/// that it pays.
fn compute<W: World>(frame: &Frame<'_>, world: &W) -> Vec<Part> {
    let state = frame.state;
    if state.tick_work < frame.shared.options.parallel_from {
        return vec![part(frame, world, (0, &state.slots))];
    }
    let parts = rayon::current_num_threads() * PARTS_PER_THREAD;
    let chunk = (state.slots.len() / parts).clamp(*CHUNK.start(), *CHUNK.end());
    let chunks = state.slots.par_chunks(chunk).enumerate();
    chunks
        .map(|(at, slots)| part(frame, world, (at * chunk, slots)))
        .collect()
}

/// Computes one part of a tick: the entities of `slots`, which begin at `base`.
fn part<W: World>(frame: &Frame<'_>, world: &W, (base, slots): (usize, &[Slot])) -> Part {
    let (shared, time) = (frame.shared, frame.time);
    let view = View {
        state: frame.state,
        interval: frame.interval,
        abroad: frame.abroad,
        looks: AtomicUsize::new(0),
    };
    let tick = Tick {
        number: time.number,
        now_ms: time.now_ms,
        seconds: time.seconds,
        seed: shared.options.seed,
        reach: shared.reach.metres,
        at: Point::default(),
        map: shared.map,
        scene: &view,
    };
    let mut steps = Vec::new();
    for (at, slot) in slots.iter().enumerate() {
        let Some(entity) = slot.entity() else {
            continue;
        };
        let Some(tick) = tick.of(slot.at, slot.crossed_ms) else {
            continue;
        };
        // One entity's panic is its own: it stays as it is.
        match catch_unwind(AssertUnwindSafe(|| world.tick(&tick, entity))) {
            Ok(Step::Stay) => {}
            Ok(step) => steps.push(((base + at) as u32, step)),
            Err(_) => {
                counter!("brightstar_task_panics_total", "kind" => "tick").increment(1);
                tracing::warn!(id = slot.id.raw(), "the tick of an entity panicked");
            }
        }
    }
    let looks = view.looks.into_inner();
    Part { steps, looks }
}

/// An entity that leaves the region, by a task of its own.
#[derive(Debug)]
struct Crossing {
    id: ObjectId,
    /// What it was and where it stood when the tick looked at it.
    old: Option<Value>,
    from: Point,
    value: Option<Value>,
    to: Point,
}

/// A tick whose changes within its region stand, while what leaves the region is still there.
#[derive(Debug)]
#[must_use = "what leaves the region stays where it is until the tick is ended"]
pub struct Begun {
    region: RegionId,
    ticked: Ticked,
    crossings: Vec<Crossing>,
    now_ms: u64,
}

impl Worker {
    /// Ticks a region: every entity's [`World::tick`], in parallel where it pays, then the changes
    /// at once. Entities that leave the region do so each by a task of its own; then the region
    /// shows its edge to its neighbours' ticks. Does nothing for a region that no longer exists
    /// (`None`).
    ///
    /// What entities see of other regions is as of those regions' last ticks. Where all regions are
    /// to tick in step, [`Worker::show`] all, [`Worker::begin_tick`] all, then
    /// [`Worker::end_tick`] all: then each sees all others as they stood before the tick, and the
    /// result is the same wherever the borders are.
    pub fn tick<W: World>(
        &mut self,
        region: RegionId,
        world: &W,
        number: u64,
        seconds: f64,
    ) -> Option<Ticked> {
        let begun = self.begin_tick(region, world, number, seconds)?;
        Some(self.end_tick(begun))
    }

    /// The first half of [`Worker::tick`]: all but what leaves the region. To be ended before the
    /// region's next one.
    pub fn begin_tick<W: World>(
        &mut self,
        id: RegionId,
        world: &W,
        number: u64,
        seconds: f64,
    ) -> Option<Begun> {
        let (table, at) = self.find(id)?;
        let region = &table.regions[at];
        let interval = region.interval;
        let now_ms = self.shared.clock.now_ms();
        let mut begun = Begun {
            region: id,
            ticked: Ticked::default(),
            crossings: Vec::new(),
            now_ms,
        };
        let mut state = self.shared.lock(&region.state);
        if state.retired {
            // Only a caller that splits a region while it ticks comes here.
            return Some(begun);
        }
        let abroad = self.shared.look_abroad(&mut state);
        let frame = Frame {
            shared: &self.shared,
            state: &state,
            interval,
            abroad: abroad.as_ref(),
            time: Time {
                number,
                now_ms,
                seconds,
            },
        };
        let parts = compute(&frame, world);
        let looks: usize = parts.iter().map(|part| part.looks).sum();
        state.tick_work = state.slots.len() + LOOK * looks;
        begun.ticked = Ticked {
            entities: state.entities(),
            changed: parts.iter().map(|part| part.steps.len()).sum(),
            parts: parts.len(),
        };
        if begun.ticked.changed > 0 {
            region.note_lazy(now_ms);
        }
        for (slot, step) in parts.into_iter().flat_map(|part| part.steps) {
            if !self.shared.apply(
                &mut state,
                slot,
                step,
                |h| interval.contains(h),
                &mut begun.crossings,
            ) {
                begun.ticked.changed -= 1;
            }
        }
        if region.has_waited(now_ms) {
            self.shared.flush_lazy_of(&table, at, &mut state);
        }
        drop(state);
        // The tick itself is a task, too; what leaves the region is counted apart, as it runs.
        let report = Report {
            attempts: 1,
            regions: 1,
            epoch: 0,
            fault: None,
        };
        let (kind, _) = self.tally.find("tick", &self.shared.options);
        self.tally.add(kind, &report);
        Some(begun)
    }

    /// The second half of [`Worker::tick`]: what leaves the region goes, and neighbours are shown
    /// how the region's edge stands now.
    pub fn end_tick(&mut self, begun: Begun) -> Ticked {
        let Begun {
            region,
            ticked,
            crossings,
            now_ms,
        } = begun;
        for crossing in crossings {
            self.cross(&crossing, now_ms);
        }
        self.show(region);
        ticked
    }

    /// Shows neighbours' ticks how a region's edge stands now, as each of its ticks does at its end:
    /// what tasks changed since is seen from then on. Does nothing for a region that no longer
    /// exists.
    pub fn show(&mut self, region: RegionId) {
        if self.shared.reach.metres <= 0.0 {
            return;
        }
        if let Some((table, at)) = self.find(region) {
            let region = &table.regions[at];
            let mut state = self.shared.lock(&region.state);
            // Of one that was divided meanwhile the parts have been shown.
            if !state.retired {
                region.show(&mut state);
            }
        }
    }

    /// The region and the table of now; kept beside the worker's own, which tasks may renew.
    pub(crate) fn find(&mut self, region: RegionId) -> Option<(Arc<Table>, usize)> {
        self.refresh();
        let at = self.table.index_of(region)?;
        Some((Arc::clone(&self.table), at))
    }

    /// Takes an entity over the region's border: a task of the durable class in both regions.
    fn cross(&mut self, crossing: &Crossing, now_ms: u64) {
        let call = Call {
            kind: "tick",
            class: Class::Durable,
            origin: &crossing.id,
        };
        self.execute(
            call,
            |task| {
                let Some(spot) = task.on.locate(crossing.id)? else {
                    return Ok(());
                };
                let slot = task.on.slot(spot);
                let is_same = match (&slot.value, &crossing.old) {
                    (Some(value), Some(old)) => Arc::ptr_eq(value, old),
                    _ => false,
                };
                if !is_same || slot.at != crossing.from {
                    // A task changed it after the tick had looked: its word counts, and the next
                    // tick looks again.
                    return Ok(());
                }
                if let Some(value) = &crossing.value {
                    task.on.write(spot, Value::clone(value));
                }
                task.on.place(spot, crossing.to)?;
                if let Some(spot) = task.on.locate(crossing.id)? {
                    task.on.slot(spot).crossed_ms = now_ms;
                }
                Ok(())
            },
            |_| None,
        );
    }

    /// Shows what changed in a region since the last call, then forgets it. `None` when the region
    /// no longer exists.
    pub fn observe<R>(
        &mut self,
        region: RegionId,
        see: impl FnOnce(&mut Scene<'_>) -> R,
    ) -> Option<R> {
        let (table, at) = self.find(region)?;
        let mut state = self.shared.lock(&table.regions[at].state);
        state.feed.on = true;
        state.feed.moved.sort_unstable();
        state.feed.moved.dedup();
        let mut scene = Scene {
            shared: &self.shared,
            state: &mut state,
        };
        let result = see(&mut scene);
        let moved = std::mem::take(&mut state.feed.moved);
        for slot in &moved {
            state.slots[*slot as usize].news = News::None;
        }
        // Keeps its memory for the next round.
        state.feed.moved = moved;
        state.feed.moved.clear();
        state.feed.gone.clear();
        state.feed.overflowed = false;
        Some(result)
    }
}

impl Shared {
    /// Applies one entity's step; `false` if it could not be.
    fn apply(
        &self,
        state: &mut State,
        at: u32,
        step: Step,
        is_inside: impl Fn(Home) -> bool,
        crossings: &mut Vec<Crossing>,
    ) -> bool {
        let (value, to) = match step {
            Step::Stay => return false,
            Step::Go(to) => (None, Some(to)),
            Step::Become(changed, to) => (Some(changed.0), to),
        };
        let slot = &mut state.slots[at as usize];
        let news = if value.is_some() {
            News::Changed
        } else {
            News::Moved
        };
        let Some(to) = to.map(|to| self.map.clamp(to)) else {
            slot.value = value.or(slot.value.take());
            state.mark_lazy(at);
            state.tell(at, news);
            return true;
        };
        if self.map.is_same_cell(slot.at, to) {
            slot.value = value.or(slot.value.take());
            slot.at = to;
            state.mark_lazy(at);
            state.tell(at, news);
            return true;
        }
        let (id, from, cell) = (slot.id, slot.home, self.map.cell_at(to));
        if !is_inside(cell) {
            crossings.push(Crossing {
                id,
                old: slot.value.clone(),
                from: slot.at,
                value,
                to,
            });
            return true;
        }
        if !state.has_home(cell)
            && let Err(why) = load_home(self, state, cell)
        {
            tracing::error!(
                why,
                id = id.raw(),
                "an entity stays: the cell ahead can't be read"
            );
            return false;
        }
        let slot = &mut state.slots[at as usize];
        let gone = Gone::new(slot, from, Some(cell));
        slot.value = value.or(slot.value.take());
        slot.at = to;
        state.rehome(at, cell);
        self.places.set(id, cell);
        state.note_left_lazily(from);
        state.feed.left(gone);
        state.mark_lazy(at);
        state.tell(at, News::Changed);
        true
    }
}

/// What changed in a region since it was last observed; see [`Worker::observe`].
pub struct Scene<'a> {
    shared: &'a Shared,
    state: &'a mut State,
}

impl std::fmt::Debug for Scene<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scene").finish_non_exhaustive()
    }
}

/// An entity that is new in its cell, moved or changed.
#[derive(Debug, Clone, Copy)]
pub struct Moved<'a> {
    /// The entity as it stands now.
    pub entity: Entity<'a>,
    /// Its cell.
    pub cell: Home,
    /// Whether the object itself changed or is new in this cell (else it only moved).
    pub changed: bool,
}

impl Scene<'_> {
    /// Entities that are new, moved or changed.
    pub fn moved(&self, mut see: impl FnMut(Moved<'_>)) {
        for at in &self.state.feed.moved {
            let slot = &self.state.slots[*at as usize];
            let changed = slot.news == News::Changed;
            if slot.news != News::None
                && let Some(entity) = slot.entity()
            {
                see(Moved {
                    entity,
                    cell: slot.home,
                    changed,
                });
            }
        }
    }

    /// Entities that left a cell.
    pub fn gone(&self) -> &[Gone] {
        &self.state.feed.gone
    }

    /// Whether more left than were remembered: every cell must be shown anew.
    pub fn overflowed(&self) -> bool {
        self.state.feed.overflowed
    }

    /// All entities of a cell of this region; reads it from LMDB if need be.
    ///
    /// # Errors
    /// When a row of the cell can't be read; it says which.
    pub fn cell(&mut self, cell: Home, mut see: impl FnMut(Entity<'_>)) -> Result<(), String> {
        if !self.state.has_home(cell) {
            load_home(self.shared, self.state, cell)?;
        }
        for at in self.state.members(cell) {
            if let Some(entity) = self.state.slots[*at as usize].entity() {
                see(entity);
            }
        }
        Ok(())
    }

    /// Keeps a cell from being evicted for a while: it is being looked at.
    pub fn keep(&mut self, cell: Home) {
        self.state.keep(cell);
    }

    /// All entities of the region in memory.
    pub fn all(&self, mut see: impl FnMut(Entity<'_>)) {
        for entity in self.state.slots.iter().filter_map(Slot::entity) {
            see(entity);
        }
    }

    /// What each home costs, in ascending order: its objects, those that moved just now four
    /// times as much, since they are ticked, encoded and sent. Looks at every object.
    pub fn weights(&self) -> Vec<(Home, f64)> {
        let weigh = |slot: &Slot| if slot.news == News::None { 1.0 } else { 4.0 };
        let mut weights = self.state.sums(weigh);
        weights.sort_unstable_by_key(|(home, _)| *home);
        weights
    }

    /// How many committed tasks held this region and each other one since the last call. Each is
    /// told of by one of the two regions; tasks over very many regions are not.
    pub fn take_tasks_with(&mut self) -> FxHashMap<RegionId, u64> {
        std::mem::take(&mut self.state.tasks_with)
    }

    /// Live objects and live entities in the region.
    pub fn counts(&self) -> (usize, usize) {
        (self.state.size().0, self.state.entities())
    }
}
