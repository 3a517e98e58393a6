//! What the halves of a stream have in common, borrowed and owned, TCP and unix, written once.
//!
//! The macros of methods stand inside an `impl` of a type with a method `stream(&self)`; those of types make all
//! that a module of halves needs.

/// The methods of a reading half.
macro_rules! reading_methods {
    () => {
        /// Waits until the stream is ready for one of `interest`; see the stream's `ready`.
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

        /// Reads what is there, without waiting; see the stream's `try_read`.
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
    };
}

/// The methods of a writing half.
macro_rules! writing_methods {
    () => {
        /// Waits until the stream is ready for one of `interest`; see the stream's `ready`.
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

        /// Writes what fits, without waiting; see the stream's `try_write`.
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
    ($address:ty) => {
        /// The address of the other side.
        ///
        /// # Errors
        ///
        /// `NotConnected` if the connection is gone.
        pub fn peer_addr(&self) -> io::Result<$address> {
            self.stream().peer_addr()
        }

        /// The address of this side.
        ///
        /// # Errors
        ///
        /// If the system does not know it.
        pub fn local_addr(&self) -> io::Result<$address> {
            self.stream().local_addr()
        }
    };
}

/// `ReadHalf` and `WriteHalf`, and `split`, which makes them.
macro_rules! borrowed_halves {
    ($stream:ident, $address:ty) => {
        pub(super) fn split(stream: &mut $stream) -> (ReadHalf<'_>, WriteHalf<'_>) {
            (ReadHalf(stream), WriteHalf(stream))
        }

        #[doc = concat!("The reading half of a borrowed stream; made by [`", stringify!($stream), "::split`].")]
        #[derive(Debug)]
        pub struct ReadHalf<'a>(&'a $stream);

        #[doc = concat!("The writing half of a borrowed stream; made by [`", stringify!($stream), "::split`].")]
        ///
        /// Dropping it changes nothing about the stream.
        #[derive(Debug)]
        pub struct WriteHalf<'a>(&'a $stream);

        impl ReadHalf<'_> {
            $crate::net::halves::reading_methods!();
            $crate::net::halves::address_methods!($address);

            pub(in crate::net) fn stream(&self) -> &$stream {
                self.0
            }
        }

        impl WriteHalf<'_> {
            $crate::net::halves::writing_methods!();
            $crate::net::halves::address_methods!($address);

            pub(in crate::net) fn stream(&self) -> &$stream {
                self.0
            }

            pub(in crate::net) fn shut_down(&mut self) -> io::Result<()> {
                self.0.shut_down_writing()
            }
        }

        $crate::net::traits::impl_async_read!(ReadHalf<'_>);
        $crate::net::traits::impl_async_write!(WriteHalf<'_>);
        $crate::net::halves::impl_as_ref!(ReadHalf<'_>, $stream);
        $crate::net::halves::impl_as_ref!(WriteHalf<'_>, $stream);
    };
}

/// `OwnedReadHalf`, `OwnedWriteHalf` and `ReuniteError`, and `split`, which makes the halves.
macro_rules! owned_halves {
    ($stream:ident, $address:ty) => {
        pub(super) fn split(stream: $stream) -> (OwnedReadHalf, OwnedWriteHalf) {
            let stream = Arc::new(stream);
            let read = OwnedReadHalf {
                stream: Arc::clone(&stream),
            };
            let write = OwnedWriteHalf {
                stream,
                shut_down_on_drop: true,
            };
            (read, write)
        }

        #[doc = concat!("The reading half of a stream; made by [`", stringify!($stream), "::into_split`].")]
        #[derive(Debug)]
        pub struct OwnedReadHalf {
            stream: Arc<$stream>,
        }

        #[doc = concat!("The writing half of a stream; made by [`", stringify!($stream), "::into_split`].")]
        ///
        /// Dropping it sends the end of the stream; [`forget`](OwnedWriteHalf::forget) drops it without.
        #[derive(Debug)]
        pub struct OwnedWriteHalf {
            stream: Arc<$stream>,
            shut_down_on_drop: bool,
        }

        impl OwnedReadHalf {
            $crate::net::halves::reading_methods!();
            $crate::net::halves::address_methods!($address);

            /// The stream, whole again.
            ///
            /// # Errors
            ///
            /// Both halves, if they come from two streams.
            pub fn reunite(self, other: OwnedWriteHalf) -> Result<$stream, ReuniteError> {
                if !Arc::ptr_eq(&self.stream, &other.stream) {
                    return Err(ReuniteError(self, other));
                }
                other.forget();
                Ok(Arc::into_inner(self.stream).expect("there are only two halves"))
            }

            pub(in crate::net) fn stream(&self) -> &$stream {
                &self.stream
            }
        }

        impl OwnedWriteHalf {
            $crate::net::halves::writing_methods!();
            $crate::net::halves::address_methods!($address);

            /// The stream, whole again.
            ///
            /// # Errors
            ///
            /// Both halves, if they come from two streams.
            pub fn reunite(self, other: OwnedReadHalf) -> Result<$stream, ReuniteError> {
                other.reunite(self)
            }

            /// Drops this half without shutting the stream down.
            pub fn forget(mut self) {
                self.shut_down_on_drop = false;
            }

            pub(in crate::net) fn stream(&self) -> &$stream {
                &self.stream
            }

            pub(in crate::net) fn shut_down(&mut self) -> io::Result<()> {
                let result = self.stream.shut_down_writing();
                // Once is enough.
                self.shut_down_on_drop &= result.is_err();
                result
            }
        }

        impl Drop for OwnedWriteHalf {
            fn drop(&mut self) {
                if self.shut_down_on_drop {
                    // A connection that is already gone needs no end.
                    let _ = self.stream.shut_down_writing();
                }
            }
        }

        $crate::net::traits::impl_async_read!(OwnedReadHalf);
        $crate::net::traits::impl_async_write!(OwnedWriteHalf);
        $crate::net::halves::impl_as_ref!(OwnedReadHalf, $stream);
        $crate::net::halves::impl_as_ref!(OwnedWriteHalf, $stream);

        /// The halves given to `reunite` came from two streams; here they are back.
        #[derive(Debug)]
        pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

        impl std::fmt::Display for ReuniteError {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("tried to reunite halves that are not from the same socket")
            }
        }

        impl std::error::Error for ReuniteError {}
    };
}

/// The whole stream, from a half of it.
macro_rules! impl_as_ref {
    ($half:ty, $stream:ty) => {
        impl AsRef<$stream> for $half {
            fn as_ref(&self) -> &$stream {
                self.stream()
            }
        }
    };
}

pub(super) use {
    address_methods, borrowed_halves, impl_as_ref, owned_halves, reading_methods, writing_methods,
};
