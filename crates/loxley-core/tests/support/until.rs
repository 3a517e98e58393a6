//! Waiting for what comes by itself.

/// Returns once `condition` holds; a watchdog ends the wait of a test that hopes in vain.
pub fn until(condition: impl Fn() -> bool) {
    while !condition() {
        std::thread::yield_now();
    }
}
