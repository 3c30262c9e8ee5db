//! The data service: objects, tasks, regions' state, epochs, journal and LMDB.
//!
//! Not here: actors, sockets, bytes of the protocol, wall clocks. The engine is synchronous and is
//! told the time, so that tests can drive it by a seed.
//!
//! Read in this order: `line`, `partition`, `object` (what there is), `world`, `task` (what an
//! author sees), `region`, `engine` (how a task runs), `lane`, `committer`, `record`, `journal`,
//! `store`, `checkpoint`, `recovery` (how it gets safe).

pub mod effect;
pub mod engine;
pub mod line;
pub mod object;
pub mod partition;
mod record;
pub mod task;
pub mod world;

pub use effect::{Effect, EffectSink, Fault, NoClients, Outcome, Payload, SessionId};
pub use engine::{Call, Class, Clock, Done, Durability, Engine, OpenError, Options, Report, Worker};
pub use line::{Home, Map, Point};
pub use object::{Kinds, Object, ObjectId, Ref};
pub use partition::{Interval, Partition};
pub use task::{Stop, Task};
pub use world::{Caller, Entity, Step, Tick, World};
/// Random numbers, seeded per task or tick.
pub use fastrand::Rng;
