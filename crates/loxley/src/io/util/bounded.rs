//! [`BoundedStream`]: a stream with hard limits on what is read ahead and on what waits to be written.
//!
//! # Words
//!
//! *Read buffer*: bytes that have come and that nobody has taken. *Queue*: bytes to be sent that the stream below has
//! not accepted yet.
//!
//! # Rules
//!
//! 1. Neither ever holds more than its limit. What exceeds it is a [`BoundedError`], which says so before anything is
//!    read or queued: nothing is lost, the stream goes on, and a larger request or another delimiter may succeed.
//! 2. One reader at a time: a second is an error, not a lost waker. The same for those who flush.
//! 3. A search looks at each byte once, however small the pieces are in which they arrive, and whatever the delimiter
//!    looks like: it is the algorithm of Knuth, Morris and Pratt, whose state is kept while more is awaited.
//! 4. Dropping a future loses nothing: bytes stay in the read buffer and in the queue. The next search begins at the
//!    start of the buffer again.
//! 5. The end of the stream comes after the bytes before it, and an error after both.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;

use super::{AsyncRead, AsyncWrite, ReadBuf};

/// Read from the stream below at a time, in bytes.
const PIECE: usize = 4096;

/// A stream that never holds more than it is allowed to.
///
/// Reading and writing take `&self`, so that one task can read while another writes.
///
/// # Examples
///
/// ```
/// use loxley::io::{AsyncWriteExt, BoundedStream, duplex};
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), loxley::io::BoundedError> {
/// let (near, mut far) = duplex(1024);
/// let near = BoundedStream::new(near, 16, 16);
/// far.write_all(b"GET /\r\nno end of this line").await.unwrap();
///
/// assert_eq!(near.read_until(b"\r\n").await?, b"GET /\r\n");
/// let error = near.read_until(b"\r\n").await.unwrap_err();
/// assert!(error.is_read_limit());
/// assert_eq!(near.read_exact(6).await?, b"no end"); // nothing was lost
/// # Ok(())
/// # }
/// ```
pub struct BoundedStream<S> {
    stream: Mutex<Pin<Box<S>>>,
    input: Mutex<Input>,
    queue: Mutex<VecDeque<u8>>,
    read_limit: usize,
    write_limit: usize,
    /// Rule 2.
    reading: AtomicBool,
    flushing: AtomicBool,
}

#[derive(Debug, Default)]
struct Input {
    bytes: Vec<u8>,
    ended: bool,
}

impl<S> BoundedStream<S> {
    /// Limits `stream`: at most `read_limit` bytes are read ahead, and at most `write_limit` wait to be sent.
    ///
    /// # Panics
    ///
    /// If a limit is 0: nothing could pass.
    #[track_caller]
    pub fn new(stream: S, read_limit: usize, write_limit: usize) -> BoundedStream<S> {
        assert!(
            read_limit > 0 && write_limit > 0,
            "a limit of 0 bytes lets nothing pass"
        );
        BoundedStream {
            stream: Mutex::new(Box::pin(stream)),
            input: Mutex::default(),
            queue: Mutex::default(),
            read_limit,
            write_limit,
            reading: AtomicBool::new(false),
            flushing: AtomicBool::new(false),
        }
    }

    /// How many bytes have come that nobody has taken.
    pub fn buffered(&self) -> usize {
        self.input.lock().bytes.len()
    }

    /// How many bytes wait to be sent.
    pub fn queued(&self) -> usize {
        self.queue.lock().len()
    }

    /// Queues `bytes` to be sent by [`flush`](BoundedStream::flush).
    ///
    /// # Errors
    ///
    /// If the queue would pass its limit: then nothing of `bytes` is queued.
    pub fn queue(&self, bytes: &[u8]) -> Result<(), BoundedError> {
        let mut queue = self.queue.lock();
        if bytes.len() > self.write_limit - queue.len() {
            return Err(Kind::WriteLimit(self.write_limit).into());
        }
        queue.extend(bytes);
        Ok(())
    }
}

/// Reading.
impl<S: AsyncRead> BoundedStream<S> {
    /// Waits until `delimiter` has come, and takes everything up to and with it.
    ///
    /// An empty delimiter is found at once.
    ///
    /// # Errors
    ///
    /// If it is not among the first bytes, as many as the limit allows; if the stream ends before; if another reads
    /// already; those of the stream. The bytes stay in every case.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub async fn read_until(&self, delimiter: &[u8]) -> Result<Vec<u8>, BoundedError> {
        let _reading = self.claim(&self.reading)?;
        let end = self.find(delimiter).await?;
        Ok(self.take(end))
    }

    /// As [`read_until`](BoundedStream::read_until), and takes nothing: says where `delimiter` ends.
    ///
    /// # Errors
    ///
    /// Those of [`read_until`](BoundedStream::read_until).
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub async fn search(&self, delimiter: &[u8]) -> Result<usize, BoundedError> {
        let _reading = self.claim(&self.reading)?;
        self.find(delimiter).await
    }

    /// Waits until `len` bytes have come, and takes them.
    ///
    /// # Errors
    ///
    /// If `len` passes the limit; if the stream ends before; if another reads already; those of the stream. The bytes
    /// stay in every case.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub async fn read_exact(&self, len: usize) -> Result<Vec<u8>, BoundedError> {
        let _reading = self.claim(&self.reading)?;
        if len > self.read_limit {
            return Err(Kind::ReadLimit(self.read_limit).into());
        }
        while self.buffered() < len {
            self.fill().await?;
        }
        Ok(self.take(len))
    }

    /// Takes what is there, at most `len` bytes; waits if there is nothing. Empty is the end of the stream.
    ///
    /// # Errors
    ///
    /// If another reads already; those of the stream.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub async fn read(&self, len: usize) -> Result<Vec<u8>, BoundedError> {
        let _reading = self.claim(&self.reading)?;
        while self.buffered() == 0 {
            match self.fill().await {
                Err(error) if error.is_end() => return Ok(Vec::new()),
                result => result?,
            }
        }
        Ok(self.take(len.min(self.buffered())))
    }

    /// Rule 3.
    async fn find(&self, delimiter: &[u8]) -> Result<usize, BoundedError> {
        let mut search = Search::new(delimiter);
        loop {
            if let Some(end) = search.go_on(&self.input.lock().bytes) {
                return Ok(end);
            }
            self.fill().await?;
        }
    }

    /// Reads at least one byte more, or fails.
    async fn fill(&self) -> Result<(), BoundedError> {
        poll_fn(|cx| self.poll_fill(cx)).await
    }

    fn poll_fill(&self, cx: &mut Context<'_>) -> Poll<Result<(), BoundedError>> {
        let room = {
            let input = self.input.lock();
            if input.bytes.len() >= self.read_limit {
                return Poll::Ready(Err(Kind::ReadLimit(self.read_limit).into()));
            }
            if input.ended {
                return Poll::Ready(Err(Kind::End.into()));
            }
            (self.read_limit - input.bytes.len()).min(PIECE)
        };
        let mut memory = [std::mem::MaybeUninit::uninit(); PIECE];
        let mut buf = ReadBuf::uninit(&mut memory[..room]);
        ready!(self.stream.lock().as_mut().poll_read(cx, &mut buf)).map_err(Kind::Io)?;
        let mut input = self.input.lock();
        input.bytes.extend_from_slice(buf.filled());
        if buf.filled().is_empty() {
            input.ended = true;
            return Poll::Ready(Err(Kind::End.into()));
        }
        Poll::Ready(Ok(()))
    }

    fn take(&self, len: usize) -> Vec<u8> {
        let mut input = self.input.lock();
        let rest = input.bytes.split_off(len);
        std::mem::replace(&mut input.bytes, rest)
    }
}

