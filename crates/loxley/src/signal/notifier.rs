//! [`notifier`](fn@notifier): waking a task from inside a signal handler.

use std::future::poll_fn;
use std::io::{self, Read};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use loxley_core::io::{Direction, Source};

/// A pair: one side notifies, from wherever it likes, the other waits.
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
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let (notifier, mut notifications) = loxley::signal::notifier()?;
/// notifier.notify();
/// notifier.notify(); // nobody has listened yet: one is enough
/// assert_eq!(notifications.recv().await, Some(()));
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn notifier() -> io::Result<(Notifier, Notifications)> {
    let (notifier, reader) = pair()?;
    reader.set_nonblocking(true)?;
    let notifications = Notifications {
        shared: notifier.shared.clone(),
        reader: Source::new(reader)?,
    };
    Ok((notifier, notifications))
}

/// As [`notifier`](fn@notifier), for a thread that listens and does nothing else.
pub(super) fn blocking_notifier() -> io::Result<(Notifier, BlockingNotifications)> {
    let (notifier, reader) = pair()?;
    let shared = notifier.shared.clone();
    Ok((notifier, BlockingNotifications { shared, reader }))
}

fn pair() -> io::Result<(Notifier, UnixStream)> {
    let (writer, reader) = UnixStream::pair()?;
    writer.set_nonblocking(true)?;
    let shared = Arc::new(Shared {
        pending: AtomicBool::new(false),
        writer,
    });
    Ok((Notifier { shared }, reader))
}

#[derive(Debug)]
struct Shared {
    /// Somebody has notified since the last time that somebody listened.
    pending: AtomicBool,
    writer: UnixStream,
}

/// The side that notifies; clones notify the same listener.
///
/// Cloning and dropping it are *not* for signal handlers: they may free memory.
#[derive(Clone, Debug)]
pub struct Notifier {
    shared: Arc<Shared>,
}

impl Notifier {
    /// Wakes the listener. Async-signal-safe: no lock, no memory, at most one system call.
    pub fn notify(&self) {
        // AcqRel: pairs with the swap in `poll_recv`. What was done before this call is seen by who listens.
        if !self.shared.pending.swap(true, Ordering::AcqRel) {
            // There is room: only who set the flag writes, and the byte is taken before the flag is cleared.
            let _ = rustix::io::write(&self.shared.writer, &[1]);
        }
    }
}

/// The side that listens.
#[derive(Debug)]
pub struct Notifications {
    shared: Arc<Shared>,
    reader: Source<UnixStream>,
}

impl Notifications {
    /// Waits until somebody has notified since the last time; `None` once the runtime has shut down.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub async fn recv(&mut self) -> Option<()> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As [`recv`](Notifications::recv), for those who poll by hand. Only the waker of the last call is kept.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        let read = self.reader.poll_io(cx, Direction::Read, |mut reader| {
            // More than one byte is there only if a flag was set again between two reads.
            reader.read(&mut [0; 16])
        });
        if ready!(read).is_err() {
            return Poll::Ready(None);
        }
        // After the byte, never before: see rule 4 in `signal.rs`.
        self.shared.pending.swap(false, Ordering::AcqRel);
        Poll::Ready(Some(()))
    }
}

/// The side that listens on a thread.
#[derive(Debug)]
pub(super) struct BlockingNotifications {
    shared: Arc<Shared>,
    reader: UnixStream,
}

impl BlockingNotifications {
    /// Ends this side's [`BlockingNotifications::wait`], from another thread.
    pub(super) fn closer(&self) -> io::Result<Closer> {
        self.reader.try_clone().map(Closer)
    }

    /// Blocks until somebody has notified since the last time; false once it is closed.
    pub(super) fn wait(&mut self) -> bool {
        let taken = loop {
            match self.reader.read(&mut [0; 16]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(taken) => break taken,
                Err(_) => break 0,
            }
        };
        // After the byte, as in `poll_recv`.
        self.shared.pending.swap(false, Ordering::AcqRel);
        taken > 0
    }
}

/// Closes [`BlockingNotifications`] when it is dropped.
#[derive(Debug)]
pub(super) struct Closer(UnixStream);

impl Drop for Closer {
    fn drop(&mut self) {
        // It fails only where there is nobody left to tell.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}
