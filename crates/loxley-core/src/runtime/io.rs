//! A socket, or anything pollable, with its place in a worker's poller.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::task::{Context, Poll};

use super::context;
use super::handle::Inner;
use crate::poller::{Direction, Interest, Poller, ReadyEvent, Registration};
use crate::primitive::Arc;

/// A non-blocking descriptor, bound to the poller of one worker for as long as it lives.
///
/// Operations are tried first, on whatever thread; only waiting touches the poller, and the kernel learns of the
/// descriptor at the first wait. A task that waits is woken on the thread that collects the event.
///
/// The descriptor must be in non-blocking mode. It is taken out of the poller before `io` is dropped.
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
/// use loxley_core::io::{Interest, Source};
///
/// let runtime = loxley_core::runtime::Runtime::new()?;
/// runtime.block_on(async {
///     let (mut here, there) = UnixStream::pair()?;
///     there.set_nonblocking(true)?;
///     let there = Source::new(there)?;
///     here.write_all(b"hi")?;
///     let mut bytes = [0; 2];
///     let read = there.async_io(Interest::READABLE, |mut io| io.read(&mut bytes)).await?;
///     assert_eq!(&bytes[..read], b"hi");
///     Ok::<(), std::io::Error>(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Source<T: AsFd> {
    // First: it leaves the poller before the descriptor is closed.
    registration: Registration,
    worker: usize,
    io: T,
}

// A panic while it is in use leaves nothing half done: readiness is set by the poller alone.
impl<T: AsFd + UnwindSafe> UnwindSafe for Source<T> {}
impl<T: AsFd + RefUnwindSafe> RefUnwindSafe for Source<T> {}

impl<T: AsFd> Source<T> {
    /// Binds `io` to this worker's poller; outside a worker, to each worker's in turn. If there are more workers than
    /// processors, only so many of their pollers are used.
    ///
    /// # Errors
    ///
    /// None today; a later version may refuse.
    ///
    /// # Panics
    ///
    /// Outside a runtime, or if the runtime was built without `enable_io`.
    #[track_caller]
    pub fn new(io: T) -> io::Result<Self> {
        Ok(Self::place(io, Inner::station_here))
    }

    /// Binds `io` to the poller with the fewest registrations. For accepted connections: what stays where it was
    /// accepted is served there, because a woken task runs before a thief sees it.
    ///
    /// # Panics
    ///
    /// As [`Source::new`].
    #[track_caller]
    pub fn spread(io: T) -> io::Result<Self> {
        Ok(Self::place(io, |runtime| {
            runtime.scheduler.least_registered()
        }))
    }

    /// Binds `io` to the poller of a given worker, below `RuntimeMetrics::num_workers`.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if there is no such worker.
    ///
    /// # Panics
    ///
    /// As [`Source::new`].
    #[track_caller]
    pub fn on_worker(io: T, worker: usize) -> io::Result<Self> {
        let poller =
            poller_of(|runtime| (worker < runtime.scheduler.stations.len()).then_some(worker));
        match poller {
            Some((poller, worker)) => Ok(Self::bind(io, poller, worker)),
            None => {
                let message = format!("there is no worker {worker} to register a source with");
                Err(io::Error::new(io::ErrorKind::InvalidInput, message))
            }
        }
    }

    /// Binds a socket whose `connect` is under way: it is registered at once and ready for nothing until the
    /// kernel says so.
    ///
    /// # Errors
    ///
    /// The kernel refused the registration.
    ///
    /// # Panics
    ///
    /// As [`Source::new`].
    #[track_caller]
    pub fn connecting(io: T) -> io::Result<Self> {
        let (poller, worker) = here(Inner::station_here);
        let registration = Registration::new_connecting(poller, io.as_fd().as_raw_fd())?;
        Ok(Self {
            registration,
            worker,
            io,
        })
    }

    #[track_caller]
    fn place(io: T, choose: impl FnOnce(&Inner) -> usize) -> Self {
        let (poller, worker) = here(choose);
        Self::bind(io, poller, worker)
    }

