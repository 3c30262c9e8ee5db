//! The data service: objects, tasks, regions' state, epochs, journal and LMDB.
//!
//! Not here: actors, sockets, bytes of the protocol, wall clocks. The engine is synchronous and is
//! told the time, so that tests can drive it by a seed.
//!
//! Read in this order: `line`, `partition`, `object` (what there is), `world`, `task` (what an
//! author sees), `region`, `engine` (how a task runs), `lane`, `committer`, `record`, `journal`,
//! `store`, `checkpoint`, `recovery` (how it gets safe), `session`, `channel` (what is kept of
//! clients, and of what they say to each other).

pub mod backup;
pub mod channel;
pub mod check;
pub mod dead;
pub mod effect;
pub mod engine;
pub mod export;
pub mod fair;
#[doc(hidden)]
pub mod fuzzing;
pub mod inspect;
pub mod job;
pub mod line;
pub mod object;
pub mod origin;
pub mod partition;
pub mod repartition;
pub mod session;
pub mod task;
pub mod tick;
pub mod watch;
pub mod worker;
pub mod world;

mod batch;
mod checkpoint;
mod committer;
mod feed;
mod hex;
mod journal;
mod lane;
mod mention;
mod metrics;
mod picture;
mod record;
mod recovery;
mod region;
mod run;
mod shared;
mod store;
mod tally;
mod tree;

pub use channel::{
    Channel, MAX_CHANNEL_NAME, MAX_CHANNELS, MAX_SAID_BYTES, Message, SAID_KEPT, Said,
};
pub use dead::{DeadError, DeadLetter, Replayed};
pub use effect::{Effect, EffectSink, Fault, Heard, NoClients, Outcome, Payload, SessionId};
pub use engine::{
    Call, Class, Done, Durability, Engine, Limit, OnFailure, OpenError, Options, Regions, Report,
};
/// Random numbers, seeded per task or tick.
pub use fastrand::Rng;
pub use feed::Gone;
pub use job::{JobId, Owner, Pending};
#[doc(hidden)]
pub use journal::sim::Faults;
pub use line::{Home, Map, Point};
pub use object::{Kinds, Object, ObjectId, Ref};
pub use origin::{Asked, Origin};
pub use partition::{Interval, Partition, RegionId};
pub use repartition::Placement;
pub use session::{Note, OUTCOMES_KEPT, SavedSession, SessionRecord, Told};
pub use shared::Clock;
pub use task::{Stop, Task};
pub use tick::{Moved, Scene, Ticked};
pub use watch::Watch;
pub use worker::Worker;
pub use world::{Caller, Changed, Entity, Step, Tick, World};
