//! The fuzz target `session`: hands libFuzzer's bytes to `brightstar_fuzz::session`.
#![no_main]

use brightstar_fuzz::session;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| session::run(bytes));
