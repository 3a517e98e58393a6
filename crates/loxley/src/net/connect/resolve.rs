//! Who knows the addresses of a name: [`Resolve`] and two resolvers.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, LazyLock};

use crate::sync::Semaphore;
use crate::task::spawn_blocking;

/// Knows the addresses of names.
///
/// # Examples
///
/// `resolve` may be written as an `async fn`:
///
/// ```
/// use std::{io, net::SocketAddr};
///
/// use loxley::net::connect::Resolve;
///
/// /// Every name is this machine.
/// struct Loopback;
///
/// impl Resolve for Loopback {
///     async fn resolve(&self, _host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
///         Ok(vec![([127, 0, 0, 1], port).into()])
///     }
/// }
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() {
/// assert_eq!(Loopback.resolve("example", 80).await.unwrap(), [([127, 0, 0, 1], 80).into()]);
/// # }
/// ```
pub trait Resolve {
    /// The addresses of `host`, the preferred first, each with `port`.
    ///
    /// A connector does not ask for what is an IP address already.
    ///
    /// # Errors
    ///
    /// Whatever went wrong. An empty list is an error to the connector.
    fn resolve(
        &self,
        host: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;
}

impl<R: Resolve + ?Sized> Resolve for &R {
    fn resolve(
        &self,
        host: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send {
        (**self).resolve(host, port)
    }
}

impl<R: Resolve + ?Sized> Resolve for Arc<R> {
    fn resolve(
        &self,
        host: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send {
        (**self).resolve(host, port)
    }
}

type Lookup = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// Asks a function that blocks, such as the system's `getaddrinfo`, on threads of the blocking pool, of which it holds
/// a limited number.
///
/// Lookups beyond the limit wait in the order in which they came, and hold no thread. So slow names delay one another,
/// but leave the pool to others, as long as the limit is below
/// [`max_blocking_threads`](crate::runtime::Builder::max_blocking_threads). Clones share the limit.
#[derive(Clone)]
pub struct BlockingResolver {
    lookup: Arc<Lookup>,
    limit: usize,
    threads: Arc<Semaphore>,
}

impl BlockingResolver {
    /// Threads that wait for `getaddrinfo`. The answers come from a cache or from a server nearby; who needs more than 16
    /// at a time is most likely waiting for a server that is gone.
    const SYSTEM_LIMIT: usize = 16;

    /// Asks the system (`getaddrinfo`), on at most 16 threads. All that this function returns share them.
    #[must_use]
    pub fn system() -> Self {
        static SYSTEM: LazyLock<BlockingResolver> =
            LazyLock::new(|| BlockingResolver::new(BlockingResolver::SYSTEM_LIMIT, get_addr_info));
        SYSTEM.clone()
    }

    /// Asks the system, on at most `limit` threads of its own count.
    ///
    /// # Panics
    ///
    /// If `limit` is 0 or above [`Semaphore::MAX_PERMITS`].
    #[must_use]
    #[track_caller]
    pub fn system_with_limit(limit: usize) -> Self {
        Self::new(limit, get_addr_info)
    }

    /// Asks `lookup`, on at most `limit` threads.
    ///
    /// # Panics
    ///
    /// If `limit` is 0 or above [`Semaphore::MAX_PERMITS`].
    #[must_use]
    #[track_caller]
    pub fn new(
        limit: usize,
        lookup: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Self {
        assert!(
            limit > 0,
            "a resolver without threads would never answer: `limit` must be at least 1"
        );
        BlockingResolver {
            lookup: Arc::new(lookup),
            limit,
            threads: Arc::new(Semaphore::new(limit)),
        }
    }
}

fn get_addr_info(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    (host, port).to_socket_addrs().map(Iterator::collect)
}

impl Resolve for BlockingResolver {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let thread = Arc::clone(&self.threads)
            .acquire_owned()
            .await
            .map_err(io::Error::other)?;
        let (lookup, host) = (Arc::clone(&self.lookup), host.to_owned());
        // The permit goes along, because a lookup whose future is dropped still has its thread.
        let answer = spawn_blocking(move || {
            let answer = lookup(&host, port);
            drop(thread);
            answer
        });
        answer.await?
    }
}

impl fmt::Debug for BlockingResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingResolver")
            .field("limit", &self.limit)
            .field("free", &self.threads.available_permits())
            .finish()
    }
}

/// Knows some names by itself and asks another resolver for the others.
///
/// Names are compared as DNS does it, regardless of the case of ASCII letters.
///
/// # Examples
///
/// ```
/// use loxley::net::connect::{BlockingResolver, Resolve, StaticResolver};
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let names = StaticResolver::over(BlockingResolver::system())
///     .host("db.example", [([10, 0, 0, 7], 0).into(), ([10, 0, 0, 8], 5433).into()]);
/// assert_eq!(
///     names.resolve("DB.example", 5432).await?,
///     [([10, 0, 0, 7], 5432).into(), ([10, 0, 0, 8], 5433).into()]
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct StaticResolver<R> {
    hosts: HashMap<String, Vec<SocketAddr>>,
    other: R,
}

impl<R> StaticResolver<R> {
    /// Knows nothing yet, and asks `other`.
    #[must_use]
    pub fn over(other: R) -> Self {
        StaticResolver {
            hosts: HashMap::new(),
            other,
        }
    }

    /// Says that `name` has these addresses; replaces what was said before. Port 0 means the port that is asked for.
    #[must_use]
    pub fn host(mut self, name: &str, addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        let addresses = addresses.into_iter().collect();
        self.hosts.insert(name.to_ascii_lowercase(), addresses);
        self
    }
}

impl<R: Resolve + Sync> Resolve for StaticResolver<R> {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let Some(known) = self.hosts.get(&host.to_ascii_lowercase()) else {
            return self.other.resolve(host, port).await;
        };
        let mut addresses = known.clone();
        for address in addresses.iter_mut().filter(|address| address.port() == 0) {
            address.set_port(port);
        }
        Ok(addresses)
    }
}
