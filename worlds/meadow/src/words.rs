//! Lives here: what clients and the world say to each other: the payloads of the protocol.
//! Not here: what comes of them (`rules`).

use serde::{Deserialize, Serialize};
use world_data::ObjectId;

/// What a player asks for. Amounts are signed so that a negative one is refused with a word
/// instead of being a malformed message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Command {
    /// Picks up a coin or a mushroom: by its id.
    Pick(u64),
    /// Drops gold as a coin at the player's feet.
    Drop {
        /// How much.
        gold: i64,
    },
    /// Gives gold to another player, wherever he is.
    Give {
        /// The id of the other player.
        to: u64,
        /// How much.
        gold: i64,
    },
    /// Says something to all who stand near.
    Say(String),
    /// Asks who, where and how rich the player is.
    Me,
    /// Counts all gold and all players of the meadow.
    Census,
}

/// What a player steers with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Input {
    /// Walks straight to a place.
    Go([f64; 2]),
    /// Stands still.
    Stop,
}

/// What a command is answered.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Reply {
    /// To `pick` of a coin: what it was worth. To `give`: what is left in the purse.
    Gold {
        /// How much.
        gold: u64,
    },
    /// To `pick` of a mushroom: how many the player has gathered so far.
    Mushrooms {
        /// How many.
        mushrooms: u32,
    },
    /// To `drop`: the coin.
    Dropped {
        /// Its id.
        id: ObjectId,
    },
    /// To `say`: how many players heard it, the speaker among them.
    Heard {
        /// How many.
        heard: u32,
    },
    /// To `me`.
    Me {
        /// The player's id.
        id: ObjectId,
        /// The player's name.
        name: String,
        /// Gold in the purse.
        gold: u64,
        /// Mushrooms gathered so far.
        mushrooms: u32,
        /// Where the player stands: metres to the east and to the south.
        at: [f64; 2],
    },
    /// To `census`.
    Census {
        /// Gold in all purses and on the ground.
        gold: u64,
        /// Players who are logged in.
        players: u32,
    },
}

/// What a player is told without having asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// Somebody near said something.
    Said {
        /// The speaker's id.
        from: ObjectId,
        /// The speaker's name.
        name: String,
        /// What was said.
        text: String,
    },
    /// Somebody gave the player gold.
    Given {
        /// The giver's id.
        from: ObjectId,
        /// The giver's name.
        name: String,
        /// How much.
        gold: u64,
    },
}

/// What all players hear on the channel `world`. A player publishes the text alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Talk {
    /// The speaker's name.
    pub name: String,
    /// What was said.
    pub text: String,
}

/// What others see of an entity: `k` says what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "k", rename_all = "lowercase")]
pub enum View {
    /// A player who is logged in.
    Player {
        /// By which name.
        name: String,
    },
    /// A coin on the ground.
    Coin {
        /// What it is worth.
        gold: u64,
    },
    /// A ripe mushroom.
    Mushroom,
    /// A sheep.
    Sheep,
    /// A wolf.
    Wolf,
    /// A tree.
    Tree {
        /// Which of several drawings.
        n: u8,
    },
    /// A bush.
    Bush {
        /// Which of several drawings.
        n: u8,
    },
    /// A patch of flowers.
    Flower {
        /// Which of several drawings.
        n: u8,
    },
    /// A house.
    House {
        /// Which of several drawings.
        n: u8,
    },
    /// A market stall.
    Stall {
        /// Which of several drawings.
        n: u8,
    },
    /// A village's well.
    Well,
}
