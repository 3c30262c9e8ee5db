//! Lives here: what an epoch changes, as bytes: the payload of one journal record, written by the
//! committer and read by the checkpointer and by recovery.
//! Not here: the journal's own framing, checksums and files (`journal`).
//!
//! Invariant: a record names each row at most once, but for what it says of sessions, which stands in
//! commit order; and applying it twice changes nothing.
//!
//! Layout of a change, all integers little-endian:
//! `tag u8 | a u64 | b u64 | length u32 | length bytes`, with
//! put: a = id, b = home, bytes = row; remove: a = id, b = home (of the removed row's object);
//! bind: a = target id, b = home of the name, bytes = name; unbind: a = 0, b = home, bytes = name;
//! meta: bytes = `key \0 value`; dead: a = number, bytes = the dead letter (`dead`), none to
//! take it away;
//! fact, outcome, event: a, b = the upper and lower half of the session's id, bytes = the fact as
//! `MessagePack`, or `number u64 | outcome`, or `number u64 | MessagePack of the payload` (without a
//! payload it is not kept);
//! event among channels: as an event, with `number u64 | own u64` in front: what an event alone leaves
//! out is that all its session's numbers are its own (`session::numbers`);
//! said: a = its number on all channels, b = its number on its own, bytes = what was said (`channel`);
//! quiet: bytes = the channel's name;
//! job: a = id of its object, b = its number, bytes = its row (`job`); drop: a, b = those of the job.
//!
//! A row is `flags u8 (1 = entity) | kind u16 | x f64, y f64 if entity | MessagePack of the object`.

use std::ops::Range;

use uuid::Uuid;

use crate::channel::Said;
use crate::effect::{Effect, SessionId};
use crate::job::{Job, JobId};
use crate::line::{Home, Point};
use crate::object::{Kinds, ObjectId, Value};
use crate::session::{Aside, Fact, Noted, words};

const HEAD: usize = 1 + 8 + 8 + 4;

/// One change, with its bytes borrowed from the record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Change<'a> {
    Put {
        id: ObjectId,
        home: Home,
        row: &'a [u8],
    },
    Remove {
        id: ObjectId,
        home: Home,
    },
    Bind {
        home: Home,
        name: &'a str,
        id: ObjectId,
    },
    Unbind {
        home: Home,
        name: &'a str,
    },
    Meta {
        key: &'a str,
        value: &'a [u8],
    },
    Dead {
        number: u64,
        letter: &'a [u8],
    },
    Fact {
        session: SessionId,
        fact: &'a [u8],
    },
    Outcome {
        session: SessionId,
        seq: u64,
        outcome: &'a [u8],
    },
    Event {
        session: SessionId,
        n: u64,
        own: u64,
        payload: &'a [u8],
    },
    Said {
        number: u64,
        count: u64,
        said: &'a [u8],
    },
    Quiet {
        channel: &'a str,
    },
    Job {
        id: JobId,
        row: &'a [u8],
    },
    Drop {
        id: JobId,
    },
}

const JOB: u8 = 7;
const DROP: u8 = 8;
const FACT: u8 = 16;
const OUTCOME: u8 = 17;
const EVENT: u8 = 18;
const EVENT_AMONG: u8 = 19;
const SAID: u8 = 20;
const QUIET: u8 = 21;

fn head(into: &mut Vec<u8>, tag: u8, a: u64, b: u64, length: usize) {
    into.push(tag);
    into.extend_from_slice(&a.to_le_bytes());
    into.extend_from_slice(&b.to_le_bytes());
    into.extend_from_slice(&(length as u32).to_le_bytes());
}

