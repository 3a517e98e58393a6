//! [`copy_buf`](fn@copy_buf): a buffered stream into another, without a buffer of our own.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Poll, ready};

use loxley_core::coop;

use super::{AsyncBufRead, AsyncWrite};

/// Copies everything from `reader` to `writer`, flushes, and says how many bytes that was.
///
/// Bytes go from the reader's buffer straight to the writer. When the reader has nothing now, what was written is
/// flushed, as [`copy`](fn@super::copy) does.
///
/// # Errors
///
/// The first of either stream; `WriteZero` if the writer takes no more bytes.
///
/// # Cancellation
///
/// Dropping the future loses nothing: what was not written is still in the reader.
///
/// # Examples
///
/// ```
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let mut output = Vec::new();
/// let copied = loxley::io::copy_buf(&mut &b"hello"[..], &mut output).await?;
/// assert_eq!((copied, &output[..]), (5, &b"hello"[..]));
/// # Ok(())
/// # }
/// ```
pub async fn copy_buf<R, W>(reader: &mut R, writer: &mut W) -> io::Result<u64>
where
    R: AsyncBufRead + Unpin + ?Sized,
    W: AsyncWrite + Unpin + ?Sized,
{
    let mut copied = 0;
    let mut unflushed = false;
    poll_fn(|cx| {
        loop {
            let unit = ready!(coop::poll_proceed(cx));
            let bytes = match Pin::new(&mut *reader).poll_fill_buf(cx)? {
                Poll::Ready(bytes) => bytes,
                Poll::Pending => {
                    if unflushed {
                        ready!(Pin::new(&mut *writer).poll_flush(cx))?;
                        unflushed = false;
                    }
                    return Poll::Pending;
                }
            };
            if bytes.is_empty() {
                ready!(Pin::new(&mut *writer).poll_flush(cx))?;
                return Poll::Ready(Ok(copied));
            }
            let written = ready!(Pin::new(&mut *writer).poll_write(cx, bytes))?;
            if written == 0 {
                let message = "the writer takes no more bytes";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::WriteZero, message)));
            }
            unit.made_progress();
            unflushed = true;
            copied += written as u64;
            Pin::new(&mut *reader).consume(written);
        }
    })
    .await
}
