//! The fuzz target `websocket`: hands libFuzzer's bytes to `brightstar_fuzz::websocket`.
#![no_main]

use brightstar_fuzz::websocket;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| websocket::run(bytes));
