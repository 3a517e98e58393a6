//! [`duplex`](fn@duplex) and [`simplex`](fn@simplex): connections in memory, for tests and for joining two pieces of
//! one program.
//!
//! A duplex connection is two pipes, one for each direction; a simplex one is a pipe. A pipe is a ring of bytes with a limit, a flag for each end that has
//! gone, and the waker of each side. Wakers are taken out under the lock and woken after it.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::panic::RefUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use loxley_core::coop;
use parking_lot::Mutex;

use super::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf, WriteHalf, split};

/// A connection in memory: what is written to one of the streams is read from the other.
///
/// Each direction holds at most `max_buf_size` bytes; a writer waits when that is full. Dropping a stream
/// ends both directions: the other reads what is left and then the end, and its writes fail with `BrokenPipe`.
///
/// # Panics
///
/// If `max_buf_size` is 0: nothing could ever be written.
///
/// # Examples
///
/// ```
/// use loxley::io::{AsyncReadExt, AsyncWriteExt, duplex};
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let (mut client, mut server) = duplex(64);
/// client.write_all(b"ping").await?;
/// let mut word = [0; 4];
/// server.read_exact(&mut word).await?;
/// assert_eq!(&word, b"ping");
/// # Ok(())
/// # }
/// ```
#[must_use]
#[track_caller]
pub fn duplex(max_buf_size: usize) -> (DuplexStream, DuplexStream) {
    assert!(
        max_buf_size > 0,
        "a connection that holds 0 bytes carries nothing"
    );
    let one = Arc::new(Mutex::new(Pipe::new(max_buf_size)));
    let two = Arc::new(Mutex::new(Pipe::new(max_buf_size)));
    let near = DuplexStream {
        read: Arc::clone(&one),
        write: Arc::clone(&two),
    };
    let far = DuplexStream {
        read: two,
        write: one,
    };
    (near, far)
}

/// One end of a [`duplex`](fn@duplex) connection.
#[derive(Debug)]
pub struct DuplexStream {
    read: Arc<Mutex<Pipe>>,
    write: Arc<Mutex<Pipe>>,
}

