//! [`ReadBuf`]: a byte buffer that knows how much of it is filled, and how much was ever written.
//!
//! ```text
//! [             capacity              ]
//! [ filled |         unfilled         ]
//! [    initialized    | uninitialized ]
//! ```
//!
//! Rules, which the `unsafe` blocks cite:
//!
//! 1. `filled <= initialized <= buf.len()`.
//! 2. The first `initialized` bytes of `buf` hold values; nobody ever makes them uninitialised again.
//! 3. `u8` and `MaybeUninit<u8>` have one layout, and every bit pattern is a `u8`.
//!
//! The type is here, unsafe and all, because its shape is that of tokio's. The helpers at the end keep the
//! unsafe of the rest of the crate in this file: a socket and a [`BufMut`] fill memory that was never
//! written.

#![expect(
    unsafe_code,
    reason = "reads into memory that was never written, as tokio's ReadBuf does"
)]

use std::fmt;
#[cfg(any(
    feature = "fs",
    feature = "io-std",
    feature = "io-util",
    feature = "net",
    feature = "process"
))]
use std::io;
use std::mem::MaybeUninit;
#[cfg(any(feature = "net", feature = "process"))]
use std::os::fd::BorrowedFd;
#[cfg(feature = "io-util")]
use std::pin::Pin;
#[cfg(feature = "io-util")]
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use bytes::buf::UninitSlice;
#[cfg(feature = "net")]
use socket2::{SockAddr, SockRef};

#[cfg(feature = "io-util")]
use super::AsyncRead;

/// Where [`AsyncRead::poll_read`] puts its bytes.
///
/// It wraps a slice and remembers how many bytes are filled, and how many were ever initialised, so that a
/// large buffer need not be zeroed for each read.
///
/// # Examples
///
/// ```
/// use loxley::io::ReadBuf;
///
/// let mut memory = [0; 8];
/// let mut buf = ReadBuf::new(&mut memory);
/// buf.put_slice(b"abc");
/// assert_eq!(buf.filled(), b"abc");
/// assert_eq!(buf.remaining(), 5);
/// ```
pub struct ReadBuf<'a> {
    buf: &'a mut [MaybeUninit<u8>],
    filled: usize,
    initialized: usize,
}

impl<'a> ReadBuf<'a> {
    /// An empty buffer over initialised memory.
    #[inline]
    pub fn new(buf: &'a mut [u8]) -> ReadBuf<'a> {
        let initialized = buf.len();
        let pointer = buf as *mut [u8] as *mut [MaybeUninit<u8>];
        // SAFETY: same layout (rule 3), and the borrow of `buf` lasts as long as ours. The only way to
        // uninitialise a byte through it is `inner_mut` and `unfilled_mut`, whose callers promise not to.
        let buf = unsafe { &mut *pointer };
        ReadBuf {
            buf,
            filled: 0,
            initialized,
        }
    }

    /// An empty buffer over memory that may hold nothing yet.
    #[inline]
    pub fn uninit(buf: &'a mut [MaybeUninit<u8>]) -> ReadBuf<'a> {
        ReadBuf {
            buf,
            filled: 0,
            initialized: 0,
        }
    }

    /// How many bytes fit in all.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.buf.len()
    }

    /// The bytes that were read.
    #[inline]
    pub fn filled(&self) -> &[u8] {
        // SAFETY: initialised, by rules 1 and 2.
        unsafe { assume_init(&self.buf[..self.filled]) }
    }

    /// The bytes that were read.
    #[inline]
    pub fn filled_mut(&mut self) -> &mut [u8] {
        // SAFETY: initialised, by rules 1 and 2.
        unsafe { assume_init_mut(&mut self.buf[..self.filled]) }
    }

    /// A buffer over the first `n` unfilled bytes, or all if there are fewer.
    ///
    /// What is read into it does not count here until [`assume_init`](ReadBuf::assume_init) and
    /// [`advance`](ReadBuf::advance) are called.
    #[inline]
    pub fn take(&mut self, n: usize) -> ReadBuf<'_> {
        let end = self.filled + self.remaining().min(n);
        ReadBuf::uninit(&mut self.buf[self.filled..end])
    }

    /// The bytes that hold values: the filled ones, and those of the rest that were ever initialised.
    #[inline]
    pub fn initialized(&self) -> &[u8] {
        // SAFETY: rule 2.
        unsafe { assume_init(&self.buf[..self.initialized]) }
    }

