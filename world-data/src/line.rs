//! Lives here: the line (Hilbert curve over the map's cells, then the shards), homes and points.
//! Not here: who owns which interval of the line; that is `partition`.
//!
//! Invariant: `Map` is fixed for the life of a store, so a home never changes its meaning.

use serde::{Deserialize, Serialize};

/// A place on the map, in metres from its north-west corner.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Point {
    /// Metres to the east.
    pub x: f64,
    /// Metres to the south.
    pub y: f64,
}

impl Point {
    /// A point from its two coordinates in metres.
    pub const fn new(x: f64, y: f64) -> Self {
        Self { x, y }
    }

    /// The distance to `other`, in metres.
    pub fn distance(self, other: Self) -> f64 {
        (self.x - other.x).hypot(self.y - other.y)
    }

    /// The point at most `step` metres from here on the straight way to `target`.
    #[must_use]
    pub fn towards(self, target: Self, step: f64) -> Self {
        let distance = self.distance(target);
        if distance <= step {
            return target;
        }
        let part = step / distance;
        Self::new(
            self.x + (target.x - self.x) * part,
            self.y + (target.y - self.y) * part,
        )
    }
}

/// Where an object lives on the line: the number of a cell along the curve or, from
/// [`Map::cells`] on, of a shard.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Home(pub u64);

/// The most cells along one side of a map: 65,536, two million metres at the default cell size.
pub const MAX_CELLS_PER_SIDE: u32 = 1 << 16;
/// The most shards a map may have.
pub const MAX_SHARDS: u32 = 1 << 20;

/// The geometry of a world: a square of cells, then shards for what has no position.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Map {
    /// The side of a cell, in metres.
    pub cell: f64,
    /// Cells along one side: a power of two, or 0 for a world without a map.
    pub side: u32,
    /// Shards behind the map's end, at least 1.
    pub shards: u32,
}

impl Map {
    /// The default side of a cell, in metres.
    pub const CELL: f64 = 32.0;
    /// The default number of shards.
    pub const SHARDS: u32 = 4096;

    /// A square map of `metres` on a side (rounded up to a power of two of cells).
    pub fn square(metres: f64) -> Self {
        let side = ((metres / Self::CELL).ceil() as u32).next_power_of_two();
        Self {
            cell: Self::CELL,
            side: side.min(MAX_CELLS_PER_SIDE),
            shards: Self::SHARDS,
        }
    }

    /// No map at all: only shards.
    pub const fn shards_only(shards: u32) -> Self {
        Self {
            cell: Self::CELL,
            side: 0,
            shards,
        }
    }

    /// The number of cells; also the home of the first shard.
    pub const fn cells(&self) -> u64 {
        self.side as u64 * self.side as u64
    }

    /// The length of the line: cells, then shards. Homes are below it.
    pub const fn line(&self) -> u64 {
        self.cells() + self.shards as u64
    }

    /// The side of the map, in metres.
    pub fn metres(&self) -> f64 {
        f64::from(self.side) * self.cell
    }

    /// Whether `home` is a cell of the map (else it is a shard).
    pub const fn is_cell(&self, home: Home) -> bool {
        home.0 < self.cells()
    }

    /// The point nearest to `point` that lies on the map. NaN becomes 0.
    pub fn clamp(&self, point: Point) -> Point {
        let most = (self.metres() - 1e-3).max(0.0);
        let clamp = |v: f64| if v.is_nan() { 0.0 } else { v.clamp(0.0, most) };
        Point::new(clamp(point.x), clamp(point.y))
    }

    /// The cell in which `point` lies; points outside count to the nearest cell.
    pub fn cell_at(&self, point: Point) -> Home {
        let point = self.clamp(point);
        self.cell_of((point.x / self.cell) as u32, (point.y / self.cell) as u32)
    }

    /// Whether two points on the map lie in one cell.
    pub fn is_same_cell(&self, a: Point, b: Point) -> bool {
        let cell = |p: Point| ((p.x / self.cell) as u32, (p.y / self.cell) as u32);
        cell(a) == cell(b)
    }

    /// The cell in column `column` (from the west) and row `row` (from the north).
    pub fn cell_of(&self, column: u32, row: u32) -> Home {
        Home(hilbert(self.side, column, row))
    }

    /// Column and row of a cell.
    pub fn column_row(&self, cell: Home) -> (u32, u32) {
        unhilbert(self.side, cell.0)
    }

    /// The shard of an object without a position, by its id.
    pub fn shard_of(&self, raw_id: u64) -> Home {
        // Fibonacci hashing: neighbouring ids spread over all shards.
        let spread = raw_id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        Home(self.cells() + ((spread * u64::from(self.shards)) >> 32))
    }

