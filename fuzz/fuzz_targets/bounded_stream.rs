//! See `src/bounded_stream.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loxley_fuzz::bounded_stream::run(data));
