//! [`AsyncWriteExt`]: the ways to write that one calls day by day.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;

use super::AsyncWrite;

/// One documented method per number.
macro_rules! numbers {
    ($($name:ident, $name_le:ident => $number:ty, $size:literal;)*) => {
        $(
            numbers!(@one $name => $number, $size, to_be_bytes, "big");
            numbers!(@one $name_le => $number, $size, to_le_bytes, "little");
        )*
    };
    (@one $name:ident => $number:ty, $size:literal, $convert:ident, $endian:literal) => {
        #[doc = concat!("Writes a [`", stringify!($number), "`] in ", $endian, "-endian order.")]
        ///
        /// # Errors
        ///
        /// Those of the stream, and `WriteZero` if it takes no more bytes.
        ///
        /// # Cancellation
        ///
        /// Dropping the future may leave a part of the number written.
        fn $name(&mut self, number: $number) -> WriteNumber<'_, Self, $size>
        where
            Self: Unpin,
        {
            WriteNumber { writer: self, bytes: number.$convert(), written: 0 }
        }
    };
}

/// Methods for every [`AsyncWrite`].
///
/// # Examples
///
/// ```
/// use loxley::io::AsyncWriteExt;
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let mut stream = Vec::new();
/// stream.write_u16(5).await?;
/// stream.write_all(b"hello").await?;
/// assert_eq!(stream, b"\x00\x05hello");
/// # Ok(())
/// # }
/// ```
pub trait AsyncWriteExt: AsyncWrite {
    /// Writes as much of `buf` as fits now, and says how much.
    ///
    /// # Errors
    ///
    /// Those of the stream; nothing was then written.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves nothing half done: it has written either nothing or all that it reports.
    fn write<'a>(&'a mut self, buf: &'a [u8]) -> Write<'a, Self>
    where
        Self: Unpin,
    {
        Write { writer: self, buf }
    }

    /// Writes as much of `bufs`, in order, as fits now, and says how many bytes.
    ///
    /// # Errors
    ///
    /// Those of the stream; nothing was then written.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves nothing half done.
    fn write_vectored<'a, 'b>(&'a mut self, bufs: &'a [IoSlice<'b>]) -> WriteVectored<'a, 'b, Self>
    where
        Self: Unpin,
    {
        WriteVectored { writer: self, bufs }
    }

    /// Writes as much of `buf` as fits now, moves its cursor on, and says how much.
    ///
    /// # Errors
    ///
    /// Those of the stream; nothing was then written.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves nothing half done.
    fn write_buf<'a, B: Buf>(&'a mut self, buf: &'a mut B) -> WriteBuf<'a, Self, B>
    where
        Self: Unpin,
    {
        WriteBuf { writer: self, buf }
    }

    /// Writes all of `buf` and moves its cursor on as it goes.
    ///
    /// # Errors
    ///
    /// Those of the stream, and `WriteZero` if it takes no more bytes. The cursor stands behind what was written.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing: the cursor stands behind what was written.
    fn write_all_buf<'a, B: Buf>(&'a mut self, buf: &'a mut B) -> WriteAllBuf<'a, Self, B>
    where
        Self: Unpin,
    {
        WriteAllBuf { writer: self, buf }
    }

    /// Writes all of `buf`.
    ///
    /// # Errors
    ///
    /// Those of the stream, and `WriteZero` if it takes no more bytes. A part of `buf` may be written.
    ///
    /// # Cancellation
    ///
    /// Dropping the future may leave a part of `buf` written, and nobody knows how much.
    fn write_all<'a>(&'a mut self, buf: &'a [u8]) -> WriteAll<'a, Self>
    where
        Self: Unpin,
    {
        WriteAll {
            writer: self,
            rest: buf,
        }
    }

    /// Sends on what the stream holds back.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    ///
    /// # Cancellation
    ///
    /// May be called again after it was dropped.
    fn flush(&mut self) -> Flush<'_, Self>
    where
        Self: Unpin,
    {
        Flush { writer: self }
    }

    /// Flushes and says goodbye to the other side; nothing may be written afterwards.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    ///
    /// # Cancellation
    ///
    /// May be called again after it was dropped.
    fn shutdown(&mut self) -> Shutdown<'_, Self>
    where
        Self: Unpin,
    {
        Shutdown { writer: self }
    }

    numbers! {
        write_u8, write_u8_le => u8, 1;
        write_i8, write_i8_le => i8, 1;
        write_u16, write_u16_le => u16, 2;
        write_i16, write_i16_le => i16, 2;
        write_u32, write_u32_le => u32, 4;
        write_i32, write_i32_le => i32, 4;
        write_u64, write_u64_le => u64, 8;
        write_i64, write_i64_le => i64, 8;
        write_u128, write_u128_le => u128, 16;
        write_i128, write_i128_le => i128, 16;
        write_f32, write_f32_le => f32, 4;
        write_f64, write_f64_le => f64, 8;
    }
}

impl<W: AsyncWrite + ?Sized> AsyncWriteExt for W {}

/// The future of [`AsyncWriteExt::write`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct Write<'a, W: ?Sized> {
    writer: &'a mut W,
    buf: &'a [u8],
}

impl<W: AsyncWrite + Unpin + ?Sized> Future for Write<'_, W> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let me = &mut *self;
        Pin::new(&mut *me.writer).poll_write(cx, me.buf)
    }
}

