//! [`AsyncFd`].

use std::error::Error;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::task::{Context, Poll, ready};

use loxley_core::io::Source;

use super::guard::{AsyncFdReadyGuard, AsyncFdReadyMutGuard};
use super::os::Lent;
use crate::io::Interest;

/// A descriptor of your own, in the poller of a worker.
///
/// For what has no type here: an eventfd, a timerfd, inotify, a socket of another family. The descriptor must be
/// non-blocking and of a kind that can be polled, which a file on a disk is not. It must stay open and the same as
/// long as the `AsyncFd` lives.
///
/// Waiting yields a *guard*. Try the operation, and if it says `WouldBlock` tell the guard, whose
/// [`try_io`](AsyncFdReadyGuard::try_io) does both; otherwise the next wait returns at once. Simpler is
/// [`async_io`](AsyncFd::async_io), which does all of it.
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
/// use loxley::io::{Interest, unix::AsyncFd};
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let (near, mut far) = UnixStream::pair()?;
/// near.set_nonblocking(true)?;
/// let near = AsyncFd::new(near)?;
/// far.write_all(b"hi")?;
///
/// let mut word = [0; 8];
/// let len = near.async_io(Interest::READABLE, |mut stream| stream.read(&mut word)).await?;
/// assert_eq!(&word[..len], b"hi");
/// # Ok(())
/// # }
/// ```
pub struct AsyncFd<T: AsRawFd> {
    /// First: it leaves the poller before the descriptor is closed.
    pub(super) source: Source<Lent>,
    inner: T,
}

impl<T: AsRawFd> AsyncFd<T> {
    /// Puts `inner` into the poller, for reading and writing.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` if it is a file on a disk or something else that cannot be polled; `inner` is then dropped,
    /// see [`try_new`](AsyncFd::try_new).
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one without [`enable_io`](crate::runtime::Builder::enable_io).
    #[track_caller]
    pub fn new(inner: T) -> io::Result<Self> {
        Self::try_new(inner).map_err(Into::into)
    }

    /// As [`new`](AsyncFd::new). The interest is a hint: waiting for another one works too.
    ///
    /// # Errors
    ///
    /// Those of [`new`](AsyncFd::new).
    ///
    /// # Panics
    ///
    /// Those of [`new`](AsyncFd::new).
    #[track_caller]
    pub fn with_interest(inner: T, interest: Interest) -> io::Result<Self> {
        Self::try_with_interest(inner, interest).map_err(Into::into)
    }

    /// As [`new`](AsyncFd::new), and an error gives `inner` back.
    ///
    /// # Errors
    ///
    /// Those of [`new`](AsyncFd::new).
    ///
    /// # Panics
    ///
    /// Those of [`new`](AsyncFd::new).
    #[track_caller]
    pub fn try_new(inner: T) -> Result<Self, AsyncFdRegisterError<T>> {
        match Source::connecting(Lent(inner.as_raw_fd())) {
            Ok(source) => Ok(AsyncFd { source, inner }),
            Err(error) => Err(AsyncFdRegisterError {
                cause: bare(error),
                inner,
            }),
        }
    }

    /// As [`try_new`](AsyncFd::try_new). The interest is a hint: waiting for another one works too.
    ///
    /// # Errors
    ///
    /// Those of [`new`](AsyncFd::new).
    ///
    /// # Panics
    ///
    /// Those of [`new`](AsyncFd::new).
    #[track_caller]
    pub fn try_with_interest(
        inner: T,
        interest: Interest,
    ) -> Result<Self, AsyncFdRegisterError<T>> {
        // The poller takes every source in both directions, and priority when somebody first waits for it.
        let _ = interest;
        Self::try_new(inner)
    }

    /// The owner of the descriptor.
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// The owner of the descriptor. It must keep it open.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// Takes the descriptor out of the poller and gives its owner back.
    pub fn into_inner(self) -> T {
        let AsyncFd { source, inner } = self;
        drop(source);
        inner
    }

    /// Waits until reading is worth a try, for those who poll by hand. Only the waker of the last call is kept.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    pub fn poll_read_ready<'a>(
        &'a self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyGuard<'a, T>>> {
        let event = ready!(self.source.poll_read_ready(cx))?;
        Poll::Ready(Ok(AsyncFdReadyGuard::new(self, event)))
    }

    /// As [`poll_read_ready`](AsyncFd::poll_read_ready), with a guard that lends the owner mutably.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    pub fn poll_read_ready_mut<'a>(
        &'a mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyMutGuard<'a, T>>> {
        let event = ready!(self.source.poll_read_ready(cx))?;
        Poll::Ready(Ok(AsyncFdReadyMutGuard::new(self, event)))
    }

    /// Waits until writing is worth a try, for those who poll by hand. Only the waker of the last call is kept.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    pub fn poll_write_ready<'a>(
        &'a self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyGuard<'a, T>>> {
        let event = ready!(self.source.poll_write_ready(cx))?;
        Poll::Ready(Ok(AsyncFdReadyGuard::new(self, event)))
    }

