//! [`AsyncWrite`].

use std::io::{self, IoSlice, Write as _};
use std::ops::DerefMut;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Something that bytes can be written to.
///
/// Use it through [`AsyncWriteExt`](super::AsyncWriteExt); implement it for a stream of your own.
///
/// `Pending` from any method means that nothing was done and that the task will be woken when another try is
/// worth it; only the waker of the last call is kept.
pub trait AsyncWrite {
    /// Writes as much of `buf` as fits now and says how much, at most `buf.len()`.
    ///
    /// Zero for a `buf` that is not empty means that no more bytes will ever be taken.
    ///
    /// # Errors
    ///
    /// Those of the stream. Nothing of `buf` was then written.
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>>;

    /// Sends on what the stream itself holds back.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Flushes, then says goodbye to the other side. Nothing may be written afterwards.
    ///
    /// A socket closes its sending half.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// As [`poll_write`](AsyncWrite::poll_write), out of several buffers in order.
    ///
    /// If not implemented, the first that is not empty is written.
    ///
    /// # Errors
    ///
    /// Those of the stream. Nothing of `bufs` was then written.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = bufs.iter().find(|buf| !buf.is_empty());
        self.poll_write(cx, first.map_or(&[], |buf| buf))
    }

    /// Whether [`poll_write_vectored`](AsyncWrite::poll_write_vectored) is worth preparing several buffers
    /// for. Default: `false`.
    fn is_write_vectored(&self) -> bool {
        false
    }
}

/// All methods, handed on to the stream behind a pointer.
macro_rules! forward {
    ($me:ident => $inner:expr) => {
        fn poll_write(
            #[allow(unused_mut, reason = "one of the pointers needs no mut")] mut $me: Pin<
                &mut Self,
            >,
            cx: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            $inner.poll_write(cx, buf)
        }

        fn poll_flush(
            #[allow(unused_mut, reason = "one of the pointers needs no mut")] mut $me: Pin<
                &mut Self,
            >,
            cx: &mut Context<'_>,
        ) -> Poll<io::Result<()>> {
            $inner.poll_flush(cx)
        }

        fn poll_shutdown(
            #[allow(unused_mut, reason = "one of the pointers needs no mut")] mut $me: Pin<
                &mut Self,
            >,
            cx: &mut Context<'_>,
        ) -> Poll<io::Result<()>> {
            $inner.poll_shutdown(cx)
        }

        fn poll_write_vectored(
            #[allow(unused_mut, reason = "one of the pointers needs no mut")] mut $me: Pin<
                &mut Self,
            >,
            cx: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            $inner.poll_write_vectored(cx, bufs)
        }

        fn is_write_vectored(&self) -> bool {
            (**self).is_write_vectored()
        }
    };
}

impl<T: ?Sized + AsyncWrite + Unpin> AsyncWrite for Box<T> {
    forward!(self => Pin::new(&mut **self));
}

impl<T: ?Sized + AsyncWrite + Unpin> AsyncWrite for &mut T {
    forward!(self => Pin::new(&mut **self));
}

impl<P> AsyncWrite for Pin<P>
where
    P: DerefMut,
    P::Target: AsyncWrite,
{
    forward!(self => self.as_deref_mut());
}

/// All methods, through [`std::io::Write`] of memory that never blocks.
macro_rules! in_memory {
    ($(#[$doc:meta])* $memory:ty) => {
        $(#[$doc])*
        impl AsyncWrite for $memory {
            fn poll_write(
                mut self: Pin<&mut Self>,
                _: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                Poll::Ready(self.write(buf))
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_write_vectored(
                mut self: Pin<&mut Self>,
                _: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                Poll::Ready(self.write_vectored(bufs))
            }

            fn is_write_vectored(&self) -> bool {
                true
            }
        }
    };
}

in_memory!(Vec<u8>);
in_memory!(io::Cursor<&mut [u8]>);
in_memory!(io::Cursor<&mut Vec<u8>>);
in_memory!(io::Cursor<Vec<u8>>);
in_memory!(io::Cursor<Box<[u8]>>);