    /// The bytes that hold values: the filled ones, and those of the rest that were ever initialised.
    #[inline]
    pub fn initialized_mut(&mut self) -> &mut [u8] {
        // SAFETY: rule 2.
        unsafe { assume_init_mut(&mut self.buf[..self.initialized]) }
    }

    /// The whole memory.
    ///
    /// # Safety
    ///
    /// The caller must not make initialised bytes uninitialised.
    #[inline]
    pub unsafe fn inner_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        self.buf
    }

    /// The unfilled part.
    ///
    /// # Safety
    ///
    /// The caller must not make initialised bytes uninitialised.
    #[inline]
    pub unsafe fn unfilled_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        &mut self.buf[self.filled..]
    }

    /// The unfilled part, zeroed where it was never initialised.
    #[inline]
    pub fn initialize_unfilled(&mut self) -> &mut [u8] {
        self.initialize_unfilled_to(self.remaining())
    }

    /// The first `n` unfilled bytes, zeroed where they were never initialised.
    ///
    /// # Panics
    ///
    /// If `n` is more than [`remaining`](ReadBuf::remaining).
    #[inline]
    #[track_caller]
    pub fn initialize_unfilled_to(&mut self, n: usize) -> &mut [u8] {
        assert!(
            n <= self.remaining(),
            "{n} bytes asked for, {} remain",
            self.remaining()
        );
        let end = self.filled + n;
        if self.initialized < end {
            self.buf[self.initialized..end].fill(MaybeUninit::new(0));
            self.initialized = end;
        }
        // SAFETY: initialised up to `end`, by rule 2 or just now.
        unsafe { assume_init_mut(&mut self.buf[self.filled..end]) }
    }

    /// How many bytes still fit.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.capacity() - self.filled
    }

    /// Forgets what was read; the memory stays initialised.
    #[inline]
    pub fn clear(&mut self) {
        self.filled = 0;
    }

    /// Counts the next `n` bytes as filled.
    ///
    /// # Panics
    ///
    /// If they are not all initialised.
    #[inline]
    #[track_caller]
    pub fn advance(&mut self, n: usize) {
        let filled = self
            .filled
            .checked_add(n)
            .expect("more bytes than there can be");
        self.set_filled(filled);
    }

    /// Counts the first `n` bytes as filled, and no others.
    ///
    /// # Panics
    ///
    /// If they are not all initialised.
    #[inline]
    #[track_caller]
    pub fn set_filled(&mut self, n: usize) {
        let initialized = self.initialized;
        assert!(
            n <= initialized,
            "{n} bytes cannot be filled, {initialized} are initialised"
        );
        self.filled = n;
    }

    /// Tells the buffer that the first `n` unfilled bytes hold values. They are not yet filled:
    /// [`advance`](ReadBuf::advance) does that.
    ///
    /// # Safety
    ///
    /// They must hold values.
    #[inline]
    pub unsafe fn assume_init(&mut self, n: usize) {
        self.initialized = self.initialized.max(self.filled + n);
    }

    /// Appends `bytes`.
    ///
    /// # Panics
    ///
    /// If they do not fit into [`remaining`](ReadBuf::remaining).
    #[inline]
    #[track_caller]
    pub fn put_slice(&mut self, bytes: &[u8]) {
        let (len, remaining) = (bytes.len(), self.remaining());
        assert!(
            len <= remaining,
            "{len} bytes do not fit, {remaining} remain"
        );
        let end = self.filled + len;
        let pointer = bytes as *const [u8] as *const [MaybeUninit<u8>];
        // SAFETY: same layout (rule 3), and only read, while `bytes` is borrowed.
        let bytes = unsafe { &*pointer };
        self.buf[self.filled..end].copy_from_slice(bytes);
        self.initialized = self.initialized.max(end);
        self.filled = end;
    }
}

// SAFETY: `chunk_mut` is the unfilled memory, `remaining_mut` its length, and `advance_mut` moves on in it.
unsafe impl BufMut for ReadBuf<'_> {
    fn remaining_mut(&self) -> usize {
        self.remaining()
    }

    unsafe fn advance_mut(&mut self, n: usize) {
        // SAFETY: the caller has written these bytes; that is the contract of `advance_mut`.
        unsafe { self.assume_init(n) };
        self.advance(n);
    }

    fn chunk_mut(&mut self) -> &mut UninitSlice {
        UninitSlice::uninit(&mut self.buf[self.filled..])
    }
}

