//! One poller per worker: which sources are ready, and who waits for them.
//!
//! # Words
//!
//! *Source*: a descriptor that can be waited for. *Registration*: our side of a source, bound to one poller.
//! *Readiness*: what we believe a source is ready for; a hint, always. *Event*: the kernel's word that something
//! has changed, *edge-triggered*: said once. *Harvest*: taking the kernel's events and delivering them. *Kick*:
//! ending somebody's wait in the poller from outside.
//!
//! # Protocol
//!
//! An operation:
//! - P1 It is tried first. Only `WouldBlock` leads on.
//! - P2 The first wait registers the source: both halves, edge-triggered, for good. It publishes the registration
//!   and then tells the park word, so that the station's tenant sleeps in the poller and not on the futex.
//! - P3 What the failed try had seen is cleared, unless an event has come since (R3 in `readiness.rs`).
//! - P4 The waker is put in its place, then readiness is looked at once more (R2). Ready: go to P1.
//!
//! A harvest, by whoever holds the poller's lock, be it the owner or a peer that stands in for it:
//! - H1 Wait in the kernel; the lock stays held.
//! - H2 For each event: token to slot, one exchange of its word (R1), then its wakers into the list.
//! - H3 Release the lock. Then, and not before, the caller wakes the list.
//!
//! The end:
//! - E1 `close` marks every slot and collects every waker; from now on operations answer with an error.
//! - E2 It forbids harvests, kicks, takes the lock and drops the kernel's side. The descriptors close when the last thread is out of
//!   a system call on them, never under somebody's feet: they are reached through a weak reference.
//!
//! A failure, when the kernel refuses to wait:
//! - F1 Every slot is marked and every waker collected, as in E1: an error is better than a wait without end.
//! - F2 No registration is counted, so that nobody sleeps here, and so many sources that nothing new is placed here.
//!   The descriptors stay open until the end: the monitor may be looking at one.
//!
//! # Rejected
//!
//! One poller for all workers: stops scaling at some tens of cores (tokio #8450, golang/go #65064). One
//! registration per operation: 25–35 % slower (zio #510). Registering at creation: a connection that never waits
//! would pay 2 µs for nothing. A reader-writer lock around the kernel's side: every kick would take it.
//!
//! Checked by the tests of each part, `tests.rs` here, and `loom-tests/tests/readiness.rs`.

mod error;
mod interest;
mod readiness;
mod slab;
mod source;
mod waiters;

#[cfg(loxley_loom)]
mod model;
#[cfg(loxley_loom)]
use model as os;
#[cfg(not(loxley_loom))]
mod os;

#[cfg(all(test, not(loxley_loom)))]
mod tests;

use std::fmt;
use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use crate::park::Park;
use crate::primitive::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use crate::primitive::{Arc, Mutex, MutexGuard, OnceLock, Process, Weak};
use crate::task::WakeList;

pub use error::{is_rt_shutdown_err, shut_down};
pub use interest::{Direction, Interest, Ready};
#[cfg(loxley_fuzz)]
pub use readiness::Readiness;
pub use readiness::ReadyEvent;
pub use source::Registration;

use os::{Doors, MOST_BESIDE, Waiter};
use slab::{Slab, Token};

/// So far below nothing that the registrations which still come and go do not matter.
const FAILED: usize = (isize::MIN / 2) as usize;

/// How long a harvest may wait for its first event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// Not at all.
    Zero,
    /// So long from now; it may end early, and on the portable twin up to a millisecond late.
    Until(Duration),
    /// Until an event or a kick comes.
    Never,
}

/// How many events a harvest takes at most; what is left comes with the next one.
#[derive(Clone, Copy, Debug)]
pub struct Batches {
    /// When it may wait.
    pub asleep: usize,
    /// When it may not; as many if `None`.
    pub busy: Option<usize>,
}

impl Default for Batches {
    fn default() -> Self {
        let (asleep, busy) = (usize::MAX, None);
        Self { asleep, busy }
    }
}

