//! Lives here: what a bot knows of its surroundings from frames, and whether it can be true: on
//! the map, no faster than allowed, in one cell only, and the bot itself always among it.
//! Not here: what the bot wants (`wanderer`).
//!
//! Invariant: an entity is known as long as a cell that has told of it has not said that it left.
//! Cells of several regions tell of a crossing at different times, so an entity may be in two
//! cells, or in none, but only for as long as [`PATIENCE`].

mod seen;

use std::time::Duration;

use brightstar_client::{ClientError, EncodedFrame, Frame, FrameCell, FrameEntity, Gone, Welcome};
use rand::Rng;
use rand::rngs::SmallRng;
use rustc_hash::FxHashMap;
use serde::Deserialize;
use tokio::time::Instant;

use super::METRES;
use crate::stats::Stats;
use seen::{Kind, Seen};

/// Ticks within which what two cells say of an entity must agree again, and the bot itself must
/// be seen again: two seconds. How late regions are is measured apart; this is about what they say.
const PATIENCE: u64 = 40;
/// Closer to where it wants to get to, a walker may have arrived already: three ticks, in metres.
const ARRIVED: f64 = 0.9;
/// World time per real time, at the least, by the server's own word.
const LEAST_DILATION: f32 = 0.1;

/// An entity of which something has still to be said.
#[derive(Debug, Clone, Copy)]
struct Open {
    id: u64,
    tick: u64,
    /// The entity as it was seen last.
    seen: Seen,
}

/// A cell's word that an entity left it, while another cell still shows that entity.
/// What two cells of different regions say is in no order: of one that walked from `a` over `b` to
/// `c`, `b` may tell of its part before `a` does.
#[derive(Debug, Clone, Copy)]
struct Departed {
    id: u64,
    from: u64,
    to: Option<u64>,
    tick: u64,
}

/// Of a view, only what it is.
#[derive(Debug, Deserialize)]
struct View<'a> {
    #[serde(borrow)]
    k: std::borrow::Cow<'a, str>,
}

/// What a bot knows of its surroundings.
#[derive(Debug)]
pub(crate) struct Sight {
    you: Option<u64>,
    period: Duration,
    frame: Frame,
    known: FxHashMap<u64, Seen>,
    /// Entities that are in two cells.
    doubled: Vec<Open>,
    /// Entities that left all cells, for one that is in view.
    between: Vec<Open>,
    /// Departures from cells, of entities that other cells still showed.
    departed: Vec<Departed>,
    /// Cells that were told in full, and when.
    filled: Vec<(u64, u64)>,
    last: Option<(u64, Instant)>,
    /// Where the bot is walking, and since when: until it is there each tick has a frame.
    walk: Option<([f64; 2], Instant)>,
    /// The tick of the first frame.
    begun: u64,
    you_seen: u64,
}

impl Sight {
    pub(crate) fn new(welcome: &Welcome) -> Self {
        Self {
            you: welcome.you,
            period: Duration::from_secs_f64(1.0 / f64::from(welcome.tick_hz.max(1))),
            frame: Frame::default(),
            known: FxHashMap::default(),
            doubled: Vec::new(),
            between: Vec::new(),
            departed: Vec::new(),
            filled: Vec::new(),
            last: None,
            walk: None,
            begun: 0,
            you_seen: 0,
        }
    }

    /// Where the bot itself is.
    pub(crate) fn you(&self) -> Option<[f64; 2]> {
        self.known.get(&self.you?).map(Seen::at)
    }

    /// The bot is on its way to `target` from now on.
    pub(crate) fn walks_to(&mut self, target: [f64; 2]) {
        self.walk = Some((target, Instant::now()));
    }

    /// When it began to walk, if it can't have arrived yet.
    fn walking_since(&self) -> Option<Instant> {
        let ((target, since), here) = (self.walk?, self.you()?);
        let way = (target[0] - here[0]).hypot(target[1] - here[1]);
        (way > ARRIVED).then_some(since)
    }

    /// The nearest coin within `reach` metres: its id and place.
    pub(crate) fn nearest_coin(&self, reach: f64) -> Option<(u64, [f64; 2])> {
        let here = self.you()?;
        let coins = self
            .known
            .iter()
            .filter(|(_, seen)| seen.kind == Kind::Coin);
        coins
            .map(|(id, seen)| {
                let at = seen.at();
                (*id, at, (at[0] - here[0]).hypot(at[1] - here[1]))
            })
            .filter(|(.., away)| *away <= reach)
            .min_by(|a, b| a.2.total_cmp(&b.2))
            .map(|(id, at, _)| (id, at))
    }

