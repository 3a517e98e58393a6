//! Sockets.
//!
//! A socket belongs to the runtime in whose context it was made, and to the poller of one of its workers:
//! that of the worker which made it or, for accepted connections, the one with the fewest. Its task may run
//! anywhere; its events arrive there. Making one outside a runtime panics, as does making one in a runtime
//! without [`enable_io`](crate::runtime::Builder::enable_io).
//!
//! Operations are tried first and wait only if the system says that they would block. After a read or a write
//! that did less than was asked, Linux has no more for now, so the next one waits at once instead of asking in
//! vain. Interrupted calls are repeated.
//!
//! With the feature `sync` too, the module `connect` has a connector that races the addresses of a name.

mod addr;
#[cfg(feature = "sync")]
pub mod connect;
mod halves;
mod methods;
mod os;
pub mod tcp;
mod traits;
mod transfer;
mod udp;
pub mod unix;

use std::io;

pub use self::addr::{ToSocketAddrs, lookup_host};
#[doc(no_inline)]
pub use self::tcp::{TcpListener, TcpSocket, TcpStream};
pub use self::udp::UdpSocket;
#[doc(no_inline)]
pub use self::unix::{UnixDatagram, UnixListener, UnixSocket, UnixStream};

/// Whether a `connect` that did not succeed at once goes on by itself. A signal does not end it either.
fn under_way(error: &io::Error) -> bool {
    // Not EAGAIN: then TCP has no port left, or the queue of a unix listener is full, and nothing has begun.
    error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error())
        || error.kind() == io::ErrorKind::Interrupted
}
