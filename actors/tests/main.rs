//! Tests of the actors through the gateway's side of them, with an engine in memory or on disk.
//! Not here: what is private to a room; that is tested in the room.

#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps shows where it failed"
)]

mod borders;
mod changes;
mod channels;
mod client;
mod commands;
mod interest;
mod jobs;
mod ladder;
mod regions;
mod restarts;
mod sessions;
mod yard;
