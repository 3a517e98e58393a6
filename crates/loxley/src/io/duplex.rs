//! [`duplex`](fn@duplex): a connection in memory, for tests and for joining two pieces of one program.
//!
//! Two pipes, one for each direction; a pipe is a ring of bytes with a limit, a flag for each end that has
//! gone, and the waker of each side. Wakers are taken out under the lock and woken after it.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use loxley_core::coop;
use parking_lot::Mutex;

use super::{AsyncRead, AsyncWrite, ReadBuf};

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

impl AsyncRead for DuplexStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let unit = ready!(coop::poll_proceed(cx));
        // Cloned before the lock is taken: a waker may be anybody's code.
        let waker = cx.waker().clone();
        let mut pipe = self.read.lock();
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
}

impl DuplexStream {
    /// Writes the buffers in order, as much as fits.
    fn poll_write_all_of(&self, cx: &mut Context<'_>, bufs: &[&[u8]]) -> Poll<io::Result<usize>> {
        let unit = ready!(coop::poll_proceed(cx));
        let waker = cx.waker().clone();
        let mut pipe = self.write.lock();
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
}

impl AsyncWrite for DuplexStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_all_of(cx, &[buf])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bufs: Vec<&[u8]> = bufs.iter().map(|buf| &**buf).collect();
        self.poll_write_all_of(cx, &bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        end(&self.write);
        Poll::Ready(Ok(()))
    }
}

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
