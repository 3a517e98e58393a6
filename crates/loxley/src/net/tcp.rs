//! TCP: [`TcpListener`], [`TcpStream`], [`TcpSocket`], and the halves of a stream.

mod listener;
mod options;
mod socket;
mod split;
mod split_owned;
mod stream;

pub use self::listener::TcpListener;
pub use self::socket::TcpSocket;
pub use self::split::{ReadHalf, WriteHalf};
pub use self::split_owned::{OwnedReadHalf, OwnedWriteHalf, ReuniteError};
pub use self::stream::TcpStream;

/// Looking at bytes without taking them, in a reading half: unix streams cannot do it.
macro_rules! peek_methods {
    () => {
        /// Reads what is there and leaves it in the stream; see [`TcpStream::peek`].
        ///
        /// # Errors
        ///
        /// Those of the connection.
        ///
        /// # Cancellation
        ///
        /// Dropping the future loses nothing.
        pub async fn peek(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.stream().peek(buf).await
        }

        /// As `peek`, for those who poll by hand. Only the waker of the last call is kept.
        ///
        /// # Errors
        ///
        /// Those of the connection.
        pub fn poll_peek(
            &mut self,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<usize>> {
            self.stream().poll_peek(cx, buf)
        }
    };
}
use peek_methods;
