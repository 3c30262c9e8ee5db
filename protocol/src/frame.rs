//! Lives here: frames as the server writes them: a cell encoded once into shared bytes, and a
//! session's frame as the list of the cells it sees.
//! Not here: who sees which cell (interest, in `actors`), and reading (`frame_reader`).
//!
//! Invariant: a frame is one copy of its parts behind a head; no cell is encoded twice for it.

use bytes::Bytes;
use serde::Serialize;

use crate::codec::Codec;
use crate::error::EncodeError;
use crate::{json, msgpack, wire};

/// An entity in a cell: it moved or, with a view, is new or changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EntityPart<'a> {
    /// Its id.
    pub id: u64,
    /// Metres to the east.
    pub x: f32,
    /// Metres to the south.
    pub y: f32,
    /// What others see of it, written by [`encode_view`] in the same codec.
    pub view: Option<&'a [u8]>,
}

/// An entity that has left a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone {
    /// Its id.
    pub id: u64,
    /// The cell it went to; none: it no longer exists.
    pub to: Option<u64>,
}

/// One cell's part of a frame: `[cell, full, entities, gone]`, encoded, cheap to share.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CellPart(Bytes);

impl CellPart {
    /// Encodes the changes of a cell or, with `full`, all that is in it.
    pub fn encode<'a>(
        codec: Codec,
        cell: u64,
        full: bool,
        entities: impl IntoIterator<Item = EntityPart<'a>>,
        gone: impl IntoIterator<Item = Gone>,
    ) -> Self {
        let mut bytes = Vec::with_capacity(256);
        match codec {
            Codec::MessagePack => {
                bytes.push(0x94);
                msgpack::write_uint(&mut bytes, cell);
                msgpack::write_uint(&mut bytes, u64::from(full));
                write_list(&mut bytes, entities, msgpack_entity);
                write_list(&mut bytes, gone, msgpack_gone);
            }
            Codec::Json => {
                bytes.push(b'[');
                json::write_uint(&mut bytes, cell);
                bytes.extend_from_slice(if full { b",1," } else { b",0," });
                json_list(&mut bytes, entities, json_entity);
                bytes.push(b',');
                json_list(&mut bytes, gone, json_gone);
                bytes.push(b']');
            }
        }
        Self(bytes.into())
    }

    /// The encoded part.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }
}

impl AsRef<[u8]> for CellPart {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl std::ops::Deref for CellPart {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// Encodes what others see of an entity, for [`EntityPart::view`].
///
/// # Errors
/// When the view can't be written in this codec.
pub fn encode_view(codec: Codec, view: &impl Serialize) -> Result<Bytes, EncodeError> {
    let mut bytes = Vec::with_capacity(wire::USUAL_BYTES);
    wire::write(codec, view, &mut bytes)?;
    // Views are kept as long as the entity is in sight of anybody.
    bytes.shrink_to_fit();
    Ok(bytes.into())
}

/// The longest head of a frame: kind, three numbers, and the length of the list, in either codec.
const MAX_HEAD: usize = 96;

/// Composes a session's frame of parts that were encoded in the same codec, in one allocation.
///
/// `input_seq` is the number of the newest input that took effect, 0 if none did; `dilation` is
/// world time per real time, 1 when all is well.
pub fn frame<'a>(
    codec: Codec,
    tick: u64,
    input_seq: u64,
    dilation: f32,
    parts: impl ExactSizeIterator<Item = &'a [u8]> + Clone,
) -> Bytes {
    let count = parts.len();
    let length: usize = parts.clone().map(<[u8]>::len).sum();
    let mut bytes = Vec::with_capacity(MAX_HEAD + length + count);
    match codec {
        Codec::MessagePack => {
            bytes.extend_from_slice(b"\x95\xa5frame");
            msgpack::write_uint(&mut bytes, tick);
            msgpack::write_uint(&mut bytes, input_seq);
            msgpack::write_float(&mut bytes, dilation);
            bytes.extend_from_slice(msgpack::array_head(count, &mut [0; 5]));
            parts.for_each(|part| bytes.extend_from_slice(part));
        }
        Codec::Json => {
            bytes.extend_from_slice(b"[\"frame\",");
            json::write_uint(&mut bytes, tick);
            bytes.push(b',');
            json::write_uint(&mut bytes, input_seq);
            bytes.push(b',');
            json::write_hundredths(&mut bytes, dilation);
            bytes.push(b',');
            json_list(&mut bytes, parts, Vec::extend_from_slice);
            bytes.push(b']');
        }
    }
    bytes.into()
}

/// Writes a list whose length is known only at its end: room is left for the head that the
/// iterator's hint promises, and put right when the promise was too high.
fn write_list<T>(
    bytes: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    write: impl Fn(&mut Vec<u8>, T),
) {
    let items = items.into_iter();
    let start = bytes.len();
    let (least, most) = items.size_hint();
    let mut room = [0; 5];
    bytes.extend_from_slice(msgpack::array_head(most.unwrap_or(least), &mut room));
    let room = bytes.len() - start;
    let mut count = 0;
    for item in items {
        write(bytes, item);
        count += 1;
    }
    let mut head = [0; 5];
    let head = msgpack::array_head(count, &mut head);
    if head.len() == room {
        bytes[start..start + room].copy_from_slice(head);
    } else {
        bytes.splice(start..start + room, head.iter().copied());
    }
}

fn msgpack_entity(bytes: &mut Vec<u8>, entity: EntityPart<'_>) {
    bytes.push(if entity.view.is_some() { 0x94 } else { 0x93 });
    msgpack::write_uint(bytes, entity.id);
    msgpack::write_float(bytes, entity.x);
    msgpack::write_float(bytes, entity.y);
    bytes.extend_from_slice(entity.view.unwrap_or_default());
}

fn msgpack_gone(bytes: &mut Vec<u8>, gone: Gone) {
    bytes.push(0x92);
    msgpack::write_uint(bytes, gone.id);
    match gone.to {
        Some(cell) => msgpack::write_uint(bytes, cell),
        None => msgpack::write_nil(bytes),
    }
}

fn json_list<T>(
    bytes: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    write: impl Fn(&mut Vec<u8>, T),
) {
    bytes.push(b'[');
    for (place, item) in items.into_iter().enumerate() {
        if place > 0 {
            bytes.push(b',');
        }
        write(bytes, item);
    }
    bytes.push(b']');
}

fn json_entity(bytes: &mut Vec<u8>, entity: EntityPart<'_>) {
    bytes.push(b'[');
    json::write_uint(bytes, entity.id);
    bytes.push(b',');
    json::write_hundredths(bytes, entity.x);
    bytes.push(b',');
    json::write_hundredths(bytes, entity.y);
    if let Some(view) = entity.view {
        bytes.push(b',');
        bytes.extend_from_slice(view);
    }
    bytes.push(b']');
}

fn json_gone(bytes: &mut Vec<u8>, gone: Gone) {
    bytes.push(b'[');
    json::write_uint(bytes, gone.id);
    bytes.push(b',');
    match gone.to {
        Some(cell) => json::write_uint(bytes, cell),
        None => bytes.extend_from_slice(b"null"),
    }
    bytes.push(b']');
}
