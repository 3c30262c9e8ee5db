//! Lives here: what names what: references to objects that are not there, and objects that nothing
//! leads to.
//! Not here: finding the references in a value (`mention`).
//!
//! An entity is reached by its place and a keyed object by its key. Any other object is reached by a
//! name, a session, a job, or from an object that is.

use std::fmt::{self, Display};

use rustc_hash::{FxHashMap, FxHashSet};
use uuid::Uuid;

use super::{Check, Matter};
use crate::mention::Mention;
use crate::object::ObjectId;

/// Who names an object.
#[derive(Debug, Clone)]
pub(super) enum From {
    Object(u64),
    Name(String),
    Session(Uuid),
    /// A job, by its object and number.
    Job(u64, u64),
}

impl Display for From {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(id) => write!(f, "object {id}"),
            Self::Name(name) => write!(f, "name {name:?}"),
            Self::Session(id) => write!(f, "session {id}"),
            Self::Job(of, number) => write!(f, "job {number} of object {of}"),
        }
    }
}

/// Who names whom.
#[derive(Debug, Default)]
pub(super) struct Graph(Vec<(From, Mention)>);

impl Graph {
    pub(super) fn note(&mut self, from: &From, mentions: Vec<Mention>) {
        let named = mentions.into_iter().map(|mention| (from.clone(), mention));
        self.0.extend(named);
    }
}

/// Whether an object is reached without anybody's naming it.
fn is_root(id: u64) -> bool {
    ObjectId::from_raw(id).is_some_and(|id| id.is_entity() || id.kind_and_key().is_some())
}

impl Check<'_> {
    /// Looks for references that lead nowhere, and for objects that no reference leads to.
    pub(super) fn references(&mut self) {
        let graph = std::mem::take(&mut self.graph).0;
        let mut leads = FxHashMap::<u64, Vec<u64>>::default();
        let mut reached = FxHashSet::default();
        let mut walk = Vec::new();
        for (from, mention) in graph {
            let to = match mention {
                Mention::Ref(to, _) | Mention::Id(to) => to,
            };
            self.leads_somewhere(&from, mention);
            match from {
                From::Object(from) if !is_root(from) => leads.entry(from).or_default().push(to),
                _ => walk.push(to),
            }
        }
        while let Some(id) = walk.pop() {
            if reached.insert(id) {
                walk.extend(leads.remove(&id).unwrap_or_default());
            }
        }
        let mut lost: Vec<_> = self.objects.iter().map(|(id, kind)| (*id, *kind)).collect();
        lost.retain(|(id, _)| !is_root(*id) && !reached.contains(id));
        lost.sort_unstable();
        for (id, kind) in lost {
            let kind = self.kind(kind);
            self.find(
                Matter::Unreachable,
                format!("object {id}"),
                format!("a {kind}"),
            );
        }
    }

    fn leads_somewhere(&mut self, from: &From, mention: Mention) {
        let (to, wanted) = match mention {
            Mention::Ref(to, kind) => (to, Some(kind)),
            Mention::Id(to) => (to, None),
        };
        let words = match (self.objects.get(&to), wanted) {
            (None, Some(wanted)) => format!("leads to {wanted} {to}, which is not there"),
            (None, None) => format!("leads to object {to}, which is not there"),
            (Some(kind), Some(wanted)) if self.kinds.name(*kind) != Some(wanted) => {
                let kind = self.kind(*kind);
                format!("leads to {wanted} {to}, which is a {kind}")
            }
            _ => return,
        };
        self.find(Matter::Dangling, from, words);
    }

    fn kind(&self, kind: u16) -> String {
        match self.kinds.name(kind) {
            Some(name) => name.to_owned(),
            None => format!("kind {kind}"),
        }
    }
}
