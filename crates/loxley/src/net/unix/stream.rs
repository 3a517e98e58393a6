//! [`UnixStream`].

use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net;
use std::path::Path;
use std::task::{Context, Poll};

use bytes::BufMut;
use loxley_core::io::{Direction, Source};
use socket2::SockRef;

use super::split::{self, ReadHalf, WriteHalf};
use super::split_owned::{self, OwnedReadHalf, OwnedWriteHalf};
use super::{SocketAddr, UCred, UnixSocket, address, credentials};
use crate::io::{Interest, ReadBuf, Ready, Receive, recv_buf, retry};
use crate::net::methods::{poll_ready_methods, readiness_methods, std_methods, stream_methods};
use crate::net::traits::{impl_async_read, impl_async_write, impl_descriptor};
use crate::net::transfer::{Moved, poll_transfer};

/// A connection to a process on this machine.
///
/// All that is said of [`TcpStream`](crate::net::TcpStream) about reading, writing, halves and waiting is true here.
///
/// # Examples
///
/// ```
/// use loxley::io::{AsyncReadExt, AsyncWriteExt};
/// use loxley::net::UnixStream;
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let (mut near, mut far) = UnixStream::pair()?;
/// near.write_all(b"ping").await?;
/// near.shutdown().await?;
/// let mut word = String::new();
/// far.read_to_string(&mut word).await?;
/// assert_eq!(word, "ping");
/// assert_eq!(far.peer_cred()?.pid(), Some(std::process::id() as i32));
/// # Ok(())
/// # }
/// ```
pub struct UnixStream {
    source: Source<net::UnixStream>,
}

/// Making, and going back to the standard library.
impl UnixStream {
    /// Connects to the listener at `path`.
    ///
    /// # Errors
    ///
    /// `NotFound` if nothing is there, `ConnectionRefused` if nobody listens, `WouldBlock` if more connections wait
    /// there than the listener allows: Linux has no way to wait for a place among them.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one without [`enable_io`](crate::runtime::Builder::enable_io).
    ///
    /// # Cancellation
    ///
    /// Dropping the future closes the socket.
    pub async fn connect<P: AsRef<Path>>(path: P) -> io::Result<UnixStream> {
        let to = address::named(path.as_ref())?;
        UnixStream::connect_addr(&to.into()).await
    }

    /// Connects to the listener at `socket_addr`.
    ///
    /// # Errors
    ///
    /// Those of [`connect`](UnixStream::connect), and `InvalidInput` if the address is unnamed.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one without [`enable_io`](crate::runtime::Builder::enable_io).
    ///
    /// # Cancellation
    ///
    /// Dropping the future closes the socket.
    pub async fn connect_addr(socket_addr: &SocketAddr) -> io::Result<UnixStream> {
        UnixSocket::new_stream()?.connect_addr(socket_addr).await
    }

    /// Two streams, connected with each other.
    ///
    /// # Errors
    ///
    /// If too many files are open.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one without [`enable_io`](crate::runtime::Builder::enable_io).
    #[track_caller]
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let (near, far) = net::UnixStream::pair()?;
        Ok((UnixStream::from_std(near)?, UnixStream::from_std(far)?))
    }

    std_methods!(net::UnixStream);

    #[track_caller]
    pub(super) fn from_nonblocking(stream: net::UnixStream) -> io::Result<UnixStream> {
        Ok(UnixStream {
            source: Source::new(stream)?,
        })
    }

    pub(super) fn accepted(stream: net::UnixStream) -> io::Result<UnixStream> {
        Ok(UnixStream {
            source: Source::spread(stream)?,
        })
    }

    /// Waits for a `connect` that was begun on a non-blocking stream.
    pub(super) async fn connecting(stream: net::UnixStream) -> io::Result<UnixStream> {
        let stream = UnixStream {
            source: Source::connecting(stream)?,
        };
        stream.writable().await?;
        match stream.take_error()? {
            Some(error) => Err(error),
            None => Ok(stream),
        }
    }
}

/// Reading and writing.
impl UnixStream {
    readiness_methods!();
    poll_ready_methods!(poll_read_ready, poll_write_ready);
    stream_methods!();
}

/// Addresses.
impl UnixStream {
    /// The address of this side: mostly one without a name.
    ///
    /// # Errors
    ///
    /// If the system does not know it.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.source.get_ref().local_addr().map(SocketAddr)
    }

    /// The address of the other side.
    ///
    /// # Errors
    ///
    /// `NotConnected` if the connection is gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.source.get_ref().peer_addr().map(SocketAddr)
    }

    /// The process at the other side, at the time it connected. The system vouches for it.
    ///
    /// # Errors
    ///
    /// If the system does not answer; outside Linux always `Unsupported`.
    pub fn peer_cred(&self) -> io::Result<UCred> {
        credentials::of_peer(self.source.get_ref())
    }
}

impl_async_read!(UnixStream);
impl_async_write!(UnixStream);
impl_descriptor!(UnixStream, net::UnixStream);

impl AsRef<UnixStream> for UnixStream {
    fn as_ref(&self) -> &UnixStream {
        self
    }
}
