//! Lives here: what all whole-server tests share: the server under test, its world, and a client
//! that can misbehave.
//! Not here: well-behaved clients; those are `brightstar-client`'s.

pub(crate) mod moot;
pub(crate) mod server;
pub(crate) mod wire;
pub(crate) mod world;
