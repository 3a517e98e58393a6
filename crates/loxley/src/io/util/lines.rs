//! [`Lines`]: a stream, line by line.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::AsyncBufRead;
use super::buf_read_ext::{Piece, poll_piece};

pin_project! {
    /// The lines of a stream; made by [`AsyncBufReadExt::lines`](super::AsyncBufReadExt::lines).
    #[derive(Debug)]
    pub struct Lines<R> {
        #[pin]
        reader: R,
        line: Vec<u8>,
    }
}

impl<R> Lines<R> {
    pub(super) fn new(reader: R) -> Lines<R> {
        Lines {
            reader,
            line: Vec::new(),
        }
    }

    /// The stream below.
    pub fn get_ref(&self) -> &R {
        &self.reader
    }

    /// The stream below. What is read from it directly is missing in the lines.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.reader
    }

    /// The stream below. What is read from it directly is missing in the lines.
    pub fn get_pin_mut(self: Pin<&mut Self>) -> Pin<&mut R> {
        self.project().reader
    }

    /// The stream below. A line of which only a part has come is lost.
    pub fn into_inner(self) -> R {
        self.reader
    }
}

impl<R: AsyncBufRead> Lines<R> {
    /// The next line, without its `\n` or `\r\n`; `None` at the end of the stream.
    ///
    /// # Errors
    ///
    /// Those of the stream, and `InvalidData` if a line is not UTF-8; that line is then gone.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing: the part of the line that was read stays here.
    pub async fn next_line(&mut self) -> io::Result<Option<String>>
    where
        R: Unpin,
    {
        poll_fn(|cx| Pin::new(&mut *self).poll_next_line(cx)).await
    }

    /// As [`next_line`](Lines::next_line), for those who poll by hand.
    ///
    /// # Errors
    ///
    /// Those of [`next_line`](Lines::next_line).
    pub fn poll_next_line(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<String>>> {
        let mut me = self.project();
        while ready!(poll_piece(me.reader.as_mut(), cx, b'\n', me.line))? == Piece::More {}
        let mut line = std::mem::take(me.line);
        if line.is_empty() {
            return Poll::Ready(Ok(None));
        }
        if line.ends_with(b"\n") {
            line.pop();
            if line.ends_with(b"\r") {
                line.pop();
            }
        }
        let line = String::from_utf8(line)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()))?;
        Poll::Ready(Ok(Some(line)))
    }
}
