//! What takes descriptors on trust.

use std::os::fd::{FromRawFd, RawFd};

use super::File;

impl FromRawFd for File {
    /// Takes over the descriptor of a file.
    #[expect(unsafe_code, reason = "the trait says so")]
    unsafe fn from_raw_fd(fd: RawFd) -> File {
        // SAFETY: the caller owns the descriptor and gives it away; that is the contract of the trait.
        File::from_std(unsafe { std::fs::File::from_raw_fd(fd) })
    }
}
