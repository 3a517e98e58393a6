//! Reading and writing without blocking: the traits, their helpers, and streams made of memory.
//!
//! [`AsyncRead`], [`AsyncWrite`], [`AsyncBufRead`], [`AsyncSeek`] and [`ReadBuf`] have tokio's shape, so code
//! written against tokio's traits needs its `use` lines changed and nothing else. The methods one calls day
//! by day are in [`AsyncReadExt`], [`AsyncWriteExt`], [`AsyncBufReadExt`] and [`AsyncSeekExt`]; [`ext`] names the futures that
//! they return. Sockets are in [`net`](crate::net) and implement the traits of `futures-io` as well.
//!
//! Every stream of ours takes part in the task's [budget](crate::task::coop): a task over a stream that always
//! has data still yields.

mod async_buf_read;
mod async_read;
mod async_seek;
mod async_write;
#[cfg(feature = "io-std")]
mod blocking;
#[cfg(any(feature = "fs", feature = "io-std"))]
mod job;
mod read_buf;
#[cfg(feature = "io-std")]
mod stdio;
#[cfg(feature = "net")]
pub mod unix;
#[cfg(feature = "io-util")]
mod util;

pub use loxley_core::io::{Interest, Ready};
#[doc(no_inline)]
pub use std::io::{Error, ErrorKind, Result, SeekFrom};

pub use self::async_buf_read::AsyncBufRead;
pub use self::async_read::AsyncRead;
pub use self::async_seek::AsyncSeek;
pub use self::async_write::AsyncWrite;
pub use self::read_buf::ReadBuf;
#[cfg(feature = "io-std")]
pub use self::stdio::{Stderr, Stdin, Stdout, stderr, stdin, stdout};
#[cfg(feature = "io-util")]
#[doc(inline)]
pub use self::util::*;

#[cfg(feature = "fs")]
pub(crate) use self::job::{Job, MAX_BUF};
#[cfg(any(feature = "net", feature = "process"))]
pub(crate) use self::read_buf::read_fd_buf;
#[cfg(any(feature = "fs", feature = "io-std", feature = "net"))]
pub(crate) use self::read_buf::retry;
#[cfg(feature = "net")]
pub(crate) use self::read_buf::{Receive, fill_zeroed, recv_buf, recv_buf_from, recv_datagram};
