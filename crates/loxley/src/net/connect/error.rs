//! [`ConnectError`].

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;

use crate::time::Duration;

/// What a connect was doing when it failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Phase {
    /// Looking up the addresses of the name.
    Resolve,
    /// Connecting to them.
    Connect,
}

/// One address that was tried.
#[derive(Debug)]
pub struct Attempt {
    address: SocketAddr,
    error: Option<io::Error>,
}

impl Attempt {
    pub(super) fn failed(address: SocketAddr, error: io::Error) -> Self {
        let error = Some(error);
        Attempt { address, error }
    }

    pub(super) fn unfinished(address: SocketAddr) -> Self {
        let error = None;
        Attempt { address, error }
    }

    /// The address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Why it failed; `None` if it was still open when the deadline passed.
    #[must_use]
    pub fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }
}

/// A connect that failed: in which phase, why, and what was tried.
///
/// Its text says all of this in one line, with the last error in it; [`source`](Error::source) is that error. `?` makes
/// it an [`io::Error`] of the same kind where one is asked for.
#[derive(Debug)]
pub struct ConnectError {
    host: String,
    port: u16,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Lookup(io::Error),
    SlowLookup(Duration),
    Refused(Vec<Attempt>),
    Slow(Duration, Vec<Attempt>),
}

impl ConnectError {
    /// In which phase it failed.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match &self.kind {
            Kind::Lookup(_) | Kind::SlowLookup(_) => Phase::Resolve,
            Kind::Refused(_) | Kind::Slow(..) => Phase::Connect,
        }
    }

    /// True if the deadline passed.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self.kind, Kind::SlowLookup(_) | Kind::Slow(..))
    }

    /// Every address that was tried: first those that failed, in the order in which they did, then those that
    /// were open when the deadline passed. Empty if the name was not found.
    #[must_use]
    pub fn attempts(&self) -> &[Attempt] {
        match &self.kind {
            Kind::Lookup(_) | Kind::SlowLookup(_) => &[],
            Kind::Refused(attempts) | Kind::Slow(_, attempts) => attempts,
        }
    }

    /// The error of the resolver, or of the attempt that failed last; `None` if there was none before the deadline.
    #[must_use]
    pub fn last_error(&self) -> Option<&io::Error> {
        match &self.kind {
            Kind::Lookup(error) => Some(error),
            Kind::SlowLookup(_) => None,
            Kind::Refused(attempts) | Kind::Slow(_, attempts) => {
                attempts.iter().rev().find_map(Attempt::error)
            }
        }
    }

    fn new(host: &str, port: u16, kind: Kind) -> Self {
        let host = host.to_owned();
        ConnectError { host, port, kind }
    }

    pub(super) fn lookup(host: &str, port: u16, error: io::Error) -> Self {
        Self::new(host, port, Kind::Lookup(error))
    }

    pub(super) fn slow_lookup(host: &str, port: u16, deadline: Duration) -> Self {
        Self::new(host, port, Kind::SlowLookup(deadline))
    }

    pub(super) fn refused(host: &str, port: u16, attempts: Vec<Attempt>) -> Self {
        Self::new(host, port, Kind::Refused(attempts))
    }

    pub(super) fn slow(host: &str, port: u16, deadline: Duration, attempts: Vec<Attempt>) -> Self {
        Self::new(host, port, Kind::Slow(deadline, attempts))
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConnectError { host, port, kind } = self;
        write!(f, "connecting to {host}:{port}: ")?;
        let attempts = match kind {
            Kind::Lookup(error) => return write!(f, "looking up the name: {error}"),
            Kind::SlowLookup(deadline) => {
                return write!(
                    f,
                    "the deadline of {deadline:?} passed while looking up the name"
                );
            }
            Kind::Refused(attempts) => attempts,
            Kind::Slow(deadline, attempts) => {
                let open = attempts.iter().filter(|attempt| attempt.error.is_none());
                write!(
                    f,
                    "the deadline of {deadline:?} passed with {} open, ",
                    Count(open.count())
                )?;
                attempts
            }
        };
        let failed = || attempts.iter().filter(|attempt| attempt.error.is_some());
        write!(f, "{} failed", Count(failed().count()))?;
        match failed().next_back() {
            Some(Attempt {
                address,
                error: Some(error),
            }) => write!(f, ", the last to {address}: {error}"),
            _ => Ok(()),
        }
    }
}

/// "1 attempt", "2 attempts".
struct Count(usize);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0 == 1 { "" } else { "s" };
        write!(f, "{} attempt{plural}", self.0)
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.last_error().map(|error| error as _)
    }
}

impl From<ConnectError> for io::Error {
    /// Of the kind of the last error, or `TimedOut`; the [`ConnectError`] is inside.
    fn from(error: ConnectError) -> io::Error {
        let kind = match error.last_error() {
            Some(last) if !error.is_timeout() => last.kind(),
            _ => io::ErrorKind::TimedOut,
        };
        io::Error::new(kind, error)
    }
}
