//! Lives here: what a region's listeners know of its cells, and the changes they are told, encoded
//! once per cell and codec. Not here: which session sees which cell (`hub`).
//!
//! Invariant: whoever holds a cell at a version and applies the update made since that version
//! knows exactly the entities that were visible in it at the update's tick.

use bytes::Bytes;
use protocol::{CellPart, Codec, EntityPart, Gone};
use rustc_hash::FxHashMap;
use world_data::{Entity, Gone as Departed, Home, Interval, Moved, ObjectId, Scene, World};

use super::handle::Wants;
use super::strides::{PerRate, Rate, Rates, Window, ends};
use super::update::{CellKey, CellUpdate};
use super::views::{PerCodec, Views};

/// All cells of a region that somebody listens to.
#[derive(Debug)]
pub(crate) struct Tracks {
    interval: Interval,
    cells: FxHashMap<Home, Track>,
    /// How many (cell, codec) pairs each hub listens to.
    heard: FxHashMap<usize, usize>,
    introduced: bool,
    /// A view that could not be made was logged.
    warned: bool,
}

/// One cell as its listeners know it.
#[derive(Debug, Default)]
struct Track {
    version: u64,
    ears: PerCodec<Ear>,
    /// The visible entities and their views as last told.
    known: FxHashMap<ObjectId, PerCodec<Option<Bytes>>>,
    /// Changes of this tick.
    seen: Vec<Seen>,
    gone: Vec<(ObjectId, Option<Home>)>,
    /// What has happened since the last stride of each rate ended.
    windows: PerRate<Option<Window>>,
}

/// Who listens to a cell in one codec.
#[derive(Debug, Default)]
struct Ear {
    /// Each with the stamp of its last word.
    hubs: FxHashMap<usize, u64>,
    /// Somebody needs all of it.
    full: bool,
    /// Nobody listened before this tick, so `known` has no views in this codec.
    fresh: bool,
}

/// An entity as it is told of: where, and whether its view is told, too.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    pub(super) id: ObjectId,
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) view: bool,
}

impl Tracks {
    pub(crate) fn new(interval: Interval) -> Self {
        Self {
            interval,
            cells: FxHashMap::default(),
            heard: FxHashMap::default(),
            introduced: false,
            warned: false,
        }
    }

    /// The part of the line that it is about.
    pub(crate) fn interval(&self) -> Interval {
        self.interval
    }

    /// Whether this is the first call.
    pub(crate) fn introduce(&mut self) -> bool {
        !std::mem::replace(&mut self.introduced, true)
    }

    /// Whether hub `hub` listens to any cell.
    pub(crate) fn is_heard_by(&self, hub: usize) -> bool {
        self.heard.contains_key(&hub)
    }

    /// Takes in what hubs want; gives back what is meant for other regions.
    pub(crate) fn apply(&mut self, wants: Wants) -> Wants {
        let mut strayed = Wants::default();
        for ((hub, key), want) in wants {
            if !self.interval.contains(key.cell) {
                strayed.insert((hub, key), want);
            } else if want.hears {
                self.listen(hub, key, want.stamp);
            } else {
                self.ignore(hub, key, want.stamp);
            }
        }
        strayed
    }

    /// Leaves the cells of `right` to the region that is made of them.
    pub(crate) fn split_off(&mut self, left: Interval, right: Interval) -> Self {
        let mut other = Self::new(right);
        // The hubs know these cells: nobody has to begin anew.
        other.introduced = self.introduced;
        let (cells, stay) = std::mem::take(&mut self.cells)
            .into_iter()
            .partition(|(cell, _)| right.contains(*cell));
        (self.cells, other.cells) = (stay, cells);
        self.interval = left;
        self.count_heard();
        other.count_heard();
        other
    }

    /// Takes the cells of a region over that is part of this one now.
    pub(crate) fn absorb(&mut self, whole: Interval, right: Self) {
        self.interval = whole;
        self.cells.extend(right.cells);
        self.count_heard();
    }

    fn count_heard(&mut self) {
        self.heard.clear();
        let ears = self.cells.values().flat_map(|track| &track.ears);
        for hub in ears.flat_map(|ear| ear.hubs.keys()) {
            *self.heard.entry(*hub).or_default() += 1;
        }
    }

    fn listen(&mut self, hub: usize, key: CellKey, stamp: u64) {
        let ear = &mut self.cells.entry(key.cell).or_default().ears[key.codec.index()];
        ear.full = true;
        ear.fresh |= ear.hubs.is_empty();
        if ear.hubs.insert(hub, stamp).is_none() {
            *self.heard.entry(hub).or_default() += 1;
        }
    }

