//! [`BufReader`]: fewer and larger reads.

use std::fmt;
use std::io::{self, IoSlice, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, DEFAULT_BUF_SIZE, ReadBuf};

pin_project! {
    /// Reads ahead into a buffer, so that many small reads cost few system calls.
    ///
    /// Dropping it, or taking the stream out, loses what it has read ahead. Writes go straight through.
    ///
    /// # Examples
    ///
    /// ```
    /// use loxley::io::{AsyncBufReadExt, BufReader};
    ///
    /// # #[loxley::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let mut reader = BufReader::new(&b"first\nsecond\n"[..]);
    /// let mut line = String::new();
    /// reader.read_line(&mut line).await?;
    /// assert_eq!(line, "first\n");
    /// assert_eq!(reader.buffer(), b"second\n");
    /// # Ok(())
    /// # }
    /// ```
    pub struct BufReader<R> {
        #[pin]
        inner: R,
        buf: Box<[u8]>,
        start: usize,
        end: usize,
        seek: Option<SeekFrom>,
    }
}

impl<R: AsyncRead> BufReader<R> {
    /// A buffer of 8 KiB.
    pub fn new(inner: R) -> BufReader<R> {
        BufReader::with_capacity(DEFAULT_BUF_SIZE, inner)
    }

    /// A buffer of `capacity` bytes.
    pub fn with_capacity(capacity: usize, inner: R) -> BufReader<R> {
        BufReader {
            inner,
            buf: vec![0; capacity].into_boxed_slice(),
            start: 0,
            end: 0,
            seek: None,
        }
    }
}

impl<R> BufReader<R> {
    /// The stream below.
    pub fn get_ref(&self) -> &R {
        &self.inner
    }

    /// The stream below. Reading from it directly leaves out what is in the buffer.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.inner
    }

    /// The stream below. Reading from it directly leaves out what is in the buffer.
    pub fn get_pin_mut(self: Pin<&mut Self>) -> Pin<&mut R> {
        self.project().inner
    }

    /// The stream below. What is in the buffer is lost.
    pub fn into_inner(self) -> R {
        self.inner
    }

    /// What was read ahead.
    pub fn buffer(&self) -> &[u8] {
        &self.buf[self.start..self.end]
    }
}

/// For a stream with two buffers.
impl<R> BufReader<R> {
    pub(super) fn into_parts(self) -> (R, ReaderBuffer) {
        let buffer = ReaderBuffer {
            buf: self.buf,
            start: self.start,
            end: self.end,
        };
        (self.inner, buffer)
    }

    pub(super) fn from_parts(inner: R, buffer: ReaderBuffer) -> BufReader<R> {
        BufReader {
            inner,
            buf: buffer.buf,
            start: buffer.start,
            end: buffer.end,
            seek: None,
        }
    }
}

/// All but the stream.
pub(super) struct ReaderBuffer {
    buf: Box<[u8]>,
    start: usize,
    end: usize,
}

impl<R: AsyncRead + AsyncSeek> AsyncSeek for BufReader<R> {
    /// What was read ahead is thrown away; a move relative to the present place counts from what was *taken*.
    fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        let me = self.project();
        if me.seek.is_some() {
            return Err(io::Error::other("another seek is under way"));
        }
        *me.seek = Some(position);
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        let mut me = self.project();
        if me.seek.is_some() {
            // A seek below that nobody has awaited comes first.
            let _ = ready!(me.inner.as_mut().poll_complete(cx));
        }
        let Some(position) = me.seek.take() else {
            let place = ready!(me.inner.poll_complete(cx))?;
            return Poll::Ready(Ok(place.saturating_sub((*me.end - *me.start) as u64)));
        };
        let ahead = (*me.end - *me.start) as i64;
        let position = match position {
            SeekFrom::Current(by) => match by.checked_sub(ahead) {
                Some(by) => SeekFrom::Current(by),
                None => {
                    // Too far for one step: back to where the reader is first.
                    me.inner.as_mut().start_seek(SeekFrom::Current(-ahead))?;
                    *me.start = *me.end;
                    *me.seek = Some(SeekFrom::Current(by));
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            },
            other => other,
        };
        *me.start = *me.end;
        me.inner.as_mut().start_seek(position)?;
        me.inner.poll_complete(cx)
    }
}

impl<R: AsyncRead> AsyncRead for BufReader<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // A read as large as our buffer gains nothing from it.
        if self.start == self.end && buf.remaining() >= self.buf.len() {
            return self.project().inner.poll_read(cx, buf);
        }
        let bytes = ready!(self.as_mut().poll_fill_buf(cx))?;
        let len = bytes.len().min(buf.remaining());
        buf.put_slice(&bytes[..len]);
        self.consume(len);
        Poll::Ready(Ok(()))
    }
}

impl<R: AsyncRead> AsyncBufRead for BufReader<R> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let me = self.project();
        if *me.start == *me.end {
            let mut buf = ReadBuf::new(me.buf);
            ready!(me.inner.poll_read(cx, &mut buf))?;
            *me.start = 0;
            *me.end = buf.filled().len();
        }
        Poll::Ready(Ok(&me.buf[*me.start..*me.end]))
    }

    fn consume(self: Pin<&mut Self>, amt: usize) {
        let me = self.project();
        *me.start = (*me.start + amt).min(*me.end);
    }
}

impl<R: AsyncWrite> AsyncWrite for BufReader<R> {
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

impl<R: fmt::Debug> fmt::Debug for BufReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufReader")
            .field("inner", &self.inner)
            .field("buffered", &(self.end - self.start))
            .field("capacity", &self.buf.len())
            .finish()
    }
}
