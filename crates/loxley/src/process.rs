//! Child processes.
//!
//! [`Command`] starts them as `std::process` does; [`Child`] waits for the end without a thread, and its pipes can be
//! awaited.
//!
//! # How an end is noticed
//!
//! 1. On Linux by a *pidfd*, a descriptor that becomes readable when the process ends. No signal is involved.
//! 2. Elsewhere, and where the system refuses a pidfd, by SIGCHLD: whoever waits asks for its own child at each.
//! 3. A child that is dropped before its end runs on, unless [`Command::kill_on_drop`] is set. A task of the runtime waits
//!    for it, so that it does not stay behind as a *zombie*, an entry in the system's table that nobody asks for. If the
//!    runtime ends first, the child goes into a list of orphans, at which every later spawn and drop of a child looks.

mod child;
mod command;
mod exit;
mod orphans;
mod pipes;

pub use self::child::Child;
pub use self::command::Command;
pub use self::pipes::{ChildStderr, ChildStdin, ChildStdout};
