//! [`stdin`], [`stdout`] and [`stderr`].
//!
//! They block, and what they are connected to cannot always be polled, so each operation runs on another thread:
//! writing on the blocking pool, reading on a thread of its own. A read of the keyboard may never end, and a runtime
//! that is dropped waits for its blocking pool; it does not wait for that thread (test
//! `a_read_of_stdin_does_not_hold_the_runtime`).
//!
//! Rejected: making the descriptors non-blocking. They are shared with other processes, which would meet
//! `WouldBlock` where they expect none.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use loxley_core::coop;

use super::blocking::{Blocking, Place, impl_blocking_write};
use super::{AsyncRead, ReadBuf};

/// The standard input of the process.
///
/// All handles share one input; a read that was begun and dropped takes bytes that the same handle gives to the next
/// read. For a program that talks with a person, a thread that reads with `std::io` and a channel are simpler.
///
/// # Examples
///
/// ```no_run
/// use loxley::io::{AsyncBufReadExt, BufReader};
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let mut lines = BufReader::new(loxley::io::stdin()).lines();
/// while let Some(line) = lines.next_line().await? {
///     println!("{line}");
/// }
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn stdin() -> Stdin {
    Stdin {
        inner: Blocking::new(io::stdin(), Place::Thread),
    }
}

/// The standard output of the process.
///
/// Writes of several tasks through several handles may mix; flush it before the process ends, or the last bytes may
/// be lost.
///
/// # Examples
///
/// ```
/// use loxley::io::AsyncWriteExt;
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let mut output = loxley::io::stdout();
/// output.write_all(b"hello\n").await?;
/// output.flush().await?;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn stdout() -> Stdout {
    Stdout {
        inner: Blocking::new(io::stdout(), Place::Pool),
    }
}

/// The standard error output of the process; as [`stdout`].
#[must_use]
pub fn stderr() -> Stderr {
    Stderr {
        inner: Blocking::new(io::stderr(), Place::Pool),
    }
}

/// A handle of the standard input; made by [`stdin`].
#[derive(Debug)]
pub struct Stdin {
    inner: Blocking<io::Stdin>,
}

/// A handle of the standard output; made by [`stdout`].
#[derive(Debug)]
pub struct Stdout {
    inner: Blocking<io::Stdout>,
}

/// A handle of the standard error output; made by [`stderr`].
#[derive(Debug)]
pub struct Stderr {
    inner: Blocking<io::Stderr>,
}

impl AsyncRead for Stdin {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let unit = ready!(coop::poll_proceed(cx));
        let read = ready!(self.inner.poll_read(cx, buf));
        unit.made_progress();
        Poll::Ready(read)
    }
}

impl_blocking_write!(Stdout);
impl_blocking_write!(Stderr);

macro_rules! impl_fd {
    ($stream:ty, $std:path) => {
        // A job that panics takes its stream with it, and the handle says so.
        impl UnwindSafe for $stream {}
        impl RefUnwindSafe for $stream {}

        impl AsRawFd for $stream {
            fn as_raw_fd(&self) -> RawFd {
                $std().as_raw_fd()
            }
        }

        impl AsFd for $stream {
            fn as_fd(&self) -> BorrowedFd<'_> {
                $std()
            }
        }
    };
}

impl_fd!(Stdin, rustix::stdio::stdin);
impl_fd!(Stdout, rustix::stdio::stdout);
impl_fd!(Stderr, rustix::stdio::stderr);
