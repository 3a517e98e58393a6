//! [`AsyncSeekExt`]: moving in a stream and waiting for it.

use std::future::Future;
use std::io::{self, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::AsyncSeek;

/// Methods for every [`AsyncSeek`].
///
/// # Examples
///
/// ```
/// use loxley::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let mut stream = std::io::Cursor::new(b"hello");
/// assert_eq!(stream.seek(SeekFrom::End(-2)).await?, 3);
/// assert_eq!(stream.read_u8().await?, b'l');
/// assert_eq!(stream.stream_position().await?, 4);
/// assert_eq!(stream.rewind().await?, 0);
/// # Ok(())
/// # }
/// ```
pub trait AsyncSeekExt: AsyncSeek {
    /// Moves, and says where that led, in bytes from the start. Beyond the end is allowed.
    ///
    /// # Errors
    ///
    /// Those of the stream, and if the place lies before the start.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves the seek under way: the next operation waits for it.
    fn seek(&mut self, pos: SeekFrom) -> Seek<'_, Self>
    where
        Self: Unpin,
    {
        Seek {
            seek: self,
            position: Some(pos),
            begun: false,
        }
    }

    /// Moves to the start.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    fn rewind(&mut self) -> Seek<'_, Self>
    where
        Self: Unpin,
    {
        self.seek(SeekFrom::Start(0))
    }

    /// Where it is, in bytes from the start.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    fn stream_position(&mut self) -> Seek<'_, Self>
    where
        Self: Unpin,
    {
        self.seek(SeekFrom::Current(0))
    }
}

impl<S: AsyncSeek + ?Sized> AsyncSeekExt for S {}

/// The future of the methods of [`AsyncSeekExt`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct Seek<'a, S: ?Sized> {
    seek: &'a mut S,
    position: Option<SeekFrom>,
    begun: bool,
}

impl<S: AsyncSeek + Unpin + ?Sized> Future for Seek<'_, S> {
    type Output = io::Result<u64>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        let me = &mut *self;
        if !me.begun {
            // A seek that somebody has begun and not awaited comes first; its result is nobody's.
            let _ = ready!(Pin::new(&mut *me.seek).poll_complete(cx));
            me.begun = true;
        }
        if let Some(position) = me.position.take() {
            Pin::new(&mut *me.seek).start_seek(position)?;
        }
        Pin::new(&mut *me.seek).poll_complete(cx)
    }
}
