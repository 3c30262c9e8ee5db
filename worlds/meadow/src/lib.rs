//! Meadow: a meadow to walk in, with coins to gather, gold to give, sheep, wolves and villages.
//! Lives here: the world's parts, listed. Not here: the binary (`main`) and its page (`page/`).
//!
//! Read in this order: `words` (what clients and the world say to each other), `things` (what
//! there is), `rules` (what players may do), `talk` (what they say), `herd` (what animals do by themselves), `genesis`
//! (how it all began).

mod genesis;
mod herd;
mod page;
mod rules;
mod talk;
mod things;
mod words;

pub use genesis::{Meadow, VILLAGE_NAMES, VILLAGES};
pub use page::PAGE;
pub use rules::{EARSHOT, MAX_TEXT, REACH, SPEED};
pub use talk::WORLD;
pub use things::{Coin, Job, Look, Mushroom, Player, Scenery, Sheep, Wolf};
pub use words::{Command, Event, Input, Reply, Talk, View};