/// Writing.
impl<S: AsyncWrite> BoundedStream<S> {
    /// Sends all that is queued, and flushes the stream below.
    ///
    /// # Errors
    ///
    /// If another flushes already; those of the stream, and `WriteZero` if it takes no more bytes.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing: what was not sent is still queued.
    pub async fn flush(&self) -> Result<(), BoundedError> {
        let _flushing = self.claim(&self.flushing)?;
        poll_fn(|cx| self.poll_send(cx)).await?;
        poll_fn(|cx| self.stream.lock().as_mut().poll_flush(cx)).await?;
        Ok(())
    }

    /// As [`queue`](BoundedStream::queue) and then [`flush`](BoundedStream::flush).
    ///
    /// # Errors
    ///
    /// Those of both.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing: what was not sent is still queued.
    pub async fn write_all(&self, bytes: &[u8]) -> Result<(), BoundedError> {
        self.queue(bytes)?;
        self.flush().await
    }

    /// Flushes and says goodbye to the other side; reading goes on.
    ///
    /// # Errors
    ///
    /// Those of [`flush`](BoundedStream::flush).
    pub async fn shutdown(&self) -> Result<(), BoundedError> {
        self.flush().await?;
        poll_fn(|cx| self.stream.lock().as_mut().poll_shutdown(cx)).await?;
        Ok(())
    }

    fn poll_send(&self, cx: &mut Context<'_>) -> Poll<Result<(), BoundedError>> {
        loop {
            // Only the front is copied out: the queue is not locked while foreign code runs.
            let mut piece = [0; PIECE];
            let len = {
                let queue = self.queue.lock();
                let (front, _) = queue.as_slices();
                let len = front.len().min(PIECE);
                piece[..len].copy_from_slice(&front[..len]);
                len
            };
            if len == 0 {
                return Poll::Ready(Ok(()));
            }
            let written = ready!(self.stream.lock().as_mut().poll_write(cx, &piece[..len]))?;
            if written == 0 {
                let error = io::Error::from(io::ErrorKind::WriteZero);
                return Poll::Ready(Err(error.into()));
            }
            self.queue.lock().drain(..written);
        }
    }
}

