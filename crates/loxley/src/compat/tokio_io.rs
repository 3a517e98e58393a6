//! Real tokio's traits: [`Tokio`], and the streams of ours that implement them.
//!
//! Buffers are zeroed where they were never written, once per buffer, instead of being lent on trust.

use std::io::{self, IoSlice, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::io::{AsyncRead, ReadBuf};

pin_project! {
    /// A stream of ours as one of real tokio's, and one of tokio's as one of ours.
    ///
    /// The stream must not need tokio's runtime, unless there is one.
    ///
    /// # Examples
    ///
    /// ```
    /// use loxley::compat::Tokio;
    /// use loxley::io::AsyncReadExt;
    ///
    /// # #[loxley::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// fn takes_tokio(_: &impl tokio::io::AsyncRead) {}
    ///
    /// let stream = Tokio::new(&b"hello"[..]); // `&[u8]` is a reader in both worlds
    /// takes_tokio(&stream);
    /// let mut text = String::new();
    /// Tokio::new(stream.into_inner()).read_to_string(&mut text).await?;
    /// assert_eq!(text, "hello");
    /// # Ok(())
    /// # }
    /// ```
    #[derive(Clone, Copy, Debug)]
    pub struct Tokio<T> {
        #[pin]
        inner: T,
    }
}

impl<T> Tokio<T> {
    /// Wraps a stream of either world.
    pub fn new(inner: T) -> Tokio<T> {
        Tokio { inner }
    }

    /// The stream below.
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// The stream below.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// The stream below.
    pub fn into_inner(self) -> T {
        self.inner
    }
}

/// One read of ours into tokio's buffer.
fn read_for_tokio<R: AsyncRead + ?Sized>(
    reader: Pin<&mut R>,
    cx: &mut Context<'_>,
    buf: &mut tokio::io::ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    let mut part = ReadBuf::new(buf.initialize_unfilled());
    ready!(reader.poll_read(cx, &mut part))?;
    let n = part.filled().len();
    buf.advance(n);
    Poll::Ready(Ok(()))
}

impl<T: AsyncRead> tokio::io::AsyncRead for Tokio<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        read_for_tokio(self.project().inner, cx, buf)
    }
}

impl<T: tokio::io::AsyncRead> AsyncRead for Tokio<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut part = tokio::io::ReadBuf::new(buf.initialize_unfilled());
        ready!(self.project().inner.poll_read(cx, &mut part))?;
        let n = part.filled().len();
        buf.advance(n);
        Poll::Ready(Ok(()))
    }
}

/// The traits whose methods are the same in both worlds.
macro_rules! both_ways {
    ($([$($from:tt)*] [$($to:tt)*])*) => {$(
        impl<T: $($from)*::AsyncWrite> $($to)*::AsyncWrite for Tokio<T> {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.project().inner.poll_write(cx, buf)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.project().inner.poll_flush(cx)
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.project().inner.poll_shutdown(cx)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.project().inner.poll_write_vectored(cx, bufs)
            }

            fn is_write_vectored(&self) -> bool {
                self.inner.is_write_vectored()
            }
        }

        impl<T: $($from)*::AsyncBufRead> $($to)*::AsyncBufRead for Tokio<T> {
            fn poll_fill_buf(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<io::Result<&[u8]>> {
                self.project().inner.poll_fill_buf(cx)
            }

            fn consume(self: Pin<&mut Self>, amt: usize) {
                self.project().inner.consume(amt);
            }
        }

        impl<T: $($from)*::AsyncSeek> $($to)*::AsyncSeek for Tokio<T> {
            fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
                self.project().inner.start_seek(position)
            }

            fn poll_complete(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<io::Result<u64>> {
                self.project().inner.poll_complete(cx)
            }
        }
    )*};
}

both_ways! {
    [tokio::io] [crate::io]
    [crate::io] [tokio::io]
}

/// Streams of ours that read for tokio.
#[cfg(any(
    feature = "fs",
    feature = "io-std",
    feature = "io-util",
    feature = "net",
    feature = "process"
))]
macro_rules! impl_tokio_read {
    ($($stream:ty),* $(,)?) => {$(
        impl tokio::io::AsyncRead for $stream {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut tokio::io::ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                read_for_tokio(self, cx, buf)
            }
        }
    )*};
}

/// Streams of ours that write for tokio.
#[cfg(any(
    feature = "fs",
    feature = "io-std",
    feature = "io-util",
    feature = "net",
    feature = "process"
))]
macro_rules! impl_tokio_write {
    ($($stream:ty),* $(,)?) => {$(
        impl tokio::io::AsyncWrite for $stream {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                crate::io::AsyncWrite::poll_write(self, cx, buf)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                crate::io::AsyncWrite::poll_flush(self, cx)
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                crate::io::AsyncWrite::poll_shutdown(self, cx)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                crate::io::AsyncWrite::poll_write_vectored(self, cx, bufs)
            }

            fn is_write_vectored(&self) -> bool {
                crate::io::AsyncWrite::is_write_vectored(self)
            }
        }
    )*};
}

#[cfg(feature = "net")]
mod for_net {
    use super::*;
    use crate::net::{TcpStream, UnixStream, tcp, unix};

    impl_tokio_read!(
        TcpStream,
        tcp::ReadHalf<'_>,
        tcp::OwnedReadHalf,
        UnixStream,
        unix::ReadHalf<'_>,
        unix::OwnedReadHalf,
        unix::pipe::Receiver,
    );
    impl_tokio_write!(
        TcpStream,
        tcp::WriteHalf<'_>,
        tcp::OwnedWriteHalf,
        UnixStream,
        unix::WriteHalf<'_>,
        unix::OwnedWriteHalf,
        unix::pipe::Sender,
    );
}

#[cfg(feature = "io-util")]
impl_tokio_read!(crate::io::DuplexStream, crate::io::SimplexStream);
#[cfg(feature = "io-util")]
impl_tokio_write!(crate::io::DuplexStream, crate::io::SimplexStream);
#[cfg(feature = "io-std")]
impl_tokio_read!(crate::io::Stdin);
#[cfg(feature = "io-std")]
impl_tokio_write!(crate::io::Stdout, crate::io::Stderr);
#[cfg(feature = "fs")]
impl_tokio_read!(crate::fs::File);
#[cfg(feature = "fs")]
impl_tokio_write!(crate::fs::File);
#[cfg(feature = "process")]
impl_tokio_read!(crate::process::ChildStdout, crate::process::ChildStderr);
#[cfg(feature = "process")]
impl_tokio_write!(crate::process::ChildStdin);
