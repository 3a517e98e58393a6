//! Timers: one wheel per station, and an entry inside every sleeping future.
//!
//! # Words
//!
//! *Deadline* or *fire time*: nanoseconds of the runtime's clock. *Wheel*: the sorted-enough set of
//! deadlines, see [`wheel`]. *Entry*: the part of a `Sleep` that a wheel links; nothing is allocated per timer.
//! *Next*: when somebody has to come, or a lower bound of it: the earliest deadline, or, where that may *share* a wake
//! with others (V6 of [`wheel`]), up to a millisecond after it. *Home*: the wheel that an entry was registered in; it
//! stays there until a `reset`, whichever worker polls the task, and whoever drops it takes the home's lock.
//!
//! # Protocol
//!
//! Whoever waits (`Entry::poll`):
//! - T1 first poll: put the waker into the entry's slot, then link the entry under the wheel's lock, which also
//!   writes `next`; if `next` moved earlier and the caller is not the station's tenant, tell its [`Park`]
//!   after the lock is released (U1 there).
//! - T2 later polls: put the waker into the slot, then look at the state again. No lock.
//!
//! Whoever fires (`Timers::expire`), the tenant or any peer, under the wheel's lock:
//! - T3 unlink every entry whose exact deadline has come, in order of (deadline, insertion);
//! - T4 for each: say FIRED, then take its waker. T2 and T4 both change the slot's word, so one sees the other;
//! - T5 for each: say that this was the last touch; the owner may free the entry without a lock from here on;
//! - T6 write `next`. The wakers are woken by the caller, when every lock is released.
//!
//! Whoever cancels (drop, `reset`): an entry that was never registered, or whose firing is over, needs no lock; any
//! other takes its home's lock, which ends T3 to T6 for it.
//!
//! # What an order of events means
//!
//! - All due timers are collected before the first waker of them runs. A timer that re-arms itself with
//!   zero delay is therefore in the next batch, and starves nobody.
//! - A timer is *fired* once it was collected. Cancelled before that, it never fires and wakes nobody. Cancelled
//!   after that, say by another timer of its batch, it is a fired timer that nobody looks at: its future is
//!   gone and never completes, its task has one wake too many, as any future must expect.
//! - A timer never fires early: buckets hold exact deadlines and are compared exactly. Equal ones fire in the order of
//!   insertion, also if some of them share and others do not.
//! - A deadline in the past fires at the next `expire`; the end of time ([`END_OF_TIME`], where absurd
//!   deadlines saturate) never fires, wakes no sleeper and costs a link.
//! - `next` is exact after an insert or an expiry, unless an entry that was the earliest of several in its
//!   slot has been cancelled; then it is a lower bound. An `expire` at or after `next` always raises it above
//!   `now`, so a sleeper that trusts it never turns without progress, and wakes for nothing at most once per
//!   slot that it passes.
//!
//! # Rejected
//!
//! A heap: cancel is O(log n), and leaves holes or needs an index. One wheel for all workers: its lock was the
//! ceiling in tokio (#6504). Shards in one driver: the next wake was computed before all shards were read
//! (#6683), and the split was reverted (#7226). The waker under the wheel's lock: re-polling a `select!` with
//! ten sleeps in it would take ten locks, and replacing a waker drops foreign code.
//!
//! Checked by `timer/tests.rs` (a sorted map as oracle, several starts of the clock) and
//! `loom-tests/tests/timer.rs`.

mod entry;
mod wheel;

#[cfg(all(test, not(loxley_loom)))]
mod tests;

use std::fmt;
use std::pin::Pin;

use crate::clock::Clock;
use crate::park::{NEVER, Park};
use crate::primitive::atomic::{AtomicU64, Ordering};
use crate::primitive::{Arc, Mutex, MutexGuard, OnceLock};
use crate::task::WakeList;

pub use entry::{Entry, Here};
use wheel::{Link, Wheel};

/// Where absurd deadlines saturate: this one never comes.
pub const END_OF_TIME: u64 = u64::MAX - 1;