    fn bind(io: T, poller: Arc<Poller>, worker: usize) -> Self {
        Self {
            registration: Registration::new(poller, io.as_fd().as_raw_fd()),
            worker,
            io,
        }
    }

    /// The descriptor's owner.
    pub fn get_ref(&self) -> &T {
        &self.io
    }

    /// Takes the descriptor out of its poller and gives it back.
    ///
    /// # Errors
    ///
    /// The kernel refused; the descriptor is then closed.
    pub fn into_inner(self) -> io::Result<T> {
        self.registration.deregister()?;
        Ok(self.io)
    }

    /// The worker in whose poller it is.
    pub fn worker(&self) -> usize {
        self.worker
    }

    /// Waits until reading is worth a try. Of several tasks that poll, the last one is woken.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<ReadyEvent>> {
        self.registration.poll_read_ready(cx)
    }

    /// Waits until writing is worth a try. Of several tasks that poll, the last one is woken.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<ReadyEvent>> {
        self.registration.poll_write_ready(cx)
    }

    /// Forgets the readiness in `event`, unless another event has come since. To be called after `WouldBlock`.
    pub fn clear(&self, event: ReadyEvent) {
        self.registration.clear(event);
    }

    /// Waits for any of an interest. Any number of tasks may wait at the same time; an event wakes them all.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves nothing behind and takes no event away from anybody.
    pub async fn ready(&self, interest: Interest) -> io::Result<ReadyEvent> {
        self.registration.ready(interest).await
    }

    /// Tries an operation, if it is worth a try; never waits.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if the source is not ready, or if `operation` says so; whatever else `operation` says.
    pub fn try_io<R>(
        &self,
        interest: Interest,
        operation: impl FnOnce(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.registration.try_io(interest, || operation(&self.io))
    }

    /// Tries an operation of one half, and waits as long as it says `WouldBlock`.
    ///
    /// Takes one unit of the task's budget for each try. Of several tasks that poll, the last one is woken.
    pub fn poll_io<R>(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.registration
            .poll_io(cx, direction, || operation(&self.io))
    }

    /// As [`Source::poll_io`], for an operation that knows when it has taken all there is: a short read of a
    /// stream on Linux. It says so beside its result, and the next operation waits without a try.
    pub fn poll_transfer<R>(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        mut operation: impl FnMut(&T) -> io::Result<(R, bool)>,
    ) -> Poll<io::Result<R>> {
        self.registration
            .poll_transfer(cx, direction, || operation(&self.io))
    }

    /// Tries an operation, and waits as long as it says `WouldBlock`. Any number of tasks may wait.
    ///
    /// Takes one unit of the task's budget for each try.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves nothing behind: `operation` has then not succeeded.
    pub async fn async_io<R>(
        &self,
        interest: Interest,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.registration
            .async_io(interest, || operation(&self.io))
            .await
    }
}

/// The poller of the station that `choose` names in the current runtime.
#[track_caller]
fn here(choose: impl FnOnce(&Inner) -> usize) -> (Arc<Poller>, usize) {
    match poller_of(|runtime| Some(choose(runtime))) {
        Some(found) => found,
        None => unreachable!("a choice was made"),
    }
}

#[track_caller]
fn poller_of(choose: impl FnOnce(&Inner) -> Option<usize>) -> Option<(Arc<Poller>, usize)> {
    let found = context::with_handle(|handle| {
        let worker = choose(&handle.inner)?;
        let poller = handle.inner.scheduler.stations[worker].poller.clone();
        Some((poller, worker))
    });
    match found {
        Ok(Some((Some(poller), worker))) => Some((poller, worker)),
        Ok(Some((None, _))) => {
            panic!("I/O is disabled: call `enable_io` or `enable_all` on the runtime's `Builder`")
        }
        Ok(None) => None,
        Err(error) => panic!("cannot use a socket: {error}"),
    }
}
