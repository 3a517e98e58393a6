//! [`split`](fn@split): the two directions of any stream.
//!
//! Both halves share the stream behind a lock that is held for one poll. Our own sockets need none: see
//! [`TcpStream::into_split`](crate::net::TcpStream::into_split).
//!
//! The stream sits in a box of its own, so that pinning it takes no unsafe code; the price is a second
//! allocation.

use std::fmt;
use std::io::{self, IoSlice};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;

use super::{AsyncRead, AsyncWrite, ReadBuf};

/// The reading and the writing half of `stream`, for two tasks.
///
/// # Examples
///
/// ```
/// use loxley::io::{AsyncReadExt, AsyncWriteExt, duplex, split};
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let (near, mut far) = duplex(64);
/// let (mut reader, mut writer) = split(near);
/// writer.write_all(b"out").await?;
/// far.write_all(b"in").await?;
/// let mut word = [0; 2];
/// reader.read_exact(&mut word).await?;
/// assert_eq!(&word, b"in");
/// assert!(reader.is_pair_of(&writer));
/// # Ok(())
/// # }
/// ```
pub fn split<T: AsyncRead + AsyncWrite>(stream: T) -> (ReadHalf<T>, WriteHalf<T>) {
    let inner = Arc::new(Inner {
        is_write_vectored: stream.is_write_vectored(),
        stream: Mutex::new(Box::pin(stream)),
    });
    (
        ReadHalf {
            inner: Arc::clone(&inner),
        },
        WriteHalf { inner },
    )
}

/// The reading half of a [`split`](fn@split) stream.
pub struct ReadHalf<T> {
    inner: Arc<Inner<T>>,
}

/// The writing half of a [`split`](fn@split) stream. Dropping it does not shut the stream down.
pub struct WriteHalf<T> {
    inner: Arc<Inner<T>>,
}

struct Inner<T> {
    stream: Mutex<Pin<Box<T>>>,
    is_write_vectored: bool,
}

// A stream that panics in one half is met by the other as that poll has left it; so it is with tokio's.
impl<T> UnwindSafe for ReadHalf<T> {}
impl<T> RefUnwindSafe for ReadHalf<T> {}
impl<T> UnwindSafe for WriteHalf<T> {}
impl<T> RefUnwindSafe for WriteHalf<T> {}

impl<T> ReadHalf<T> {
    /// Whether the two halves come from one stream.
    pub fn is_pair_of(&self, other: &WriteHalf<T>) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// The stream, whole again.
    ///
    /// # Panics
    ///
    /// If the halves come from two streams; see [`is_pair_of`](ReadHalf::is_pair_of).
    #[track_caller]
    pub fn unsplit(self, other: WriteHalf<T>) -> T
    where
        T: Unpin,
    {
        assert!(
            self.is_pair_of(&other),
            "these are halves of two different streams"
        );
        drop(other);
        let Ok(inner) = Arc::try_unwrap(self.inner) else {
            unreachable!("there are only two halves");
        };
        *Pin::into_inner(inner.stream.into_inner())
    }
}

impl<T> WriteHalf<T> {
    /// Whether the two halves come from one stream.
    pub fn is_pair_of(&self, other: &ReadHalf<T>) -> bool {
        other.is_pair_of(self)
    }
}

impl<T: AsyncRead> AsyncRead for ReadHalf<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.inner.stream.lock().as_mut().poll_read(cx, buf)
    }
}

impl<T: AsyncWrite> AsyncWrite for WriteHalf<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.inner.stream.lock().as_mut().poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.stream.lock().as_mut().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.stream.lock().as_mut().poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.inner
            .stream
            .lock()
            .as_mut()
            .poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored
    }
}

impl<T> fmt::Debug for ReadHalf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadHalf").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for WriteHalf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteHalf").finish_non_exhaustive()
    }
}
