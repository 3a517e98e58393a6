//! [`AsyncBufReadExt`]: lines and records.
//!
//! Every byte is looked at once, when it arrives, so reading to a delimiter is linear however small the
//! pieces are (test `reading_until_a_delimiter_looks_at_each_byte_once`).

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::AsyncBufRead;
use super::lines::Lines;
use super::read_to::append_utf8;
use super::record_split::Split;

/// Methods for every [`AsyncBufRead`].
///
/// # Examples
///
/// ```
/// use loxley::io::AsyncBufReadExt;
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let mut lines = (&b"one\r\ntwo\nthree"[..]).lines();
/// let mut seen = Vec::new();
/// while let Some(line) = lines.next_line().await? {
///     seen.push(line);
/// }
/// assert_eq!(seen, ["one", "two", "three"]);
/// # Ok(())
/// # }
/// ```
pub trait AsyncBufReadExt: AsyncBufRead {
    /// Appends everything up to and with the byte `delimiter` to `buf`, and says how many bytes that was.
    ///
    /// Zero is the end of the stream. If the stream ends first, what came is appended without a delimiter.
    ///
    /// # Errors
    ///
    /// Those of the stream; `buf` then holds what came before.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing: what was read is in `buf`, and another call goes on from there.
    fn read_until<'a>(&'a mut self, delimiter: u8, buf: &'a mut Vec<u8>) -> ReadUntil<'a, Self>
    where
        Self: Unpin,
    {
        ReadUntil {
            reader: self,
            delimiter,
            buf,
            read: 0,
        }
    }

    /// Appends a line, with its `\n`, to `buf`, and says how many bytes that was.
    ///
    /// Zero is the end of the stream.
    ///
    /// # Errors
    ///
    /// Those of the stream, and `InvalidData` if the line is not UTF-8; `buf` is then as before and the line is gone.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses the part of the line that it has read. [`lines`](AsyncBufReadExt::lines)
    /// keeps it.
    fn read_line<'a>(&'a mut self, buf: &'a mut String) -> ReadLine<'a, Self>
    where
        Self: Unpin,
    {
        ReadLine {
            reader: self,
            output: buf,
            line: Vec::new(),
        }
    }

    /// The lines of the stream, one by one, without their ends.
    fn lines(self) -> Lines<Self>
    where
        Self: Sized,
    {
        Lines::new(self)
    }

    /// The pieces of the stream between bytes `byte`, one by one, without these.
    fn split(self, byte: u8) -> Split<Self>
    where
        Self: Sized + Unpin,
    {
        Split::new(self, byte)
    }

    /// The bytes at hand; reads if there are none. Empty means the end of the stream.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    fn fill_buf(&mut self) -> FillBuf<'_, Self>
    where
        Self: Unpin,
    {
        FillBuf { reader: Some(self) }
    }

    /// Takes `amt` bytes of those that [`fill_buf`](AsyncBufReadExt::fill_buf) has shown.
    ///
    /// # Panics
    ///
    /// May panic if `amt` is more than was shown.
    fn consume(&mut self, amt: usize)
    where
        Self: Unpin,
    {
        Pin::new(self).consume(amt);
    }
}

impl<R: AsyncBufRead + ?Sized> AsyncBufReadExt for R {}

/// The future of [`AsyncBufReadExt::read_until`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct ReadUntil<'a, R: ?Sized> {
    reader: &'a mut R,
    delimiter: u8,
    buf: &'a mut Vec<u8>,
    read: usize,
}

impl<R: AsyncBufRead + Unpin + ?Sized> Future for ReadUntil<'_, R> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let me = &mut *self;
        loop {
            let before = me.buf.len();
            let piece = ready!(poll_piece(
                Pin::new(&mut *me.reader),
                cx,
                me.delimiter,
                me.buf
            ))?;
            me.read += me.buf.len() - before;
            if piece == Piece::Last {
                return Poll::Ready(Ok(me.read));
            }
        }
    }
}

#[derive(PartialEq)]
pub(super) enum Piece {
    /// The delimiter has not come yet.
    More,
    /// The delimiter or the end has come.
    Last,
}

/// Appends the bytes at hand up to and with the delimiter.
pub(super) fn poll_piece<R: AsyncBufRead + ?Sized>(
    mut reader: Pin<&mut R>,
    cx: &mut Context<'_>,
    delimiter: u8,
    buf: &mut Vec<u8>,
) -> Poll<io::Result<Piece>> {
    let bytes = ready!(reader.as_mut().poll_fill_buf(cx))?;
    let end = bytes.iter().position(|byte| *byte == delimiter);
    let len = end.map_or(bytes.len(), |end| end + 1);
    let last = end.is_some() || bytes.is_empty();
    buf.extend_from_slice(&bytes[..len]);
    reader.consume(len);
    Poll::Ready(Ok(if last { Piece::Last } else { Piece::More }))
}

/// The future of [`AsyncBufReadExt::read_line`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct ReadLine<'a, R: ?Sized> {
    reader: &'a mut R,
    output: &'a mut String,
    line: Vec<u8>,
}

impl<R: AsyncBufRead + Unpin + ?Sized> Future for ReadLine<'_, R> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let me = &mut *self;
        while ready!(poll_piece(
            Pin::new(&mut *me.reader),
            cx,
            b'\n',
            &mut me.line
        ))? == Piece::More
        {}
        let line = std::mem::take(&mut me.line);
        let read = line.len();
        append_utf8(me.output, line)?;
        Poll::Ready(Ok(read))
    }
}

/// The future of [`AsyncBufReadExt::fill_buf`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct FillBuf<'a, R: ?Sized> {
    reader: Option<&'a mut R>,
}

impl<'a, R: AsyncBufRead + Unpin + ?Sized> Future for FillBuf<'a, R> {
    type Output = io::Result<&'a [u8]>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&'a [u8]>> {
        let reader = self.reader.take().expect("polled after it was ready");
        // Asked twice, because the borrow of the first answer would last to the end of `'a` also on the way
        // where the reader is put back. Bytes at hand stay at hand.
        match Pin::new(&mut *reader).poll_fill_buf(cx) {
            Poll::Ready(Ok([])) => Poll::Ready(Ok(&[])),
            Poll::Ready(Ok(_)) => Pin::new(reader).poll_fill_buf(cx),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                self.reader = Some(reader);
                Poll::Pending
            }
        }
    }
}