    fn ignore(&mut self, hub: usize, key: CellKey, stamp: u64) {
        let Some(track) = self.cells.get_mut(&key.cell) else {
            return;
        };
        let ear = &mut track.ears[key.codec.index()];
        if ear.hubs.get(&hub).is_none_or(|known| *known > stamp) {
            // It came late: the hub has asked again since.
            return;
        }
        ear.hubs.remove(&hub);
        if let Some(count) = self.heard.get_mut(&hub) {
            *count -= 1;
            if *count == 0 {
                self.heard.remove(&hub);
            }
        }
        if ear.hubs.is_empty() {
            *ear = Ear::default();
            for views in track.known.values_mut() {
                views[key.codec.index()] = None;
            }
        }
        if track.ears.iter().all(|ear| ear.hubs.is_empty()) {
            self.cells.remove(&key.cell);
        }
    }

    /// Encodes what changed in the cells that are listened to, at tick `number`, also as strides of
    /// these `rates`.
    pub(crate) fn observe<W: World>(
        &mut self,
        scene: &mut Scene<'_>,
        world: &W,
        (number, rates): (u64, Rates),
    ) -> Vec<CellUpdate> {
        if self.cells.is_empty() {
            return Vec::new();
        }
        let maker = Views {
            world,
            warned: self.warned,
        };
        // When more happened than the engine remembers, everybody is told all of every cell.
        let anew = scene.overflowed();
        let mut pass = Pass {
            scene,
            maker,
            number,
            rates,
        };
        let (cells, maker) = (&mut self.cells, &mut pass.maker);
        // Where each one went that left a cell: in the end, should it have passed several.
        let all = pass.scene.gone();
        let ends: FxHashMap<_, _> = all.iter().map(|gone| (gone.id, gone.to)).collect();
        let mut ways: FxHashMap<ObjectId, Option<Home>> = FxHashMap::default();
        for gone in all {
            let passes = ways.insert(gone.id, gone.to) == Some(Some(gone.from));
            if let Some(track) = cells.get_mut(&gone.from) {
                track.lose(gone, passes, ends[&gone.id], maker);
            }
        }
        pass.scene.moved(|moved| {
            if let Some(track) = cells.get_mut(&moved.cell) {
                track.see(moved, maker);
            }
        });
        let mut updates = Vec::new();
        for (cell, track) in &mut self.cells {
            pass.scene.keep(*cell);
            if anew {
                track.known.clear();
            }
            track.close(*cell, anew, &mut pass, &mut updates);
        }
        self.warned = pass.maker.warned;
        updates
    }
}

/// One look at a region's scene.
struct Pass<'a, 's, W> {
    scene: &'a mut Scene<'s>,
    maker: Views<'a, W>,
    /// The number of the tick.
    number: u64,
    /// The rates at which strides are taken.
    rates: Rates,
}

impl Track {
    fn wanted(&self) -> PerCodec<bool> {
        std::array::from_fn(|codec| !self.ears[codec].hubs.is_empty())
    }

    /// Takes in an entity that left, in the end for `to`. One that came from another region and
    /// went again between two looks is told of, too: that region has said that it is here, and
    /// listeners wait for it. One that only passes on its way from another cell of this region
    /// has nobody who waits.
    fn lose<W: World>(
        &mut self,
        gone: &Departed,
        passes: bool,
        to: Option<Home>,
        maker: &mut Views<'_, W>,
    ) {
        let wanted = self.wanted();
        let awaited = |entity| !passes && maker.make(entity, wanted).is_some();
        if self.known.remove(&gone.id).is_some() || gone.unseen().is_some_and(awaited) {
            self.gone.push((gone.id, to));
        }
    }

    /// Takes in an entity that is new, moved or changed.
    fn see<W: World>(&mut self, moved: Moved<'_>, maker: &mut Views<'_, W>) {
        let id = moved.entity.id();
        let known = self.known.get(&id);
        if !moved.changed && known.is_some() {
            self.seen.push(Seen::of(moved.entity, false));
            return;
        }
        // One that is not known is not visible or comes with the full cell, unless it was here,
        // left and came back within the tick.
        if !moved.changed && !self.gone.iter().any(|(gone, _)| *gone == id) {
            return;
        }
        let wanted = self.wanted();
        match maker.make(moved.entity, wanted) {
            Some(views) => {
                let same = known.is_some_and(|known| *known == views);
                self.seen.push(Seen::of(moved.entity, !same));
                if !same {
                    self.known.insert(id, views);
                }
            }
            None if known.is_some() => {
                self.known.remove(&id);
                self.gone.push((id, None));
            }
            None => {}
        }
    }

