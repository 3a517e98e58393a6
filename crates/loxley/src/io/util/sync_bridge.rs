//! [`SyncIoBridge`]: an async stream for code that blocks.

use std::io::{self, BufRead, IoSlice, Read, Seek, SeekFrom, Write};

use super::{
    AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncSeek, AsyncSeekExt, AsyncWrite,
    AsyncWriteExt,
};
use crate::runtime::Handle;

/// Reads and writes an async stream through the traits of `std::io`, blocking the thread meanwhile.
///
/// For code that knows only those, inside [`spawn_blocking`](crate::task::spawn_blocking). A name and meaning of
/// tokio-util's `io` module.
///
/// # Panics
///
/// Its operations panic where async tasks are driven: blocking there would stop them.
///
/// # Examples
///
/// ```
/// use std::io::Read;
/// use loxley::io::{AsyncWriteExt, SyncIoBridge, duplex};
///
/// # #[loxley::main]
/// # async fn main() -> std::io::Result<()> {
/// let (mut near, far) = duplex(64);
/// let mut far = SyncIoBridge::new(far);
/// let reader = loxley::task::spawn_blocking(move || {
///     let mut text = String::new();
///     far.read_to_string(&mut text).map(|_| text)
/// });
/// near.write_all(b"hello").await?;
/// drop(near);
/// assert_eq!(reader.await.unwrap()?, "hello");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SyncIoBridge<T> {
    stream: T,
    runtime: Handle,
}

impl<T: Unpin> SyncIoBridge<T> {
    /// A bridge over `src`, whose operations run in this runtime.
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    #[track_caller]
    pub fn new(src: T) -> Self {
        Self::new_with_handle(src, Handle::current())
    }

    /// A bridge over `src`, whose operations run in the runtime `rt`.
    pub fn new_with_handle(src: T, rt: Handle) -> Self {
        SyncIoBridge {
            stream: src,
            runtime: rt,
        }
    }

    /// The stream.
    pub fn into_inner(self) -> T {
        self.stream
    }
}

impl<T: AsyncWrite> SyncIoBridge<T> {
    /// Whether writing several buffers at once is worth preparing them.
    pub fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

impl<T: AsyncWrite + Unpin> SyncIoBridge<T> {
    /// Flushes and says goodbye to the other side.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    #[track_caller]
    pub fn shutdown(&mut self) -> io::Result<()> {
        self.runtime.block_on(self.stream.shutdown())
    }
}

impl<T: AsyncRead + Unpin> Read for SyncIoBridge<T> {
    #[track_caller]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.runtime.block_on(self.stream.read(buf))
    }

    #[track_caller]
    fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        self.runtime.block_on(self.stream.read_to_end(buf))
    }

    #[track_caller]
    fn read_to_string(&mut self, buf: &mut String) -> io::Result<usize> {
        self.runtime.block_on(self.stream.read_to_string(buf))
    }

    #[track_caller]
    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        self.runtime.block_on(self.stream.read_exact(buf)).map(drop)
    }
}

impl<T: AsyncBufRead + Unpin> BufRead for SyncIoBridge<T> {
    #[track_caller]
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.runtime
            .block_on(AsyncBufReadExt::fill_buf(&mut self.stream))
    }

    fn consume(&mut self, amt: usize) {
        AsyncBufReadExt::consume(&mut self.stream, amt);
    }

    #[track_caller]
    fn read_until(&mut self, byte: u8, buf: &mut Vec<u8>) -> io::Result<usize> {
        let reading = AsyncBufReadExt::read_until(&mut self.stream, byte, buf);
        self.runtime.block_on(reading)
    }

    #[track_caller]
    fn read_line(&mut self, buf: &mut String) -> io::Result<usize> {
        let reading = AsyncBufReadExt::read_line(&mut self.stream, buf);
        self.runtime.block_on(reading)
    }
}

impl<T: AsyncWrite + Unpin> Write for SyncIoBridge<T> {
    #[track_caller]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.runtime.block_on(self.stream.write(buf))
    }

    #[track_caller]
    fn flush(&mut self) -> io::Result<()> {
        self.runtime.block_on(self.stream.flush())
    }

    #[track_caller]
    fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
        self.runtime.block_on(self.stream.write_all(buf))
    }

    #[track_caller]
    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.runtime.block_on(self.stream.write_vectored(bufs))
    }
}

impl<T: AsyncSeek + Unpin> Seek for SyncIoBridge<T> {
    #[track_caller]
    fn seek(&mut self, pos: SeekFrom) -> io::Result<u64> {
        self.runtime
            .block_on(AsyncSeekExt::seek(&mut self.stream, pos))
    }
}

impl<T> AsRef<T> for SyncIoBridge<T> {
    fn as_ref(&self) -> &T {
        &self.stream
    }
}

impl<T> AsMut<T> for SyncIoBridge<T> {
    fn as_mut(&mut self) -> &mut T {
        &mut self.stream
    }
}
