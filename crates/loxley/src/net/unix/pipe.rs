//! Pipes: anonymous ones, and those with a name in the file system (FIFOs).
//!
//! [`pipe`] makes an anonymous one. For a named one that exists already, [`OpenOptions`] opens one end: a
//! [`Sender`] or a [`Receiver`]; neither opening waits for the other side.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BufMut;
use loxley_core::io::{Direction, Source};
use rustix::fs::OFlags;

use crate::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready, read_fd_buf, retry};
use crate::net::traits::impl_descriptor;

/// An anonymous pipe: what is written to the sender is read from the receiver.
///
/// # Errors
///
/// If too many files are open.
///
/// # Panics
///
/// Outside a runtime, and in one without [`enable_io`](crate::runtime::Builder::enable_io).
///
/// # Examples
///
/// ```
/// use loxley::io::{AsyncReadExt, AsyncWriteExt};
/// use loxley::net::unix::pipe;
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let (mut sender, mut receiver) = pipe::pipe()?;
/// sender.write_all(b"hello").await?;
/// drop(sender);
/// let mut text = String::new();
/// receiver.read_to_string(&mut text).await?;
/// assert_eq!(text, "hello");
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn pipe() -> io::Result<(Sender, Receiver)> {
    let (receiver, sender) = both_ends()?;
    Ok((
        Sender::from_owned_fd_unchecked(sender)?,
        Receiver::from_owned_fd_unchecked(receiver)?,
    ))
}

/// A pipe that does not block and is closed on `exec`, in one system call.
#[cfg(not(target_vendor = "apple"))]
fn both_ends() -> io::Result<(OwnedFd, OwnedFd)> {
    use rustix::pipe::PipeFlags;

    Ok(rustix::pipe::pipe_with(
        PipeFlags::CLOEXEC | PipeFlags::NONBLOCK,
    )?)
}

/// The same, in more of them.
#[cfg(target_vendor = "apple")]
fn both_ends() -> io::Result<(OwnedFd, OwnedFd)> {
    let (receiver, sender) = rustix::pipe::pipe()?;
    for end in [&receiver, &sender] {
        rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC)?;
    }
    Ok((nonblocking(receiver)?, nonblocking(sender)?))
}

/// How a named pipe is opened.
///
/// # Examples
///
/// ```
/// use loxley::net::unix::pipe;
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() {
/// let file = std::env::current_exe().unwrap();
/// let error = pipe::OpenOptions::new().open_receiver(file).unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput); // not a pipe
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    read_write: bool,
    unchecked: bool,
}

impl OpenOptions {
    /// For reading or for writing, and only if it is a pipe.
    #[must_use]
    pub fn new() -> OpenOptions {
        OpenOptions::default()
    }

    /// Sets whether it is opened for reading *and* writing: then there is always somebody at the other side, so that a
    /// receiver sees no end and a sender can be opened first. Default: `false`.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn read_write(&mut self, value: bool) -> &mut Self {
        self.read_write = value;
        self
    }

    /// Sets whether the check that it is a pipe is left out. Default: `false`.
    pub fn unchecked(&mut self, value: bool) -> &mut Self {
        self.unchecked = value;
        self
    }

    /// Opens the reading end. There need not be a sender yet.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it is not a pipe; otherwise those of opening a file.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one without [`enable_io`](crate::runtime::Builder::enable_io).
    #[track_caller]
    pub fn open_receiver<P: AsRef<Path>>(&self, path: P) -> io::Result<Receiver> {
        Receiver::from_file_unchecked(self.open(path.as_ref(), Direction::Read)?)
    }

    /// Opens the writing end.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it is not a pipe; `ENXIO` if nobody has it open for reading; otherwise those of opening a file.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one without [`enable_io`](crate::runtime::Builder::enable_io).
    #[track_caller]
    pub fn open_sender<P: AsRef<Path>>(&self, path: P) -> io::Result<Sender> {
        Sender::from_file_unchecked(self.open(path.as_ref(), Direction::Write)?)
    }

    fn open(&self, path: &Path, direction: Direction) -> io::Result<File> {
        let file = File::options()
            .read(self.read_write || direction == Direction::Read)
            .write(self.read_write || direction == Direction::Write)
            .custom_flags(OFlags::NONBLOCK.bits() as i32)
            .open(path)?;
        if !self.unchecked {
            must_be_a_pipe(&file)?;
        }
        Ok(file)
    }
}

