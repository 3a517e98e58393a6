//! [`TcpStream`].

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use loxley_core::io::{Direction, Source};
use socket2::SockRef;

use super::TcpSocket;
use super::split::{self, ReadHalf, WriteHalf};
use super::split_owned::{self, OwnedReadHalf, OwnedWriteHalf};
use super::transfer::{Moved, poll_transfer};
use crate::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready, Receive, recv_buf, retry};
use crate::net::addr::{self, ToSocketAddrs};

/// A TCP connection.
///
/// Read and write it with [`AsyncReadExt`](crate::io::AsyncReadExt) and
/// [`AsyncWriteExt`](crate::io::AsyncWriteExt), or with the traits of `futures-io`, which it implements as
/// well. [`split`](TcpStream::split) and [`into_split`](TcpStream::into_split) make two halves of it. Dropping it closes the connection.
///
/// For each direction one task may wait through the `poll_` methods and the traits; any number may wait
/// through [`ready`](TcpStream::ready), [`readable`](TcpStream::readable) and
/// [`writable`](TcpStream::writable).
///
/// # Examples
///
/// ```
/// use loxley::io::{AsyncReadExt, AsyncWriteExt};
/// use loxley::net::{TcpListener, TcpStream};
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let mut client = TcpStream::connect(listener.local_addr()?).await?;
/// let (mut server, _) = listener.accept().await?;
///
/// client.write_all(b"ping").await?;
/// let mut word = [0; 4];
/// server.read_exact(&mut word).await?;
/// assert_eq!(&word, b"ping");
/// # Ok(())
/// # }
/// ```
pub struct TcpStream {
    source: Source<std::net::TcpStream>,
}

/// Making, and going back to the standard library.
impl TcpStream {
    /// Connects to `addr`; of several addresses, the first that answers.
    ///
    /// # Errors
    ///
    /// That of the last address tried; `InvalidInput` if there was none.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one without [`enable_io`](crate::runtime::Builder::enable_io).
    ///
    /// # Cancellation
    ///
    /// Dropping the future closes the socket.
    pub async fn connect<A: ToSocketAddrs>(addr: A) -> io::Result<TcpStream> {
        let mut last = None;
        for address in addr::resolve(addr).await? {
            // A family that the system does not have fails here, and the next address may be of another.
            let connected = match TcpSocket::for_address(address) {
                Ok(socket) => socket.connect(address).await,
                Err(error) => Err(error),
            };
            match connected {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(addr::no_address))
    }

    /// Takes over a connected stream of the standard library and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// If the system refuses to.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one without [`enable_io`](crate::runtime::Builder::enable_io).
    #[track_caller]
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<TcpStream> {
        stream.set_nonblocking(true)?;
        Ok(TcpStream {
            source: Source::new(stream)?,
        })
    }

    /// The stream of the standard library; it stays non-blocking until that is changed with
    /// [`set_nonblocking`](std::net::TcpStream::set_nonblocking).
    ///
    /// # Errors
    ///
    /// If the system refuses to end the registration.
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        self.source.into_inner()
    }

    /// Wraps an accepted, non-blocking stream: on a given worker, or where there are the fewest.
    pub(super) fn accepted(
        stream: std::net::TcpStream,
        worker: Option<usize>,
    ) -> io::Result<TcpStream> {
        let source = match worker {
            Some(worker) => Source::on_worker(stream, worker)?,
            None => Source::spread(stream)?,
        };
        Ok(TcpStream { source })
    }

    /// Wraps a non-blocking stream on which `connect` has succeeded at once.
    #[track_caller]
    pub(super) fn connected(stream: std::net::TcpStream) -> io::Result<TcpStream> {
        Ok(TcpStream {
            source: Source::new(stream)?,
        })
    }

    /// Waits for a `connect` that was begun on a non-blocking stream.
    pub(super) async fn connecting(stream: std::net::TcpStream) -> io::Result<TcpStream> {
        let stream = TcpStream {
            source: Source::connecting(stream)?,
        };
        loop {
            let event = stream.source.ready(Interest::WRITABLE).await?;
            if let Some(error) = stream.take_error()? {
                return Err(error);
            }
            // An event may be spurious; only a peer proves the connection.
            match stream.peer_addr() {
                Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                    stream.source.clear(event)
                }
                Err(error) => return Err(error),
                Ok(_) => return Ok(stream),
            }
        }
    }
}

