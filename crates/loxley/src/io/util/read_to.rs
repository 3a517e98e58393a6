//! Reading up to the end of a stream.
//!
//! The vector grows only when it is full, and then as vectors do, so that the work is linear. A vector whose
//! capacity was chosen to fit exactly is not doubled to learn that the stream has ended: a full one is
//! probed with 32 bytes on the stack first, as long as it has not grown.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::read_buf::poll_read_buf;
use super::{AsyncRead, ReadBuf};

/// The first growth of a vector.
const FIRST: usize = 2048;

/// The future of [`AsyncReadExt::read_to_end`](super::AsyncReadExt::read_to_end).
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct ReadToEnd<'a, R: ?Sized> {
    reader: &'a mut R,
    buf: &'a mut Vec<u8>,
    progress: Progress,
}

/// How far a reading to the end has come.
#[derive(Debug)]
struct Progress {
    read: usize,
    capacity_at_start: usize,
}

impl<'a, R: ?Sized> ReadToEnd<'a, R> {
    pub(super) fn new(reader: &'a mut R, buf: &'a mut Vec<u8>) -> ReadToEnd<'a, R> {
        let progress = Progress {
            read: 0,
            capacity_at_start: buf.capacity(),
        };
        ReadToEnd {
            reader,
            buf,
            progress,
        }
    }
}

impl<R: AsyncRead + Unpin + ?Sized> Future for ReadToEnd<'_, R> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let me = &mut *self;
        me.progress.poll(me.reader, cx, me.buf)
    }
}

impl Progress {
    fn poll<R: AsyncRead + Unpin + ?Sized>(
        &mut self,
        reader: &mut R,
        cx: &mut Context<'_>,
        buf: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        loop {
            let full = buf.len() == buf.capacity();
            // A vector without any capacity was not chosen to fit.
            let chosen = !buf.is_empty() && buf.capacity() == self.capacity_at_start;
            let n = if full && chosen {
                ready!(probe(reader, cx, buf))?
            } else {
                if full {
                    buf.reserve(FIRST);
                }
                ready!(poll_read_buf(Pin::new(&mut *reader), cx, buf))?
            };
            if n == 0 {
                return Poll::Ready(Ok(self.read));
            }
            self.read += n;
        }
    }
}

/// Reads a little beside the full vector.
fn probe<R: AsyncRead + Unpin + ?Sized>(
    reader: &mut R,
    cx: &mut Context<'_>,
    buf: &mut Vec<u8>,
) -> Poll<io::Result<usize>> {
    let mut memory = [0; 32];
    let mut little = ReadBuf::new(&mut memory);
    ready!(Pin::new(reader).poll_read(cx, &mut little))?;
    buf.extend_from_slice(little.filled());
    Poll::Ready(Ok(little.filled().len()))
}

/// The future of [`AsyncReadExt::read_to_string`](super::AsyncReadExt::read_to_string).
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct ReadToString<'a, R: ?Sized> {
    reader: &'a mut R,
    output: &'a mut String,
    bytes: Vec<u8>,
    progress: Progress,
}

impl<'a, R: ?Sized> ReadToString<'a, R> {
    pub(super) fn new(reader: &'a mut R, output: &'a mut String) -> ReadToString<'a, R> {
        let progress = Progress {
            read: 0,
            capacity_at_start: 0,
        };
        ReadToString {
            reader,
            output,
            bytes: Vec::new(),
            progress,
        }
    }
}

impl<R: AsyncRead + Unpin + ?Sized> Future for ReadToString<'_, R> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let me = &mut *self;
        let read = ready!(me.progress.poll(me.reader, cx, &mut me.bytes))?;
        append_utf8(me.output, std::mem::take(&mut me.bytes))?;
        Poll::Ready(Ok(read))
    }
}

/// Appends `bytes` to `output`, or leaves it alone if they are not UTF-8.
pub(super) fn append_utf8(output: &mut String, bytes: Vec<u8>) -> io::Result<()> {
    let text = String::from_utf8(bytes)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()))?;
    if output.is_empty() {
        *output = text;
    } else {
        output.push_str(&text);
    }
    Ok(())
}
