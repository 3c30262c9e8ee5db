//! Lives here: the protocol's own bounds. Not here: bounds that an operator may tune (`src/config`).
//!
//! Invariant: they are part of version 1: a message within them is valid in every implementation.

/// How deep arrays and maps of one message may nest, the message's own array counted.
pub const MAX_DEPTH: usize = 32;

/// The highest number of a command, event, entity or nonce: exact in JavaScript.
pub const MAX_NUMBER: u64 = (1 << 53) - 1;

/// The longest text of an error, in characters: it may quote what a stranger sent.
pub const MAX_ERROR_CHARS: usize = 240;