    /// Another player in view, by chance.
    pub(crate) fn someone(&self, rng: &mut SmallRng) -> Option<u64> {
        let others = || {
            let players = self
                .known
                .iter()
                .filter(|(_, seen)| seen.kind == Kind::Player);
            players
                .map(|(id, _)| *id)
                .filter(|id| Some(*id) != self.you)
        };
        let count = others().count();
        if count == 0 {
            None
        } else {
            others().nth(rng.random_range(0..count))
        }
    }

    /// Looks at a frame; gives the number of the newest input that took effect. Once the run is
    /// over others log out anywhere, and nothing is said of an entity that is nowhere.
    pub(crate) fn see(
        &mut self,
        encoded: EncodedFrame,
        going: bool,
        stats: &mut Stats,
    ) -> Result<u64, ClientError> {
        let (now, size) = (Instant::now(), encoded.size());
        let mut frame = std::mem::take(&mut self.frame);
        encoded.read(&mut frame)?;
        self.time(&frame, now, size, stats);
        // By the server's ticks: frames that waited in a socket say what was true before.
        let seconds = self.period.as_secs_f32() * frame.tick.saturating_sub(self.begun) as f32;
        // In their order: what is told of a cell may be several steps, each on top of the last.
        let mut replayed = None;
        for cell in frame.cells() {
            if cell.full {
                replayed = Some(cell.cell);
                self.filled.push((cell.cell, frame.tick));
                self.forget(&[cell.cell]);
            }
            for entity in frame.entities(cell) {
                self.see_entity(&frame, cell, entity, seconds, stats)?;
            }
            for gone in frame.gone(cell) {
                if replayed == Some(cell.cell) {
                    // The full cell is of long ago: who left it since is anywhere by now.
                    self.drop_from(cell.cell, gone.id);
                } else {
                    self.see_gone(frame.tick, cell.cell, *gone);
                }
            }
        }
        if going {
            self.check(frame.tick, stats);
        }
        let newest = frame.input_seq;
        self.frame = frame;
        Ok(newest)
    }

    /// Nothing is known of these cells any more.
    pub(crate) fn forget(&mut self, cells: &[u64]) {
        self.known.retain(|_, seen| {
            seen.leave(|cell| cells.contains(&cell));
            seen.count() > 0
        });
        self.between
            .retain(|open| !cells.iter().any(|cell| open.seen.is_in(*cell)));
    }

    /// Counts the frame.
    fn time(&mut self, frame: &Frame, now: Instant, size: usize, stats: &mut Stats) {
        let last = self.last.replace((frame.tick, now));
        let Some((last_tick, last_at)) = last else {
            (self.you_seen, self.begun) = (frame.tick, frame.tick);
            return;
        };
        if frame.tick <= last_tick {
            stats.break_rule(|| format!("tick {} after tick {last_tick}", frame.tick));
        }
        let ticks = u32::try_from(frame.tick.saturating_sub(last_tick)).unwrap_or(u32::MAX);
        // Where time is slowed down, ticks of the region are further apart.
        let apart = 1.0 / f64::from(frame.dilation.clamp(LEAST_DILATION, 1.0));
        let (due, gap) = match self.walking_since() {
            // Something changes in each tick: the bot's own place.
            Some(since) => (self.period.mul_f64(apart), now - last_at.max(since)),
            None => (self.period.saturating_mul(ticks), now - last_at),
        };
        if stats.measuring {
            stats.frames += 1;
            stats.frame_bytes += size as u64;
            stats.ticks_without_frame += u64::from(ticks.saturating_sub(apart.ceil() as u32));
            stats.frame_came(gap.saturating_sub(due));
        }
    }

    fn see_entity(
        &mut self,
        frame: &Frame,
        cell: &FrameCell,
        entity: &FrameEntity,
        now: f32,
        stats: &mut Stats,
    ) -> Result<(), ClientError> {
        let FrameEntity { id, x, y, .. } = *entity;
        stats.entities += u64::from(stats.measuring);
        if ![x, y]
            .iter()
            .all(|v| (0.0..=METRES).contains(&f64::from(*v)))
        {
            stats.break_rule(|| format!("entity {id} at ({x}, {y}) is off the map"));
        }
        if !entity.has_view() {
            // Nearly all are of this kind: one look-up for each.
            match self.known.get_mut(&id) {
                Some(seen) if seen.is_in(cell.cell) => {
                    if let Some(way) = seen.go(cell.cell, (x, y), now) {
                        stats.break_rule(|| format!("entity {id} moved {way:.2} m at once"));
                    }
                    return Ok(());
                }
                _ => stats.break_rule(|| {
                    format!(
                        "entity {id} moved in cell {} before it was shown there",
                        cell.cell
                    )
                }),
            }
        }
        self.see_shown(frame, cell, entity, now, stats)
    }