    /// As [`poll_write_ready`](AsyncFd::poll_write_ready), with a guard that lends the owner mutably.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    pub fn poll_write_ready_mut<'a>(
        &'a mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyMutGuard<'a, T>>> {
        let event = ready!(self.source.poll_write_ready(cx))?;
        Poll::Ready(Ok(AsyncFdReadyMutGuard::new(self, event)))
    }

    /// Waits until it is ready for one of `interest`.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub async fn ready(&self, interest: Interest) -> io::Result<AsyncFdReadyGuard<'_, T>> {
        let event = self.source.ready(interest).await?;
        Ok(AsyncFdReadyGuard::new(self, event))
    }

    /// As [`ready`](AsyncFd::ready), with a guard that lends the owner mutably.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub async fn ready_mut(
        &mut self,
        interest: Interest,
    ) -> io::Result<AsyncFdReadyMutGuard<'_, T>> {
        let event = self.source.ready(interest).await?;
        Ok(AsyncFdReadyMutGuard::new(self, event))
    }

    /// Waits until reading is worth a try.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub async fn readable<'a>(&'a self) -> io::Result<AsyncFdReadyGuard<'a, T>> {
        self.ready(Interest::READABLE).await
    }

    /// As [`readable`](AsyncFd::readable), with a guard that lends the owner mutably.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub async fn readable_mut<'a>(&'a mut self) -> io::Result<AsyncFdReadyMutGuard<'a, T>> {
        self.ready_mut(Interest::READABLE).await
    }

    /// Waits until writing is worth a try.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub async fn writable<'a>(&'a self) -> io::Result<AsyncFdReadyGuard<'a, T>> {
        self.ready(Interest::WRITABLE).await
    }

    /// As [`writable`](AsyncFd::writable), with a guard that lends the owner mutably.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub async fn writable_mut<'a>(&'a mut self) -> io::Result<AsyncFdReadyMutGuard<'a, T>> {
        self.ready_mut(Interest::WRITABLE).await
    }

    /// Does an operation, and waits for `interest` as long as `f` says `WouldBlock`.
    ///
    /// # Errors
    ///
    /// What `f` says, and if the runtime has shut down.
    ///
    /// # Cancellation
    ///
    /// Loses nothing if `f` loses nothing: the future waits outside `f` only.
    pub async fn async_io<R>(
        &self,
        interest: Interest,
        mut f: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.source.async_io(interest, |_| f(&self.inner)).await
    }

    /// As [`async_io`](AsyncFd::async_io), with the owner lent mutably.
    ///
    /// # Errors
    ///
    /// Those of [`async_io`](AsyncFd::async_io).
    ///
    /// # Cancellation
    ///
    /// As that of [`async_io`](AsyncFd::async_io).
    pub async fn async_io_mut<R>(
        &mut self,
        interest: Interest,
        mut f: impl FnMut(&mut T) -> io::Result<R>,
    ) -> io::Result<R> {
        let AsyncFd { source, inner } = self;
        source.async_io(interest, |_| f(inner)).await
    }

    /// Does an operation, if the descriptor is ready for `interest`; never waits.
    ///
    /// # Errors
    ///
    /// `WouldBlock` without a call of `f` if it is not ready; otherwise what `f` says.
    pub fn try_io<R>(
        &self,
        interest: Interest,
        f: impl FnOnce(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.source.try_io(interest, |_| f(&self.inner))
    }

    /// As [`try_io`](AsyncFd::try_io), with the owner lent mutably.
    ///
    /// # Errors
    ///
    /// Those of [`try_io`](AsyncFd::try_io).
    pub fn try_io_mut<R>(
        &mut self,
        interest: Interest,
        f: impl FnOnce(&mut T) -> io::Result<R>,
    ) -> io::Result<R> {
        let AsyncFd { source, inner } = self;
        source.try_io(interest, |_| f(inner))
    }
}

/// What the system itself said: programs branch on its number.
fn bare(error: io::Error) -> io::Error {
    let number = error
        .get_ref()
        .and_then(|inner| inner.source()?.downcast_ref::<io::Error>()?.raw_os_error());
    number.map_or(error, io::Error::from_raw_os_error)
}

impl<T: AsRawFd> AsRawFd for AsyncFd<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.inner.as_raw_fd()
    }
}

impl<T: AsRawFd> AsFd for AsyncFd<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.source.get_ref().as_fd()
    }
}

impl<T: fmt::Debug + AsRawFd> fmt::Debug for AsyncFd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncFd")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

/// A descriptor could not be put into the poller; here it is back.
pub struct AsyncFdRegisterError<T> {
    inner: T,
    cause: io::Error,
}

/// The first name of [`AsyncFdRegisterError`].
pub type AsyncFdTryNewError<T> = AsyncFdRegisterError<T>;

impl<T> AsyncFdRegisterError<T> {
    /// The owner of the descriptor, and what the system said.
    pub fn into_parts(self) -> (T, io::Error) {
        (self.inner, self.cause)
    }
}

impl<T> fmt::Debug for AsyncFdRegisterError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl<T> fmt::Display for AsyncFdRegisterError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl<T> Error for AsyncFdRegisterError<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

impl<T> From<AsyncFdRegisterError<T>> for io::Error {
    fn from(error: AsyncFdRegisterError<T>) -> io::Error {
        error.cause
    }
}
