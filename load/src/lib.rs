//! The load harness: bots that play a world over real sockets, and say what they saw.
//!
//! Not here: the worlds' rules. Bots know a world's payloads as any client does, by the protocol,
//! so that they notice when it is broken.
//!
//! All bots of a run live on one thread: they have to fit beside the server they test. Each owns
//! its connection; nothing is shared between them but the numbers of the run.
//!
//! Read in this order: `args` (what can be asked), `run` (ramp, measure, drain, verdict), `bot`
//! (what a bot is), `meadow`, `ledger` (the bots), `stats`, `report` (what is said at the end).

#![forbid(unsafe_code)]

mod args;
mod bot;
mod ledger;
mod meadow;
mod report;
mod run;
mod stats;

pub use args::{Common, LedgerArgs, MeadowArgs};
