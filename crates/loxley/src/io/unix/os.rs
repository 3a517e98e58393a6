//! The one place where a descriptor is taken on trust.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use super::{AsyncFd, AsyncFdRegisterError};
use crate::io::Interest;

/// A descriptor that somebody beside it keeps open.
#[derive(Debug)]
pub(super) struct Lent(pub(super) RawFd);

impl AsFd for Lent {
    #[expect(
        unsafe_code,
        reason = "`AsyncFd` takes an `AsRawFd`, as tokio's does, and that lends nothing"
    )]
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the only `Lent` sits in an `AsyncFd`, before the owner of the descriptor, which therefore is
        // dropped later. An owner that closes it earlier breaks the promise of `AsyncFd`; the poller then gets
        // an error from the system, and touches no memory through it.
        unsafe { BorrowedFd::borrow_raw(self.0) }
    }
}

#[expect(unsafe_code, reason = "tokio asks its callers for a promise here")]
impl<T: AsRawFd> AsyncFd<T> {
    /// As [`try_new`](AsyncFd::try_new), with the promise spelled out.
    ///
    /// # Safety
    ///
    /// The descriptor is open, stays open as long as the `AsyncFd` lives, and is the same whenever `inner` is asked.
    /// Nothing here relies on it for memory: a descriptor that was closed and given to somebody else makes the
    /// `AsyncFd` wait for the wrong thing.
    ///
    /// # Errors
    ///
    /// Those of [`new`](AsyncFd::new).
    ///
    /// # Panics
    ///
    /// Those of [`new`](AsyncFd::new).
    #[track_caller]
    pub unsafe fn register(inner: T) -> Result<Self, AsyncFdRegisterError<T>> {
        Self::try_new(inner)
    }

    /// As [`register`](AsyncFd::register). The interest is a hint: waiting for another one works too.
    ///
    /// # Safety
    ///
    /// The promise of [`register`](AsyncFd::register).
    ///
    /// # Errors
    ///
    /// Those of [`new`](AsyncFd::new).
    ///
    /// # Panics
    ///
    /// Those of [`new`](AsyncFd::new).
    #[track_caller]
    pub unsafe fn register_with_interest(
        inner: T,
        interest: Interest,
    ) -> Result<Self, AsyncFdRegisterError<T>> {
        Self::try_with_interest(inner, interest)
    }
}
