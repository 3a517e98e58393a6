//! [`ReadHalf`] and [`WriteHalf`], which borrow their stream.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BufMut;

use super::TcpStream;
use super::half::{
    address_methods, impl_async_read, impl_async_write, reading_methods, writing_methods,
};
use crate::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};

pub(super) fn split(stream: &mut TcpStream) -> (ReadHalf<'_>, WriteHalf<'_>) {
    (ReadHalf(stream), WriteHalf(stream))
}

/// The reading half of a borrowed stream; made by [`TcpStream::split`].
#[derive(Debug)]
pub struct ReadHalf<'a>(&'a TcpStream);

/// The writing half of a borrowed stream; made by [`TcpStream::split`].
///
/// Dropping it changes nothing about the stream.
#[derive(Debug)]
pub struct WriteHalf<'a>(&'a TcpStream);

impl ReadHalf<'_> {
    reading_methods!();
    address_methods!();

    pub(super) fn stream(&self) -> &TcpStream {
        self.0
    }
}

impl WriteHalf<'_> {
    writing_methods!();
    address_methods!();

    pub(super) fn stream(&self) -> &TcpStream {
        self.0
    }

    pub(super) fn shut_down(&mut self) -> io::Result<()> {
        self.0.shut_down_writing()
    }
}

impl_async_read!(ReadHalf<'_>);
impl_async_write!(WriteHalf<'_>);
