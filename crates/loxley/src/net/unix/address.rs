//! [`SocketAddr`] of a unix socket.

use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net;
use std::path::Path;

/// The address of a unix socket: a path, an abstract name, or nothing.
///
/// # Examples
///
/// ```
/// use loxley::net::unix::SocketAddr;
///
/// let address = SocketAddr::from(std::os::unix::net::SocketAddr::from_pathname("/run/service")?);
/// assert_eq!(address.as_pathname(), Some("/run/service".as_ref()));
/// assert!(!address.is_unnamed());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct SocketAddr(pub(super) net::SocketAddr);

impl SocketAddr {
    /// Whether the socket has no address: it was never bound.
    #[must_use]
    pub fn is_unnamed(&self) -> bool {
        self.0.is_unnamed()
    }

    /// The path, if it is one.
    #[must_use]
    pub fn as_pathname(&self) -> Option<&Path> {
        self.0.as_pathname()
    }

    /// The abstract name without its zero byte, if it is one.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[must_use]
    pub fn as_abstract_name(&self) -> Option<&[u8]> {
        #[cfg(target_os = "android")]
        use std::os::android::net::SocketAddrExt;
        #[cfg(target_os = "linux")]
        use std::os::linux::net::SocketAddrExt;

        self.0.as_abstract_name()
    }
}

/// The address that `path` names: abstract if it begins with a zero byte, where the system has that.
pub(super) fn named(path: &Path) -> io::Result<net::SocketAddr> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some((0, name)) = path.as_os_str().as_bytes().split_first() {
        #[cfg(target_os = "android")]
        use std::os::android::net::SocketAddrExt;
        #[cfg(target_os = "linux")]
        use std::os::linux::net::SocketAddrExt;

        return net::SocketAddr::from_abstract_name(name);
    }
    net::SocketAddr::from_pathname(path)
}

/// The same address in the words of the socket2 crate.
pub(super) fn raw(address: &net::SocketAddr) -> io::Result<socket2::SockAddr> {
    if let Some(path) = address.as_pathname() {
        return socket2::SockAddr::unix(path);
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(name) = SocketAddr(address.clone()).as_abstract_name() {
        let name = [b"\0", name].concat();
        return socket2::SockAddr::unix(std::ffi::OsStr::from_bytes(&name));
    }
    let message = "an address without a name cannot be used";
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

impl From<net::SocketAddr> for SocketAddr {
    fn from(address: net::SocketAddr) -> SocketAddr {
        SocketAddr(address)
    }
}

impl From<SocketAddr> for net::SocketAddr {
    fn from(address: SocketAddr) -> net::SocketAddr {
        address.0
    }
}

impl fmt::Debug for SocketAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
