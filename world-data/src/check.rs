//! Lives here: checking a world's folder that nobody has open: what is found wrong, and how it is
//! told.
//! Not here: the look at the folder (`store::look`), what is looked for (`rows`, `names`,
//! `sessions`, `channels`, `jobs`, `letters`, `graph`).
//!
//! Invariant: a check changes nothing in the folder, and goes on behind whatever it finds.

mod channels;
mod graph;
mod jobs;
mod letters;
mod meta;
mod names;
mod rows;
mod sessions;
#[cfg(test)]
mod tests;

use std::fmt::{self, Display};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use rustc_hash::FxHashMap;
use serde::Serialize;
use uuid::Uuid;

use self::graph::Graph;
use crate::engine::OpenError;
use crate::line::Map;
use crate::mention::Mention;
use crate::object::{Kinds, ObjectId};
use crate::store::Look;
use crate::world::World;

/// Findings that are told one by one; of more, how many there are.
pub const MAX_FINDINGS: usize = 10_000;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Matter {
    /// The store is not as Brightstar writes it.
    Damage,
    /// Something names an object that is not there, or is of another kind: the world's own code has
    /// left it so, unless there is damage, too.
    Dangling,
    /// Nothing leads to the object any more. Its id may be known outside of the world, so this may
    /// be as it is meant.
    Unreachable,
}

impl Matter {
    /// Whether something is wrong.
    pub fn is_wrong(self) -> bool {
        self != Self::Unreachable
    }
}

impl Display for Matter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Damage => "damage",
            Self::Dangling => "dangling",
            Self::Unreachable => "unreachable",
        })
    }
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub matter: Matter,
    /// Where.
    pub place: String,
    /// What.
    pub what: String,
}

/// How much was checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Objects, entities among them.
    pub objects: u64,
    /// Objects with a position.
    pub entities: u64,
    /// References and ids in objects, sessions and jobs.
    pub references: u64,
    /// Names.
    pub names: u64,
    /// Sessions.
    pub sessions: u64,
    /// Outcomes kept of them.
    pub outcomes: u64,
    /// Events kept for them.
    pub events: u64,
    /// Channels with members.
    pub channels: u64,
    /// Messages on channels that are kept.
    pub said: u64,
    /// Jobs that wait.
    pub jobs: u64,
    /// Dead letters.
    pub letters: u64,
}

/// What a check found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Checked {
    /// The world's own id.
    pub world_id: Uuid,
    /// The epoch that was looked at: the last one on disk.
    pub epoch: u64,
    /// The epochs among them that only the journal has.
    pub in_journal: u64,
    /// How much was checked.
    pub counts: Counts,
    /// Findings by their matter: damage, dangling, unreachable.
    pub found: [u64; 3],
    /// The findings, at most [`MAX_FINDINGS`].
    #[serde(skip)]
    pub findings: Vec<Finding>,
}

impl Checked {
    /// Whether something is wrong.
    pub fn is_wrong(&self) -> bool {
        self.found[Matter::Damage as usize] + self.found[Matter::Dangling as usize] > 0
    }
}

/// Checks the folder of a world. `events_kept` is what its server keeps per session.
///
/// # Errors
/// When it can't be looked at: there is no such world in it, another process has it open, or
/// LMDB can't read its own pages.
pub fn check<W: World>(dir: &Path, world: &W, events_kept: usize) -> Result<Checked, OpenError> {
    let map = world.map();
    let look = Look::open(dir, W::NAME, &map, events_kept)?;
    let mut check = Check {
        look: &look,
        map,
        kinds: world.kinds(),
        objects: FxHashMap::default(),
        graph: Graph::default(),
        told: Checked {
            world_id: look.world_id,
            epoch: look.epoch,
            in_journal: look.epoch - look.applied,
            ..Checked::default()
        },
    };
    if let Some(fault) = &look.journal_fault {
        check.damage("journal", fault);
    }
    check.meta()?;
    check.rows()?;
    check.places()?;
    check.names()?;
    check.sessions()?;
    check.jobs::<W>()?;
    check.letters()?;
    check.references();
    Ok(check.told)
}

/// A check under way.
struct Check<'a> {
    look: &'a Look,
    map: Map,
    kinds: Kinds,
    /// The kind of every object.
    objects: FxHashMap<u64, u16>,
    graph: Graph,
    told: Checked,
}

impl Check<'_> {
    fn find(&mut self, matter: Matter, place: impl Display, what: impl Display) {
        self.told.found[matter as usize] += 1;
        if self.told.findings.len() < MAX_FINDINGS {
            self.told.findings.push(Finding {
                matter,
                place: place.to_string(),
                what: what.to_string(),
            });
        }
    }

    fn damage(&mut self, place: impl Display, what: impl Display) {
        self.find(Matter::Damage, place, what);
    }

    fn has(&self, id: ObjectId) -> bool {
        self.objects.contains_key(&id.raw())
    }

    /// Takes note of what a value names.
    fn note(&mut self, from: &graph::From, mentions: Vec<Mention>) {
        self.told.counts.references += mentions.len() as u64;
        self.graph.note(from, mentions);
    }
}

/// Runs a world's own code; its panic is an error.
fn guarded<R>(run: impl FnOnce() -> Result<R, String>) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|_| Err("the world's own code panics".into()))
}

/// Some bytes as a big-endian number, if they are eight.
fn number(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

/// A key that can't be read, for people.
fn hex(key: &[u8]) -> String {
    format!("key {}", crate::hex::text(key))
}