/// One worker's poller.
pub struct Poller {
    slab: Slab,
    /// Empty after `close`.
    waiter: Mutex<Option<Waiter>>,
    /// Dead after `close`.
    doors: Weak<Doors>,
    park: OnceLock<Arc<Park>>,
    /// Where it was opened: a forked child has the same epoll as its parent, and must leave it alone.
    process: Process,
    /// Set once, by `close`.
    closing: AtomicBool,
    /// Sources bound to this poller, known to the kernel or not yet.
    sources: AtomicUsize,
    /// Sources that the kernel knows.
    registrations: AtomicUsize,
    /// Sources that the kernel has ever been told of.
    registered: AtomicU64,
    /// And told to forget.
    deregistered: AtomicU64,
    /// Written by the holder of `waiter`.
    polls: AtomicU64,
    /// Written by the holder of `waiter`.
    events: AtomicU64,
}

impl Poller {
    /// Opens a poller; `portable` forces the twin that every unix has.
    #[cfg(any(test, loxley_loom))]
    pub fn new(portable: bool) -> io::Result<Self> {
        Self::with_batches(portable, Batches::default())
    }

    /// Opens a poller that harvests so many events at once; `portable` forces the twin that every unix has.
    pub fn with_batches(portable: bool, batches: Batches) -> io::Result<Self> {
        let mut waiter = Waiter::open(portable)?;
        waiter.set_batches(batches);
        Ok(Self {
            slab: Slab::new(),
            doors: waiter.doors(),
            waiter: Mutex::new(Some(waiter)),
            park: OnceLock::new(),
            process: Process::current(),
            closing: AtomicBool::new(false),
            sources: AtomicUsize::new(0),
            registrations: AtomicUsize::new(0),
            registered: AtomicU64::new(0),
            deregistered: AtomicU64::new(0),
            polls: AtomicU64::new(0),
            events: AtomicU64::new(0),
        })
    }

    /// Names the place where this poller's tenant sleeps. The first call counts.
    pub fn set_park(&self, park: Arc<Park>) {
        let _ = self.park.set(park);
    }

    /// Ends the present wait in this poller, or the next one. One system call.
    pub fn kick(&self) {
        if let Some(doors) = self.doors.upgrade() {
            doors.kick();
        }
    }

    /// How many sources are bound to this poller. Placement goes by this: accepted connections come faster than
    /// they wait for the first time.
    #[inline]
    pub fn sources(&self) -> usize {
        self.sources.load(Ordering::Relaxed)
    }

    /// How many sources the kernel knows; somebody must look into the poller while there are any.
    #[inline]
    pub fn registrations(&self) -> usize {
        let count = self.registrations.load(Ordering::Relaxed);
        // Below nothing since F2.
        (count as isize).max(0) as usize
    }

    /// Sources that the kernel has been told of since the start.
    pub fn registered(&self) -> u64 {
        self.registered.load(Ordering::Relaxed)
    }

    /// Sources that the kernel has been told to forget since the start.
    pub fn deregistered(&self) -> u64 {
        self.deregistered.load(Ordering::Relaxed)
    }

    /// Harvests so far.
    pub fn polls(&self) -> u64 {
        self.polls.load(Ordering::Relaxed)
    }

    /// Events delivered so far; kicks, timers and stale events do not count.
    pub fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    /// The poll's descriptor, readable while events wait in it; `None` once closed.
    ///
    /// The number means nothing after `close`: whoever nests it must let go before.
    pub fn poll_fd(&self) -> Option<RawFd> {
        self.doors.upgrade().map(|doors| doors.poll_fd())
    }

