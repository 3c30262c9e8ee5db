//! Client library for Brightstar servers: connect, log in, command, steer, listen, resume.
//!
//! Not here: the messages and their bytes (`protocol`), and what a world's payloads mean.
//!
//! Two ways in. [`Client`] runs its socket in a task of its own: cheap handles to clone, commands
//! as futures. [`Connection`] is the socket itself, driven by its one owner with no task, queue or
//! lock between: for bots, of which there are thousands on one thread.
//!
//! ```no_run
//! use brightstar_client::{Client, ClientError, Codec, Hello, Update, World};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug)]
//! struct Meadow;
//!
//! #[derive(Debug, Serialize)]
//! #[serde(rename_all = "snake_case")]
//! enum Command { Say(String), Me }
//! #[derive(Debug, Serialize)]
//! #[serde(rename_all = "snake_case")]
//! enum Input { Go([f64; 2]), Stop }
//! #[derive(Debug, Deserialize)]
//! struct Me { id: u64, gold: u64 }
//! #[derive(Debug, Deserialize)]
//! #[serde(rename_all = "snake_case")]
//! enum Event { Said { from: u64, name: String, text: String } }
//!
//! impl World for Meadow {
//!     type Command = Command;
//!     type Reply = Me;
//!     type Input = Input;
//!     type Event = Event;
//! }
//!
//! # async fn example() -> Result<(), ClientError> {
//! let url = "ws://127.0.0.1:7777/v1/ws";
//! let (client, mut updates) =
//!     Client::<Meadow>::connect(url, Codec::MessagePack, Hello::guest("zoe")).await?;
//! client.input(Input::Go([1024.0, 1024.0])).await?;
//! match client.command(Command::Me).await? {
//!     Ok(me) => println!("I am {} and have {} gold", me.id, me.gold),
//!     Err(refused) => println!("{}: {}", refused.code, refused.message),
//! }
//! while let Some(update) = updates.next().await {
//!     if let Update::Event { event, .. } = update {
//!         println!("{event:?}");
//!     }
//! }
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod client;
mod connection;
mod error;
mod session;
mod trust;
mod update;

pub use client::{Client, MAX_REQUESTS, PendingReply};
pub use connection::{CONNECT_TIMEOUT, Connection, MAX_MESSAGE_BYTES};
pub use error::ClientError;
pub use protocol::{
    Codec, DecodeError, ErrorCode, Frame, FrameCell, FrameEntity, Gone, Hello, RawPayload,
    ReplyError, Retry, Welcome,
};
pub use session::{ACK_EVERY, MAX_UNANSWERED, Resume};
pub use trust::Trust;
pub use update::{EncodedFrame, MAX_UPDATES, Outcome, Update, Updates, World};
