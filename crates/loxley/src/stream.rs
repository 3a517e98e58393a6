//! What yields values, as a [`Stream`] of `futures-core`: listeners, intervals, receivers, signals, lines.
//!
//! The names are those of tokio-stream's `wrappers`. Each takes its value over, lends it by `as_ref` and `as_mut`, and
//! gives it back by `into_inner`. Helpers over streams are in the futures-util and tokio-stream packages.
//! [`DelayQueue`](crate::time::DelayQueue) is a stream itself.
//!
//! # Examples
//!
//! ```
//! use futures_util::StreamExt;
//! use loxley::stream::LinesStream;
//! use loxley::io::AsyncBufReadExt;
//!
//! # #[loxley::main(flavor = "current_thread")]
//! # async fn main() {
//! let lines = LinesStream::new((&b"one\ntwo"[..]).lines());
//! let lines: Vec<_> = lines.map(|line| line.unwrap()).collect().await;
//! assert_eq!(lines, ["one", "two"]);
//! # }
//! ```

#[cfg(any(
    feature = "fs",
    feature = "io-util",
    feature = "net",
    feature = "signal",
    feature = "sync",
    feature = "time"
))]
use std::pin::Pin;
#[cfg(any(
    feature = "fs",
    feature = "io-util",
    feature = "net",
    feature = "signal",
    feature = "sync",
    feature = "time"
))]
use std::task::{Context, Poll};

#[doc(no_inline)]
pub use futures_core::Stream;

/// A wrapper, and how it is polled.
#[cfg(any(
    feature = "fs",
    feature = "net",
    feature = "signal",
    feature = "sync",
    feature = "time"
))]
macro_rules! wrapper {
    (
        $(#[$doc:meta])*
        $name:ident $([$param:ident])? over $inner:ty => $item:ty, $method:ident,
        |$me:ident, $cx:ident| $poll:expr
    ) => {
        $(#[$doc])*
        #[derive(Debug)]
        #[must_use = "a stream does nothing until it is polled"]
        pub struct $name $(<$param>)? {
            inner: $inner,
        }

        impl $(<$param>)? $name $(<$param>)? {
            /// Takes it over.
            pub fn new($method: $inner) -> Self {
                Self { inner: $method }
            }

            /// Gives it back.
            pub fn into_inner(self) -> $inner {
                self.inner
            }
        }

        impl $(<$param>)? Stream for $name $(<$param>)? {
            type Item = $item;

            fn poll_next(
                mut self: Pin<&mut Self>,
                $cx: &mut Context<'_>,
            ) -> Poll<Option<$item>> {
                let $me = &mut self.inner;
                $poll
            }
        }

        impl $(<$param>)? AsRef<$inner> for $name $(<$param>)? {
            fn as_ref(&self) -> &$inner {
                &self.inner
            }
        }

        impl $(<$param>)? AsMut<$inner> for $name $(<$param>)? {
            fn as_mut(&mut self) -> &mut $inner {
                &mut self.inner
            }
        }
    };
}

#[cfg(feature = "net")]
wrapper! {
    /// The connections of a [`TcpListener`](crate::net::TcpListener). It never ends; an error harms it no more than it does
    /// the listener.
    TcpListenerStream over crate::net::TcpListener => std::io::Result<crate::net::TcpStream>, listener,
    |listener, cx| listener.poll_accept(cx).map_ok(|(stream, _)| stream).map(Some)
}

#[cfg(feature = "net")]
wrapper! {
    /// The connections of a [`UnixListener`](crate::net::UnixListener). It never ends.
    UnixListenerStream over crate::net::UnixListener => std::io::Result<crate::net::UnixStream>, listener,
    |listener, cx| listener.poll_accept(cx).map_ok(|(stream, _)| stream).map(Some)
}

#[cfg(feature = "time")]
wrapper! {
    /// The ticks of an [`Interval`](crate::time::Interval). It never ends.
    IntervalStream over crate::time::Interval => crate::time::Instant, interval,
    |interval, cx| interval.poll_tick(cx).map(Some)
}

#[cfg(feature = "signal")]
wrapper! {
    /// The signals that a [`Signal`](crate::signal::unix::Signal) hears. It ends with the runtime.
    SignalStream over crate::signal::unix::Signal => (), signal,
    |signal, cx| signal.poll_recv(cx)
}

#[cfg(feature = "fs")]
wrapper! {
    /// The entries of a directory.
    ReadDirStream over crate::fs::ReadDir => std::io::Result<crate::fs::DirEntry>, read_dir,
    |entries, cx| entries.poll_next_entry(cx).map(Result::transpose)
}

/// A wrapper over what reads from a stream that may have to be pinned.
#[cfg(feature = "io-util")]
macro_rules! reader_wrapper {
    ($(#[$doc:meta])* $name:ident over $inner:ident => $item:ty, $poll:ident) => {
        pin_project_lite::pin_project! {
            $(#[$doc])*
            #[derive(Debug)]
            #[must_use = "a stream does nothing until it is polled"]
            pub struct $name<R> {
                #[pin]
                inner: crate::io::$inner<R>,
            }
        }

        impl<R> $name<R> {
            /// Takes it over.
            pub fn new(inner: crate::io::$inner<R>) -> Self {
                Self { inner }
            }

            /// Gives it back.
            pub fn into_inner(self) -> crate::io::$inner<R> {
                self.inner
            }

            /// It, pinned.
            pub fn as_pin_mut(self: Pin<&mut Self>) -> Pin<&mut crate::io::$inner<R>> {
                self.project().inner
            }
        }

        impl<R: crate::io::AsyncBufRead> Stream for $name<R> {
            type Item = std::io::Result<$item>;

            fn poll_next(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<Option<Self::Item>> {
                self.project().inner.$poll(cx).map(Result::transpose)
            }
        }

        impl<R> AsRef<crate::io::$inner<R>> for $name<R> {
            fn as_ref(&self) -> &crate::io::$inner<R> {
                &self.inner
            }
        }

        impl<R> AsMut<crate::io::$inner<R>> for $name<R> {
            fn as_mut(&mut self) -> &mut crate::io::$inner<R> {
                &mut self.inner
            }
        }
    };
}

#[cfg(feature = "io-util")]
reader_wrapper! {
    /// The lines of a reader, without their ends.
    LinesStream over Lines => String, poll_next_line
}

#[cfg(feature = "io-util")]
reader_wrapper! {
    /// The pieces of a reader between delimiters.
    SplitStream over Split => Vec<u8>, poll_next_segment
}

#[cfg(feature = "sync")]
wrapper! {
    /// The values of a bounded channel. It ends when the channel is closed and empty.
    ReceiverStream[T] over crate::sync::mpsc::Receiver<T> => T, recv,
    |receiver, cx| receiver.poll_recv(cx)
}

#[cfg(feature = "sync")]
wrapper! {
    /// The values of an unbounded channel. It ends when the channel is closed and empty.
    UnboundedReceiverStream[T] over crate::sync::mpsc::UnboundedReceiver<T> => T, recv,
    |receiver, cx| receiver.poll_recv(cx)
}

#[cfg(feature = "sync")]
impl<T> ReceiverStream<T> {
    /// Closes the channel: what was sent still comes.
    pub fn close(&mut self) {
        self.inner.close();
    }
}

#[cfg(feature = "sync")]
impl<T> UnboundedReceiverStream<T> {
    /// Closes the channel: what was sent still comes.
    pub fn close(&mut self) {
        self.inner.close();
    }
}
