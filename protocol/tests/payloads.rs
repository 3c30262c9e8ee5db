//! Lives here: payload types like a world's, with every shape that worlds use.

use protocol::ClientMessage;
use serde::{Deserialize, Serialize};

/// Commands: unit, newtype and struct variants, nested enums.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Command {
    Me,
    Pick(u64),
    Say(String),
    Drop { gold: u64 },
    Give { to: u64, gold: u64 },
    Txn(Vec<(Op, u64, Option<i64>)>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Op {
    R,
    Append,
}

/// Inputs: a unit and a newtype variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Input {
    Stop,
    Go([f64; 2]),
}

/// A reply with an optional field that is absent when empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reply {
    pub gold: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What others see.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct View {
    pub k: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

pub(crate) type Message = ClientMessage<Command, Input, String>;
