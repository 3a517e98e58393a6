//! What can go wrong with time.

use std::error::Error;
use std::fmt;
use std::io;

/// The time of a [`timeout`](super::timeout()) ran out first.
///
/// Becomes an [`io::Error`] of kind [`TimedOut`](io::ErrorKind::TimedOut) with `?`.
#[derive(Debug, PartialEq, Eq)]
pub struct Elapsed(());

impl Elapsed {
    pub(super) fn new() -> Elapsed {
        Elapsed(())
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deadline has elapsed")
    }
}

impl Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(_: Elapsed) -> io::Error {
        io::ErrorKind::TimedOut.into()
    }
}