    /// The distance from `point` to the nearest point of `cell`, in metres.
    pub fn distance_to_cell(&self, point: Point, cell: Home) -> f64 {
        let (column, row) = self.column_row(cell);
        let gap = |v: f64, at: u32| {
            let low = f64::from(at) * self.cell;
            (low - v).max(v - (low + self.cell)).max(0.0)
        };
        gap(point.x, column).hypot(gap(point.y, row))
    }

    /// The cells with a point within `radius` metres of `point`, row by row.
    pub fn cells_within(&self, point: Point, radius: f64) -> impl Iterator<Item = Home> + use<> {
        let map = *self;
        let point = map.clamp(point);
        let low = |v: f64| ((v - radius).max(0.0) / map.cell) as u32;
        let high = |v: f64| {
            (((v + radius) / map.cell) as u32)
                .saturating_add(1)
                .min(map.side)
        };
        let (columns, rows) = (low(point.x)..high(point.x), low(point.y)..high(point.y));
        rows.flat_map(move |row| columns.clone().map(move |column| map.cell_of(column, row)))
            .filter(move |cell| map.distance_to_cell(point, *cell) <= radius)
    }
}

/// The number along the Hilbert curve of the cell at (`x`, `y`) in a square of `side` cells.
///
/// The curve is D. Hilbert's (1891), the loop the classic one without lookup tables.
fn hilbert(side: u32, mut x: u32, mut y: u32) -> u64 {
    let mut at = 0;
    let mut s = side / 2;
    while s > 0 {
        let (rx, ry) = (u32::from(x & s > 0), u32::from(y & s > 0));
        at += u64::from(s) * u64::from(s) * u64::from((3 * rx) ^ ry);
        (x, y) = rotate(side, x, y, rx, ry);
        s /= 2;
    }
    at
}

/// The inverse of [`hilbert`].
fn unhilbert(side: u32, at: u64) -> (u32, u32) {
    let (mut x, mut y, mut rest) = (0, 0, at);
    let mut s = 1;
    while s < side {
        let rx = 1 & (rest / 2) as u32;
        let ry = 1 & (rest as u32 ^ rx);
        (x, y) = rotate(s, x, y, rx, ry);
        x += s * rx;
        y += s * ry;
        rest /= 4;
        s *= 2;
    }
    (x, y)
}

fn rotate(side: u32, x: u32, y: u32, rx: u32, ry: u32) -> (u32, u32) {
    match (ry, rx) {
        (0, 1) => ((side - 1).wrapping_sub(y), (side - 1).wrapping_sub(x)),
        (0, _) => (y, x),
        _ => (x, y),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_visits_every_cell_once_and_never_jumps() {
        for side in [1_u32, 2, 4, 8, 64] {
            let map = Map {
                cell: 32.0,
                side,
                shards: 1,
            };
            let mut last: Option<(u32, u32)> = None;
            for home in 0..map.cells() {
                let (x, y) = map.column_row(Home(home));
                assert!(x < side && y < side);
                assert_eq!(map.cell_of(x, y), Home(home), "side {side}");
                if let Some((lx, ly)) = last {
                    assert_eq!(lx.abs_diff(x) + ly.abs_diff(y), 1, "side {side} at {home}");
                }
                last = Some((x, y));
            }
        }
    }

    #[test]
    fn shards_lie_behind_the_map_and_are_used_evenly() {
        let map = Map {
            cell: 32.0,
            side: 4,
            shards: 16,
        };
        let mut used = [0; 16];
        for id in 0..16_000 {
            let home = map.shard_of(id);
            assert!(!map.is_cell(home) && home.0 < map.line());
            used[(home.0 - map.cells()) as usize] += 1;
        }
        assert!(used.iter().all(|n| (900..1100).contains(n)), "{used:?}");
    }

    #[test]
    fn cells_within_a_radius_are_those_a_brute_search_finds() {
        let map = Map::square(512.0);
        for (x, y, radius) in [
            (0.0, 0.0, 40.0),
            (100.0, 300.0, 96.0),
            (511.0, 511.0, 33.0),
            (64.0, 64.0, 0.0),
        ] {
            let point = Point::new(x, y);
            let mut found: Vec<_> = map.cells_within(point, radius).collect();
            let mut brute: Vec<_> = (0..map.cells())
                .map(Home)
                .filter(|c| map.distance_to_cell(map.clamp(point), *c) <= radius)
                .collect();
            found.sort();
            brute.sort();
            // Cells that only touch the circle with an edge may be left out by the search.
            assert!(found.iter().all(|c| brute.contains(c)));
            assert!(
                brute
                    .iter()
                    .all(|c| found.contains(c) || map.distance_to_cell(point, *c) >= radius - 1e-9),
                "{found:?} {brute:?}"
            );
        }
    }

    #[test]
    fn points_off_the_map_count_to_its_edge() {
        let map = Map::square(512.0);
        assert_eq!(map.cell_at(Point::new(-5.0, f64::NAN)), map.cell_of(0, 0));
        assert_eq!(map.cell_at(Point::new(1e9, 1e9)), map.cell_of(15, 15));
    }
}
