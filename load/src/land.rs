//! Lives here: the map as a client can know it: the line through its cells, which regions own which
//! part of it, and where two regions meet.
//! Not here: asking the server for its regions (`status`).
//!
//! Invariant: the curve is the server's own (`world-data`'s `line`), which a test compares; bots
//! have it a second time since clients share nothing with the server but the protocol.

use crate::status::Region;

/// The side of a cell, in metres.
pub(crate) const CELL: f64 = 32.0;
/// Cells along one side of the map.
pub(crate) const SIDE: u32 = 64;
/// How many homes are cells; behind them are shards.
const CELLS: u64 = SIDE as u64 * SIDE as u64;

/// A place, in metres.
pub(crate) type Place = [f64; 2];

pub(crate) fn distance(a: Place, b: Place) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// The point so many metres from `place` in a direction given in radians.
pub(crate) fn beside(place: Place, angle: f64, metres: f64) -> Place {
    [
        place[0] + angle.cos() * metres,
        place[1] + angle.sin() * metres,
    ]
}

/// The cell in which a place lies; places outside count to the nearest cell.
pub(crate) fn cell_at(place: Place) -> u64 {
    let [column, row] = place.map(|v| ((v / CELL).max(0.0) as u32).min(SIDE - 1));
    cell_of(column, row)
}

/// The number of a cell along the curve (D. Hilbert's, 1891).
fn cell_of(mut column: u32, mut row: u32) -> u64 {
    let (mut at, mut half) = (0, SIDE / 2);
    while half > 0 {
        let (right, below) = (u32::from(column & half > 0), u32::from(row & half > 0));
        at += u64::from(half) * u64::from(half) * u64::from((3 * right) ^ below);
        (column, row) = turn(SIDE, column, row, right, below);
        half /= 2;
    }
    at
}

/// Column and row of a cell.
fn column_row(cell: u64) -> (u32, u32) {
    let (mut column, mut row, mut rest, mut half) = (0, 0, cell, 1);
    while half < SIDE {
        let right = 1 & (rest / 2) as u32;
        let below = 1 & (rest as u32 ^ right);
        (column, row) = turn(half, column, row, right, below);
        column += half * right;
        row += half * below;
        rest /= 4;
        half *= 2;
    }
    (column, row)
}

fn turn(side: u32, column: u32, row: u32, right: u32, below: u32) -> (u32, u32) {
    match (below, right) {
        (0, 1) => (
            (side - 1).wrapping_sub(row),
            (side - 1).wrapping_sub(column),
        ),
        (0, _) => (row, column),
        _ => (column, row),
    }
}

/// The edge between two cells of different regions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Edge {
    /// The edge's middle.
    pub(crate) middle: Place,
    /// From the middle straight into the second cell.
    pub(crate) across: Place,
    cells: [u64; 2],
}

impl Edge {
    /// The point so many metres behind the edge: on the second cell's side, or, when negative, on
    /// the first one's.
    pub(crate) fn point(&self, metres: f64) -> Place {
        let ([x, y], [dx, dy]) = (self.middle, self.across);
        [x + dx * metres, y + dy * metres]
    }
}

/// Who owns which part of the line.
#[derive(Debug, Default, Clone)]
pub(crate) struct Partition {
    /// First home, first home behind, region; in line order.
    intervals: Vec<(u64, u64, u64)>,
}

impl Partition {
    pub(crate) fn new(regions: &[Region]) -> Self {
        let mut intervals: Vec<_> = regions
            .iter()
            .map(|region| (region.from, region.to, region.id))
            .collect();
        intervals.sort_unstable();
        Self { intervals }
    }

    /// The region to which a home belongs.
    pub(crate) fn region_of(&self, home: u64) -> Option<u64> {
        let behind = self.intervals.partition_point(|(from, ..)| *from <= home);
        let (_, to, id) = self.intervals.get(behind.checked_sub(1)?)?;
        (home < *to).then_some(*id)
    }

    /// The region in which a place lies.
    pub(crate) fn region_at(&self, place: Place) -> Option<u64> {
        self.region_of(cell_at(place))
    }

    /// Whether an edge still lies between two regions.
    pub(crate) fn divides(&self, edge: &Edge) -> bool {
        let [one, other] = edge.cells.map(|cell| self.region_of(cell));
        one.is_some() && other.is_some() && one != other
    }

    /// The edge between two regions whose middle is nearest to a place; none while all cells are
    /// one region's.
    pub(crate) fn nearest_edge(&self, place: Place) -> Option<Edge> {
        self.edges()
            .min_by(|a, b| distance(a.middle, place).total_cmp(&distance(b.middle, place)))
    }

