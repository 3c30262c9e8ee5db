//! Lives here: fair play, for a world's rules: how fast, how far, how soon, how often.
//! Not here: a world's own numbers, what is done about somebody who tries (counting: `actors`), and
//! the rates of messages of any kind (settings of the server).
//!
//! All of it is plain data with the time passed in: put the state ([`Walk`], [`Cooldown`],
//! [`Tokens`], [`Allowances`]) into your objects, the numbers ([`Speed`], [`Reach`], [`Rate`]) into
//! constants, and pass on what they say with `?`. A refused task leaves no trace, so an attempt that
//! is refused costs nothing of what is kept here; a client that only tries is held by the server's
//! own rates, and its attempts are counted by rule and session.
//!
//! Prefer to move things yourself: a client that may say only *where to* ([`Speed::step`] in
//! `World::tick`) can't be too fast. [`Walk`] is for worlds whose clients say where they *are*.
//!
//! Invariant: numbers that are no numbers (NaN, infinite) are refused like those that are too large.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::line::Point;
use crate::task::Stop;

/// How much too early word of a move may come, in milliseconds: networks deliver in bunches.
pub const JITTER_MS: u64 = 200;
/// The most time that counts as walked when word of it comes late, in milliseconds. Who was silent for
/// longer has stood still: nobody saves up steps.
pub const GAP_MS: u64 = 250;

/// The rules' names, as clients are told them and refusals are counted by.
pub const TOO_FAST: &str = "too_fast";
/// See [`Reach`].
pub const TOO_FAR: &str = "too_far";
/// See [`Cooldown`].
pub const TOO_SOON: &str = "too_soon";
/// See [`Rate`].
pub const TOO_MANY: &str = "too_many";

/// How fast somebody may move.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed {
    metres_per_second: f64,
}

impl Speed {
    /// So many metres per second; more than 0.
    pub const fn new(metres_per_second: f64) -> Self {
        Self { metres_per_second }
    }

    /// How far that is in so many seconds, in metres.
    pub const fn metres(self, seconds: f64) -> f64 {
        self.metres_per_second * seconds
    }

    /// Where a step of so many seconds towards `target` ends: there, if it is so near.
    pub fn step(self, at: Point, target: Point, seconds: f64) -> Point {
        at.towards(target, self.metres(seconds))
    }
}

/// What is remembered of somebody who says where he is: the time he has not walked yet, at most
/// [`GAP_MS`], or a debt of time, run up by word that came too early, at most [`JITTER_MS`], and
/// repaid by moving slower than he may.
///
/// Whatever is claimed and when: in any stretch of `t` seconds he comes no further than the way of
/// `t` seconds and of [`JITTER_MS`] and [`GAP_MS`] together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Walk {
    /// When he last said where he was.
    heard_ms: u64,
    /// Milliseconds that he might have walked since; below 0: his debt.
    spare_ms: f64,
}

impl Walk {
    /// Takes the word of somebody at `from` that he is at `to` now.
    ///
    /// # Errors
    /// Refuses [`TOO_FAST`] when his debt would exceed [`JITTER_MS`]; then nothing has changed, and
    /// he is still at `from`: tell him, or let him go as far as he may ([`Walk::towards`]).
    pub fn go(&mut self, speed: Speed, from: Point, to: Point, now_ms: u64) -> Result<(), Stop> {
        let needs_ms = from.distance(to) / speed.metres_per_second * 1_000.0;
        let left_ms = self.spare_ms(now_ms) - needs_ms;
        // What is no number is not at least anything.
        if left_ms >= -(JITTER_MS as f64) {
            self.spare_ms = left_ms;
            self.heard_ms = self.heard_ms.max(now_ms);
            Ok(())
        } else {
            Err(Stop::refused(TOO_FAST))
        }
    }

    /// Lets him go towards `to` as far as he may, and says where that is.
    pub fn towards(&mut self, speed: Speed, from: Point, to: Point, now_ms: u64) -> Point {
        let most_ms = JITTER_MS as f64 + self.spare_ms(now_ms);
        let mut at = from.towards(to, speed.metres(most_ms.max(0.0) / 1_000.0));
        // No place at all; or so near the limit that rounding decides.
        if self.go(speed, from, at, now_ms).is_err() {
            at = from;
        }
        at
    }