impl Change<'_> {
    /// Appends the change to a record.
    pub(crate) fn write(&self, into: &mut Vec<u8>) {
        match *self {
            Self::Put { id, home, row } => {
                head(into, 1, id.raw(), home.0, row.len());
                into.extend_from_slice(row);
            }
            Self::Remove { id, home } => head(into, 2, id.raw(), home.0, 0),
            Self::Bind { home, name, id } => {
                head(into, 3, id.raw(), home.0, name.len());
                into.extend_from_slice(name.as_bytes());
            }
            Self::Unbind { home, name } => {
                head(into, 4, 0, home.0, name.len());
                into.extend_from_slice(name.as_bytes());
            }
            Self::Meta { key, value } => {
                head(into, 5, 0, 0, key.len() + 1 + value.len());
                into.extend_from_slice(key.as_bytes());
                into.push(0);
                into.extend_from_slice(value);
            }
            Self::Dead { number, letter } => {
                head(into, 6, number, 0, letter.len());
                into.extend_from_slice(letter);
            }
            Self::Fact { session, fact } => {
                let (a, b) = session.0.as_u64_pair();
                head(into, FACT, a, b, fact.len());
                into.extend_from_slice(fact);
            }
            Self::Outcome {
                session,
                seq,
                outcome: bytes,
            } => write_numbered(into, OUTCOME, session, (seq, bytes)),
            Self::Event {
                session,
                n,
                own,
                payload: bytes,
            } => {
                let start = into.len();
                write_event_head(into, session, (n, own));
                into.extend_from_slice(bytes);
                end_at(into, start);
            }
            Self::Said {
                number,
                count,
                said,
            } => {
                head(into, SAID, number, count, said.len());
                into.extend_from_slice(said);
            }
            Self::Quiet { channel } => {
                head(into, QUIET, 0, 0, channel.len());
                into.extend_from_slice(channel.as_bytes());
            }
            Self::Job { id, row } => {
                head(into, JOB, id.of.raw(), id.number, row.len());
                into.extend_from_slice(row);
            }
            Self::Drop { id } => head(into, DROP, id.of.raw(), id.number, 0),
        }
    }
}

/// Appends the put of a live object, encoding it straight into the record.
pub(crate) fn write_put(
    into: &mut Vec<u8>,
    id: ObjectId,
    home: Home,
    at: Option<Point>,
    value: &Value,
) -> Result<(), String> {
    let start = into.len();
    head(into, 1, id.raw(), home.0, 0);
    write_row(into, at, value)?;
    end_at(into, start);
    Ok(())
}

fn write_numbered(into: &mut Vec<u8>, tag: u8, session: SessionId, (n, bytes): (u64, &[u8])) {
    let (a, b) = session.0.as_u64_pair();
    head(into, tag, a, b, 8 + bytes.len());
    into.extend_from_slice(&n.to_le_bytes());
    into.extend_from_slice(bytes);
}

/// Appends the head of an event, in the shorter way where that says it all; its end is to be set.
fn write_event_head(into: &mut Vec<u8>, session: SessionId, (n, own): (u64, u64)) {
    if n == own {
        write_numbered(into, EVENT, session, (n, &[]));
    } else {
        write_numbered(into, EVENT_AMONG, session, (n, &own.to_le_bytes()));
    }
}

/// Appends what an effect says of a session or channel, if anything, encoding it straight into the
/// record. It must have its numbers; `noted` is what there was to note when it was given them.
pub(crate) fn write_effect(into: &mut Vec<u8>, effect: &Effect, noted: &Noted, at_ms: u64) {
    let start = into.len();
    match effect {
        Effect::Reply {
            session,
            seq,
            outcome,
        } => {
            write_numbered(into, OUTCOME, *session, (*seq, &[]));
            words::write_outcome(into, outcome);
            end_at(into, start);
        }
        Effect::Event {
            session,
            n,
            payload,
        } if *n > 0 => {
            write_event_head(into, *session, (*n, noted.own));
            words::write_event(into, payload);
            end_at(into, start);
        }
        Effect::Said {
            number,
            count,
            said,
        } if *number > 0 => write_said(into, (*number, *count), said),
        other => {
            if let Some((session, fact)) = other.session().zip(fact_of(other, at_ms)) {
                write_fact(into, session, &fact);
            }
        }
    }
    for aside in noted.asides.iter().flat_map(|asides| asides.iter()) {
        match aside {
            Aside::Fact(session, fact) => write_fact(into, *session, fact),
            Aside::Quiet(channel) => Change::Quiet { channel }.write(into),
        }
    }
}

fn write_said(into: &mut Vec<u8>, (number, count): (u64, u64), said: &Said) {
    let start = into.len();
    head(into, SAID, number, count, 0);
    said.write(into);
    end_at(into, start);
}

