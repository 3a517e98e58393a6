//! [`copy_bidirectional`](fn@copy_bidirectional): the heart of a proxy.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::copy::CopyBuffer;
use super::{AsyncRead, AsyncWrite, DEFAULT_BUF_SIZE};

/// Copies from `a` to `b` and from `b` to `a` until both have ended, and says how many bytes went each way.
///
/// When one side ends, the other is shut down for writing, and the opposite direction goes on: half-closed
/// connections pass through as such.
///
/// # Errors
///
/// The first of either stream, at once; the other direction stops where it is.
///
/// # Cancellation
///
/// Dropping the future loses up to 8 KiB in each direction.
///
/// # Examples
///
/// ```
/// use loxley::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional, duplex};
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let (mut client, mut left) = duplex(64);
/// let (mut right, mut server) = duplex(64);
/// let proxy = loxley::spawn(async move { copy_bidirectional(&mut left, &mut right).await });
///
/// client.write_all(b"question").await?;
/// client.shutdown().await?;
/// let mut question = String::new();
/// server.read_to_string(&mut question).await?;
/// server.write_all(b"answer").await?;
/// drop(server);
/// let mut answer = String::new();
/// client.read_to_string(&mut answer).await?;
///
/// assert_eq!((question.as_str(), answer.as_str()), ("question", "answer"));
/// assert_eq!(proxy.await.unwrap()?, (8, 6));
/// # Ok(())
/// # }
/// ```
pub async fn copy_bidirectional<A, B>(a: &mut A, b: &mut B) -> io::Result<(u64, u64)>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    copy_bidirectional_with_sizes(a, b, DEFAULT_BUF_SIZE, DEFAULT_BUF_SIZE).await
}

/// As [`copy_bidirectional`](fn@copy_bidirectional), with buffers of the given sizes, in bytes.
///
/// # Errors
///
/// Those of [`copy_bidirectional`](fn@copy_bidirectional).
///
/// # Panics
///
/// If a size is 0: nothing could ever be copied.
///
/// # Cancellation
///
/// Dropping the future loses what is in the buffers.
pub async fn copy_bidirectional_with_sizes<A, B>(
    a: &mut A,
    b: &mut B,
    a_to_b_buf_size: usize,
    b_to_a_buf_size: usize,
) -> io::Result<(u64, u64)>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    assert!(
        a_to_b_buf_size > 0 && b_to_a_buf_size > 0,
        "a buffer of 0 bytes copies nothing"
    );
    let mut a_to_b = Direction::Copying(CopyBuffer::new(a_to_b_buf_size));
    let mut b_to_a = Direction::Copying(CopyBuffer::new(b_to_a_buf_size));
    poll_fn(|cx| {
        let there = a_to_b.poll(cx, Pin::new(&mut *a), Pin::new(&mut *b))?;
        let back = b_to_a.poll(cx, Pin::new(&mut *b), Pin::new(&mut *a))?;
        Poll::Ready(Ok((ready!(there), ready!(back))))
    })
    .await
}

#[derive(Debug)]
enum Direction {
    Copying(CopyBuffer),
    ShuttingDown(u64),
    Done(u64),
}

impl Direction {
    fn poll<R, W>(
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
            *self = match self {
                Direction::Copying(buffer) => {
                    let copied = ready!(buffer.poll_copy(cx, reader.as_mut(), writer.as_mut()))?;
                    Direction::ShuttingDown(copied)
                }
                Direction::ShuttingDown(copied) => {
                    ready!(writer.as_mut().poll_shutdown(cx))?;
                    Direction::Done(*copied)
                }
                Direction::Done(copied) => return Poll::Ready(Ok(*copied)),
            }
        }
    }
}
