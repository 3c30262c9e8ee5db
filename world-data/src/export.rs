//! Lives here: a whole world as JSON lines, and such lines as a world again.
//! Not here: the lines (`lines`), values in them (`exact`), LMDB (`store::look`, `store::fill`).
//!
//! Invariant: the world that is made of an export is the one that was exported, row by row and byte
//! by byte; and an export that was cut short makes none.

mod exact;
mod lines;
#[cfg(test)]
mod tests;

use std::io::{self, BufRead, Read, Write};
use std::path::Path;

use self::lines::Line;
use crate::engine::OpenError;
use crate::line::Map;
use crate::object::Kinds;
use crate::store::{FORMAT, Fill, Look, OWN_KEYS, StoreError, TABLES};
use crate::world::World;

/// The version of the lines.
const EXPORT: u64 = 1;
/// The longest line that is taken, in bytes.
const MAX_LINE: u64 = 1 << 30;

/// Why a world can't be exported or imported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The world's folder can't be read, or made.
    #[error(transparent)]
    World(#[from] OpenError),
    /// A line is none of an export of this world. There is no world then.
    #[error("line {0} of the export: {1}")]
    Line(u64, String),
    /// The export can't be read or written to its end.
    #[error("can't read or write the export: {0}")]
    Stream(#[from] io::Error),
}

impl From<StoreError> for ExportError {
    fn from(error: StoreError) -> Self {
        Self::World(error.into())
    }
}

/// Writes the world in `dir`, which nobody has open, as JSON lines: objects, names, sessions with their
/// outcomes and events, channels, jobs, dead letters, and what the store says of itself. Returns how
/// many lines there are. Nothing in the folder is changed.
///
/// # Errors
/// When the folder can't be read, its journal included, or `out` fails.
pub fn export<W: World>(
    dir: &Path,
    world: &W,
    events_kept: usize,
    out: &mut impl Write,
) -> Result<u64, ExportError> {
    let (map, kinds) = (world.map(), world.kinds());
    let look = Look::open(dir, W::NAME, &map, events_kept)?;
    if let Some(why) = &look.journal_fault {
        return Err(OpenError(why.clone()).into());
    }
    let head = Line::World {
        export: EXPORT,
        name: W::NAME.to_owned(),
        id: look.world_id,
        format: FORMAT,
        epoch: look.epoch,
        map,
    };
    let mut lines = 0;
    let mut say = |line: &Line| -> io::Result<()> {
        serde_json::to_writer(&mut *out, line).map_err(io::Error::from)?;
        out.write_all(b"\n")?;
        lines += 1;
        Ok(())
    };
    say(&head)?;
    for table in TABLES {
        for item in look.rows(table, &[])? {
            let (key, row) = item?;
            if !follows(&look, table, (key, row), &map, &kinds)? {
                say(&Line::of(table, key, row, &map, &kinds))?;
            }
        }
    }
    let end = Line::End { lines };
    serde_json::to_writer(&mut *out, &end).map_err(io::Error::from)?;
    out.write_all(b"\n")?;
    out.flush()?;
    Ok(lines + 1)
}

/// Whether a row follows from another line: from the first one, or that of an entity.
fn follows(
    look: &Look,
    table: &str,
    (key, row): (&[u8], &[u8]),
    map: &Map,
    kinds: &Kinds,
) -> Result<bool, OpenError> {
    match table {
        "meta" => Ok(OWN_KEYS.iter().any(|own| own.as_bytes() == key)),
        "where" => {
            let at = [row, key].concat();
            let object = look.get("rows", &at)?;
            Ok(object.is_some_and(|object| {
                let line = Line::of("rows", &at, object, map, kinds);
                matches!(line, Line::Object { at: Some(_), .. })
            }))
        }
        _ => Ok(false),
    }
}

/// Makes the world that was exported, in `dir`, which must be empty or not there. Returns how many
/// lines were read. Check it before it is served: lines may have been changed by hand.
///
/// # Errors
/// There is no world in the folder then.
pub fn import<W: World>(
    dir: &Path,
    world: &W,
    store_bytes: usize,
    lines: &mut impl BufRead,
) -> Result<u64, ExportError> {
    let map = world.map();
    let mut reader = Reader { lines, number: 0 };
    let first = reader.next()?;
    let Line::World {
        export,
        name,
        id,
        format,
        epoch,
        map: made_for,
    } = first
    else {
        return Err(reader.wrong("it does not say which world follows"));
    };
    if export != EXPORT || format > FORMAT {
        return Err(reader.wrong("a newer Brightstar has written it: use that one"));
    }
    if name != W::NAME || made_for != map {
        let words = format!(
            "it is of the world {name:?} with the map {made_for:?}, and this program's is {:?} with \
             {map:?}",
            W::NAME
        );
        return Err(reader.wrong(words));
    }
    let mut fill = Fill::begin(dir, store_bytes, (W::NAME, id), (&map, epoch))?;
    loop {
        let line = reader.next()?;
        if let Line::End { lines } = line {
            if lines != reader.number - 1 {
                return Err(reader.wrong(format!("there should be {lines} lines before it")));
            }
            break;
        }
        let (table, key, row) = line.row(&map).map_err(|why| reader.wrong(why))?;
        let own = table == "meta" && OWN_KEYS.iter().any(|own| own.as_bytes() == key);
        if own || !TABLES.contains(&table.as_str()) {
            return Err(reader.wrong("such a row is not for a line to say"));
        }
        if let Line::Object {
            id, at: Some(_), ..
        } = &line
        {
            fill.put("where", &id.to_be_bytes(), &key[..8])?;
        }
        fill.put(&table, &key, &row)?;
    }
    fill.finish()?;
    Ok(reader.number)
}

struct Reader<'a, R> {
    lines: &'a mut R,
    /// That of the last line.
    number: u64,
}

impl<R: BufRead> Reader<'_, R> {
    fn next(&mut self) -> Result<Line, ExportError> {
        let mut line = Vec::new();
        self.number += 1;
        let read = self.lines.take(MAX_LINE).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Err(self.wrong("the export ends here, too early"));
        }
        serde_json::from_slice(&line).map_err(|e| self.wrong(e))
    }

    fn wrong(&self, why: impl std::fmt::Display) -> ExportError {
        ExportError::Line(self.number, why.to_string())
    }
}
