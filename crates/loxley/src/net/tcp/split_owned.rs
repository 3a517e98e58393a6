//! [`OwnedReadHalf`] and [`OwnedWriteHalf`], which own their stream together.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BufMut;

use super::TcpStream;
use crate::io::{Interest, ReadBuf, Ready};
use crate::net::halves::owned_halves;

owned_halves!(TcpStream, SocketAddr);

impl OwnedReadHalf {
    super::peek_methods!();
}
