//! The real poller: mio's, and on Linux our own way of waiting in it.
//!
//! Two halves. [`Doors`] is shared by all threads: registering, deregistering, kicking. [`Waiter`] belongs to
//! whoever holds the poller's lock. The waiter owns the only strong reference to the doors; when it is dropped,
//! the descriptors are closed as soon as the last thread has left a door.
//!
//! Registering: edge-triggered, both halves, once. A source is named by its descriptor (`SourceFd`): mio's own
//! sockets remember their registry in debug builds and refuse to move to another one.
//!
//! How to wait is chosen when the poller is opened: `linux` (exact to the microsecond) or `portable` (mio's own
//! wait, which rounds up to whole milliseconds).

#[cfg(target_os = "linux")]
mod linux;
mod portable;

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::Duration;

use mio::unix::SourceFd;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::poller::error::while_doing;
use crate::poller::interest::Ready;
use crate::poller::slab::Token;
use crate::poller::{Batches, Timeout};
use crate::primitive::{Arc, Weak};

/// Events that one wait may bring; the rest stays in the kernel's queue for the next one.
const BATCH: usize = 256;

/// The most other pollers that one can sleep in beside its own.
pub const MOST_BESIDE: usize = 7;

/// Longer waits end early, which is allowed: the caller looks at its clock and comes back. Twenty days fit into
/// every timeout that a kernel takes.
const LONGEST: Duration = Duration::from_secs(20 * 86_400);

/// The half that every thread may use.
#[derive(Debug)]
pub struct Doors {
    registry: mio::Registry,
    waker: mio::Waker,
    poll_fd: RawFd,
}

impl Doors {
    /// Ends the present wait, or the next one.
    pub fn kick(&self) {
        // mio empties the counter by itself when it is full; nothing else can fail on an open eventfd or pipe.
        let _ = self.waker.wake();
    }

    /// Makes the kernel send events of `fd` here, from its present state on.
    pub fn register(&self, fd: RawFd, token: usize, priority: bool) -> io::Result<()> {
        self.registry
            .register(&mut SourceFd(&fd), mio::Token(token), interests(priority))
            .map_err(|error| while_doing(format!("register descriptor {fd} with a poller"), error))
    }

    /// Adds out-of-band data to what is waited for.
    pub fn register_priority(&self, fd: RawFd, token: usize) -> io::Result<()> {
        self.registry
            .reregister(&mut SourceFd(&fd), mio::Token(token), interests(true))
            .map_err(|error| {
                while_doing(
                    format!("register descriptor {fd} for out-of-band data"),
                    error,
                )
            })
    }

    /// Makes the kernel forget `fd`; events that were fetched before may still be in flight.
    pub fn deregister(&self, fd: RawFd) -> io::Result<()> {
        self.registry
            .deregister(&mut SourceFd(&fd))
            .map_err(|error| {
                while_doing(format!("deregister descriptor {fd} from its poller"), error)
            })
    }

    /// The poll's own descriptor: readable while events wait in it.
    pub fn poll_fd(&self) -> RawFd {
        self.poll_fd
    }
}

fn interests(priority: bool) -> mio::Interest {
    let both = mio::Interest::READABLE | mio::Interest::WRITABLE;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if priority {
        return both | mio::Interest::PRIORITY;
    }
    let _ = priority;
    both
}

enum Wait {
    #[cfg(target_os = "linux")]
    Linux(linux::Wait),
    Portable(portable::Wait),
}

/// The half of whoever holds the poller's lock.
pub struct Waiter {
    poll: mio::Poll,
    doors: Arc<Doors>,
    wait: Wait,
    /// Events that one wait brings, if it may wait and if not.
    batches: (usize, usize),
}

impl Waiter {
    /// Opens a poll with its wake-up, and on Linux its timer.
    pub fn open(portable: bool) -> io::Result<Self> {
        Self::try_open(portable).map_err(|error| while_doing("open a poller".to_owned(), error))
    }

