//! The fuzz target `store`: hands libFuzzer's bytes to `brightstar_fuzz::store`.
#![no_main]

use brightstar_fuzz::store;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| store::run(bytes));
