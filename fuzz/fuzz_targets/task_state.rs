//! See `src/task_state.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loxley_fuzz::task_state::run(data));
