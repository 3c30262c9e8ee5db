//! Whole-server tests: the real server in this process (or, in `binary`, as a process of its own),
//! spoken to over real sockets. One binary, so that it is linked once.
//!
//! Not here: the data service's and the actors' own promises; their tests stand beside them.

#![allow(clippy::unwrap_used, reason = "a test's failing line is shown")]
#![allow(clippy::expect_used, reason = "a test's failing line is shown")]
#![allow(clippy::print_stderr, reason = "a failing test shows its seed")]
#![allow(clippy::panic, reason = "a test's failing line is shown")]
#![allow(
    clippy::disallowed_methods,
    reason = "tests of a real server live in real time"
)]

mod admin;
mod binary;
mod commands;
mod console;
mod conversations;
mod dead;
mod drain;
mod endpoints;
mod flood;
mod folder;
mod handshake;
mod limits;
mod malformed;
mod refusals;
mod silence;
mod support;
mod tls;
mod tokens;