/// One direction.
#[derive(Debug)]
struct Pipe {
    bytes: VecDeque<u8>,
    limit: usize,
    /// Nothing more will be written.
    ended: bool,
    /// Nobody will read.
    abandoned: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Pipe {
    fn new(limit: usize) -> Pipe {
        Pipe {
            bytes: VecDeque::new(),
            limit,
            ended: false,
            abandoned: false,
            reader: None,
            writer: None,
        }
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Reads what a pipe holds.
fn poll_read_pipe(
    pipe: &Mutex<Pipe>,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    let unit = ready!(coop::poll_proceed(cx));
    // Cloned before the lock is taken: a waker may be anybody's code.
    let waker = cx.waker().clone();
    let mut pipe = pipe.lock();
    if pipe.bytes.is_empty() && !pipe.ended && buf.remaining() > 0 {
        let old = pipe.reader.replace(waker);
        drop(pipe);
        drop(old);
        return Poll::Pending;
    }
    let len = pipe.bytes.len().min(buf.remaining());
    let (front, back) = pipe.bytes.as_slices();
    let first = front.len().min(len);
    buf.put_slice(&front[..first]);
    buf.put_slice(&back[..len - first]);
    pipe.bytes.drain(..len);
    let writer = if len > 0 { pipe.writer.take() } else { None };
    drop(pipe);
    wake(writer);
    unit.made_progress();
    Poll::Ready(Ok(()))
}

/// Writes the buffers in order, as much as fits.
fn poll_write_pipe(
    pipe: &Mutex<Pipe>,
    cx: &mut Context<'_>,
    bufs: &[&[u8]],
) -> Poll<io::Result<usize>> {
    let unit = ready!(coop::poll_proceed(cx));
    let waker = cx.waker().clone();
    let mut pipe = pipe.lock();
    if pipe.abandoned || pipe.ended {
        drop(pipe);
        unit.made_progress();
        return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
    }
    let room = pipe.limit - pipe.bytes.len();
    if room == 0 && bufs.iter().any(|buf| !buf.is_empty()) {
        let old = pipe.writer.replace(waker);
        drop(pipe);
        drop(old);
        return Poll::Pending;
    }
    let mut written = 0;
    for buf in bufs {
        let len = buf.len().min(room - written);
        pipe.bytes.extend(&buf[..len]);
        written += len;
    }
    let reader = if written > 0 {
        pipe.reader.take()
    } else {
        None
    };
    drop(pipe);
    wake(reader);
    unit.made_progress();
    Poll::Ready(Ok(written))
}

/// Both directions of a stream over the pipes that it names.
macro_rules! over_pipes {
    ($stream:ty, read: $read:ident, write: $write:ident) => {
        impl AsyncRead for $stream {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                poll_read_pipe(&self.$read, cx, buf)
            }
        }

        impl AsyncWrite for $stream {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                poll_write_pipe(&self.$write, cx, &[buf])
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                let bufs: Vec<&[u8]> = bufs.iter().map(|buf| &**buf).collect();
                poll_write_pipe(&self.$write, cx, &bufs)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                end(&self.$write);
                Poll::Ready(Ok(()))
            }
        }
    };
}

over_pipes!(DuplexStream, read: read, write: write);

/// A pipe in memory: what is written to the writing half is read from the reading half.
///
/// It holds at most `max_buf_size` bytes; a writer waits when that is full. Shut the writing half down at the end:
/// dropping it ends nothing, because the halves share one stream.
///
/// # Panics
///
/// If `max_buf_size` is 0: nothing could ever be written.
///
/// # Examples
///
/// ```
/// use loxley::io::{AsyncReadExt, AsyncWriteExt, simplex};
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let (mut reader, mut writer) = simplex(64);
/// writer.write_all(b"hello").await?;
/// writer.shutdown().await?;
/// let mut text = String::new();
/// reader.read_to_string(&mut text).await?;
/// assert_eq!(text, "hello");
/// # Ok(())
/// # }
/// ```
#[must_use]
#[track_caller]
pub fn simplex(max_buf_size: usize) -> (ReadHalf<SimplexStream>, WriteHalf<SimplexStream>) {
    split(SimplexStream::new_unsplit(max_buf_size))
}

/// A pipe in memory: what is written to it is read from it. See [`simplex`](fn@simplex).
#[derive(Debug)]
pub struct SimplexStream {
    pipe: Mutex<Pipe>,
}

impl SimplexStream {
    /// A pipe whose two ends are one value.
    ///
    /// # Panics
    ///
    /// If `max_buf_size` is 0: nothing could ever be written.
    #[must_use]
    #[track_caller]
    pub fn new_unsplit(max_buf_size: usize) -> SimplexStream {
        assert!(
            max_buf_size > 0,
            "a pipe that holds 0 bytes carries nothing"
        );
        SimplexStream {
            pipe: Mutex::new(Pipe::new(max_buf_size)),
        }
    }
}

// Nothing panics while a pipe is locked.
impl RefUnwindSafe for SimplexStream {}

over_pipes!(SimplexStream, read: pipe, write: pipe);

/// The writing side has gone.
fn end(pipe: &Mutex<Pipe>) {
    let mut pipe = pipe.lock();
    pipe.ended = true;
    let reader = pipe.reader.take();
    drop(pipe);
    wake(reader);
}

/// The reading side has gone, and what nobody will read with it.
fn abandon(pipe: &Mutex<Pipe>) {
    let mut pipe = pipe.lock();
    pipe.abandoned = true;
    pipe.bytes = VecDeque::new();
    let writer = pipe.writer.take();
    drop(pipe);
    wake(writer);
}

impl Drop for DuplexStream {
    fn drop(&mut self) {
        end(&self.write);
        abandon(&self.read);
    }
}