/// The future of [`AsyncWriteExt::write_vectored`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct WriteVectored<'a, 'b, W: ?Sized> {
    writer: &'a mut W,
    bufs: &'a [IoSlice<'b>],
}

impl<W: AsyncWrite + Unpin + ?Sized> Future for WriteVectored<'_, '_, W> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let me = &mut *self;
        Pin::new(&mut *me.writer).poll_write_vectored(cx, me.bufs)
    }
}

/// Slices that one vectored write takes from a [`Buf`].
const MAX_SLICES: usize = 64;

/// One write out of a [`Buf`].
fn poll_write_buf<W, B>(
    writer: &mut W,
    cx: &mut Context<'_>,
    buf: &mut B,
) -> Poll<io::Result<usize>>
where
    W: AsyncWrite + Unpin + ?Sized,
    B: Buf,
{
    if !buf.has_remaining() {
        return Poll::Ready(Ok(0));
    }
    let writer = Pin::new(writer);
    let written = if writer.is_write_vectored() {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let count = buf.chunks_vectored(&mut slices);
        ready!(writer.poll_write_vectored(cx, &slices[..count]))?
    } else {
        ready!(writer.poll_write(cx, buf.chunk()))?
    };
    buf.advance(written);
    Poll::Ready(Ok(written))
}

/// The future of [`AsyncWriteExt::write_buf`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct WriteBuf<'a, W: ?Sized, B> {
    writer: &'a mut W,
    buf: &'a mut B,
}

impl<W: AsyncWrite + Unpin + ?Sized, B: Buf> Future for WriteBuf<'_, W, B> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let me = &mut *self;
        poll_write_buf(me.writer, cx, me.buf)
    }
}

/// The future of [`AsyncWriteExt::write_all_buf`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct WriteAllBuf<'a, W: ?Sized, B> {
    writer: &'a mut W,
    buf: &'a mut B,
}

impl<W: AsyncWrite + Unpin + ?Sized, B: Buf> Future for WriteAllBuf<'_, W, B> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = &mut *self;
        while me.buf.has_remaining() {
            let written = ready!(poll_write_buf(me.writer, cx, me.buf))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// The future of [`AsyncWriteExt::write_all`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct WriteAll<'a, W: ?Sized> {
    writer: &'a mut W,
    rest: &'a [u8],
}

impl<W: AsyncWrite + Unpin + ?Sized> Future for WriteAll<'_, W> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = &mut *self;
        while !me.rest.is_empty() {
            let written = ready!(Pin::new(&mut *me.writer).poll_write(cx, me.rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            me.rest = &me.rest[written..];
        }
        Poll::Ready(Ok(()))
    }
}

/// The future of the methods of [`AsyncWriteExt`] that write a number.
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct WriteNumber<'a, W: ?Sized, const N: usize> {
    writer: &'a mut W,
    bytes: [u8; N],
    written: usize,
}

impl<W: AsyncWrite + Unpin + ?Sized, const N: usize> Future for WriteNumber<'_, W, N> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = &mut *self;
        while me.written < N {
            let rest = &me.bytes[me.written..];
            match ready!(Pin::new(&mut *me.writer).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => me.written += n,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// The future of [`AsyncWriteExt::flush`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct Flush<'a, W: ?Sized> {
    writer: &'a mut W,
}

impl<W: AsyncWrite + Unpin + ?Sized> Future for Flush<'_, W> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.writer).poll_flush(cx)
    }
}

/// The future of [`AsyncWriteExt::shutdown`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct Shutdown<'a, W: ?Sized> {
    writer: &'a mut W,
}

impl<W: AsyncWrite + Unpin + ?Sized> Future for Shutdown<'_, W> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.writer).poll_shutdown(cx)
    }
}
