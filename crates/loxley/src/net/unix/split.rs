//! [`ReadHalf`] and [`WriteHalf`], which borrow their stream.

use std::io::{self, IoSlice, IoSliceMut};

use bytes::BufMut;

use super::{SocketAddr, UnixStream};
use crate::io::{Interest, Ready};
use crate::net::halves::borrowed_halves;

borrowed_halves!(UnixStream, SocketAddr);