/// Readiness, and operations that do not wait.
impl TcpStream {
    /// Waits until the stream is ready for one of `interest`, and says for what.
    ///
    /// The answer may be out of date when it arrives: the `try_` operation that follows can still say
    /// `WouldBlock`, and only that clears the readiness.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        let event = self.source.ready(interest).await?;
        Ok(event.ready())
    }

    /// Waits until there is something to read, or the end, or an error.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub async fn readable(&self) -> io::Result<()> {
        self.ready(Interest::READABLE).await.map(drop)
    }

    /// Waits until there is room to write, or an error.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub async fn writable(&self) -> io::Result<()> {
        self.ready(Interest::WRITABLE).await.map(drop)
    }

    /// As [`readable`](TcpStream::readable), for those who poll by hand. Only the waker of the last call is kept.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.source.poll_read_ready(cx).map_ok(drop)
    }

    /// As [`writable`](TcpStream::writable), for those who poll by hand. Only the waker of the last call is kept.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.source.poll_write_ready(cx).map_ok(drop)
    }

    /// Reads what is there into `buf`, without waiting; zero is the end of the stream.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is nothing now; otherwise those of the connection.
    ///
    /// # Examples
    ///
    /// ```
    /// # use loxley::{io::AsyncWriteExt, net::{TcpListener, TcpStream}};
    /// use std::io::ErrorKind::WouldBlock;
    ///
    /// # #[loxley::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let mut client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// # client.write_all(b"ping").await?;
    /// let mut word = [0; 64];
    /// let len = loop {
    ///     server.readable().await?;
    ///     match server.try_read(&mut word) {
    ///         Err(error) if error.kind() == WouldBlock => continue,
    ///         result => break result?,
    ///     }
    /// };
    /// assert_eq!(&word[..len], b"ping");
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.source
            .try_io(Interest::READABLE, |mut stream| retry(|| stream.read(buf)))
    }

    /// As [`try_read`](TcpStream::try_read), into several buffers in order.
    ///
    /// # Errors
    ///
    /// Those of [`try_read`](TcpStream::try_read).
    pub fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.source.try_io(Interest::READABLE, |mut stream| {
            retry(|| stream.read_vectored(bufs))
        })
    }

    /// As [`try_read`](TcpStream::try_read), appending to `buf`.
    ///
    /// # Errors
    ///
    /// Those of [`try_read`](TcpStream::try_read).
    pub fn try_read_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        self.source.try_io(Interest::READABLE, |stream| {
            recv_buf(&SockRef::from(stream), buf, Receive::Take)
        })
    }

    /// Writes as much of `buf` as fits, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if nothing fits now; otherwise those of the connection.
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.source
            .try_io(Interest::WRITABLE, |mut stream| retry(|| stream.write(buf)))
    }

    /// As [`try_write`](TcpStream::try_write), out of several buffers in order.
    ///
    /// # Errors
    ///
    /// Those of [`try_write`](TcpStream::try_write).
    pub fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.source.try_io(Interest::WRITABLE, |mut stream| {
            retry(|| stream.write_vectored(bufs))
        })
    }

    /// Does an operation of your own on the stream's descriptor, if the stream is ready for `interest`.
    ///
    /// `f` must say `WouldBlock` if, and only if, the stream is not ready after all: that clears the readiness.
    ///
    /// # Errors
    ///
    /// `WouldBlock` without a call of `f` if the stream is not ready; otherwise what `f` says.
    pub fn try_io<R>(
        &self,
        interest: Interest,
        f: impl FnOnce() -> io::Result<R>,
    ) -> io::Result<R> {
        self.source.try_io(interest, |_| f())
    }

    /// Does an operation of your own on the stream's descriptor, and waits for `interest` as long as `f` says
    /// `WouldBlock`.
    ///
    /// # Errors
    ///
    /// What `f` says, and if the runtime has shut down.
    ///
    /// # Cancellation
    ///
    /// Loses nothing if `f` loses nothing: the future waits outside `f` only.
    pub async fn async_io<R>(
        &self,
        interest: Interest,
        mut f: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        self.source.async_io(interest, |_| f()).await
    }

    /// Reads what is there into `buf` and leaves it in the stream; zero is the end of the stream.
    ///
    /// # Errors
    ///
    /// Those of the connection.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.source
            .async_io(Interest::READABLE, |stream| retry(|| stream.peek(buf)))
            .await
    }

    /// As [`peek`](TcpStream::peek), for those who poll by hand. Only the waker of the last call is kept.
    ///
    /// # Errors
    ///
    /// Those of the connection.
    pub fn poll_peek(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        self.source.poll_io(cx, Direction::Read, |stream| {
            recv_buf(&SockRef::from(stream), buf, Receive::Peek)
        })
    }
}