    /// The right to harvest; waits for whoever has it now.
    pub fn lock(&self) -> PollGuard<'_> {
        PollGuard {
            poller: self,
            waiter: self.waiter.lock(),
        }
    }

    /// The right to harvest, if nobody else has it.
    pub fn try_lock(&self) -> Option<PollGuard<'_>> {
        let waiter = self.waiter.try_lock()?;
        Some(PollGuard {
            poller: self,
            waiter,
        })
    }

    /// One harvest, unless somebody else is at it. The lock is released on return.
    pub fn try_poll(&self, timeout: Timeout, wakes: &mut WakeList) -> Option<io::Result<usize>> {
        self.try_lock().map(|mut guard| guard.poll(timeout, wakes))
    }

    /// E1, E2: the end. Everybody who waits is put into `wakes`, and finds an error.
    ///
    /// Waits for whoever is polling, after a kick.
    pub fn close(&self, wakes: &mut WakeList) {
        self.slab.close(wakes);
        // Relaxed: whoever the kick ends sees it, and so does everybody who takes the lock after that one.
        self.closing.store(true, Ordering::Relaxed);
        self.kick();
        let waiter = self.waiter.lock().take();
        drop(waiter);
    }

    /// F1, F2: the kernel refuses to wait here.
    pub fn fail(&self, wakes: &mut WakeList) {
        self.slab.close(wakes);
        self.registrations.store(FAILED, Ordering::Relaxed);
        self.sources.store(usize::MAX / 2, Ordering::Relaxed);
    }

    /// False in a forked child.
    fn is_here(&self) -> bool {
        self.process.is_current()
    }

    /// The shared half of the kernel's side; `None` once closed.
    fn doors(&self) -> Option<Arc<Doors>> {
        self.doors.upgrade()
    }

    /// P2: the kernel knows one source more.
    fn registration_added(&self) {
        self.registered.fetch_add(1, Ordering::Relaxed);
        self.registrations.fetch_add(1, Ordering::Relaxed);
        if let Some(park) = self.park.get() {
            park.registration_added();
        }
    }

    fn registration_removed(&self) {
        self.deregistered.fetch_add(1, Ordering::Relaxed);
        self.registrations.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Poller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poller")
            .field("registrations", &self.registrations())
            .field("polls", &self.polls())
            .field("events", &self.events())
            .finish_non_exhaustive()
    }
}

/// The right to harvest one poller, for as long as it lives.
#[derive(Debug)]
pub struct PollGuard<'a> {
    poller: &'a Poller,
    waiter: MutexGuard<'a, Option<Waiter>>,
}

impl PollGuard<'_> {
    /// H1 and H2: waits, delivers, and adds the wakers to `wakes`. Nobody is woken here.
    ///
    /// Returns the number of events delivered. A signal, a kick or a timer ends the wait without one.
    pub fn poll(&mut self, timeout: Timeout, wakes: &mut WakeList) -> io::Result<usize> {
        let poller = self.poller;
        let waiter = match self.waiter.as_mut() {
            // Else a tenant could consume the kick of `close` and sleep again before it gets the lock.
            Some(waiter) if !poller.closing.load(Ordering::Relaxed) => waiter,
            _ => return Err(error::shut_down()),
        };
        let mut delivered = 0;
        let waited = waiter.wait(timeout, |raw, ready| {
            let token = Token::from_raw(raw);
            if let Some(slot) = poller.slab.get(token.index) {
                delivered += usize::from(slot.deliver(token.generation, ready, wakes));
            }
        });
        add(&poller.polls, 1);
        add(&poller.events, delivered as u64);
        waited.map(|()| delivered)
    }
}

impl PollGuard<'_> {
    /// Sleeps in this poller and in `others`, until something is to be harvested in any of them; says in which: the lowest
    /// bit is this one's, and the next ones are the others', in their order. Of more than seven the rest is not waited for.
    pub fn sleep_beside<'p>(
        &mut self,
        timeout: Timeout,
        others: impl Iterator<Item = &'p Poller>,
    ) -> io::Result<u64> {
        let mut doors = [const { None }; MOST_BESIDE];
        for (place, other) in doors.iter_mut().zip(others) {
            *place = other.doors();
        }
        match self.waiter.as_mut() {
            Some(waiter) if !self.poller.closing.load(Ordering::Relaxed) => {
                waiter.wait_beside(timeout, &doors)
            }
            _ => Err(error::shut_down()),
        }
    }
}

/// For a counter with one writer at a time.
fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Ordering::Relaxed) + more, Ordering::Relaxed);
}

/// The door for models: what the kernel would do.
#[cfg(loxley_loom)]
impl Poller {
    /// Makes an event for a token, as [`Registration::token`] names it.
    pub fn inject(&self, token: usize, ready: Ready) {
        if let Some(doors) = self.doors() {
            doors.inject(token, ready);
        }
    }
}