impl<S: Unpin> BoundedStream<S> {
    /// The stream below, with what was read ahead and what was not sent.
    pub fn into_parts(self) -> (S, Vec<u8>, Vec<u8>) {
        let stream = *Pin::into_inner(self.stream.into_inner());
        let read = self.input.into_inner().bytes;
        (stream, read, self.queue.into_inner().into())
    }
}

impl<S> BoundedStream<S> {
    /// Rule 2.
    fn claim<'a>(&self, place: &'a AtomicBool) -> Result<Claim<'a>, BoundedError> {
        // Acquire: pairs with the Release of the claim that ended before.
        if place.swap(true, Ordering::Acquire) {
            return Err(Kind::Busy.into());
        }
        Ok(Claim(place))
    }
}

/// The right to be the only reader, or the only one who flushes.
struct Claim<'a>(&'a AtomicBool);

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        // Release: pairs with the Acquire of the next claim.
        self.0.store(false, Ordering::Release);
    }
}

/// A search that goes on where it stopped.
struct Search<'a> {
    pattern: &'a [u8],
    /// For each prefix of the pattern, the length of the longest proper prefix that is its suffix too.
    failure: Vec<usize>,
    /// Bytes looked at.
    seen: usize,
    /// How much of the pattern ends there.
    matched: usize,
}

impl<'a> Search<'a> {
    fn new(pattern: &'a [u8]) -> Search<'a> {
        let mut failure = vec![0; pattern.len()];
        let mut matched = 0;
        for i in 1..pattern.len() {
            while matched > 0 && pattern[matched] != pattern[i] {
                matched = failure[matched - 1];
            }
            matched += usize::from(pattern[matched] == pattern[i]);
            failure[i] = matched;
        }
        Search {
            pattern,
            failure,
            seen: 0,
            matched: 0,
        }
    }

    /// Looks at what has come since; says where the first match ends.
    fn go_on(&mut self, bytes: &[u8]) -> Option<usize> {
        while self.matched < self.pattern.len() {
            let byte = *bytes.get(self.seen)?;
            while self.matched > 0 && self.pattern[self.matched] != byte {
                self.matched = self.failure[self.matched - 1];
            }
            self.matched += usize::from(self.pattern[self.matched] == byte);
            self.seen += 1;
        }
        Some(self.seen)
    }
}

impl<S> fmt::Debug for BoundedStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedStream")
            .field("read_limit", &self.read_limit)
            .field("write_limit", &self.write_limit)
            .finish_non_exhaustive()
    }
}

/// What went wrong with a [`BoundedStream`]. It loses no byte, whatever it is.
#[derive(Debug)]
pub struct BoundedError(Kind);

#[derive(Debug)]
enum Kind {
    ReadLimit(usize),
    WriteLimit(usize),
    Busy,
    End,
    Io(io::Error),
}

impl BoundedError {
    /// More would have to be read ahead than the limit allows: the request cannot be satisfied.
    #[must_use]
    pub fn is_read_limit(&self) -> bool {
        matches!(self.0, Kind::ReadLimit(_))
    }

    /// More would wait to be sent than the limit allows.
    #[must_use]
    pub fn is_write_limit(&self) -> bool {
        matches!(self.0, Kind::WriteLimit(_))
    }

    /// Another task reads, or flushes, already.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self.0, Kind::Busy)
    }

    /// The stream has ended before what was asked for.
    #[must_use]
    pub fn is_end(&self) -> bool {
        matches!(self.0, Kind::End)
    }
}

impl From<Kind> for BoundedError {
    fn from(kind: Kind) -> BoundedError {
        BoundedError(kind)
    }
}

impl From<io::Error> for BoundedError {
    fn from(error: io::Error) -> BoundedError {
        BoundedError(Kind::Io(error))
    }
}

impl fmt::Display for BoundedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::ReadLimit(limit) => {
                write!(f, "the request cannot be satisfied within {limit} bytes")
            }
            Kind::WriteLimit(limit) => {
                write!(f, "more than {limit} bytes would wait to be sent")
            }
            Kind::Busy => f.write_str("another task does the same on this stream already"),
            Kind::End => f.write_str("the stream has ended before what was asked for"),
            Kind::Io(_) => f.write_str("the stream failed"),
        }
    }
}

impl Error for BoundedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Kind::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<BoundedError> for io::Error {
    /// The error of the stream itself, or one with a kind of its own: `InvalidData` for the read limit, `StorageFull`
    /// for the write limit, `ResourceBusy` for a second reader, `UnexpectedEof` for the end.
    fn from(error: BoundedError) -> io::Error {
        let kind = match error.0 {
            Kind::Io(error) => return error,
            Kind::ReadLimit(_) => io::ErrorKind::InvalidData,
            Kind::WriteLimit(_) => io::ErrorKind::StorageFull,
            Kind::Busy => io::ErrorKind::ResourceBusy,
            Kind::End => io::ErrorKind::UnexpectedEof,
        };
        io::Error::new(kind, error)
    }
}
