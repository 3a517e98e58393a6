//! [`TcpListener`].
//!
//! Where a connection goes: one listener sits in one poller, and a woken task runs before a thief sees it, so
//! without further ado all connections would stay with the worker that accepts. Therefore the *poller* of an
//! accepted connection is chosen, the one with the fewest sockets; the task may be spawned anywhere, its
//! events carry it over. With [`TcpListener::bind_per_worker`] the kernel spreads instead, and connections
//! stay where they arrive.
//!
//! Rejected: one listener registered in all pollers (every connection wakes every worker).
//!
//! An error of `accept`, such as too many open files, is the caller's to see; it changes nothing about the
//! listener, whose next `accept` asks the system again.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use loxley_core::io::{Direction, Interest, Source};

use super::{TcpSocket, TcpStream};
use crate::net::addr::{self, ToSocketAddrs};
use crate::net::methods::std_methods;
use crate::net::os;
use crate::net::traits::impl_descriptor;
use crate::runtime::Handle;

/// Connections that may wait to be accepted; the system may allow fewer (`net.core.somaxconn`).
pub(super) const BACKLOG: u32 = 1024;

/// A socket that accepts TCP connections.
///
/// Any number of tasks may await [`accept`](TcpListener::accept) on one listener.
///
/// # Examples
///
/// ```
/// use loxley::net::{TcpListener, TcpStream};
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let client = TcpStream::connect(listener.local_addr()?).await?;
/// let (server, peer) = listener.accept().await?;
/// assert_eq!(peer, client.local_addr()?);
/// assert_eq!(server.local_addr()?, listener.local_addr()?);
/// # Ok(())
/// # }
/// ```
pub struct TcpListener {
    source: Source<std::net::TcpListener>,
    /// The worker to which accepted connections belong; `None`: they are spread.
    worker: Option<usize>,
}

impl TcpListener {
    /// Listens on `addr`; of several addresses, on the first that can be bound. Port 0 lets the system choose.
    ///
    /// The address may still be in use by connections of an earlier listener (`SO_REUSEADDR`). Up to 1024
    /// connections may wait to be accepted, if the system allows; [`TcpSocket::listen`] takes another number.
    ///
    /// # Errors
    ///
    /// That of the last address tried; `InvalidInput` if there was none.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one without [`enable_io`](crate::runtime::Builder::enable_io).
    pub async fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<TcpListener> {
        addr::first_of(addr, |address| {
            let socket = TcpSocket::for_address(address)?;
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            socket.listen(BACKLOG)
        })
        .await
    }

    /// One listener for each worker of this runtime, all on the same address (`SO_REUSEPORT`).
    ///
    /// The kernel gives each of them a share of the connections, and a connection stays with the worker of
    /// its listener: no worker ever wakes another for it. That is the fastest way to accept many short
    /// connections. It spreads by a hash of the addresses and not by load, and connections that wait in the
    /// queue of one listener are not accepted by another: prefer [`bind`](TcpListener::bind) for long-lived
    /// connections. Every listener must be accepted from, by a task of its own. The listener of worker `i` is at index `i`.
    ///
    /// tokio has nothing like it.
    ///
    /// # Errors
    ///
    /// Those of [`bind`](TcpListener::bind), and if the system has no `SO_REUSEPORT`.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one without [`enable_io`](crate::runtime::Builder::enable_io).
    ///
    /// # Examples
    ///
    /// ```
    /// use loxley::net::{TcpListener, TcpStream};
    ///
    /// # #[loxley::main(worker_threads = 2)]
    /// # async fn main() -> std::io::Result<()> {
    /// let listeners = TcpListener::bind_per_worker("127.0.0.1:0").await?;
    /// assert_eq!(listeners.len(), 2);
    /// let address = listeners[0].local_addr()?;
    /// for listener in listeners {
    ///     assert_eq!(listener.local_addr()?, address);
    ///     loxley::spawn(async move {
    ///         while let Ok((stream, _)) = listener.accept().await {
    ///             drop(stream);
    ///         }
    ///     });
    /// }
    /// TcpStream::connect(address).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn bind_per_worker<A: ToSocketAddrs>(addr: A) -> io::Result<Vec<TcpListener>> {
        let workers = Handle::current().metrics().num_workers();
        addr::first_of(addr, |mut address| {
            let mut listeners = Vec::with_capacity(workers);
            for worker in 0..workers {
                let socket = TcpSocket::for_address(address)?;
                socket.set_reuseaddr(true)?;
                socket.set_reuseport(true)?;
                socket.bind(address)?;
                let listener = socket.into_listener(BACKLOG)?;
                // With port 0 the first one has got a number, which the others take.
                address = listener.local_addr()?;
                let source = Source::on_worker(listener, worker)?;
                listeners.push(TcpListener {
                    source,
                    worker: Some(worker),
                });
            }
            Ok(listeners)
        })
        .await
    }

    /// Accepts a connection, and says where it comes from.
    ///
    /// # Errors
    ///
    /// Those of the system, such as too many open files, or a connection that was gone before it was accepted.
    /// The listener is not harmed. A loop that only tries again at once would spin while there are too many
    /// open files: wait a little first.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses no connection.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let accepted = self.source.async_io(Interest::READABLE, accept_one).await?;
        self.adopt(accepted)
    }

    /// As [`accept`](TcpListener::accept), for those who poll by hand. Only the waker of the last call is kept.
    ///
    /// # Errors
    ///
    /// Those of [`accept`](TcpListener::accept).
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let accepted = ready!(self.source.poll_io(cx, Direction::Read, accept_one))?;
        Poll::Ready(self.adopt(accepted))
    }

    std_methods!(std::net::TcpListener);

    /// The address that it listens on, with the port that the system has chosen.
    ///
    /// # Errors
    ///
    /// If the system does not know it.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.source.get_ref().local_addr()
    }

    /// The number of hops that a packet may make (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// If the system does not answer.
    pub fn ttl(&self) -> io::Result<u32> {
        self.source.get_ref().ttl()
    }

    /// Sets the number of hops that a packet may make (`IP_TTL`); accepted connections inherit it.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.source.get_ref().set_ttl(ttl)
    }

    #[track_caller]
    pub(super) fn from_nonblocking(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        Ok(TcpListener {
            source: Source::new(listener)?,
            worker: None,
        })
    }

    fn adopt(
        &self,
        (stream, address): (std::net::TcpStream, SocketAddr),
    ) -> io::Result<(TcpStream, SocketAddr)> {
        Ok((TcpStream::accepted(stream, self.worker)?, address))
    }
}

fn accept_one(listener: &std::net::TcpListener) -> io::Result<(std::net::TcpStream, SocketAddr)> {
    crate::io::retry(|| os::accept(listener))
}

impl_descriptor!(TcpListener, std::net::TcpListener);