/// What an effect that is neither a reply nor an event says of its session.
fn fact_of(effect: &Effect, at_ms: u64) -> Option<Fact> {
    Some(match effect {
        Effect::LoggedIn { name, you, .. } => Fact::Began {
            name: name.to_string(),
            you: *you,
            at_ms,
        },
        Effect::Resumed { pass, used, .. } => Fact::Resumed {
            pass: *pass,
            used: *used,
        },
        Effect::Away { .. } => Fact::Away { at_ms },
        Effect::Close { message, .. } => Fact::Closed(message.clone()),
        Effect::LoggedOut { .. } => Fact::Ended,
        Effect::Joined {
            channel,
            at: Some((at, since)),
            ..
        } => Fact::Joined {
            channel: channel.to_string(),
            at: *at,
            since: *since,
        },
        Effect::Left {
            channel,
            heard: Some(heard),
            ..
        } => Fact::left(channel, heard),
        Effect::Reply { .. }
        | Effect::Event { .. }
        | Effect::Said { .. }
        | Effect::Joined { at: None, .. }
        | Effect::Left { heard: None, .. }
        | Effect::LoginFailed { .. } => return None,
    })
}

/// Appends a fact.
pub(crate) fn write_fact(into: &mut Vec<u8>, session: SessionId, fact: &Fact) {
    let start = into.len();
    Change::Fact { session, fact: &[] }.write(into);
    if !words::write(into, fact) {
        return into.truncate(start);
    }
    end_at(into, start);
}

/// Sets the length of a change that begins at `start` and goes on to the record's end.
fn end_at(into: &mut [u8], start: usize) {
    let length = (into.len() - start - HEAD) as u32;
    into[start + HEAD - 4..start + HEAD].copy_from_slice(&length.to_le_bytes());
}

/// Appends a waiting job, encoding it straight into the record.
pub(crate) fn write_job(into: &mut Vec<u8>, id: JobId, job: &Job) {
    head(into, JOB, id.of.raw(), id.number, job.row_len());
    job.write(into);
}

/// Appends a row.
pub(crate) fn write_row(
    into: &mut Vec<u8>,
    at: Option<Point>,
    value: &Value,
) -> Result<(), String> {
    write_head(into, at, value.kind());
    value
        .encode(into)
        .map_err(|e| format!("kind {} can't be encoded: {e}", value.kind()))
}

/// Appends what stands before the object in its row.
pub(crate) fn write_head(into: &mut Vec<u8>, at: Option<Point>, kind: u16) {
    into.push(u8::from(at.is_some()));
    into.extend_from_slice(&kind.to_le_bytes());
    if let Some(at) = at {
        into.extend_from_slice(&at.x.to_le_bytes());
        into.extend_from_slice(&at.y.to_le_bytes());
    }
}

/// Reads a row back.
pub(crate) fn read_row(kinds: &Kinds, row: &[u8]) -> Result<(Option<Point>, Value), String> {
    let (at, kind, packed) = open_row(row)?;
    Ok((at, kinds.decode(kind, packed)?))
}

/// The parts of a row: position, kind, and the object as MessagePack.
pub(crate) fn open_row(row: &[u8]) -> Result<(Option<Point>, u16, &[u8]), String> {
    let mut rest = row;
    let flags = take::<1>(&mut rest)?[0];
    let kind = u16::from_le_bytes(take(&mut rest)?);
    let at = match flags {
        0 => None,
        1 => {
            let x = f64::from_le_bytes(take(&mut rest)?);
            let y = f64::from_le_bytes(take(&mut rest)?);
            Some(Point::new(x, y))
        }
        other => return Err(format!("unknown row flags {other}")),
    };
    Ok((at, kind, rest))
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], String> {
    let (head, rest) = bytes.split_first_chunk().ok_or("the row ends too early")?;
    *bytes = rest;
    Ok(*head)
}

/// The changes of a record, in order, each with the range of the record it stands in.
///
/// # Errors
/// An item is an error, and the last, when the record is damaged: it names the offset.
pub(crate) fn changes(
    record: &[u8],
) -> impl Iterator<Item = Result<(Change<'_>, Range<usize>), String>> {
    let mut at = 0;
    let mut failed = false;
    std::iter::from_fn(move || {
        if failed || at == record.len() {
            return None;
        }
        let item = read_change(record, at).map_err(|e| format!("{e} at offset {at}"));
        match &item {
            Ok((_, range)) => at = range.end,
            Err(_) => failed = true,
        }
        Some(item)
    })
}

