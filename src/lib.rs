//! Brightstar's server as a library: a world's author writes its rules and a `main` of one line.
//!
//! Not here: the data service (`world-data`), the actors (`actors`), the bytes of messages
//! (`protocol`). This crate opens them, connects them to sockets and to the operator.
//!
//! Read in this order: `app` (a binary from a world), `cli`, `config` (what it is told), `server`
//! (started and stopped), `http`, `page`, `console`, `admin`, `gateway`, `login` (what it answers),
//! `tools` (a binary's other commands), `metrics`, `log`, `reload`, `tcp`, `tls`, `guarded`.

#![forbid(unsafe_code)]

mod admin;
mod app;
mod cli;
pub mod config;
mod console;
mod gateway;
mod guarded;
mod http;
mod log;
mod login;
pub mod metrics;
mod page;
mod reload;
pub mod server;
mod tcp;
mod tls;
mod tools;

pub use actors;
pub use app::{App, NoArgs, NoCommands, run};
pub use clap;
pub use config::Config;
#[doc(hidden)]
pub use gateway::{Decoded, websocket_events};
pub use page::Asset;
pub use server::{Running, start};
pub use world_data;
