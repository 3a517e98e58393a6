//! Connecting by name: a [`Connector`] races the addresses of a host ("happy eyeballs", RFC 8305).
//!
//! [`TcpStream::connect`] tries one address after the other and waits as long as the system does, which is two
//! minutes for an address that does not answer. A connector gives each address a head start only.
//!
//! # Words
//!
//! *Attempt*: connecting to one address. *Head start*: how long the newest attempt runs before the next one joins it.
//! *Family*: IPv4 or IPv6.
//!
//! # Protocol
//!
//! 1. The resolver is asked, unless the host is an address already.
//! 2. The answers are put in order: families alternate, the one that the resolver named first begins; inside a family
//!    the resolver's order stays. So the second address is of the other family, if there is one.
//! 3. The first attempt starts. The next one starts when the head start has passed, and at once when an attempt fails.
//! 4. The first attempt that succeeds wins. All others are dropped, which closes their sockets; one that
//!    succeeds at the same moment is closed too.
//! 5. If all have failed, the error has all of them, and the last one as its source.
//! 6. The deadline covers the steps from 1 to 4. When it passes, whatever is open is closed.
//!
//! # Rejected
//!
//! - *One queue per family, the second of which starts once.* Two dead addresses in the preferred family and one
//!   in the other then wait for the system's timeout.
//! - *Looking both families up at a time, as the RFC has it.* `getaddrinfo` answers for both at once, in the order of
//!   RFC 6724.
//! - *A thread per lookup, or the blocking pool without a limit.* A name server that is gone would take the pool away
//!   from files and from everybody else who needs it.
//!
//! `tests/net_connect.rs` has a test per step.

mod error;
mod race;
mod resolve;

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::task::Poll;

pub use self::error::{Attempt, ConnectError, Phase};
use self::race::Race;
pub use self::resolve::{BlockingResolver, Resolve, StaticResolver};
use crate::net::TcpStream;
use crate::time::{Duration, Sleep, sleep};

/// Connects to hosts by name, over whichever of their addresses answers first.
///
/// A connector keeps no connections: make one and use it for all hosts, from as many tasks as you like.
///
/// # Examples
///
/// ```
/// use loxley::net::TcpListener;
/// use loxley::net::connect::{BlockingResolver, Connector, StaticResolver};
/// use loxley::time::Duration;
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let address = listener.local_addr()?;
///
/// let names = StaticResolver::over(BlockingResolver::system()).host("db.example", [address]);
/// let connector = Connector::new()
///     .resolver(names)
///     .head_start(Duration::from_millis(100))
///     .deadline(Duration::from_secs(5));
/// let stream = connector.connect("db.example", 5432).await?;
/// assert_eq!(stream.peer_addr()?, address);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Connector<R = BlockingResolver> {
    resolver: R,
    head_start: Duration,
    deadline: Duration,
}

impl Connector {
    /// A connector that asks the system for names, gives each attempt a head start of 250 ms, and has no deadline.
    ///
    /// # Source
    ///
    /// RFC 8305, section 8, recommends the 250 ms.
    #[must_use]
    pub fn new() -> Self {
        Connector {
            resolver: BlockingResolver::system(),
            head_start: Duration::from_millis(250),
            deadline: Duration::MAX,
        }
    }
}

impl Default for Connector {
    fn default() -> Self {
        Self::new()
    }
}

impl<R> Connector<R> {
    /// Sets how long the newest attempt runs before the next address is tried beside it.
    ///
    /// Any duration; default: 250 ms. Zero tries all addresses at once, [`Duration::MAX`] one after the other.
    #[must_use]
    pub fn head_start(mut self, duration: Duration) -> Self {
        self.head_start = duration;
        self
    }

    /// Sets how long a connect may take, from the lookup of the name to the connection.
    ///
    /// Any duration; default: [`Duration::MAX`], which is none. The system ends an attempt by itself, on Linux after
    /// about two minutes.
    #[must_use]
    pub fn deadline(mut self, duration: Duration) -> Self {
        self.deadline = duration;
        self
    }

    /// Sets who knows the addresses of a name. Default: [`BlockingResolver::system`].
    #[must_use]
    pub fn resolver<S: Resolve>(self, resolver: S) -> Connector<S> {
        Connector {
            resolver,
            head_start: self.head_start,
            deadline: self.deadline,
        }
    }
}