impl fmt::Debug for ReadBuf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadBuf")
            .field("filled", &self.filled)
            .field("initialized", &self.initialized)
            .field("capacity", &self.capacity())
            .finish()
    }
}

/// # Safety
///
/// All bytes must hold values.
#[inline]
unsafe fn assume_init(bytes: &[MaybeUninit<u8>]) -> &[u8] {
    let pointer = bytes as *const [MaybeUninit<u8>] as *const [u8];
    // SAFETY: same layout (rule 3), and the caller says that they hold values.
    unsafe { &*pointer }
}

/// # Safety
///
/// All bytes must hold values.
#[inline]
unsafe fn assume_init_mut(bytes: &mut [MaybeUninit<u8>]) -> &mut [u8] {
    let pointer = bytes as *mut [MaybeUninit<u8>] as *mut [u8];
    // SAFETY: same layout (rule 3), and the caller says that they hold values.
    unsafe { &mut *pointer }
}

/// One read of the stream into a [`BufMut`]; 0 is the end of the stream, or a buffer without room.
#[cfg(feature = "io-util")]
pub(super) fn poll_read_buf<R, B>(
    reader: Pin<&mut R>,
    cx: &mut Context<'_>,
    buf: &mut B,
) -> Poll<io::Result<usize>>
where
    R: AsyncRead + ?Sized,
    B: BufMut + ?Sized,
{
    if !buf.has_remaining_mut() {
        return Poll::Ready(Ok(0));
    }
    // SAFETY: a `ReadBuf` never makes bytes uninitialised (rule 2).
    let memory = unsafe { buf.chunk_mut().as_uninit_slice_mut() };
    let start = memory.as_ptr();
    let mut read = ReadBuf::uninit(memory);
    ready!(reader.poll_read(cx, &mut read))?;
    // A reader could have put another `ReadBuf` in the place of ours.
    let here = std::ptr::eq(read.buf.as_ptr(), start);
    assert!(here, "a reader has exchanged the buffer that it was given");
    let n = read.filled;
    // SAFETY: the first `n` bytes of the chunk are filled, so they hold values.
    unsafe { buf.advance_mut(n) };
    Poll::Ready(Ok(n))
}

/// One `recv` of a socket into a [`BufMut`]; 0 is the end of the stream, or a buffer without room. Tries again
/// if a signal came in between.
#[cfg(feature = "net")]
#[inline]
pub(crate) fn recv_buf<B: BufMut + ?Sized>(
    socket: &SockRef<'_>,
    buf: &mut B,
    receive: Receive,
) -> io::Result<usize> {
    if !buf.has_remaining_mut() {
        return Ok(0);
    }
    recv_datagram(socket, buf, receive)
}

/// As [`recv_buf`], and a buffer without room takes an empty piece of a datagram: the rest of it is lost.
#[cfg(feature = "net")]
#[inline]
pub(crate) fn recv_datagram<B: BufMut + ?Sized>(
    socket: &SockRef<'_>,
    buf: &mut B,
    receive: Receive,
) -> io::Result<usize> {
    // SAFETY: the system writes values and nothing else.
    let memory = unsafe { chunk(buf) };
    let n = retry(|| match receive {
        Receive::Take => socket.recv(memory),
        Receive::Peek => socket.peek(memory),
    })?;
    // SAFETY: the system has written `n` bytes at the start of the chunk.
    unsafe { buf.advance_mut(n) };
    Ok(n)
}

/// As [`recv_datagram`], and says where the bytes come from.
#[cfg(feature = "net")]
pub(crate) fn recv_buf_from<B: BufMut + ?Sized>(
    socket: &SockRef<'_>,
    buf: &mut B,
    receive: Receive,
) -> io::Result<(usize, SockAddr)> {
    // SAFETY: the system writes values and nothing else.
    let memory = unsafe { chunk(buf) };
    let (n, from) = retry(|| match receive {
        Receive::Take => socket.recv_from(memory),
        Receive::Peek => socket.peek_from(memory),
    })?;
    // SAFETY: the system has written `n` bytes at the start of the chunk.
    unsafe { buf.advance_mut(n) };
    Ok((n, from))
}

