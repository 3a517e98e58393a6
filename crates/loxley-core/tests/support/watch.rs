//! A limit for tests that would otherwise wait for ever. It only ever fails a test; it makes none right.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// Seconds that a test may take; `LOXLEY_TEST_LIMIT` overrides it, for a look with a debugger.
const LIMIT: u64 = 300;

/// Runs `body` on a thread of its own and fails if it does not come back.
#[track_caller]
pub fn watched<R: Send + 'static>(body: impl FnOnce() -> R + Send + 'static) -> R {
    let limit = std::env::var("LOXLEY_TEST_LIMIT").ok();
    let limit = limit.map_or(LIMIT, |text| text.parse().expect("a number of seconds"));
    let (done, result) = channel();
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    let thread = std::thread::Builder::new().name(name).spawn(move || {
        let _ = done.send(body());
    });
    let thread = thread.expect("a thread for the test's body");
    match result.recv_timeout(Duration::from_secs(limit)) {
        Ok(result) => {
            thread.join().expect("the body has returned");
            result
        }
        Err(RecvTimeoutError::Disconnected) => {
            let payload = thread.join().expect_err("the body has panicked");
            std::panic::resume_unwind(payload)
        }
        Err(RecvTimeoutError::Timeout) => panic!("hung: not done after {limit} s"),
    }
}
