//! [`Split`]: a stream, cut at a byte.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::AsyncBufRead;
use super::buf_read_ext::{Piece, poll_piece};

pin_project! {
    /// The pieces of a stream between delimiters; made by [`AsyncBufReadExt::split`](super::AsyncBufReadExt::split).
    #[derive(Debug)]
    #[must_use = "it reads nothing until a segment is asked for"]
    pub struct Split<R> {
        #[pin]
        reader: R,
        segment: Vec<u8>,
        delimiter: u8,
    }
}

impl<R> Split<R> {
    pub(super) fn new(reader: R, delimiter: u8) -> Split<R> {
        Split {
            reader,
            segment: Vec::new(),
            delimiter,
        }
    }
}

impl<R: AsyncBufRead> Split<R> {
    /// The next piece, without its delimiter; `None` at the end of the stream.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing: the part of the piece that was read stays here.
    pub async fn next_segment(&mut self) -> io::Result<Option<Vec<u8>>>
    where
        R: Unpin,
    {
        poll_fn(|cx| Pin::new(&mut *self).poll_next_segment(cx)).await
    }

    /// As [`next_segment`](Split::next_segment), for those who poll by hand.
    ///
    /// # Errors
    ///
    /// Those of [`next_segment`](Split::next_segment).
    pub fn poll_next_segment(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Vec<u8>>>> {
        let mut me = self.project();
        while ready!(poll_piece(
            me.reader.as_mut(),
            cx,
            *me.delimiter,
            me.segment
        ))? == Piece::More
        {}
        let mut segment = std::mem::take(me.segment);
        if segment.is_empty() {
            return Poll::Ready(Ok(None));
        }
        if segment.last() == Some(me.delimiter) {
            segment.pop();
        }
        Poll::Ready(Ok(Some(segment)))
    }
}
