//! [`TcpSocket`]: a socket that is neither listening nor connected yet.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, RawFd};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::{TcpListener, TcpStream};
use crate::net::under_way;

/// A TCP socket whose options are set before it [listens](TcpSocket::listen) or
/// [connects](TcpSocket::connect).
///
/// # Examples
///
/// ```
/// use loxley::net::TcpSocket;
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let socket = TcpSocket::new_v4()?;
/// socket.set_reuseaddr(true)?;
/// socket.bind(([127, 0, 0, 1], 0).into())?;
/// let listener = socket.listen(128)?;
///
/// let client = TcpSocket::new_v4()?;
/// client.set_nodelay(true)?;
/// let stream = client.connect(listener.local_addr()?).await?;
/// assert!(stream.nodelay()?);
/// # Ok(())
/// # }
/// ```
pub struct TcpSocket {
    inner: Socket,
}

/// Documented getters and setters that the socket2 crate already has.
macro_rules! options {
    ($($(#[$meta:meta])* $get:ident $set:ident: $value:ty => $inner_get:ident $inner_set:ident, $what:literal;)*) => {$(
        #[doc = concat!("Gets ", $what, ".")]
        ///
        /// # Errors
        ///
        /// If the system does not answer.
        $(#[$meta])*
        pub fn $get(&self) -> io::Result<$value> {
            self.inner.$inner_get()
        }

        #[doc = concat!("Sets ", $what, ".")]
        ///
        /// # Errors
        ///
        /// If the system refuses.
        $(#[$meta])*
        pub fn $set(&self, value: $value) -> io::Result<()> {
            self.inner.$inner_set(value)
        }
    )*};
}

impl TcpSocket {
    /// A socket for IPv4.
    ///
    /// # Errors
    ///
    /// If the system has none, or too many files are open.
    pub fn new_v4() -> io::Result<TcpSocket> {
        TcpSocket::new(Domain::IPV4)
    }

    /// A socket for IPv6.
    ///
    /// # Errors
    ///
    /// If the system has none, or too many files are open.
    pub fn new_v6() -> io::Result<TcpSocket> {
        TcpSocket::new(Domain::IPV6)
    }

    /// Takes over a stream of the standard library that is neither connected nor bound, and makes it
    /// non-blocking as far as the system allows.
    pub fn from_std_stream(stream: std::net::TcpStream) -> TcpSocket {
        // The signature has no room for an error; the next operation would meet the same.
        let _ = stream.set_nonblocking(true);
        TcpSocket {
            inner: stream.into(),
        }
    }

    options! {
        keepalive set_keepalive: bool => keepalive set_keepalive,
            "whether silent connections are probed (`SO_KEEPALIVE`)";
        reuseaddr set_reuseaddr: bool => reuse_address set_reuse_address,
            "whether an address with connections of an earlier socket may be bound (`SO_REUSEADDR`)";
        #[cfg(not(any(target_os = "solaris", target_os = "illumos")))]
        reuseport set_reuseport: bool => reuse_port set_reuse_port,
            "whether several sockets may be bound to one address (`SO_REUSEPORT`)";
        nodelay set_nodelay: bool => tcp_nodelay set_tcp_nodelay,
            "whether small writes are sent at once (`TCP_NODELAY`)";
        #[cfg(any(target_os = "linux", target_os = "android"))]
        tclass_v6 set_tclass_v6: u32 => tclass_v6 set_tclass_v6,
            "the traffic class of IPv6 packets (`IPV6_TCLASS`)";
        #[cfg(any(target_os = "linux", target_os = "android"))]
        tos_v4 set_tos_v4: u32 => tos_v4 set_tos_v4,
            "the type of service of IPv4 packets (`IP_TOS`)";
    }

    /// Gets the size of the sending buffer, in bytes (`SO_SNDBUF`). Linux reports twice what was set.
    ///
    /// # Errors
    ///
    /// If the system does not answer.
    pub fn send_buffer_size(&self) -> io::Result<u32> {
        self.inner.send_buffer_size().map(clamp)
    }

    /// Sets the size of the sending buffer, in bytes (`SO_SNDBUF`). The system may choose another.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn set_send_buffer_size(&self, size: u32) -> io::Result<()> {
        self.inner.set_send_buffer_size(size as usize)
    }

    /// Gets the size of the receiving buffer, in bytes (`SO_RCVBUF`). Linux reports twice what was set.
    ///
    /// # Errors
    ///
    /// If the system does not answer.
    pub fn recv_buffer_size(&self) -> io::Result<u32> {
        self.inner.recv_buffer_size().map(clamp)
    }

    /// Sets the size of the receiving buffer, in bytes (`SO_RCVBUF`). The system may choose another.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn set_recv_buffer_size(&self, size: u32) -> io::Result<()> {
        self.inner.set_recv_buffer_size(size as usize)
    }

    /// Gets how long closing waits for unsent data (`SO_LINGER`).
    ///
    /// # Errors
    ///
    /// If the system does not answer.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.inner.linger()
    }

    /// Sets how long closing waits for unsent data (`SO_LINGER`), in whole seconds.
    ///
    /// Dropping the stream then **blocks its worker** for up to that long; zero does not block.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn set_linger(&self, dur: Option<Duration>) -> io::Result<()> {
        self.inner.set_linger(dur)
    }

    /// Makes closing throw unsent data away and reset the connection.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn set_zero_linger(&self) -> io::Result<()> {
        self.inner.set_linger(Some(Duration::ZERO))
    }

    /// The old name of `tos_v4`.
    ///
    /// # Errors
    ///
    /// If the system does not answer.
    #[deprecated = "`tos` is called `tos_v4` now"]
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn tos(&self) -> io::Result<u32> {
        self.tos_v4()
    }

    /// The old name of `set_tos_v4`.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    #[deprecated = "`set_tos` is called `set_tos_v4` now"]
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn set_tos(&self, tos: u32) -> io::Result<()> {
        self.set_tos_v4(tos)
    }

    /// Gets the network device that the socket is bound to; `None`: any.
    ///
    /// # Errors
    ///
    /// If the system does not answer.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn device(&self) -> io::Result<Option<Vec<u8>>> {
        self.inner.device()
    }

    /// Binds the socket to a network device; `None`: to any.
    ///
    /// # Errors
    ///
    /// If there is no such device, or the system refuses.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn bind_device(&self, interface: Option<&[u8]>) -> io::Result<()> {
        self.inner.bind_device(interface)
    }

    /// The address that it is bound to.
    ///
    /// # Errors
    ///
    /// If the system does not know it.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()?.as_socket().ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "the socket's address is not an IP address",
            )
        })
    }

    /// Takes the error that the system holds for this socket (`SO_ERROR`).
    ///
    /// # Errors
    ///
    /// If the system does not answer; the outer one.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.inner.take_error()
    }

    /// Binds the socket to a local address; port 0 lets the system choose.
    ///
    /// # Errors
    ///
    /// `AddrInUse` if the address is taken; otherwise those of the system.
    pub fn bind(&self, addr: SocketAddr) -> io::Result<()> {
        self.inner.bind(&addr.into())
    }

    /// Connects to `addr`.
    ///
    /// # Errors
    ///
    /// `ConnectionRefused`, `TimedOut` and what else the network says.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one without [`enable_io`](crate::runtime::Builder::enable_io).
    ///
    /// # Cancellation
    ///
    /// Dropping the future closes the socket.
    pub async fn connect(self, addr: SocketAddr) -> io::Result<TcpStream> {
        match self.inner.connect(&addr.into()) {
            Ok(()) => TcpStream::from_nonblocking(self.inner.into()),
            Err(error) if under_way(&error) => TcpStream::connecting(self.inner.into()).await,
            Err(error) => Err(error),
        }
    }

    /// Listens; up to `backlog` connections may wait to be accepted, if the system allows.
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one without [`enable_io`](crate::runtime::Builder::enable_io).
    #[track_caller]
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        TcpListener::from_nonblocking(self.into_listener(backlog)?)
    }

    pub(in crate::net) fn from_socket(inner: Socket) -> TcpSocket {
        TcpSocket { inner }
    }

    pub(super) fn for_address(address: SocketAddr) -> io::Result<TcpSocket> {
        TcpSocket::new(Domain::for_address(address))
    }

    pub(super) fn into_listener(self, backlog: u32) -> io::Result<std::net::TcpListener> {
        self.inner
            .listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        Ok(self.inner.into())
    }

    fn new(domain: Domain) -> io::Result<TcpSocket> {
        // Where the system can, non-blocking from the start saves a call.
        #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
        let inner = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
        let inner = {
            let inner = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
            inner.set_nonblocking(true)?;
            inner
        };
        Ok(TcpSocket { inner })
    }
}

fn clamp(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

impl AsFd for TcpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

impl AsRawFd for TcpSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.inner.as_raw_fd()
    }
}

impl IntoRawFd for TcpSocket {
    fn into_raw_fd(self) -> RawFd {
        self.inner.into_raw_fd()
    }
}

impl fmt::Debug for TcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
