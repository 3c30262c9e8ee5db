//! Lives here: pictures: what a region shows its neighbours' ticks of its cells near them.
//! Not here: the ticks (`tick`), what sessions are shown (`feed`).
//!
//! A tick looks over its region's border without a lock: each region publishes, at the end of its
//! tick, a picture of those of its cells that lie within [`World::tick_radius`] of another region's.
//! A region without such cells in memory publishes nothing and looks at nothing.
//!
//! Invariant: a picture is whole, and an entity that goes from one region to another is, at any
//! moment, in exactly one of the two: the task that takes it over publishes both pictures at once,
//! and whoever collects pictures collects them at once (`Shared::showing`).
//!
//! [`World::tick_radius`]: crate::World::tick_radius

use std::sync::Arc;

use crate::line::{Home, Map, Point};
use crate::object::{ObjectId, Value};
use crate::partition::Interval;
use crate::region::{Region, State};
use crate::shared::{Shared, Table};
use crate::world::Entity;

/// How far ticks look, and over what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach {
    pub(crate) map: Map,
    /// [`World::tick_radius`](crate::World::tick_radius), in metres; 0: not over borders.
    pub(crate) metres: f64,
}

impl Reach {
    /// The cells outside of `interval` of which a point lies within reach of a point of `cell`.
    fn abroad(self, cell: Home, interval: Interval) -> impl Iterator<Item = Home> {
        let map = self.map;
        let is_cell = self.metres > 0.0 && map.is_cell(cell);
        let (column, row) = if is_cell {
            map.column_row(cell)
        } else {
            (0, 0)
        };
        // Cells that only touch are in reach: the gap between two is one less than their distance.
        let most = (self.metres / map.cell).floor() as u32 + 1;
        let around = move |at: u32| at.saturating_sub(most)..=(at + most).min(map.side - 1);
        let gap = move |a: u32, b: u32| f64::from(a.abs_diff(b).saturating_sub(1)) * map.cell;
        let rows = is_cell.then(|| around(row)).into_iter().flatten();
        let near = rows.flat_map(move |r| around(column).map(move |c| (c, r)));
        near.filter(move |(c, r)| gap(*c, column).hypot(gap(*r, row)) <= self.metres)
            .map(move |(c, r)| map.cell_of(c, r))
            .filter(move |home| !interval.contains(*home))
    }
}

/// An entity in a picture.
#[derive(Debug, Clone)]
struct Shown {
    id: ObjectId,
    at: Point,
    value: Value,
}

type Cell = (Home, Arc<[Shown]>);

/// The cells of a region that neighbours may look at, as they stood at one moment; empty ones are
/// left out.
#[derive(Debug)]
pub(crate) struct Picture(Vec<Cell>);

impl Picture {
    pub(crate) fn visit(&self, cell: Home, see: &mut dyn FnMut(Entity<'_>)) {
        let Ok(at) = self.0.binary_search_by_key(&cell, |(home, _)| *home) else {
            return;
        };
        for shown in &*self.0[at].1 {
            see(Entity {
                id: shown.id,
                at: shown.at,
                value: &shown.value,
            });
        }
    }
}

/// What a region's state keeps for its pictures.
#[derive(Default)]
pub(crate) struct Edge {
    of: Option<(Reach, Interval)>,
    /// Homes in memory that neighbours may look at.
    homes: usize,
    /// Those that changed since the last picture.
    dirty: Vec<Home>,
    /// The last picture's cells, in order.
    cells: Vec<Cell>,
    /// The places in the table of the regions that this one may look at, as of an epoch of the
    /// partition.
    neighbours: Option<(u64, Vec<usize>)>,
}

impl Edge {
    pub(crate) fn new(reach: Reach, interval: Interval) -> Self {
        Self {
            of: (reach.metres > 0.0).then_some((reach, interval)),
            ..Self::default()
        }
    }

    /// Whether neighbours may look at `home`.
    pub(crate) fn holds(&self, home: Home) -> bool {
        self.of
            .is_some_and(|(reach, interval)| reach.abroad(home, interval).next().is_some())
    }

    /// Notes that a home of the edge is in memory from now on.
    pub(crate) fn came(&mut self, home: Home) {
        self.homes += 1;
        self.neighbours = None;
        self.changed(home);
    }

    /// Notes that a home of the edge is no longer in memory.
    pub(crate) fn went(&mut self, home: Home) {
        self.homes -= 1;
        self.changed(home);
    }

