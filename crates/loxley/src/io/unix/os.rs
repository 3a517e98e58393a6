//! The one place where a descriptor is taken on trust.

use std::os::fd::{AsFd, BorrowedFd, RawFd};

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
