//! [`OwnedReadHalf`] and [`OwnedWriteHalf`], which own their stream together.

use std::io::{self, IoSlice, IoSliceMut};
use std::sync::Arc;

use bytes::BufMut;

use super::{SocketAddr, UnixStream};
use crate::io::{Interest, Ready};
use crate::net::halves::owned_halves;

owned_halves!(UnixStream, SocketAddr);
