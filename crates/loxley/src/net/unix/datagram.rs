//! [`UnixDatagram`].

use std::io;
use std::net::Shutdown;
use std::os::unix::net;
use std::path::Path;
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use loxley_core::io::{Direction, Source};
use socket2::SockRef;

use super::{SocketAddr, address};
use crate::io::{Interest, ReadBuf, Ready, Receive, fill_zeroed, recv_datagram, retry};
use crate::net::methods::{poll_ready_methods, readiness_methods, std_methods};
use crate::net::traits::impl_descriptor;

/// A unix socket for datagrams, which arrive whole and in order.
///
/// What does not fit into the buffer of a receiver is lost. Any number of tasks may await its methods; of those who
/// poll by hand, one for each direction.
///
/// # Examples
///
/// ```
/// use loxley::net::UnixDatagram;
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let (near, far) = UnixDatagram::pair()?;
/// near.send(b"one").await?;
/// near.send(b"two").await?;
/// let mut word = [0; 16];
/// assert_eq!(far.recv(&mut word).await?, 3);
/// assert_eq!(&word[..3], b"one");
/// # Ok(())
/// # }
/// ```
pub struct UnixDatagram {
    source: Source<net::UnixDatagram>,
}

/// Making and connecting.
impl UnixDatagram {
    /// A socket at `path`, where nothing may be yet. The file stays when the socket is dropped.
    ///
    /// # Errors
    ///
    /// `AddrInUse` if something is there; `InvalidInput` if the path is too long; otherwise those of the system.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one without [`enable_io`](crate::runtime::Builder::enable_io).
    #[track_caller]
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixDatagram> {
        let address = address::named(path.as_ref())?;
        UnixDatagram::from_std(net::UnixDatagram::bind_addr(&address)?)
    }

    /// Two sockets, connected with each other.
    ///
    /// # Errors
    ///
    /// If too many files are open.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one without [`enable_io`](crate::runtime::Builder::enable_io).
    #[track_caller]
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let (near, far) = net::UnixDatagram::pair()?;
        Ok((UnixDatagram::from_std(near)?, UnixDatagram::from_std(far)?))
    }

    /// A socket without an address: it can send, and nobody can answer.
    ///
    /// # Errors
    ///
    /// If too many files are open.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one without [`enable_io`](crate::runtime::Builder::enable_io).
    #[track_caller]
    pub fn unbound() -> io::Result<UnixDatagram> {
        UnixDatagram::from_std(net::UnixDatagram::unbound()?)
    }

    /// Sets the address that [`send`](UnixDatagram::send) sends to and [`recv`](UnixDatagram::recv) receives from.
    ///
    /// # Errors
    ///
    /// `NotFound` if nothing is there; otherwise those of the system.
    pub fn connect<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        let to = address::named(path.as_ref())?;
        self.source.get_ref().connect_addr(&to)
    }

    std_methods!(net::UnixDatagram);

    #[track_caller]
    pub(super) fn from_nonblocking(socket: net::UnixDatagram) -> io::Result<UnixDatagram> {
        Ok(UnixDatagram {
            source: Source::new(socket)?,
        })
    }

    readiness_methods!();
    poll_ready_methods!(poll_recv_ready, poll_send_ready);
}

/// Sending.
impl UnixDatagram {
    /// Sends a datagram to the connected address, and says how many bytes that was.
    ///
    /// # Errors
    ///
    /// `NotConnected` if there is none, `ConnectionRefused` if the receiver is gone; otherwise those of the system.
    ///
    /// # Cancellation
    ///
    /// A dropped future has not sent it.
    pub async fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.source
            .async_io(Interest::WRITABLE, |socket| socket.send(buf))
            .await
    }

    /// As [`send`](UnixDatagram::send), for those who poll by hand. Only the waker of the last call is kept.
    ///
    /// # Errors
    ///
    /// Those of [`send`](UnixDatagram::send).
    pub fn poll_send(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.source
            .poll_io(cx, Direction::Write, |socket| socket.send(buf))
    }

    /// As [`send`](UnixDatagram::send), without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if it does not fit now; otherwise those of [`send`](UnixDatagram::send).
    pub fn try_send(&self, buf: &[u8]) -> io::Result<usize> {
        self.source
            .try_io(Interest::WRITABLE, |socket| retry(|| socket.send(buf)))
    }

    /// Sends a datagram to the socket at `target`.
    ///
    /// # Errors
    ///
    /// `NotFound` if nothing is there, `ConnectionRefused` if the receiver is gone; otherwise those of the system.
    ///
    /// # Cancellation
    ///
    /// A dropped future has not sent it.
    pub async fn send_to<P: AsRef<Path>>(&self, buf: &[u8], target: P) -> io::Result<usize> {
        let target = address::named(target.as_ref())?;
        self.source
            .async_io(Interest::WRITABLE, |socket| {
                socket.send_to_addr(buf, &target)
            })
            .await
    }

    /// As [`send_to`](UnixDatagram::send_to), for those who poll by hand. Only the waker of the last call is kept.
    ///
    /// # Errors
    ///
    /// Those of [`send_to`](UnixDatagram::send_to).
    pub fn poll_send_to<P: AsRef<Path>>(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
        target: P,
    ) -> Poll<io::Result<usize>> {
        let target = address::named(target.as_ref())?;
        self.source.poll_io(cx, Direction::Write, |socket| {
            socket.send_to_addr(buf, &target)
        })
    }

    /// As [`send_to`](UnixDatagram::send_to), without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if it does not fit now; otherwise those of [`send_to`](UnixDatagram::send_to).
    pub fn try_send_to<P: AsRef<Path>>(&self, buf: &[u8], target: P) -> io::Result<usize> {
        let target = address::named(target.as_ref())?;
        self.source.try_io(Interest::WRITABLE, |socket| {
            retry(|| socket.send_to_addr(buf, &target))
        })
    }
}

