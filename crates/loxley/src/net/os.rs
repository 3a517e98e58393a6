//! What the standard library does in two system calls, or not at all, and what takes descriptors on trust.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{FromRawFd, RawFd};

use socket2::Socket;

use super::tcp::TcpSocket;
use super::unix::UnixSocket;

/// Accepts a connection whose stream does not block and is closed on `exec`, in one system call.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
pub(super) fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    use rustix::net::{SocketFlags, acceptfrom_with};

    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (fd, address) = acceptfrom_with(listener, flags)?;
    let stream = TcpStream::from(fd);
    match address.and_then(|address| SocketAddr::try_from(address).ok()) {
        Some(address) => Ok((stream, address)),
        None => {
            let address = stream.peer_addr()?;
            Ok((stream, address))
        }
    }
}

/// Accepts a connection whose stream does not block and is closed on `exec`.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
pub(super) fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, address) = listener.accept()?;
    stream.set_nonblocking(true)?;
    Ok((stream, address))
}

/// Whether a read or write of less than was asked means that there is no more for now. The edge-triggered
/// `epoll` promises it for streams.
pub(super) const SHORT_MEANS_DRAINED: bool = cfg!(any(target_os = "linux", target_os = "android"));

impl FromRawFd for TcpSocket {
    /// Takes over a TCP socket that is neither connected nor listening. It should be non-blocking.
    #[expect(unsafe_code, reason = "the trait says so")]
    unsafe fn from_raw_fd(fd: RawFd) -> TcpSocket {
        // SAFETY: the caller owns the descriptor and gives it away; that is the contract of the trait.
        TcpSocket::from_socket(unsafe { Socket::from_raw_fd(fd) })
    }
}

impl FromRawFd for UnixSocket {
    /// Takes over a unix socket that is neither connected nor listening. It should be non-blocking.
    #[expect(unsafe_code, reason = "the trait says so")]
    unsafe fn from_raw_fd(fd: RawFd) -> UnixSocket {
        // SAFETY: the caller owns the descriptor and gives it away; that is the contract of the trait.
        UnixSocket::from_socket(unsafe { Socket::from_raw_fd(fd) })
    }
}
