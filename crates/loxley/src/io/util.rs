//! What the feature `io-util` brings: the extension traits, and streams made of others or of memory.

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
mod read_ext;
mod read_to;
mod record_split;
mod seek_ext;
mod split;
mod sync_bridge;
mod take_chain;
mod write_ext;

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
pub use self::read_ext::AsyncReadExt;
pub use self::record_split::Split;
pub use self::seek_ext::AsyncSeekExt;
pub use self::split::{ReadHalf, WriteHalf, split};
pub use self::sync_bridge::SyncIoBridge;
pub use self::take_chain::{Chain, Take};
pub use self::write_ext::AsyncWriteExt;

// The traits, for the modules here.
use super::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, ReadBuf, read_buf};

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
