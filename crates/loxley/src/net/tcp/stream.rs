//! [`TcpStream`].

use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::net::Shutdown;
use std::task::{Context, Poll};

use bytes::BufMut;
use loxley_core::io::{Direction, Source};
use socket2::SockRef;

use super::TcpSocket;
use super::split::{self, ReadHalf, WriteHalf};
use super::split_owned::{self, OwnedReadHalf, OwnedWriteHalf};
use crate::io::{Interest, ReadBuf, Ready, Receive, recv_buf, retry};
use crate::net::addr::{self, ToSocketAddrs};
use crate::net::methods::{poll_ready_methods, readiness_methods, std_methods, stream_methods};
use crate::net::traits::{impl_async_read, impl_async_write, impl_descriptor};
use crate::net::transfer::{Moved, poll_transfer};

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

    std_methods!(std::net::TcpStream);

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

    /// Wraps a connected, non-blocking stream.
    #[track_caller]
    pub(super) fn from_nonblocking(stream: std::net::TcpStream) -> io::Result<TcpStream> {
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

/// Reading and writing.
impl TcpStream {
    readiness_methods!();
    poll_ready_methods!(poll_read_ready, poll_write_ready);
    stream_methods!();

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

/// For the other parts of this module.
impl TcpStream {
    pub(super) fn std(&self) -> &std::net::TcpStream {
        self.source.get_ref()
    }
}

impl_async_read!(TcpStream);
impl_async_write!(TcpStream);
impl_descriptor!(TcpStream, std::net::TcpStream);

impl AsRef<TcpStream> for TcpStream {
    fn as_ref(&self) -> &TcpStream {
        self
    }
}
