//! Lives here: what there is in the meadow: the objects that are stored, and what is left for later.
//! Not here: what may happen to them (`rules`, `herd`).
//!
//! Invariant: kind numbers are never reused, and fields are only added with a default, so that
//! every store ever written still loads.

use serde::{Deserialize, Serialize};
use world_data::{Kinds, Object, Point, SessionId};

/// A player: an account with a body and a purse. Stays in the meadow, unseen, while logged out.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Player {
    /// The account.
    pub name: String,
    /// Gold in the purse.
    pub gold: u64,
    /// Mushrooms gathered so far.
    pub mushrooms: u32,
    /// The session that plays; `None` while logged out.
    pub session: Option<SessionId>,
    /// Where the player is walking to.
    pub target: Option<Point>,
}

/// Gold on the ground.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Coin {
    /// What it is worth.
    pub gold: u64,
}

/// A place where a mushroom grows.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Mushroom {
    /// When the next one is ripe; `None` while a ripe one stands there.
    pub ripe_at_ms: Option<u64>,
}

/// What is left for later, with the object that it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Job {
    /// The next mushroom is ripe.
    Ripen,
}

/// A sheep.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Sheep {
    /// Where it is going; `None` while it grazes.
    pub goal: Option<Point>,
    /// Whether it runs; of a tied one, whether it would if it could.
    pub scared: bool,
    /// Whether it is tied to a post, and stays where it is.
    pub tied: bool,
}

/// A wolf.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Wolf {
    /// Where it is going.
    pub goal: Option<Point>,
    /// Whether it runs after a sheep.
    pub hunts: bool,
    /// Until when it rests.
    pub rests_until_ms: u64,
}

/// Something that stands where it stands for ever.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Scenery {
    /// What it is.
    pub look: Look,
    /// Which of several drawings.
    pub n: u8,
}

/// What a piece of scenery is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Look {
    /// A tree.
    #[default]
    Tree,
    /// A bush.
    Bush,
    /// A patch of flowers.
    Flower,
    /// A house.
    House,
    /// A market stall.
    Stall,
    /// A village's well.
    Well,
}

impl Object for Player {
    const KIND: u16 = 1;
    const NAME: &'static str = "player";
}
impl Object for Coin {
    const KIND: u16 = 2;
    const NAME: &'static str = "coin";
}
impl Object for Mushroom {
    const KIND: u16 = 3;
    const NAME: &'static str = "mushroom";
}
impl Object for Sheep {
    const KIND: u16 = 4;
    const NAME: &'static str = "sheep";
}
impl Object for Wolf {
    const KIND: u16 = 5;
    const NAME: &'static str = "wolf";
}
impl Object for Scenery {
    const KIND: u16 = 6;
    const NAME: &'static str = "scenery";
}

pub(crate) fn kinds() -> Kinds {
    Kinds::new()
        .with::<Player>()
        .with::<Coin>()
        .with::<Mushroom>()
        .with::<Sheep>()
        .with::<Wolf>()
        .with::<Scenery>()
}
