//! Tests of the meadow's rules, on the real engine in memory. Lives here: the list of them.
#![allow(clippy::unwrap_used, reason = "a test that fails shows its line")]

mod cheat;
mod invariants;
mod page;
mod rules;
mod stage;
