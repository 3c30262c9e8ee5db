//! Lives here: what a bot knows of its surroundings from frames, and whether it can be true: on
//! the map, no faster than allowed, in one cell only, and the bot itself always among it.
//! Not here: what the bot wants (`wanderer`).
//!
//! Invariant: an entity is known once, in the cell that told of it last.

use std::time::Duration;

use brightstar_client::{ClientError, EncodedFrame, Frame, FrameCell, FrameEntity, Gone, Welcome};
use rand::Rng;
use rand::rngs::SmallRng;
use rustc_hash::FxHashMap;
use serde::Deserialize;
use tokio::time::Instant;

use super::{METRES, SPEED};
use crate::stats::{LATE, Stats};

/// Ticks within which what two cells say of an entity must agree again, and the bot itself must
/// be seen again: half a second.
const PATIENCE: u64 = 10;
/// How much faster than allowed is not called wrong: ticks are not spaced evenly.
const SLACK: f64 = 1.25;
/// A step that is never called wrong, in metres: rounding, and a tick more or less.
const STEP: f64 = 1.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Player,
    Coin,
    Other,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    cell: u64,
    x: f32,
    y: f32,
    kind: Kind,
}

/// Something that one cell has said of an entity and another has still to confirm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Claim {
    entity: u64,
    cell: u64,
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
    /// Entities that another cell has told of: this cell must say that they left.
    leaving: Vec<Claim>,
    /// Entities that left for this cell, which must tell of them.
    coming: Vec<Claim>,
    last: Option<(u64, Instant)>,
    you_seen: u64,
}

impl Sight {
    pub(crate) fn new(welcome: &Welcome) -> Self {
        Self {
            you: welcome.you,
            period: Duration::from_secs_f64(1.0 / f64::from(welcome.tick_hz.max(1))),
            frame: Frame::default(),
            known: FxHashMap::default(),
            leaving: Vec::new(),
            coming: Vec::new(),
            last: None,
            you_seen: 0,
        }
    }

    /// Where the bot itself is.
    pub(crate) fn you(&self) -> Option<[f64; 2]> {
        self.known
            .get(&self.you?)
            .map(|seen| [f64::from(seen.x), f64::from(seen.y)])
    }

