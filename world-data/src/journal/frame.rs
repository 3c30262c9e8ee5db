//! Lives here: the bytes of a journal segment: its header and the frames that hold one epoch each.
//! Not here: files, names and order of segments (`segment`), what an epoch says (`record`).
//!
//! Invariant: a head is valid only in the life of the segment it was written for. A segment's
//! header carries a number drawn anew each time its file is used, and every head's checksum covers
//! it, so bytes left over from an earlier use, or put into a payload by a player, are never taken
//! for a frame.
//!
//! All integers little-endian, everything at offsets divisible by 8:
//! header: `"BRSTJRNL" | version u32 | 0 u32 | first epoch u64 | previous epoch u64 | nonce u64 |
//! crc32 u32 | 0 u32`; frame: `magic u32 | payload length u32 | epoch u64 | crc32 of the payload
//! u32 | crc32 of the nonce and the 20 bytes before u32 | payload | zeros up to 8 bytes`. Behind
//! the last frame stand [`END`] zeros.

use std::ops::Range;

/// Bytes to leave free at the start of a buffer in which a record is assembled.
pub(crate) const FRAME_HEAD: usize = 24;
/// Zeros behind the last frame: as many as a head has bytes.
pub(super) const END: usize = FRAME_HEAD;
/// Bytes of a segment's header.
pub(super) const HEADER: usize = 48;
/// The most bytes one epoch may have. A head counts them in 32 bits.
pub(crate) const MAX_PAYLOAD: usize = 3 << 30;

const _: () = assert!(MAX_PAYLOAD < u32::MAX as usize);
const _: () = assert!(HEADER.is_multiple_of(ALIGN) && FRAME_HEAD.is_multiple_of(ALIGN));

const ALIGN: usize = 8;
const MAGIC: u32 = 0x4D52_4642;
const SEGMENT_MAGIC: [u8; 8] = *b"BRSTJRNL";
const VERSION: u32 = 1;

/// What a segment's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// No epoch of the segment is below this one; also the segment's name.
    pub(super) first: u64,
    /// The last epoch written before this segment was begun.
    pub(super) previous: u64,
    /// Drawn anew for each use of the file.
    pub(super) nonce: u64,
}

impl Header {
    /// The header as bytes.
    pub(super) fn bytes(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(&SEGMENT_MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.previous.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.nonce.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..40]);
        bytes[40..44].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header back.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let bytes = bytes
            .get(..HEADER)
            .ok_or("the segment's header is incomplete")?;
        if bytes[..8] != SEGMENT_MAGIC {
            return Err("this is no journal segment".into());
        }
        let (version, crc) = (u32_at(bytes, 8), u32_at(bytes, 40));
        if crc32fast::hash(&bytes[..40]) != crc {
            return Err("the segment's header is damaged".into());
        }
        if version != VERSION {
            return Err(format!(
                "journal version {version}; this program reads {VERSION}"
            ));
        }
        let (first, previous) = (u64_at(bytes, 16), u64_at(bytes, 24));
        Ok(Self {
            first,
            previous,
            nonce: u64_at(bytes, 32),
        })
    }
}

/// Writes the head of a frame into the [`FRAME_HEAD`] bytes left free at the buffer's start.
pub(super) fn seal(framed: &mut [u8], nonce: u64, epoch: u64) {
    let (head, payload) = framed.split_at_mut(FRAME_HEAD);
    head[..4].copy_from_slice(&MAGIC.to_le_bytes());
    head[4..8].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    head[8..16].copy_from_slice(&epoch.to_le_bytes());
    head[16..20].copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
    let crc = head_crc(nonce, head);
    head[20..24].copy_from_slice(&crc.to_le_bytes());
}

/// The bytes a frame takes up, with the zeros that align the next one.
pub(super) const fn padded(framed: usize) -> usize {
    framed.next_multiple_of(ALIGN)
}

/// What stands at an offset.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A whole frame.
    Frame { epoch: u64, payload: Range<usize> },
    /// Zeros or the end of the file: nothing was written here.
    End,
    /// Something else, and what is wrong with it.
    Broken(&'static str),
}

/// Reads what stands at `at`.
pub(super) fn read(bytes: &[u8], at: usize, nonce: u64) -> Found {
    let rest = bytes.get(at..).unwrap_or_default();
    let Some(head) = rest.get(..FRAME_HEAD) else {
        let empty = rest.iter().all(|b| *b == 0);
        return if empty {
            Found::End
        } else {
            Found::Broken("the head is incomplete")
        };
    };
    if !valid_head(head, nonce) {
        let empty = head.iter().all(|b| *b == 0);
        return if empty {
            Found::End
        } else {
            Found::Broken("the head is damaged")
        };
    }
    let payload = at + FRAME_HEAD..at + FRAME_HEAD + u32_at(head, 4) as usize;
    match bytes.get(payload.clone()) {
        None => Found::Broken("the payload is incomplete"),
        Some(found) if crc32fast::hash(found) != u32_at(head, 16) => {
            Found::Broken("the payload is damaged")
        }
        Some(_) => Found::Frame {
            epoch: u64_at(head, 8),
            payload,
        },
    }
}

/// The offset of the first valid head behind `at`.
pub(super) fn head_after(bytes: &[u8], at: usize, nonce: u64) -> Option<usize> {
    let magic = MAGIC.to_le_bytes();
    let from = (at + 1).next_multiple_of(ALIGN);
    (from..bytes.len().saturating_sub(FRAME_HEAD - 1))
        .step_by(ALIGN)
        .filter(|start| bytes[*start..*start + 4] == magic)
        .find(|start| valid_head(&bytes[*start..*start + FRAME_HEAD], nonce))
}

fn valid_head(head: &[u8], nonce: u64) -> bool {
    u32_at(head, 0) == MAGIC && head_crc(nonce, head) == u32_at(head, 20)
}

fn head_crc(nonce: u64, head: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&nonce.to_le_bytes());
    crc.update(&head[..20]);
    crc.finalize()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
