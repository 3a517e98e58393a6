//! What can go wrong with time.

use std::fmt;
use std::io;

/// What a timer can refuse. No function here returns it: deadlines saturate, and nothing limits the number of timers. It is
/// there for code that handles it, or makes one of its own.
#[derive(Debug, Clone, Copy)]
pub struct Error(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Shutdown,
    AtCapacity,
    Invalid,
}

impl Error {
    /// The timer is gone, since its runtime has shut down.
    #[must_use]
    pub fn shutdown() -> Error {
        Error(Kind::Shutdown)
    }

    /// Whether the runtime has shut down.
    #[must_use]
    pub fn is_shutdown(&self) -> bool {
        self.0 == Kind::Shutdown
    }

    /// There are too many timers.
    #[must_use]
    pub fn at_capacity() -> Error {
        Error(Kind::AtCapacity)
    }

    /// Whether there are too many timers.
    #[must_use]
    pub fn is_at_capacity(&self) -> bool {
        self.0 == Kind::AtCapacity
    }

    /// The duration is one that the timer cannot count.
    #[must_use]
    pub fn invalid() -> Error {
        Error(Kind::Invalid)
    }

    /// Whether the timer cannot count the duration.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        self.0 == Kind::Invalid
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Shutdown => "the timer's runtime has shut down",
            Kind::AtCapacity => "there are too many timers",
            Kind::Invalid => "the timer cannot count this duration",
        })
    }
}

impl std::error::Error for Error {}

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

impl std::error::Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(_: Elapsed) -> io::Error {
        io::ErrorKind::TimedOut.into()
    }
}