/// When a timer is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// A reading of the clock.
    pub at: u64,
    /// It may be a millisecond late if that saves its worker a wake.
    pub shares: bool,
}

impl Deadline {
    /// One that is kept as exactly as can be.
    pub const fn exact(at: u64) -> Self {
        Self { at, shares: false }
    }
}

impl From<u64> for Deadline {
    fn from(at: u64) -> Self {
        Self::exact(at)
    }
}

/// The runtime is gone: no timer fires any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the runtime of this timer has shut down")
    }
}

impl std::error::Error for Closed {}

/// The timers of one station.
pub struct Timers {
    clock: Clock,
    wheel: Mutex<Wheel>,
    /// Written under the wheel's lock, read by anybody.
    next: AtomicU64,
    /// Written under the wheel's lock.
    fired: AtomicU64,
    park: OnceLock<Arc<Park>>,
}

impl Timers {
    /// An empty wheel, which begins at what `clock` reads now.
    pub fn new(clock: Clock) -> Self {
        Self {
            wheel: Mutex::new(Wheel::new(clock.now())),
            clock,
            next: AtomicU64::new(NEVER),
            fired: AtomicU64::new(0),
            park: OnceLock::new(),
        }
    }

    /// The clock whose readings the deadlines are.
    #[inline]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Names the place where the station's tenant sleeps; the first call counts.
    pub fn set_park(&self, park: Arc<Park>) {
        let _ = self.park.set(park);
    }

    /// When somebody has to come, or a lower bound of it; [`NEVER`] if nobody waits for a time that comes.
    #[inline]
    pub fn next_deadline(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// How many timers have fired here.
    pub fn fired(&self) -> u64 {
        self.fired.load(Ordering::Relaxed)
    }

    /// Collects the wakers of all due timers, in order; says how many timers fired.
    ///
    /// Nobody is woken here: wake the list when every lock is released.
    #[inline]
    pub fn expire(&self, now: u64, wakes: &mut WakeList) -> usize {
        // Relaxed: whoever moves `next` earlier tells the sleeper, and a peer may come too late.
        if now < self.next_deadline() {
            return 0;
        }
        self.expire_slow(now, wakes)
    }

    fn expire_slow(&self, now: u64, wakes: &mut WakeList) -> usize {
        let mut wheel = self.wheel.lock();
        let fired = wheel.expire(now, wakes);
        self.publish(&wheel); // T6
        let so_far = self.fired.load(Ordering::Relaxed);
        self.fired
            .store(so_far.wrapping_add(fired as u64), Ordering::Relaxed);
        fired
    }

    /// Shutdown: every timer of this wheel, and every later one, answers [`Closed`].
    pub fn close(&self, wakes: &mut WakeList) {
        let mut wheel = self.wheel.lock();
        wheel.close(wakes);
        self.publish(&wheel);
    }

    /// Links an entry; with `own` the caller is the tenant, who need not be told.
    #[inline]
    fn insert(&self, link: Pin<&mut Link>, deadline: Deadline, own: bool) -> Result<(), Closed> {
        let mut wheel = self.wheel.lock();
        if wheel.insert(link, deadline)? {
            self.come_earlier(wheel, own);
        }
        Ok(())
    }

    #[inline(never)]
    fn come_earlier(&self, wheel: MutexGuard<'_, Wheel>, own: bool) {
        let next = wheel.next();
        self.publish(&wheel);
        drop(wheel);
        if !own {
            if let Some(park) = self.park.get() {
                park.deadline_added(next); // T1
            }
        }
    }

    /// Unlinks an entry; false if it has fired, or was closed, in the meantime.
    fn remove(&self, link: Pin<&mut Link>) -> bool {
        let mut wheel = self.wheel.lock();
        let linked = wheel.remove(link);
        self.publish(&wheel);
        linked
    }

    /// Writes `next` for a wheel that is locked.
    #[inline]
    fn publish(&self, wheel: &Wheel) {
        if wheel.next() != self.next.load(Ordering::Relaxed) {
            self.next.store(wheel.next(), Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers")
            .field("next", &self.next_deadline())
            .field("fired", &self.fired())
            .finish_non_exhaustive()
    }
}