    fn try_open(portable: bool) -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let doors = Arc::new(Doors {
            registry: poll.registry().try_clone()?,
            waker: mio::Waker::new(poll.registry(), mio::Token(Token::KICK))?,
            poll_fd: poll.as_raw_fd(),
        });
        let wait = open_wait(&poll, portable)?;
        let batches = (BATCH, BATCH);
        Ok(Self {
            poll,
            doors,
            wait,
            batches,
        })
    }

    /// How many events one wait brings.
    pub fn set_batches(&mut self, batches: Batches) {
        let busy = batches.busy.unwrap_or(batches.asleep);
        self.batches = (batches.asleep.min(BATCH), busy.min(BATCH));
        if let Wait::Portable(wait) = &mut self.wait {
            wait.set_batches(self.batches);
        }
    }

    /// The shared half, for as long as this one lives.
    pub fn doors(&self) -> Weak<Doors> {
        Arc::downgrade(&self.doors)
    }

    /// Waits for events and gives each to `sink`; a signal ends the wait without one.
    pub fn wait(&mut self, timeout: Timeout, sink: impl FnMut(usize, Ready)) -> io::Result<()> {
        let batch = match timeout {
            Timeout::Zero => self.batches.1,
            _ => self.batches.0,
        };
        let timeout = match timeout {
            Timeout::Zero => Some(Duration::ZERO),
            Timeout::Until(limit) => Some(limit.min(LONGEST)),
            Timeout::Never => None,
        };
        let waited = match &mut self.wait {
            #[cfg(target_os = "linux")]
            Wait::Linux(wait) => wait.wait(&self.poll, timeout, batch, sink),
            Wait::Portable(wait) => wait.wait(&mut self.poll, timeout, sink),
        };
        match waited {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            waited => waited.map_err(|error| while_doing("wait for events".to_owned(), error)),
        }
    }
}

impl Waiter {
    /// Waits until there is something in this poller or in one of the others, and says in which, a bit each, its own the
    /// lowest. Takes no event.
    pub fn wait_beside(
        &mut self,
        timeout: Timeout,
        others: &[Option<Arc<Doors>>],
    ) -> io::Result<u64> {
        let limit = match timeout {
            Timeout::Zero => Some(Duration::ZERO),
            Timeout::Until(limit) => Some(limit.min(LONGEST)),
            Timeout::Never => None,
        };
        let limit = match (&mut self.wait, limit) {
            #[cfg(target_os = "linux")]
            (Wait::Linux(wait), Some(limit)) => wait.arm(limit),
            (_, limit) => limit.map(|limit| Timespec {
                tv_sec: limit.as_secs() as _,
                tv_nsec: limit.subsec_nanos() as _,
            }),
        };
        let others = others.iter().take(MOST_BESIDE);
        let doors = || std::iter::once(&self.doors).chain(others.clone().flatten());
        let mut fds: [PollFd<'_>; MOST_BESIDE + 1] =
            std::array::from_fn(|_| PollFd::new(&self.doors.registry, PollFlags::empty()));
        for (fd, doors) in fds.iter_mut().zip(doors()) {
            *fd = PollFd::from_borrowed_fd(doors.registry.as_fd(), PollFlags::IN);
        }
        let fds = &mut fds[..doors().count()];
        match poll(fds, limit.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(while_doing("wait for events".to_owned(), error.into())),
        }
        // The closed ones are not among the descriptors, but among the bits.
        let mut ready = fds.iter().map(|fd| !fd.revents().is_empty());
        let mut next = || u64::from(ready.next().unwrap_or(false));
        let own = next();
        let bits = others.enumerate().filter(|(_, doors)| doors.is_some());
        Ok(bits.fold(own, |mask, (index, _)| mask | next() << (index + 1)))
    }
}

fn open_wait(poll: &mio::Poll, portable: bool) -> io::Result<Wait> {
    #[cfg(target_os = "linux")]
    if !portable {
        return linux::Wait::open(poll).map(Wait::Linux);
    }
    let _ = (poll, portable);
    Ok(Wait::Portable(portable::Wait::new()))
}

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter")
            .field("poll_fd", &self.doors.poll_fd)
            .finish_non_exhaustive()
    }
}