fn must_be_a_pipe(file: &File) -> io::Result<()> {
    if file.metadata()?.file_type().is_fifo() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "not a pipe"))
}

/// Fails unless the descriptor is open for `direction`.
fn must_be_open_for(file: &File, direction: Direction) -> io::Result<()> {
    let mode = rustix::fs::fcntl_getfl(file)? & OFlags::RWMODE;
    let (one, message) = match direction {
        Direction::Read => (OFlags::RDONLY, "the pipe is not open for reading"),
        Direction::Write => (OFlags::WRONLY, "the pipe is not open for writing"),
    };
    if mode == one || mode == OFlags::RDWR {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

fn checked(file: File, direction: Direction) -> io::Result<File> {
    must_be_a_pipe(&file)?;
    must_be_open_for(&file, direction)?;
    Ok(nonblocking(file.into())?.into())
}

fn nonblocking(fd: OwnedFd) -> io::Result<OwnedFd> {
    rustix::io::ioctl_fionbio(&fd, true)?;
    Ok(fd)
}

/// What both ends have.
macro_rules! end_methods {
    ($end:ident, $direction:ident, $interest:ident, $poll_ready:ident, $ready:ident) => {
        /// Takes over an end of a pipe and makes it non-blocking.
        ///
        /// # Errors
        ///
        /// `InvalidInput` if it is not a pipe or not open for this direction.
        ///
        /// # Panics
        ///
        /// Outside a runtime, and in one without [`enable_io`](crate::runtime::Builder::enable_io).
        #[track_caller]
        pub fn from_file(file: File) -> io::Result<$end> {
            $end::from_file_unchecked(checked(file, Direction::$direction)?)
        }

        /// As [`from_file`](Self::from_file), from a descriptor.
        ///
        /// # Errors
        ///
        /// Those of [`from_file`](Self::from_file).
        ///
        /// # Panics
        ///
        /// Outside a runtime, and in one without [`enable_io`](crate::runtime::Builder::enable_io).
        #[track_caller]
        pub fn from_owned_fd(fd: OwnedFd) -> io::Result<$end> {
            $end::from_file(File::from(fd))
        }

        /// Takes over an end of a pipe that is non-blocking already, without a check. A wrong one makes operations fail
        /// or block, and nothing worse.
        ///
        /// # Errors
        ///
        /// None today; a later version may refuse.
        ///
        /// # Panics
        ///
        /// Outside a runtime, and in one without [`enable_io`](crate::runtime::Builder::enable_io).
        #[track_caller]
        pub fn from_file_unchecked(file: File) -> io::Result<$end> {
            Ok($end {
                source: Source::new(file)?,
            })
        }

        /// As [`from_file_unchecked`](Self::from_file_unchecked), from a descriptor.
        ///
        /// # Errors
        ///
        /// Those of [`from_file_unchecked`](Self::from_file_unchecked).
        ///
        /// # Panics
        ///
        /// Outside a runtime, and in one without [`enable_io`](crate::runtime::Builder::enable_io).
        #[track_caller]
        pub fn from_owned_fd_unchecked(fd: OwnedFd) -> io::Result<$end> {
            $end::from_file_unchecked(File::from(fd))
        }

        /// Waits until it is ready for one of `interest`, and says for what.
        ///
        /// The answer may be out of date when it arrives.
        ///
        /// # Errors
        ///
        /// If the runtime has shut down.
        ///
        /// # Cancellation
        ///
        /// Dropping the future loses nothing.
        pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
            let event = self.source.ready(interest).await?;
            Ok(event.ready())
        }

        /// Waits until an operation is worth a try.
        ///
        /// # Errors
        ///
        /// If the runtime has shut down.
        ///
        /// # Cancellation
        ///
        /// Dropping the future loses nothing.
        pub async fn $ready(&self) -> io::Result<()> {
            self.ready(Interest::$interest).await.map(drop)
        }

        /// The same for those who poll by hand. Only the waker of the last call is kept.
        ///
        /// # Errors
        ///
        /// If the runtime has shut down.
        pub fn $poll_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.source.$poll_ready(cx).map_ok(drop)
        }

        /// Does an operation of your own on the descriptor, if it is ready.
        ///
        /// `f` must say `WouldBlock` if, and only if, it is not ready after all: that clears the readiness.
        ///
        /// # Errors
        ///
        /// `WouldBlock` without a call of `f` if it is not ready; otherwise what `f` says.
        pub fn try_io<R>(&self, f: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
            self.source.try_io(Interest::$interest, |_| f())
        }

        /// The descriptor, blocking.
        ///
        /// # Errors
        ///
        /// If the system refuses to end the registration or to change the mode.
        pub fn into_blocking_fd(self) -> io::Result<OwnedFd> {
            let fd = self.into_nonblocking_fd()?;
            rustix::io::ioctl_fionbio(&fd, false)?;
            Ok(fd)
        }

        /// The descriptor, non-blocking.
        ///
        /// # Errors
        ///
        /// If the system refuses to end the registration.
        pub fn into_nonblocking_fd(self) -> io::Result<OwnedFd> {
            Ok(self.source.into_inner()?.into())
        }
    };
}

