//! [`BufWriter`]: fewer and larger writes.

use std::fmt;
use std::io::{self, IoSlice, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, DEFAULT_BUF_SIZE, ReadBuf};

pin_project! {
    /// Collects small writes in a buffer, so that they cost few system calls.
    ///
    /// Call [`flush`](super::AsyncWriteExt::flush) or [`shutdown`](super::AsyncWriteExt::shutdown) at the
    /// end: dropping it loses what is in the buffer. Reads go straight through.
    ///
    /// # Examples
    ///
    /// ```
    /// use loxley::io::{AsyncWriteExt, BufWriter};
    ///
    /// # #[loxley::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let mut writer = BufWriter::new(Vec::new());
    /// writer.write_all(b"collected").await?;
    /// assert_eq!(writer.get_ref(), b"");
    /// writer.flush().await?;
    /// assert_eq!(writer.get_ref(), b"collected");
    /// # Ok(())
    /// # }
    /// ```
    pub struct BufWriter<W> {
        #[pin]
        inner: W,
        buf: Vec<u8>,
        capacity: usize,
        written: usize,
        seek: Option<SeekFrom>,
    }
}

impl<W: AsyncWrite> BufWriter<W> {
    /// A buffer of 8 KiB.
    pub fn new(inner: W) -> BufWriter<W> {
        BufWriter::with_capacity(DEFAULT_BUF_SIZE, inner)
    }

    /// A buffer of `capacity` bytes.
    pub fn with_capacity(capacity: usize, inner: W) -> BufWriter<W> {
        BufWriter {
            inner,
            buf: Vec::with_capacity(capacity),
            capacity,
            written: 0,
            seek: None,
        }
    }

    /// Writes the buffer out, without flushing the stream below.
    fn poll_empty(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut me = self.project();
        while *me.written < me.buf.len() {
            // `written` is kept across `Pending` and across errors: no byte goes out twice.
            match ready!(me.inner.as_mut().poll_write(cx, &me.buf[*me.written..]))? {
                0 => {
                    let message = "the stream takes no more of the buffered bytes";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::WriteZero, message)));
                }
                n => *me.written += n,
            }
        }
        me.buf.clear();
        *me.written = 0;
        Poll::Ready(Ok(()))
    }

    /// Makes room for `len` bytes if there is none.
    fn poll_room(self: Pin<&mut Self>, cx: &mut Context<'_>, len: usize) -> Poll<io::Result<()>> {
        if self.buf.len().saturating_add(len) > self.capacity {
            return self.poll_empty(cx);
        }
        Poll::Ready(Ok(()))
    }
}

impl<W> BufWriter<W> {
    /// The stream below.
    pub fn get_ref(&self) -> &W {
        &self.inner
    }

    /// The stream below. Writing to it directly overtakes what is in the buffer.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.inner
    }

    /// The stream below. Writing to it directly overtakes what is in the buffer.
    pub fn get_pin_mut(self: Pin<&mut Self>) -> Pin<&mut W> {
        self.project().inner
    }

    /// The stream below. What is in the buffer is lost.
    pub fn into_inner(self) -> W {
        self.inner
    }

    /// What is still to be written.
    pub fn buffer(&self) -> &[u8] {
        &self.buf[self.written..]
    }
}

/// For a stream with two buffers.
impl<W> BufWriter<W> {
    pub(super) fn into_parts(self) -> (W, WriterBuffer) {
        let buffer = WriterBuffer {
            buf: self.buf,
            capacity: self.capacity,
            written: self.written,
        };
        (self.inner, buffer)
    }

    pub(super) fn from_parts(inner: W, buffer: WriterBuffer) -> BufWriter<W> {
        BufWriter {
            inner,
            buf: buffer.buf,
            capacity: buffer.capacity,
            written: buffer.written,
            seek: None,
        }
    }
}

/// All but the stream.
pub(super) struct WriterBuffer {
    buf: Vec<u8>,
    capacity: usize,
    written: usize,
}

impl<W: AsyncWrite + AsyncSeek> AsyncSeek for BufWriter<W> {
    /// What is in the buffer is written out before the move.
    fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        let me = self.project();
        if me.seek.is_some() {
            return Err(io::Error::other("another seek is under way"));
        }
        *me.seek = Some(position);
        Ok(())
    }

    fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        if self.seek.is_some() {
            ready!(self.as_mut().poll_empty(cx))?;
            // A seek below that nobody has awaited comes first.
            let _ = ready!(self.as_mut().project().inner.poll_complete(cx));
        }
        let mut me = self.project();
        if let Some(position) = me.seek.take() {
            me.inner.as_mut().start_seek(position)?;
        }
        me.inner.poll_complete(cx)
    }
}

impl<W: AsyncWrite> AsyncWrite for BufWriter<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.as_mut().poll_room(cx, buf.len()))?;
        let me = self.project();
        if buf.len() >= *me.capacity {
            return me.inner.poll_write(cx, buf);
        }
        me.buf.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if !self.inner.is_write_vectored() {
            let first = bufs.iter().find(|buf| !buf.is_empty());
            return self.poll_write(cx, first.map_or(&[], |buf| buf));
        }
        let total = bufs
            .iter()
            .fold(0_usize, |sum, buf| sum.saturating_add(buf.len()));
        ready!(self.as_mut().poll_room(cx, total))?;
        let me = self.project();
        if total >= *me.capacity {
            return me.inner.poll_write_vectored(cx, bufs);
        }
        for buf in bufs {
            me.buf.extend_from_slice(buf);
        }
        Poll::Ready(Ok(total))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_empty(cx))?;
        self.project().inner.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_empty(cx))?;
        self.project().inner.poll_shutdown(cx)
    }
}

impl<W: AsyncRead> AsyncRead for BufWriter<W> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.project().inner.poll_read(cx, buf)
    }
}

impl<W: AsyncBufRead> AsyncBufRead for BufWriter<W> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.project().inner.poll_fill_buf(cx)
    }

    fn consume(self: Pin<&mut Self>, amt: usize) {
        self.project().inner.consume(amt);
    }
}

impl<W: fmt::Debug> fmt::Debug for BufWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufWriter")
            .field("inner", &self.inner)
            .field("buffered", &(self.buf.len() - self.written))
            .field("capacity", &self.capacity)
            .finish()
    }
}
