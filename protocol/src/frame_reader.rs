//! Lives here: frames as a client reads them, into buffers that are used again for the next one.
//! Not here: what a client makes of them: interpolation, what it knows of each cell.
//!
//! Invariant: after an error the frame is empty; a frame is never half of one and half of another.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::codec::Codec;
use crate::error::DecodeError;
use crate::frame::Gone;
use crate::json;
use crate::msgpack::{self, Reader};
use crate::raw::RawPayload;
use crate::server_message::ServerKind;
use crate::wire::{self, KindOf};

/// The longest frame that is read.
const MAX_FRAME_BYTES: usize = 1 << 30;

/// One frame: what a session is told, once per tick, of the cells it sees.
///
/// ```
/// use protocol::{CellPart, Codec, EntityPart, Frame, encode_view, frame};
///
/// let codec = Codec::MessagePack;
/// let view = encode_view(codec, &"sheep").unwrap();
/// let sheep = EntityPart { id: 7, x: 1.5, y: 2.0, view: Some(&view) };
/// let cell = CellPart::encode(codec, 3, true, [sheep], []);
/// let bytes = frame(codec, 1, 0, 1.0, [&*cell].into_iter());
///
/// let mut frame = Frame::default();
/// frame.read(codec, bytes).unwrap();
/// let cell = &frame.cells()[0];
/// let sheep = &frame.entities(cell)[0];
/// assert_eq!((cell.cell, sheep.id, sheep.x), (3, 7, 1.5));
/// assert_eq!(frame.view(sheep).unwrap().decode::<String>().unwrap(), "sheep");
/// ```
#[derive(Debug, Default, Clone)]
pub struct Frame {
    /// The tick's number.
    pub tick: u64,
    /// The number of the newest input that took effect; 0 if none did.
    pub input_seq: u64,
    /// World time per real time: 1 when all is well.
    pub dilation: f32,
    cells: Vec<FrameCell>,
    entities: Vec<FrameEntity>,
    gone: Vec<Gone>,
    source: Option<(Codec, Bytes)>,
}

/// A cell in a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameCell {
    /// The cell.
    pub cell: u64,
    /// Whether this replaces all that was known of the cell.
    pub full: bool,
    entities: Range<usize>,
    gone: Range<usize>,
}

/// An entity in a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameEntity {
    /// Its id.
    pub id: u64,
    /// Metres to the east.
    pub x: f32,
    /// Metres to the south.
    pub y: f32,
    /// Where its view lies in the frame; 0 and 0 if there is none. Small, since there are many.
    view: (u32, u32),
}

impl FrameEntity {
    /// Whether the frame says what others see of it: it is new or changed.
    pub fn has_view(&self) -> bool {
        self.view.1 > 0
    }
}

impl Frame {
    /// Reads a frame in place of the one before, whose buffers it uses.
    ///
    /// # Errors
    /// When the bytes are not exactly one frame; says what was wrong.
    pub fn read(&mut self, codec: Codec, bytes: Bytes) -> Result<(), DecodeError> {
        self.clear();
        if bytes.len() > MAX_FRAME_BYTES {
            return Err(DecodeError::new(format_args!(
                "a frame exceeds {MAX_FRAME_BYTES} bytes"
            )));
        }
        let result = match codec {
            Codec::MessagePack => self.read_msgpack(&bytes),
            Codec::Json => self.read_json(&bytes),
        };
        match result {
            Ok(()) => self.source = Some((codec, bytes)),
            Err(_) => self.clear(),
        }
        result
    }

    /// The cells of which the frame tells.
    pub fn cells(&self) -> &[FrameCell] {
        &self.cells
    }

    /// The entities that moved, changed or are new in a cell of this frame.
    pub fn entities(&self, cell: &FrameCell) -> &[FrameEntity] {
        self.entities.get(cell.entities.clone()).unwrap_or_default()
    }

    /// The entities that left a cell of this frame.
    pub fn gone(&self, cell: &FrameCell) -> &[Gone] {
        self.gone.get(cell.gone.clone()).unwrap_or_default()
    }

    /// What others see of an entity of this frame, if the frame says so.
    pub fn view(&self, entity: &FrameEntity) -> Option<RawPayload> {
        let (codec, bytes) = self.source.as_ref()?;
        let (start, end) = (entity.view.0 as usize, entity.view.1 as usize);
        let there = entity.has_view() && start <= end && end <= bytes.len();
        there.then(|| RawPayload::new(*codec, bytes.slice(start..end)))
    }