/// The writing end of a pipe. Writes fail with `BrokenPipe` once there is no receiver.
///
/// There is no end to send: a receiver reads the end when the last sender is dropped.
pub struct Sender {
    source: Source<File>,
}

impl Sender {
    end_methods!(Sender, Write, WRITABLE, poll_write_ready, writable);

    /// Writes as much of `buf` as fits, without waiting. Up to 4096 bytes go whole or not at all on Linux.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if nothing fits now; `BrokenPipe` if there is no receiver.
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.source
            .try_io(Interest::WRITABLE, |mut pipe| retry(|| pipe.write(buf)))
    }

    /// As [`try_write`](Sender::try_write), out of several buffers in order.
    ///
    /// # Errors
    ///
    /// Those of [`try_write`](Sender::try_write).
    pub fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.source.try_io(Interest::WRITABLE, |mut pipe| {
            retry(|| pipe.write_vectored(bufs))
        })
    }
}

impl AsyncWrite for Sender {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        // A pipe may take less than was asked and still have room: no conclusion is drawn from that.
        self.source
            .poll_io(cx, Direction::Write, |mut pipe| pipe.write(buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.source
            .poll_io(cx, Direction::Write, |mut pipe| pipe.write_vectored(bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Nothing to do: the system sends by itself.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Nothing to do: only dropping ends a pipe.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl_descriptor!(Sender);

/// The reading end of a pipe.
pub struct Receiver {
    source: Source<File>,
}

impl Receiver {
    end_methods!(Receiver, Read, READABLE, poll_read_ready, readable);

    /// Reads what is there into `buf`, without waiting; zero is the end of the pipe.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is nothing now.
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.source
            .try_io(Interest::READABLE, |mut pipe| retry(|| pipe.read(buf)))
    }

    /// As [`try_read`](Receiver::try_read), into several buffers in order.
    ///
    /// # Errors
    ///
    /// Those of [`try_read`](Receiver::try_read).
    pub fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.source.try_io(Interest::READABLE, |mut pipe| {
            retry(|| pipe.read_vectored(bufs))
        })
    }

    /// As [`try_read`](Receiver::try_read), appending to `buf`; zero is also a `buf` without room.
    ///
    /// # Errors
    ///
    /// Those of [`try_read`](Receiver::try_read).
    pub fn try_read_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        self.source
            .try_io(Interest::READABLE, |pipe| read_fd_buf(pipe.as_fd(), buf))
    }
}

impl AsyncRead for Receiver {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Nor here: a pipe in packet mode gives one packet at a time, and more may be there.
        self.source
            .poll_io(cx, Direction::Read, |pipe| read_fd_buf(pipe.as_fd(), buf))
            .map_ok(drop)
    }
}

impl_descriptor!(Receiver);
