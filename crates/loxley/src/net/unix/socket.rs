//! [`UnixSocket`]: a unix socket that is neither listening nor connected yet.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, RawFd};
use std::path::Path;

use socket2::{Domain, Socket, Type};

use super::{SocketAddr, UnixDatagram, UnixListener, UnixStream, address};
use crate::net::under_way;

/// A unix socket that is bound before it [listens](UnixSocket::listen) or [connects](UnixSocket::connect).
///
/// # Examples
///
/// ```
/// use loxley::net::UnixSocket;
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let folder = std::env::temp_dir().join(format!("loxley-doc-socket-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// let path = folder.join("service");
/// let socket = UnixSocket::new_stream()?;
/// socket.bind(&path)?;
/// let listener = socket.listen(16)?;
/// let stream = UnixSocket::new_stream()?.connect(&path).await?;
/// assert_eq!(stream.peer_addr()?.as_pathname(), Some(path.as_path()));
/// # drop(listener);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok(())
/// # }
/// ```
pub struct UnixSocket {
    inner: Socket,
}

impl UnixSocket {
    /// A socket for datagrams.
    ///
    /// # Errors
    ///
    /// If too many files are open.
    pub fn new_datagram() -> io::Result<UnixSocket> {
        UnixSocket::new(Type::DGRAM)
    }

    /// A socket for a stream.
    ///
    /// # Errors
    ///
    /// If too many files are open.
    pub fn new_stream() -> io::Result<UnixSocket> {
        UnixSocket::new(Type::STREAM)
    }

    /// Binds the socket to `path`.
    ///
    /// # Errors
    ///
    /// `AddrInUse` if something is there; `InvalidInput` if the path is too long; otherwise those of the system.
    pub fn bind(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.inner.bind(&raw(path.as_ref())?)
    }

    /// Listens; up to `backlog` connections may wait to be accepted, if the system allows.
    ///
    /// # Errors
    ///
    /// If it is a socket for datagrams; otherwise those of the system.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one without [`enable_io`](crate::runtime::Builder::enable_io).
    #[track_caller]
    pub fn listen(self, backlog: u32) -> io::Result<UnixListener> {
        self.must_be(Type::STREAM, "a socket for datagrams cannot listen")?;
        self.inner
            .listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        UnixListener::from_nonblocking(self.inner.into())
    }

    /// Connects to the listener at `path`.
    ///
    /// # Errors
    ///
    /// If it is a socket for datagrams; otherwise those of [`UnixStream::connect`].
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one without [`enable_io`](crate::runtime::Builder::enable_io).
    ///
    /// # Cancellation
    ///
    /// Dropping the future closes the socket.
    pub async fn connect(self, path: impl AsRef<Path>) -> io::Result<UnixStream> {
        self.must_be(Type::STREAM, "a socket for datagrams makes no stream")?;
        self.connect_raw(raw(path.as_ref())?).await
    }

    pub(super) async fn connect_addr(self, to: &SocketAddr) -> io::Result<UnixStream> {
        let to = address::raw(&to.0)?;
        self.connect_raw(to).await
    }

    async fn connect_raw(self, to: socket2::SockAddr) -> io::Result<UnixStream> {
        match self.inner.connect(&to) {
            Ok(()) => UnixStream::from_nonblocking(self.inner.into()),
            Err(error) if under_way(&error) => UnixStream::connecting(self.inner.into()).await,
            Err(error) => Err(error),
        }
    }

    /// The same socket, for datagrams.
    ///
    /// # Errors
    ///
    /// If it is a socket for a stream.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one without [`enable_io`](crate::runtime::Builder::enable_io).
    #[track_caller]
    pub fn datagram(self) -> io::Result<UnixDatagram> {
        self.must_be(Type::DGRAM, "a socket for a stream has no datagrams")?;
        UnixDatagram::from_nonblocking(self.inner.into())
    }

    pub(in crate::net) fn from_socket(inner: Socket) -> UnixSocket {
        UnixSocket { inner }
    }

    fn must_be(&self, kind: Type, message: &str) -> io::Result<()> {
        if self.inner.r#type()? == kind {
            return Ok(());
        }
        Err(io::Error::other(message))
    }

    fn new(kind: Type) -> io::Result<UnixSocket> {
        // Where the system can, non-blocking from the start saves a call.
        #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
        let inner = Socket::new(Domain::UNIX, kind.nonblocking(), None)?;
        #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
        let inner = {
            let inner = Socket::new(Domain::UNIX, kind, None)?;
            inner.set_nonblocking(true)?;
            inner
        };
        Ok(UnixSocket { inner })
    }
}

fn raw(path: &Path) -> io::Result<socket2::SockAddr> {
    address::raw(&address::named(path)?)
}

impl AsFd for UnixSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

impl AsRawFd for UnixSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.inner.as_raw_fd()
    }
}

impl IntoRawFd for UnixSocket {
    fn into_raw_fd(self) -> RawFd {
        self.inner.into_raw_fd()
    }
}

impl fmt::Debug for UnixSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
