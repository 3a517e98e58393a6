//! The poller's stand-in under loom: one pending wake and a queue of injected events.
//!
//! The kernel's contract, and no more:
//!
//! - M1 A kick ends the present wait or the next one; several may count as one. Kicking releases, the wait that
//!   it ends acquires.
//! - M2 A wait may end for nothing.
//! - M3 An event is delivered once, after the registration that it belongs to, and perhaps after the source was
//!   deregistered.
//! - M4 A zero wait consumes a kick: mio's are edges, too.
//! - M5 Who sleeps in several pollers returns when there is something in any of them, and takes nothing.
//!
//! A wait never times out by itself: a time-out is an event of its own in the model. `Notify` rather than a
//! lock and a condition, which would order more than M1.

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use loom::sync::Notify;

use crate::poller::Timeout;
use crate::poller::interest::Ready;
use crate::primitive::atomic::{AtomicBool, Ordering};
use crate::primitive::{Arc, Mutex, Weak};

/// The half that every thread may use.
#[derive(Debug)]
pub struct Doors {
    kicked: AtomicBool,
    /// Somebody has kicked, or an event has come.
    pending: Notify,
    /// A lock, because M3 promises that order.
    events: Mutex<Vec<(usize, Ready)>>,
    /// Who sleeps in this poller beside its own.
    beside: Mutex<Option<Arc<Doors>>>,
}

/// The most other pollers that one can sleep in beside its own.
pub const MOST_BESIDE: usize = 1;

impl Doors {
    pub fn kick(&self) {
        self.kicked.swap(true, Ordering::Release); // M1, pairs with the swap in `Waiter::wait`
        self.pending.notify();
        self.tell();
    }

    pub fn register(&self, _: RawFd, _: usize, _: bool) -> io::Result<()> {
        Ok(())
    }

    pub fn register_priority(&self, _: RawFd, _: usize) -> io::Result<()> {
        Ok(())
    }

    pub fn deregister(&self, _: RawFd) -> io::Result<()> {
        Ok(())
    }

    pub fn poll_fd(&self) -> RawFd {
        -1
    }

    /// What the kernel does when something happens to a source.
    pub fn inject(&self, token: usize, ready: Ready) {
        self.events.lock().push((token, ready));
        self.pending.notify();
        self.tell();
    }

    /// M5: who sleeps here beside its own poller returns.
    fn tell(&self) {
        if let Some(sleeper) = &*self.beside.lock() {
            sleeper.pending.notify();
        }
    }

    fn has_something(&self) -> bool {
        self.kicked.load(Ordering::Relaxed) || !self.events.lock().is_empty()
    }
}

/// The half of whoever holds the poller's lock.
#[derive(Debug)]
pub struct Waiter {
    doors: Arc<Doors>,
}

impl Waiter {
    pub fn open(_portable: bool) -> io::Result<Self> {
        let doors = Arc::new(Doors {
            kicked: AtomicBool::new(false),
            pending: Notify::new(),
            events: Mutex::new(Vec::new()),
            beside: Mutex::new(None),
        });
        Ok(Self { doors })
    }

    pub fn set_batches(&mut self, _: super::Batches) {}

    pub fn doors(&self) -> Weak<Doors> {
        Arc::downgrade(&self.doors)
    }

    pub fn wait(&mut self, timeout: Timeout, mut sink: impl FnMut(usize, Ready)) -> io::Result<()> {
        let doors = &self.doors;
        let may_wait = !matches!(timeout, Timeout::Zero | Timeout::Until(Duration::ZERO));
        let events = loop {
            let kicked = doors.kicked.swap(false, Ordering::Acquire);
            let events = std::mem::take(&mut *doors.events.lock());
            if kicked || !events.is_empty() || !may_wait {
                break events;
            }
            doors.pending.wait();
        };
        for (token, ready) in events {
            sink(token, ready);
        }
        Ok(())
    }

    pub fn wait_beside(&mut self, _: Timeout, others: &[Option<Arc<Doors>>]) -> io::Result<u64> {
        let others = || others.iter().flatten();
        for other in others() {
            *other.beside.lock() = Some(self.doors.clone());
        }
        while !self.doors.has_something() && !others().any(|other| other.has_something()) {
            self.doors.pending.wait();
        }
        for other in others() {
            *other.beside.lock() = None;
        }
        let all = std::iter::once(&self.doors).chain(others());
        let ready = all.enumerate();
        Ok(ready.fold(0, |mask, (index, doors)| {
            mask | u64::from(doors.has_something()) << index
        }))
    }
}
