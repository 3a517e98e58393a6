//! See `src/readiness.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loxley_fuzz::readiness::run(data));
