//! Lives here: the few pieces of `MessagePack` that are written or walked by hand: checks before
//! serde sees a message, and what serde can't do (slices of payloads, frames without copies).
//! Not here: whole messages; those go through `rmp_serde`.
//!
//! Invariant: nothing here allocates or recurses, whatever lengths the bytes declare.

use std::ops::Range;

use crate::error::DecodeError;
use crate::limits::MAX_DEPTH;

/// Refuses bytes that are not exactly one well-formed value nested at most [`MAX_DEPTH`] deep.
pub(crate) fn check(bytes: &[u8]) -> Result<(), DecodeError> {
    let mut reader = Reader::new(bytes);
    reader.skip()?;
    reader.end()
}

/// What a marker says of the value it begins.
struct Shape {
    /// Bytes of the value itself behind the marker, lengths included.
    body: usize,
    /// Values inside that follow: elements, or keys and values.
    children: usize,
    /// Whether it is an array or a map, even if an empty one.
    container: bool,
}

/// Walks over bytes.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Says that nothing follows.
    pub(crate) fn end(&self) -> Result<(), DecodeError> {
        match self.bytes.len() - self.at {
            0 => Ok(()),
            more => Err(DecodeError::new(format_args!(
                "{more} bytes follow the message"
            ))),
        }
    }

    /// Passes over one value, of any kind, and says where it is.
    pub(crate) fn skip(&mut self) -> Result<Range<usize>, DecodeError> {
        let from = self.at;
        let mut open = [0_usize; MAX_DEPTH];
        let mut depth = 0;
        loop {
            let shape = self.shape()?;
            self.take(shape.body)?;
            if shape.container && depth == MAX_DEPTH {
                return Err(crate::json::too_deep());
            }
            // Each child takes a byte at least, so a length that lies is seen at once.
            if shape.children > self.bytes.len() - self.at {
                return Err(cut_short());
            }
            if shape.children > 0 {
                open[depth] = shape.children;
                depth += 1;
                continue;
            }
            while depth > 0 {
                open[depth - 1] -= 1;
                if open[depth - 1] > 0 {
                    break;
                }
                depth -= 1;
            }
            if depth == 0 {
                return Ok(from..self.at);
            }
        }
    }

    /// Reads a marker, and the length behind it without passing over it.
    fn shape(&mut self) -> Result<Shape, DecodeError> {
        let marker = self.byte()?;
        let leaf = |body| {
            Ok(Shape {
                body,
                children: 0,
                container: false,
            })
        };
        let container = |body, children| {
            Ok(Shape {
                body,
                children,
                container: true,
            })
        };
        match marker {
            0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => leaf(0),
            0x80..=0x8f => container(0, usize::from(marker & 0x0f) * 2),
            0x90..=0x9f => container(0, usize::from(marker & 0x0f)),
            0xa0..=0xbf => leaf(usize::from(marker & 0x1f)),
            0xc1 => Err(DecodeError::new(
                "the byte 0xc1 has no meaning in MessagePack",
            )),
            0xc4 | 0xd9 => leaf(self.counted(1, 0)?),
            0xc5 | 0xda => leaf(self.counted(2, 0)?),
            0xc6 | 0xdb => leaf(self.counted(4, 0)?),
            0xc7 => leaf(self.counted(1, 1)?),
            0xc8 => leaf(self.counted(2, 1)?),
            0xc9 => leaf(self.counted(4, 1)?),
            0xcc | 0xd0 => leaf(1),
            0xcd | 0xd1 | 0xd4 => leaf(2),
            0xca | 0xce | 0xd2 => leaf(4),
            0xcb | 0xcf | 0xd3 => leaf(8),
            0xd5 => leaf(3),
            0xd6 => leaf(5),
            0xd7 => leaf(9),
            0xd8 => leaf(17),
            0xdc => container(2, self.peek(2)?),
            0xdd => container(4, self.peek(4)?),
            0xde => container(2, self.peek(2)? * 2),
            0xdf => container(4, self.peek(4)?.saturating_mul(2)),
        }
    }

    /// Reads the head of an array: the number of its elements.
    pub(crate) fn array(&mut self) -> Result<usize, DecodeError> {
        let count = match self.byte()? {
            marker @ 0x90..=0x9f => usize::from(marker & 0x0f),
            0xdc => self.number::<2>()? as usize,
            0xdd => self.number::<4>()? as usize,
            _ => return Err(DecodeError::new("an array is expected")),
        };
        if count > self.bytes.len() - self.at {
            Err(cut_short())
        } else {
            Ok(count)
        }
    }

    /// Reads the head of an array of exactly so many elements.
    pub(crate) fn array_of(&mut self, count: usize) -> Result<(), DecodeError> {
        match self.array()? {
            found if found == count => Ok(()),
            found => Err(wrong_count(found)),
        }
    }

    /// Reads a whole number that is not negative.
    pub(crate) fn uint(&mut self) -> Result<u64, DecodeError> {
        let signed =
            |bits: i64| u64::try_from(bits).map_err(|_| DecodeError::new("a number is negative"));
        match self.byte()? {
            marker @ 0x00..=0x7f => Ok(u64::from(marker)),
            0xcc => self.number::<1>(),
            0xcd => self.number::<2>(),
            0xce => self.number::<4>(),
            0xcf => self.number::<8>(),
            0xd0 => signed(i64::from(self.number::<1>()? as i8)),
            0xd1 => signed(i64::from(self.number::<2>()? as i16)),
            0xd2 => signed(i64::from(self.number::<4>()? as i32)),
            0xd3 => signed(self.number::<8>()?.cast_signed()),
            _ => Err(DecodeError::new("a whole number is expected")),
        }
    }

    /// Reads a whole number or nil.
    pub(crate) fn optional_uint(&mut self) -> Result<Option<u64>, DecodeError> {
        if self.bytes.get(self.at) == Some(&0xc0) {
            self.at += 1;
            return Ok(None);
        }
        self.uint().map(Some)
    }

    /// Reads a number, whole or not.
    pub(crate) fn float(&mut self) -> Result<f32, DecodeError> {
        match self.bytes.get(self.at) {
            Some(0xca) => {
                self.at += 1;
                Ok(f32::from_bits(self.number::<4>()? as u32))
            }
            Some(0xcb) => {
                self.at += 1;
                Ok(f64::from_bits(self.number::<8>()?) as f32)
            }
            _ => Ok(self.uint()? as f32),
        }
    }

    /// Reads a text.
    pub(crate) fn text(&mut self) -> Result<&'a str, DecodeError> {
        let length = match self.byte()? {
            marker @ 0xa0..=0xbf => usize::from(marker & 0x1f),
            0xd9 => self.number::<1>()? as usize,
            0xda => self.number::<2>()? as usize,
            0xdb => self.number::<4>()? as usize,
            _ => return Err(DecodeError::new("a text is expected")),
        };
        std::str::from_utf8(self.take(length)?)
            .map_err(|_| DecodeError::new("a text is not in UTF-8"))
    }

    fn byte(&mut self) -> Result<u8, DecodeError> {
        let byte = *self.bytes.get(self.at).ok_or_else(cut_short)?;
        self.at += 1;
        Ok(byte)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..length).ok_or_else(cut_short)?;
        self.at += length;
        Ok(taken)
    }

    fn number<const LENGTH: usize>(&mut self) -> Result<u64, DecodeError> {
        // Filled up to eight bytes: one load and one swap, in the busiest place of a client.
        let mut wide = [0; 8];
        wide[8 - LENGTH..].copy_from_slice(self.take(LENGTH)?);
        Ok(u64::from_be_bytes(wide))
    }

    /// The body of a value that begins with its length (and, an extension's, with its type).
    fn counted(&self, length: usize, kind: usize) -> Result<usize, DecodeError> {
        Ok(self.peek(length)?.saturating_add(length + kind))
    }

    /// The big-endian length that stands next, without passing over it.
    fn peek(&self, length: usize) -> Result<usize, DecodeError> {
        let rest = self
            .bytes
            .get(self.at..self.at + length)
            .ok_or_else(cut_short)?;
        Ok(rest
            .iter()
            .fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }
}

