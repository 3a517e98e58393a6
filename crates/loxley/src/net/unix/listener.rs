//! [`UnixListener`].

use std::io;
use std::os::unix::net;
use std::path::Path;
use std::task::{Context, Poll, ready};

use loxley_core::io::{Direction, Interest, Source};

use super::{SocketAddr, UnixStream, address};
use crate::io::retry;
use crate::net::methods::std_methods;
use crate::net::traits::impl_descriptor;

/// A socket that accepts connections from this machine.
///
/// Any number of tasks may await [`accept`](UnixListener::accept) on one listener; accepted streams are spread over
/// the pollers of the workers. The file at its path stays when it is dropped, and must be removed before another
/// listener can be bound there.
///
/// # Examples
///
/// ```
/// use loxley::io::{AsyncReadExt, AsyncWriteExt};
/// use loxley::net::{UnixListener, UnixStream};
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let folder = std::env::temp_dir().join(format!("loxley-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// let path = folder.join("service");
/// let listener = UnixListener::bind(&path)?;
/// let mut client = UnixStream::connect(&path).await?;
/// let (mut server, _) = listener.accept().await?;
///
/// client.write_all(b"ping").await?;
/// let mut word = [0; 4];
/// server.read_exact(&mut word).await?;
/// assert_eq!(&word, b"ping");
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok(())
/// # }
/// ```
pub struct UnixListener {
    source: Source<net::UnixListener>,
}

impl UnixListener {
    /// Listens at `path`, where nothing may be yet.
    ///
    /// # Errors
    ///
    /// `AddrInUse` if something is there; `InvalidInput` if the path is too long; otherwise those of the system.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one without [`enable_io`](crate::runtime::Builder::enable_io).
    #[track_caller]
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixListener> {
        let address = address::named(path.as_ref())?;
        UnixListener::bind_addr(&address.into())
    }

    /// Listens at `socket_addr`.
    ///
    /// # Errors
    ///
    /// Those of [`bind`](UnixListener::bind).
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one without [`enable_io`](crate::runtime::Builder::enable_io).
    #[track_caller]
    pub fn bind_addr(socket_addr: &SocketAddr) -> io::Result<UnixListener> {
        UnixListener::from_std(net::UnixListener::bind_addr(&socket_addr.0)?)
    }

    /// Accepts a connection, and says where it comes from: mostly an address without a name.
    ///
    /// # Errors
    ///
    /// Those of the system, such as too many open files. The listener is not harmed. A loop that only tries again
    /// at once would spin while there are too many open files: wait a little first.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses no connection.
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        adopt(self.source.async_io(Interest::READABLE, accept_one).await?)
    }

    /// As [`accept`](UnixListener::accept), for those who poll by hand. Only the waker of the last call is kept.
    ///
    /// # Errors
    ///
    /// Those of [`accept`](UnixListener::accept).
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(UnixStream, SocketAddr)>> {
        let accepted = ready!(self.source.poll_io(cx, Direction::Read, accept_one))?;
        Poll::Ready(adopt(accepted))
    }

    std_methods!(net::UnixListener);

    #[track_caller]
    pub(super) fn from_nonblocking(listener: net::UnixListener) -> io::Result<UnixListener> {
        Ok(UnixListener {
            source: Source::new(listener)?,
        })
    }

    /// The address that it listens at.
    ///
    /// # Errors
    ///
    /// If the system does not know it.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.source.get_ref().local_addr().map(SocketAddr)
    }

    /// Takes the error that the system holds for this socket (`SO_ERROR`).
    ///
    /// # Errors
    ///
    /// If the system does not answer; the outer one.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.source.get_ref().take_error()
    }
}

fn accept_one(listener: &net::UnixListener) -> io::Result<(net::UnixStream, net::SocketAddr)> {
    let (stream, from) = retry(|| listener.accept())?;
    stream.set_nonblocking(true)?;
    Ok((stream, from))
}

fn adopt(
    (stream, from): (net::UnixStream, net::SocketAddr),
) -> io::Result<(UnixStream, SocketAddr)> {
    Ok((UnixStream::accepted(stream)?, SocketAddr(from)))
}

impl_descriptor!(UnixListener, net::UnixListener);
