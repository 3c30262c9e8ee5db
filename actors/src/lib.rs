//! The actors: regions, sessions, hubs, directory and supervisor. They turn messages into tasks
//! and effects into messages.
//!
//! Not here: bytes and sockets (`src/gateway`), what a task may do and when it is durable
//! (`world-data`), the rules (`worlds/`).
//!
//! The gateway's side of it: make a [`Post`], open the engine with it, [`Runtime::start`]; on each
//! socket thread [`Runtime::hub`]; per socket [`Hub::enter`], then a reader that calls
//! [`Link::receive`] and a writer that loops over [`Link::next`]; at the end [`Link::closed`].

#![forbid(unsafe_code)]

mod accounts;
mod balance;
mod border;
pub mod bucket;
mod changes;
mod clock;
mod directory;
mod foul;
mod host;
mod hub;
mod ladder;
mod link;
mod metrics;
mod pass;
mod post;
mod refusal;
mod region;
mod runtime;
mod session;
mod settings;
mod spoken;
mod status;
mod supervisor;
#[cfg(test)]
mod void;

pub use changes::{ChangeState, ChangeStatus, Order, OrderError, SupervisorMode, SupervisorStatus};
pub use foul::Refused;
pub use hub::{Entry, Hub};
pub use link::{Incoming, Link, Outgoing};
pub use post::Post;
pub use refusal::{Cause, Refusal};
pub use runtime::{Runtime, Undone};
pub use settings::{LadderSettings, Settings};
pub use status::{
    BorderStatus, BusyStatus, Dots, HubStatus, RegionStatus, SessionCounts, Status, WorkerStatus,
};
