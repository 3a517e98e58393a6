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
mod blocking;
mod bounded;
mod buf_read_ext;
mod buf_reader;
mod buf_stream;
mod buf_writer;
mod copy;
mod copy_bidirectional;
mod copy_buf;
mod duplex;
mod join;
mod lines;
mod nothing;
mod read_buf;
mod read_ext;
mod read_to;
mod record_split;
mod seek_ext;
mod split;
mod stdio;
mod sync_bridge;
mod take_chain;
pub mod unix;
mod write_ext;

pub use loxley_core::io::{Interest, Ready};
#[doc(no_inline)]
pub use std::io::{Error, ErrorKind, Result, SeekFrom};

pub use self::async_buf_read::AsyncBufRead;
pub use self::async_read::AsyncRead;
pub use self::async_seek::AsyncSeek;
pub use self::async_write::AsyncWrite;
pub use self::bounded::{BoundedError, BoundedStream};
pub use self::buf_read_ext::AsyncBufReadExt;
pub use self::buf_reader::BufReader;
pub use self::buf_stream::BufStream;
pub use self::buf_writer::BufWriter;
pub use self::copy::copy;
pub use self::copy_bidirectional::{copy_bidirectional, copy_bidirectional_with_sizes};
pub use self::copy_buf::copy_buf;
pub use self::duplex::{DuplexStream, SimplexStream, duplex, simplex};
pub use self::join::{Join, join};
pub use self::lines::Lines;
pub use self::nothing::{Empty, Repeat, Sink, empty, repeat, sink};
pub use self::read_buf::ReadBuf;
pub use self::read_ext::AsyncReadExt;
pub use self::record_split::Split;
pub use self::seek_ext::AsyncSeekExt;
pub use self::split::{ReadHalf, WriteHalf, split};
pub use self::stdio::{Stderr, Stdin, Stdout, stderr, stdin, stdout};
pub use self::sync_bridge::SyncIoBridge;
pub use self::take_chain::{Chain, Take};
pub use self::write_ext::AsyncWriteExt;

pub(crate) use self::blocking::{Job, MAX_BUF};
pub(crate) use self::read_buf::{
    Receive, fill_zeroed, read_fd_buf, recv_buf, recv_buf_from, recv_datagram, retry,
};

/// The futures of the extension traits. They are made by their methods only.
pub mod ext {
    pub use super::buf_read_ext::{FillBuf, ReadLine, ReadUntil};
    pub use super::read_ext::{Read, ReadBufMut, ReadExact, ReadNumber};
    pub use super::read_to::{ReadToEnd, ReadToString};
    pub use super::seek_ext::Seek;
    pub use super::write_ext::{
        Flush, Shutdown, Write, WriteAll, WriteAllBuf, WriteBuf, WriteNumber, WriteVectored,
    };
}

/// Capacity of buffers whose size nobody has chosen, in bytes.
const DEFAULT_BUF_SIZE: usize = 8 * 1024;
