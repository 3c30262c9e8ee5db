//! Tests of the protocol as its users see it: round trips, recorded vectors, malformed input.
//! Not here: tests of private pieces, which stand beside them.

#![allow(clippy::unwrap_used, reason = "a test that fails shows the line")]

mod documented;
mod malformed;
mod payloads;
mod round_trip;
mod vectors;
