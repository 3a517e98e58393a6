//! Sockets and pipes of this machine: [`UnixStream`], [`UnixListener`], [`UnixDatagram`], [`UnixSocket`],
//! [`pipe`].
//!
//! A path that begins with a zero byte is, on Linux, an *abstract* name: no file is made for it, and it is gone
//! with its socket. A path is at most some hundred bytes long (`InvalidInput` otherwise); it need not be UTF-8.

mod address;
mod credentials;
pub mod datagram;
mod listener;
pub mod pipe;
mod socket;
mod split;
mod split_owned;
mod stream;

pub use self::address::SocketAddr;
pub use self::credentials::{UCred, gid_t, pid_t, uid_t};
#[doc(no_inline)]
pub use self::datagram::UnixDatagram;
pub use self::listener::UnixListener;
pub use self::socket::UnixSocket;
pub use self::split::{ReadHalf, WriteHalf};
pub use self::split_owned::{OwnedReadHalf, OwnedWriteHalf, ReuniteError};
pub use self::stream::UnixStream;
