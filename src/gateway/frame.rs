//! Lives here: WebSocket framing (RFC 6455), the server's side: bytes to messages and back.
//! Not here: what a message says (`protocol`), and reading or writing of sockets.
//!
//! Why our own: the codec of `actix-http` (3.20) buffers a frame of any declared length before it
//! says that it is too long, so a client could fill the memory.
//!
//! Invariant: at most `limit` bytes of a message are held, whatever is declared, and a frame is
//! refused by its header, before its payload is read.

mod decoded;
#[cfg(test)]
mod tests;

use bytes::{Buf, BufMut, Bytes, BytesMut};

pub use decoded::{Decoded, websocket_events};

/// The most bytes a control frame may carry (RFC 6455, 5.5).
const MAX_CONTROL_BYTES: usize = 125;
/// The most bytes of a close frame's reason: two bytes are the code.
const MAX_REASON_BYTES: usize = MAX_CONTROL_BYTES - 2;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0F;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7F;
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;
const MASK_BYTES: usize = 4;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Opcode {
    fn parse(nibble: u8) -> Option<Self> {
        Some(match nibble {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// What came from a client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A whole text message; not checked to be UTF-8, since its decoder does that.
    Text(Bytes),
    /// A whole binary message.
    Binary(Bytes),
    /// A part of a message that is not whole yet: nothing to do but to count it.
    Fragment,
    /// A ping, to be answered with the same bytes.
    Ping(Bytes),
    /// An answer to a ping.
    Pong,
    /// The client closes.
    Close,
}

/// Why the bytes are not WebSocket frames that we take.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    /// The message would exceed the limit.
    #[error("a message may have {limit} bytes; this one has at least {bytes}")]
    TooLarge {
        /// The limit.
        limit: usize,
        /// What the message has, as far as its headers told.
        bytes: u64,
    },
    /// The framing breaks a rule of RFC 6455.
    #[error("WebSocket framing: {0}")]
    Broken(&'static str),
}

/// A frame's header.
struct Header {
    fin: bool,
    opcode: Opcode,
    mask: [u8; MASK_BYTES],
    /// Bytes of the header itself.
    bytes: usize,
    payload: u64,
}

/// Turns a stream of bytes into events.
#[derive(Debug)]
pub(crate) struct Decoder {
    buffer: BytesMut,
    /// The parts of a message so far, and whether it is text.
    message: Option<(bool, BytesMut)>,
    limit: usize,
}

impl Decoder {
    /// A decoder for messages of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            message: None,
            limit,
        }
    }

    /// Takes bytes as they came. Call [`Self::next`] until it has no more before the next ones.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next event, `None` when more bytes are needed.
    ///
    /// # Errors
    /// When a rule is broken or a message is too long; the socket can't be used afterwards.
    pub(crate) fn next(&mut self) -> Result<Option<Event>, FrameError> {
        let Some(header) = parse(&self.buffer)? else {
            return Ok(None);
        };
        self.admit(&header)?;
        let payload = header.payload as usize;
        if self.buffer.len() < header.bytes + payload {
            return Ok(None);
        }
        self.buffer.advance(header.bytes);
        let mut data = self.buffer.split_to(payload);
        if self.buffer.is_empty() {
            // An idle socket should hold no memory.
            self.buffer = BytesMut::new();
        }
        unmask(&mut data, header.mask);
        self.event(&header, data).map(Some)
    }

    /// Refuses a frame by its header.
    fn admit(&self, header: &Header) -> Result<(), FrameError> {
        if header.opcode.is_control() {
            if !header.fin {
                return Err(FrameError::Broken("a control frame may not be fragmented"));
            }
            if header.payload > MAX_CONTROL_BYTES as u64 {
                return Err(FrameError::Broken("a control frame may have 125 bytes"));
            }
            return Ok(());
        }
        let before = match (&self.message, header.opcode) {
            (None, Opcode::Continuation) => {
                return Err(FrameError::Broken("a continuation without a beginning"));
            }
            (Some(_), Opcode::Text | Opcode::Binary) => {
                return Err(FrameError::Broken("a new message inside a fragmented one"));
            }
            (Some((_, parts)), _) => parts.len() as u64,
            (None, _) => 0,
        };
        let bytes = before.saturating_add(header.payload);
        if bytes > self.limit as u64 {
            return Err(FrameError::TooLarge {
                limit: self.limit,
                bytes,
            });
        }
        Ok(())
    }

    fn event(&mut self, header: &Header, data: BytesMut) -> Result<Event, FrameError> {
        Ok(match header.opcode {
            Opcode::Ping => Event::Ping(data.freeze()),
            Opcode::Pong => Event::Pong,
            Opcode::Close if data.len() == 1 => {
                return Err(FrameError::Broken("a close code has two bytes"));
            }
            Opcode::Close => Event::Close,
            Opcode::Text | Opcode::Binary => {
                let text = header.opcode == Opcode::Text;
                if header.fin {
                    return Ok(whole(text, data));
                }
                self.message = Some((text, data));
                Event::Fragment
            }
            Opcode::Continuation => {
                let Some((text, mut parts)) = self.message.take() else {
                    return Err(FrameError::Broken("a continuation without a beginning"));
                };
                parts.extend_from_slice(&data);
                if header.fin {
                    return Ok(whole(text, parts));
                }
                self.message = Some((text, parts));
                Event::Fragment
            }
        })
    }
}

fn whole(text: bool, data: BytesMut) -> Event {
    if text {
        Event::Text(data.freeze())
    } else {
        Event::Binary(data.freeze())
    }
}

fn parse(bytes: &[u8]) -> Result<Option<Header>, FrameError> {
    let [first, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    if first & RESERVED != 0 {
        return Err(FrameError::Broken(
            "reserved bits are set, and no extension was agreed on",
        ));
    }
    let Some(opcode) = Opcode::parse(first & OPCODE) else {
        return Err(FrameError::Broken("unknown opcode"));
    };
    if second & MASKED == 0 {
        return Err(FrameError::Broken("a client's frame must be masked"));
    }
    let (payload, extended) = match second & LENGTH {
        LENGTH_16 => match rest.first_chunk() {
            Some(length) => (u64::from(u16::from_be_bytes(*length)), size_of::<u16>()),
            None => return Ok(None),
        },
        LENGTH_64 => match rest.first_chunk() {
            Some(length) => (u64::from_be_bytes(*length), size_of::<u64>()),
            None => return Ok(None),
        },
        length => (u64::from(length), 0),
    };
    if payload > i64::MAX as u64 {
        return Err(FrameError::Broken("the highest bit of a length must be 0"));
    }
    let Some(mask) = rest.get(extended..).and_then(|rest| rest.first_chunk()) else {
        return Ok(None);
    };
    let bytes = 2 + extended + MASK_BYTES;
    Ok(Some(Header {
        fin: first & FIN != 0,
        opcode,
        mask: *mask,
        bytes,
        payload,
    }))
}

fn unmask(data: &mut [u8], mask: [u8; MASK_BYTES]) {
    for (index, byte) in data.iter_mut().enumerate() {
        *byte ^= mask[index % MASK_BYTES];
    }
}

/// Appends one whole frame to `out`, unmasked as a server's frames are.
pub(crate) fn write(out: &mut BytesMut, opcode: Opcode, payload: &[u8]) {
    write_parts(out, opcode, payload, &[]);
}

/// Appends a frame whose payload comes in two parts.
pub(crate) fn write_parts(out: &mut BytesMut, opcode: Opcode, first: &[u8], second: &[u8]) {
    let length = first.len() + second.len();
    out.reserve(2 + size_of::<u64>() + length);
    out.put_u8(FIN | opcode as u8);
    match length {
        length if length < usize::from(LENGTH_16) => out.put_u8(length as u8),
        length if u16::try_from(length).is_ok() => {
            out.put_u8(LENGTH_16);
            out.put_u16(length as u16);
        }
        length => {
            out.put_u8(LENGTH_64);
            out.put_u64(length as u64);
        }
    }
    out.put_slice(first);
    out.put_slice(second);
}

/// Appends a close frame; a reason that is too long is cut at a character.
pub(crate) fn write_close(out: &mut BytesMut, code: u16, reason: &str) {
    let cut = reason.floor_char_boundary(MAX_REASON_BYTES);
    let mut payload = Vec::with_capacity(2 + cut);
    payload.put_u16(code);
    payload.put_slice(&reason.as_bytes()[..cut]);
    write(out, Opcode::Close, &payload);
}
