//! What the borrowed and the owned halves of a stream have in common, written once.
//!
//! The macros stand inside an `impl` of a type with a method `stream(&self) -> &TcpStream`.

/// The methods of a reading half.
macro_rules! reading_methods {
    () => {
        /// Waits until the stream is ready for one of `interest`; see [`TcpStream::ready`].
        ///
        /// # Errors
        ///
        /// If the runtime has shut down.
        ///
        /// # Cancellation
        ///
        /// Dropping the future loses nothing.
        pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
            self.stream().ready(interest).await
        }

        /// Waits until there is something to read, or the end, or an error.
        ///
        /// # Errors
        ///
        /// If the runtime has shut down.
        ///
        /// # Cancellation
        ///
        /// Dropping the future loses nothing.
        pub async fn readable(&self) -> io::Result<()> {
            self.stream().readable().await
        }

        /// Reads what is there, without waiting; see [`TcpStream::try_read`].
        ///
        /// # Errors
        ///
        /// `WouldBlock` if there is nothing now; otherwise those of the connection.
        pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
            self.stream().try_read(buf)
        }

        /// Reads what is there into several buffers, without waiting.
        ///
        /// # Errors
        ///
        /// `WouldBlock` if there is nothing now; otherwise those of the connection.
        pub fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
            self.stream().try_read_vectored(bufs)
        }

        /// Appends what is there to `buf`, without waiting.
        ///
        /// # Errors
        ///
        /// `WouldBlock` if there is nothing now; otherwise those of the connection.
        pub fn try_read_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
            self.stream().try_read_buf(buf)
        }

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

/// The methods of a writing half.
macro_rules! writing_methods {
    () => {
        /// Waits until the stream is ready for one of `interest`; see [`TcpStream::ready`].
        ///
        /// # Errors
        ///
        /// If the runtime has shut down.
        ///
        /// # Cancellation
        ///
        /// Dropping the future loses nothing.
        pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
            self.stream().ready(interest).await
        }

        /// Waits until there is room to write, or an error.
        ///
        /// # Errors
        ///
        /// If the runtime has shut down.
        ///
        /// # Cancellation
        ///
        /// Dropping the future loses nothing.
        pub async fn writable(&self) -> io::Result<()> {
            self.stream().writable().await
        }

        /// Writes what fits, without waiting; see [`TcpStream::try_write`].
        ///
        /// # Errors
        ///
        /// `WouldBlock` if nothing fits now; otherwise those of the connection.
        pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
            self.stream().try_write(buf)
        }

        /// Writes what fits out of several buffers, without waiting.
        ///
        /// # Errors
        ///
        /// `WouldBlock` if nothing fits now; otherwise those of the connection.
        pub fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
            self.stream().try_write_vectored(bufs)
        }
    };
}

/// The methods of any half.
macro_rules! address_methods {
    () => {
        /// The address of the other side.
        ///
        /// # Errors
        ///
        /// `NotConnected` if the connection is gone.
        pub fn peer_addr(&self) -> io::Result<SocketAddr> {
            self.stream().peer_addr()
        }

        /// The address of this side.
        ///
        /// # Errors
        ///
        /// If the system does not know it.
        pub fn local_addr(&self) -> io::Result<SocketAddr> {
            self.stream().local_addr()
        }
    };
}

/// `AsyncRead` for a reading half.
macro_rules! impl_async_read {
    ($half:ty) => {
        impl AsyncRead for $half {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                self.stream().poll_read_into(cx, buf).map_ok(drop)
            }
        }

        impl AsRef<TcpStream> for $half {
            fn as_ref(&self) -> &TcpStream {
                self.stream()
            }
        }
    };
}

/// `AsyncWrite` for a writing half with a method `shut_down(&mut self) -> io::Result<()>`.
macro_rules! impl_async_write {
    ($half:ty) => {
        impl AsyncWrite for $half {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.stream().poll_write_from(cx, buf)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.stream().poll_write_slices(cx, bufs)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            /// Nothing to do: the system sends by itself.
            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            /// Sends the end of the stream; reading goes on.
            fn poll_shutdown(
                mut self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<io::Result<()>> {
                Poll::Ready(self.shut_down())
            }
        }

        impl AsRef<TcpStream> for $half {
            fn as_ref(&self) -> &TcpStream {
                self.stream()
            }
        }
    };
}

pub(super) use {
    address_methods, impl_async_read, impl_async_write, reading_methods, writing_methods,
};
