//! Lives here: the proofs of the engine, as one binary: what is promised, shown on the engine from
//! outside. Not here: tests of single files, which stand beside them.
//!
//! Read `palette` first: it shows each call of a task once. `simulation` is the strongest proof: a
//! seed decides who runs when and what breaks, and the model says what must come of it.

#![allow(
    clippy::unwrap_used,
    reason = "in a test the line that failed is the message"
)]
#![allow(clippy::print_stdout, reason = "a run tells its seeds and its counts")]
#![allow(
    clippy::unit_arg,
    reason = "a closure that adds to a number reads best as one expression"
)]
#![allow(clippy::cast_possible_wrap, reason = "numbers here are small")]
#![allow(clippy::float_cmp, reason = "what was stored comes back to the bit")]

mod agreement;
mod baton;
mod behaviours;
mod bounds;
mod broken;
mod containment;
mod dead;
mod diary;
mod draw;
mod formats;
mod ground;
mod guarantees;
mod history;
mod jobs;
mod model;
mod on_engine;
mod pairs;
mod palette;
mod pasture;
mod programs;
mod properties;
mod replay;
mod seeds;
mod sights;
mod simulation;
mod snapshot;
mod ticks;