    /// All edges between two regions.
    pub(crate) fn edges(&self) -> impl Iterator<Item = Edge> + '_ {
        (0..CELLS)
            .flat_map(edges_of)
            .filter(|edge| self.divides(edge))
    }

    /// How many regions own cells.
    #[cfg(test)]
    fn of_cells(&self) -> usize {
        let own = |(from, ..): &&(u64, u64, u64)| *from < CELLS;
        self.intervals.iter().filter(own).count()
    }
}

/// A cell's edges to its neighbours to the east and to the south.
fn edges_of(cell: u64) -> impl Iterator<Item = Edge> {
    let (column, row) = column_row(cell);
    let [x, y] = [column, row].map(|n| f64::from(n) * CELL);
    let east = (column + 1 < SIDE).then(|| Edge {
        middle: [x + CELL, y + CELL / 2.0],
        across: [1.0, 0.0],
        cells: [cell, cell_of(column + 1, row)],
    });
    let south = (row + 1 < SIDE).then(|| Edge {
        middle: [x + CELL / 2.0, y + CELL],
        across: [0.0, 1.0],
        cells: [cell, cell_of(column, row + 1)],
    });
    east.into_iter().chain(south)
}

#[cfg(test)]
mod tests {
    use world_data::{Home, Map, Point};

    use super::*;

    fn partition(cuts: &[u64]) -> Partition {
        let ends = cuts.iter().copied().chain([8192]);
        let starts = [0].into_iter().chain(cuts.iter().copied());
        let regions: Vec<_> = starts
            .zip(ends)
            .enumerate()
            .map(|(n, (from, to))| Region::bare(n as u64 + 7, from, to))
            .collect();
        Partition::new(&regions)
    }

    #[test]
    fn the_curve_is_the_servers() {
        let map = Map::square(2048.0);
        assert_eq!((map.cell, map.side, map.cells()), (CELL, SIDE, CELLS));
        for cell in 0..CELLS {
            assert_eq!(column_row(cell), map.column_row(Home(cell)));
            let (column, row) = column_row(cell);
            assert_eq!(cell_of(column, row), cell);
        }
        for place in [[0.0, 0.0], [31.9, 32.1], [2047.9, 5.0], [-4.0, 9999.0]] {
            assert_eq!(
                cell_at(place),
                map.cell_at(Point::new(place[0], place[1])).0
            );
        }
    }

    #[test]
    fn a_home_belongs_to_the_interval_it_is_in() {
        let partition = partition(&[1024, 2048, 3000, 4096]);
        for (home, id) in [
            (0, 7),
            (1023, 7),
            (1024, 8),
            (2999, 9),
            (3000, 10),
            (8191, 11),
        ] {
            assert_eq!(partition.region_of(home), Some(id), "{home}");
        }
        assert_eq!(partition.region_of(8192), None);
        assert_eq!(Partition::default().region_of(0), None);
    }

    #[test]
    fn the_borders_of_quadrants_are_the_middle_lines() {
        let quadrants = partition(&[1024, 2048, 3072, 4096]);
        assert_eq!(quadrants.of_cells(), 4);
        let edges: Vec<_> = quadrants.edges().collect();
        assert_eq!(edges.len(), 2 * SIDE as usize);
        assert!(
            edges.iter().all(|edge| edge.middle.contains(&1024.0)),
            "{edges:?}"
        );
        let edge = quadrants.nearest_edge([1000.0, 300.0]).unwrap();
        assert_eq!((edge.middle, edge.across), ([1024.0, 304.0], [1.0, 0.0]));
        let [west, east] = [-4.0, 4.0].map(|metres| quadrants.region_at(edge.point(metres)));
        assert!(west.is_some() && east.is_some() && west != east);
    }

    #[test]
    fn both_sides_of_every_edge_are_different_regions_wherever_the_cuts_are() {
        let cut = partition(&[3, 333, 1999, 2000, 4000, 4096]);
        let edges: Vec<_> = cut.edges().collect();
        assert!(edges.len() > 20);
        for edge in edges {
            let [one, other] = [-4.0, 4.0].map(|metres| cut.region_at(edge.point(metres)));
            assert!(one.is_some() && other.is_some() && one != other, "{edge:?}");
        }
    }

    #[test]
    fn an_edge_is_a_border_only_while_its_cells_have_two_owners() {
        let before = partition(&[1024, 4096]);
        let edge = before.nearest_edge([1024.0, 300.0]).unwrap();
        assert!(before.divides(&edge));
        let merged = partition(&[4096]);
        assert!(!merged.divides(&edge));
        assert_eq!(
            merged.nearest_edge([1024.0, 300.0]),
            None,
            "one region has all cells"
        );
    }
}
