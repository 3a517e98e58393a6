//! [`AsyncReadExt`]: the ways to read that one calls day by day.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BufMut;

use super::read_buf::poll_read_buf;
use super::read_to::{ReadToEnd, ReadToString};
use super::take_chain::{Chain, Take};
use super::{AsyncRead, ReadBuf};

/// One documented method per number.
macro_rules! numbers {
    ($($name:ident, $name_le:ident => $number:ty, $size:literal;)*) => {
        $(
            numbers!(@one $name => $number, $size, from_be_bytes, "big");
            numbers!(@one $name_le => $number, $size, from_le_bytes, "little");
        )*
    };
    (@one $name:ident => $number:ty, $size:literal, $convert:ident, $endian:literal) => {
        #[doc = concat!("Reads a [`", stringify!($number), "`] in ", $endian, "-endian order.")]
        ///
        /// # Errors
        ///
        /// Those of the stream, and `UnexpectedEof` if it ends before.
        ///
        /// # Cancellation
        ///
        /// Dropping the future loses the bytes that it has read.
        fn $name(&mut self) -> ReadNumber<'_, Self, $number, $size>
        where
            Self: Unpin,
        {
            ReadNumber::new(self, <$number>::$convert)
        }
    };
}

/// Methods for every [`AsyncRead`].
///
/// # Examples
///
/// ```
/// use loxley::io::AsyncReadExt;
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let mut stream = &b"\x00\x05hello, and the rest"[..];
/// let len = stream.read_u16().await?;
/// let mut word = vec![0; len.into()];
/// stream.read_exact(&mut word).await?;
/// assert_eq!(word, b"hello");
///
/// let mut rest = String::new();
/// stream.read_to_string(&mut rest).await?;
/// assert_eq!(rest, ", and the rest");
/// # Ok(())
/// # }
/// ```
pub trait AsyncReadExt: AsyncRead {
    /// Reads what is there into `buf`, at most `buf.len()` bytes, and says how many.
    ///
    /// Zero is the end of the stream, or an empty `buf`.
    ///
    /// # Errors
    ///
    /// Those of the stream; nothing was then read.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing: it has read either nothing or all that it reports.
    fn read<'a>(&'a mut self, buf: &'a mut [u8]) -> Read<'a, Self>
    where
        Self: Unpin,
    {
        Read { reader: self, buf }
    }

    /// Appends what is there to `buf`, and says how many bytes that was.
    ///
    /// Zero is the end of the stream, or a `buf` without room. A `Vec` always has room.
    ///
    /// # Errors
    ///
    /// Those of the stream; nothing was then read.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    fn read_buf<'a, B>(&'a mut self, buf: &'a mut B) -> ReadBufMut<'a, Self, B>
    where
        Self: Unpin,
        B: BufMut + ?Sized,
    {
        ReadBufMut { reader: self, buf }
    }

    /// Fills `buf`, and says its length.
    ///
    /// # Errors
    ///
    /// Those of the stream, and `UnexpectedEof` if it ends before; what `buf` then holds is not specified.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses the bytes that it has read: they are in `buf`, but nobody knows how many.
    fn read_exact<'a>(&'a mut self, buf: &'a mut [u8]) -> ReadExact<'a, Self>
    where
        Self: Unpin,
    {
        ReadExact {
            reader: self,
            buf: ReadBuf::new(buf),
        }
    }

    /// Appends everything up to the end of the stream to `buf`, and says how many bytes that was.
    ///
    /// # Errors
    ///
    /// Those of the stream; `buf` then holds what came before.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing: what was read is in `buf`.
    fn read_to_end<'a>(&'a mut self, buf: &'a mut Vec<u8>) -> ReadToEnd<'a, Self>
    where
        Self: Unpin,
    {
        ReadToEnd::new(self, buf)
    }

    /// Appends everything up to the end of the stream to `buf`, and says how many bytes that was.
    ///
    /// # Errors
    ///
    /// Those of the stream, and `InvalidData` if it is not UTF-8. `buf` is then as before.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses the bytes that it has read.
    fn read_to_string<'a>(&'a mut self, buf: &'a mut String) -> ReadToString<'a, Self>
    where
        Self: Unpin,
    {
        ReadToString::new(self, buf)
    }

