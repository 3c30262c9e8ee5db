//! The fuzz target `protocol`: hands libFuzzer's bytes to `brightstar_fuzz::protocol`.
#![no_main]

use brightstar_fuzz::protocol;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| protocol::run(bytes));
