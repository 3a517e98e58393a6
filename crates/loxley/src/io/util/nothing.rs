//! [`empty`], [`repeat`] and [`sink`]: streams that are always ready.
//!
//! Being always ready, they are the first that could hold a worker for ever; each operation takes a unit of
//! the task's budget.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use loxley_core::coop;

use super::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

/// Takes a unit of the budget and spends it.
fn poll_unit(cx: &mut Context<'_>) -> Poll<()> {
    ready!(coop::poll_proceed(cx)).made_progress();
    Poll::Ready(())
}

/// A stream that has ended, and takes whatever is written to it; made by [`empty`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Empty(());

/// A stream without bytes: reads find its end, writes are thrown away.
///
/// # Examples
///
/// ```
/// use loxley::io::AsyncReadExt;
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// assert_eq!(loxley::io::empty().read(&mut [0; 8]).await?, 0);
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn empty() -> Empty {
    Empty(())
}

impl AsyncRead for Empty {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        poll_unit(cx).map(Ok)
    }
}

impl AsyncBufRead for Empty {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        poll_unit(cx).map(|()| Ok(&[][..]))
    }

    fn consume(self: Pin<&mut Self>, _: usize) {}
}

impl AsyncSeek for Empty {
    /// Every place is the start.
    fn start_seek(self: Pin<&mut Self>, _: io::SeekFrom) -> io::Result<()> {
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        poll_unit(cx).map(|()| Ok(0))
    }
}

/// An endless stream of one byte; made by [`repeat`].
#[derive(Debug, Clone, Copy)]
pub struct Repeat(u8);

/// An endless stream of `byte`.
#[must_use]
pub fn repeat(byte: u8) -> Repeat {
    Repeat(byte)
}

impl AsyncRead for Repeat {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(poll_unit(cx));
        let len = buf.remaining();
        buf.initialize_unfilled().fill(self.0);
        buf.advance(len);
        Poll::Ready(Ok(()))
    }
}

/// A stream that takes everything and keeps nothing; made by [`sink`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Sink(());

/// A stream that takes everything and keeps nothing.
#[must_use]
pub fn sink() -> Sink {
    Sink(())
}

macro_rules! takes_everything {
    ($stream:ty) => {
        impl AsyncWrite for $stream {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                poll_unit(cx).map(|()| Ok(buf.len()))
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                poll_unit(cx).map(Ok)
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                poll_unit(cx).map(Ok)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[io::IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                poll_unit(cx).map(|()| Ok(bufs.iter().map(|buf| buf.len()).sum()))
            }

            fn is_write_vectored(&self) -> bool {
                true
            }
        }
    };
}

takes_everything!(Empty);
takes_everything!(Sink);