    /// Takes in an entity that is new in a cell, or looks different.
    fn see_shown(
        &mut self,
        frame: &Frame,
        cell: &FrameCell,
        entity: &FrameEntity,
        now: f32,
        stats: &mut Stats,
    ) -> Result<(), ClientError> {
        let FrameEntity { id, x, y, .. } = *entity;
        // It is there again: how it left before is over.
        self.departed
            .retain(|told| told.id != id || told.from != cell.cell);
        let before = self
            .known
            .get(&id)
            .copied()
            .or_else(|| self.take_between(id));
        let mut seen = before.unwrap_or_else(|| Seen::new(x, y, now));
        if seen.count() > 0 && !seen.is_in(cell.cell) {
            self.doubled.push(Open {
                id,
                tick: frame.tick,
                seen,
            });
        }
        if let Some(way) = seen.go(cell.cell, (x, y), now) {
            stats.break_rule(|| format!("entity {id} moved {way:.2} m at once"));
        }
        if let Some(view) = frame.view(entity) {
            seen.kind = match &*view.decode::<View<'_>>()?.k {
                "player" => Kind::Player,
                "coin" => Kind::Coin,
                _ => Kind::Other,
            };
        }
        self.known.insert(id, seen);
        Ok(())
    }

    fn take_between(&mut self, id: u64) -> Option<Seen> {
        let place = self.between.iter().position(|open| open.id == id)?;
        let mut seen = self.between.swap_remove(place).seen;
        // That was where it was to come, not where it is.
        seen.leave(|_| true);
        Some(seen)
    }

    fn drop_from(&mut self, cell: u64, id: u64) {
        if let Some(seen) = self.known.get_mut(&id) {
            seen.leave(|known| known == cell);
            if seen.count() == 0 {
                self.known.remove(&id);
            }
        }
    }

    fn see_gone(&mut self, tick: u64, cell: u64, gone: Gone) {
        let (id, to) = (gone.id, gone.to);
        let from = cell;
        let told = Departed { id, from, to, tick };
        let seen = if let Some(seen) = self.known.get_mut(&id) {
            seen.leave(|known| known == cell);
            if seen.count() > 0 {
                // Where it is shown, nothing is open; else another cell has yet to tell.
                if !to.is_some_and(|to| seen.is_in(to)) {
                    self.departed.push(told);
                }
                return;
            }
            let seen = *seen;
            self.known.remove(&id);
            seen
        } else {
            // It came and went between two looks of that cell's region.
            let awaited = |open: &Open| open.id == id && open.seen.is_in(cell);
            let Some(place) = self.between.iter().position(awaited) else {
                return;
            };
            self.between.swap_remove(place).seen
        };
        self.await_in(self.way_on(id, to), tick, id, seen);
    }

    /// Where an entity went in the end that left for `to`: cells on the way may have told already.
    fn way_on(&self, id: u64, mut to: Option<u64>) -> Option<u64> {
        // Each departure once: who walks in circles is somewhere, too.
        for _ in 0..self.departed.len() {
            let went_on = |told: &&Departed| told.id == id && Some(told.from) == to;
            match self.departed.iter().rev().find(went_on) {
                Some(told) => to = told.to,
                None => break,
            }
        }
        to
    }

    /// The entity is to be shown in `to`, if that is in view: a cell that tells of anything is. One
    /// that was just told in full may have done so after the entity had gone on.
    fn await_in(&mut self, to: Option<u64>, tick: u64, id: u64, mut seen: Seen) {
        if let Some(to) = to
            && !self.filled.iter().any(|(cell, _)| *cell == to)
            && self.known.values().any(|other| other.is_in(to))
        {
            seen.expect_in(to);
            self.between.push(Open { id, tick, seen });
        }
    }

    /// What must have been said by now.
    fn check(&mut self, tick: u64, stats: &mut Stats) {
        self.departed.retain(|told| tick <= told.tick + PATIENCE);
        self.filled.retain(|(_, told)| tick <= told + PATIENCE);
        let known = &self.known;
        self.doubled.retain(|open| {
            let Some(seen) = known.get(&open.id).filter(|seen| seen.count() > 1) else {
                return false;
            };
            let overdue = tick > open.tick + PATIENCE;
            if overdue {
                let (id, cells) = (open.id, seen.cells());
                stats.break_rule(|| format!("entity {id} is in two cells: {cells:?}"));
            }
            !overdue
        });
        self.between.retain(|open| {
            let overdue = tick > open.tick + PATIENCE;
            if overdue {
                let (id, cell) = (open.id, open.seen.cells()[0]);
                stats.break_rule(|| format!("entity {id} went to cell {cell}, not seen there"));
            }
            !overdue
        });
        match self.you {
            Some(you) if !self.known.contains_key(&you) => {
                if tick > self.you_seen + PATIENCE {
                    stats.break_rule(|| format!("entity {you} does not see itself"));
                    self.you_seen = tick;
                }
            }
            _ => self.you_seen = tick,
        }
    }
}

#[cfg(test)]
mod tests;
