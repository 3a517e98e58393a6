//! A clock that stands still, for tests: [`pause`], [`advance`], [`resume`].
//!
//! While it is paused, a runtime that has nothing to do but to wait for a deadline jumps there at once: a test of an
//! hour of timeouts takes no time, and finds the same times in every run. It does not jump while a closure of
//! `spawn_blocking` runs. Sockets know nothing of it: a byte that is still on its way in the kernel may lose against
//! a timer that is hours away.
//!
//! Only current-thread runtimes have such a clock. With several workers "nothing to do" is not a fact that anybody
//! could know: one worker finds nothing and jumps an hour, while another is about to start a timeout of a second,
//! which is then over before it began.

use std::time::Duration;

use loxley_core::time as core;

/// Stops the clock of this runtime.
///
/// # Panics
///
/// If it is paused already; outside a runtime; on a multi-thread runtime.
///
/// # Examples
///
/// ```
/// use loxley::time::{self, Duration, Instant};
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() {
/// time::pause();
/// let start = Instant::now();
/// time::sleep(Duration::from_secs(3600)).await; // takes no time
/// assert_eq!(start.elapsed(), Duration::from_secs(3600));
/// # }
/// ```
#[track_caller]
pub fn pause() {
    core::pause();
}

/// Lets the clock go on, from where it is.
///
/// # Panics
///
/// If it is not paused; outside a runtime; on a multi-thread runtime.
#[track_caller]
pub fn resume() {
    core::resume();
}

/// Moves the paused clock on by `duration`, wakes all whose time has come, and lets them run once.
///
/// All timers that come due in between fire at once and see the new time.
///
/// # Panics
///
/// If the clock is not paused; outside a runtime.
///
/// # Examples
///
/// ```
/// use loxley::time::{self, Duration};
///
/// # #[loxley::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let nap = loxley::spawn(time::sleep(Duration::from_secs(60)));
/// time::advance(Duration::from_secs(59)).await;
/// assert!(!nap.is_finished());
/// time::advance(Duration::from_secs(1)).await;
/// assert!(nap.is_finished());
/// # }
/// ```
pub async fn advance(duration: Duration) {
    core::advance(duration);
    crate::task::yield_now().await;
}
