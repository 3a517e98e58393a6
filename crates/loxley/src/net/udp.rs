//! [`UdpSocket`].

mod options;

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use loxley_core::io::{Direction, Source};
use socket2::{SockAddr, SockRef};

use super::ToSocketAddrs;
use super::addr;
use super::methods::{poll_ready_methods, readiness_methods, std_methods};
use super::traits::impl_descriptor;
use crate::io::{Interest, ReadBuf, Ready, Receive, recv_buf_from, recv_datagram, retry};

/// A UDP socket.
///
/// A datagram is received whole or not at all: what does not fit into the buffer is lost. Any number of tasks may
/// await its methods, through an `Arc`; of those who poll by hand, one for each direction.
///
/// # Examples
///
/// ```
/// use loxley::net::UdpSocket;
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let server = UdpSocket::bind("127.0.0.1:0").await?;
/// let client = UdpSocket::bind("127.0.0.1:0").await?;
/// client.send_to(b"ping", server.local_addr()?).await?;
///
/// let mut word = [0; 16];
/// let (len, from) = server.recv_from(&mut word).await?;
/// assert_eq!((&word[..len], from), (&b"ping"[..], client.local_addr()?));
///
/// client.connect(server.local_addr()?).await?;
/// server.send_to(b"pong", from).await?;
/// assert_eq!(client.recv(&mut word).await?, 4);
/// # Ok(())
/// # }
/// ```
pub struct UdpSocket {
    source: Source<std::net::UdpSocket>,
}

/// Making and connecting.
impl UdpSocket {
    /// A socket bound to `addr`; of several addresses, to the first that can be. Port 0 lets the system choose.
    ///
    /// # Errors
    ///
    /// That of the last address tried; `InvalidInput` if there was none.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one without [`enable_io`](crate::runtime::Builder::enable_io).
    pub async fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<UdpSocket> {
        addr::first_of(addr, |address| {
            UdpSocket::from_std(std::net::UdpSocket::bind(address)?)
        })
        .await
    }

    /// Sets the address that [`send`](UdpSocket::send) sends to and [`recv`](UdpSocket::recv) receives from; of
    /// several, the first that works.
    ///
    /// # Errors
    ///
    /// That of the last address tried; `InvalidInput` if there was none.
    pub async fn connect<A: ToSocketAddrs>(&self, addr: A) -> io::Result<()> {
        addr::first_of(addr, |address| self.source.get_ref().connect(address)).await
    }

    std_methods!(std::net::UdpSocket);

    #[track_caller]
    fn from_nonblocking(socket: std::net::UdpSocket) -> io::Result<UdpSocket> {
        Ok(UdpSocket {
            source: Source::new(socket)?,
        })
    }

    readiness_methods!();
    poll_ready_methods!(poll_recv_ready, poll_send_ready);
}

/// Sending.
impl UdpSocket {
    /// Sends a datagram to the connected address, and says how many bytes that was.
    ///
    /// # Errors
    ///
    /// Those of the system, also those that an earlier datagram met on its way.
    ///
    /// # Cancellation
    ///
    /// A dropped future has not sent it.
    pub async fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.source
            .async_io(Interest::WRITABLE, |socket| socket.send(buf))
            .await
    }

    /// As [`send`](UdpSocket::send), for those who poll by hand. Only the waker of the last call is kept.
    ///
    /// # Errors
    ///
    /// Those of [`send`](UdpSocket::send).
    pub fn poll_send(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.source
            .poll_io(cx, Direction::Write, |socket| socket.send(buf))
    }

    /// As [`send`](UdpSocket::send), without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if it does not fit now; otherwise those of [`send`](UdpSocket::send).
    pub fn try_send(&self, buf: &[u8]) -> io::Result<usize> {
        self.source
            .try_io(Interest::WRITABLE, |socket| retry(|| socket.send(buf)))
    }

    /// Sends a datagram to `addr`; of several addresses, to the first.
    ///
    /// # Errors
    ///
    /// Those of the system; `InvalidInput` if there was no address.
    ///
    /// # Cancellation
    ///
    /// A dropped future has not sent it.
    pub async fn send_to<A: ToSocketAddrs>(&self, buf: &[u8], addr: A) -> io::Result<usize> {
        let target = addr::resolve(addr).await?.next();
        let target = target.ok_or_else(addr::no_address)?;
        self.source
            .async_io(Interest::WRITABLE, |socket| socket.send_to(buf, target))
            .await
    }

    /// As [`send_to`](UdpSocket::send_to), for those who poll by hand. Only the waker of the last call is kept.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
        target: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.source
            .poll_io(cx, Direction::Write, |socket| socket.send_to(buf, target))
    }

    /// As [`send_to`](UdpSocket::send_to), without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if it does not fit now; otherwise those of the system.
    pub fn try_send_to(&self, buf: &[u8], target: SocketAddr) -> io::Result<usize> {
        self.source.try_io(Interest::WRITABLE, |socket| {
            retry(|| socket.send_to(buf, target))
        })
    }
}