fn read_change(record: &[u8], at: usize) -> Result<(Change<'_>, Range<usize>), String> {
    let mut rest = &record[at..];
    let [tag] = take(&mut rest)?;
    let a = u64::from_le_bytes(take(&mut rest)?);
    let home = Home(u64::from_le_bytes(take(&mut rest)?));
    let length = u32::from_le_bytes(take(&mut rest)?) as usize;
    let bytes = rest.get(..length).ok_or("the record ends too early")?;
    let id = || ObjectId::from_raw(a).ok_or_else(|| format!("{a} is no object id"));
    let job = || {
        let number = home.0;
        Ok::<_, String>(JobId { of: id()?, number })
    };
    let text = || std::str::from_utf8(bytes).map_err(|_| "a name is not UTF-8".to_owned());
    let change = match tag {
        1 => Change::Put {
            id: id()?,
            home,
            row: bytes,
        },
        2 => Change::Remove { id: id()?, home },
        3 => Change::Bind {
            home,
            name: text()?,
            id: id()?,
        },
        4 => Change::Unbind {
            home,
            name: text()?,
        },
        5 => {
            let split = bytes
                .iter()
                .position(|b| *b == 0)
                .ok_or("a meta key has no end")?;
            let key =
                std::str::from_utf8(&bytes[..split]).map_err(|_| "a meta key is not UTF-8")?;
            Change::Meta {
                key,
                value: &bytes[split + 1..],
            }
        }
        6 => Change::Dead {
            number: a,
            letter: bytes,
        },
        FACT..=EVENT_AMONG => read_session(tag, SessionId(Uuid::from_u64_pair(a, home.0)), bytes)?,
        SAID => Change::Said {
            number: a,
            count: home.0,
            said: bytes,
        },
        QUIET => Change::Quiet { channel: text()? },
        JOB => Change::Job {
            id: job()?,
            row: bytes,
        },
        DROP => Change::Drop { id: job()? },
        other => return Err(format!("unknown change {other}")),
    };
    Ok((change, at..at + HEAD + length))
}

fn read_session(tag: u8, session: SessionId, bytes: &[u8]) -> Result<Change<'_>, String> {
    if tag == FACT {
        return Ok(Change::Fact {
            session,
            fact: bytes,
        });
    }
    let mut rest = bytes;
    let number = u64::from_le_bytes(take(&mut rest)?);
    if tag == OUTCOME {
        return Ok(Change::Outcome {
            session,
            seq: number,
            outcome: rest,
        });
    }
    let own = if tag == EVENT_AMONG {
        u64::from_le_bytes(take(&mut rest)?)
    } else {
        number
    };
    Ok(Change::Event {
        session,
        n: number,
        own,
        payload: rest,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The record of some changes, which has been read back.
    fn written(all: &[Change<'_>]) -> Vec<u8> {
        let mut record = Vec::new();
        for change in all {
            change.write(&mut record);
        }
        let read: Vec<_> = changes(&record).map(|c| c.unwrap().0).collect();
        assert_eq!(read, all);
        record
    }

    #[test]
    fn changes_of_channels_come_back_as_written() {
        let session = SessionId(Uuid::from_u128(7));
        written(&[
            Change::Event {
                session,
                n: 9,
                own: 3,
                payload: b"event",
            },
            Change::Said {
                number: 8,
                count: 2,
                said: b"said",
            },
            Change::Quiet { channel: "world" },
        ]);
    }

    #[test]
    fn changes_come_back_as_written() {
        let id = ObjectId::from_raw(77).unwrap();
        let home = Home(9);
        let session = SessionId(Uuid::from_u128(u128::MAX / 3));
        let all = [
            Change::Put {
                id,
                home,
                row: b"row",
            },
            Change::Remove { id, home },
            Change::Bind {
                home,
                name: "a/b",
                id,
            },
            Change::Unbind { home, name: "a/b" },
            Change::Meta {
                key: "k",
                value: b"\0v",
            },
            Change::Dead {
                number: 3,
                letter: b"{}",
            },
            Change::Fact {
                session,
                fact: b"fact",
            },
            Change::Outcome {
                session,
                seq: 7,
                outcome: b"done",
            },
            Change::Event {
                session,
                n: u64::MAX,
                own: u64::MAX,
                payload: b"",
            },
            Change::Job {
                id: JobId { of: id, number: 5 },
                row: b"job",
            },
            Change::Drop {
                id: JobId { of: id, number: 6 },
            },
        ];
        let mut record = written(&all);
        record.truncate(record.len() - 1);
        assert!(
            changes(&record)
                .last()
                .unwrap()
                .unwrap_err()
                .contains("too early")
        );
    }
}