    /// His debt, in milliseconds, as of when he was last heard.
    pub fn debt_ms(&self) -> f64 {
        (-self.spare_ms).max(0.0)
    }

    fn spare_ms(&self, now_ms: u64) -> f64 {
        let passed_ms = now_ms.saturating_sub(self.heard_ms) as f64;
        (self.spare_ms + passed_ms).min(GAP_MS as f64)
    }
}

/// How far somebody reaches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reach {
    metres: f64,
}

impl Reach {
    /// So many metres.
    pub const fn new(metres: f64) -> Self {
        Self { metres }
    }

    /// Whether `there` is within reach of `here`.
    pub fn holds(self, here: Point, there: Point) -> bool {
        here.distance(there) <= self.metres
    }

    /// Refuses what is not within reach.
    ///
    /// # Errors
    /// Refuses [`TOO_FAR`].
    pub fn check(self, here: Point, there: Point) -> Result<(), Stop> {
        if self.holds(here, there) {
            Ok(())
        } else {
            Err(Stop::refused(TOO_FAR))
        }
    }
}

/// When something may be done again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cooldown {
    ready_ms: u64,
}

impl Cooldown {
    /// Does it now, if it may be done: it may be done again `every_ms` milliseconds later.
    ///
    /// # Errors
    /// Refuses [`TOO_SOON`].
    pub fn take(&mut self, every_ms: u64, now_ms: u64) -> Result<(), Stop> {
        if now_ms < self.ready_ms {
            return Err(Stop::refused(TOO_SOON));
        }
        self.ready_ms = now_ms.saturating_add(every_ms);
        Ok(())
    }

    /// Milliseconds until it may be done.
    pub fn left_ms(&self, now_ms: u64) -> u64 {
        self.ready_ms.saturating_sub(now_ms)
    }
}

/// How often something may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Milliseconds for each, in the long run; at least 1.
    pub each_ms: u64,
    /// How many at once; at least 1.
    pub burst: u32,
}

/// A token bucket: full at first, filled by time, emptied by use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tokens {
    /// When it will be full again.
    full_ms: u64,
}

impl Tokens {
    /// Takes a token.
    ///
    /// # Errors
    /// Refuses [`TOO_MANY`] when there is none.
    pub fn take(&mut self, rate: Rate, now_ms: u64) -> Result<(), Stop> {
        let each_ms = rate.each_ms.max(1);
        let full_ms = self.full_ms.max(now_ms).saturating_add(each_ms);
        if full_ms - now_ms > each_ms.saturating_mul(u64::from(rate.burst.max(1))) {
            return Err(Stop::refused(TOO_MANY));
        }
        self.full_ms = full_ms;
        Ok(())
    }

    /// Whether it is full, so that forgetting it changes nothing.
    pub fn is_full(&self, now_ms: u64) -> bool {
        self.full_ms <= now_ms
    }
}

/// A bucket for each kind of message, by its name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Allowances(BTreeMap<String, Tokens>);

impl Allowances {
    /// Takes a token of the bucket of `kind`. A kind that `rates` does not name is free. No more is
    /// kept than there are rates; full buckets are forgotten.
    ///
    /// # Errors
    /// Refuses [`TOO_MANY`] when there is none.
    pub fn take(&mut self, rates: &[(&str, Rate)], kind: &str, now_ms: u64) -> Result<(), Stop> {
        let Some((_, rate)) = rates.iter().find(|(name, _)| *name == kind) else {
            return Ok(());
        };
        let mut tokens = self.0.get(kind).copied().unwrap_or_default();
        tokens.take(*rate, now_ms)?;
        let named = |name: &str| rates.iter().any(|(known, _)| *known == name);
        self.0
            .retain(|name, tokens| named(name) && !tokens.is_full(now_ms));
        self.0.insert(kind.to_owned(), tokens);
        Ok(())
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests;