/// Receiving.
impl UnixDatagram {
    /// Receives a datagram, and says how long it is. What does not fit into `buf` is lost.
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.source
            .async_io(Interest::READABLE, |socket| socket.recv(buf))
            .await
    }

    /// As [`recv`](UnixDatagram::recv), for those who poll by hand. Only the waker of the last call is kept.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.source
            .poll_io(cx, Direction::Read, |socket| recv_one(socket, buf))
            .map_ok(drop)
    }

    /// As [`recv`](UnixDatagram::recv), without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is nothing now; otherwise those of the system.
    pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.source
            .try_io(Interest::READABLE, |socket| retry(|| socket.recv(buf)))
    }

    /// As [`recv`](UnixDatagram::recv), appending to `buf`, which is not zeroed before.
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub async fn recv_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        self.source
            .async_io(Interest::READABLE, |socket| recv_one(socket, buf))
            .await
    }

    /// As [`recv_buf`](UnixDatagram::recv_buf), without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is nothing now; otherwise those of the system.
    pub fn try_recv_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        self.source
            .try_io(Interest::READABLE, |socket| recv_one(socket, buf))
    }

    /// Receives a datagram, and says how long it is and where it comes from. What does not fit is lost.
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let received = self
            .source
            .async_io(Interest::READABLE, |socket| socket.recv_from(buf))
            .await;
        received.map(named)
    }

    /// As [`recv_from`](UnixDatagram::recv_from), for those who poll by hand. Only the waker of the last call is
    /// kept.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<SocketAddr>> {
        let received = ready!(
            self.source
                .poll_io(cx, Direction::Read, |socket| recv_one_from(socket, buf))
        );
        Poll::Ready(received.map(|(_, from)| from))
    }

    /// As [`recv_from`](UnixDatagram::recv_from), without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is nothing now; otherwise those of the system.
    pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let received = self
            .source
            .try_io(Interest::READABLE, |socket| retry(|| socket.recv_from(buf)));
        received.map(named)
    }

    /// As [`recv_from`](UnixDatagram::recv_from), appending to `buf`.
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub async fn recv_buf_from<B: BufMut>(&self, buf: &mut B) -> io::Result<(usize, SocketAddr)> {
        self.source
            .async_io(Interest::READABLE, |socket| recv_one_from(socket, buf))
            .await
    }

    /// As [`recv_buf_from`](UnixDatagram::recv_buf_from), without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is nothing now; otherwise those of the system.
    pub fn try_recv_buf_from<B: BufMut>(&self, buf: &mut B) -> io::Result<(usize, SocketAddr)> {
        self.source
            .try_io(Interest::READABLE, |socket| recv_one_from(socket, buf))
    }
}

/// Addresses, and the end.
impl UnixDatagram {
    /// The address of this side.
    ///
    /// # Errors
    ///
    /// If the system does not know it.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.source.get_ref().local_addr().map(SocketAddr)
    }

    /// The address that it is connected to.
    ///
    /// # Errors
    ///
    /// `NotConnected` if there is none.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.source.get_ref().peer_addr().map(SocketAddr)
    }

    /// Takes the error that the system holds for this socket (`SO_ERROR`).
    ///
    /// # Errors
    ///
    /// If the system does not answer; the outer one.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.source.get_ref().take_error()
    }

    /// Ends sending, receiving or both, at once and for all who use the socket.
    ///
    /// # Errors
    ///
    /// `NotConnected` if it is not connected.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.source.get_ref().shutdown(how)
    }
}

fn recv_one<B: BufMut + ?Sized>(socket: &net::UnixDatagram, buf: &mut B) -> io::Result<usize> {
    recv_datagram(&SockRef::from(socket), buf, Receive::Take)
}

/// Only the standard library makes addresses without a name, and it wants memory that was written.
fn recv_one_from<B: BufMut + ?Sized>(
    socket: &net::UnixDatagram,
    buf: &mut B,
) -> io::Result<(usize, SocketAddr)> {
    fill_zeroed(buf, |memory| retry(|| socket.recv_from(memory))).map(named)
}

fn named((len, from): (usize, net::SocketAddr)) -> (usize, SocketAddr) {
    (len, SocketAddr(from))
}

impl_descriptor!(UnixDatagram, net::UnixDatagram);
