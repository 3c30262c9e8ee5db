//! Lives here: the lines of an export: each is a row of the store, as JSON, and leads back to it.
//! Not here: which rows there are and where they go (`export`), values (`exact`).
//!
//! Invariant: a line is written only if it leads back to the very row; any other row is written as
//! the bytes that it is.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::exact;
use crate::hex;
use crate::line::{Map, Point};
use crate::object::{Kinds, ObjectId};
use crate::record;
use crate::session::OUTCOMES_KEPT;
use crate::task::home_of_name;

/// A table, a key in it, and the row there.
pub(super) type Row = (String, Vec<u8>, Vec<u8>);
type Json = Box<RawValue>;

/// A line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Line {
    /// The first one: whose rows follow.
    World {
        export: u64,
        name: String,
        id: Uuid,
        format: u64,
        epoch: u64,
        map: Map,
    },
    /// Something that the store says of itself.
    Meta {
        key: String,
        value: Text,
    },
    /// An object; `name` is that of its kind, for people.
    Object {
        id: u64,
        kind: u16,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Json>,
        value: Json,
    },
    Name {
        name: String,
        object: u64,
    },
    Session {
        id: Uuid,
        record: Json,
    },
    /// The outcome of a command: `ok`, `error`, or `lost` when it was too large to be kept.
    Outcome {
        session: Uuid,
        number: u64,
        how: How,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<Json>,
    },
    Event {
        session: Uuid,
        number: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        payload: Option<Json>,
    },
    Job {
        object: u64,
        number: u64,
        tied: bool,
        due_ms: u64,
        period_ms: u64,
        payload: Json,
    },
    /// A dead letter, and what was asked.
    Dead {
        number: u64,
        letter: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        payload: Option<Json>,
    },
    /// How much was said on a channel.
    Channel {
        name: String,
        count: u64,
    },
    /// Any other row, in hexadecimal digits.
    Row {
        table: String,
        key: String,
        row: String,
    },
    /// The last one: how many came before it.
    End {
        lines: u64,
    },
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum How {
    Ok,
    Error,
    Lost,
}

/// Bytes: as a text if they are one.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Text {
    Text(String),
    Hex(String),
}

impl Text {
    fn of(bytes: &[u8]) -> Self {
        let plain = |c: char| !c.is_control();
        match std::str::from_utf8(bytes) {
            Ok(text) if text.chars().all(plain) => Self::Text(text.to_owned()),
            _ => Self::Hex(hex::text(bytes)),
        }
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::Text(text) => Ok(text.clone().into_bytes()),
            Self::Hex(digits) => hex::bytes(digits),
        }
    }
}

impl Line {
    /// The line of a row.
    pub(super) fn of(table: &str, key: &[u8], row: &[u8], map: &Map, kinds: &Kinds) -> Self {
        let line = Self::plain(table, key, row, kinds);
        let leads_back = |line: &Self| {
            let back = line.row(map);
            back.is_ok_and(|(to, at, what)| to == table && at == key && what == row)
        };
        line.filter(leads_back).unwrap_or_else(|| Self::Row {
            table: table.to_owned(),
            key: hex::text(key),
            row: hex::text(row),
        })
    }

    fn plain(table: &str, key: &[u8], row: &[u8], kinds: &Kinds) -> Option<Self> {
        Some(match table {
            "meta" => Self::Meta {
                key: text(key)?,
                value: Text::of(row),
            },
            "rows" => object_line(key, row, kinds)?,
            "names" => Self::Name {
                name: text(key.get(8..)?)?,
                object: number(row)?,
            },
            "sessions" => Self::Session {
                id: Uuid::from_slice(key).ok()?,
                record: json(row)?,
            },
            "outcomes" => outcome_line(key, row)?,
            "events" => Self::Event {
                session: Uuid::from_slice(key.get(..16)?).ok()?,
                number: number(key.get(16..)?)?,
                payload: optional_json(row).ok()?,
            },
            "jobs" => job_line(key, row)?,
            "dead" => letter_line(key, row)?,
            "channels" => Self::Channel {
                name: text(key)?,
                count: number(row)?,
            },
            _ => return None,
        })
    }

