//! [`copy`](fn@copy): one stream into another.
//!
//! 1. Read while there is room in the buffer, write while there are bytes in it.
//! 2. When the reader has nothing now, flush what was written, so that a conversation over a buffered
//!    stream does not stall with the question still in the buffer.
//! 3. At the end of the reader write the rest and flush.
//!
//! Each read takes a unit of the task's budget, whatever the streams do: a pair of foreign streams that are
//! always ready cannot hold its worker.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use loxley_core::coop;

use super::{AsyncRead, AsyncWrite, DEFAULT_BUF_SIZE, ReadBuf};

/// Copies everything from `reader` to `writer`, flushes, and says how many bytes that was.
///
/// # Errors
///
/// The first of either stream; `WriteZero` if the writer takes no more bytes.
///
/// # Cancellation
///
/// Dropping the future loses up to 8 KiB that were read and not yet written.
///
/// # Examples
///
/// ```
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let mut output = Vec::new();
/// let copied = loxley::io::copy(&mut &b"hello"[..], &mut output).await?;
/// assert_eq!((copied, &output[..]), (5, &b"hello"[..]));
/// # Ok(())
/// # }
/// ```
pub async fn copy<R, W>(reader: &mut R, writer: &mut W) -> io::Result<u64>
where
    R: AsyncRead + Unpin + ?Sized,
    W: AsyncWrite + Unpin + ?Sized,
{
    let mut buffer = CopyBuffer::new(DEFAULT_BUF_SIZE);
    poll_fn(|cx| buffer.poll_copy(cx, Pin::new(&mut *reader), Pin::new(&mut *writer))).await
}

/// The state of a copy: the bytes between the two streams.
#[derive(Debug)]
pub(super) struct CopyBuffer {
    buf: Box<[u8]>,
    start: usize,
    end: usize,
    copied: u64,
    reader_ended: bool,
    unflushed: bool,
}

impl CopyBuffer {
    pub(super) fn new(size: usize) -> CopyBuffer {
        CopyBuffer {
            buf: vec![0; size].into_boxed_slice(),
            start: 0,
            end: 0,
            copied: 0,
            reader_ended: false,
            unflushed: false,
        }
    }

    /// Ready with the number of bytes once everything is copied and flushed.
    pub(super) fn poll_copy<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        mut reader: Pin<&mut R>,
        mut writer: Pin<&mut W>,
    ) -> Poll<io::Result<u64>>
    where
        R: AsyncRead + ?Sized,
        W: AsyncWrite + ?Sized,
    {
        loop {
            // Step 1. Bytes are written before more are read: the buffer is reused from its start.
            while self.start < self.end {
                let written = ready!(
                    writer
                        .as_mut()
                        .poll_write(cx, &self.buf[self.start..self.end])
                )?;
                if written == 0 {
                    let message = "the writer takes no more bytes";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::WriteZero, message)));
                }
                self.start += written;
                self.copied += written as u64;
                self.unflushed = true;
            }
            if self.reader_ended {
                // Step 3.
                ready!(writer.poll_flush(cx))?;
                return Poll::Ready(Ok(self.copied));
            }
            match self.poll_fill(cx, reader.as_mut()) {
                Poll::Ready(result) => result?,
                Poll::Pending => {
                    // Step 2.
                    if self.unflushed {
                        ready!(writer.poll_flush(cx))?;
                        self.unflushed = false;
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    fn poll_fill<R: AsyncRead + ?Sized>(
        &mut self,
        cx: &mut Context<'_>,
        reader: Pin<&mut R>,
    ) -> Poll<io::Result<()>> {
        let unit = ready!(coop::poll_proceed(cx));
        let mut buf = ReadBuf::new(&mut self.buf);
        ready!(reader.poll_read(cx, &mut buf))?;
        unit.made_progress();
        self.start = 0;
        self.end = buf.filled().len();
        self.reader_ended = self.end == 0;
        Poll::Ready(Ok(()))
    }
}