    /// Ends the tick: makes one update per codec, if there is something to tell.
    fn close<W: World>(
        &mut self,
        cell: Home,
        anew: bool,
        pass: &mut Pass<'_, '_, W>,
        updates: &mut Vec<CellUpdate>,
    ) {
        // Who left and came back within the tick is there.
        let seen = &self.seen;
        self.gone
            .retain(|(id, _)| !seen.iter().any(|seen| seen.id == *id));
        let changed = !self.seen.is_empty() || !self.gone.is_empty();
        let since = self.version;
        // A cell heard of for the first time begins at this tick's number, which is above any
        // version that an earlier life of this track has reached.
        if changed || anew || since == 0 {
            self.version = pass.number;
        }
        let ended = self.stride(cell, since, changed && !anew, pass);
        for codec in Codec::ALL {
            let ear = &mut self.ears[codec.index()];
            if ear.hubs.is_empty() {
                continue;
            }
            let (asked, fresh) = (ear.full, ear.fresh);
            (ear.full, ear.fresh) = (false, false);
            let mut full = None;
            if asked || anew {
                full = self.full(cell, codec, pass);
                if full.is_none() {
                    // Said nothing, so that the next delta does not fit and is asked about again.
                    self.ears[codec.index()].full = true;
                    continue;
                }
            }
            let delta = match &full {
                Some(full) if anew => Some(full.clone()),
                _ if changed && !fresh => {
                    let (seen, gone) = (self.seen.iter().copied(), self.gone.iter().copied());
                    Some(self.tell(cell, codec, seen, gone))
                }
                _ => None,
            };
            let mut strides = PerRate::default();
            if !fresh {
                for (stride, window) in strides.iter_mut().zip(&ended) {
                    let encode = |window: &Window| {
                        let told = self.tell(cell, codec, window.seen(), window.gone());
                        (window.since, told)
                    };
                    *stride = window.as_ref().map(encode);
                }
            }
            if full.is_some() || delta.is_some() || strides.iter().any(Option::is_some) {
                let (key, version) = (CellKey { cell, codec }, self.version);
                updates.push(CellUpdate {
                    key,
                    since,
                    version,
                    delta,
                    full,
                    strides,
                    count: self.known.len(),
                });
            }
        }
        self.seen.clear();
        self.gone.clear();
    }

    /// Adds the tick to the strides, if it `adds` to them at all; gives those that end with it.
    fn stride<W>(
        &mut self,
        cell: Home,
        since: u64,
        adds: bool,
        pass: &Pass<'_, '_, W>,
    ) -> PerRate<Option<Window>> {
        let mut ended = PerRate::default();
        for rate in Rate::ALL {
            let open = &mut self.windows[rate as usize];
            if !pass.rates.has(rate) {
                *open = None;
                continue;
            }
            let window = open.get_or_insert_with(|| Window::since(since));
            if adds {
                window.add(&self.seen, &self.gone);
            } else if self.version != since {
                // All was told anew: what was before is no way to there.
                *window = Window::since(self.version);
            }
            if ends(cell, pass.number, rate) {
                ended[rate as usize] = open.take().filter(|window| !window.is_empty());
            }
        }
        ended
    }

    /// Encodes all of the cell as it stands; learns the views that nobody asked for before.
    fn full<W: World>(
        &mut self,
        cell: Home,
        codec: Codec,
        pass: &mut Pass<'_, '_, W>,
    ) -> Option<Bytes> {
        let mut all = Vec::new();
        let wanted: PerCodec<bool> = std::array::from_fn(|at| at == codec.index());
        let (known, maker) = (&mut self.known, &mut pass.maker);
        let read = pass.scene.cell(cell, |entity| {
            let views = known.get(&entity.id());
            if views.is_none_or(|views| views[codec.index()].is_none()) {
                let Some(views) = maker.make(entity, wanted) else {
                    return;
                };
                let slot = &mut known.entry(entity.id()).or_default()[codec.index()];
                slot.clone_from(&views[codec.index()]);
            }
            all.push(Seen::of(entity, true));
        });
        if let Err(error) = read {
            if !std::mem::replace(&mut pass.maker.warned, true) {
                tracing::error!(cell = cell.0, error, "a cell in view can't be read");
            }
            return None;
        }
        let entities = all.iter().map(|seen| self.part(*seen, codec));
        Some(
            CellPart::encode(codec, cell.0, true, entities, [])
                .bytes()
                .clone(),
        )
    }

    /// Encodes changes.
    fn tell(
        &self,
        cell: Home,
        codec: Codec,
        seen: impl Iterator<Item = Seen>,
        gone: impl Iterator<Item = (ObjectId, Option<Home>)>,
    ) -> Bytes {
        let entities = seen.map(|seen| self.part(seen, codec));
        let gone = gone.map(|(id, to)| Gone {
            id: id.raw(),
            to: to.map(|to| to.0),
        });
        CellPart::encode(codec, cell.0, false, entities, gone)
            .bytes()
            .clone()
    }

    fn part(&self, seen: Seen, codec: Codec) -> EntityPart<'_> {
        let views = self.known.get(&seen.id).filter(|_| seen.view);
        let view = views.and_then(|views| views[codec.index()].as_deref());
        EntityPart {
            id: seen.id.raw(),
            x: seen.x,
            y: seen.y,
            view,
        }
    }
}

impl Seen {
    fn of(entity: Entity<'_>, view: bool) -> Self {
        let at = entity.at();
        Self {
            id: entity.id(),
            x: at.x as f32,
            y: at.y as f32,
            view,
        }
    }
}