    /// The row of a line.
    ///
    /// # Errors
    /// When it is none of a row, or what it says can't be.
    pub(super) fn row(&self, map: &Map) -> Result<Row, String> {
        let optional = |json: &Option<Json>| json.as_ref().map_or(Ok(Vec::new()), pack);
        let (table, key, row) = match self {
            Self::World { .. } | Self::End { .. } => return Err("it is no row".into()),
            Self::Meta { key, value } => ("meta", key.clone().into_bytes(), value.bytes()?),
            Self::Object {
                id,
                kind,
                at,
                value,
                ..
            } => {
                let (key, row) = object_row((*id, *kind), at.as_ref(), value, map)?;
                ("rows", key, row)
            }
            Self::Name { name, object } => {
                let mut key = home_of_name(map, name).0.to_be_bytes().to_vec();
                key.extend(name.as_bytes());
                ("names", key, object.to_be_bytes().to_vec())
            }
            Self::Session { id, record } => ("sessions", id.as_bytes().to_vec(), pack(record)?),
            Self::Outcome {
                session,
                number,
                how,
                value,
            } => {
                let slot = (number % OUTCOMES_KEPT as u64) as u8;
                let key = of_session(*session, &[slot]);
                let mut row = number.to_be_bytes().to_vec();
                row.push(*how as u8);
                row.extend(optional(value)?);
                ("outcomes", key, row)
            }
            Self::Event {
                session,
                number,
                payload,
            } => {
                let key = of_session(*session, &number.to_be_bytes());
                ("events", key, optional(payload)?)
            }
            Self::Job {
                object,
                number,
                tied,
                due_ms,
                period_ms,
                payload,
            } => {
                let head = [&[u8::from(*tied)], &due_ms.to_le_bytes()[..]].concat();
                let row = [&head, &period_ms.to_le_bytes()[..], &pack(payload)?].concat();
                ("jobs", two(*object, *number), row)
            }
            Self::Dead {
                number,
                letter,
                payload,
            } => {
                let row = letter_row(letter, payload.as_ref())?;
                ("dead", number.to_be_bytes().to_vec(), row)
            }
            Self::Channel { name, count } => {
                let count = count.to_be_bytes().to_vec();
                ("channels", name.clone().into_bytes(), count)
            }
            Self::Row { table, key, row } => {
                return Ok((table.clone(), hex::bytes(key)?, hex::bytes(row)?));
            }
        };
        Ok((table.to_owned(), key, row))
    }
}

fn json(packed: &[u8]) -> Option<Json> {
    exact::write(packed).ok()
}

/// A value that may be missing: then it has no bytes.
fn optional_json(packed: &[u8]) -> Result<Option<Json>, String> {
    if packed.is_empty() {
        return Ok(None);
    }
    exact::write(packed).map(Some)
}

fn object_line(key: &[u8], row: &[u8], kinds: &Kinds) -> Option<Line> {
    let (at, kind, packed) = record::open_row(row).ok()?;
    let at = match at {
        Some(at) => Some(json(&rmp_serde::to_vec(&(at.x, at.y)).ok()?)?),
        None => None,
    };
    Some(Line::Object {
        id: number(key.get(8..)?)?,
        kind,
        name: kinds.name(kind).map(str::to_owned),
        at,
        value: json(packed)?,
    })
}

fn outcome_line(key: &[u8], row: &[u8]) -> Option<Line> {
    let (how, value) = row.get(8..)?.split_first()?;
    Some(Line::Outcome {
        session: Uuid::from_slice(key.get(..16)?).ok()?,
        number: number(row.get(..8)?)?,
        how: *[How::Ok, How::Error, How::Lost].get(usize::from(*how))?,
        value: optional_json(value).ok()?,
    })
}

fn job_line(key: &[u8], row: &[u8]) -> Option<Line> {
    let (head, payload) = row.split_first_chunk::<17>()?;
    let le = |at: usize| head[at..at + 8].try_into().ok().map(u64::from_le_bytes);
    Some(Line::Job {
        object: number(key.get(..8)?)?,
        number: number(key.get(8..)?)?,
        tied: head[0] == 1,
        due_ms: le(1)?,
        period_ms: le(9)?,
        payload: json(payload)?,
    })
}

fn letter_line(key: &[u8], row: &[u8]) -> Option<Line> {
    let end = row.iter().position(|byte| *byte == 0);
    let (letter, payload) = row.split_at(end.unwrap_or(row.len()));
    Some(Line::Dead {
        number: number(key)?,
        letter: text(letter)?,
        payload: match payload.split_first() {
            Some((_, payload)) => Some(json(payload)?),
            None => None,
        },
    })
}

fn pack(json: &Json) -> Result<Vec<u8>, String> {
    exact::pack(json.get())
}

fn object_row(
    (id, kind): (u64, u16),
    at: Option<&Json>,
    value: &Json,
    map: &Map,
) -> Result<(Vec<u8>, Vec<u8>), String> {
    let id = ObjectId::from_raw(id).ok_or_else(|| format!("{id} is no object id"))?;
    let at = at.map(point).transpose()?;
    let home = match at {
        Some(at) => map.cell_at(at),
        None => map.shard_of(id.raw()),
    };
    let mut row = Vec::new();
    record::write_head(&mut row, at, kind);
    row.extend(pack(value)?);
    Ok((two(home.0, id.raw()), row))
}

fn letter_row(letter: &str, payload: Option<&Json>) -> Result<Vec<u8>, String> {
    let mut row = letter.as_bytes().to_vec();
    if let Some(payload) = payload {
        row.push(0);
        row.extend(pack(payload)?);
    }
    Ok(row)
}

/// The key of what is kept of a session under a number.
fn of_session(session: Uuid, rest: &[u8]) -> Vec<u8> {
    [session.as_bytes(), rest].concat()
}

fn point(json: &Json) -> Result<Point, String> {
    let packed = exact::pack(json.get())?;
    let (x, y) = rmp_serde::from_slice(&packed).map_err(|e| format!("a position: {e}"))?;
    Ok(Point::new(x, y))
}

fn two(a: u64, b: u64) -> Vec<u8> {
    [a.to_be_bytes(), b.to_be_bytes()].concat()
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

fn number(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}