    /// The nearest coin within `reach` metres: its id, place and distance.
    pub(crate) fn nearest_coin(&self, reach: f64) -> Option<(u64, [f64; 2], f64)> {
        let here = self.you()?;
        self.known
            .iter()
            .filter(|(_, seen)| seen.kind == Kind::Coin)
            .map(|(id, seen)| {
                let at = [f64::from(seen.x), f64::from(seen.y)];
                (*id, at, (at[0] - here[0]).hypot(at[1] - here[1]))
            })
            .filter(|(.., away)| *away <= reach)
            .min_by(|a, b| a.2.total_cmp(&b.2))
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

    /// Looks at a frame; gives the number of the newest input that took effect.
    pub(crate) fn see(
        &mut self,
        encoded: EncodedFrame,
        stats: &mut Stats,
    ) -> Result<u64, ClientError> {
        let (now, size) = (Instant::now(), encoded.size());
        let mut frame = std::mem::take(&mut self.frame);
        encoded.read(&mut frame)?;
        let reach = self.time(&frame, now, size, stats);
        self.renew(&frame);
        for cell in frame.cells() {
            for entity in frame.entities(cell) {
                self.see_entity(&frame, cell, entity, reach, stats)?;
            }
        }
        for cell in frame.cells() {
            for gone in frame.gone(cell) {
                self.see_gone(frame.tick, cell, *gone);
            }
        }
        self.check(frame.tick, stats);
        let newest = frame.input_seq;
        self.frame = frame;
        Ok(newest)
    }

    /// These cells are no longer in view.
    pub(crate) fn forget(&mut self, cells: &[u64]) {
        self.known.retain(|_, seen| !cells.contains(&seen.cell));
        self.leaving.retain(|claim| !cells.contains(&claim.cell));
        self.coming.retain(|claim| !cells.contains(&claim.cell));
    }

    /// Counts the frame; gives how far anything may have moved since the one before.
    fn time(&mut self, frame: &Frame, now: Instant, size: usize, stats: &mut Stats) -> f64 {
        let last = self.last.replace((frame.tick, now));
        let Some((last_tick, last_at)) = last else {
            self.you_seen = frame.tick;
            return f64::INFINITY;
        };
        if frame.tick <= last_tick {
            stats.break_rule(|| format!("tick {} after tick {last_tick}", frame.tick));
        }
        let ticks = u32::try_from(frame.tick.saturating_sub(last_tick)).unwrap_or(u32::MAX);
        let (due, gap) = (self.period.saturating_mul(ticks), now - last_at);
        if stats.measuring {
            stats.frames += 1;
            stats.frame_bytes += size as u64;
            stats.late_frames += u64::from(gap > due + LATE);
            stats.frame_delay.record(gap.saturating_sub(due));
        }
        (due.max(gap) + self.period).as_secs_f64() * SPEED * SLACK + STEP
    }

    /// A full cell replaces what was known of it.
    fn renew(&mut self, frame: &Frame) {
        let mut full = frame
            .cells()
            .iter()
            .filter(|cell| cell.full)
            .map(|cell| cell.cell)
            .peekable();
        if full.peek().is_none() {
            return;
        }
        let full: Vec<u64> = full.collect();
        self.forget(&full);
    }

    fn see_entity(
        &mut self,
        frame: &Frame,
        cell: &FrameCell,
        entity: &FrameEntity,
        reach: f64,
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
        let before = self.known.get(&id).copied();
        let kind = match (frame.view(entity), before) {
            (Some(view), _) => match &*view.decode::<View<'_>>()?.k {
                "player" => Kind::Player,
                "coin" => Kind::Coin,
                _ => Kind::Other,
            },
            (None, Some(before)) => before.kind,
            (None, None) => {
                stats.break_rule(|| format!("entity {id} moved before it was shown"));
                Kind::Other
            }
        };
        if let Some(before) = before {
            let way = f64::from(x - before.x).hypot(f64::from(y - before.y));
            if way > reach {
                stats.break_rule(|| format!("entity {id} moved {way:.2} m, {reach:.2} m is most"));
            }
            if before.cell != cell.cell {
                let (entity, cell, tick) = (id, before.cell, frame.tick);
                self.leaving.push(Claim { entity, cell, tick });
            }
        }
        settle(&mut self.leaving, id, cell.cell);
        settle(&mut self.coming, id, cell.cell);
        self.known.insert(
            id,
            Seen {
                cell: cell.cell,
                x,
                y,
                kind,
            },
        );
        Ok(())
    }

    fn see_gone(&mut self, tick: u64, cell: &FrameCell, gone: Gone) {
        settle(&mut self.leaving, gone.id, cell.cell);
        settle(&mut self.coming, gone.id, cell.cell);
        if self
            .known
            .get(&gone.id)
            .is_none_or(|seen| seen.cell != cell.cell)
        {
            return;
        }
        self.known.remove(&gone.id);
        // Whether that cell is in view is not known here, but it is if it tells of anything.
        if let Some(to) = gone.to
            && self.known.values().any(|seen| seen.cell == to)
        {
            self.coming.push(Claim {
                entity: gone.id,
                cell: to,
                tick,
            });
        }
    }

    /// What must have been confirmed by now.
    fn check(&mut self, tick: u64, stats: &mut Stats) {
        let overdue = |claim: &Claim| tick > claim.tick + PATIENCE;
        if self.leaving.iter().chain(&self.coming).any(overdue) {
            for claim in self.leaving.extract_if(.., |claim| overdue(claim)) {
                let Claim { entity, cell, .. } = claim;
                stats.break_rule(|| format!("entity {entity} is in cell {cell} and another"));
            }
            for claim in self.coming.extract_if(.., |claim| overdue(claim)) {
                let Claim { entity, cell, .. } = claim;
                stats.break_rule(|| format!("entity {entity} went to cell {cell}, not seen there"));
            }
        }
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

/// A cell has said what it had to say of an entity.
fn settle(claims: &mut Vec<Claim>, entity: u64, cell: u64) {
    if !claims.is_empty() {
        claims.retain(|claim| (claim.entity, claim.cell) != (entity, cell));
    }
}