    fn clear(&mut self) {
        (self.tick, self.input_seq, self.dilation, self.source) = (0, 0, 1.0, None);
        self.cells.clear();
        self.entities.clear();
        self.gone.clear();
    }

    fn read_msgpack(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        let reader = &mut Reader::new(bytes);
        reader.array_of(5)?;
        if !matches!(wire::kind_named(reader.text()?), Some(ServerKind::Frame)) {
            return Err(DecodeError::new("the message is not a frame"));
        }
        self.tick = reader.uint()?;
        self.input_seq = reader.uint()?;
        self.dilation = reader.float()?;
        for _ in 0..reader.array()? {
            self.read_cell(reader)?;
        }
        reader.end()
    }

    fn read_cell(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        reader.array_of(4)?;
        let (cell, full) = (reader.uint()?, reader.uint()? == 1);
        let (entities, gone) = (self.entities.len(), self.gone.len());
        for _ in 0..reader.array()? {
            let elements = reader.array()?;
            let (id, x, y) = (reader.uint()?, reader.float()?, reader.float()?);
            let view = match elements {
                3 => (0, 0),
                4 => place(reader.skip()?),
                found => return Err(msgpack::wrong_count(found)),
            };
            self.entities.push(FrameEntity { id, x, y, view });
        }
        for _ in 0..reader.array()? {
            reader.array_of(2)?;
            self.gone.push(Gone {
                id: reader.uint()?,
                to: reader.optional_uint()?,
            });
        }
        self.push_cell(cell, full, entities, gone);
        Ok(())
    }

    fn push_cell(&mut self, cell: u64, full: bool, entities: usize, gone: usize) {
        self.cells.push(FrameCell {
            cell,
            full,
            entities: entities..self.entities.len(),
            gone: gone..self.gone.len(),
        });
    }

    fn read_json(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        json::check(bytes)?;
        let (KindOf(kind), tick, input_seq, dilation, cells): JsonFrame<'_> =
            serde_json::from_slice(bytes).map_err(DecodeError::new)?;
        if !matches!(kind, ServerKind::Frame) {
            return Err(DecodeError::new("the message is not a frame"));
        }
        (self.tick, self.input_seq, self.dilation) = (tick, input_seq, dilation);
        for (cell, full, entities, gone) in cells {
            let (first, first_gone) = (self.entities.len(), self.gone.len());
            self.entities.extend(entities.into_iter().map(|entity| {
                FrameEntity {
                    id: entity.id,
                    x: entity.x,
                    y: entity.y,
                    view: entity
                        .view
                        .map_or((0, 0), |view| place(place_in(bytes, view.get()))),
                }
            }));
            self.gone
                .extend(gone.into_iter().map(|(id, to)| Gone { id, to }));
            self.push_cell(cell, full == 1, first, first_gone);
        }
        Ok(())
    }
}

type JsonFrame<'a> = (KindOf<ServerKind>, u64, u64, f32, Vec<JsonCell<'a>>);
type JsonCell<'a> = (u64, u8, Vec<JsonEntity<'a>>, Vec<(u64, Option<u64>)>);

struct JsonEntity<'a> {
    id: u64,
    x: f32,
    y: f32,
    view: Option<&'a RawValue>,
}

/// A place in a frame, whose length is checked to fit.
fn place(range: Range<usize>) -> (u32, u32) {
    (range.start as u32, range.end as u32)
}

/// Where `part`, a slice of `whole`, lies in it.
fn place_in(whole: &[u8], part: &str) -> Range<usize> {
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    start..start + part.len()
}

impl<'de: 'a, 'a> Deserialize<'de> for JsonEntity<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntityVisitor;
        impl<'de> Visitor<'de> for EntityVisitor {
            type Value = JsonEntity<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an entity: [id, x, y] or [id, x, y, view]")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
                let id = wire::next(&mut from, "the entity's id")?;
                let x = wire::next(&mut from, "the entity's x")?;
                let y = wire::next(&mut from, "the entity's y")?;
                let view = from.next_element()?;
                if view.is_some() {
                    wire::end(&mut from)?;
                }
                Ok(JsonEntity { id, x, y, view })
            }
        }
        deserializer.deserialize_seq(EntityVisitor)
    }
}
