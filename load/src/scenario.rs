//! Lives here: what the bots of a meadow are to do: patterns with their parameters, one by name or
//! a mix from a TOML file.
//! Not here: how it is done (`meadow/roles`).
//!
//! Invariant: a scenario that was read can be played: every number is in its range, and nothing in
//! the file was passed over.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::ValueEnum;
use serde::Deserialize;

use crate::args::{MAX_BOTS, parse_duration};
use crate::land::{CELL, Place, SIDE};

/// The patterns, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum PatternName {
    /// All walk about, gather, give and talk
    Wander,
    /// Half of all log in at one village within 5 s, gather at one point, stay, and disperse; the
    /// others wander
    Crowd,
    /// Eight columns march from the middle outwards and back
    Star,
    /// All walk to and fro over a border between two regions, and trade over it
    Border,
    /// A storm of gifts over all regions
    Trade,
    /// Waves of bots drop their sockets with commands under way, and resume
    Reconnect,
    /// Readers that stop reading for a while
    Slow,
}

/// What the bots of one part do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Pattern {
    Wander,
    Crowd {
        place: Place,
        metres: f64,
        within: Duration,
        stay: Duration,
    },
    Star {
        metres: f64,
    },
    Border {
        metres: f64,
    },
    Trade {
        per_second: f64,
    },
    Reconnect {
        every: Duration,
        away: Duration,
    },
    Slow {
        every: Duration,
        stall: Duration,
    },
}

/// Bots that do the same.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part {
    pub(crate) pattern: Pattern,
    pub(crate) bots: u32,
    /// So long after measuring began they come; none: they are there before.
    pub(crate) start: Option<Duration>,
    /// So long after measuring began they go; none: they stay to the end.
    pub(crate) stop: Option<Duration>,
}

/// What all bots do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) parts: Vec<Part>,
}

/// A file as it stands there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    part: Vec<Table>,
}

/// A part as it stands in the file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    pattern: Option<PatternName>,
    bots: Option<u32>,
    share: Option<f64>,
    start: Option<String>,
    stop: Option<String>,
    place: Option<Place>,
    within: Option<String>,
    stay: Option<String>,
    metres: Option<f64>,
    per_second: Option<f64>,
    every: Option<String>,
    away: Option<String>,
    stall: Option<String>,
}

/// The well of a village that lies inside one region as long as the meadow has 16 of them.
const VILLAGE: Place = [1590.0, 1570.0];
/// When the crowd comes if no scenario says so: by then it is seen how things were before.
const CROWD_COMES: Duration = Duration::from_secs(10);
/// A session lingers for a minute; who stays away longer has lost it.
const LONGEST_AWAY: Duration = Duration::from_secs(45);
/// The server gives up who takes nothing for half a minute; and what an entity did meanwhile can be
/// told from flying for ten seconds only.
const LONGEST_STALL: Duration = Duration::from_secs(10);

impl Scenario {
    /// The scenario of one pattern.
    pub(crate) fn of(name: PatternName, bots: u32) -> anyhow::Result<Self> {
        let part = |pattern, share| Table {
            pattern: Some(pattern),
            share: Some(share),
            ..Table::default()
        };
        let mut tables = vec![part(name, 1.0)];
        if name == PatternName::Crowd {
            tables = vec![part(PatternName::Wander, 0.5), part(name, 0.5)];
            tables[1].start = Some(format!("{}s", CROWD_COMES.as_secs()));
        }
        Self::from_tables(name.to_string(), tables, bots)
    }

    /// Reads a scenario; parts with a share have it of so many bots.
    pub(crate) fn read(path: &Path, bots: u32) -> anyhow::Result<Self> {
        let name = || path.display().to_string();
        let text = std::fs::read_to_string(path).with_context(name)?;
        let stem = path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned());
        Self::parse(stem.unwrap_or_default(), &text, bots).with_context(name)
    }

    fn parse(name: String, text: &str, bots: u32) -> anyhow::Result<Self> {
        let file: File = toml::from_str(text)?;
        Self::from_tables(name, file.part, bots)
    }

    fn from_tables(name: String, tables: Vec<Table>, bots: u32) -> anyhow::Result<Self> {
        ensure!(!tables.is_empty(), "there is no part");
        let shares: f64 = tables.iter().filter_map(|table| table.share).sum();
        ensure!(
            shares <= 1.0 + 1e-9,
            "the shares sum up to {shares}, which is over 1"
        );
        let mut parts = Vec::new();
        // Cut points rather than sizes are rounded, so that shares of 1 are all bots.
        let (mut sum, mut given) = (0.0, 0);
        for (n, table) in (1..).zip(tables) {
            let label = table
                .pattern
                .map_or_else(String::new, |name| format!(" ({name})"));
            let words = || format!("part {n}{label}");
            let count = match (table.bots, table.share) {
                (Some(bots), None) => Ok(bots),
                (None, Some(share)) if share > 0.0 => {
                    sum += share;
                    let end = (f64::from(bots) * sum).round() as u32;
                    Ok(end - std::mem::replace(&mut given, end))
                }
                (None, Some(_)) => Err("`share` must be above 0"),
                _ => Err("it needs either `bots` or `share`"),
            };
            let count = count.map_err(anyhow::Error::msg).with_context(words)?;
            parts.push(table.part(count).with_context(words)?);
        }
        let all: u64 = parts.iter().map(|part| u64::from(part.bots)).sum();
        ensure!(
            (1..=MAX_BOTS as u64).contains(&all),
            "there are {all} bots, and there may be from 1 to {MAX_BOTS}"
        );
        Ok(Self { name, parts })
    }

    /// How many bots there are in all.
    pub(crate) fn bots(&self) -> u32 {
        self.parts.iter().map(|part| part.bots).sum()
    }
}

