//! Lives here: looking into a world's folder that nobody has open: its objects, one by one, and how
//! much room each kind takes.
//! Not here: the look at the folder (`store::look`), whether it is sound (`check`).
//!
//! Invariant: nothing in the folder is changed.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::engine::OpenError;
use crate::line::{Home, Map};
use crate::object::{Kinds, ObjectId};
use crate::record;
use crate::store::{Look, TABLES};
use crate::tree::readable_json;
use crate::world::World;

/// Why a folder can't be looked into to the end.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// It can't be opened or read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What was asked for makes no sense for this world.
    #[error("{0}")]
    Asked(String),
    /// What was found can't be told.
    #[error("can't write what was found: {0}")]
    Output(#[from] io::Error),
}

/// Which objects to show: those that are all of it. Nothing: all there are.
#[derive(Debug, Clone, Default)]
pub struct Which {
    /// Of this kind: its name, or its number.
    pub kind: Option<String>,
    /// In this home.
    pub home: Option<u64>,
    /// With this id.
    pub id: Option<u64>,
}

#[derive(Serialize)]
struct Shown<'a> {
    id: u64,
    kind: &'a str,
    home: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<[f64; 2]>,
    /// Of its row.
    bytes: usize,
    value: Box<RawValue>,
}

/// How much room a kind of object, or another table, takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Size {
    /// The kind, or the table.
    pub of: String,
    /// Objects, or rows.
    pub count: u64,
    /// Bytes of their keys and rows, without what LMDB adds.
    pub bytes: u64,
    /// Bytes of the largest one.
    pub largest: u64,
    /// The id of the largest object; `None`: it is a table.
    pub largest_id: Option<u64>,
}

/// Writes objects as JSON, each on a line of its own, in the order of homes and ids. A value is told
/// for people: what JSON has no words for is a text.
///
/// # Errors
/// When the folder can't be looked at, `which` names a kind that this world has not, or `out` fails.
pub fn objects<W: World>(
    dir: &Path,
    world: &W,
    which: &Which,
    out: &mut impl io::Write,
) -> Result<u64, LookError> {
    let (map, kinds) = (world.map(), world.kinds());
    let kind = which.kind.as_deref().map(|kind| kind_of(&kinds, kind));
    let kind = kind.transpose()?;
    let id = which
        .id
        .map(|id| ObjectId::from_raw(id).ok_or_else(|| no_id(id)));
    let id = id.transpose()?;
    let look = open(dir, world, &map)?;
    let home = match id {
        None => which.home.map(Home),
        Some(id) => match look.home_of(id, &map)? {
            None => return Ok(0),
            found => found,
        },
    };
    if which.home.is_some_and(|asked| home != Some(Home(asked))) {
        return Ok(0);
    }
    let mut prefix = home.map_or_else(Vec::new, |home| home.0.to_be_bytes().to_vec());
    prefix.extend(id.map(|id| id.raw().to_be_bytes()).into_iter().flatten());
    let mut shown = 0;
    for item in look.rows("rows", &prefix)? {
        let (key, row) = item?;
        let Ok((at, of, packed)) = record::open_row(row) else {
            continue;
        };
        if kind.is_some_and(|kind| kind != of) {
            continue;
        }
        let line = Shown {
            id: tail(key),
            kind: &name(&kinds, of),
            home: head(key),
            at: at.map(|at| [at.x, at.y]),
            bytes: row.len(),
            value: readable(packed),
        };
        serde_json::to_writer(&mut *out, &line).map_err(io::Error::from)?;
        out.write_all(b"\n")?;
        shown += 1;
    }
    Ok(shown)
}

/// How much room objects of each kind take, the largest first; then every other table.
///
/// # Errors
/// When the folder can't be looked at.
pub fn sizes<W: World>(dir: &Path, world: &W) -> Result<Vec<Size>, LookError> {
    let kinds = world.kinds();
    let look = open(dir, world, &world.map())?;
    let mut by_kind = BTreeMap::<String, Size>::new();
    for item in look.rows("rows", &[])? {
        let (key, row) = item?;
        let of = match record::open_row(row) {
            Ok((_, of, _)) => name(&kinds, of),
            Err(_) => "unreadable".to_owned(),
        };
        let size = by_kind.entry(of).or_default();
        if size.add(key.len() + row.len()) {
            size.largest_id = Some(tail(key));
        }
    }
    let mut sizes: Vec<_> = by_kind
        .into_iter()
        .map(|(of, size)| Size { of, ..size })
        .collect();
    sizes.sort_by_key(|size| std::cmp::Reverse(size.bytes));
    for table in TABLES.into_iter().filter(|table| *table != "rows") {
        let mut size = Size {
            of: format!("table {table}"),
            ..Size::default()
        };
        for item in look.rows(table, &[])? {
            let (key, row) = item?;
            size.add(key.len() + row.len());
        }
        sizes.push(size);
    }
    Ok(sizes)
}

impl Size {
    /// Adds a row; says whether it is the largest so far.
    fn add(&mut self, bytes: usize) -> bool {
        let bytes = bytes as u64;
        self.count += 1;
        self.bytes += bytes;
        let largest = bytes > self.largest;
        self.largest = self.largest.max(bytes);
        largest
    }
}

fn open<W: World>(dir: &Path, _: &W, map: &Map) -> Result<Look, LookError> {
    // How many events are kept changes nothing about objects.
    let look = Look::open(dir, W::NAME, map, usize::MAX)?;
    match &look.journal_fault {
        Some(why) => Err(OpenError(why.clone()).into()),
        None => Ok(look),
    }
}

fn no_id(id: u64) -> LookError {
    LookError::Asked(format!("{id} is no object id: they are below 2^53"))
}

fn kind_of(kinds: &Kinds, asked: &str) -> Result<u16, LookError> {
    let found = kinds.all().find(|(_, name)| *name == asked);
    if let Some((kind, _)) = found {
        return Ok(kind);
    }
    asked.parse().map_err(|_| {
        let mut names: Vec<_> = kinds.all().map(|(_, name)| name).collect();
        names.sort_unstable();
        LookError::Asked(format!("no kind {asked:?}: there are {}", names.join(", ")))
    })
}

fn name(kinds: &Kinds, kind: u16) -> String {
    kinds
        .name(kind)
        .map_or_else(|| kind.to_string(), str::to_owned)
}

fn readable(packed: &[u8]) -> Box<RawValue> {
    let json = readable_json(packed).ok();
    json.and_then(|json| RawValue::from_string(json).ok())
        .unwrap_or_else(|| RawValue::NULL.to_owned())
}

fn head(key: &[u8]) -> u64 {
    number(key.get(..8))
}

fn tail(key: &[u8]) -> u64 {
    number(key.get(8..))
}

fn number(bytes: Option<&[u8]>) -> u64 {
    let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u64::from_be_bytes)
}
