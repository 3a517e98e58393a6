//! [`ReadHalf`] and [`WriteHalf`], which borrow their stream.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::task::{Context, Poll};

use bytes::BufMut;

use super::TcpStream;
use crate::io::{Interest, ReadBuf, Ready};
use crate::net::halves::borrowed_halves;

borrowed_halves!(TcpStream, SocketAddr);

impl ReadHalf<'_> {
    super::peek_methods!();
}