fn cut_short() -> DecodeError {
    DecodeError::new("the message ends before what it declares")
}

pub(crate) fn wrong_count(found: usize) -> DecodeError {
    DecodeError::new(format_args!(
        "an array has {found} elements, which its kind does not allow"
    ))
}

pub(crate) fn write_uint(into: &mut Vec<u8>, number: u64) {
    match number {
        0..=0x7f => into.push(number as u8),
        0x80..=0xff => into.extend_from_slice(&[0xcc, number as u8]),
        0x100..=0xffff => {
            into.push(0xcd);
            into.extend_from_slice(&(number as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            into.push(0xce);
            into.extend_from_slice(&(number as u32).to_be_bytes());
        }
        _ => {
            into.push(0xcf);
            into.extend_from_slice(&number.to_be_bytes());
        }
    }
}

pub(crate) fn write_float(into: &mut Vec<u8>, number: f32) {
    into.push(0xca);
    into.extend_from_slice(&number.to_be_bytes());
}

pub(crate) fn write_nil(into: &mut Vec<u8>) {
    into.push(0xc0);
}

/// The head of an array, in its shortest form.
pub(crate) fn array_head(count: usize, head: &mut [u8; 5]) -> &[u8] {
    match count {
        0..=15 => {
            head[0] = 0x90 | count as u8;
            &head[..1]
        }
        16..=0xffff => {
            head[0] = 0xdc;
            head[1..3].copy_from_slice(&(count as u16).to_be_bytes());
            &head[..3]
        }
        _ => {
            head[0] = 0xdd;
            head[1..5].copy_from_slice(&(count as u32).to_be_bytes());
            &head[..5]
        }
    }
}
