//! Addresses and options of a [`TcpStream`].

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::SockRef;

use super::TcpStream;

/// Addresses and options.
impl TcpStream {
    /// The address of this side.
    ///
    /// # Errors
    ///
    /// If the system does not know it.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.std().local_addr()
    }

    /// The address of the other side.
    ///
    /// # Errors
    ///
    /// `NotConnected` if the connection is gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.std().peer_addr()
    }

    /// Whether small writes are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// If the system does not answer.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.std().nodelay()
    }

    /// Sets whether small writes are sent at once (`TCP_NODELAY`). System's default: `false`.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.std().set_nodelay(nodelay)
    }

    /// Whether segments are acknowledged at once (`TCP_QUICKACK`).
    ///
    /// # Errors
    ///
    /// If the system does not answer.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn quickack(&self) -> io::Result<bool> {
        SockRef::from(self.std()).tcp_quickack()
    }

    /// Sets whether segments are acknowledged at once (`TCP_QUICKACK`). The system may change it back.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn set_quickack(&self, quickack: bool) -> io::Result<()> {
        SockRef::from(self.std()).set_tcp_quickack(quickack)
    }

    /// How long closing waits for unsent data (`SO_LINGER`); `None`: closing does not wait, the system sends on.
    ///
    /// # Errors
    ///
    /// If the system does not answer.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        SockRef::from(self.std()).linger()
    }

    /// Sets how long closing waits for unsent data (`SO_LINGER`), in whole seconds.
    ///
    /// Dropping the stream then **blocks its worker** for up to that long. Zero does not block: see
    /// [`set_zero_linger`](TcpStream::set_zero_linger).
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn set_linger(&self, dur: Option<Duration>) -> io::Result<()> {
        SockRef::from(self.std()).set_linger(dur)
    }

    /// Makes closing throw unsent data away and reset the connection.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn set_zero_linger(&self) -> io::Result<()> {
        SockRef::from(self.std()).set_linger(Some(Duration::ZERO))
    }

    /// The number of hops that a packet may make (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// If the system does not answer.
    pub fn ttl(&self) -> io::Result<u32> {
        self.std().ttl()
    }

    /// Sets the number of hops that a packet may make (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.std().set_ttl(ttl)
    }
}
