//! Streams of one family for code of another.
//!
//! Our own traits and those of `futures-io`: [`Compat`] turns a stream of either family into one of the other. Import
//! the extension trait of the direction that you need; names and meaning are those of tokio-util's `compat`. Our
//! sockets speak both families without it.
//!
//! With the feature `tokio-io` also real tokio's traits: `Tokio` turns a stream of ours into one of tokio's and the
//! other way round, and our sockets, pipes and in-memory streams implement tokio's traits themselves.

#[cfg(feature = "tokio-io")]
mod tokio_io;

use std::io::{self, IoSlice, SeekFrom};
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

#[cfg(feature = "tokio-io")]
pub use self::tokio_io::Tokio;
use crate::io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

pin_project! {
    /// A stream of `futures-io` as one of ours, and one of ours as one of `futures-io`.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_util::AsyncReadExt as _;
    /// use loxley::compat::TokioAsyncReadCompatExt as _;
    ///
    /// # #[loxley::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let (near, mut far) = loxley::io::duplex(64);
    /// loxley::io::AsyncWriteExt::write_all(&mut far, b"hello").await?;
    /// drop(far);
    /// let mut text = String::new();
    /// near.compat().read_to_string(&mut text).await?; // the method of futures-util
    /// assert_eq!(text, "hello");
    /// # Ok(())
    /// # }
    /// ```
    #[derive(Clone, Copy, Debug)]
    pub struct Compat<T> {
        #[pin]
        inner: T,
        // A seek of ours that is under way, as the other family asks for it.
        seek: Option<SeekFrom>,
    }
}

impl<T> Compat<T> {
    fn new(inner: T) -> Compat<T> {
        Compat { inner, seek: None }
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

/// Makes readers of `futures-io` ours.
pub trait FuturesAsyncReadCompatExt: futures_io::AsyncRead {
    /// This reader, with our traits.
    fn compat(self) -> Compat<Self>
    where
        Self: Sized,
    {
        Compat::new(self)
    }
}

impl<T: futures_io::AsyncRead> FuturesAsyncReadCompatExt for T {}

/// Makes writers of `futures-io` ours.
pub trait FuturesAsyncWriteCompatExt: futures_io::AsyncWrite {
    /// This writer, with our traits.
    fn compat_write(self) -> Compat<Self>
    where
        Self: Sized,
    {
        Compat::new(self)
    }
}

impl<T: futures_io::AsyncWrite> FuturesAsyncWriteCompatExt for T {}

/// Makes our readers those of `futures-io`. The name is the one that tokio-util has for it.
pub trait TokioAsyncReadCompatExt: AsyncRead {
    /// This reader, with the traits of `futures-io`.
    fn compat(self) -> Compat<Self>
    where
        Self: Sized,
    {
        Compat::new(self)
    }
}

impl<T: AsyncRead> TokioAsyncReadCompatExt for T {}

/// Makes our writers those of `futures-io`. The name is the one that tokio-util has for it.
pub trait TokioAsyncWriteCompatExt: AsyncWrite {
    /// This writer, with the traits of `futures-io`.
    fn compat_write(self) -> Compat<Self>
    where
        Self: Sized,
    {
        Compat::new(self)
    }
}

impl<T: AsyncWrite> TokioAsyncWriteCompatExt for T {}

impl<T: futures_io::AsyncRead> AsyncRead for Compat<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let memory = buf.initialize_unfilled();
        let read = ready!(self.project().inner.poll_read(cx, memory))?;
        buf.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead> futures_io::AsyncRead for Compat<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        ready!(self.project().inner.poll_read(cx, &mut buf))?;
        Poll::Ready(Ok(buf.filled().len()))
    }
}

impl<T: futures_io::AsyncBufRead> AsyncBufRead for Compat<T> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.project().inner.poll_fill_buf(cx)
    }

    fn consume(self: Pin<&mut Self>, amt: usize) {
        self.project().inner.consume(amt);
    }
}

impl<T: AsyncBufRead> futures_io::AsyncBufRead for Compat<T> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.project().inner.poll_fill_buf(cx)
    }

    fn consume(self: Pin<&mut Self>, amt: usize) {
        self.project().inner.consume(amt);
    }
}

impl<T: futures_io::AsyncWrite> AsyncWrite for Compat<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write_vectored(cx, bufs)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_close(cx)
    }
}

impl<T: AsyncWrite> futures_io::AsyncWrite for Compat<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write_vectored(cx, bufs)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_shutdown(cx)
    }
}

impl<T: futures_io::AsyncSeek> AsyncSeek for Compat<T> {
    fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        *self.project().seek = Some(position);
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        let me = self.project();
        // Without a seek under way: where are we?
        let position = me.seek.unwrap_or(SeekFrom::Current(0));
        let place = ready!(me.inner.poll_seek(cx, position));
        *me.seek = None;
        Poll::Ready(place)
    }
}

impl<T: AsyncSeek> futures_io::AsyncSeek for Compat<T> {
    fn poll_seek(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        position: SeekFrom,
    ) -> Poll<io::Result<u64>> {
        let mut me = self.project();
        if *me.seek != Some(position) {
            // A seek that somebody began and gave up comes first.
            let _ = ready!(me.inner.as_mut().poll_complete(cx));
            me.inner.as_mut().start_seek(position)?;
            *me.seek = Some(position);
        }
        let place = ready!(me.inner.poll_complete(cx));
        *me.seek = None;
        Poll::Ready(place)
    }
}

impl<T: AsRawFd> AsRawFd for Compat<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.inner.as_raw_fd()
    }
}
