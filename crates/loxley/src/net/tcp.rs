//! TCP: [`TcpListener`], [`TcpStream`], [`TcpSocket`], and the halves of a stream.

mod future_io;
mod half;
mod listener;
mod options;
mod socket;
mod split;
mod split_owned;
mod stream;
mod transfer;

pub use self::listener::TcpListener;
pub use self::socket::TcpSocket;
pub use self::split::{ReadHalf, WriteHalf};
pub use self::split_owned::{OwnedReadHalf, OwnedWriteHalf, ReuniteError};
pub use self::stream::TcpStream;
