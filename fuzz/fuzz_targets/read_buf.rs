//! See `src/read_buf.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loxley_fuzz::read_buf::run(data));
