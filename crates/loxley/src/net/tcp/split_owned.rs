//! [`OwnedReadHalf`] and [`OwnedWriteHalf`], which own their stream together.

use std::error::Error;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BufMut;

use super::TcpStream;
use super::half::{
    address_methods, impl_async_read, impl_async_write, reading_methods, writing_methods,
};
use crate::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};

pub(super) fn split(stream: TcpStream) -> (OwnedReadHalf, OwnedWriteHalf) {
    let stream = Arc::new(stream);
    let read = OwnedReadHalf {
        stream: Arc::clone(&stream),
    };
    (
        read,
        OwnedWriteHalf {
            stream,
            shut_down_on_drop: true,
        },
    )
}

/// The reading half of a stream; made by [`TcpStream::into_split`].
#[derive(Debug)]
pub struct OwnedReadHalf {
    stream: Arc<TcpStream>,
}

/// The writing half of a stream; made by [`TcpStream::into_split`].
///
/// Dropping it sends the end of the stream; [`forget`](OwnedWriteHalf::forget) drops it without.
#[derive(Debug)]
pub struct OwnedWriteHalf {
    stream: Arc<TcpStream>,
    shut_down_on_drop: bool,
}

impl OwnedReadHalf {
    reading_methods!();
    address_methods!();

    /// The stream, whole again.
    ///
    /// # Errors
    ///
    /// Both halves, if they come from two streams.
    pub fn reunite(self, other: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
        if !Arc::ptr_eq(&self.stream, &other.stream) {
            return Err(ReuniteError(self, other));
        }
        other.forget();
        Ok(Arc::into_inner(self.stream).expect("there are only two halves"))
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }
}

impl OwnedWriteHalf {
    writing_methods!();
    address_methods!();

    /// The stream, whole again.
    ///
    /// # Errors
    ///
    /// Both halves, if they come from two streams.
    pub fn reunite(self, other: OwnedReadHalf) -> Result<TcpStream, ReuniteError> {
        other.reunite(self)
    }

    /// Drops this half without shutting the stream down.
    pub fn forget(mut self) {
        self.shut_down_on_drop = false;
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(super) fn shut_down(&mut self) -> io::Result<()> {
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

impl_async_read!(OwnedReadHalf);
impl_async_write!(OwnedWriteHalf);

/// The halves given to `reunite` came from two streams; here they are back.
#[derive(Debug)]
pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tried to reunite halves that are not from the same socket")
    }
}

impl Error for ReuniteError {}