impl Table {
    fn part(mut self, bots: u32) -> anyhow::Result<Part> {
        let start = time(self.start.take(), "start", Duration::ZERO)?;
        let stop = self
            .stop
            .take()
            .map(|stop| parse_time(&stop, "stop"))
            .transpose()?;
        if let Some(stop) = stop {
            ensure!(stop > start, "`stop` must be after `start`");
        }
        let pattern = self.pattern()?;
        self.check_leftovers()?;
        Ok(Part {
            pattern,
            bots,
            start: (start > Duration::ZERO).then_some(start),
            stop,
        })
    }

    /// Takes the parameters of the pattern out of the table.
    fn pattern(&mut self) -> anyhow::Result<Pattern> {
        let seconds = Duration::from_secs;
        let side = CELL * f64::from(SIDE);
        Ok(match self.pattern.context("`pattern` is missing")? {
            PatternName::Wander => Pattern::Wander,
            PatternName::Crowd => {
                let place = self.place.take().unwrap_or(VILLAGE);
                ensure!(
                    place.iter().all(|v| (0.0..side).contains(v)),
                    "`place` must lie on the map, from 0 to {side} m"
                );
                Pattern::Crowd {
                    place,
                    metres: number(self.metres.take(), "metres", 20.0, 0.0, 200.0)?,
                    within: time(self.within.take(), "within", seconds(5))?,
                    stay: time(self.stay.take(), "stay", seconds(25))?,
                }
            }
            PatternName::Star => Pattern::Star {
                metres: number(self.metres.take(), "metres", 900.0, 50.0, 1000.0)?,
            },
            PatternName::Border => Pattern::Border {
                metres: number(self.metres.take(), "metres", 4.0, 1.0, 15.0)?,
            },
            PatternName::Trade => Pattern::Trade {
                per_second: number(self.per_second.take(), "per_second", 2.0, 0.01, 20.0)?,
            },
            PatternName::Reconnect => {
                let every = time(self.every.take(), "every", seconds(10))?;
                let away = time(self.away.take(), "away", seconds(2))?;
                ensure!(
                    away <= LONGEST_AWAY,
                    "`away` must be at most {LONGEST_AWAY:?}"
                );
                ensure!(every > away, "`every` must be longer than `away`");
                Pattern::Reconnect { every, away }
            }
            PatternName::Slow => {
                let every = time(self.every.take(), "every", seconds(15))?;
                let stall = time(self.stall.take(), "stall", seconds(5))?;
                ensure!(
                    stall <= LONGEST_STALL,
                    "`stall` must be at most {LONGEST_STALL:?}"
                );
                ensure!(every > stall, "`every` must be longer than `stall`");
                Pattern::Slow { every, stall }
            }
        })
    }

    /// What is still in the table is another pattern's.
    fn check_leftovers(&self) -> anyhow::Result<()> {
        let left = [
            ("place", self.place.is_some()),
            ("within", self.within.is_some()),
            ("stay", self.stay.is_some()),
            ("metres", self.metres.is_some()),
            ("per_second", self.per_second.is_some()),
            ("every", self.every.is_some()),
            ("away", self.away.is_some()),
            ("stall", self.stall.is_some()),
        ];
        match left.iter().find(|(_, there)| *there) {
            Some((name, _)) => bail!("`{name}` means nothing to this pattern"),
            None => Ok(()),
        }
    }
}

fn time(text: Option<String>, name: &str, default: Duration) -> anyhow::Result<Duration> {
    text.map_or(Ok(default), |text| parse_time(&text, name))
}

fn parse_time(text: &str, name: &str) -> anyhow::Result<Duration> {
    parse_duration(text)
        .map_err(anyhow::Error::msg)
        .with_context(|| format!("`{name}`"))
}

fn number(
    value: Option<f64>,
    name: &str,
    default: f64,
    low: f64,
    high: f64,
) -> anyhow::Result<f64> {
    let value = value.unwrap_or(default);
    ensure!(
        (low..=high).contains(&value),
        "`{name}` must be from {low} to {high}"
    );
    Ok(value)
}

impl fmt::Display for PatternName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}

#[cfg(test)]
mod tests;