    /// This stream, and when it ends `next`.
    fn chain<R>(self, next: R) -> Chain<Self, R>
    where
        Self: Sized,
        R: AsyncRead,
    {
        Chain::new(self, next)
    }

    /// This stream, ending after `limit` bytes.
    fn take(self, limit: u64) -> Take<Self>
    where
        Self: Sized,
    {
        Take::new(self, limit)
    }

    numbers! {
        read_u8, read_u8_le => u8, 1;
        read_i8, read_i8_le => i8, 1;
        read_u16, read_u16_le => u16, 2;
        read_i16, read_i16_le => i16, 2;
        read_u32, read_u32_le => u32, 4;
        read_i32, read_i32_le => i32, 4;
        read_u64, read_u64_le => u64, 8;
        read_i64, read_i64_le => i64, 8;
        read_u128, read_u128_le => u128, 16;
        read_i128, read_i128_le => i128, 16;
        read_f32, read_f32_le => f32, 4;
        read_f64, read_f64_le => f64, 8;
    }
}

impl<R: AsyncRead + ?Sized> AsyncReadExt for R {}

/// The future of [`AsyncReadExt::read`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct Read<'a, R: ?Sized> {
    reader: &'a mut R,
    buf: &'a mut [u8],
}

impl<R: AsyncRead + Unpin + ?Sized> Future for Read<'_, R> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let me = &mut *self;
        let mut buf = ReadBuf::new(me.buf);
        ready!(Pin::new(&mut *me.reader).poll_read(cx, &mut buf))?;
        Poll::Ready(Ok(buf.filled().len()))
    }
}

/// The future of [`AsyncReadExt::read_buf`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct ReadBufMut<'a, R: ?Sized, B: ?Sized> {
    reader: &'a mut R,
    buf: &'a mut B,
}

impl<R, B> Future for ReadBufMut<'_, R, B>
where
    R: AsyncRead + Unpin + ?Sized,
    B: BufMut + ?Sized,
{
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let me = &mut *self;
        poll_read_buf(Pin::new(&mut *me.reader), cx, me.buf)
    }
}

/// The future of [`AsyncReadExt::read_exact`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct ReadExact<'a, R: ?Sized> {
    reader: &'a mut R,
    buf: ReadBuf<'a>,
}

impl<R: AsyncRead + Unpin + ?Sized> Future for ReadExact<'_, R> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let me = &mut *self;
        while me.buf.remaining() > 0 {
            let before = me.buf.filled().len();
            ready!(Pin::new(&mut *me.reader).poll_read(cx, &mut me.buf))?;
            if me.buf.filled().len() == before {
                return Poll::Ready(Err(early_eof()));
            }
        }
        Poll::Ready(Ok(me.buf.capacity()))
    }
}

/// The future of the methods of [`AsyncReadExt`] that read a number.
#[must_use = "a future does nothing until it is awaited"]
pub struct ReadNumber<'a, R: ?Sized, T, const N: usize> {
    reader: &'a mut R,
    bytes: [u8; N],
    len: usize,
    convert: fn([u8; N]) -> T,
}

impl<'a, R: ?Sized, T, const N: usize> ReadNumber<'a, R, T, N> {
    fn new(reader: &'a mut R, convert: fn([u8; N]) -> T) -> ReadNumber<'a, R, T, N> {
        ReadNumber {
            reader,
            bytes: [0; N],
            len: 0,
            convert,
        }
    }
}

impl<R: AsyncRead + Unpin + ?Sized, T, const N: usize> Future for ReadNumber<'_, R, T, N> {
    type Output = io::Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let me = &mut *self;
        while me.len < N {
            let mut buf = ReadBuf::new(&mut me.bytes[me.len..]);
            ready!(Pin::new(&mut *me.reader).poll_read(cx, &mut buf))?;
            match buf.filled().len() {
                0 => return Poll::Ready(Err(early_eof())),
                n => me.len += n,
            }
        }
        Poll::Ready(Ok((me.convert)(me.bytes)))
    }
}

impl<R: ?Sized, T, const N: usize> fmt::Debug for ReadNumber<'_, R, T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadNumber")
            .field("size", &N)
            .field("read", &self.len)
            .finish()
    }
}

fn early_eof() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "early eof")
}
