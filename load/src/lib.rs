//! The load harness: bots that play a world over real sockets, and say what they saw.
//!
//! Not here: the worlds' rules. Bots know a world's payloads as any client does, by the protocol,
//! so that they notice when it is broken.
//!
//! All bots of a run live on one thread: they have to fit beside the server they test. Each owns
//! its connection; nothing is shared between them but the numbers of the run.
//!
//! Read in this order: `args`, `scenario` (what can be asked), `run` (ramp, measure, drain, verdict),
//! `bot`, `life`, `waiting` (what a bot is and how it lives), `meadow`, `ledger` (the bots), `land`, `status` (what they know
//! of the map and its regions), `storm` (orders to the server), `stats`, `timeline`, `hotspot` (what is counted), `verdict`, `report`, `page`
//! (what is said at the end).

#![forbid(unsafe_code)]

mod args;
mod bot;
mod hotspot;
mod land;
mod ledger;
mod life;
mod meadow;
mod outage;
mod page;
mod report;
mod run;
mod scenario;
mod stats;
mod status;
mod storm;
mod timeline;
mod verdict;
mod waiting;

pub use args::{Common, LedgerArgs, MeadowArgs, Restarts};
pub use scenario::PatternName;
