//! What must hold for any bytes that come from outside: the bodies of the fuzz targets, as plain
//! functions, so that a stable compiler runs the corpus and a coverage-guided fuzzer the rest.
//! Not here: libFuzzer (`targets`), the corpus (`corpus/TARGET`), how they are run
//! (`docs/operations.md`, `./check`).
//!
//! Invariant: a body panics if and only if a promise is broken.

mod diary;
pub mod protocol;
pub mod session;
pub mod store;
pub mod websocket;
