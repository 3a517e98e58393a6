//! The guards that waiting for an [`AsyncFd`] yields.

use std::error::Error;
use std::fmt;
use std::io;
use std::os::fd::AsRawFd;

use loxley_core::io::ReadyEvent;

use super::AsyncFd;
use crate::io::Ready;

/// The guard of a descriptor that is lent shared; made by [`AsyncFd::ready`] and its kin.
///
/// Dropping it leaves the readiness as it is: the next wait returns at once.
#[must_use = "tell it whether the descriptor was ready: `try_io` or `clear_ready`"]
pub struct AsyncFdReadyGuard<'a, T: AsRawFd> {
    fd: &'a AsyncFd<T>,
    event: ReadyEvent,
}

/// The guard of a descriptor that is lent mutably; made by [`AsyncFd::ready_mut`] and its kin.
///
/// Dropping it leaves the readiness as it is: the next wait returns at once.
#[must_use = "tell it whether the descriptor was ready: `try_io` or `clear_ready`"]
pub struct AsyncFdReadyMutGuard<'a, T: AsRawFd> {
    fd: &'a mut AsyncFd<T>,
    event: ReadyEvent,
}

/// What both guards have.
macro_rules! guard_methods {
    () => {
        /// Forgets the readiness that the wait saw, unless another event has come since.
        ///
        /// To be called after an operation said `WouldBlock`, and not otherwise: nobody would wake the next wait.
        pub fn clear_ready(&mut self) {
            self.clear_ready_matching(Ready::ALL);
        }

        /// As [`clear_ready`](Self::clear_ready), for a part of the readiness.
        pub fn clear_ready_matching(&mut self, ready: Ready) {
            self.fd.source.clear(self.event.only(ready));
            self.event = self.event.only(Ready::ALL - ready);
        }

        /// Leaves the readiness as it is. Dropping the guard does the same.
        pub fn retain_ready(&mut self) {}

        /// What the descriptor is ready for, as far as it was waited for and not cleared.
        #[must_use]
        pub fn ready(&self) -> Ready {
            self.event.ready()
        }
    };
}

impl<'a, T: AsRawFd> AsyncFdReadyGuard<'a, T> {
    pub(super) fn new(fd: &'a AsyncFd<T>, event: ReadyEvent) -> Self {
        AsyncFdReadyGuard { fd, event }
    }

    guard_methods!();

    /// Tries an operation, and clears the readiness if it says `WouldBlock`.
    ///
    /// # Errors
    ///
    /// [`TryIoError`] if it said `WouldBlock`: wait again. Every other result of `f` is `Ok`, also an error.
    pub fn try_io<R>(
        &mut self,
        f: impl FnOnce(&'a AsyncFd<T>) -> io::Result<R>,
    ) -> Result<io::Result<R>, TryIoError> {
        match f(self.fd) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.clear_ready();
                Err(TryIoError(()))
            }
            result => Ok(result),
        }
    }

    /// The descriptor that was waited for.
    #[must_use]
    pub fn get_ref(&self) -> &'a AsyncFd<T> {
        self.fd
    }

    /// Its owner.
    #[must_use]
    pub fn get_inner(&self) -> &'a T {
        self.fd.get_ref()
    }
}

impl<'a, T: AsRawFd> AsyncFdReadyMutGuard<'a, T> {
    pub(super) fn new(fd: &'a mut AsyncFd<T>, event: ReadyEvent) -> Self {
        AsyncFdReadyMutGuard { fd, event }
    }

    guard_methods!();

    /// Tries an operation, and clears the readiness if it says `WouldBlock`.
    ///
    /// # Errors
    ///
    /// [`TryIoError`] if it said `WouldBlock`: wait again. Every other result of `f` is `Ok`, also an error.
    pub fn try_io<R>(
        &mut self,
        f: impl FnOnce(&mut AsyncFd<T>) -> io::Result<R>,
    ) -> Result<io::Result<R>, TryIoError> {
        match f(self.fd) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.clear_ready();
                Err(TryIoError(()))
            }
            result => Ok(result),
        }
    }

    /// The descriptor that was waited for.
    #[must_use]
    pub fn get_ref(&self) -> &AsyncFd<T> {
        self.fd
    }

    /// The descriptor that was waited for.
    #[must_use]
    pub fn get_mut(&mut self) -> &mut AsyncFd<T> {
        self.fd
    }

    /// Its owner.
    #[must_use]
    pub fn get_inner(&self) -> &T {
        self.fd.get_ref()
    }

    /// Its owner.
    #[must_use]
    pub fn get_inner_mut(&mut self) -> &mut T {
        self.fd.get_mut()
    }
}

impl<T: fmt::Debug + AsRawFd> fmt::Debug for AsyncFdReadyGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncFdReadyGuard")
            .field("fd", self.fd)
            .field("ready", &self.ready())
            .finish()
    }
}

impl<T: fmt::Debug + AsRawFd> fmt::Debug for AsyncFdReadyMutGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncFdReadyMutGuard")
            .field("fd", self.fd)
            .field("ready", &self.ready())
            .finish()
    }
}

/// The operation said `WouldBlock`; the readiness is cleared.
#[derive(Debug)]
pub struct TryIoError(());

impl fmt::Display for TryIoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the operation would block")
    }
}

impl Error for TryIoError {}
