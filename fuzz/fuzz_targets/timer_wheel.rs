//! See `src/timer_wheel.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loxley_fuzz::timer_wheel::run(data));
