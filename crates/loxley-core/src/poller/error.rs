//! The errors that are ours and not the kernel's.

use std::error::Error;
use std::fmt;
use std::io;

/// The runtime is gone; nobody will ever deliver an event.
#[derive(Debug)]
struct ShutDown;

impl fmt::Display for ShutDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the runtime that this needs has been shut down")
    }
}

impl Error for ShutDown {}

/// What every operation answers once the runtime is gone.
#[cold]
pub fn shut_down() -> io::Error {
    io::Error::other(ShutDown)
}

/// What operations on the parent's resources answer in a forked child.
#[cold]
pub fn forked() -> io::Error {
    io::Error::other(
        "the runtime of this resource belongs to the process that forked this one: fork before it starts",
    )
}

/// True if an operation failed because the runtime that drove its resource has been shut down.
///
/// Such a resource never works again; make a new one inside a runtime that is alive. Sockets, descriptors, files, standard
/// streams, children and signals answer so.
///
/// # Examples
///
/// ```
/// use loxley_core::io::{Interest, Source};
/// use loxley_core::runtime::{Runtime, is_rt_shutdown_err};
///
/// let (gone, alive) = (Runtime::new()?, Runtime::new()?);
/// let (near, _far) = std::os::unix::net::UnixStream::pair()?;
/// near.set_nonblocking(true)?;
/// let source = {
///     let _guard = gone.enter();
///     Source::new(near)?
/// };
/// drop(gone);
/// let error = alive.block_on(source.ready(Interest::READABLE)).unwrap_err();
/// assert!(is_rt_shutdown_err(&error));
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn is_rt_shutdown_err(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<ShutDown>())
}

/// A failure and what was being done.
#[derive(Debug)]
struct While {
    doing: String,
    source: io::Error,
}

impl fmt::Display for While {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not {}: {}", self.doing, self.source)
    }
}

impl Error for While {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

/// Names what was being done; the kind stays, and the first error is the source.
#[cold]
pub fn while_doing(doing: String, source: io::Error) -> io::Error {
    io::Error::new(source.kind(), While { doing, source })
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_failure_keeps_its_kind_and_its_source() {
        let error = while_doing("open a door".to_owned(), io::ErrorKind::NotFound.into());
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().starts_with("could not open a door: "));
        assert!(error.get_ref().unwrap().source().is_some());
        assert!(!is_rt_shutdown_err(&error) && is_rt_shutdown_err(&shut_down()));
    }
}
