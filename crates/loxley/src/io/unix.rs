//! Any descriptor that can be polled: [`AsyncFd`].

mod async_fd;
mod guard;
mod os;

pub use self::async_fd::{AsyncFd, AsyncFdRegisterError, AsyncFdTryNewError};
pub use self::guard::{AsyncFdReadyGuard, AsyncFdReadyMutGuard, TryIoError};
