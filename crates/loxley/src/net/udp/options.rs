//! Addresses and options of a [`UdpSocket`].

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::SockRef;

use super::UdpSocket;

/// Documented getters and setters that the socket has already, in the standard library or in the socket2 crate.
macro_rules! options {
    ($($(#[$meta:meta])* $get:ident $set:ident: $value:ty => $socket:ident . $inner_get:ident $inner_set:ident, $what:literal;)*) => {$(
        #[doc = concat!("Gets ", $what, ".")]
        ///
        /// # Errors
        ///
        /// If the system does not answer.
        $(#[$meta])*
        pub fn $get(&self) -> io::Result<$value> {
            self.$socket().$inner_get()
        }

        #[doc = concat!("Sets ", $what, ".")]
        ///
        /// # Errors
        ///
        /// If the system refuses.
        $(#[$meta])*
        pub fn $set(&self, value: $value) -> io::Result<()> {
            self.$socket().$inner_set(value)
        }
    )*};
}

/// Addresses and options.
impl UdpSocket {
    /// The address that it is bound to, with the port that the system has chosen.
    ///
    /// # Errors
    ///
    /// If the system does not know it.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.std().local_addr()
    }

    /// The address that it is connected to.
    ///
    /// # Errors
    ///
    /// `NotConnected` if there is none.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.std().peer_addr()
    }

    /// Takes the error that the system holds for this socket (`SO_ERROR`).
    ///
    /// # Errors
    ///
    /// If the system does not answer; the outer one.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.std().take_error()
    }

    options! {
        broadcast set_broadcast: bool => std.broadcast set_broadcast,
            "whether datagrams may be sent to everybody (`SO_BROADCAST`)";
        multicast_loop_v4 set_multicast_loop_v4: bool => std.multicast_loop_v4 set_multicast_loop_v4,
            "whether IPv4 multicasts come back to this machine (`IP_MULTICAST_LOOP`)";
        multicast_ttl_v4 set_multicast_ttl_v4: u32 => std.multicast_ttl_v4 set_multicast_ttl_v4,
            "how many hops an IPv4 multicast may make (`IP_MULTICAST_TTL`)";
        multicast_loop_v6 set_multicast_loop_v6: bool => std.multicast_loop_v6 set_multicast_loop_v6,
            "whether IPv6 multicasts come back to this machine (`IPV6_MULTICAST_LOOP`)";
        ttl set_ttl: u32 => std.ttl set_ttl,
            "the number of hops that a packet may make (`IP_TTL`)";
        #[cfg(any(target_os = "linux", target_os = "android"))]
        tclass_v6 set_tclass_v6: u32 => socket.tclass_v6 set_tclass_v6,
            "the traffic class of IPv6 packets (`IPV6_TCLASS`)";
        #[cfg(any(target_os = "linux", target_os = "android"))]
        tos_v4 set_tos_v4: u32 => socket.tos_v4 set_tos_v4,
            "the type of service of IPv4 packets (`IP_TOS`)";
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
        self.socket().device()
    }

    /// Binds the socket to a network device; `None`: to any.
    ///
    /// # Errors
    ///
    /// If there is no such device, or the system refuses.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn bind_device(&self, interface: Option<&[u8]>) -> io::Result<()> {
        self.socket().bind_device(interface)
    }

    /// Joins a multicast group (`IP_ADD_MEMBERSHIP`); an unspecified `interface` lets the system choose one.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn join_multicast_v4(&self, multiaddr: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.std().join_multicast_v4(&multiaddr, &interface)
    }

    /// Joins a multicast group (`IPV6_ADD_MEMBERSHIP`); `interface` 0 lets the system choose one.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn join_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.std().join_multicast_v6(multiaddr, interface)
    }

    /// Leaves a multicast group (`IP_DROP_MEMBERSHIP`).
    ///
    /// # Errors
    ///
    /// If the system refuses, or the socket is not a member.
    pub fn leave_multicast_v4(&self, multiaddr: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.std().leave_multicast_v4(&multiaddr, &interface)
    }

    /// Leaves a multicast group (`IPV6_DROP_MEMBERSHIP`).
    ///
    /// # Errors
    ///
    /// If the system refuses, or the socket is not a member.
    pub fn leave_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.std().leave_multicast_v6(multiaddr, interface)
    }

    fn std(&self) -> &std::net::UdpSocket {
        self.source.get_ref()
    }

    fn socket(&self) -> SockRef<'_> {
        SockRef::from(self.std())
    }
}
