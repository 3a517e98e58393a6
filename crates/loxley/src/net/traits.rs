//! The traits of sockets and streams, written once.
//!
//! Streams implement our own traits and those of `futures-io`, which have the same method names. A program
//! imports the extension methods of one family, so this is noticed only by those who call `poll_read` by name
//! with both traits in scope; they write `AsyncRead::poll_read(stream, …)`.

/// The descriptor, the type of the standard library, and `Debug`; for a type with a field `source`.
macro_rules! impl_descriptor {
    ($socket:ty) => {
        impl std::os::fd::AsFd for $socket {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.source.get_ref().as_fd()
            }
        }

        impl std::os::fd::AsRawFd for $socket {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                std::os::fd::AsRawFd::as_raw_fd(self.source.get_ref())
            }
        }

        impl std::fmt::Debug for $socket {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.source.get_ref().fmt(f)
            }
        }
    };
    ($socket:ty, $std:ty) => {
        $crate::net::traits::impl_descriptor!($socket);

        impl TryFrom<$std> for $socket {
            type Error = std::io::Error;

            /// As `from_std`, which says when it fails and when it panics.
            fn try_from(std: $std) -> std::io::Result<$socket> {
                <$socket>::from_std(std)
            }
        }
    };
}

/// Both families' reading, for a stream or a half with a method `stream`.
macro_rules! impl_async_read {
    ($reader:ty) => {
        impl $crate::io::AsyncRead for $reader {
            #[inline]
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &mut $crate::io::ReadBuf<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                self.stream().poll_read_into(cx, buf).map_ok(drop)
            }
        }

        impl futures_io::AsyncRead for $reader {
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &mut [u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                let mut buf = $crate::io::ReadBuf::new(buf);
                self.stream().poll_read_into(cx, &mut buf)
            }

            fn poll_read_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                bufs: &mut [std::io::IoSliceMut<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.stream().poll_read_slices(cx, bufs)
            }
        }
    };
}

/// Both families' writing, for a stream or a half with the methods `stream` and `shut_down`.
macro_rules! impl_async_write {
    ($writer:ty) => {
        impl $crate::io::AsyncWrite for $writer {
            #[inline]
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.stream().poll_write_from(cx, buf)
            }

            fn poll_write_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                bufs: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.stream().poll_write_slices(cx, bufs)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            /// Nothing to do: the system sends by itself.
            #[inline]
            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(Ok(()))
            }

            /// Sends the end of the stream; reading goes on.
            fn poll_shutdown(
                mut self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(self.shut_down())
            }
        }

        impl futures_io::AsyncWrite for $writer {
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.stream().poll_write_from(cx, buf)
            }

            fn poll_write_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                bufs: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.stream().poll_write_slices(cx, bufs)
            }

            /// Nothing to do: the system sends by itself.
            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(Ok(()))
            }

            /// Sends the end of the stream; reading goes on.
            fn poll_close(
                mut self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(self.shut_down())
            }
        }
    };
}

pub(super) use {impl_async_read, impl_async_write, impl_descriptor};