impl<R: Resolve> Connector<R> {
    /// Connects to `port` of `host`, which is a name or an IP address; one of IPv6 may stand in brackets.
    ///
    /// # Errors
    ///
    /// If the name has no address, no address answers, or the deadline passes; [`ConnectError`] says which, and
    /// has every attempt.
    ///
    /// # Panics
    ///
    /// When polled outside a runtime, and in one without [`enable_all`](crate::runtime::Builder::enable_all).
    ///
    /// # Cancellation
    ///
    /// Dropping the future closes every socket that is open. A lookup that has begun on a thread goes on there, and
    /// counts towards the limit of its resolver until it ends.
    pub async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, ConnectError> {
        self.connect_with(host, port, TcpStream::connect).await
    }

    /// As [`connect`](Connector::connect), with a function that connects to one address: to set options of the socket
    /// before, or to race something else than TCP.
    ///
    /// # Errors
    ///
    /// Those of [`connect`](Connector::connect); the errors of `dial` are those of its attempts.
    ///
    /// # Panics
    ///
    /// When polled outside a runtime, and in one without [`enable_time`](crate::runtime::Builder::enable_time).
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops all that `dial` has begun.
    ///
    /// # Examples
    ///
    /// ```
    /// use loxley::net::connect::Connector;
    /// use loxley::net::{TcpListener, TcpSocket};
    ///
    /// # #[loxley::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let port = listener.local_addr()?.port();
    /// let stream = Connector::new()
    ///     .connect_with("127.0.0.1", port, |address| async move {
    ///         let socket = match address {
    ///             std::net::SocketAddr::V4(_) => TcpSocket::new_v4()?,
    ///             std::net::SocketAddr::V6(_) => TcpSocket::new_v6()?,
    ///         };
    ///         socket.set_keepalive(true)?;
    ///         socket.connect(address).await
    ///     })
    ///     .await?;
    /// assert_eq!(stream.peer_addr()?.port(), port);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect_with<T, F, Fut>(
        &self,
        host: &str,
        port: u16,
        dial: F,
    ) -> Result<T, ConnectError>
    where
        F: FnMut(SocketAddr) -> Fut,
        Fut: Future<Output = io::Result<T>>,
    {
        let mut end = pin!(sleep(self.deadline));
        let addresses = match before(end.as_mut(), self.addresses(host, port)).await {
            Some(Ok(addresses)) => addresses,
            Some(Err(error)) => return Err(ConnectError::lookup(host, port, error)),
            None => return Err(ConnectError::slow_lookup(host, port, self.deadline)),
        };
        let mut race = Race::new(alternate(addresses), self.head_start, dial);
        match before(end, race.run()).await {
            Some(Some(winner)) => Ok(winner),
            Some(None) => Err(ConnectError::refused(host, port, race.into_attempts())),
            None => {
                let attempts = race.into_attempts();
                Err(ConnectError::slow(host, port, self.deadline, attempts))
            }
        }
    }

    /// Step 1.
    async fn addresses(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        if let Ok(ip) = bare.unwrap_or(host).parse::<IpAddr>() {
            return Ok(vec![(ip, port).into()]);
        }
        let addresses = self.resolver.resolve(host, port).await?;
        if addresses.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the resolver knows no address",
            ));
        }
        Ok(addresses)
    }
}

/// What `future` says, unless `end` comes first.
async fn before<F: Future>(mut end: Pin<&mut Sleep>, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => end.as_mut().poll(cx).map(|()| None),
    })
    .await
}

/// Step 2.
fn alternate(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let mut ordered: Vec<SocketAddr> = Vec::with_capacity(addresses.len());
    let (mut first, mut second): (Vec<_>, Vec<_>) = (Vec::new(), Vec::new());
    for address in addresses {
        let family = if address.is_ipv4() == first_is_v4 {
            &mut first
        } else {
            &mut second
        };
        if !family.contains(&address) {
            family.push(address);
        }
    }
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    loop {
        let next = [first.next(), second.next()];
        if next == [None, None] {
            return ordered;
        }
        ordered.extend(next.into_iter().flatten());
    }
}
