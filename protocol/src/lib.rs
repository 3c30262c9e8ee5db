//! The wire protocol, version 1: every message of it, once, in both encodings.
//!
//! Not here: sockets, sessions, or what a world's payloads mean. Nothing here does I/O; bytes go
//! in, messages come out, and the other way round.
//!
//! Invariant: bytes from a stranger cost memory and stack in proportion to their length, never to
//! what they claim, and end in a message or in a [`DecodeError`], never in a panic.
//!
//! Read in this order: `codec`, `error` (the words), `client_message`, `server_message` (the
//! messages), `channel`, `frame`, `frame_reader` (what a session sees, written and read), `raw` (payloads
//! not decoded yet), `limits`, `msgpack`, `json` (bytes).

#![forbid(unsafe_code)]

mod channel;
mod client_message;
mod codec;
mod error;
mod frame;
mod frame_reader;
mod json;
mod limits;
mod msgpack;
mod raw;
mod server_message;
mod wire;

pub use channel::{ChannelPart, MAX_CHANNEL_HEAD, write_channel_head};
pub use client_message::{ClientMessage, Hello};
pub use codec::{Codec, UnsupportedSubprotocol};
pub use error::{DecodeError, EncodeError, ErrorCode, Retry};
pub use frame::{CellPart, EntityPart, Gone, encode_view, frame};
pub use frame_reader::{Frame, FrameCell, FrameEntity};
pub use limits::{MAX_DEPTH, MAX_ERROR_CHARS, MAX_NUMBER};
pub use raw::{Incoming, RawPayload};
pub use server_message::{ReplyError, ServerMessage, Welcome};
