//! [`ToSocketAddrs`]: what `bind` and `connect` take for an address.
//!
//! Addresses are used as they are. Names need the system's resolver, which blocks, so they go to the
//! runtime's blocking pool.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::{option, vec};

use loxley_core::shared::shut_down;

use crate::task::{JoinHandle, spawn_blocking};

/// Things that have socket addresses.
///
/// Addresses, pairs of an IP address and a port, names with a port (`"localhost:80"`, `("localhost", 80)`), and
/// slices of addresses. It cannot be implemented outside this crate.
///
/// # Panics
///
/// Where a name is looked up, outside a runtime.
pub trait ToSocketAddrs: sealed::Resolve {}

/// The addresses of `host`, in the resolver's order.
///
/// # Errors
///
/// If the name is not known, or is not of the form `name:port`.
///
/// # Panics
///
/// If `host` is a name, outside a runtime.
///
/// # Cancellation
///
/// Dropping the future leaves the resolver at work on a thread of the blocking pool; its answer is thrown away.
///
/// # Examples
///
/// ```
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let mut addresses = loxley::net::lookup_host("127.0.0.1:80").await?;
/// assert_eq!(addresses.next(), Some(([127, 0, 0, 1], 80).into()));
/// # Ok(())
/// # }
/// ```
pub async fn lookup_host<T: ToSocketAddrs>(
    host: T,
) -> io::Result<impl Iterator<Item = SocketAddr>> {
    resolve(host).await
}

/// The future borrows nothing, so that `bind(&address)` is `'static` where it waits.
pub(super) fn resolve<T: ToSocketAddrs>(host: T) -> sealed::Resolving {
    host.resolve(sealed::Internal)
}

/// The first success over all addresses, or the last error.
pub(super) async fn first_of<A: ToSocketAddrs, R>(
    addr: A,
    mut f: impl FnMut(SocketAddr) -> io::Result<R>,
) -> io::Result<R> {
    let mut last = None;
    for address in resolve(addr).await? {
        match f(address) {
            Ok(result) => return Ok(result),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(no_address))
}

/// Nothing went wrong, but there was no address to try either.
pub(super) fn no_address() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "could not resolve to any address",
    )
}

fn known(address: SocketAddr) -> sealed::Resolving {
    sealed::Resolving::Known(Some(address))
}

fn ask(
    host: impl std::net::ToSocketAddrs<Iter = vec::IntoIter<SocketAddr>> + Send + 'static,
) -> sealed::Resolving {
    sealed::Resolving::Asked(spawn_blocking(move || host.to_socket_addrs()))
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {}

impl<T: ToSocketAddrs + ?Sized> sealed::Resolve for &T {
    fn resolve(&self, internal: sealed::Internal) -> sealed::Resolving {
        (**self).resolve(internal)
    }
}

/// Everything that becomes one address without asking anybody.
macro_rules! addresses {
    ($($address:ty),*) => {$(
        impl ToSocketAddrs for $address {}

        impl sealed::Resolve for $address {
            fn resolve(&self, _: sealed::Internal) -> sealed::Resolving {
                known(SocketAddr::from(*self))
            }
        }
    )*};
}

addresses!(
    SocketAddr,
    SocketAddrV4,
    SocketAddrV6,
    (IpAddr, u16),
    (Ipv4Addr, u16),
    (Ipv6Addr, u16)
);

impl ToSocketAddrs for &[SocketAddr] {}

impl sealed::Resolve for &[SocketAddr] {
    fn resolve(&self, _: sealed::Internal) -> sealed::Resolving {
        sealed::Resolving::List(self.to_vec())
    }
}

impl ToSocketAddrs for str {}

impl sealed::Resolve for str {
    fn resolve(&self, _: sealed::Internal) -> sealed::Resolving {
        match self.parse() {
            Ok(address) => known(address),
            Err(_) => ask(self.to_owned()),
        }
    }
}

impl ToSocketAddrs for String {}

impl sealed::Resolve for String {
    fn resolve(&self, internal: sealed::Internal) -> sealed::Resolving {
        self.as_str().resolve(internal)
    }
}

impl ToSocketAddrs for (&str, u16) {}

impl sealed::Resolve for (&str, u16) {
    fn resolve(&self, _: sealed::Internal) -> sealed::Resolving {
        let (host, port) = *self;
        match host.parse::<IpAddr>() {
            Ok(ip) => known((ip, port).into()),
            Err(_) => ask((host.to_owned(), port)),
        }
    }
}

impl ToSocketAddrs for (String, u16) {}

impl sealed::Resolve for (String, u16) {
    fn resolve(&self, internal: sealed::Internal) -> sealed::Resolving {
        (self.0.as_str(), self.1).resolve(internal)
    }
}

/// What nobody outside may name, so that it may change.
#[expect(unnameable_types, reason = "that is what sealing is")]
mod sealed {
    use super::*;

    pub trait Resolve {
        fn resolve(&self, internal: Internal) -> Resolving;
    }

    /// Keeps callers outside away from `resolve`.
    #[derive(Debug)]
    pub struct Internal;

    #[derive(Debug)]
    pub enum Resolving {
        Known(Option<SocketAddr>),
        List(Vec<SocketAddr>),
        Asked(JoinHandle<io::Result<vec::IntoIter<SocketAddr>>>),
    }

    impl Future for Resolving {
        type Output = io::Result<Addresses>;

        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Addresses>> {
            Poll::Ready(match &mut *self {
                Resolving::Known(address) => Ok(Addresses::One(address.take().into_iter())),
                Resolving::List(list) => Ok(Addresses::Many(std::mem::take(list).into_iter())),
                Resolving::Asked(answer) => {
                    match ready!(Pin::new(answer).poll(cx)) {
                        Ok(answer) => answer.map(Addresses::Many),
                        // The runtime ends.
                        Err(error) if error.is_cancelled() => Err(shut_down()),
                        Err(error) => Err(error.into()),
                    }
                }
            })
        }
    }

    /// The addresses that were found.
    #[derive(Debug)]
    pub enum Addresses {
        One(option::IntoIter<SocketAddr>),
        Many(vec::IntoIter<SocketAddr>),
    }

    impl Iterator for Addresses {
        type Item = SocketAddr;

        fn next(&mut self) -> Option<SocketAddr> {
            match self {
                Addresses::One(one) => one.next(),
                Addresses::Many(many) => many.next(),
            }
        }
    }
}
