//! Signals of the system.
//!
//! [`ctrl_c`](fn@ctrl_c) for the one that people know; [`unix::signal`] for all; [`notifier`](fn@notifier) for code of your own that runs
//! inside a signal handler.
//!
//! # Rules
//!
//! 1. Any number may listen to one signal; each listener hears of it. Handlers that were there before, and those of other
//!    libraries that use the signal-hook-registry package as this does, are called too.
//! 2. A listener that does not come to listen hears of many signals once. It hears at least once after the last one.
//! 3. The first listener of a signal replaces the system's own reaction to it, for as long as the process lives: after
//!    that SIGINT no longer ends the process, even if nobody listens any more.
//! 4. A handler does what a handler may: it changes an atomic flag, and writes a byte into a pipe if the flag was not set.
//!    Whoever listens takes the byte first and the flag afterwards, so that no signal falls in between.

mod notifier;
mod os;
pub mod unix;

use std::io;

use loxley_core::shared::shut_down;

pub use self::notifier::{Notifications, Notifier, notifier};

/// Waits until somebody presses Ctrl-C: for the next SIGINT.
///
/// The first call changes what Ctrl-C does, for as long as the process lives: it no longer ends the process by itself.
///
/// # Errors
///
/// If the system refuses, for example because too many files are open.
///
/// # Panics
///
/// Outside a runtime, and in one without [`enable_io`](crate::runtime::Builder::enable_io).
///
/// # Cancellation
///
/// Dropping the future loses nothing but a signal that has come meanwhile. In a loop use [`unix::signal`], which keeps it.
///
/// # Examples
///
/// ```
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use loxley::time::{Duration, timeout};
///
/// // Here nobody presses it.
/// assert!(timeout(Duration::from_millis(1), loxley::signal::ctrl_c()).await.is_err());
/// # Ok(())
/// # }
/// ```
pub async fn ctrl_c() -> io::Result<()> {
    let mut interrupts = unix::signal(unix::SignalKind::interrupt())?;
    match interrupts.recv().await {
        Some(()) => Ok(()),
        None => Err(shut_down()),
    }
}
