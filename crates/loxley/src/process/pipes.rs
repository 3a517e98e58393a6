//! The pipes of a child.

use std::io::{self, IoSlice, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::process::{self, Stdio};
use std::task::{Context, Poll};

use loxley_core::io::{Direction, Source};

use crate::io::{AsyncRead, AsyncWrite, ReadBuf, read_fd_buf};

/// What all three are.
macro_rules! pipe {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name {
            source: Source<process::$name>,
        }

        impl $name {
            /// Takes over the pipe of a child of the standard library.
            ///
            /// # Errors
            ///
            /// If it cannot be made non-blocking.
            ///
            /// # Panics
            ///
            /// Outside a runtime, and in one without [`enable_io`](crate::runtime::Builder::enable_io).
            #[track_caller]
            pub fn from_std(inner: process::$name) -> io::Result<Self> {
                rustix::io::ioctl_fionbio(&inner, true)?;
                Ok(Self {
                    source: Source::new(inner)?,
                })
            }

            /// The descriptor, blocking again.
            ///
            /// # Errors
            ///
            /// If the system refuses to change the mode.
            pub fn into_owned_fd(self) -> io::Result<OwnedFd> {
                let inner = self.source.into_inner()?;
                rustix::io::ioctl_fionbio(&inner, false)?;
                Ok(inner.into())
            }
        }

        impl TryFrom<$name> for Stdio {
            type Error = io::Error;

            /// The pipe as that of another child.
            fn try_from(pipe: $name) -> io::Result<Stdio> {
                pipe.into_owned_fd().map(Stdio::from)
            }
        }

        impl AsFd for $name {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.source.get_ref().as_fd()
            }
        }

        impl std::os::fd::AsRawFd for $name {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                std::os::fd::AsRawFd::as_raw_fd(self.source.get_ref())
            }
        }
    };
}

pipe! {
    /// What a child reads. Dropping it ends the child's input.
    ChildStdin
}
pipe! {
    /// What a child prints.
    ChildStdout
}
pipe! {
    /// What a child complains about.
    ChildStderr
}

impl AsyncWrite for ChildStdin {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.source.poll_io(cx, Direction::Write, |_| {
            let mut pipe = self.source.get_ref();
            pipe.write(buf)
        })
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.source.poll_io(cx, Direction::Write, |_| {
            let mut pipe = self.source.get_ref();
            pipe.write_vectored(bufs)
        })
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Nothing to do: the system sends by itself.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Nothing to do: only dropping ends a pipe.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

macro_rules! impl_read {
    ($name:ident) => {
        impl AsyncRead for $name {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                self.source
                    .poll_io(cx, Direction::Read, |pipe| read_fd_buf(pipe.as_fd(), buf))
                    .map_ok(drop)
            }
        }
    };
}

impl_read!(ChildStdout);
impl_read!(ChildStderr);