/// One `read` of a descriptor that is no socket into a [`BufMut`], as [`recv_buf`].
#[cfg(any(feature = "net", feature = "process"))]
pub(crate) fn read_fd_buf<B: BufMut + ?Sized>(
    fd: BorrowedFd<'_>,
    buf: &mut B,
) -> io::Result<usize> {
    if !buf.has_remaining_mut() {
        return Ok(0);
    }
    // SAFETY: the system writes values and nothing else.
    let memory = unsafe { chunk(buf) };
    let n = retry(|| Ok(rustix::io::read(fd, &mut *memory)?.0.len()))?;
    // SAFETY: the system has written `n` bytes at the start of the chunk.
    unsafe { buf.advance_mut(n) };
    Ok(n)
}

/// Zeroes the room at hand of a [`BufMut`], lets `f` fill a part of it, and counts that part: for readers of the
/// standard library, which want memory that was written.
#[cfg(feature = "net")]
pub(crate) fn fill_zeroed<B: BufMut + ?Sized, R>(
    buf: &mut B,
    f: impl FnOnce(&mut [u8]) -> io::Result<(usize, R)>,
) -> io::Result<(usize, R)> {
    // SAFETY: a `ReadBuf` never makes bytes uninitialised (rule 2).
    let mut memory = ReadBuf::uninit(unsafe { chunk(buf) });
    let (n, more) = f(memory.initialize_unfilled())?;
    memory.advance(n);
    // SAFETY: all of the chunk was zeroed, and it has at least `n` bytes: `advance` has checked it.
    unsafe { buf.advance_mut(n) };
    Ok((n, more))
}

/// The room at hand; none at all if the buffer is full.
///
/// # Safety
///
/// The caller must not make initialised bytes uninitialised.
#[cfg(any(feature = "net", feature = "process"))]
#[inline]
unsafe fn chunk<B: BufMut + ?Sized>(buf: &mut B) -> &mut [MaybeUninit<u8>] {
    if !buf.has_remaining_mut() {
        return &mut [];
    }
    // SAFETY: the caller's promise is the one that is asked for.
    unsafe { buf.chunk_mut().as_uninit_slice_mut() }
}

/// What [`recv_buf`] does with the bytes in the socket.
#[cfg(feature = "net")]
#[derive(Clone, Copy, Debug)]
pub(crate) enum Receive {
    /// Takes them out.
    Take,
    /// Leaves them in.
    Peek,
}

/// Calls `f` again as long as a signal interrupts it.
#[cfg(any(
    feature = "fs",
    feature = "io-std",
    feature = "net",
    feature = "process"
))]
#[inline]
pub(crate) fn retry<R>(mut f: impl FnMut() -> io::Result<R>) -> io::Result<R> {
    loop {
        match f() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filled_never_passes_initialized() {
        let mut memory = [MaybeUninit::uninit(); 4];
        let mut buf = ReadBuf::uninit(&mut memory);
        assert_eq!(
            (buf.capacity(), buf.remaining(), buf.initialized().len()),
            (4, 4, 0)
        );
        buf.put_slice(b"ab");
        assert_eq!(buf.initialize_unfilled_to(1), &[0]);
        buf.advance(1);
        assert_eq!(buf.filled(), b"ab\0");
        buf.clear();
        assert_eq!((buf.filled(), buf.initialized()), (&b""[..], &b"ab\0"[..]));
        buf.set_filled(2);
        assert_eq!(buf.filled_mut(), b"ab");
        assert_eq!(buf.take(9).capacity(), 2);
    }

    #[test]
    #[should_panic(expected = "4 bytes cannot be filled, 3 are initialised")]
    fn uninitialised_bytes_cannot_be_filled() {
        let mut memory = [MaybeUninit::uninit(); 4];
        let mut buf = ReadBuf::uninit(&mut memory);
        buf.put_slice(b"abc");
        buf.advance(1);
    }

    #[test]
    fn a_buf_mut_and_a_read_buf_agree_on_what_is_filled() {
        let mut memory = [MaybeUninit::uninit(); 4];
        let mut buf = ReadBuf::uninit(&mut memory);
        buf.put_u8(7);
        BufMut::put_slice(&mut buf, b"xy");
        assert_eq!((buf.filled(), buf.remaining_mut()), (&b"\x07xy"[..], 1));
    }
}