    /// Notes that a home is not as the last picture shows it.
    pub(crate) fn changed(&mut self, home: Home) {
        if self.dirty.len() == self.dirty.capacity() {
            // Homes may come and go for long without a tick: then each counts once.
            self.dirty.sort_unstable();
            self.dirty.dedup();
        }
        self.dirty.push(home);
    }
}

impl State {
    /// The next picture, if anything changed at the edge since the last one.
    fn picture(&mut self) -> Option<Arc<Picture>> {
        if self.edge.dirty.is_empty() {
            return None;
        }
        let dirty = std::mem::take(&mut self.edge.dirty);
        for home in dirty {
            let cell = self.develop(home);
            let cells = &mut self.edge.cells;
            match (cells.binary_search_by_key(&home, |(home, _)| *home), cell) {
                (Ok(at), Some(cell)) => cells[at].1 = cell,
                (Err(at), Some(cell)) => cells.insert(at, (home, cell)),
                (Ok(at), None) => drop(cells.remove(at)),
                (Err(_), None) => {}
            }
        }
        Some(Arc::new(Picture(self.edge.cells.clone())))
    }

    /// One cell as it stands now; `None` if nothing is in it.
    fn develop(&mut self, home: Home) -> Option<Arc<[Shown]>> {
        self.mark_clean(home);
        let slots = self
            .members(home)
            .iter()
            .map(|at| &self.slots[*at as usize]);
        let shown = slots.filter_map(|slot| {
            let value = slot.value.as_ref().filter(|_| slot.id.is_entity())?;
            Some(Shown {
                id: slot.id,
                at: slot.at,
                value: Value::clone(value),
            })
        });
        let shown: Vec<_> = shown.collect();
        (!shown.is_empty()).then(|| shown.into())
    }

    /// Where in the table the regions are that this one may look at.
    fn neighbours(&mut self, table: &Table) -> &[usize] {
        let epoch = table.public.partition.epoch;
        if self.edge.neighbours.as_ref().map(|(of, _)| *of) != Some(epoch) {
            let mut found = Vec::new();
            if let Some((reach, interval)) = self.edge.of {
                for home in self.edge_homes() {
                    let abroad = reach.abroad(home, interval);
                    found.extend(abroad.map(|home| table.region_at(home)));
                    found.sort_unstable();
                    found.dedup();
                }
            }
            self.edge.neighbours = Some((epoch, found));
        }
        self.edge.neighbours.as_ref().map_or(&[], |(_, list)| list)
    }
}

impl Region {
    /// Shows neighbours how the edge stands now. `state` is this region's.
    pub(crate) fn show(&self, state: &mut State) {
        if let Some(picture) = state.picture() {
            self.shown.store(Some(picture));
        }
    }
}

/// What a region's tick sees beyond its border.
pub(crate) struct Abroad {
    table: Arc<Table>,
    pictures: Vec<(usize, Arc<Picture>)>,
}

impl Abroad {
    pub(crate) fn visit(&self, cell: Home, see: &mut dyn FnMut(Entity<'_>)) {
        let region = self.table.region_at(cell);
        if let Some((_, picture)) = self.pictures.iter().find(|(at, _)| *at == region) {
            picture.visit(cell, see);
        }
    }
}

impl Shared {
    /// Collects the pictures that a region may look at; `state` is the region's, which is held, so
    /// that nobody comes from there or goes there meanwhile.
    pub(crate) fn look_abroad(&self, state: &mut State) -> Option<Abroad> {
        if state.edge.homes == 0 {
            return None;
        }
        let _whole = self.showing.read();
        // Not before: who crosses a border that is new is in pictures of the new table only.
        let table = self.table.load_full();
        let neighbours = state.neighbours(&table).iter();
        let pictures =
            neighbours.filter_map(|at| Some((*at, table.regions[*at].shown.load_full()?)));
        let pictures = pictures.collect();
        Some(Abroad { table, pictures })
    }

    /// Shows the edges of regions between which something moved, all at once.
    pub(crate) fn show_together<'a>(
        &self,
        regions: impl Iterator<Item = (&'a Region, &'a mut State)>,
    ) {
        if self.reach.metres <= 0.0 {
            return;
        }
        let pictures = regions.filter_map(|(region, state)| Some((region, state.picture()?)));
        let pictures: Vec<_> = pictures.collect();
        if pictures.is_empty() {
            return;
        }
        let _whole = self.showing.write();
        for (region, picture) in pictures {
            region.shown.store(Some(picture));
        }
    }
}