/// One documented family of methods that receive: awaited, polled, tried.
macro_rules! receiving {
    ($what:literal, $async:ident, $poll:ident, $try:ident, $std:ident, $receive:expr) => {
        #[doc = $what]
        ///
        /// What does not fit into `buf` is lost.
        ///
        /// # Errors
        ///
        /// Those of the system, also those that a datagram of ours met on its way.
        ///
        /// # Cancellation
        ///
        /// Dropping the future loses nothing.
        pub async fn $async(&self, buf: &mut [u8]) -> io::Result<usize> {
            self.source
                .async_io(Interest::READABLE, |socket| socket.$std(buf))
                .await
        }

        #[doc = concat!("As [`", stringify!($async), "`](UdpSocket::", stringify!($async), "), for those who poll by hand. Only the waker of the last call is kept.")]
        ///
        /// # Errors
        ///
        /// Those of the system.
        pub fn $poll(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            self.source
                .poll_io(cx, Direction::Read, |socket| {
                    recv_datagram(&SockRef::from(socket), buf, $receive)
                })
                .map_ok(drop)
        }

        #[doc = concat!("As [`", stringify!($async), "`](UdpSocket::", stringify!($async), "), without waiting.")]
        ///
        /// # Errors
        ///
        /// `WouldBlock` if there is nothing now; otherwise those of the system.
        pub fn $try(&self, buf: &mut [u8]) -> io::Result<usize> {
            self.source
                .try_io(Interest::READABLE, |socket| retry(|| socket.$std(buf)))
        }
    };
    (from: $what:literal, $async:ident, $poll:ident, $try:ident, $std:ident, $receive:expr) => {
        #[doc = $what]
        ///
        /// What does not fit into `buf` is lost.
        ///
        /// # Errors
        ///
        /// Those of the system, also those that a datagram of ours met on its way.
        ///
        /// # Cancellation
        ///
        /// Dropping the future loses nothing.
        pub async fn $async(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
            self.source
                .async_io(Interest::READABLE, |socket| socket.$std(buf))
                .await
        }

        #[doc = concat!("As [`", stringify!($async), "`](UdpSocket::", stringify!($async), "), for those who poll by hand. Only the waker of the last call is kept.")]
        ///
        /// # Errors
        ///
        /// Those of the system.
        pub fn $poll(
            &self,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<SocketAddr>> {
            let received = ready!(self.source.poll_io(cx, Direction::Read, |socket| {
                recv_buf_from(&SockRef::from(socket), buf, $receive)
            }));
            Poll::Ready(received.and_then(|(_, from)| ip_address(&from)))
        }

        #[doc = concat!("As [`", stringify!($async), "`](UdpSocket::", stringify!($async), "), without waiting.")]
        ///
        /// # Errors
        ///
        /// `WouldBlock` if there is nothing now; otherwise those of the system.
        pub fn $try(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
            self.source
                .try_io(Interest::READABLE, |socket| retry(|| socket.$std(buf)))
        }
    };
}

/// Receiving.
impl UdpSocket {
    receiving!(
        "Receives a datagram from the connected address, and says how long it is.",
        recv,
        poll_recv,
        try_recv,
        recv,
        Receive::Take
    );
    receiving!(from:
        "Receives a datagram, and says how long it is and where it comes from.",
        recv_from, poll_recv_from, try_recv_from, recv_from, Receive::Take);
    receiving!(
        "Receives a datagram from the connected address and leaves it in the socket.",
        peek,
        poll_peek,
        try_peek,
        peek,
        Receive::Peek
    );
    receiving!(from:
        "Receives a datagram, says where it comes from, and leaves it in the socket.",
        peek_from, poll_peek_from, try_peek_from, peek_from, Receive::Peek);

    /// As [`recv`](UdpSocket::recv), appending to `buf`, which is not zeroed before.
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
            .async_io(Interest::READABLE, |socket| {
                recv_datagram(&SockRef::from(socket), buf, Receive::Take)
            })
            .await
    }

    /// As [`recv_buf`](UdpSocket::recv_buf), without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is nothing now; otherwise those of the system.
    pub fn try_recv_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        self.source.try_io(Interest::READABLE, |socket| {
            recv_datagram(&SockRef::from(socket), buf, Receive::Take)
        })
    }

    /// As [`recv_from`](UdpSocket::recv_from), appending to `buf`, which is not zeroed before.
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub async fn recv_buf_from<B: BufMut>(&self, buf: &mut B) -> io::Result<(usize, SocketAddr)> {
        let (len, from) = self
            .source
            .async_io(Interest::READABLE, |socket| {
                recv_buf_from(&SockRef::from(socket), buf, Receive::Take)
            })
            .await?;
        Ok((len, ip_address(&from)?))
    }

    /// As [`recv_buf_from`](UdpSocket::recv_buf_from), without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is nothing now; otherwise those of the system.
    pub fn try_recv_buf_from<B: BufMut>(&self, buf: &mut B) -> io::Result<(usize, SocketAddr)> {
        let (len, from) = self.source.try_io(Interest::READABLE, |socket| {
            recv_buf_from(&SockRef::from(socket), buf, Receive::Take)
        })?;
        Ok((len, ip_address(&from)?))
    }

    /// Waits for a datagram, says where it comes from, and leaves it in the socket.
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub async fn peek_sender(&self) -> io::Result<SocketAddr> {
        self.source.async_io(Interest::READABLE, peek_sender).await
    }

    /// As [`peek_sender`](UdpSocket::peek_sender), for those who poll by hand. Only the waker of the last call is
    /// kept.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn poll_peek_sender(&self, cx: &mut Context<'_>) -> Poll<io::Result<SocketAddr>> {
        self.source.poll_io(cx, Direction::Read, peek_sender)
    }

    /// As [`peek_sender`](UdpSocket::peek_sender), without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is nothing now; otherwise those of the system.
    pub fn try_peek_sender(&self) -> io::Result<SocketAddr> {
        self.source.try_io(Interest::READABLE, peek_sender)
    }
}

fn peek_sender(socket: &std::net::UdpSocket) -> io::Result<SocketAddr> {
    ip_address(&retry(|| SockRef::from(socket).peek_sender())?)
}

fn ip_address(address: &SockAddr) -> io::Result<SocketAddr> {
    address.as_socket().ok_or_else(|| {
        let message = "a datagram came from what is not an IP address";
        io::Error::new(io::ErrorKind::InvalidInput, message)
    })
}

impl_descriptor!(UdpSocket, std::net::UdpSocket);
