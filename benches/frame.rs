//! Lives here: `frame/fanout`: what 1,000 sessions are told of the cells they see, once, against
//! copying the same bytes. Not here: sockets and who sees what.
//!
//! Ours encodes each changed cell once and composes each session's frame of the shared parts. The
//! floor has all frames ready and copies each into a buffer of its own, which anybody must do
//! who hands every socket its bytes. `2-threads` is ours on two threads, each with half of the cells
//! and half of the sockets, against the floor on one: 2 is the most that it can bring.

use std::hint::black_box;
use std::ops::Range;
use std::sync::Arc;

use anyhow::Result;
use arc_swap::ArcSwap;
use bytes::Bytes;
use fastrand::Rng;
use protocol::{CellPart, Codec, EntityPart, encode_view, frame};

use crate::harness::{Measure, Plan, compare, cpu_rate, rate};

const SESSIONS: usize = 1000;
/// A square of cells of so many on a side, in which all sessions are.
const SIDE: usize = 16;
/// Moving entities in each cell: a session sees some 50.
const PER_CELL: usize = 2;
/// A session sees a square of cells of so many on a side.
const SEEN: usize = 5;
const TICKS: usize = 20;
/// A round of two threads has so many times the ticks, so that starting them is no part of it.
const SPLIT_TIMES: usize = 5;

pub(crate) fn run(plan: &Plan) -> Result<()> {
    for (name, codec) in [("msgpack", Codec::MessagePack), ("json", Codec::Json)] {
        for (kind, with_views) in [("moves", false), ("views", true)] {
            let id = format!("frame/fanout/{name}/{kind}");
            if !plan.wants(&id) && !plan.wants(&format!("{id}/2-threads")) {
                continue;
            }
            let crowd = Crowd::new(codec, with_views)?;
            let ready: Vec<Bytes> = crowd.frames(&crowd.parts());
            let bytes: usize = ready.iter().map(Bytes::len).sum();
            let ticks = plan.times(TICKS);
            let ours = || {
                let work = || {
                    (0..ticks)
                        .map(|_| crowd.frames(&crowd.parts()).len())
                        .sum::<usize>()
                };
                Ok(cpu_rate(ticks * bytes, work).0)
            };
            let copy = || {
                let copies = ready.iter().map(|frame| frame.to_vec());
                black_box(copies.collect::<Vec<_>>()).len()
            };
            let copies = |ticks| (0..ticks).map(|_| copy()).sum::<usize>();
            let floor = || Ok(cpu_rate(ticks * bytes, || copies(ticks)).0);
            let free = Measure::Rate { at_least: None };
            compare(plan, &id, free, ours, floor)?;
            // By the clock, since two cores' time is no time: there must be a second core to give.
            let ticks = ticks * SPLIT_TIMES;
            let split = || Ok(rate(ticks * bytes, || crowd.split(ticks)));
            let whole = || Ok(rate(ticks * bytes, || copies(ticks)));
            compare(plan, &format!("{id}/2-threads"), free, split, whole)?;
        }
    }
    Ok(())
}

struct Crowd {
    codec: Codec,
    /// Per cell: ids and places.
    cells: Vec<Vec<(u64, f32, f32)>>,
    /// Per session: the cells it sees.
    seen: Vec<Vec<usize>>,
    view: Option<Bytes>,
}

impl Crowd {
    fn new(codec: Codec, with_views: bool) -> Result<Self> {
        let mut random = Rng::with_seed(3);
        let cells = (0..SIDE * SIDE).map(|cell| {
            let one = |n| {
                (
                    (cell * PER_CELL + n) as u64 | 1 << 51,
                    random.f32() * 2e3,
                    random.f32() * 2e3,
                )
            };
            (0..PER_CELL).map(one).collect()
        });
        let cells = cells.collect();
        let seen = (0..SESSIONS).map(|_| {
            let (column, row) = (random.usize(..=SIDE - SEEN), random.usize(..=SIDE - SEEN));
            let cell = |n: usize| (row + n / SEEN) * SIDE + column + n % SEEN;
            (0..SEEN * SEEN).map(cell).collect()
        });
        let seen = seen.collect();
        let view = meadow::View::Player {
            name: "a player".to_owned(),
        };
        let view = with_views.then(|| encode_view(codec, &view)).transpose()?;
        Ok(Self {
            codec,
            cells,
            seen,
            view,
        })
    }

    fn parts(&self) -> Vec<CellPart> {
        self.parts_of(0..self.cells.len())
    }

    fn parts_of(&self, cells: Range<usize>) -> Vec<CellPart> {
        let view = self.view.as_deref();
        let part = |(cell, entities): (usize, &Vec<(u64, f32, f32)>)| {
            let entities = entities
                .iter()
                .map(|&(id, x, y)| EntityPart { id, x, y, view });
            CellPart::encode(self.codec, cell as u64, false, entities, [])
        };
        let cells = cells.map(|cell| (cell, &self.cells[cell]));
        cells.map(part).collect()
    }

    /// The same on two threads, as a server does it whose map is cut in two: each encodes the cells
    /// of its region and composes the frames of its sockets, of what is newest; nobody waits.
    fn split(&self, ticks: usize) -> usize {
        let middle = self.cells.len() / 2;
        let regions = [0..middle, middle..self.cells.len()];
        let newest = regions
            .clone()
            .map(|cells| ArcSwap::from_pointee(self.parts_of(cells)));
        let sockets = self.seen.chunks(self.seen.len() / 2);
        let one = |(region, sockets): (usize, &[Vec<usize>])| {
            for _ in 0..ticks {
                newest[region].store(Arc::new(self.parts_of(regions[region].clone())));
                let parts = newest.each_ref().map(ArcSwap::load_full);
                let part = |cell: usize| match cell.checked_sub(middle) {
                    None => &parts[0][cell],
                    Some(cell) => &parts[1][cell],
                };
                let frames = sockets.iter().map(|seen| {
                    let parts = seen.iter().map(|cell| part(*cell).as_ref());
                    frame(self.codec, 1_000_000, 70_000, 1.0, parts)
                });
                black_box(frames.collect::<Vec<_>>());
            }
        };
        std::thread::scope(|threads| {
            for share in sockets.enumerate() {
                let one = &one;
                threads.spawn(move || one(share));
            }
        });
        ticks
    }

    fn frames(&self, parts: &[CellPart]) -> Vec<Bytes> {
        let one = |cells: &Vec<usize>| {
            let parts = cells.iter().map(|cell| parts[*cell].as_ref());
            frame(self.codec, 1_000_000, 70_000, 1.0, parts)
        };
        self.seen.iter().map(one).collect()
    }
}