/// Halves.
impl TcpStream {
    /// The two halves, which borrow the stream; for one task that does both at a time.
    ///
    /// Costs nothing. For two tasks: [`into_split`](TcpStream::into_split).
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        split::split(self)
    }

    /// The two halves, which own the stream together; for two tasks.
    ///
    /// Dropping the writing half shuts the stream down for writing. Costs one allocation, no lock.
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        split_owned::split(self)
    }
}

/// What the traits of both families and the halves do.
impl TcpStream {
    #[inline]
    pub(super) fn poll_read_into(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        let asked = buf.remaining();
        poll_transfer(&self.source, cx, Direction::Read, |stream| {
            let bytes = recv_buf(&SockRef::from(stream), buf, Receive::Take)?;
            Ok(Moved { bytes, asked })
        })
    }

    pub(super) fn poll_read_slices(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let asked = bufs.iter().map(|buf| buf.len()).sum();
        poll_transfer(&self.source, cx, Direction::Read, |mut stream| {
            Ok(Moved {
                bytes: stream.read_vectored(bufs)?,
                asked,
            })
        })
    }

    #[inline]
    pub(super) fn poll_write_from(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        poll_transfer(&self.source, cx, Direction::Write, |mut stream| {
            Ok(Moved {
                bytes: stream.write(buf)?,
                asked: buf.len(),
            })
        })
    }

    pub(super) fn poll_write_slices(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let asked = bufs.iter().map(|buf| buf.len()).sum();
        poll_transfer(&self.source, cx, Direction::Write, |mut stream| {
            Ok(Moved {
                bytes: stream.write_vectored(bufs)?,
                asked,
            })
        })
    }

    pub(super) fn std(&self) -> &std::net::TcpStream {
        self.source.get_ref()
    }

    /// The halves have a method of this name too, for the macros.
    pub(super) fn stream(&self) -> &TcpStream {
        self
    }

    /// The halves have a method of this name too, for the macros.
    pub(super) fn shut_down(&mut self) -> io::Result<()> {
        self.shut_down_writing()
    }

    pub(super) fn shut_down_writing(&self) -> io::Result<()> {
        self.source.get_ref().shutdown(Shutdown::Write)
    }
}

impl AsyncRead for TcpStream {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_read_into(cx, buf))?;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TcpStream {
    #[inline]
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_from(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_slices(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Nothing to do: the system sends by itself.
    #[inline]
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Sends the end of the stream; reading goes on.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shut_down_writing())
    }
}

impl TryFrom<std::net::TcpStream> for TcpStream {
    type Error = io::Error;

    /// As [`TcpStream::from_std`].
    fn try_from(stream: std::net::TcpStream) -> io::Result<TcpStream> {
        TcpStream::from_std(stream)
    }
}

impl AsRef<TcpStream> for TcpStream {
    fn as_ref(&self) -> &TcpStream {
        self
    }
}

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.source.get_ref().as_fd()
    }
}

impl AsRawFd for TcpStream {
    fn as_raw_fd(&self) -> RawFd {
        self.source.get_ref().as_raw_fd()
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.get_ref().fmt(f)
    }
}
